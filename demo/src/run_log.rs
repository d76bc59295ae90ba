//! The log that a training neuron writes while it runs: one JSON object a line, read as it grows.
//!
//! `neuron-learn` defines it, and is no dependency, because it brings libtorch. That both mean the same `tests/live.rs` shows.

use crate::{
    findings::float,
    observation::{Calls, Evaluation, Neuron, RowSet, Step, Training},
};
use anyhow::{Context, Result};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error},
};
use serde_json::Value;
use std::{
    fs::File,
    io::{ErrorKind, Read, Seek, SeekFrom},
    path::PathBuf,
};

/// One line of a run log: what the demo needs of it. `time` is in Unix milliseconds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Event {
    /// The neuron began.
    Start(Start),
    /// The optimiser took a step.
    Step(StepTaken),
    /// Peers were asked in a step.
    Calls(Asked),
    /// The model was evaluated.
    Evaluation(Evaluated),
    /// A row of weights was sent.
    Weights(WeightsSent),
    /// The neuron ended.
    End(Ended),
    /// A line that the demo has no use for.
    Other,
}

// Not serde's own tagged enum: that one keeps a line's fields in a form from which serde_json, compiled with arbitrary
// precision (as the chain's crates want it), reads no fraction.
impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        fn read<T: DeserializeOwned, E: Error>(line: Value) -> Result<T, E> {
            serde_json::from_value(line).map_err(E::custom)
        }
        let line = Value::deserialize(deserializer)?;
        let event = line.get("event").and_then(Value::as_str);
        match event.ok_or_else(|| D::Error::missing_field("event"))? {
            "start" => read(line).map(Self::Start),
            "step" => read(line).map(Self::Step),
            "calls" => read(line).map(Self::Calls),
            "evaluation" => read(line).map(Self::Evaluation),
            "weights" => read(line).map(Self::Weights),
            "end" => read(line).map(Self::End),
            _ => Ok(Self::Other),
        }
    }
}

/// See [`Event::Calls`].
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Asked {
    /// One for each peer that was asked.
    pub(crate) outcomes: Vec<Outcome>,
}

/// See [`Event::End`].
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Ended {
    /// Why.
    pub(crate) reason: String,
}

/// See [`Event::Start`].
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Start {
    /// Parameters of the model.
    pub(crate) n_parameters: u64,
    /// Where it computes.
    pub(crate) device: String,
}

/// See [`Event::Step`].
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct StepTaken {
    time: u64,
    step: u64,
    loss: Option<f64>,
    local_loss: Option<f64>,
    network_loss: Option<f64>,
    distillation_loss: Option<f64>,
    #[serde(default)]
    step_ms: f64,
    #[serde(default)]
    remote_ms: f64,
}

/// See [`Event::Evaluation`].
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Evaluated {
    time: u64,
    step: u64,
    local_loss: Option<f64>,
    local_accuracy: Option<f64>,
    network_loss: Option<f64>,
    network_accuracy: Option<f64>,
}

/// See [`Event::Weights`].
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct WeightsSent {
    step: u64,
    block: Option<u32>,
    result: String,
}

/// What became of one request.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Outcome {
    uid: u16,
    code: String,
    ms: f64,
    rows: u64,
}

/// Follows the log of one neuron.
#[derive(Debug)]
pub(crate) struct RunLog {
    path: PathBuf,
    /// Bytes that were read.
    read: u64,
    /// The beginning of a line whose end is not there yet.
    rest: Vec<u8>,
}

impl RunLog {
    /// The log at `path`, which need not be there yet.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self {
            path,
            read: 0,
            rest: Vec::new(),
        }
    }

    /// What was written since the last time.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or a whole line is not what a run log holds.
    pub(crate) fn news(&mut self) -> Result<Vec<Event>> {
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error).with_context(|| self.path.display().to_string()),
        };
        file.seek(SeekFrom::Start(self.read))?;
        let n = file.read_to_end(&mut self.rest)?;
        self.read += u64::try_from(n)?;
        let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') else {
            return Ok(Vec::new());
        };
        let whole: Vec<u8> = self.rest.drain(..=end).collect();
        whole
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| {
                serde_json::from_slice(line).with_context(|| {
                    format!("{}: {}", self.path.display(), String::from_utf8_lossy(line))
                })
            })
            .collect()
    }
}

impl Neuron {
    /// Takes note of what the neuron wrote. `began` is when the demo did, in Unix milliseconds.
    pub(crate) fn apply(&mut self, event: Event, began: u64) {
        match event {
            Event::Calls(asked) => {
                for outcome in asked.outcomes {
                    let calls = self.calls.entry(outcome.uid).or_default();
                    let calls: &mut Calls = calls.entry(outcome.code).or_default();
                    calls.n += 1;
                    calls.rows += outcome.rows;
                    calls.ms += outcome.ms;
                }
            }
            Event::Weights(WeightsSent {
                step,
                block,
                result,
            }) => self.rows.push(RowSet {
                step,
                block,
                result,
            }),
            Event::End(ended) => self.ended = Some(ended.reason),
            other => self.training.apply(other, began),
        }
    }
}

impl Training {
    /// Takes note of what concerns the model.
    pub(crate) fn apply(&mut self, event: Event, began: u64) {
        let seconds = |time: u64| float(time.saturating_sub(began)) / 1_000.0;
        match event {
            Event::Start(start) => {
                self.n_parameters = start.n_parameters;
                self.device = start.device;
            }
            Event::Step(step) => self.steps.push(Step {
                step: step.step,
                time: seconds(step.time),
                loss: step.loss,
                local_loss: step.local_loss,
                network_loss: step.network_loss,
                distillation_loss: step.distillation_loss,
                step_ms: step.step_ms,
                remote_ms: step.remote_ms,
            }),
            Event::Evaluation(evaluation) => self.evaluations.push(Evaluation {
                step: evaluation.step,
                time: seconds(evaluation.time),
                local_loss: evaluation.local_loss,
                local_accuracy: evaluation.local_accuracy,
                network_loss: evaluation.network_loss,
                network_accuracy: evaluation.network_accuracy,
            }),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::samples;
    use std::{fs::OpenOptions, io::Write};

    const LINES: &str = r#"{"event":"start","time":1000,"hotkey":"5G","uid":0,"n_parameters":4660000,"device":"cpu","garbage":false}
{"event":"step","time":2000,"step":1,"epoch":0,"loss":4.6,"local_loss":2.3,"network_loss":null,"distillation_loss":null,"n_peers":1,"n_ok":0,"lost_gate_mass":1.0,"step_ms":12.5,"remote_ms":3.0}
{"event":"calls","time":2000,"step":1,"outcomes":[{"uid":2,"hotkey":"5F","code":"Success","ms":3.0,"rows":8},{"uid":2,"hotkey":"5F","code":"Timeout","ms":100.0,"rows":4}]}
{"event":"evaluation","time":3000,"step":1,"local_loss":2.2,"local_accuracy":0.2}
{"event":"checkpoint","time":3000,"step":1,"path":"x","loss":2.2}
{"event":"weights","time":3500,"step":1,"block":12,"row":[[2,1.0]],"result":"included"}
{"event":"end","time":4000,"step":1,"reason":"interrupted"}
"#;

    #[test]
    fn a_log_is_read_as_it_grows_even_in_the_middle_of_a_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("events.jsonl");
        let mut log = RunLog::new(path.clone());
        assert_eq!(log.news().expect("no file is no error"), []);

        let mut events = Vec::new();
        for piece in LINES.as_bytes().chunks(37) {
            OpenOptions::new()
                .create(true)
                .append(true)
                .open(&path)
                .and_then(|mut file| file.write_all(piece))
                .expect("it can be written");
            events.extend(log.news().expect("it can be read"));
        }
        assert_eq!(events.len(), 7);
        assert_eq!(events[4], Event::Other);

        let mut neuron = samples::beginning().neurons.remove(0);
        for event in events {
            neuron.apply(event, 500);
        }
        assert_eq!(neuron.training.n_parameters, 4_660_000);
        let step = neuron.training.steps[0];
        assert_eq!((step.step, step.time, step.network_loss), (1, 1.5, None));
        let evaluation = neuron.training.evaluations[0];
        assert_eq!(
            (evaluation.local_accuracy, evaluation.network_accuracy),
            (Some(0.2), None)
        );
        let answered = neuron.calls[&2]["Success"];
        assert_eq!((answered.n, answered.rows, answered.ms), (1, 8, 3.0));
        assert_eq!(neuron.rows[0].block, Some(12));
        assert_eq!(neuron.ended.as_deref(), Some("interrupted"));
    }

    #[test]
    fn a_line_that_is_no_event_says_where_it_stands() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("events.jsonl");
        std::fs::write(&path, "nonsense\n").expect("it can be written");
        let error = RunLog::new(path).news().expect_err("it is no JSON");
        assert!(format!("{error:#}").contains("events.jsonl: nonsense"));
    }
}
