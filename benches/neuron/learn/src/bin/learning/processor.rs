//! Time of the processor that this thread was given: a machine that does something else meanwhile changes little of it.

use std::{fs, time::Duration};

use anyhow::{Context as _, Result};

/// What Linux counts for the thread that asks; the first number is nanoseconds on a processor.
const COUNTED: &str = "/proc/thread-self/schedstat";

/// Time on a processor since the thread began.
///
/// # Errors
///
/// If the system counts none.
pub(crate) fn time() -> Result<Duration> {
    let counted = fs::read_to_string(COUNTED).context(COUNTED)?;
    let nanoseconds = counted.split_whitespace().next().context(COUNTED)?;
    Ok(Duration::from_nanos(nanoseconds.parse()?))
}
