//! Where a neuron is reached: an address that can be dialled, a port, a protocol, a version and the synapses served.
//!
//! An [`Endpoint`] is valid by construction: [`Endpoint::new`] is the only way to one, and its fields are private. The
//! address family cannot disagree with the address, because the address *is* its family.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use core::net::{Ipv4Addr, Ipv6Addr};
use frame_support::ensure;
use scale_info::TypeInfo;
use serde::{Deserialize, Serialize};
use sp_runtime::DispatchResult;

use crate::{Config, Endpoints, Error, Event, Hyperparameters, NetId, Pallet, Uid};

/// An internet address, in network byte order.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
    MaxEncodedLen,
)]
pub enum Address {
    /// Version 4.
    V4([u8; 4]),
    /// Version 6.
    V6([u8; 16]),
}

/// How the axon speaks.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
    MaxEncodedLen,
    Serialize,
    Deserialize,
)]
pub enum Protocol {
    /// gRPC over mutual TLS.
    #[default]
    GrpcTls,
    /// gRPC in plain text. For development.
    GrpcPlain,
}

/// The kinds of input an axon serves.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
    MaxEncodedLen,
)]
pub struct Synapses {
    /// Token ids, `[batch, seq]`.
    pub text: bool,
    /// Pictures, `[batch, channels, height, width]`.
    pub image: bool,
    /// Tensors of a shape the neuron describes itself.
    pub tensor: bool,
}

/// Which addresses a chain accepts.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
    MaxEncodedLen,
    Serialize,
    Deserialize,
)]
pub enum AddressPolicy {
    /// Addresses that can be reached from the whole internet.
    #[default]
    Public,
    /// Loopback, private and link-local ones too: for chains that live on one machine or in one network.
    Any,
}

/// Where a neuron's axon is reached.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
    MaxEncodedLen,
)]
pub struct Endpoint {
    address: Address,
    port: u16,
    protocol: Protocol,
    version: u32,
    synapses: Synapses,
}

/// Why an endpoint was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointError {
    /// Nobody can dial it: unspecified, multicast, broadcast, documentation or reserved.
    NotDialable,
    /// It can be dialled, but not from the internet, and this chain wants public addresses.
    NotPublic,
    /// Port 0 names no port.
    PortZero,
    /// It serves no synapse at all.
    ServesNothing,
}

impl Endpoint {
    /// An endpoint that can be dialled under `policy`.
    ///
    /// # Errors
    /// The first of [`EndpointError`] that applies, in its order.
    pub fn new(
        address: Address,
        port: u16,
        protocol: Protocol,
        version: u32,
        synapses: Synapses,
        policy: AddressPolicy,
    ) -> Result<Self, EndpointError> {
        match (reach(address), policy) {
            (Reach::None, _) => return Err(EndpointError::NotDialable),
            (Reach::Local, AddressPolicy::Public) => return Err(EndpointError::NotPublic),
            (Reach::Local, AddressPolicy::Any) | (Reach::Public, _) => {}
        }
        ensure!(port != 0, EndpointError::PortZero);
        ensure!(
            synapses != Synapses::default(),
            EndpointError::ServesNothing
        );
        Ok(Self {
            address,
            port,
            protocol,
            version,
            synapses,
        })
    }

    /// The address.
    pub fn address(&self) -> Address {
        self.address
    }

    /// The port, never 0.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How the axon speaks.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Version of the axon's program.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// What it serves, never nothing.
    pub fn synapses(&self) -> Synapses {
        self.synapses
    }
}

/// From where an address can be dialled.
#[derive(Debug, PartialEq, Eq)]
enum Reach {
    None,
    Local,
    Public,
}

fn reach(address: Address) -> Reach {
    match address {
        Address::V4(octets) => reach_v4(Ipv4Addr::from(octets)),
        Address::V6(octets) => reach_v6(Ipv6Addr::from(octets)),
    }
}

/// Blocks of the IANA IPv4 special-purpose registry (RFC 6890 and its successors).
fn reach_v4(address: Ipv4Addr) -> Reach {
    let [a, b, c, _] = address.octets();
    let not_dialable = a == 0                              // this network
        || a >= 224                                        // multicast, reserved, broadcast
        || (a, b, c) == (192, 0, 0)                        // protocol assignments
        || address.is_documentation()
        || (a == 198 && (b == 18 || b == 19)); // benchmarking
    let local = address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || (a == 100 && (64..128).contains(&b)); // shared address space
    match (not_dialable, local) {
        (true, _) => Reach::None,
        (false, true) => Reach::Local,
        (false, false) => Reach::Public,
    }
}

/// Blocks of the IANA IPv6 special-purpose registry. A v4 address written as v6 is refused: it has a form of its own.
fn reach_v6(address: Ipv6Addr) -> Reach {
    let segments = address.segments();
    let [first, second, ..] = segments;
    if address.is_loopback() || (first & 0xfe00) == 0xfc00 || (first & 0xffc0) == 0xfe80 {
        return Reach::Local; // loopback, unique local, link-local
    }
    let global_unicast = (first & 0xe000) == 0x2000;
    let documentation =
        (first == 0x2001 && second == 0x0db8) || (first == 0x3fff && second < 0x1000);
    let six_to_four = first == 0x2002;
    // 2001::/23, Teredo among them. What the registry calls global in there is no host's own address: anycast of services
    // (port control, TURN, AS112, multicast relays) and identifiers (ORCHID, drones).
    let protocol_assignments = first == 0x2001 && second < 0x0200;
    if global_unicast && !documentation && !six_to_four && !protocol_assignments {
        Reach::Public
    } else {
        Reach::None
    }
}

/// What storage holds for a neuron that has served: its endpoint, if it was not withdrawn, and when it last changed.
/// A withdrawn one keeps its date, so that withdrawing does not reset the rate limit.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
    MaxEncodedLen,
)]
pub struct ServedEndpoint {
    /// Where the axon is reached; none once it is withdrawn.
    pub endpoint: Option<Endpoint>,
    /// Block of the last `serve_axon`.
    pub served_at: u32,
}

impl<T: Config> From<EndpointError> for Error<T> {
    fn from(refused: EndpointError) -> Self {
        match refused {
            EndpointError::NotDialable => Self::AddressNotDialable,
            EndpointError::NotPublic => Self::AddressNotPublic,
            EndpointError::PortZero => Self::PortZero,
            EndpointError::ServesNothing => Self::ServesNothing,
        }
    }
}

impl<T: Config> Pallet<T> {
    /// Stores where the neuron of `hotkey` is reached, at most once per `serving_rate_limit` blocks.
    pub(crate) fn do_serve_axon(
        hotkey: &T::AccountId,
        netid: NetId,
        endpoint: Endpoint,
    ) -> DispatchResult {
        let params = Self::live_hyperparameters(netid)?;
        let uid = Self::uid_of(netid, hotkey)?;
        Self::ensure_may_serve(netid, uid, &params)?;

        let served_at = Self::now();
        let served = ServedEndpoint {
            endpoint: Some(endpoint),
            served_at,
        };
        Endpoints::<T>::insert(netid, uid, served);
        Self::deposit_event(Event::AxonServed {
            netid,
            uid,
            endpoint,
        });
        Ok(())
    }

    /// Forgets where the neuron of `hotkey` is reached.
    pub(crate) fn do_withdraw_axon(hotkey: &T::AccountId, netid: NetId) -> DispatchResult {
        Self::live_hyperparameters(netid)?;
        let uid = Self::uid_of(netid, hotkey)?;
        let served = Endpoints::<T>::get(netid, uid).ok_or(Error::<T>::NotServing)?;
        ensure!(served.endpoint.is_some(), Error::<T>::NotServing);

        let withdrawn = ServedEndpoint {
            endpoint: None,
            ..served
        };
        Endpoints::<T>::insert(netid, uid, withdrawn);
        Self::deposit_event(Event::AxonWithdrawn { netid, uid });
        Ok(())
    }

    /// The address policy in force.
    pub(crate) fn address_policy() -> AddressPolicy {
        crate::Addresses::<T>::get()
    }

    fn ensure_may_serve(netid: NetId, uid: Uid, params: &Hyperparameters) -> DispatchResult {
        if let Some(served) = Endpoints::<T>::get(netid, uid) {
            let free_at = served.served_at.saturating_add(params.serving_rate_limit);
            ensure!(Self::now() >= free_at, Error::<T>::ServingTooFast);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMAGE: Synapses = Synapses {
        text: false,
        image: true,
        tensor: false,
    };

    fn endpoint(address: Address, policy: AddressPolicy) -> Result<Endpoint, EndpointError> {
        Endpoint::new(address, 8091, Protocol::GrpcTls, 1, IMAGE, policy)
    }

    fn v4(text: &str) -> Address {
        Address::V4(text.parse::<Ipv4Addr>().unwrap().octets())
    }

    fn v6(text: &str) -> Address {
        Address::V6(text.parse::<Ipv6Addr>().unwrap().octets())
    }

    #[test]
    fn public_addresses_are_taken_everywhere() {
        for address in [
            v4("8.8.8.8"),
            v4("100.128.0.1"),
            v4("172.32.0.1"),
            v6("2a00:1450::1"),
            v6("2001:200::1"),
            v6("2001:4860::1"),
        ] {
            assert!(
                endpoint(address, AddressPolicy::Public).is_ok(),
                "{address:?}"
            );
            assert!(endpoint(address, AddressPolicy::Any).is_ok(), "{address:?}");
        }
    }

    #[test]
    fn local_addresses_are_taken_only_where_the_chain_says_so() {
        let local = [
            v4("127.0.0.1"),
            v4("10.1.2.3"),
            v4("172.16.0.1"),
            v4("192.168.0.1"),
            v4("169.254.1.1"),
            v4("100.64.0.1"),
            v6("::1"),
            v6("fd00::1"),
            v6("fe80::1"),
        ];
        for address in local {
            assert_eq!(
                endpoint(address, AddressPolicy::Public),
                Err(EndpointError::NotPublic),
                "{address:?}"
            );
            assert!(endpoint(address, AddressPolicy::Any).is_ok(), "{address:?}");
        }
    }

    #[test]
    fn addresses_that_nobody_can_dial_are_refused_everywhere() {
        let dead = [
            v4("0.0.0.0"),
            v4("0.1.2.3"),
            v4("224.0.0.1"),
            v4("255.255.255.255"),
            v4("240.0.0.1"),
            v4("192.0.2.1"),
            v4("198.51.100.7"),
            v4("203.0.113.9"),
            v4("198.18.0.1"),
            v4("192.0.0.8"),
            v6("::"),
            v6("ff02::1"),
            v6("2001:db8::1"),
            v6("::ffff:8.8.8.8"),
            v6("2002::1"),
            v6("2001::1"),
            v6("2001:2::1"),
            v6("2001:20::1"),
            v6("2001:1ff::1"),
            v6("64:ff9b::1"),
        ];
        for address in dead {
            for policy in [AddressPolicy::Public, AddressPolicy::Any] {
                assert_eq!(
                    endpoint(address, policy),
                    Err(EndpointError::NotDialable),
                    "{address:?}"
                );
            }
        }
    }

    #[test]
    fn an_endpoint_has_a_port_and_serves_something() {
        let address = v4("8.8.8.8");
        let no_port = Endpoint::new(
            address,
            0,
            Protocol::GrpcTls,
            1,
            IMAGE,
            AddressPolicy::Public,
        );
        assert_eq!(no_port, Err(EndpointError::PortZero));
        let nothing = Endpoint::new(
            address,
            1,
            Protocol::GrpcTls,
            1,
            Synapses::default(),
            AddressPolicy::Public,
        );
        assert_eq!(nothing, Err(EndpointError::ServesNothing));
    }
}
