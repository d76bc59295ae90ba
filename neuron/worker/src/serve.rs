//! `neuron serve`: what was trained, served until somebody stops it.

use std::path::Path;

use anyhow::Context;
use neuron::cli::{AxonSettings, Global, MetricsSettings, ModelSettings, NucleusSettings, Serve};
use neuron_learn::{checkpoint::Checkpoint, synapse::Synapse};
use neuron_peer::dendrite::DendriteConfig;
use neuron_wallet::Keypair;
use prometheus::Registry;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    presence::{self, Presence},
    settings,
    train::BEST,
};

/// Serves the best checkpoint of a run.
pub(crate) async fn serve(
    global: &Global,
    serve: &Serve,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let hotkey = global.hotkey()?;
    let folder = serve.model.run_folder(&hotkey.public(), global.netid);
    let device = settings::open_device(&serve.model)?;
    let mut synapse = settings::synapse(&serve.model, device);
    load(synapse.as_mut(), &folder.join(BEST))?;

    let metrics = listen_for_metrics(&serve.metrics).await?;
    let settings = presence_settings(global, hotkey, &serve.axon, &serve.nucleus, &serve.model);
    let mut presence = Presence::open(settings, synapse.as_ref()).await?;
    let registry = Registry::new();
    presence.register(&registry)?;
    serve_metrics(metrics, registry, &stop);

    tokio::select! {
        () = stop.cancelled() => presence.close().await,
        error = presence.failure() => return Err(error.into()),
    }
    Ok(())
}

fn load(synapse: &mut dyn Synapse, path: &Path) -> anyhow::Result<()> {
    let checkpoint =
        Checkpoint::load(path).context("serve needs a trained model: neuron train makes one")?;
    tracing::info!(path = %path.display(), step = checkpoint.progress.step, "serving a checkpoint");
    Ok(synapse.load(&checkpoint.parameters)?)
}

/// How a neuron that only serves is present.
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
        dendrite: DendriteConfig::default(),
        nucleus: settings::nucleus(nucleus),
        answers: settings::answers(model),
        wants_gradients: false,
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
