//! `neuron train`: everything put together, until training is over or somebody stops it.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use anyhow::Context;
use neuron::{
    cli::{DatasetName, Global, SynapseName, Train},
    config::Config,
    exit::UsageError,
    task::Task,
};
use neuron_learn::{
    device,
    events::{RunLog, Start},
    parameters,
    synapse::{Synapse, TorchScript},
};
use neuron_peer::dendrite::Entry;
use neuron_proto::Wanted;
use neuron_text::{Tokenizer, atomic};
use neuron_wallet::{Keypair, PublicKey};
use prometheus::Registry;
use tch::Device;
use tokio::{net::TcpListener, runtime::Handle, sync::oneshot};
use tokio_util::sync::CancellationToken;

use crate::{
    blueprint::{Blueprint, MODULE},
    claim::Claim,
    data::{self, Data, TOKENIZER, Text},
    module,
    nucleus_model::{Answers, Offer},
    presence::{self, Presence},
    progress::Progress,
    resume::Plan,
    serve::{listen_for_metrics, presence_settings, serve_metrics},
    settings,
    train::{
        Asking, End, Parts, Peers, Recipe, Report, Serving, TrainError, Trainer, TrainerConfig,
        TrainingMetrics, WeightSetter, served, set_aside, weight_setter,
    },
};

/// Trains, together with others or alone.
pub(crate) async fn train(
    global: &Global,
    train: &Train,
    config: &Config,
    progress: Progress,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let device = settings::open_device(&train.model)?;
    let hotkey = match train.training.alone {
        true => None,
        false => Some(global.hotkey()?),
    };
    let public = hotkey.as_ref().map_or(NOBODY, Keypair::public);
    let folder = train.model.run.folder(&public, global.netid);
    let claim = Claim::to(&folder)?;
    let plan = Plan::new(train, config, &folder)?;
    let train = &plan.train;
    if hotkey.is_some() {
        check_rows(train)?;
    }
    // All that can be wrong with this neuron is found before its peers are told of it.
    let run = Run::new(global, &plan, device, public, progress)?;
    match hotkey {
        None => alone(train, run, claim, stop).await,
        Some(hotkey) => together(global, train, run, hotkey, claim, stop).await,
    }
}

/// The key of a neuron that needs none.
const NOBODY: PublicKey = PublicKey([0; 32]);

/// Without chain and peers, and so without a key.
async fn alone(
    train: &Train,
    run: Run,
    claim: Claim,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let metrics = listen_for_metrics(&train.metrics).await?;
    show(metrics, None, &run.metrics, &stop)?;
    over(start(run.trainer(train, Network::default(), stop)?, claim)?.await)
}

/// In a network.
async fn together(
    global: &Global,
    train: &Train,
    mut run: Run,
    hotkey: Keypair,
    claim: Claim,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let metrics = listen_for_metrics(&train.metrics).await?;
    let served = run.served(train)?;
    let present = present(global, train, hotkey, &run);
    let mut presence = Presence::open(present, served.as_ref()).await?;
    run.start.uid = presence.own.uid;
    show(metrics, Some(&presence), &run.metrics, &stop)?;
    let network = Network::of(&mut presence, global, train, &run);
    let training = start(run.trainer(train, network, stop.clone())?, claim)?;
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
    let dataset = train.data.dataset(synapse_name(train));
    let batch_size = train.data.batch_size(dataset);
    let limit = train.nucleus.batch_rows.get();
    if u32::try_from(batch_size).is_ok_and(|size| size <= limit) {
        return Ok(());
    }
    Err(UsageError(format!(
        "--batch-size {batch_size} is more than the {limit} rows of a request that a neuron with --batch-rows {limit} takes: \
         peers with the same limit would refuse it. Use batches of at most {limit}, or raise --batch-rows here and at your peers"
    )))
}

/// How a neuron that trains is present.
fn present(global: &Global, train: &Train, hotkey: Keypair, run: &Run) -> presence::Settings {
    presence::Settings {
        dendrite: train.dendrite.config(train.axon.plaintext),
        task: run.task,
        offer: run.offer,
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
    fn of(presence: &mut Presence, global: &Global, train: &Train, run: &Run) -> Self {
        let peers = Peers {
            runtime: Handle::current(),
            dendrite: presence.dendrite.clone(),
            nucleus: presence.nucleus.clone(),
            own: presence.own,
            view: presence.view.clone(),
            asking: Asking {
                entry: Entry {
                    modality: run.synapse.modality(),
                    tokenizer: run.offer.tokenizer,
                },
                wanted: run.asked_for,
                deadline: train.dendrite.deadline,
                finish: train.dendrite.finish(),
            },
        };
        let serving = Serving {
            nucleus: presence.nucleus.clone(),
            answers: settings::answers(&train.model),
            offer: run.offer,
            gradients: presence.gradients.take(),
        };
        let setter = train.training.sets_weights().then(|| {
            let (setter, orders) = weight_setter();
            tokio::spawn(orders.carry_out(presence.submitter.clone(), global.netid));
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
    task: Option<Task>,
    offer: Offer,
    /// What peers are asked for.
    asked_for: Wanted,
    data: Data,
    belongings: Belongings,
    progress: Progress,
    metrics: TrainingMetrics,
}

/// What a checkpoint cannot be served without, kept in the run's folder beside it.
#[derive(Default)]
struct Belongings {
    tokenizer: Option<Arc<Tokenizer>>,
    /// The file of a module of PyTorch.
    module: Option<Arc<[u8]>>,
}

impl Belongings {
    fn write(&self, folder: &Path) -> anyhow::Result<()> {
        if let Some(tokenizer) = &self.tokenizer {
            tokenizer.save(&folder.join(TOKENIZER))?;
        }
        if let Some(module) = &self.module {
            let path = folder.join(MODULE);
            atomic::write(&path, module)
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }
}

/// The model that is trained.
fn synapse_name(train: &Train) -> SynapseName {
    let unsaid = match train.model.torchscript {
        Some(_) => SynapseName::Torchscript,
        None => SynapseName::Mnist,
    };
    train.model.synapse.unwrap_or(unsaid)
}

/// The folder of the run that is gone on with, if one is.
fn resumed<'a>(train: &Train, folder: &'a Path) -> Option<&'a Path> {
    train.training.resume.then_some(folder)
}

/// What a run begins with, before its first step.
struct Beginning {
    blueprint: Blueprint,
    synapse: Box<dyn Synapse>,
    data: Data,
    belongings: Belongings,
}

impl Beginning {
    fn new(plan: &Plan, folder: &Path, device: Device) -> anyhow::Result<Self> {
        let train = &plan.train;
        module::check_settings(&train.model)?;
        let name = synapse_name(train);
        let seed = train.model.seed;
        let kept = plan.model(name)?;
        let dataset = train.data.dataset(name);
        data::check(name, dataset)?;
        match (&train.model.torchscript, dataset) {
            (None, dataset) if name == SynapseName::Torchscript => {
                let kept = kept.map(|kept| kept.kept(folder, seed, device));
                let Some(kept) = kept.transpose()?.flatten() else {
                    let message =
                        "--synapse torchscript needs the module: --torchscript names its file";
                    return Err(UsageError(message.to_owned()).into());
                };
                Self::of_module(kept, &folder.join(MODULE), dataset, train, folder)
            }
            (Some(path), dataset) => {
                let module = Blueprint::module(path, &train.model, device)?;
                Self::of_module(module, path, dataset, train, folder)
            }
            (None, DatasetName::Text) => Self::of_text(name, kept, train, folder, device),
            (None, dataset) => Self::of_images(name, kept, dataset, train, device),
        }
    }

    /// `path`: where the module was read from
    fn of_module(
        (blueprint, module): (Blueprint, TorchScript),
        path: &Path,
        dataset: DatasetName,
        train: &Train,
        folder: &Path,
    ) -> anyhow::Result<Self> {
        let (seed, name) = (train.model.seed, SynapseName::Torchscript);
        let device = module.device();
        let config = module.config();
        module::check_data(config, dataset)?;
        module.try_learning(path)?;
        let file = module.file();
        let (data, tokenizer) = match dataset {
            DatasetName::Text => {
                let text = Text::open(&train.data, path.parent(), resumed(train, folder))?;
                let (tokenizer, sequence) = (text.tokenizer.clone(), train.data.sequence.get());
                blueprint.takes(&tokenizer, sequence)?;
                module::check_texts(config, sequence, tokenizer.vocab_size())?;
                (text.batches(&train.data, name, seed)?, Some(tokenizer))
            }
            dataset => (data::images(&train.data, dataset, seed, device)?, None),
        };
        Ok(Self {
            blueprint,
            synapse: Box::new(module),
            data,
            belongings: Belongings {
                tokenizer,
                module: Some(file),
            },
        })
    }

    /// `kept`: the model of the run that is gone on with, if it is to be that
    fn of_images(
        name: SynapseName,
        kept: Option<Blueprint>,
        dataset: DatasetName,
        train: &Train,
        device: Device,
    ) -> anyhow::Result<Self> {
        let seed = train.model.seed;
        if let Some(folder) = &train.model.pretrained {
            Blueprint::read(name, folder, seed, device)?;
        }
        let blueprint = kept.unwrap_or_else(|| Blueprint::of_images(name, &train.architecture));
        Ok(Self {
            synapse: blueprint.build(Path::new(""), seed, device)?,
            blueprint,
            data: data::images(&train.data, dataset, seed, device)?,
            belongings: Belongings::default(),
        })
    }

    /// `kept`: the model of the run that is gone on with, if it is to be that
    fn of_text(
        name: SynapseName,
        kept: Option<Blueprint>,
        train: &Train,
        folder: &Path,
        device: Device,
    ) -> anyhow::Result<Self> {
        let (seed, sequence) = (train.model.seed, train.data.sequence.get());
        let pretrained = train.model.pretrained.as_deref();
        let text = Text::open(&train.data, pretrained, resumed(train, folder))?;
        let (blueprint, synapse) = match pretrained {
            Some(folder) => Blueprint::read(name, folder, seed, device)?,
            None => {
                let blueprint = match kept {
                    Some(kept) => kept,
                    None => {
                        let architecture = &train.architecture;
                        Blueprint::of_text(name, architecture, &text.tokenizer, sequence)?
                    }
                };
                let synapse = blueprint.build(folder, seed, device)?;
                (blueprint, synapse)
            }
        };
        blueprint.takes(&text.tokenizer, sequence)?;
        Ok(Self {
            blueprint,
            synapse,
            belongings: Belongings {
                tokenizer: Some(text.tokenizer.clone()),
                module: None,
            },
            data: text.batches(&train.data, name, seed)?,
        })
    }
}

impl Run {
    fn new(
        global: &Global,
        plan: &Plan,
        device: Device,
        hotkey: PublicKey,
        progress: Progress,
    ) -> anyhow::Result<Self> {
        let train = &plan.train;
        let model = &train.model;
        let folder = model.run.folder(&hotkey, global.netid);
        let Beginning {
            blueprint,
            synapse,
            data,
            belongings,
        } = Beginning::new(plan, &folder, device)?;
        let tokenizer = belongings.tokenizer.as_ref();
        let tokenizer = tokenizer.map(|tokenizer| tokenizer.fingerprint());
        let name = blueprint.name();
        let dataset = train.data.dataset(name);
        let recipe = Recipe {
            model: blueprint.clone(),
            tokenizer: tokenizer.map(|tokenizer| tokenizer.to_string()),
            dataset: dataset.name().to_owned(),
            shard: [train.data.shard.index, train.data.shard.of],
            batch_size: train.data.batch_size(dataset),
            accumulate: train.data.accumulate.get(),
            sequence: tokenizer.map(|_| train.data.sequence.get()),
            augment: data::augments(&train.data, dataset),
            settings: plan.settings.clone(),
        };
        let start = Start {
            hotkey,
            uid: 0,
            netid: global.netid,
            seed: model.seed,
            synapse: name.name().to_owned(),
            dataset: recipe.dataset.clone(),
            shard: recipe.shard,
            device: device::name(device),
            n_parameters: parameters::n_parameters(&synapse.parameters()),
            garbage: settings::answers(model) != Answers::Honest,
        };
        if let Some(earlier) = &plan.earlier {
            earlier.check(model.seed, &recipe)?;
        }
        let per_epoch = data.train.per_epoch();
        let entry_point = synapse
            .entry_points()
            .into_iter()
            .find(|entry_point| entry_point.modality == synapse.modality())
            .context("a synapse has the entry point that it is trained through")?;
        let asked = settings::Asked {
            entry_point: &entry_point,
            batch: recipe.batch_size,
            longest: train.data.sequence.get() as usize,
        };
        let asked_for = settings::asked_for(&train.training, &train.nucleus, &asked)?;
        match (asked_for, asked_for.n_likeliest()) {
            (Wanted::Encoding, _) if train.training.learn_from.is_none() => {
                tracing::info!("learning from what peers encode; see --learn-from");
            }
            (_, Some(n)) => {
                tracing::info!("of so many classes, peers are asked for the {n} likeliest");
            }
            _ => {}
        }
        Ok(Self {
            asked_for,
            config: settings::trainer(&train.data, &train.training, model, per_epoch, device),
            recipe,
            start,
            synapse,
            task: Task::of(name),
            offer: Offer {
                tokenizer,
                accepts_gradients: train.training.apply_gradients,
                precision: settings::precision(model),
            },
            data,
            belongings,
            progress,
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
        train.model.run.folder(hotkey, *netid)
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
        // Only now: whatever of an earlier run was there is out of the way, or is the same.
        self.belongings.write(&folder)?;
        tracing::info!(folder = %folder.display(), device = self.start.device, "training");
        self.progress.show(self.config.steps);
        let parts = Parts {
            folder,
            recipe: self.recipe,
            start: self.start,
            synapse: self.synapse,
            batches: self.data.train,
            held_out: self.data.held_out,
            peers: network.peers,
            serving: network.serving,
            setter: network.setter,
            report: Report::new(log, self.progress, self.metrics),
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

/// Trains on a thread of its own, which nothing else has to share. Others may claim the folder when it is over.
fn start(
    trainer: Trainer,
    claim: Claim,
) -> anyhow::Result<oneshot::Receiver<Result<End, TrainError>>> {
    let (tell, ended) = oneshot::channel();
    thread::Builder::new()
        .name("trainer".to_owned())
        .spawn(move || {
            let ended = trainer.run();
            drop(claim);
            // Whoever wanted to know is gone only if the program ends.
            let _ = tell.send(ended);
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
