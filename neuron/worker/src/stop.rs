//! Ctrl-C and SIGTERM: finish, save and say goodbye; at the second one, end at once.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
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
    tokio::spawn(async move {
        for is_first in [true, false] {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
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
