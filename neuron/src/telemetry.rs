//! Logs: what happens inside, on standard error.

use std::{
    env,
    io::{self, IsTerminal, Write},
};

use tracing_subscriber::{
    EnvFilter, filter::ParseError, fmt, layer::SubscriberExt, util::SubscriberInitExt,
};

use crate::cli::{Global, LogFormat};

/// What cannot be logged as asked.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter does not parse.
    #[error("expected a filter such as warn or neuron_peer=debug,info, got {filter:?}")]
    Filter {
        /// What was asked for.
        filter: String,
        /// Why it is none.
        source: ParseError,
    },
    /// Something else logs already.
    #[error("logs were set up twice")]
    Twice,
}

/// Logs from now on what `--log` says; without it, what `RUST_LOG` says; without that, from `level` up.
///
/// # Errors
///
/// If the filter does not parse, or logs are set up already.
pub fn start(global: &Global, level: &str) -> Result<(), TelemetryError> {
    start_through(global, level, io::stderr)
}

/// As [`start`], by way of a `writer` for each event, which knows what else is written to standard error.
///
/// # Errors
///
/// As [`start`].
pub fn start_through<W: Write + 'static>(
    global: &Global,
    level: &str,
    writer: impl Fn() -> W + Send + Sync + 'static,
) -> Result<(), TelemetryError> {
    let asked = global.log.clone().or_else(|| env::var("RUST_LOG").ok());
    let filter = asked.unwrap_or_else(|| level.to_owned());
    let parsed =
        EnvFilter::try_new(&filter).map_err(|source| TelemetryError::Filter { filter, source })?;
    let registry = tracing_subscriber::registry().with(parsed);
    let started = match global.log_format() {
        LogFormat::Text => registry
            .with(
                fmt::layer()
                    .with_writer(writer)
                    .with_ansi(io::stderr().is_terminal()),
            )
            .try_init(),
        LogFormat::Json => registry
            .with(fmt::layer().json().with_writer(writer))
            .try_init(),
    };
    started.map_err(|_| TelemetryError::Twice)
}
