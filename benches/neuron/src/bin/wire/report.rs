//! The figures, for people and for scripts.

use std::time::Duration;

use neuron_benches::{
    statistics::{median, quantile},
    table::{met, table},
};
use serde_json::{Value, json};

use super::{ROWS, WIDTH, measure::Round, server::Kind};

/// The part of the plain echo's rate that the axon is to reach, for each size of [`ROWS`].
const GOALS: [f64; 2] = [0.8, 0.75];
/// Milliseconds that a health check may take while a forward runs.
const HEALTH_GOAL: f64 = 5.0;

/// Everything that was measured.
pub(crate) struct Report {
    pub(crate) in_flight: usize,
    /// By size, as [`ROWS`], then by server, as [`Kind::ECHOES`].
    pub(crate) rounds: Vec<Vec<Vec<Round>>>,
    /// Bytes of the axon's process: at first, and at most.
    pub(crate) memory: [u64; 2],
    pub(crate) health: Health,
}

/// Health checks while a forward ran.
pub(crate) struct Health {
    pub(crate) forward: Duration,
    pub(crate) checks: Vec<Duration>,
}

/// The axon beside the others, by rate.
struct Ratio {
    kib: u32,
    of_plain: f64,
    of_tls: f64,
    goal: f64,
}

fn kib(rows: u32) -> u32 {
    rows * WIDTH * 4 / 1024
}

fn of(rounds: &[Round], figure: fn(&Round) -> f64) -> f64 {
    median(rounds.iter().map(figure))
}

impl Report {
    fn ratios(&self) -> impl Iterator<Item = Ratio> {
        ROWS.iter()
            .zip(&self.rounds)
            .zip(GOALS)
            .map(|((&rows, servers), goal)| {
                let [axon, tls, plain] = [&servers[0], &servers[1], &servers[2]];
                let beside = |other: &[Round]| {
                    let pairs = axon.iter().zip(other);
                    median(pairs.map(|(axon, other)| axon.rate / other.rate))
                };
                Ratio {
                    kib: kib(rows),
                    of_plain: beside(plain),
                    of_tls: beside(tls),
                    goal,
                }
            })
    }

    pub(crate) fn table(&self) -> String {
        let rate = format!("per s, {} in flight", self.in_flight);
        let headers = ["KiB", "server", "p50 ms", "p99 ms", &rate, "processor ms"];
        let rows = ROWS.iter().zip(&self.rounds).flat_map(|(&rows, servers)| {
            Kind::ECHOES.iter().zip(servers).map(move |(kind, rounds)| {
                [
                    kib(rows).to_string(),
                    kind.name().to_owned(),
                    format!("{:.3}", of(rounds, |round| round.p50)),
                    format!("{:.3}", of(rounds, |round| round.p99)),
                    format!("{:.0}", of(rounds, |round| round.rate)),
                    format!("{:.3}", of(rounds, |round| round.cpu)),
                ]
            })
        });
        let mut text = format!("{}\n\n", table(headers, 2, rows));
        for Ratio {
            kib,
            of_plain,
            of_tls,
            goal,
        } in self.ratios()
        {
            let met = met(of_plain >= goal);
            text += &format!(
                "{kib} KiB: axon at {:.0} % of plain (goal {:.0} %: {met}), {:.0} % of tls\n",
                of_plain * 100.0,
                goal * 100.0,
                of_tls * 100.0
            );
        }
        let [idle, peak] = self.memory.map(|bytes| bytes as f64 / f64::from(1 << 20));
        text += &format!(
            "the axon's process: {idle:.1} MiB before the first call, {peak:.1} MiB at most\n"
        );
        let [p50, max] = self.health_figures();
        text + &format!(
            "health while a forward of {:.2} s runs: p50 {p50:.3} ms, at most {max:.3} ms of {} checks (goal {HEALTH_GOAL} ms: {})\n",
            self.health.forward.as_secs_f64(),
            self.health.checks.len(),
            met(max <= HEALTH_GOAL)
        )
    }

    pub(crate) fn json(&self) -> String {
        let echoes: Vec<Value> = ROWS
            .iter()
            .zip(&self.rounds)
            .flat_map(|(&rows, servers)| {
                Kind::ECHOES.iter().zip(servers).map(move |(kind, rounds)| {
                    json!({
                        "kib": kib(rows),
                        "server": kind.name(),
                        "p50_ms": of(rounds, |round| round.p50),
                        "p99_ms": of(rounds, |round| round.p99),
                        "per_second": of(rounds, |round| round.rate),
                        "processor_ms": of(rounds, |round| round.cpu),
                        "rates": rounds.iter().map(|round| round.rate).collect::<Vec<f64>>(),
                    })
                })
            })
            .collect();
        let ratios: Vec<Value> = self
            .ratios()
            .map(|ratio| {
                json!({
                    "kib": ratio.kib,
                    "of_plain": ratio.of_plain,
                    "of_tls": ratio.of_tls,
                    "goal_of_plain": ratio.goal,
                })
            })
            .collect();
        let [p50, max] = self.health_figures();
        let report = json!({
            "in_flight": self.in_flight,
            "echoes": echoes,
            "ratios": ratios,
            "axon_bytes": { "idle": self.memory[0], "peak": self.memory[1] },
            "health": {
                "forward_ms": self.health.forward.as_secs_f64() * 1e3,
                "checks": self.health.checks.len(),
                "p50_ms": p50,
                "max_ms": max,
                "goal_ms": HEALTH_GOAL,
            },
        });
        format!("{report}\n")
    }

    fn health_figures(&self) -> [f64; 2] {
        let mut checks = self.health.checks.clone();
        [0.5, 1.0].map(|part| quantile(&mut checks, part))
    }
}
