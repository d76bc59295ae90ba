//! From what the user set to what the parts of a neuron take.

use std::num::{NonZeroU32, NonZeroU64};

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
use neuron_proto::{DType, Modality, Output};
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

/// Bytes of all peers' predictions of a batch, up to which predictions are what is asked for.
const LONGEST_PREDICTIONS: usize = 16 * MIB;

/// What peers are asked for: what they predict, or how they encode.
///
/// # Errors
///
/// Settings that contradict each other, or answers that are longer than a neuron with these settings gives.
pub(crate) fn asked_for(
    training: &TrainingSettings,
    nucleus: &NucleusSettings,
    asked: &Asked<'_>,
) -> Result<Output, UsageError> {
    let unsaid = || {
        let is_short = asked.answer_bytes(Output::Target)? <= LONGEST_PREDICTIONS;
        is_short.then_some(LearnFrom::Predictions)
    };
    let learn_from = match (training.learn_from, training.send_gradients) {
        (Some(LearnFrom::Predictions), true) => {
            let message = "gradients are those of encodings: use --learn-from encodings with --send-gradients, or neither";
            return Err(UsageError(message.to_owned()));
        }
        (Some(learn_from), _) => learn_from,
        (None, true) => LearnFrom::Encodings,
        (None, false) => unsaid().unwrap_or(LearnFrom::Encodings),
    };
    let output = match learn_from {
        LearnFrom::Predictions => Output::Target,
        LearnFrom::Encodings => Output::Encoding,
    };
    asked.check_answer(output, nucleus)?;
    Ok(output)
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
    /// Peers refuse requests for longer answers than they give, and so does this neuron, which asks itself where there are none.
    fn check_answer(&self, output: Output, nucleus: &NucleusSettings) -> Result<(), UsageError> {
        let limit = nucleus.answer_mib;
        let Some(needed) = self.answer_bytes(output) else {
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
    fn answer_bytes(&self, output: Output) -> Option<usize> {
        let classes = || self.entry_point.prediction_shape.as_ref()?.last().copied();
        let (width, places) = self.entry_point.output_shape.split_last()?;
        let width = match output {
            Output::Encoding => *width,
            Output::Prediction | Output::Target => classes()?,
        };
        let sizes = places.iter().map(|&size| match size {
            0 => self.longest,
            size => size as usize,
        });
        let n_values = sizes.fold(
            self.batch.saturating_mul(width as usize),
            usize::saturating_mul,
        );
        Some(n_values.saturating_mul(DType::F32.size()))
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
    fn asked(options: &[&str], vocab: u32) -> Result<Output, UsageError> {
        let train = train(options);
        let asked = Asked {
            entry_point: &texts(vocab),
            batch: 8,
            longest: 128,
        };
        asked_for(&train.training, &train.nucleus, &asked)
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
    fn predictions_are_asked_for_unless_they_are_too_long() {
        let asked = |options: &[&str], vocab| asked(options, vocab).unwrap();
        // 8 · 128 · 4096 · 4 bytes are 16 MiB.
        assert_eq!(asked(&[], 4096), Output::Target);
        assert_eq!(asked(&[], 4097), Output::Encoding);
        assert_eq!(asked(&["--learn-from=predictions"], 4097), Output::Target);
        assert_eq!(asked(&["--learn-from=encodings"], 512), Output::Encoding);
    }

    #[test]
    fn gradients_are_of_encodings() {
        let encodings = asked(&["--send-gradients"], 512).unwrap();
        assert_eq!(encodings, Output::Encoding);
        let error = asked(&["--send-gradients", "--learn-from=predictions"], 512).unwrap_err();
        assert!(
            error.to_string().contains("--learn-from encodings"),
            "{error}"
        );
    }

    #[test]
    fn answers_that_no_neuron_with_these_settings_gives_are_not_asked_for() {
        // 8 · 128 · 8192 · 4 bytes are 32 MiB.
        let predictions = "--learn-from=predictions";
        assert_eq!(asked(&[predictions], 8192).unwrap(), Output::Target);
        let error = asked(&[predictions], 8193).unwrap_err();
        assert!(error.to_string().contains("33 MiB"), "{error}");
        let raised = asked(&[predictions, "--answer-mib=33"], 8193);
        assert_eq!(raised.unwrap(), Output::Target);
    }

    #[test]
    fn a_caller_can_pay_for_the_largest_call_that_is_taken() {
        let train = train(&["--request-mib=100", "--answer-mib=300"]);
        let config = axon(&train.axon, &train.nucleus);
        assert_eq!(config.max_bytes_per_caller, 401 * MIB);
        assert_eq!(config.max_bytes, AxonConfig::default().max_bytes);
    }
}
