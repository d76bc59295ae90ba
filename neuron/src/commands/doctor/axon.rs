//! Tests of the axon: is it reached where the metagraph says, or could it be?

use std::{
    io,
    net::SocketAddr,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use neuron_metagraph::Neuron;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use super::Check;
use crate::{
    advertised,
    cli::{Doctor, Global},
};

/// Said with every success: this machine is not the internet.
const FROM_HERE: &str = "from this machine; a firewall before it may still keep peers out";

pub(super) async fn examine(
    global: &Global,
    doctor: &Doctor,
    neuron: Option<&Neuron>,
    checks: &mut Vec<Check>,
) {
    checks.push(advertised_endpoint(doctor, neuron).await);
    if let Some(listen) = doctor.listen {
        checks.push(listening(global, doctor, listen).await);
    }
}

/// Dials the endpoint that the metagraph has.
async fn advertised_endpoint(doctor: &Doctor, neuron: Option<&Neuron>) -> Check {
    let name = "axon";
    let Some(neuron) = neuron else {
        return Check::skipped(name, "there is no neuron that could serve");
    };
    let Some(endpoint) = neuron.endpoint else {
        return Check::skipped(
            name,
            "the neuron does not serve; neuron serve or neuron train does",
        );
    };
    let dialled = Instant::now();
    match dial(endpoint.address, doctor.patience).await {
        Ok(_) => {
            let elapsed = dialled.elapsed();
            Check::ok(
                name,
                format!("{endpoint} answers in {elapsed:.0?} {FROM_HERE}"),
            )
        }
        Err(error) => Check::failed(
            name,
            format!("{endpoint}: {error}"),
            "start the neuron; if it runs, open the port, or tell peers another address: --advertise ADDRESS. \
             --listen ADDRESS here tests that without a neuron",
        ),
    }
}

/// Listens as an axon would, and dials what peers would be told.
async fn listening(global: &Global, doctor: &Doctor, listen: SocketAddr) -> Check {
    let name = "listening";
    let listener = match TcpListener::bind(listen).await {
        Ok(listener) => listener,
        Err(error) => {
            let advice =
                "another program, perhaps a neuron, has the port: stop it, or choose another";
            return Check::failed(name, format!("{listen}: {error}"), advice);
        }
    };
    let told = listener
        .local_addr()
        .map_err(anyhow::Error::from)
        .and_then(|bound| Ok(advertised(bound, doctor.advertise, &global.chain)?));
    let told = match told {
        Ok(told) => told,
        Err(error) => return Check::failed(name, error, "say --advertise ADDRESS:PORT"),
    };
    match timeout(doctor.patience, arrives(&listener, told, doctor.patience)).await {
        Ok(Ok(())) => Check::ok(name, format!("{told} leads to {listen} {FROM_HERE}")),
        Ok(Err(error)) => Check::failed(
            name,
            format!("{told} does not lead to {listen}: {error}"),
            "forward the port, or say --advertise ADDRESS:PORT",
        ),
        Err(_) => Check::failed(
            name,
            format!("{told} does not lead to {listen}: nothing arrived"),
            "forward the port, open it in the firewall, or say --advertise ADDRESS:PORT",
        ),
    }
}

/// Whether what is sent to `told` comes out of `listener`.
async fn arrives(listener: &TcpListener, told: SocketAddr, patience: Duration) -> io::Result<()> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let sent = since.unwrap_or_default().as_nanos().to_le_bytes();
    let sending = async {
        let mut stream = dial(told, patience).await?;
        stream.write_all(&sent).await?;
        // Keeps the connection until the other side has read it.
        stream.read_u8().await
    };
    let receiving = async {
        loop {
            let (mut stream, _) = listener.accept().await?;
            let mut received = [0; 16];
            // Who sends something else is somebody else.
            if stream.read_exact(&mut received).await.is_ok() && received == sent {
                stream.write_u8(1).await?;
                return Ok::<_, io::Error>(());
            }
        }
    };
    tokio::try_join!(sending, receiving).map(|_| ())
}

async fn dial(address: SocketAddr, patience: Duration) -> io::Result<TcpStream> {
    timeout(patience, TcpStream::connect(address))
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_sent_to_a_listener_arrives() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let told = listener.local_addr().unwrap();
        arrives(&listener, told, Duration::from_secs(5))
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn an_address_that_leads_elsewhere_is_found_out() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let told = other.local_addr().unwrap();
        drop(other);
        let error = arrives(&listener, told, Duration::from_secs(5)).await;
        assert_eq!(error.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    }
}
