//! When a fan-out is over.

use std::{future::Future, time::Duration};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tokio::time::{self, Instant};

/// When a fan-out stops waiting, if its deadline does not end it first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// When every peer's outcome is known.
    All,
    /// When `first` peers have answered with success and `grace` has passed since. Slow or dead peers then cost no more
    /// than the grace; what they did not answer by then is a timeout, for which no peer is left alone that has a
    /// connection: it may just be slower than others.
    FirstThenGrace {
        /// Answers that the caller can work with.
        first: usize,
        /// What the others get on top.
        grace: Duration,
    },
}

/// Runs all calls at once, in the caller's task, until `finish` or `deadline`, and gives what each came to, in order.
/// Those still without a result are dropped, which cancels them, and give `None`.
pub(super) async fn gather<F: Future>(
    calls: impl IntoIterator<Item = F>,
    deadline: Instant,
    finish: Finish,
    is_answer: impl Fn(&F::Output) -> bool,
) -> Vec<Option<F::Output>> {
    let mut running: FuturesUnordered<_> = calls
        .into_iter()
        .enumerate()
        .map(|(place, call)| async move { (place, call.await) })
        .collect();
    let mut results: Vec<_> = (0..running.len()).map(|_| None).collect();
    let (mut missing, grace) = match finish {
        Finish::All => (usize::MAX, Duration::MAX),
        Finish::FirstThenGrace { first, grace } => (first, grace),
    };
    let over = time::sleep_until(match missing {
        0 => soonest(deadline, grace),
        _ => deadline,
    });
    tokio::pin!(over);
    loop {
        tokio::select! {
            biased;
            next = running.next() => {
                let Some((place, result)) = next else { break };
                if is_answer(&result) && missing > 0 {
                    missing -= 1;
                    if missing == 0 {
                        over.as_mut().reset(soonest(deadline, grace));
                    }
                }
                results[place] = Some(result);
            }
            () = &mut over => break,
        }
    }
    results
}

/// The deadline, or the end of a grace that begins now.
fn soonest(deadline: Instant, grace: Duration) -> Instant {
    match Instant::now().checked_add(grace) {
        Some(end) => deadline.min(end),
        None => deadline,
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future,
        pin::Pin,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use super::*;

    type Call = Pin<Box<dyn Future<Output = u64>>>;

    const SECOND: Duration = Duration::from_secs(1);

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Comes to its delay.
    fn after(delay: u64) -> Call {
        Box::pin(async move {
            time::sleep(ms(delay)).await;
            delay
        })
    }

    fn never() -> Call {
        Box::pin(future::pending())
    }

    async fn run(
        calls: Vec<Call>,
        deadline: Duration,
        finish: Finish,
    ) -> (Vec<Option<u64>>, Duration) {
        let start = Instant::now();
        // Odd delays stand for failures.
        let results = gather(calls, start + deadline, finish, |delay| delay % 2 == 0).await;
        (results, start.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn all_waits_for_the_slowest_and_keeps_the_order() {
        let calls = vec![after(30), after(10), after(20)];
        let (results, took) = run(calls, SECOND, Finish::All).await;
        assert_eq!(results, [Some(30), Some(10), Some(20)]);
        assert_eq!(took, ms(30));
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_ends_everything() {
        let (results, took) = run(vec![after(30), never()], SECOND, Finish::All).await;
        assert_eq!(results, [Some(30), None]);
        assert_eq!(took, SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn a_black_hole_costs_seven_others_the_grace_only() {
        let mut calls: Vec<Call> = (1..=7).map(|i| after(2 * i)).collect();
        calls.insert(3, never());
        let finish = Finish::FirstThenGrace {
            first: 7,
            grace: ms(50),
        };
        let (results, took) = run(calls, 3 * SECOND, finish).await;
        assert_eq!(results.iter().flatten().count(), 7);
        assert_eq!(results[3], None);
        assert_eq!(took, ms(14 + 50));
    }

    #[tokio::test(start_paused = true)]
    async fn who_answers_within_the_grace_is_heard() {
        let finish = Finish::FirstThenGrace {
            first: 1,
            grace: ms(50),
        };
        let (results, took) = run(vec![after(10), after(60), after(62)], SECOND, finish).await;
        assert_eq!(results, [Some(10), Some(60), None]);
        assert_eq!(took, ms(60));
    }

    #[tokio::test(start_paused = true)]
    async fn failures_are_no_answers() {
        let finish = Finish::FirstThenGrace {
            first: 1,
            grace: ms(0),
        };
        let (results, took) = run(vec![after(1), after(40), after(90)], SECOND, finish).await;
        assert_eq!(results, [Some(1), Some(40), None]);
        assert_eq!(took, ms(40));
    }

    #[tokio::test(start_paused = true)]
    async fn the_grace_never_outlasts_the_deadline() {
        let finish = Finish::FirstThenGrace {
            first: 1,
            grace: 9 * SECOND,
        };
        let (results, took) = run(vec![after(10), never()], SECOND, finish).await;
        assert_eq!(results, [Some(10), None]);
        assert_eq!(took, SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_first_the_grace_begins_at_once() {
        let finish = Finish::FirstThenGrace {
            first: 0,
            grace: ms(50),
        };
        let (results, took) = run(vec![after(10), never()], SECOND, finish).await;
        assert_eq!(results, [Some(10), None]);
        assert_eq!(took, ms(50));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_to_ask_is_over_at_once() {
        let (results, took) = run(Vec::new(), SECOND, Finish::All).await;
        assert_eq!((results.len(), took), (0, Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_cut_off_is_cancelled() {
        struct Cancelled<'a>(&'a AtomicUsize);
        impl Drop for Cancelled<'_> {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let cancelled = AtomicUsize::new(0);
        let calls = (0..3).map(|_| async {
            let _cancelled = Cancelled(&cancelled);
            future::pending::<()>().await;
        });
        gather(calls, Instant::now() + SECOND, Finish::All, |()| true).await;
        assert_eq!(cancelled.load(Ordering::Relaxed), 3);
    }
}
