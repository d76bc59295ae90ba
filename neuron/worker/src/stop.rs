//! Ctrl-C, SIGTERM and SIGHUP: finish, save and say goodbye; at the second one, end at once.

use std::{fs, future, io};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// What a shell expects of a program that Ctrl-C ended: 128 + SIGINT.
const INTERRUPTED: i32 = 130;

/// Cancelled by the first signal. To be called in a runtime.
///
/// # Errors
///
/// If the system does not let signals be caught.
pub(crate) fn on_signal() -> io::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let asked = stop.clone();
    let (mut interrupt, mut terminate) = (
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
    );
    // Of a terminal that is closed, unless the program is to outlive it.
    let mut hangup = match is_hangup_ignored() {
        true => None,
        false => Some(signal(SignalKind::hangup())?),
    };
    tokio::spawn(async move {
        for is_first in [true, false] {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                () = next(hangup.as_mut()) => {}
            }
            if is_first {
                tracing::info!(
                    "stopping: the step is finished and everything saved; once more to end at once"
                );
                asked.cancel();
            }
        }
        std::process::exit(INTERRUPTED);
    });
    Ok(stop)
}

/// The next signal of this kind; never, if it is not waited for.
async fn next(signals: Option<&mut Signal>) {
    match signals {
        Some(signals) => {
            signals.recv().await;
        }
        None => future::pending().await,
    }
}

/// Whether the program was started so that SIGHUP does not reach it, as `nohup` does. False where the system does not say.
fn is_hangup_ignored() -> bool {
    fs::read_to_string("/proc/self/status").is_ok_and(|status| ignores_hangup(&status))
}

/// `status`: as Linux has it; of the signals that are ignored, a mask in hexadecimal digits, the first signal lowest
fn ignores_hangup(status: &str) -> bool {
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    let hangup = 1 << (SignalKind::hangup().as_raw_value() - 1);
    ignored.is_some_and(|mask| mask & hangup != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nohup_is_heard() {
        let status = |mask| format!("Name:\tneuron\nSigBlk:\t0000000000000001\nSigIgn:\t{mask}\n");
        assert!(ignores_hangup(&status("0000000000001001")));
        assert!(!ignores_hangup(&status("0000000000001000")));
        assert!(!ignores_hangup(""));
    }
}
