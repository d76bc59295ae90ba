//! Which address peers are told.

use std::{
    io,
    net::{IpAddr, SocketAddr, ToSocketAddrs, UdpSocket},
};

/// Why there is no address to tell.
#[derive(Debug, thiserror::Error)]
pub enum AdvertiseError {
    /// What was asked for is no place.
    #[error(
        "expected an address and port that peers can reach, got {0}; say --advertise ADDRESS:PORT"
    )]
    NoPlace(SocketAddr),
    /// The machine has many addresses, and none of them leads to the chain.
    #[error(
        "cannot tell which of this machine's addresses peers reach; say --advertise ADDRESS:PORT"
    )]
    Unknown(#[source] io::Error),
}

/// The address that peers are told by a neuron that listens on `bound`: what `--advertise` says; else `bound`, or, if that
/// is every address of the machine, the one from which the first of the `chain`'s nodes is reached. Sends nothing.
///
/// # Errors
///
/// If `--advertise` is no place, or no node's host is known.
pub fn advertised(
    bound: SocketAddr,
    advertise: Option<SocketAddr>,
    chain: &[String],
) -> Result<SocketAddr, AdvertiseError> {
    if let Some(told) = advertise {
        return match told.ip().is_unspecified() || told.port() == 0 {
            true => Err(AdvertiseError::NoPlace(told)),
            false => Ok(told),
        };
    }
    if !bound.ip().is_unspecified() {
        return Ok(bound);
    }
    let nowhere = io::Error::new(io::ErrorKind::NotFound, "the chain has no node");
    chain
        .iter()
        .map(|url| local_address(url, bound))
        .find(Result::is_ok)
        .unwrap_or(Err(nowhere))
        .map(|ip| SocketAddr::new(ip, bound.port()))
        .map_err(AdvertiseError::Unknown)
}

/// The address of this machine from which a node is reached, of the family that is listened on.
fn local_address(url: &str, bound: SocketAddr) -> io::Result<IpAddr> {
    let (host, port) = host_and_port(url);
    let socket = UdpSocket::bind(SocketAddr::new(bound.ip(), 0))?;
    let mut fitting = (host, port)
        .to_socket_addrs()?
        .filter(|node| node.is_ipv4() == bound.is_ipv4());
    let node = fitting.next().ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::NotFound,
            "the node has no address of this family",
        )
    })?;
    // Chooses a route, and sends nothing.
    socket.connect(node)?;
    Ok(socket.local_addr()?.ip())
}

/// The host of `ws://host:port/path`, without the brackets of an IPv6 address, and its port.
fn host_and_port(url: &str) -> (&str, u16) {
    let default = if url.starts_with("wss:") { 443 } else { 80 };
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or(rest);
    let after_bracket = authority.rfind(']').map_or(0, |at| at + 1);
    let (host, port) = match authority[after_bracket..].rfind(':') {
        Some(colon) => {
            let (host, port) = authority.split_at(after_bracket + colon);
            (host, port[1..].parse().unwrap_or(default))
        }
        None => (authority, default),
    };
    (host.trim_matches(['[', ']']), port)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_said_counts_if_it_is_a_place() {
        let bound = address("0.0.0.0:8091");
        let told = address("198.51.100.7:80");
        assert_eq!(advertised(bound, Some(told), &[]).unwrap(), told);
        for nowhere in ["0.0.0.0:8091", "198.51.100.7:0"] {
            let error = advertised(bound, Some(address(nowhere)), &[]).unwrap_err();
            assert!(matches!(error, AdvertiseError::NoPlace(_)));
        }
    }

    #[test]
    fn a_particular_address_is_told_as_it_is() {
        let bound = address("127.0.0.1:8091");
        assert_eq!(advertised(bound, None, &[]).unwrap(), bound);
    }

    #[test]
    fn of_all_addresses_the_one_that_leads_to_the_chain_is_told() {
        let chain = ["ws://127.0.0.1:9944".to_owned()];
        let told = advertised(address("0.0.0.0:8091"), None, &chain).unwrap();
        assert_eq!(told, address("127.0.0.1:8091"));
        let error = advertised(address("0.0.0.0:8091"), None, &[]).unwrap_err();
        assert!(error.to_string().contains("--advertise"));
    }

    #[test]
    fn hosts_and_ports_are_found_in_urls() {
        for (url, expected) in [
            ("ws://127.0.0.1:9944", ("127.0.0.1", 9944)),
            ("wss://node.example", ("node.example", 443)),
            ("ws://node.example/path:1", ("node.example", 80)),
            ("ws://[::1]:9944/", ("::1", 9944)),
            ("ws://[::1]", ("::1", 80)),
        ] {
            assert_eq!(host_and_port(url), expected, "{url}");
        }
    }
}
