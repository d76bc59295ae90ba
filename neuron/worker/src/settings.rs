//! From what the user set to what the parts of a neuron take.

use std::{
    cmp::min,
    num::{NonZeroU32, NonZeroU64},
};

use neuron::{
    cli::{
        self, AxonSettings, DataSettings, LearnFrom, ModelSettings, NucleusSettings, ScheduleName,
        TrainingSettings,
    },
    exit::UsageError,
};
use neuron_learn::{
    device::{self, DeviceChoice, DeviceError},
    flops,
    optim::{Schedule, SgdConfig},
    precision::Precision,
    synapse::EntryPoint,
};
use neuron_peer::{
    axon::{AxonConfig, Policy, Rate},
    nucleus::NucleusConfig,
};
use neuron_proto::{Classes, DType, Modality, Output, Wanted};
use tch::{Device, Kind};

use crate::{
    nucleus_model::Answers,
    train::{DescentConfig, TrainerConfig},
};

/// A MiB.
const MIB: usize = 1 << 20;

pub(crate) fn nucleus(settings: &NucleusSettings) -> NucleusConfig {
    NucleusConfig {
        max_batch_rows: settings.batch_rows.get(),
        max_request_rows: settings.batch_rows.get(),
        max_answer_bytes: mib(settings.answer_mib),
        max_wait: settings.batch_wait,
        max_queue_requests: bounded(settings.queue_requests),
        max_queue_bytes: mib(settings.queue_mib),
        ..NucleusConfig::default()
    }
}

pub(crate) fn axon(settings: &AxonSettings, nucleus: &NucleusSettings) -> AxonConfig {
    let min_stake = Modality::ALL.map(|modality| (modality, settings.min_stake(modality).0));
    let rate = NonZeroU32::new(settings.rate).map(|per_second| Rate {
        per_second,
        burst: NonZeroU32::new(settings.burst).unwrap_or(NonZeroU32::MIN),
    });
    let (default, largest) = (AxonConfig::default(), largest_call(nucleus));
    AxonConfig {
        policy: Policy {
            denied: settings.deny.iter().copied().collect(),
            min_stake: min_stake
                .into_iter()
                .filter(|(_, needed)| *needed > 0)
                .collect(),
            rate,
        },
        max_tensor_bytes: mib(nucleus.request_mib),
        max_bytes: default.max_bytes.max(largest),
        max_bytes_per_caller: default.max_bytes_per_caller.max(largest),
        ..default
    }
}

/// Bytes of the largest call that a neuron takes: a request with its answer, or with gradients, and what is around them.
fn largest_call(settings: &NucleusSettings) -> usize {
    let (request, answer) = (mib(settings.request_mib), mib(settings.answer_mib));
    request
        .saturating_add(answer.max(request))
        .saturating_add(MIB)
}

pub(crate) fn answers(settings: &ModelSettings) -> Answers {
    match settings.answer {
        cli::Answer::Honest => Answers::Honest,
        cli::Answer::Garbage => Answers::Garbage {
            seed: settings.seed,
        },
    }
}

/// The device and the threads that models compute on. Before anything else of libtorch.
pub(crate) fn open_device(settings: &ModelSettings) -> Result<Device, DeviceError> {
    let choice = match settings.device {
        cli::Device::Auto => DeviceChoice::Auto,
        cli::Device::Cpu => DeviceChoice::Cpu,
        cli::Device::Cuda(number) => DeviceChoice::Cuda(number),
    };
    let device = device::open(choice)?;
    if let Some(threads) = settings.threads {
        tch::set_num_threads(threads.get().into());
    }
    Ok(device)
}

/// How precisely models compute, where they can.
pub(crate) fn precision(settings: &ModelSettings) -> Precision {
    match settings.mixed_precision {
        true => Precision::Mixed,
        false => Precision::Full,
    }
}

/// `per_epoch`: batches of once through the data.
pub(crate) fn trainer(
    data: &DataSettings,
    training: &TrainingSettings,
    model: &ModelSettings,
    per_epoch: usize,
    device: Device,
) -> TrainerConfig {
    let precision = precision(model).on(device);
    let kind = match precision {
        Precision::Full => Kind::Float,
        Precision::Mixed => Kind::Half,
    };
    let accumulate = data.accumulate.get();
    let per_epoch = (per_epoch as u64).div_ceil(accumulate.into());
    TrainerConfig {
        seed: model.seed,
        accumulate,
        evaluated: data.evaluate.map(std::num::NonZeroUsize::get),
        peak_flops: Some(flops::peak(device, kind)),
        steps: training.steps.map(NonZeroU64::get),
        epochs: training.epochs.map(NonZeroU64::get),
        epoch_steps: training.epoch_steps.map_or(per_epoch, NonZeroU64::get),
        descent: DescentConfig {
            sgd: SgdConfig {
                momentum: training.momentum,
                ..SgdConfig::default()
            },
            schedule: schedule(training, per_epoch),
            router_rate: training.router_rate,
            max_norm: (training.clip > 0.0).then_some(training.clip),
        },
        key_dim: training.key_dim.get().into(),
        topk: training.topk.get().into(),
        imitation: training.imitation,
        precision,
        sends_gradients: training.send_gradients,
    }
}

/// Bytes of a peer's predictions of a batch, up to which they are asked for as a whole.
const LONGEST_PREDICTIONS: usize = 16 * MIB;

/// How many of the likeliest classes are asked for where all would be longer.
const LIKELIEST: NonZeroU32 = NonZeroU32::new(64).expect("it is not zero");

/// What peers are asked for: what they predict, of all classes or of the likeliest, or how they encode.
///
/// # Errors
///
/// Settings that contradict each other, or answers that are longer than a neuron with these settings gives.
pub(crate) fn asked_for(
    training: &TrainingSettings,
    nucleus: &NucleusSettings,
    asked: &Asked<'_>,
) -> Result<Wanted, UsageError> {
    let predictions = || asked.predictions(nucleus).unwrap_or(Wanted::Encoding);
    let wanted = match (training.learn_from, training.send_gradients) {
        (Some(LearnFrom::Predictions), true) => {
            let message = "gradients are those of encodings: use --learn-from encodings with --send-gradients, or neither";
            return Err(UsageError(message.to_owned()));
        }
        (Some(LearnFrom::Encodings), _) | (None, true) => Wanted::Encoding,
        (Some(LearnFrom::Predictions) | None, false) => predictions(),
    };
    asked.check_answer(wanted, nucleus)?;
    Ok(wanted)
}

/// What one peer may be asked at once: a batch of training.
pub(crate) struct Asked<'a> {
    pub(crate) entry_point: &'a EntryPoint,
    /// Examples of a batch.
    pub(crate) batch: usize,
    /// Tokens of a text, at most, where inputs are texts.
    pub(crate) longest: usize,
}

impl Asked<'_> {
    /// What there is to be asked of predictions, if there are any: all classes if they are short enough, else as many of the
    /// likeliest as are, at least one.
    fn predictions(&self, nucleus: &NucleusSettings) -> Option<Wanted> {
        let longest = min(LONGEST_PREDICTIONS, mib(nucleus.answer_mib));
        if self.answer_bytes(Wanted::Target(Classes::All))? <= longest {
            return Some(Wanted::Target(Classes::All));
        }
        let likeliest = |n| Wanted::Target(Classes::Likeliest(n));
        let one = self.answer_bytes(likeliest(NonZeroU32::MIN))?;
        let fit = u32::try_from(longest / one.max(1)).unwrap_or(u32::MAX);
        let n = NonZeroU32::new(fit).unwrap_or(NonZeroU32::MIN);
        Some(likeliest(min(n, LIKELIEST)))
    }

    /// Peers refuse requests for longer answers than they give, and so does this neuron, which asks itself where there are none.
    fn check_answer(&self, wanted: Wanted, nucleus: &NucleusSettings) -> Result<(), UsageError> {
        let limit = nucleus.answer_mib;
        let of_encodings = self.answer_bytes(Wanted::Encoding);
        let needed = match wanted.n_likeliest() {
            // The encodings that they are told from.
            Some(_) => self.answer_bytes(wanted).max(of_encodings),
            None => self.answer_bytes(wanted),
        };
        let Some(needed) = needed else {
            return Ok(());
        };
        if needed <= mib(limit) {
            return Ok(());
        }
        let (batch, needed) = (self.batch, needed.div_ceil(MIB));
        Err(UsageError(format!(
            "the answer to a batch of {batch} has {needed} MiB, more than a neuron with --answer-mib {limit} gives: peers \
             with the same limit would refuse it. Use a smaller --batch-size or, for texts, --sequence, or raise \
             --answer-mib here and at your peers"
        )))
    }

    /// Bytes of the longest answer to a batch, if there is such an output.
    fn answer_bytes(&self, wanted: Wanted) -> Option<usize> {
        let classes = || self.entry_point.prediction_shape.as_ref()?.last().copied();
        let (width, places) = self.entry_point.output_shape.split_last()?;
        let (width, of_each) = match (wanted.output(), wanted.n_likeliest()) {
            (Output::Encoding, _) => (*width, DType::F32.size()),
            (Output::Prediction | Output::Target, None) => (classes()?, DType::F32.size()),
            (Output::Prediction | Output::Target, Some(n)) => {
                // A log-probability, and which class it is of.
                (
                    n.get().min(classes()?),
                    DType::F32.size() + DType::I64.size(),
                )
            }
        };
        let sizes = places.iter().map(|&size| match size {
            0 => self.longest,
            size => size as usize,
        });
        let n_values = sizes.fold(
            self.batch.saturating_mul(width as usize),
            usize::saturating_mul,
        );
        Some(n_values.saturating_mul(of_each))
    }
}

fn schedule(training: &TrainingSettings, per_epoch: u64) -> Schedule {
    let (rate, steps) = (training.learning_rate, training.schedule_steps.get());
    match training.schedule {
        ScheduleName::Constant => Schedule::Constant { rate },
        ScheduleName::Step => Schedule::Step {
            rate,
            every: steps,
            gamma: training.gamma,
        },
        ScheduleName::Cosine => Schedule::WarmupCosine {
            rate,
            warmup: steps,
            total: total_steps(training, per_epoch),
        },
    }
}

/// Steps until training ends by itself; for ever if it does not, in which case a cosine never falls.
fn total_steps(training: &TrainingSettings, per_epoch: u64) -> u64 {
    let of_epochs = training
        .epochs
        .map(|epochs| epochs.get().saturating_mul(per_epoch));
    let steps = training.steps.map(NonZeroU64::get);
    steps.into_iter().chain(of_epochs).min().unwrap_or(u64::MAX)
}

/// Bytes of so many MiB.
fn mib(number: NonZeroU32) -> usize {
    bounded(number).saturating_mul(MIB)
}

fn bounded(number: NonZeroU32) -> usize {
    usize::try_from(number.get()).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use neuron::{
        cli::{Command, Train},
        config,
    };

    use super::*;

    fn train(options: &[&str]) -> Train {
        let arguments = ["neuron", "train"].iter().chain(options);
        let (cli, _) = config::parse(arguments.map(Into::into)).unwrap();
        match cli.command {
            Command::Train(train) => *train,
            other => panic!("{other:?}"),
        }
    }

    /// What a neuron with these options asks for, in batches of 8 texts of 128 tokens.
    fn asked(options: &[&str], vocab: u32) -> Result<Wanted, UsageError> {
        asked_in_batches(8, options, vocab)
    }

    fn asked_in_batches(batch: usize, options: &[&str], vocab: u32) -> Result<Wanted, UsageError> {
        let train = train(options);
        let asked = Asked {
            entry_point: &texts(vocab),
            batch,
            longest: 128,
        };
        asked_for(&train.training, &train.nucleus, &asked)
    }

    const ALL: Wanted = Wanted::Target(Classes::All);

    fn likeliest(n: u32) -> Wanted {
        Wanted::Target(Classes::Likeliest(NonZeroU32::new(n).unwrap()))
    }

    fn texts(vocab: u32) -> EntryPoint {
        EntryPoint {
            modality: Modality::Text,
            input_dtypes: vec![DType::I64],
            input_shape: vec![0],
            output_shape: vec![0, 64],
            prediction_shape: Some(vec![vocab]),
        }
    }

    #[test]
    fn all_classes_are_asked_for_unless_they_are_too_long_and_then_the_likeliest() {
        for options in [&[][..], &["--learn-from=predictions"]] {
            let asked = |vocab| asked(options, vocab).unwrap();
            // 8 · 128 · 4096 · 4 bytes are 16 MiB.
            assert_eq!(asked(4096), ALL);
            assert_eq!(asked(4097), likeliest(64));
            assert_eq!(asked(50_257), likeliest(64));
        }
        let encodings = asked(&["--learn-from=encodings"], 512).unwrap();
        assert_eq!(encodings, Wanted::Encoding);
    }

    #[test]
    fn fewer_of_the_likeliest_are_asked_for_where_no_more_fit() {
        let asked = |batch, options: &[&str]| asked_in_batches(batch, options, 50_257).unwrap();
        // 256 · 128 · 12 bytes for each class, of which 16 MiB have 42.7.
        assert_eq!(asked(256, &[]), likeliest(42));
        // A MiB has 85.3 for batches of 8, and 21.3 for batches of 32.
        assert_eq!(asked(8, &["--answer-mib=1"]), likeliest(64));
        assert_eq!(asked(32, &["--answer-mib=1"]), likeliest(21));
    }

    #[test]
    fn a_model_without_predictions_is_asked_for_encodings() {
        let train = train(&[]);
        let entry_point = EntryPoint {
            prediction_shape: None,
            ..texts(512)
        };
        let asked = Asked {
            entry_point: &entry_point,
            batch: 8,
            longest: 128,
        };
        let wanted = asked_for(&train.training, &train.nucleus, &asked).unwrap();
        assert_eq!(wanted, Wanted::Encoding);
    }

    #[test]
    fn gradients_are_of_encodings() {
        let encodings = asked(&["--send-gradients"], 512).unwrap();
        assert_eq!(encodings, Wanted::Encoding);
        let error = asked(&["--send-gradients", "--learn-from=predictions"], 512).unwrap_err();
        assert!(
            error.to_string().contains("--learn-from encodings"),
            "{error}"
        );
    }

    #[test]
    fn answers_that_no_neuron_with_these_settings_gives_are_not_asked_for() {
        // 256 · 128 · 64 · 4 bytes are 8 MiB of encodings, from which classes are told too.
        let asked = |options: &[&str]| asked_in_batches(256, options, 50_257);
        for learn_from in ["--learn-from=predictions", "--learn-from=encodings"] {
            let error = asked(&[learn_from, "--answer-mib=7"]).unwrap_err();
            assert!(error.to_string().contains("8 MiB"), "{error}");
            assert!(asked(&[learn_from, "--answer-mib=8"]).is_ok());
        }
    }

    #[test]
    fn a_caller_can_pay_for_the_largest_call_that_is_taken() {
        let train = train(&["--request-mib=100", "--answer-mib=300"]);
        let config = axon(&train.axon, &train.nucleus);
        assert_eq!(config.max_bytes_per_caller, 401 * MIB);
        assert_eq!(config.max_bytes, AxonConfig::default().max_bytes);
    }
}
