//! From what the user set to what the parts of a neuron take.

use std::num::{NonZeroU32, NonZeroU64};

use neuron::cli::{
    self, AxonSettings, DataSettings, ModelSettings, NucleusSettings, ScheduleName,
    TrainingSettings,
};
use neuron_learn::{
    device::{self, DeviceChoice, DeviceError},
    flops,
    optim::{Schedule, SgdConfig},
    precision::Precision,
};
use neuron_peer::{
    axon::{AxonConfig, Policy, Rate},
    nucleus::NucleusConfig,
};
use neuron_proto::Modality;
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
        max_wait: settings.batch_wait,
        max_queue_requests: bounded(settings.queue_requests),
        max_queue_bytes: bounded(settings.queue_mib).saturating_mul(MIB),
        ..NucleusConfig::default()
    }
}

pub(crate) fn axon(settings: &AxonSettings, nucleus: &NucleusSettings) -> AxonConfig {
    let min_stake = Modality::ALL.map(|modality| (modality, settings.min_stake(modality).0));
    let rate = NonZeroU32::new(settings.rate).map(|per_second| Rate {
        per_second,
        burst: NonZeroU32::new(settings.burst).unwrap_or(NonZeroU32::MIN),
    });
    AxonConfig {
        policy: Policy {
            denied: settings.deny.iter().copied().collect(),
            min_stake: min_stake
                .into_iter()
                .filter(|(_, needed)| *needed > 0)
                .collect(),
            rate,
        },
        max_tensor_bytes: bounded(nucleus.request_mib).saturating_mul(MIB),
        ..AxonConfig::default()
    }
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

/// `per_epoch`: batches of once through the data.
pub(crate) fn trainer(
    data: &DataSettings,
    training: &TrainingSettings,
    model: &ModelSettings,
    per_epoch: usize,
    device: Device,
) -> TrainerConfig {
    let precision = if model.mixed_precision {
        Precision::Mixed
    } else {
        Precision::Full
    };
    let precision = precision.on(device);
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
        precision,
        sends_gradients: training.send_gradients,
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

fn bounded(number: NonZeroU32) -> usize {
    usize::try_from(number.get()).unwrap_or(usize::MAX)
}
