//! How many TLS handshakes run at once: they are what a stranger can make an axon work for.
//!
//! Bounded in total and for each address, so that one address cannot keep the others out. Addresses of IPv6 count by their
//! first 64 bits, which is what one customer has.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
};

/// Handshakes that run.
#[derive(Debug)]
pub(super) struct Handshakes {
    max: usize,
    max_per_address: usize,
    running: Mutex<Running>,
}

#[derive(Debug, Default)]
struct Running {
    total: usize,
    /// Only addresses with a handshake under way.
    by_address: HashMap<IpAddr, usize>,
}

/// Leave for one handshake, until it is dropped.
#[derive(Debug)]
pub(super) struct Pass {
    handshakes: Arc<Handshakes>,
    network: IpAddr,
}

impl Handshakes {
    pub(super) fn new(max: usize, max_per_address: usize) -> Arc<Handshakes> {
        Arc::new(Handshakes {
            max,
            max_per_address,
            running: Mutex::default(),
        })
    }

    /// Leave for one more, or the reason why there is none.
    pub(super) fn begin(self: &Arc<Self>, address: IpAddr) -> Result<Pass, &'static str> {
        let network = network(address);
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if running.total >= self.max {
            return Err("handshakes");
        }
        let of_network = running
            .by_address
            .get(&network)
            .copied()
            .unwrap_or_default();
        if of_network >= self.max_per_address {
            return Err("handshakes_of_address");
        }
        running.total += 1;
        running.by_address.insert(network, of_network + 1);
        drop(running);
        Ok(Pass {
            handshakes: self.clone(),
            network,
        })
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut running = self
            .handshakes
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        running.total -= 1;
        if let Some(of_network) = running.by_address.get_mut(&self.network) {
            *of_network -= 1;
            if *of_network == 0 {
                running.by_address.remove(&self.network);
            }
        }
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_address_cannot_keep_others_out() {
        let handshakes = Handshakes::new(3, 2);
        let passes = [(); 2].map(|()| handshakes.begin(ip("192.0.2.1")).unwrap());
        assert_eq!(
            handshakes.begin(ip("192.0.2.1")).unwrap_err(),
            "handshakes_of_address"
        );
        let _other = handshakes.begin(ip("192.0.2.2")).unwrap();
        assert_eq!(handshakes.begin(ip("192.0.2.3")).unwrap_err(), "handshakes");
        drop(passes);
        assert_eq!(handshakes.running.lock().unwrap().by_address.len(), 1);
        assert!(handshakes.begin(ip("192.0.2.1")).is_ok());
    }

    #[test]
    fn addresses_of_one_customer_count_together() {
        let handshakes = Handshakes::new(9, 1);
        let _pass = handshakes.begin(ip("2001:db8:0:1::1")).unwrap();
        assert!(handshakes.begin(ip("2001:db8:0:1:ffff::2")).is_err());
        assert!(handshakes.begin(ip("2001:db8:0:2::1")).is_ok());
        let _mapped = handshakes.begin(ip("::ffff:192.0.2.1")).unwrap();
        assert!(handshakes.begin(ip("192.0.2.1")).is_err());
    }
}
