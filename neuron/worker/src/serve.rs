//! `neuron serve`: what was trained, served until somebody stops it.

use std::path::Path;

use anyhow::Context;
use neuron::{
    cli::{AxonSettings, Global, MetricsSettings, ModelSettings, NucleusSettings, Serve},
    exit::UsageError,
    task::Task,
};
use neuron_learn::{checkpoint::Checkpoint, synapse::Synapse};
use neuron_peer::dendrite::DendriteConfig;
use neuron_proto::Modality;
use neuron_text::Tokenizer;
use neuron_wallet::Keypair;
use prometheus::Registry;
use tch::Device;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    blueprint::Blueprint,
    data::{self, TOKENIZER},
    module,
    nucleus_model::Offer,
    presence::{self, Presence},
    settings,
    train::BEST,
    trained::Trained,
};

/// What is served.
struct Served {
    synapse: Box<dyn Synapse>,
    task: Option<Task>,
    offer: Offer,
}

/// Serves the best checkpoint of a run, or a model that was trained elsewhere.
pub(crate) async fn serve(
    global: &Global,
    serve: &Serve,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let hotkey = global.hotkey()?;
    module::check_settings(&serve.model)?;
    let device = settings::open_device(&serve.model)?;
    let served = match (&serve.model.torchscript, &serve.model.pretrained) {
        (Some(path), _) => exported(path, &serve.model, device)?,
        (None, Some(_)) => pretrained(&serve.model, device)?,
        (None, None) => trained(global, &serve.model, &hotkey, device)?,
    };

    let metrics = listen_for_metrics(&serve.metrics).await?;
    let settings = presence::Settings {
        task: served.task,
        offer: served.offer,
        ..presence_settings(global, hotkey, &serve.axon, &serve.nucleus, &serve.model)
    };
    let mut presence = Presence::open(settings, served.synapse.as_ref()).await?;
    let registry = Registry::new();
    presence.register(&registry)?;
    serve_metrics(metrics, registry, &stop);

    tokio::select! {
        () = stop.cancelled() => presence.close().await,
        error = presence.failure() => return Err(error.into()),
    }
    Ok(())
}

/// The best checkpoint of a run.
fn trained(
    global: &Global,
    settings: &ModelSettings,
    hotkey: &Keypair,
    device: Device,
) -> anyhow::Result<Served> {
    let folder = settings.run.folder(&hotkey.public(), global.netid);
    let path = folder.join(BEST);
    let checkpoint = Checkpoint::load(&path)
        .context("serve needs a trained model: neuron train makes one, --pretrained and --torchscript name one")?;
    let trained = Trained::of(&folder, path, &checkpoint, device)?;
    let name = trained.blueprint.name();
    if let Some(asked) = settings.synapse.filter(|asked| *asked != name) {
        let (asked, found, folder) = (asked.name(), name.name(), folder.display());
        let message = format!("the model in {folder} is {found}, not {asked}: see --run");
        return Err(UsageError(message).into());
    }
    tracing::info!(path = %trained.path.display(), step = trained.step, synapse = name.name(), "serving a checkpoint");
    Ok(Served {
        synapse: trained.synapse,
        task: Task::of(name),
        offer: offer(trained.tokenizer, settings),
    })
}

/// A model in Hugging Face's format.
fn pretrained(settings: &ModelSettings, device: Device) -> anyhow::Result<Served> {
    let (Some(folder), Some(name)) = (&settings.pretrained, settings.synapse) else {
        let message =
            "--pretrained needs to be told what it is: add --synapse bert or --synapse gpt";
        return Err(UsageError(message.to_owned()).into());
    };
    let (_, synapse) = Blueprint::read(name, folder, settings.seed, device)?;
    let tokenizer = Tokenizer::load(&data::in_folder(folder))?;
    tracing::info!(folder = %folder.display(), synapse = name.name(), "serving a model as it is");
    Ok(Served {
        synapse,
        task: Task::of(name),
        offer: offer(Some(tokenizer), settings),
    })
}

/// A module of PyTorch, with the tokeniser beside it, if there is one.
fn exported(path: &Path, settings: &ModelSettings, device: Device) -> anyhow::Result<Served> {
    let (blueprint, module) = Blueprint::module(path, settings, device)?;
    let tokenizer = path.with_file_name(TOKENIZER);
    let tokenizer = (module.modality() == Modality::Text && tokenizer.exists())
        .then(|| Tokenizer::load(&tokenizer))
        .transpose()?;
    tracing::info!(path = %path.display(), "serving a module as it is");
    Ok(Served {
        synapse: Box::new(module),
        task: Task::of(blueprint.name()),
        offer: offer(tokenizer, settings),
    })
}

fn offer(tokenizer: Option<Tokenizer>, settings: &ModelSettings) -> Offer {
    Offer {
        tokenizer: tokenizer.map(|tokenizer| tokenizer.fingerprint()),
        accepts_gradients: false,
        precision: settings::precision(settings),
    }
}

/// How a neuron is present, whatever it serves.
pub(crate) fn presence_settings(
    global: &Global,
    hotkey: Keypair,
    axon: &AxonSettings,
    nucleus: &NucleusSettings,
    model: &ModelSettings,
) -> presence::Settings {
    presence::Settings {
        chain: global.chain.clone(),
        netid: global.netid,
        hotkey,
        listen: axon.listen,
        advertise: axon.advertise,
        plaintext: axon.plaintext,
        axon: settings::axon(axon, nucleus),
        dendrite: DendriteConfig {
            allow_plaintext: axon.plaintext,
            ..DendriteConfig::default()
        },
        nucleus: settings::nucleus(nucleus),
        answers: settings::answers(model),
        task: None,
        offer: Offer::default(),
    }
}

/// Where Prometheus asks, if the user wants that.
pub(crate) async fn listen_for_metrics(
    settings: &MetricsSettings,
) -> anyhow::Result<Option<TcpListener>> {
    let Some(address) = settings.metrics else {
        return Ok(None);
    };
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}; choose another with --metrics"))?;
    tracing::info!(address = %listener.local_addr()?, "metrics under /metrics");
    Ok(Some(listener))
}

/// Shows a registry to Prometheus until `stop`.
pub(crate) fn serve_metrics(
    listener: Option<TcpListener>,
    registry: Registry,
    stop: &CancellationToken,
) {
    if let Some(listener) = listener {
        let stop = stop.clone().cancelled_owned();
        tokio::spawn(neuron::metrics::serve(listener, registry, stop));
    }
}
