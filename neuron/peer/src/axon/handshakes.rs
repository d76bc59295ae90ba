//! How many TLS handshakes run at once: they are what a stranger can make an axon work for.
//!
//! Bounded in total and for each address, at once and in a second. Addresses of IPv6 count by their first 64 bits, which is
//! what one customer has. When all places are taken, a newcomer gets that of the oldest handshake of the busiest address. So
//! whoever takes all places from a few addresses, and lets them wait, loses them first; and an honest handshake, which takes
//! milliseconds, is over long before it is the oldest. Who begins one after the other as fast as they end has them refused
//! before anything is computed for them.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
};

use governor::{DefaultKeyedRateLimiter, RateLimiter};
use tokio_util::sync::CancellationToken;

use super::admission::Rate;

/// Handshakes that run.
#[derive(Debug)]
pub(super) struct Handshakes {
    max: usize,
    max_per_address: usize,
    /// How fast those of an address may follow each other.
    rates: DefaultKeyedRateLimiter<IpAddr>,
    running: Mutex<Running>,
}

/// A handshake's number, in order of arrival.
type Id = u64;

#[derive(Debug, Default)]
struct Running {
    next: Id,
    total: usize,
    /// Those of each address, the oldest first; only addresses that have one. Each is told when it has to go.
    by_address: HashMap<IpAddr, BTreeMap<Id, CancellationToken>>,
}

/// Leave for one handshake, until it is dropped or [evicted](Pass::evicted).
#[derive(Debug)]
pub(super) struct Pass {
    handshakes: Arc<Handshakes>,
    network: IpAddr,
    id: Id,
    evicted: CancellationToken,
}

impl Handshakes {
    pub(super) fn new(max: usize, max_per_address: usize, per_address: Rate) -> Arc<Handshakes> {
        Arc::new(Handshakes {
            max,
            max_per_address,
            rates: RateLimiter::keyed(per_address.quota()),
            running: Mutex::default(),
        })
    }

    /// Leave for one more, or the reason why there is none.
    pub(super) fn begin(self: &Arc<Self>, address: IpAddr) -> Result<Pass, &'static str> {
        let network = network(address);
        if self.rates.check_key(&network).is_err() {
            return Err("handshake_rate_of_address");
        }
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if running.of(&network) >= self.max_per_address {
            return Err("handshakes_of_address");
        }
        if running.total >= self.max && !running.evict_for(&network) {
            return Err("handshakes");
        }
        let (id, evicted) = running.insert(network);
        drop(running);
        Ok(Pass {
            handshakes: self.clone(),
            network,
            id,
            evicted,
        })
    }

    /// Forgets addresses that could begin as many as one never seen.
    pub(super) fn forget_idle(&self) {
        self.rates.retain_recent();
        self.rates.shrink_to_fit();
    }
}

impl Running {
    fn of(&self, network: &IpAddr) -> usize {
        self.by_address.get(network).map_or(0, BTreeMap::len)
    }

    fn insert(&mut self, network: IpAddr) -> (Id, CancellationToken) {
        let (id, evicted) = (self.next, CancellationToken::new());
        self.next += 1;
        self.total += 1;
        let own = self.by_address.entry(network).or_default();
        own.insert(id, evicted.clone());
        (id, evicted)
    }

    /// None if it was evicted.
    fn remove(&mut self, network: &IpAddr, id: Id) -> Option<CancellationToken> {
        let own = self.by_address.get_mut(network)?;
        let evicted = own.remove(&id)?;
        if own.is_empty() {
            self.by_address.remove(network);
        }
        self.total -= 1;
        Some(evicted)
    }

    /// Ends the oldest handshake of the busiest address, the newcomer counted; among equals its own, then the oldest of all.
    /// Whether there was one.
    fn evict_for(&mut self, newcomer: &IpAddr) -> bool {
        let busiest = self
            .by_address
            .iter()
            .filter_map(|(&network, own)| {
                let is_own = network == *newcomer;
                let (&oldest, _) = own.first_key_value()?;
                let rank = (own.len() + usize::from(is_own), is_own, Reverse(oldest));
                Some((rank, network, oldest))
            })
            .max();
        let evicted = busiest.and_then(|(_, network, oldest)| self.remove(&network, oldest));
        evicted.inspect(CancellationToken::cancel).is_some()
    }
}

impl Pass {
    /// Cancelled when the handshake has to make room.
    pub(super) fn evicted(&self) -> &CancellationToken {
        &self.evicted
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut running = self
            .handshakes
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        running.remove(&self.network, self.id);
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
    use std::num::NonZeroU32;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// A rate that nobody meets.
    const ANY: Rate = Rate {
        per_second: NonZeroU32::new(1_000_000).unwrap(),
        burst: NonZeroU32::new(1_000_000).unwrap(),
    };

    fn are_evicted<const N: usize>(passes: &[Pass; N]) -> [bool; N] {
        passes.each_ref().map(|pass| pass.evicted().is_cancelled())
    }

    #[test]
    fn an_address_has_a_few() {
        let handshakes = Handshakes::new(9, 2, ANY);
        let passes = [(); 2].map(|()| handshakes.begin(ip("192.0.2.1")).unwrap());
        let refused = handshakes.begin(ip("192.0.2.1")).unwrap_err();
        assert_eq!(refused, "handshakes_of_address");
        assert!(handshakes.begin(ip("192.0.2.2")).is_ok());
        assert_eq!(are_evicted(&passes), [false; 2]);
        drop(passes);
        assert!(handshakes.running.lock().unwrap().by_address.is_empty());
        assert!(handshakes.begin(ip("192.0.2.1")).is_ok());
    }

    #[test]
    fn the_busiest_address_makes_room_for_newcomers() {
        let handshakes = Handshakes::new(5, 9, ANY);
        let begin = |address| handshakes.begin(ip(address)).unwrap();
        let few = [begin("192.0.2.1"), begin("192.0.2.1")];
        let many = [(); 3].map(|()| begin("192.0.2.2"));
        let _new = begin("192.0.2.3");
        assert_eq!(are_evicted(&many), [true, false, false], "its oldest");
        assert_eq!(are_evicted(&few), [false; 2]);
        // With a third it would be the busiest itself.
        let _third = begin("192.0.2.2");
        assert_eq!(are_evicted(&many), [true, true, false]);
        assert_eq!(are_evicted(&few), [false; 2]);
        drop(many);
        let running = handshakes.running.lock().unwrap();
        assert_eq!((running.total, running.by_address.len()), (4, 3));
    }

    #[test]
    fn of_addresses_that_are_equally_busy_the_oldest_makes_room() {
        let handshakes = Handshakes::new(2, 9, ANY);
        let begin = |address| handshakes.begin(ip(address)).unwrap();
        let passes = [begin("192.0.2.1"), begin("192.0.2.2")];
        let _new = begin("192.0.2.3");
        assert_eq!(are_evicted(&passes), [true, false]);
    }

    #[test]
    fn without_any_place_there_is_none_to_take() {
        let handshakes = Handshakes::new(0, 9, ANY);
        let refused = handshakes.begin(ip("192.0.2.1")).unwrap_err();
        assert_eq!(refused, "handshakes");
    }

    #[test]
    fn addresses_of_one_customer_count_together() {
        let handshakes = Handshakes::new(9, 1, ANY);
        let _pass = handshakes.begin(ip("2001:db8:0:1::1")).unwrap();
        assert!(handshakes.begin(ip("2001:db8:0:1:ffff::2")).is_err());
        assert!(handshakes.begin(ip("2001:db8:0:2::1")).is_ok());
        let _mapped = handshakes.begin(ip("::ffff:192.0.2.1")).unwrap();
        assert!(handshakes.begin(ip("192.0.2.1")).is_err());
    }
    #[test]
    fn an_address_that_begins_too_fast_is_refused_however_few_run() {
        let [one, three] = [1, 3].map(|n| NonZeroU32::new(n).unwrap());
        let rate = Rate {
            per_second: one,
            burst: three,
        };
        let handshakes = Handshakes::new(9, 9, rate);
        // Each is over before the next begins. The bucket fills by one in a second, so of ten at once some are too many.
        let begun = (0..10).map(|_| handshakes.begin(ip("192.0.2.1")).map(drop));
        let refused = begun.filter_map(Result::err).collect::<Vec<_>>();
        assert!((1..=7).contains(&refused.len()), "{refused:?}");
        assert!(
            refused
                .iter()
                .all(|&reason| reason == "handshake_rate_of_address")
        );
        assert!(handshakes.begin(ip("192.0.2.2")).is_ok(), "another address");
    }
}
