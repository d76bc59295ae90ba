//! `neuron train`: everything put together, until training is over or somebody stops it.

use std::{path::PathBuf, thread};

use anyhow::Context;
use neuron::{
    cli::{Global, Train},
    exit::UsageError,
};
use neuron_learn::{
    dataset::{Batches, Examples, LastBatch},
    device,
    events::{RunLog, Start},
    parameters,
    synapse::Synapse,
};
use neuron_wallet::{Keypair, PublicKey};
use prometheus::Registry;
use tokio::{net::TcpListener, runtime::Handle, sync::oneshot};
use tokio_util::sync::CancellationToken;

use crate::{
    nucleus_model::Answers,
    presence::{self, Presence},
    serve::{listen_for_metrics, presence_settings, serve_metrics},
    settings,
    train::{
        Asking, End, Parts, Peers, Recipe, Report, Serving, TrainError, Trainer, TrainerConfig,
        TrainingMetrics, WeightSetter, check, latest, served, set_aside, weight_setter,
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
    let run = Run::new(global, train, synapse, nobody)?;
    let metrics = listen_for_metrics(&train.metrics).await?;
    show(metrics, None, &run.metrics, &stop)?;
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
    check_rows(train)?;
    // All that can be wrong with this neuron is found before its peers are told of it.
    let mut run = Run::new(global, train, synapse, hotkey.public())?;
    let metrics = listen_for_metrics(&train.metrics).await?;
    let served = run.served(train)?;
    let present = present(global, train, hotkey.clone());
    let mut presence = Presence::open(present, served.as_ref()).await?;
    run.start.uid = presence.own.uid;
    show(metrics, Some(&presence), &run.metrics, &stop)?;
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

/// Peers refuse requests of more rows than a batch of theirs has, and one peer may get a whole batch of this neuron.
fn check_rows(train: &Train) -> Result<(), UsageError> {
    let (batch_size, limit) = (
        train.training.batch_size.get(),
        train.nucleus.batch_rows.get(),
    );
    if batch_size <= limit {
        return Ok(());
    }
    Err(UsageError(format!(
        "--batch-size {batch_size} is more than the {limit} rows of a request that a neuron with --batch-rows {limit} takes: \
         peers with the same limit would refuse it. Use batches of at most {limit}, or raise --batch-rows here and at your peers"
    )))
}

/// How a neuron that trains is present.
fn present(global: &Global, train: &Train, hotkey: Keypair) -> presence::Settings {
    presence::Settings {
        dendrite: train.dendrite.config(),
        wants_gradients: train.training.apply_gradients,
        ..presence_settings(global, hotkey, &train.axon, &train.nucleus, &train.model)
    }
}

/// Shows what is counted to Prometheus, if somebody listens for it.
fn show(
    listener: Option<TcpListener>,
    presence: Option<&Presence>,
    training: &TrainingMetrics,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let registry = Registry::new();
    training.register(&registry)?;
    if let Some(presence) = presence {
        presence.register(&registry)?;
    }
    serve_metrics(listener, registry, stop);
    Ok(())
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
            uid: 0,
            netid: global.netid,
            seed: model.seed,
            synapse: recipe.synapse.clone(),
            dataset: recipe.dataset.clone(),
            shard: recipe.shard,
            device: device::name(device),
            n_parameters: parameters::n_parameters(&synapse.parameters()),
            garbage: settings::answers(model) != Answers::Honest,
        };
        if training.resume
            && let Some((path, checkpoint)) = latest(&model.run_folder(&hotkey, global.netid))?
        {
            check(&path, &checkpoint, model.seed, &recipe)?;
        }
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

    /// The model that peers are answered by at first.
    fn served(&self, train: &Train) -> Result<Box<dyn Synapse>, TrainError> {
        match train.training.resume {
            true => served(&self.folder(train), self.synapse.as_ref()),
            false => Ok(self.synapse.copy()),
        }
    }

    fn folder(&self, train: &Train) -> PathBuf {
        let Start { hotkey, netid, .. } = &self.start;
        train.model.run_folder(hotkey, *netid)
    }

    fn trainer(
        self,
        train: &Train,
        network: Network,
        stop: CancellationToken,
    ) -> anyhow::Result<Trainer> {
        let folder = self.folder(train);
        let cannot_write = || {
            format!(
                "cannot write to {}; choose another folder with --run",
                folder.display()
            )
        };
        let log = RunLog::open(&folder).with_context(cannot_write)?;
        if !train.training.resume
            && let Some(aside) = set_aside(&folder).with_context(cannot_write)?
        {
            tracing::info!(folder = %aside.display(), "what an earlier run had learned is kept; --resume goes on with it");
        }
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

#[cfg(test)]
mod tests {
    use neuron::{cli::Command, config};

    use super::*;

    fn train(arguments: &[&str]) -> Train {
        let arguments = ["neuron", "train"].iter().chain(arguments);
        let (cli, _) = config::parse(arguments.map(Into::into)).unwrap();
        match cli.command {
            Command::Train(train) => *train,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn batches_beyond_what_a_request_may_have_are_refused() {
        assert!(check_rows(&train(&["--batch-size=256"])).is_ok());
        let error = check_rows(&train(&["--batch-size=257"])).unwrap_err();
        assert!(error.to_string().contains("--batch-rows"), "{error}");
        assert!(check_rows(&train(&["--batch-size=257", "--batch-rows=257"])).is_ok());
    }
}
