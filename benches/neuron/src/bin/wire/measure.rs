//! One round with one server: calls one after the other, then many at once.

use std::{
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use neuron_benches::statistics::quantile;
use neuron_proto::Tensor;
use tokio::task::JoinSet;

use super::{Arguments, client::Target};

/// Calls before each measurement that do not count.
const WARM_UP: usize = 20;
/// Clock ticks of the kernel's accounting in a second: fixed on Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// What one round measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    /// Milliseconds of calls one after the other.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    /// Calls in a second with many in flight.
    pub(crate) rate: f64,
    /// Milliseconds of both processes' processors for each of these calls.
    pub(crate) cpu: f64,
}

pub(crate) async fn round(
    target: &Arc<Target>,
    tensor: &Tensor,
    arguments: &Arguments,
) -> Result<Round> {
    for _ in 0..WARM_UP {
        target.echo(tensor).await?;
    }
    let mut times = Vec::with_capacity(arguments.calls);
    for _ in 0..arguments.calls {
        times.push(target.echo(tensor).await?);
    }
    let (p50, p99) = (quantile(&mut times, 0.5), quantile(&mut times, 0.99));

    let processes = [target.server.process, std::process::id()];
    let before = processor_seconds(processes)?;
    let start = Instant::now();
    let end = start + Duration::try_from_secs_f64(arguments.seconds)?;
    let mut lanes = JoinSet::new();
    for _ in 0..arguments.in_flight {
        let (target, tensor) = (target.clone(), tensor.clone());
        lanes.spawn(async move {
            let mut n_calls = 0.0;
            while Instant::now() < end {
                target.echo(&tensor).await?;
                n_calls += 1.0;
            }
            anyhow::Ok(n_calls)
        });
    }
    let mut n_calls = 0.0;
    while let Some(lane) = lanes.join_next().await {
        n_calls += lane??;
    }
    let elapsed = start.elapsed().as_secs_f64();
    Ok(Round {
        p50,
        p99,
        rate: n_calls / elapsed,
        cpu: (processor_seconds(processes)? - before) * 1e3 / n_calls,
    })
}

/// Seconds of processors that these processes have used, as user and as kernel.
fn processor_seconds(processes: [u32; 2]) -> Result<f64> {
    let mut ticks = 0.0;
    for process in processes {
        let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
        // The name before the last parenthesis may have spaces in it; utime and stime are the 12th and 13th after it.
        let (_, fields) = stat.rsplit_once(')').context("a stat without a name")?;
        for field in fields.split_whitespace().skip(11).take(2) {
            ticks += field.parse::<f64>()?;
        }
    }
    Ok(ticks / TICKS_PER_SECOND)
}

/// Bytes that the kernel counts for a process under this name: `VmRSS` now, `VmHWM` at most so far.
pub(crate) fn memory(process: u32, name: &str) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find(|line| line.starts_with(name));
    // `VmRSS:     12345 kB`
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    let kib: u64 = kib.context("a status without memory")?.parse()?;
    Ok(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_used_a_processor() {
        let own = std::process::id();
        assert!(processor_seconds([own, own]).is_ok_and(|seconds| seconds >= 0.0));
    }

    #[test]
    fn this_process_has_memory() {
        let own = std::process::id();
        let [now, most] = ["VmRSS", "VmHWM"].map(|name| memory(own, name).unwrap());
        assert!(0 < now && now <= most, "{now} {most}");
    }
}
