//! A neuron's presence in its network: registered, announced, reachable, and aware of the others.
//!
//! ```text
//! chain ─► snapshots ─┬─► roster ─► axon ⇄ callers        who may call
//!                     ├─► view   ─► trainer ─► dendrite ⇄ peers
//!                     └─► announcer ─► chain              until the chain says where the axon is
//! ```

mod announce;
mod metrics;
mod submitter;
mod view;

use std::{net::SocketAddr, sync::Arc};

use neuron::{
    exit::NotRegisteredError,
    task::{OtherTaskError, Task},
};
use neuron_learn::synapse::Synapse;
use neuron_metagraph::{Chain, ChainError, Following, Metagraph};
use neuron_peer::{
    Identity, Roster,
    axon::{self, AxonConfig, AxonError, AxonMetrics, GradientReceiver, Security, gradients},
    dendrite::{Dendrite, DendriteConfig, Peer},
    identity::IdentityError,
    nucleus::{JoinGuard, Nucleus, NucleusConfig, NucleusError},
};
use neuron_proto::Modality;
use neuron_wallet::{Keypair, PublicKey};
use prometheus::Registry;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use self::{announce::Announcer, metrics::ChainMetrics};
pub(crate) use self::{submitter::Submitter, view::View};
use crate::nucleus_model::{Answers, Offer};

/// Gradients of peers that may wait for the trainer.
const GRADIENTS_WAITING: usize = 64;

/// What a neuron needs to be present.
pub(crate) struct Settings {
    /// Nodes of the chain.
    pub(crate) chain: Vec<String>,
    /// Which network.
    pub(crate) netid: u16,
    /// Who it is.
    pub(crate) hotkey: Keypair,
    /// Where it listens.
    pub(crate) listen: SocketAddr,
    /// Where peers are told that it is, if that is somewhere else.
    pub(crate) advertise: Option<SocketAddr>,
    /// Whether it speaks without TLS, for development.
    pub(crate) plaintext: bool,
    /// Who may call it.
    pub(crate) axon: AxonConfig,
    /// How it asks.
    pub(crate) dendrite: DendriteConfig,
    /// How requests become batches.
    pub(crate) nucleus: NucleusConfig,
    /// What it answers.
    pub(crate) answers: Answers,
    /// What its model is for, if it is known.
    pub(crate) task: Option<Task>,
    /// What is offered with the model: among it, whether peers may send gradients.
    pub(crate) offer: Offer,
}

/// A neuron that is present.
pub(crate) struct Presence {
    /// Has the chain do something.
    pub(crate) submitter: Submitter,
    /// Asks others.
    pub(crate) dendrite: Dendrite,
    /// Answers others.
    pub(crate) nucleus: Nucleus,
    /// This neuron, as its peers know it.
    pub(crate) own: Peer,
    /// The network now.
    pub(crate) view: watch::Receiver<Arc<View>>,
    /// Gradients that peers send, if they are wanted.
    pub(crate) gradients: Option<GradientReceiver>,
    guard: JoinGuard,
    axon: JoinHandle<Result<(), AxonError>>,
    axon_metrics: AxonMetrics,
    shutdown: CancellationToken,
}

/// Why a neuron cannot be present.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PresenceError {
    /// The chain does not say. Not transparent: how the program ends depends on this cause.
    #[error("cannot find the network")]
    Chain(#[from] ChainError),
    /// Nobody knows it. Not transparent, for the same reason.
    #[error("cannot take part")]
    NotRegistered(#[from] NotRegisteredError),
    /// It has no business there. Not transparent, for the same reason.
    #[error("cannot take part")]
    OtherTask(#[from] OtherTaskError),
    /// It cannot listen.
    #[error("cannot listen on {address}: {error}; choose another address with --listen")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        error: std::io::Error,
    },
    /// It does not know where it is.
    #[error(transparent)]
    Advertise(#[from] neuron::AdvertiseError),
    /// It has no certificate.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The nucleus does not start.
    #[error(transparent)]
    Nucleus(#[from] NucleusError),
    /// The axon does not serve.
    #[error(transparent)]
    Axon(#[from] AxonError),
}

impl Presence {
    /// Makes a neuron present: its axon serves a copy of the synapse when this returns, and its peers will be told where.
    ///
    /// # Errors
    ///
    /// If it is not registered, its model is for another task, the chain cannot be reached, or it cannot listen.
    pub(crate) async fn open(
        settings: Settings,
        synapse: &dyn Synapse,
    ) -> Result<Self, PresenceError> {
        let chain = Chain::connect(&settings.chain).await?;
        let following = chain.follow(settings.netid).await?;
        let hotkey = settings.hotkey.public();
        let registered = following.latest();
        let Some(neuron) = registered.by_hotkey(&hotkey) else {
            let netid = settings.netid;
            return Err(NotRegisteredError { hotkey, netid }.into());
        };
        if let Some(task) = settings.task {
            task.check(settings.netid, &registered.task)?;
        }
        let identity = Identity::new(settings.hotkey.clone())?;
        let (listener, bound) = listen(settings.listen).await?;
        let address = neuron::advertised(bound, settings.advertise, &settings.chain)?;
        let own = Peer {
            uid: neuron.uid,
            hotkey,
            address,
            plaintext: settings.plaintext,
        };
        let model = settings.answers.model(synapse, settings.offer);
        let (nucleus, guard) = Nucleus::start(model, settings.nucleus)?;
        let (gradient_sender, gradients) = settings
            .offer
            .accepts_gradients
            .then(|| gradients(GRADIENTS_WAITING))
            .unzip();

        let shutdown = CancellationToken::new();
        let metrics = ChainMetrics::new(following.freshness());
        let submitter = Submitter {
            chain,
            hotkey: settings.hotkey,
            metrics: metrics.clone(),
        };
        let announcer = Announcer::new(submitter.clone(), settings.netid, own, synapse);
        tokio::spawn(announcer.run(following.snapshots.clone(), shutdown.clone()));
        let spreading = Spreading {
            own: hotkey,
            modality: synapse.modality(),
            metrics,
        };
        let (rosters, view) = spreading.start(following, shutdown.clone());
        let security = match settings.plaintext {
            true => Security::PlaintextOnLoopback { hotkey },
            false => Security::Tls(identity.clone()),
        };
        let axon_metrics = settings.axon.metrics.clone();
        let axon = tokio::spawn(axon::serve(
            listener,
            settings.axon,
            security,
            rosters,
            nucleus.clone(),
            gradient_sender,
            shutdown.clone(),
        ));
        tracing::info!(uid = own.uid, %hotkey, listen = %bound, advertise = %address, "present in the network");
        Ok(Self {
            submitter,
            dendrite: Dendrite::new(Some(identity), settings.dendrite),
            nucleus,
            own,
            view,
            gradients,
            guard,
            axon,
            axon_metrics,
            shutdown,
        })
    }

    /// Shows what axon, nucleus and dendrite count, and what is known of the chain.
    ///
    /// # Errors
    ///
    /// If the registry has that already.
    pub(crate) fn register(&self, registry: &Registry) -> prometheus::Result<()> {
        self.submitter.metrics.register(registry)?;
        self.axon_metrics.register(registry)?;
        self.nucleus.metrics().register(registry)?;
        self.dendrite.register(registry)
    }

    /// Until the axon fails, which it does before it serves or never.
    pub(crate) async fn failure(&mut self) -> PresenceError {
        match (&mut self.axon).await {
            Ok(Err(error)) => error.into(),
            // It ends by itself only when it is told to, by `close`, which nobody calls while this is waited for.
            Ok(Ok(())) | Err(_) => std::future::pending().await,
        }
    }

    /// Answers what was asked, and is no longer there. The chain goes on saying where it was: it will be back.
    pub(crate) async fn close(self) {
        self.shutdown.cancel();
        if let Err(error) = self.axon.await {
            tracing::error!(%error, "the axon has not ended well");
        }
        self.guard.stopped().await;
    }
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), PresenceError> {
    let failed = |error| PresenceError::Listen { address, error };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

/// Gives every snapshot to the axon, as a roster, and to the trainer, as a view.
struct Spreading {
    own: PublicKey,
    modality: Modality,
    metrics: ChainMetrics,
}

impl Spreading {
    fn start(
        self,
        mut following: Following,
        shutdown: CancellationToken,
    ) -> (watch::Receiver<Arc<Roster>>, watch::Receiver<Arc<View>>) {
        let (roster, view) = self.both(&following.latest());
        let (rosters, axons) = watch::channel(roster);
        let (views, trainers) = watch::channel(view);
        tokio::spawn(async move {
            // `following` lives here: when this ends, so does it.
            while let Some(Ok(())) = shutdown
                .run_until_cancelled(following.snapshots.changed())
                .await
            {
                let (roster, view) = self.both(&following.latest());
                rosters.send_replace(roster);
                views.send_replace(view);
            }
        });
        (axons, trainers)
    }

    fn both(&self, metagraph: &Metagraph) -> (Arc<Roster>, Arc<View>) {
        self.metrics.read(metagraph, &self.own);
        let roster = neuron::roster::roster(metagraph);
        let view = View::of(metagraph, &self.own, self.modality);
        (Arc::new(roster), Arc::new(view))
    }
}
