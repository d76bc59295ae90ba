//! Settings of the nucleus: its queue and its batches.

use std::{num::NonZeroU32, time::Duration};

use clap::Args;

use super::duration::duration;

/// How requests queue up and become batches.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Nucleus: queue and batches")]
pub struct NucleusSettings {
    /// Requests that may wait; more are refused with a hint when to come back
    #[arg(
        long,
        env = "CONNECTOME_QUEUE_REQUESTS",
        value_name = "NUMBER",
        default_value = "1024"
    )]
    pub queue_requests: NonZeroU32,
    /// MiB of tensors that may wait, and of the answers that they ask for
    #[arg(
        long,
        env = "CONNECTOME_QUEUE_MIB",
        value_name = "NUMBER",
        default_value = "256"
    )]
    pub queue_mib: NonZeroU32,
    /// Rows of one forward pass, over all callers
    #[arg(
        long,
        env = "CONNECTOME_BATCH_ROWS",
        value_name = "NUMBER",
        default_value = "256"
    )]
    pub batch_rows: NonZeroU32,
    /// How long an idle model waits for more rows; with 0, a batch is what came while the one before it ran
    ///
    /// A request is never kept waiting for others longer than half of the time that its caller waits for the answer, and the
    /// whole must be less than the 30 seconds that a request may take.
    #[arg(
        long,
        env = "CONNECTOME_BATCH_WAIT",
        value_name = "DURATION",
        default_value = "0ms",
        value_parser = duration
    )]
    pub batch_wait: Duration,
    /// MiB that one request may have
    #[arg(
        long,
        env = "CONNECTOME_REQUEST_MIB",
        value_name = "NUMBER",
        default_value = "16"
    )]
    pub request_mib: NonZeroU32,
    /// MiB that the answer to one request may have
    ///
    /// How long an answer is follows from the request: its rows, and for texts their tokens and, where predictions are asked
    /// for, the vocabulary, or how many of the likeliest tokens are. A request for a longer one is refused with the number of rows
    /// that fit.
    #[arg(
        long,
        env = "CONNECTOME_ANSWER_MIB",
        value_name = "NUMBER",
        default_value = "32"
    )]
    pub answer_mib: NonZeroU32,
}
