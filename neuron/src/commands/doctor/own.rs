//! Who answers at an address: this neuron, somebody else, or nobody.

use std::{io, net::SocketAddr, time::Duration};

use neuron_metagraph::{Neuron, Protocol};
use neuron_peer::{
    Identity,
    dendrite::{Dendrite, DendriteConfig, Peer},
};
use tokio::{net::TcpStream, time::timeout};

use crate::cli::Global;

/// This neuron, as its own dendrite knows it: by its hotkey.
pub(super) struct Own {
    /// As the chain has it; where there is no endpoint, as one that speaks TLS.
    peer: Peer,
    /// What asks. If there is none, why.
    dendrite: Result<Dendrite, String>,
}

/// Who is at an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// This neuron. Where there is TLS, it has proved that.
    Own,
    /// Somebody who does not answer as this neuron would.
    Other {
        /// What came of asking.
        reason: String,
    },
    /// Somebody who could not be asked.
    Somebody {
        /// Why not.
        reason: String,
    },
    /// Nobody.
    Nobody {
        /// What came of dialling.
        reason: String,
    },
}

impl Own {
    /// Asks with the hotkey of the command, unless its user would have to be asked for a password.
    pub(super) fn new(global: &Global, neuron: &Neuron) -> Own {
        let endpoint = neuron.endpoint;
        let plaintext = endpoint.is_some_and(|it| it.protocol == Protocol::GrpcPlain);
        Own {
            peer: Peer {
                uid: neuron.uid,
                hotkey: neuron.hotkey,
                address: ([0, 0, 0, 0], 0).into(),
                plaintext,
            },
            dendrite: dendrite(global, plaintext),
        }
    }

    /// Dials, and asks whoever is there to prove to be this neuron.
    pub(super) async fn at(&self, address: SocketAddr, patience: Duration) -> Found {
        if let Err(error) = dial(address, patience).await {
            let reason = error.to_string();
            return Found::Nobody { reason };
        }
        let dendrite = match &self.dendrite {
            Ok(dendrite) => dendrite,
            Err(reason) => {
                let reason = reason.clone();
                return Found::Somebody { reason };
            }
        };
        let peer = Peer {
            address,
            ..self.peer
        };
        match dendrite.describe(&peer, patience).await {
            Ok(_) => Found::Own,
            Err(error) => Found::Other {
                reason: error.message,
            },
        }
    }
}

/// `plaintext`: whether this neuron has itself announced that it speaks plaintext.
fn dendrite(global: &Global, plaintext: bool) -> Result<Dendrite, String> {
    let hotkey = global
        .hotkey_unasked()
        .map_err(|error| format!("{:#}", anyhow::Error::from(error)))?
        .ok_or_else(|| {
            "the hotkey has a password, which --password-file FILE would give".to_owned()
        })?;
    let identity = Identity::new(hotkey).map_err(|error| error.to_string())?;
    let config = DendriteConfig {
        allow_plaintext: plaintext,
        ..DendriteConfig::default()
    };
    Ok(Dendrite::new(Some(identity), config))
}

pub(super) async fn dial(address: SocketAddr, patience: Duration) -> io::Result<TcpStream> {
    timeout(patience, TcpStream::connect(address))
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

#[cfg(test)]
pub(super) mod tests {
    use neuron_peer::{
        axon::{self, AxonConfig, Security},
        nucleus::{JoinGuard, Model, ModelError, Nucleus, NucleusConfig, SynapseSpec},
    };
    use neuron_proto::{DType, Modality, Tensor};
    use neuron_wallet::Keypair;
    use tokio::{net::TcpListener, sync::watch};
    use tokio_util::sync::{CancellationToken, DropGuard};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);

    /// Who has this key and can be asked.
    pub(in crate::commands::doctor) fn own(uri: &str) -> Own {
        let hotkey = Keypair::from_uri(uri).unwrap();
        Own {
            peer: Peer {
                uid: 0,
                hotkey: hotkey.public(),
                address: ([0, 0, 0, 0], 0).into(),
                plaintext: false,
            },
            dendrite: Ok(Dendrite::new(
                Some(Identity::new(hotkey).unwrap()),
                DendriteConfig::default(),
            )),
        }
    }

    /// A model that nobody asks for anything.
    struct Idle;

    impl Model for Idle {
        fn synapses(&self) -> Vec<SynapseSpec> {
            vec![SynapseSpec {
                modality: Modality::Tensor,
                input_dtypes: vec![DType::F32],
                input_shape: vec![1],
                output_shape: vec![1],
                prediction_shape: None,
                tokenizer: None,
                accepts_gradients: false,
            }]
        }

        fn forward(&mut self, _: Modality, _: &Tensor) -> Result<Tensor, ModelError> {
            Err(ModelError::NotImplemented("idle".into()))
        }
    }

    /// An axon, until this value is dropped.
    pub(in crate::commands::doctor) struct Serving {
        pub(in crate::commands::doctor) address: SocketAddr,
        _nucleus: JoinGuard,
        _shutdown: DropGuard,
    }

    /// The axon of who has this key, over TLS. It knows nobody else.
    pub(in crate::commands::doctor) async fn serve(uri: &str) -> Serving {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (nucleus, guard) = Nucleus::start(Box::new(Idle), NucleusConfig::default()).unwrap();
        let identity = Identity::new(Keypair::from_uri(uri).unwrap()).unwrap();
        let shutdown = CancellationToken::new();
        let (_, rosters) = watch::channel(Default::default());
        tokio::spawn(axon::serve(
            listener,
            AxonConfig::default(),
            Security::Tls(identity),
            rosters,
            nucleus,
            None,
            shutdown.clone(),
        ));
        Serving {
            address,
            _nucleus: guard,
            _shutdown: shutdown.drop_guard(),
        }
    }

    #[tokio::test]
    async fn a_neuron_finds_itself() {
        let serving = serve("//Alice").await;
        let found = own("//Alice").at(serving.address, PATIENCE).await;
        assert_eq!(found, Found::Own);
    }

    #[tokio::test]
    async fn the_axon_of_another_hotkey_is_found_out() {
        let serving = serve("//Bob").await;
        let Found::Other { reason } = own("//Alice").at(serving.address, PATIENCE).await else {
            panic!("it is somebody else");
        };
        assert!(
            reason.contains("whom the metagraph names there"),
            "{reason}"
        );
    }

    #[tokio::test]
    async fn a_listener_that_is_no_axon_is_found_out() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let hanging_up = async {
            while let Ok((stream, _)) = listener.accept().await {
                drop(stream);
            }
        };
        let alice = own("//Alice");
        let found = tokio::select! {
            found = alice.at(address, PATIENCE) => found,
            () = hanging_up => panic!("it listens"),
        };
        assert!(matches!(found, Found::Other { .. }), "{found:?}");
    }

    #[tokio::test]
    async fn that_nobody_listens_is_told_from_that_nobody_can_be_asked() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let locked = Own {
            dendrite: Err("locked".into()),
            ..own("//Alice")
        };
        let reason = "locked".to_owned();
        assert_eq!(
            locked.at(address, PATIENCE).await,
            Found::Somebody { reason }
        );
        drop(listener);
        for own in [locked, own("//Alice")] {
            let found = own.at(address, PATIENCE).await;
            assert!(matches!(found, Found::Nobody { .. }), "{found:?}");
        }
    }
}
