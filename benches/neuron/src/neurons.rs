//! Neurons in this process: axons on loopback over mutual TLS, and the dendrite of another neuron that asks them.
//!
//! They are registered with each other by hand, without a chain. Everything else is as on a network.

use std::{num::NonZeroU32, sync::Arc, thread, time::Duration};

use anyhow::Result;
use neuron_peer::{
    Identity, Member, Roster,
    axon::{self, AxonConfig, Policy, Rate, Security},
    dendrite::{Dendrite, DendriteConfig, Peer},
    nucleus::{JoinGuard, Model, ModelError, Nucleus, NucleusConfig, SynapseSpec},
};
use neuron_proto::{DType, Modality, Tensor};
use neuron_wallet::Keypair;
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Units that the asking neuron has at stake.
const STAKE: u64 = 1_000_000_000;
/// Calls in a second that a caller may make: faster than anybody asks.
const RATE: NonZeroU32 = NonZeroU32::new(1_000_000).expect("it is not zero");

/// Neurons that serve, until this value is dropped.
#[derive(Debug)]
pub struct Neurons {
    peers: Vec<Peer>,
    rosters: watch::Sender<Arc<Roster>>,
    _nuclei: Vec<JoinGuard>,
    _shutdown: DropGuard,
}

/// As restricted as any axon that serves this modality, with a rate that nobody meets.
pub fn axon_config(modality: Modality) -> AxonConfig {
    AxonConfig {
        policy: Policy {
            min_stake: [(modality, 1)].into(),
            rate: Some(Rate {
                per_second: RATE,
                burst: RATE,
            }),
            ..Policy::default()
        },
        ..AxonConfig::default()
    }
}

/// A model of the tensor modality that gives its inputs back.
#[derive(Debug)]
pub struct Echo {
    /// Values in a row, f32.
    pub width: u32,
    /// What it takes for a batch.
    pub delay: Duration,
}

impl Model for Echo {
    fn synapses(&self) -> Vec<SynapseSpec> {
        vec![SynapseSpec {
            modality: Modality::Tensor,
            input_dtypes: vec![DType::F32],
            input_shape: vec![self.width],
            output_shape: vec![self.width],
            prediction_shape: None,
            tokenizer: None,
            accepts_gradients: false,
        }]
    }

    fn forward(&mut self, _: Modality, inputs: &Tensor) -> Result<Tensor, ModelError> {
        thread::sleep(self.delay);
        Ok(inputs.clone())
    }
}

impl Neurons {
    /// A neuron for each of these models, with an axon on a free port. Runs on the runtime in which it is called.
    ///
    /// # Errors
    ///
    /// If there is no port, or a nucleus does not take its model.
    pub async fn start(modality: Modality, models: Vec<Box<dyn Model>>) -> Result<Neurons> {
        Neurons::start_with(modality, models, NucleusConfig::default()).await
    }

    /// As [`Neurons::start`], with nuclei like this.
    ///
    /// # Errors
    ///
    /// As [`Neurons::start`].
    pub async fn start_with(
        modality: Modality,
        models: Vec<Box<dyn Model>>,
        config: NucleusConfig,
    ) -> Result<Neurons> {
        let (rosters, roster) = watch::channel(Arc::default());
        let shutdown = CancellationToken::new();
        let (mut peers, mut nuclei) = (Vec::new(), Vec::new());
        for (uid, model) in (1..).zip(models) {
            let hotkey = Keypair::from_uri(&format!("//Peer//{uid}"))?;
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            peers.push(Peer {
                uid,
                hotkey: hotkey.public(),
                address: listener.local_addr()?,
                plaintext: false,
            });
            let (nucleus, guard) = Nucleus::start(model, config.clone())?;
            nuclei.push(guard);
            tokio::spawn(axon::serve(
                listener,
                axon_config(modality),
                Security::Tls(Identity::new(hotkey)?),
                roster.clone(),
                nucleus,
                None,
                shutdown.clone(),
            ));
        }
        Ok(Neurons {
            peers,
            rosters,
            _nuclei: nuclei,
            _shutdown: shutdown.drop_guard(),
        })
    }

    /// Whom the dendrite asks.
    pub fn peers(&self) -> &[Peer] {
        &self.peers
    }

    /// The dendrite of a neuron that all of them know.
    ///
    /// # Errors
    ///
    /// If no certificate can be made for it.
    pub fn dendrite(&self) -> Result<Dendrite> {
        let hotkey = Keypair::from_uri("//Alice")?;
        let member = Member {
            uid: 0,
            hotkey: hotkey.public(),
            stake: STAKE,
            validator_permit: true,
            address: None,
            plaintext: false,
        };
        self.rosters
            .send_replace(Arc::new(Roster::new(1, [member])));
        let identity = Identity::new(hotkey)?;
        Ok(Dendrite::new(Some(identity), DendriteConfig::default()))
    }
}
