//! Where the demo happens: what was measured so far, the view of it, and the user, who may end it at any time.

use crate::{
    observation::{Observation, Phase, Plan},
    view::View,
};
use anyhow::Result;
use std::{
    fmt,
    future::Future,
    pin::pin,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::{Interval, MissedTickBehavior, interval},
};

/// Between two looks at everything.
const TICK: Duration = Duration::from_millis(250);

/// The user, or the system, wants the demo to end.
#[derive(Debug)]
pub(crate) struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

/// See the module.
pub(crate) struct Stage {
    /// What was measured so far.
    pub(crate) observation: Observation,
    /// When the demo began, in Unix milliseconds.
    pub(crate) began_ms: u64,
    began: Instant,
    view: View,
    ticks: Interval,
    signals: [Signal; 3],
}

impl Stage {
    /// Opens the view, and listens for signals from now on.
    ///
    /// # Errors
    ///
    /// If the terminal or the system does not allow it.
    pub(crate) fn open(plan: Plan, plain: bool) -> Result<Self> {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH)?;
        Ok(Self {
            observation: Observation::new(plan),
            began_ms: u64::try_from(since_epoch.as_millis())?,
            began: Instant::now(),
            ticks,
            signals: [
                signal(SignalKind::interrupt())?,
                signal(SignalKind::terminate())?,
                signal(SignalKind::hangup())?,
            ],
            view: View::open(plain)?,
        })
    }

    /// Goes on to the next phase.
    pub(crate) fn enter(&mut self, phase: Phase) {
        self.observation.phase = phase;
    }

    /// Waits a moment, and shows what there is.
    ///
    /// # Errors
    ///
    /// [`Interrupted`], or what the view says.
    pub(crate) async fn tick(&mut self) -> Result<()> {
        let [interrupt, terminate, hangup] = &mut self.signals;
        tokio::select! {
            _ = self.ticks.tick() => {}
            _ = interrupt.recv() => return Err(Interrupted.into()),
            _ = terminate.recv() => return Err(Interrupted.into()),
            _ = hangup.recv() => return Err(Interrupted.into()),
        }
        self.show()?;
        if self.view.wants_to_end()? {
            return Err(Interrupted.into());
        }
        Ok(())
    }

    /// Shows what there is.
    ///
    /// # Errors
    ///
    /// What the view says.
    pub(crate) fn show(&mut self) -> Result<()> {
        self.observation.elapsed = self.began.elapsed().as_secs_f64();
        self.view.show(&self.observation)
    }

    /// Awaits `future` while the view goes on.
    ///
    /// # Errors
    ///
    /// Its own, [`Interrupted`], or what the view says.
    pub(crate) async fn during<T>(&mut self, future: impl Future<Output = Result<T>>) -> Result<T> {
        let mut future = pin!(future);
        loop {
            tokio::select! {
                result = &mut future => return result,
                tick = self.tick() => tick?,
            }
        }
    }

    /// Gives the terminal back, and what was measured.
    pub(crate) fn close(self) -> Observation {
        self.observation
    }
}
