//! Where a neuron's axon is reached, as the metagraph says.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use serde::{Deserialize, Serialize};

/// Where a neuron is reached, how it speaks and what it serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Endpoint {
    /// Where to dial.
    pub address: SocketAddr,
    /// How the axon speaks.
    pub protocol: Protocol,
    /// Version of the axon's program.
    pub version: u32,
    /// What it serves.
    pub synapses: Synapses,
}

/// How an axon speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// gRPC over mutual TLS.
    #[default]
    GrpcTls,
    /// gRPC in plain text. For development.
    GrpcPlain,
}

/// The kinds of input that an axon serves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Synapses {
    /// Token ids, `[batch, seq]`.
    pub text: bool,
    /// Pictures, `[batch, channels, height, width]`.
    pub image: bool,
    /// Tensors of a shape that the neuron describes itself.
    pub tensor: bool,
}

impl Endpoint {
    /// The address without its port, in a form of one family: a v4 address written as v6 (`::ffff:1.2.3.4`) is v4, which is
    /// the only form in which the chain takes it.
    pub(crate) fn ip(&self) -> IpAddr {
        self.address.ip().to_canonical()
    }
}

impl fmt::Display for Endpoint {
    /// `127.0.0.1:8091`, with `plain://` before it where there is no TLS.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.protocol {
            Protocol::GrpcTls => write!(f, "{}", self.address),
            Protocol::GrpcPlain => write!(f, "plain://{}", self.address),
        }
    }
}

impl fmt::Display for Synapses {
    /// `text+image`; `none` if there is none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let served = [
            (self.text, "text"),
            (self.image, "image"),
            (self.tensor, "tensor"),
        ];
        let served: Vec<_> = served
            .into_iter()
            .filter_map(|(is_served, name)| is_served.then_some(name))
            .collect();
        match served.is_empty() {
            true => f.write_str("none"),
            false => f.write_str(&served.join("+")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_reads_as_what_is_dialled() {
        let mut endpoint = Endpoint {
            address: "[2001:4860::1]:8091".parse().unwrap(),
            protocol: Protocol::GrpcTls,
            version: 1,
            synapses: Synapses::default(),
        };
        assert_eq!(endpoint.to_string(), "[2001:4860::1]:8091");
        endpoint.protocol = Protocol::GrpcPlain;
        assert_eq!(endpoint.to_string(), "plain://[2001:4860::1]:8091");
    }

    #[test]
    fn synapses_read_as_a_list() {
        let mut synapses = Synapses::default();
        assert_eq!(synapses.to_string(), "none");
        synapses.text = true;
        synapses.tensor = true;
        assert_eq!(synapses.to_string(), "text+tensor");
    }
}
