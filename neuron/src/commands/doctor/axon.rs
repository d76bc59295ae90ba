//! Tests of the axon: is it reached where the metagraph says, or could it be?

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use neuron_metagraph::{Endpoint, Neuron};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    time::timeout,
};

use super::{
    Check,
    own::{Found, Own, dial},
};
use crate::{
    advertised,
    cli::{Doctor, Global},
};

/// Said with every success: this machine is not the internet.
const FROM_HERE: &str = "from this machine; a firewall before it may still keep peers out";

/// Whether this neuron is where the chain says.
pub(super) async fn announced(
    neuron: Option<&Neuron>,
    own: Option<&Own>,
    patience: Duration,
) -> Check {
    let name = "axon";
    let (Some(neuron), Some(own)) = (neuron, own) else {
        return Check::skipped(name, "there is no neuron that could serve");
    };
    let Some(endpoint) = neuron.endpoint else {
        return Check::skipped(
            name,
            "the neuron does not serve; neuron serve or neuron train does",
        );
    };
    let asked = Instant::now();
    let found = own.at(endpoint.address, patience).await;
    verdict(name, &endpoint, found, asked.elapsed())
}

fn verdict(name: &'static str, endpoint: &Endpoint, found: Found, elapsed: Duration) -> Check {
    match found {
        Found::Own => Check::ok(
            name,
            format!("this neuron answers at {endpoint} in {elapsed:.0?} {FROM_HERE}"),
        ),
        Found::Somebody { reason } => Check::ok(
            name,
            format!(
                "somebody listens at {endpoint}, {FROM_HERE}. Whether it is this neuron was not asked: {reason}"
            ),
        ),
        Found::Other { reason } => Check::failed(
            name,
            format!("somebody listens at {endpoint}, but does not answer as this neuron: {reason}"),
            "another program, or the neuron of another hotkey, has the port: start this neuron there, or tell peers \
             another address: --advertise ADDRESS",
        ),
        Found::Nobody { reason } => Check::failed(
            name,
            format!("nobody answers at {endpoint}: {reason}"),
            "start the neuron; if it runs, open the port, or tell peers another address: --advertise ADDRESS",
        ),
    }
}

/// Listens as an axon would, and dials what peers would be told.
pub(super) async fn listening(global: &Global, doctor: &Doctor, own: Option<&Own>) -> Check {
    let name = "listening";
    let (listen, patience) = (doctor.listen, doctor.patience);
    let listener = match TcpListener::bind(listen).await {
        Ok(listener) => listener,
        Err(_) if is_own(own, listen, patience).await => {
            return Check::ok(name, format!("this neuron listens on {listen}"));
        }
        Err(error) => {
            let advice = "another program, perhaps a neuron, has the port: stop it, or choose another: --listen ADDRESS";
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
    match timeout(patience, arrives(&listener, told, patience)).await {
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

/// Whether it is this neuron that listens there.
async fn is_own(own: Option<&Own>, listen: SocketAddr, patience: Duration) -> bool {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    match own {
        Some(own) => own.at(SocketAddr::new(ip, listen.port()), patience).await == Found::Own,
        None => false,
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

#[cfg(test)]
mod tests {
    use neuron_metagraph::{Protocol, Synapses};

    use super::{
        super::own::tests::{own, serve},
        *,
    };

    #[test]
    fn an_endpoint_is_well_unless_nobody_is_there_or_somebody_else() {
        let endpoint = Endpoint {
            address: ([198, 51, 100, 7], 8091).into(),
            protocol: Protocol::GrpcTls,
            version: 1,
            synapses: Synapses::default(),
        };
        let reason = || "this and that".to_owned();
        for (found, is_failed, said) in [
            (
                Found::Own,
                false,
                "this neuron answers at 198.51.100.7:8091 in 3ms",
            ),
            (
                Found::Somebody { reason: reason() },
                false,
                "was not asked: this and that",
            ),
            (
                Found::Other { reason: reason() },
                true,
                "does not answer as this neuron: this and that",
            ),
            (
                Found::Nobody { reason: reason() },
                true,
                "nobody answers at 198.51.100.7:8091: this and that",
            ),
        ] {
            let check = verdict("axon", &endpoint, found, Duration::from_millis(3));
            assert_eq!(check.is_failed(), is_failed, "{check:?}");
            assert!(format!("{check:?}").contains(said), "{check:?}");
        }
    }

    #[tokio::test]
    async fn a_port_that_is_taken_may_be_taken_by_this_neuron() {
        let serving = serve("//Alice").await;
        let (address, patience) = (serving.address, Duration::from_secs(5));
        let anywhere = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), address.port());
        for listen in [address, anywhere] {
            assert!(is_own(Some(&own("//Alice")), listen, patience).await);
            assert!(!is_own(Some(&own("//Bob")), listen, patience).await);
            assert!(!is_own(None, listen, patience).await);
        }
    }

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
