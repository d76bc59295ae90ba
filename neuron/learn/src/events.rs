//! The run log: what happened in training, one event at a time.
//!
//! [`RunLog`] writes each [`Event`] as a line of `events.jsonl`, and what can be plotted of it to a file that TensorBoard
//! reads. Both are in the run's folder. [`read`] gives the lines back, to those who show a run while it goes on.

use std::{
    fs,
    io::{self, BufRead, BufReader},
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use neuron_wallet::PublicKey;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{DeserializeOwned, Error},
};
use serde_json::Value;

mod jsonl;
mod tensorboard;

use jsonl::JsonLines;
use tensorboard::TensorBoard;

/// Name of the file with one event a line.
pub const FILE_NAME: &str = "events.jsonl";

/// A line of the run log.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Record {
    /// When, in milliseconds since 1970.
    pub time: u64,
    /// What.
    #[serde(flatten)]
    pub event: Event,
}

// Not serde's own flattened and tagged form: that one keeps a line's fields in a form from which serde_json, compiled with
// arbitrary precision (as the chain's crates want it), reads no fraction.
impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        fn read<T: DeserializeOwned, E: Error>(line: Value) -> Result<T, E> {
            serde_json::from_value(line).map_err(E::custom)
        }
        let line = Value::deserialize(deserializer)?;
        let time = line.get("time").and_then(Value::as_u64);
        let time = time.ok_or_else(|| D::Error::missing_field("time"))?;
        let name = line.get("event").and_then(Value::as_str);
        let event = match name.ok_or_else(|| D::Error::missing_field("event"))? {
            "start" => read(line).map(Event::Start),
            "step" => read(line).map(Event::Step),
            "calls" => read(line).map(Event::Calls),
            "evaluation" => read(line).map(Event::Evaluation),
            "weights" => read(line).map(Event::Weights),
            "checkpoint" => read(line).map(Event::Checkpoint),
            "end" => read(line).map(Event::End),
            other => Err(D::Error::custom(format!(
                "`{other}` is no event of a run log"
            ))),
        }?;
        Ok(Self { time, event })
    }
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Training begins, or goes on from a checkpoint.
    Start(Start),
    /// The optimiser made a step.
    Step(Step),
    /// Peers were asked.
    Calls(Calls),
    /// The model was measured on held-out examples.
    Evaluation(Evaluation),
    /// A weight row was due.
    Weights(Weights),
    /// A checkpoint was written.
    Checkpoint(Checkpoint),
    /// Training is over.
    End(End),
}

/// Who trains what on what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// The neuron.
    pub hotkey: PublicKey,
    /// Its uid in the network.
    pub uid: u16,
    /// The network.
    pub netid: u16,
    /// What everything random is drawn from.
    pub seed: u64,
    /// The model, by name.
    pub synapse: String,
    /// The dataset, by name.
    pub dataset: String,
    /// Which part of the dataset: index, and of how many.
    pub shard: [u32; 2],
    /// `cpu` or `cuda:0`.
    pub device: String,
    /// Numbers that are trained in the model.
    pub n_parameters: usize,
    /// Whether the neuron answers its peers with noise, on purpose.
    pub garbage: bool,
}

/// An optimiser step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Which one, from 1.
    pub step: u64,
    /// Times that all examples were seen before it.
    pub epoch: u64,
    /// The sum that was minimised.
    #[serde(deserialize_with = "number")]
    pub loss: f64,
    /// Loss of predictions with the student as context.
    #[serde(deserialize_with = "number")]
    pub local_loss: f64,
    /// Loss of predictions with the network as context; none where no peer answered.
    pub network_loss: Option<f64>,
    /// How far the student is from the network.
    pub distillation_loss: Option<f64>,
    /// Peers that were asked.
    pub n_peers: usize,
    /// Peers that answered.
    pub n_ok: usize,
    /// Share of the gates whose peer did not answer, mean over the batch, in `[0, 1]`.
    pub lost_gate_mass: f64,
    /// Examples that were learned from.
    #[serde(default)]
    pub n_rows: u64,
    /// Tokens that were learned from, those that fill rows included; 0 for images.
    #[serde(default)]
    pub n_tokens: u64,
    /// Model FLOP/s utilisation: what the model's forward and backward passes take, by arithmetic, of what the device could
    /// have done in that time; none where either is not known. Waiting for peers counts as time.
    /// (A. Chowdhery and others, *PaLM*, 2022, 4.1.)
    #[serde(default)]
    pub utilisation: Option<f64>,
    /// Time of the step, in milliseconds.
    pub step_ms: f64,
    /// Part of it that peers were waited for.
    pub remote_ms: f64,
}

/// What came of each call of a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calls {
    /// The step.
    pub step: u64,
    /// One for each peer that was asked.
    pub outcomes: Vec<Call>,
}

/// What came of one call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// The peer's uid.
    pub uid: u16,
    /// The peer.
    pub hotkey: PublicKey,
    /// The outcome by name, such as `Success` or `Timeout`.
    pub code: String,
    /// How long it took, in milliseconds.
    pub ms: f64,
    /// Rows that were sent.
    pub rows: u32,
}

/// How good the model is on held-out examples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Steps made so far.
    pub step: u64,
    /// Loss with the student as context.
    #[serde(deserialize_with = "number")]
    pub local_loss: f64,
    /// Share of right answers with the student as context, in `[0, 1]`.
    #[serde(deserialize_with = "number")]
    pub local_accuracy: f64,
    /// Loss with the network as context; none where no peer answered.
    pub network_loss: Option<f64>,
    /// Share of right answers with the network as context.
    pub network_accuracy: Option<f64>,
}

/// A weight row that was due.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Weights {
    /// Steps made so far.
    pub step: u64,
    /// Block at which it was due.
    pub block: u32,
    /// Weight of each peer by uid, adding up to one.
    pub row: Vec<(u16, f64)>,
    /// `included`, `unchanged`, `no permit`, `waits` for an earlier one to be included, or `refused: ` and why.
    pub result: String,
}

/// A checkpoint that was written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Steps made so far.
    pub step: u64,
    /// The file.
    pub path: String,
    /// Loss on held-out examples, if it was measured.
    pub loss: Option<f64>,
}

/// The end of training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct End {
    /// Steps made.
    pub step: u64,
    /// Why it is over.
    pub reason: String,
}

/// A number that may be NaN, which JSON has no word for but `null`.
fn number<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

impl Event {
    /// What can be plotted over steps, under the names that TensorBoard groups by.
    pub fn scalars(&self) -> (u64, Vec<(&'static str, f64)>) {
        match self {
            Self::Step(step) => {
                let always = [
                    ("train/loss", step.loss),
                    ("train/local_loss", step.local_loss),
                    ("peers/lost_gate_mass", step.lost_gate_mass),
                    ("time/step_ms", step.step_ms),
                    ("time/remote_ms", step.remote_ms),
                ];
                let sometimes = [
                    ("train/network_loss", step.network_loss),
                    ("train/distillation_loss", step.distillation_loss),
                    ("time/rows_per_s", per_second(step.n_rows, step.step_ms)),
                    ("time/tokens_per_s", per_second(step.n_tokens, step.step_ms)),
                    ("time/utilisation", step.utilisation),
                    ("peers/asked", count(step.n_peers)),
                    ("peers/answered", count(step.n_ok)),
                ];
                (step.step, plotted(always, sometimes))
            }
            Self::Evaluation(evaluation) => {
                let always = [
                    ("evaluation/local_loss", evaluation.local_loss),
                    ("evaluation/local_accuracy", evaluation.local_accuracy),
                ];
                let sometimes = [
                    ("evaluation/network_loss", evaluation.network_loss),
                    ("evaluation/network_accuracy", evaluation.network_accuracy),
                ];
                (evaluation.step, plotted(always, sometimes))
            }
            _ => (0, Vec::new()),
        }
    }
}

fn plotted<const N: usize, const M: usize>(
    always: [(&'static str, f64); N],
    sometimes: [(&'static str, Option<f64>); M],
) -> Vec<(&'static str, f64)> {
    let sometimes = sometimes
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    always.into_iter().chain(sometimes).collect()
}

/// None if there was nothing, as of tokens where it is images, or no time for it.
fn per_second(n: u64, milliseconds: f64) -> Option<f64> {
    let n = u32::try_from(n).ok().filter(|&n| n > 0)?;
    (milliseconds > 0.0).then(|| 1_000.0 * f64::from(n) / milliseconds)
}

fn count(n: usize) -> Option<f64> {
    u32::try_from(n).ok().map(f64::from)
}

/// Both files of a run.
#[derive(Debug)]
pub struct RunLog {
    lines: JsonLines,
    plots: TensorBoard,
}

impl RunLog {
    /// Opens the log of the run in `folder`, which is made if it is not there. An earlier log is continued.
    ///
    /// # Errors
    ///
    /// As of the file system.
    pub fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self {
            lines: JsonLines::open(&folder.join(FILE_NAME))?,
            plots: TensorBoard::create(folder, now())?,
        })
    }

    /// Writes an event that happens now. It is in the files when this returns.
    ///
    /// # Errors
    ///
    /// As of the file system.
    pub fn record(&mut self, event: Event) -> io::Result<()> {
        let time = now();
        let (step, scalars) = event.scalars();
        if !scalars.is_empty() {
            self.plots.scalars(time, step, &scalars)?;
        }
        self.lines.write(&Record { time, event })
    }
}

/// Milliseconds since 1970; zero on a clock that stands before that.
fn now() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Reads the log of a run that may be going on: a last line that is not finished is left out.
///
/// # Errors
///
/// As of the file system, and `InvalidData` for a line that is no event.
pub fn read(path: &Path) -> io::Result<Vec<Record>> {
    let mut file = BufReader::new(fs::File::open(path)?);
    let mut records = Vec::new();
    let mut line = String::new();
    while file.read_line(&mut line)? > 0 && line.ends_with('\n') {
        // What a run that was killed had not finished, and the next one closed.
        if let Some(whole) = line.strip_suffix("\n").filter(|line| !line.is_empty()) {
            records.push(serde_json::from_str(whole).map_err(io::Error::from)?);
        }
        line.clear();
    }
    Ok(records)
}

#[cfg(test)]
mod tests;
