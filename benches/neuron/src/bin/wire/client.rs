//! Clients of the servers: a dendrite for the axon, tonic's own for the others.

use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};
use hyper_util::rt::TokioIo;
use neuron_peer::{
    Identity,
    dendrite::{Call, Dendrite, DendriteConfig, Finish, Peer},
};
use neuron_proto::{DType, Modality, Tensor, v1};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};
use tonic::transport::{Channel, Endpoint};

use super::{
    WIDTH,
    server::{Kind, Server, client_key, server_key},
};

/// Longer than any call takes.
const DEADLINE: Duration = Duration::from_secs(30);

/// A server with a connection to it.
pub(crate) struct Target {
    pub(crate) server: Server,
    client: Client,
}

enum Client {
    Dendrite(Box<Dendrite>, Peer),
    Tonic(v1::axon_client::AxonClient<Channel>),
}

impl Target {
    pub(crate) async fn connect(server: Server) -> Result<Target> {
        let client = match server.kind {
            Kind::Axon | Kind::Slow => {
                let identity = Identity::new(client_key()?)?;
                let peer = Peer {
                    uid: 1,
                    hotkey: server_key()?.public(),
                    address: server.address,
                    plaintext: false,
                };
                let dendrite = Dendrite::new(Some(identity), DendriteConfig::default());
                Client::Dendrite(Box::new(dendrite), peer)
            }
            Kind::Tls => Client::Tonic(v1::axon_client::AxonClient::new(over_tls(&server).await?)),
            Kind::Plain => {
                let endpoint = Endpoint::from_shared(format!("http://{}", server.address))?;
                Client::Tonic(v1::axon_client::AxonClient::new(endpoint.connect().await?))
            }
        };
        Ok(Target { server, client })
    }

    /// Sends a tensor there and back, and gives the time that took.
    pub(crate) async fn echo(&self, tensor: &Tensor) -> Result<Duration> {
        let start = Instant::now();
        let n_bytes = match &self.client {
            Client::Dendrite(dendrite, peer) => by_dendrite(dendrite, *peer, tensor).await?,
            Client::Tonic(client) => by_tonic(client.clone(), tensor).await?,
        };
        let elapsed = start.elapsed();
        ensure!(
            n_bytes == tensor.n_bytes(),
            "expected an echo, got {n_bytes} bytes"
        );
        Ok(elapsed)
    }

    /// Asks for the server's health, and gives the time that took.
    pub(crate) async fn health(&self) -> Result<Duration> {
        let Client::Dendrite(dendrite, peer) = &self.client else {
            return Err(anyhow!("a bare server has no health"));
        };
        let start = Instant::now();
        ensure!(
            dendrite.health(peer, DEADLINE).await?,
            "the axon does not serve"
        );
        Ok(start.elapsed())
    }
}

async fn by_dendrite(dendrite: &Dendrite, peer: Peer, tensor: &Tensor) -> Result<usize> {
    let calls = vec![Call {
        peer,
        inputs: tensor.clone(),
    }];
    let mut outcomes = dendrite
        .forward(Modality::Tensor, calls, &[WIDTH], DEADLINE, Finish::All)
        .await;
    let outcome = outcomes.remove(0);
    outcome
        .outputs
        .map(|outputs| outputs.n_bytes())
        .ok_or_else(|| anyhow!("{}: {}", outcome.code, outcome.message))
}

async fn by_tonic(
    mut client: v1::axon_client::AxonClient<Channel>,
    tensor: &Tensor,
) -> Result<usize> {
    let request = v1::ForwardRequest {
        modality: Modality::Tensor.into(),
        inputs: Some(tensor.clone().encode()),
        reply: DType::F32.into(),
        ..Default::default()
    };
    let response = client.forward(request).await?.into_inner();
    Ok(response.outputs.map_or(0, |outputs| outputs.data.len()))
}

/// tonic's client over the TLS of a dendrite.
async fn over_tls(server: &Server) -> Result<Channel> {
    let config = Identity::new(client_key()?)?.client_config(server_key()?.public())?;
    let address = server.address;
    let connect = move |_| {
        let connector = TlsConnector::from(config.clone());
        async move {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let name = ServerName::IpAddress(address.ip().into());
            connector.connect(name, stream).await.map(TokioIo::new)
        }
    };
    let endpoint = Endpoint::from_shared(format!("http://{address}"))?;
    Ok(endpoint
        .connect_with_connector(tower::service_fn(connect))
        .await?)
}
