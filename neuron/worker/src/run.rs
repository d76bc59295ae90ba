//! `neuron train`: everything put together, until training is over or somebody stops it.

use std::thread;

use anyhow::Context;
use neuron::cli::{Global, MetricsSettings, Train};
use neuron_learn::{
    dataset::{Batches, Examples, LastBatch},
    device,
    events::{RunLog, Start},
    parameters,
    synapse::Synapse,
};
use neuron_wallet::{Keypair, PublicKey};
use prometheus::Registry;
use tokio::{runtime::Handle, sync::oneshot};
use tokio_util::sync::CancellationToken;

use crate::{
    nucleus_model::Answers,
    presence::{self, Presence},
    serve::{presence_settings, serve_metrics},
    settings,
    train::{
        Asking, End, Parts, Peers, Recipe, Report, Serving, TrainError, Trainer, TrainerConfig,
        TrainingMetrics, WeightSetter, weight_setter,
    },
};

/// Trains, together with others or alone.
pub(crate) async fn train(
    global: &Global,
    train: &Train,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let device = settings::open_device(&train.model)?;
    let synapse = settings::synapse(&train.model, device);
    match train.training.alone {
        true => alone(global, train, synapse, stop).await,
        false => together(global, train, synapse, stop).await,
    }
}

/// Without chain and peers, and so without a key.
async fn alone(
    global: &Global,
    train: &Train,
    synapse: Box<dyn Synapse>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let nobody = PublicKey([0; 32]);
    let run = Run::new(global, train, synapse, nobody, 0)?;
    show(&train.metrics, None, &run.metrics, &stop).await?;
    over(start(run.trainer(train, Network::default(), stop)?)?.await)
}

/// In a network.
async fn together(
    global: &Global,
    train: &Train,
    synapse: Box<dyn Synapse>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let hotkey = global.hotkey()?;
    let mut presence =
        Presence::open(present(global, train, hotkey.clone()), synapse.as_ref()).await?;
    let run = Run::new(
        global,
        train,
        synapse,
        presence.own.hotkey,
        presence.own.uid,
    )?;
    show(&train.metrics, Some(&presence), &run.metrics, &stop).await?;
    let network = Network::of(&mut presence, global, train, hotkey, run.synapse.as_ref());
    let training = start(run.trainer(train, network, stop.clone())?)?;
    let ended = tokio::select! {
        ended = training => ended,
        error = presence.failure() => {
            stop.cancel();
            return Err(error.into());
        }
    };
    presence.close().await;
    over(ended)
}

/// How a neuron that trains is present.
fn present(global: &Global, train: &Train, hotkey: Keypair) -> presence::Settings {
    presence::Settings {
        dendrite: train.dendrite.config(),
        wants_gradients: train.training.apply_gradients,
        ..presence_settings(global, hotkey, &train.axon, &train.nucleus, &train.model)
    }
}

/// Shows what is counted to Prometheus.
async fn show(
    settings: &MetricsSettings,
    presence: Option<&Presence>,
    training: &TrainingMetrics,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let registry = Registry::new();
    training.register(&registry)?;
    if let Some(presence) = presence {
        presence.register(&registry)?;
    }
    serve_metrics(settings, registry, stop).await
}

/// What a trainer has in a network, and not alone.
#[derive(Default)]
struct Network {
    peers: Option<Peers>,
    serving: Option<Serving>,
    setter: Option<WeightSetter>,
}

impl Network {
    fn of(
        presence: &mut Presence,
        global: &Global,
        train: &Train,
        hotkey: Keypair,
        synapse: &dyn Synapse,
    ) -> Self {
        let peers = Peers {
            runtime: Handle::current(),
            dendrite: presence.dendrite.clone(),
            nucleus: presence.nucleus.clone(),
            own: presence.own,
            view: presence.view.clone(),
            asking: Asking {
                modality: synapse.modality(),
                d_model: u32::try_from(synapse.d_model()).expect("a width that was allocated"),
                deadline: train.dendrite.deadline,
                finish: train.dendrite.finish(),
            },
        };
        let serving = Serving {
            nucleus: presence.nucleus.clone(),
            answers: settings::answers(&train.model),
            gradients: presence.gradients.take(),
        };
        let setter = train.training.sets_weights().then(|| {
            let (setter, orders) = weight_setter();
            tokio::spawn(orders.carry_out(presence.chain.clone(), global.netid, hotkey));
            setter
        });
        Self {
            peers: Some(peers),
            serving: Some(serving),
            setter,
        }
    }
}

/// What a trainer has in any case.
struct Run {
    config: TrainerConfig,
    recipe: Recipe,
    start: Start,
    synapse: Box<dyn Synapse>,
    batches: Batches,
    held_out: Examples,
    metrics: TrainingMetrics,
}

impl Run {
    fn new(
        global: &Global,
        train: &Train,
        synapse: Box<dyn Synapse>,
        hotkey: PublicKey,
        uid: u16,
    ) -> anyhow::Result<Self> {
        let (training, model) = (&train.training, &train.model);
        let dataset = settings::dataset(training)?;
        let shard = settings::shard(training)?;
        let device = synapse.device();
        let examples = dataset.train.shard(shard).to_device(device);
        let batch_size = settings::batch_size(training);
        let batches = Batches::new(examples, batch_size, LastBatch::Keep, model.seed)?;
        let recipe = Recipe {
            synapse: settings::synapse_name(model),
            dataset: dataset.name.to_owned(),
            shard: [shard.index(), shard.of()],
            batch_size,
        };
        let start = Start {
            hotkey,
            uid,
            netid: global.netid,
            seed: model.seed,
            synapse: recipe.synapse.clone(),
            dataset: recipe.dataset.clone(),
            shard: recipe.shard,
            device: device::name(device),
            n_parameters: parameters::n_parameters(&synapse.parameters()),
            garbage: settings::answers(model) != Answers::Honest,
        };
        Ok(Self {
            config: settings::trainer(training, model, batches.per_epoch(), device),
            recipe,
            start,
            synapse,
            batches,
            held_out: dataset.test.to_device(device),
            metrics: TrainingMetrics::new(),
        })
    }

    fn trainer(
        self,
        train: &Train,
        network: Network,
        stop: CancellationToken,
    ) -> anyhow::Result<Trainer> {
        let folder = train.model.run_folder(&self.start.hotkey, self.start.netid);
        let log = RunLog::open(&folder).with_context(|| {
            format!(
                "cannot write to {}; choose another folder with --run",
                folder.display()
            )
        })?;
        tracing::info!(folder = %folder.display(), device = self.start.device, "training");
        let parts = Parts {
            folder,
            recipe: self.recipe,
            start: self.start,
            synapse: self.synapse,
            batches: self.batches,
            held_out: self.held_out,
            peers: network.peers,
            serving: network.serving,
            setter: network.setter,
            report: Report::new(log, self.config.steps, self.metrics),
            stop,
        };
        let mut trainer = Trainer::new(self.config, parts);
        if train.training.resume {
            trainer.resume_latest()?;
        }
        Ok(trainer)
    }
}

type Ended = Result<Result<End, TrainError>, oneshot::error::RecvError>;

/// Trains on a thread of its own, which nothing else has to share.
fn start(trainer: Trainer) -> anyhow::Result<oneshot::Receiver<Result<End, TrainError>>> {
    let (tell, ended) = oneshot::channel();
    thread::Builder::new()
        .name("trainer".to_owned())
        .spawn(move || {
            // Whoever wanted to know is gone only if the program ends.
            let _ = tell.send(trainer.run());
        })
        .context("cannot start the thread that trains")?;
    Ok(ended)
}

fn over(ended: Ended) -> anyhow::Result<()> {
    let end = ended.context("the thread that trains has panicked")??;
    tracing::info!(?end, "training is over");
    Ok(())
}
