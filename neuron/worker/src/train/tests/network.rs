//! A network in this process: axons on loopback over mutual TLS, and a roster made by hand.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use neuron_learn::{
    precision::Precision,
    synapse::{Mnist, MnistConfig, Synapse},
};
use neuron_peer::{
    Identity, Member, Roster,
    axon::{self, AxonConfig, Gradient, GradientReceiver, Security, gradients},
    dendrite::{Dendrite, DendriteConfig, Finish, Peer},
    nucleus::{JoinGuard, Nucleus, NucleusConfig},
};
use neuron_proto::{Modality, Output, Wanted};
use neuron_wallet::Keypair;
use prometheus::Registry;
use tch::Device;
use tokio::{net::TcpListener, runtime::Runtime, sync::watch};
use tokio_util::sync::CancellationToken;

use super::super::{Asking, Parts, Peers, Serving, Trainer, TrainerConfig};
use crate::{
    nucleus_model::{Answers, Offer},
    presence::View,
};

/// Width of an answer.
const D_MODEL: u32 = 32;

/// What each offers: swapping in a model that offers something else is refused.
const TAKES_GRADIENTS: Offer = Offer {
    tokenizer: None,
    accepts_gradients: true,
    precision: Precision::Full,
};

/// A model that is quick.
pub(super) fn narrow(seed: u64) -> Box<dyn Synapse> {
    let config = MnistConfig {
        d_model: D_MODEL.into(),
        d_target: [32, 32],
        ..MnistConfig::default()
    };
    Box::new(Mnist::new(config, seed, Device::Cpu))
}

struct Node {
    peer: Peer,
    identity: Identity,
    nucleus: Nucleus,
    gradients: Mutex<Option<GradientReceiver>>,
    metrics: Registry,
    shutdown: CancellationToken,
    _guard: JoinGuard,
}

pub(super) struct Network {
    runtime: Runtime,
    nodes: Vec<Node>,
    rosters: watch::Sender<Arc<Roster>>,
    views: watch::Sender<Arc<View>>,
}

impl Network {
    /// Neurons that answer like this, the first of which trains. All are registered and have a permit.
    pub(super) fn of(answers: &[Answers]) -> Self {
        let runtime = Runtime::new().unwrap();
        let (rosters, roster) = watch::channel(Arc::default());
        let nodes = (0..).zip(answers).map(|(uid, answers)| {
            let serve = serve(uid, *answers, roster.clone());
            runtime.block_on(serve)
        });
        let nodes: Vec<Node> = nodes.collect();
        let (views, _) = watch::channel(Arc::default());
        let network = Self {
            runtime,
            nodes,
            rosters,
            views,
        };
        network.register(|_| true);
        network
    }

    fn register(&self, is_registered: impl Fn(u16) -> bool) {
        let peers: Vec<Peer> = self
            .nodes
            .iter()
            .map(|node| node.peer)
            .filter(|peer| is_registered(peer.uid))
            .collect();
        let member = |peer: &Peer| Member {
            uid: peer.uid,
            hotkey: peer.hotkey,
            stake: 1,
            validator_permit: true,
            address: Some(peer.address),
            plaintext: false,
        };
        self.rosters
            .send_replace(Arc::new(Roster::new(1, peers.iter().map(member))));
        self.views.send_replace(Arc::new(View {
            block: 15,
            previous_epoch: 0,
            next_epoch: 20,
            has_permit: true,
            uids: peers.iter().map(|peer| (peer.hotkey, peer.uid)).collect(),
            peers: peers.into_iter().filter(|peer| peer.uid != 0).collect(),
        }));
    }

    pub(super) fn peer(&self, position: usize) -> Peer {
        self.nodes[position].peer
    }

    pub(super) fn deregister(&self, uid: u16) {
        self.register(|other| other != uid);
    }

    /// The chain no longer says where it is, but that it is.
    pub(super) fn withdraw(&self, uid: u16) {
        self.views.send_modify(|view| {
            let mut changed = View::clone(view);
            changed.peers.retain(|peer| peer.uid != uid);
            *view = Arc::new(changed);
        });
    }

    /// Nobody answers at its address any more.
    pub(super) fn kill(&self, position: usize) {
        let node = &self.nodes[position];
        node.shutdown.cancel();
        self.runtime.block_on(async {
            while tokio::net::TcpStream::connect(node.peer.address)
                .await
                .is_ok()
            {
                tokio::task::yield_now().await;
            }
        });
    }

    /// The first neuron's trainer, which asks for what it learns from by default: targets, unless it sends gradients.
    pub(super) fn trainer(&self, config: TrainerConfig, parts: Parts) -> Trainer {
        let output = match config.sends_gradients {
            true => Output::Encoding,
            false => Output::Target,
        };
        self.trainer_asking(output, config, parts)
    }

    /// The first neuron's trainer, which asks for this.
    pub(super) fn trainer_asking(
        &self,
        wanted: impl Into<Wanted>,
        config: TrainerConfig,
        parts: Parts,
    ) -> Trainer {
        let node = &self.nodes[0];
        let peers = Peers {
            runtime: self.runtime.handle().clone(),
            dendrite: Dendrite::new(Some(node.identity.clone()), DendriteConfig::default()),
            nucleus: node.nucleus.clone(),
            own: node.peer,
            view: self.views.subscribe(),
            asking: Asking {
                entry: Modality::Image.into(),
                wanted: wanted.into(),
                deadline: Duration::from_secs(20),
                finish: Finish::All,
            },
        };
        let serving = Serving {
            nucleus: node.nucleus.clone(),
            answers: Answers::Honest,
            offer: TAKES_GRADIENTS,
            gradients: None,
        };
        let parts = Parts {
            peers: Some(peers),
            serving: Some(serving),
            ..parts
        };
        Trainer::new(config, parts)
    }

    /// The next gradient that a neuron was sent.
    pub(super) fn gradient_at(&self, position: usize) -> Gradient {
        let mut gradients = self.nodes[position].gradients.lock().unwrap();
        let gradients = gradients.as_mut().expect("they were not taken");
        let next = async { tokio::time::timeout(Duration::from_secs(20), gradients.next()).await };
        self.runtime
            .block_on(next)
            .expect("a gradient in time")
            .expect("the axon runs")
    }

    /// What the trainer of a neuron has that was sent a gradient.
    pub(super) fn serving_of(&self, position: usize) -> Serving {
        let node = &self.nodes[position];
        let deadline = Instant::now() + Duration::from_secs(20);
        while node.gradients_queued() == 0.0 {
            assert!(Instant::now() < deadline, "no gradient in time");
            std::thread::yield_now();
        }
        Serving {
            nucleus: node.nucleus.clone(),
            answers: Answers::Honest,
            offer: TAKES_GRADIENTS,
            gradients: node.gradients.lock().unwrap().take(),
        }
    }
}

impl Node {
    fn gradients_queued(&self) -> f64 {
        let families = self.metrics.gather();
        let gradients = families
            .iter()
            .filter(|family| family.name() == "neuron_axon_gradients_total");
        let counts = gradients.flat_map(|family| family.get_metric());
        counts.map(|metric| metric.get_counter().get_value()).sum()
    }
}

async fn serve(uid: u16, answers: Answers, roster: watch::Receiver<Arc<Roster>>) -> Node {
    let hotkey = Keypair::from_seed(&[u8::try_from(uid).unwrap() + 1; 32]);
    let identity = Identity::new(hotkey.clone()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = Peer {
        uid,
        hotkey: hotkey.public(),
        address: listener.local_addr().unwrap(),
        plaintext: false,
    };
    let model = answers.model(narrow(u64::from(uid) + 100).as_ref(), TAKES_GRADIENTS);
    let (nucleus, guard) = Nucleus::start(model, NucleusConfig::default()).unwrap();
    let (sender, receiver) = gradients(8);
    let config = AxonConfig::default();
    let metrics = Registry::new();
    config.metrics.register(&metrics).unwrap();
    let shutdown = CancellationToken::new();
    tokio::spawn(axon::serve(
        listener,
        config,
        Security::Tls(identity.clone()),
        roster,
        nucleus.clone(),
        Some(sender),
        shutdown.clone(),
    ));
    Node {
        peer,
        identity,
        nucleus,
        gradients: Mutex::new(Some(receiver)),
        metrics,
        shutdown,
        _guard: guard,
    }
}
