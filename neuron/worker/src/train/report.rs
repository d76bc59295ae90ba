//! What is told of training: to the run log, to Prometheus, and to people.

use std::time::{Duration, Instant};

use neuron_learn::events::{Evaluation, Event, RunLog, Step};
use prometheus::{Gauge, IntCounter, IntCounterVec, Opts, Registry};

use crate::progress::Progress;

/// Between two lines about steps, where there is no progress bar.
const BETWEEN_LINES: Duration = Duration::from_secs(10);

/// Everybody who wants to know.
#[derive(Debug)]
pub(crate) struct Report {
    log: RunLog,
    progress: Progress,
    last_line: Instant,
    pace: Pace,
    metrics: TrainingMetrics,
}

/// How fast it goes, over the last few steps: one alone says little.
#[derive(Debug, Default)]
struct Pace {
    /// Rows and tokens a second, and utilisation; none before the first step.
    smooth: Option<[f64; 3]>,
}

/// Weight of the latest step in a [`Pace`].
const LATEST: f64 = 0.1;

impl Pace {
    #[expect(
        clippy::cast_precision_loss,
        reason = "nobody learns from 2^52 tokens at once"
    )]
    fn add(&mut self, step: &Step) {
        let seconds = step.step_ms / 1_000.0;
        if seconds <= 0.0 {
            return;
        }
        let latest = [
            step.n_rows as f64 / seconds,
            step.n_tokens as f64 / seconds,
            step.utilisation.unwrap_or(0.0),
        ];
        self.smooth = Some(match self.smooth {
            None => latest,
            Some(mut smooth) => {
                for (smooth, latest) in smooth.iter_mut().zip(latest) {
                    *smooth += LATEST * (latest - *smooth);
                }
                smooth
            }
        });
    }

    /// `12,300 tokens/s, 38 % of peak`
    fn shown(&self) -> String {
        let [rows, tokens, utilisation] = self.smooth.unwrap_or_default();
        let pace = match tokens > 0.0 {
            true => format!("{tokens:.0} tokens/s"),
            false => format!("{rows:.0} images/s"),
        };
        match utilisation > 0.0 {
            true => format!("{pace}, {:.0} % of peak", 100.0 * utilisation),
            false => pace,
        }
    }
}

impl Report {
    /// Of training whose `progress` is shown already, if it is to be: a line is drawn on a terminal; elsewhere, lines are logged.
    pub(crate) fn new(log: RunLog, progress: Progress, metrics: TrainingMetrics) -> Self {
        Self {
            log,
            progress,
            last_line: Instant::now(),
            pace: Pace::default(),
            metrics,
        }
    }

    /// Tells it. The log is not what training is for: it goes on where the log cannot be written.
    pub(crate) fn record(&mut self, event: Event) {
        match &event {
            Event::Step(step) => self.step(step),
            Event::Evaluation(evaluation) => self.evaluation(evaluation),
            Event::Weights(weights) => self.metrics.weights(&weights.result),
            Event::End(_) => self.progress.end(),
            _ => {}
        }
        if let Err(error) = self.log.record(event) {
            tracing::warn!(%error, "cannot write the run log");
        }
    }

    fn step(&mut self, step: &Step) {
        self.metrics.step(step);
        self.pace.add(step);
        let pace = self.pace.shown();
        let asked = format!("{}/{} peers", step.n_ok, step.n_peers);
        if !self.progress.is_hidden() {
            let message = format!("loss {:.4} {asked} {pace}", step.loss);
            self.progress.at(step.step, message);
        } else if self.last_line.elapsed() >= BETWEEN_LINES {
            self.last_line = Instant::now();
            tracing::info!(
                step = step.step,
                epoch = step.epoch,
                loss = step.loss,
                asked,
                pace,
                "training"
            );
        }
    }

    fn evaluation(&mut self, evaluation: &Evaluation) {
        self.metrics.evaluation(evaluation);
        let network = evaluation.network_accuracy;
        if self.progress.is_hidden() {
            let (step, loss, accuracy) = (
                evaluation.step,
                evaluation.local_loss,
                evaluation.local_accuracy,
            );
            tracing::info!(
                step,
                loss,
                accuracy,
                network_accuracy = network,
                "evaluated"
            );
            return;
        }
        let with = network.map(|accuracy| format!(", with the network {:.2} %", 100.0 * accuracy));
        self.progress.tell(&format!(
            "step {}: loss {:.4}, {:.2} % right on what is held out{}",
            evaluation.step,
            evaluation.local_loss,
            100.0 * evaluation.local_accuracy,
            with.unwrap_or_default()
        ));
    }
}

/// What the trainer shows to Prometheus.
///
/// | name | meaning |
/// | --- | --- |
/// | `neuron_training_steps_total` | optimiser steps since the start of the program |
/// | `neuron_training_loss` | loss of the latest step |
/// | `neuron_training_step_seconds`, `neuron_training_remote_seconds` | what it took, and what of it was waiting for peers |
/// | `neuron_training_rows_total`, `neuron_training_tokens_total` | what was learned from |
/// | `neuron_training_flops_utilisation` | of the latest step: what the model takes of what the device can do |
/// | `neuron_training_peers_asked`, `neuron_training_peers_answered` | in the latest step |
/// | `neuron_training_lost_gate_mass` | share of the gates whose peer did not answer |
/// | `neuron_training_local_accuracy`, `neuron_training_network_accuracy` | on held-out examples, of tokens where it is text |
/// | `neuron_training_weights_total` | rows that were due, by `result`: included, unchanged, no permit, waits, refused |
#[derive(Clone, Debug)]
pub(crate) struct TrainingMetrics {
    steps: IntCounter,
    rows: IntCounter,
    tokens: IntCounter,
    utilisation: Gauge,
    loss: Gauge,
    step_seconds: Gauge,
    remote_seconds: Gauge,
    asked: Gauge,
    answered: Gauge,
    lost_gate_mass: Gauge,
    local_accuracy: Gauge,
    network_accuracy: Gauge,
    weights: IntCounterVec,
}

impl TrainingMetrics {
    /// All at zero, and collected by nobody yet.
    pub(crate) fn new() -> Self {
        Self {
            steps: counter("steps", "Optimiser steps"),
            rows: counter("rows", "Examples that were learned from"),
            tokens: counter("tokens", "Tokens that were learned from"),
            utilisation: gauge(
                "flops_utilisation",
                "Share of what the device can do that the latest step used",
            ),
            loss: gauge("loss", "Loss of the latest step"),
            step_seconds: gauge("step_seconds", "Time of the latest step"),
            remote_seconds: gauge(
                "remote_seconds",
                "Time that the latest step waited for peers",
            ),
            asked: gauge("peers_asked", "Peers asked in the latest step"),
            answered: gauge("peers_answered", "Peers that answered in the latest step"),
            lost_gate_mass: gauge("lost_gate_mass", "Share of the gates without an answer"),
            local_accuracy: gauge("local_accuracy", "Accuracy on held-out examples, alone"),
            network_accuracy: gauge(
                "network_accuracy",
                "Accuracy on held-out examples, with peers",
            ),
            weights: IntCounterVec::new(
                Opts::new("neuron_training_weights_total", "Weight rows that were due"),
                &["result"],
            )
            .expect("the name is valid"),
        }
    }

    /// Lets a registry collect these metrics.
    pub(crate) fn register(&self, registry: &Registry) -> prometheus::Result<()> {
        for counter in [&self.steps, &self.rows, &self.tokens] {
            registry.register(Box::new(counter.clone()))?;
        }
        registry.register(Box::new(self.weights.clone()))?;
        let gauges = [
            &self.utilisation,
            &self.loss,
            &self.step_seconds,
            &self.remote_seconds,
            &self.asked,
            &self.answered,
            &self.lost_gate_mass,
            &self.local_accuracy,
            &self.network_accuracy,
        ];
        gauges
            .into_iter()
            .try_for_each(|gauge| registry.register(Box::new(gauge.clone())))
    }

    #[expect(clippy::cast_precision_loss, reason = "nobody asks 2^52 peers")]
    fn step(&self, step: &Step) {
        self.steps.inc();
        self.rows.inc_by(step.n_rows);
        self.tokens.inc_by(step.n_tokens);
        self.utilisation.set(step.utilisation.unwrap_or(0.0));
        self.loss.set(step.loss);
        self.step_seconds.set(step.step_ms / 1_000.0);
        self.remote_seconds.set(step.remote_ms / 1_000.0);
        self.asked.set(step.n_peers as f64);
        self.answered.set(step.n_ok as f64);
        self.lost_gate_mass.set(step.lost_gate_mass);
    }

    /// `result`: as in the run log, of which the reason of a refusal is no label.
    fn weights(&self, result: &str) {
        let (label, _) = result.split_once(':').unwrap_or((result, ""));
        self.weights.with_label_values(&[label]).inc();
    }

    fn evaluation(&self, evaluation: &Evaluation) {
        self.local_accuracy.set(evaluation.local_accuracy);
        if let Some(accuracy) = evaluation.network_accuracy {
            self.network_accuracy.set(accuracy);
        }
    }
}

fn counter(name: &str, help: &str) -> IntCounter {
    IntCounter::new(format!("neuron_training_{name}_total"), help).expect("the name is valid")
}

fn gauge(name: &str, help: &str) -> Gauge {
    Gauge::new(format!("neuron_training_{name}"), help).expect("the name is valid")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(n_tokens: u64, utilisation: Option<f64>) -> Step {
        Step {
            step: 1,
            epoch: 0,
            loss: 1.0,
            local_loss: 1.0,
            network_loss: None,
            distillation_loss: None,
            n_peers: 0,
            n_ok: 0,
            lost_gate_mass: 0.0,
            n_rows: 16,
            n_tokens,
            utilisation,
            step_ms: 500.0,
            remote_ms: 0.0,
        }
    }

    fn shown(step: &Step) -> String {
        let mut pace = Pace::default();
        (0..3).for_each(|_| pace.add(step));
        pace.shown()
    }

    #[test]
    fn the_pace_is_told_in_what_is_learned_from() {
        assert_eq!(shown(&step(0, None)), "32 images/s");
        assert_eq!(
            shown(&step(1024, Some(0.25))),
            "2048 tokens/s, 25 % of peak"
        );
    }
}
