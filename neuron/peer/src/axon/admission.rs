//! Who may ask, for what, and how often: decided per request, from the latest roster.
//!
//! | caller | may ask | priority |
//! | --- | --- | --- |
//! | this neuron itself | everything, at any rate | its stake, if it is registered |
//! | on the deny list | nothing | |
//! | not registered | nothing | |
//! | registered | what its stake suffices for, within its rate | its stake |
//! | anonymous, in the plaintext mode of development | everything, at any rate | none |
//!
//! Health and reflection are for everybody who has a connection.

use std::{
    collections::{BTreeMap, HashSet},
    num::NonZeroU32,
    time::Duration,
};

use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
};
use neuron_proto::{Code, Modality};
use neuron_wallet::PublicKey;

use crate::{RosterWatch, nucleus::Refusal};

/// After how long to ask again where nobody can tell: a few batches of an ordinary model.
pub(super) const OVERLOAD_RETRY: Duration = Duration::from_millis(100);

/// A token bucket: `burst` at once, and `per_second` more each second.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How fast the bucket fills.
    pub per_second: NonZeroU32,
    /// How many it holds.
    pub burst: NonZeroU32,
}

impl Rate {
    pub(super) fn quota(self) -> Quota {
        Quota::per_second(self.per_second).allow_burst(self.burst)
    }
}

/// Which callers an axon answers.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Policy {
    /// Callers that get nothing, registered or not.
    pub denied: HashSet<PublicKey>,
    /// Stake that a caller needs for an entry point, in units of 10⁻⁹ CTM; zero where there is none.
    pub min_stake: BTreeMap<Modality, u64>,
    /// Of each caller. None: as fast as it can.
    pub rate: Option<Rate>,
}

/// Whom a connection belongs to.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Caller {
    /// Proved by its certificate.
    Hotkey(PublicKey),
    /// In the plaintext mode of development.
    Anonymous,
}

/// A caller that may ask.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Admitted {
    pub(super) hotkey: Option<PublicKey>,
    pub(super) stake: u64,
    /// Whether its stake counts for what it may ask.
    is_free: bool,
}

/// The policy, with what it has to remember.
#[derive(Debug)]
pub(super) struct Admission {
    own: PublicKey,
    policy: Policy,
    roster: RosterWatch,
    rates: Option<DefaultKeyedRateLimiter<PublicKey>>,
}

impl Admission {
    /// For the axon of the neuron `own`.
    pub(super) fn new(own: PublicKey, policy: Policy, roster: RosterWatch) -> Admission {
        let rates = policy.rate.map(|rate| RateLimiter::keyed(rate.quota()));
        Admission {
            own,
            policy,
            roster,
            rates,
        }
    }

    /// Whether this caller may ask anything now. Takes one of its tokens.
    pub(super) fn admit(&self, caller: Caller) -> Result<Admitted, Refusal> {
        let Caller::Hotkey(hotkey) = caller else {
            return Ok(Admitted {
                hotkey: None,
                stake: 0,
                is_free: true,
            });
        };
        let stake = self
            .roster
            .borrow()
            .member(&hotkey)
            .map(|member| member.stake);
        if hotkey == self.own {
            let stake = stake.unwrap_or_default();
            return Ok(Admitted {
                hotkey: Some(hotkey),
                stake,
                is_free: true,
            });
        }
        let unknown = |message| Refusal::new(Code::SenderUnknown, message);
        if self.policy.denied.contains(&hotkey) {
            return Err(unknown(format!("{hotkey} is on this axon's deny list")));
        }
        let stake = stake.ok_or_else(|| {
            let block = self.roster.borrow().block();
            unknown(format!(
                "{hotkey} is not registered at block {block}: register first"
            ))
        })?;
        self.check_rate(&hotkey)?;
        Ok(Admitted {
            hotkey: Some(hotkey),
            stake,
            is_free: false,
        })
    }

    /// Whether it may ask this entry point.
    pub(super) fn check_stake(&self, caller: &Admitted, modality: Modality) -> Result<(), Refusal> {
        let needed = self.min_stake(modality);
        if caller.is_free || caller.stake >= needed {
            return Ok(());
        }
        let message = format!(
            "a caller of {modality} needs a stake of {needed} (in units of 1e-9 CTM), this one has {}",
            caller.stake
        );
        Err(Refusal::new(Code::SenderUnknown, message))
    }

    /// What [`Admission::check_stake`] asks for.
    pub(super) fn min_stake(&self, modality: Modality) -> u64 {
        self.policy
            .min_stake
            .get(&modality)
            .copied()
            .unwrap_or_default()
    }

    /// Whether this hotkey is registered, or this neuron's own.
    pub(super) fn is_known(&self, hotkey: &PublicKey) -> bool {
        *hotkey == self.own || self.roster.borrow().member(hotkey).is_some()
    }

    /// Forgets callers whose bucket is full, as that of a caller never seen is. Only registered callers have one, so between
    /// two rosters there are never more than neurons.
    pub(super) fn forget_idle(&self) {
        if let Some(rates) = &self.rates {
            rates.retain_recent();
            rates.shrink_to_fit();
        }
    }

    fn check_rate(&self, hotkey: &PublicKey) -> Result<(), Refusal> {
        let Some(rates) = &self.rates else {
            return Ok(());
        };
        rates.check_key(hotkey).map_err(|not_until| {
            let quota = not_until.quota();
            Refusal {
                code: Code::NucleusFull,
                message: format!(
                    "more than {} requests at once, or one each {:?} after them",
                    quota.burst_size(),
                    quota.replenish_interval()
                ),
                retry_after: Some(not_until.wait_time_from(DefaultClock::default().now())),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::watch;

    use super::*;
    use crate::{Member, Roster};

    const OWN: PublicKey = PublicKey([0; 32]);

    fn key(seed: u8) -> PublicKey {
        PublicKey([seed; 32])
    }

    fn member(hotkey: PublicKey, stake: u64) -> Member {
        let (uid, address) = (0, None);
        Member {
            uid,
            hotkey,
            stake,
            validator_permit: false,
            address,
            plaintext: false,
        }
    }

    fn admission(policy: Policy) -> (Admission, watch::Sender<Arc<Roster>>) {
        let roster = Roster::new(7, [member(key(1), 100), member(key(2), 5)]);
        let (sender, watch) = watch::channel(Arc::new(roster));
        (Admission::new(OWN, policy, watch), sender)
    }

    fn refusal(admission: &Admission, hotkey: PublicKey) -> Refusal {
        admission.admit(Caller::Hotkey(hotkey)).unwrap_err()
    }

    #[test]
    fn registered_callers_bring_their_stake() {
        let (admission, _roster) = admission(Policy::default());
        assert_eq!(admission.admit(Caller::Hotkey(key(1))).unwrap().stake, 100);
        assert_eq!(refusal(&admission, key(3)).code, Code::SenderUnknown);
        assert!(
            refusal(&admission, key(3))
                .message
                .contains("not registered at block 7")
        );
    }

    #[test]
    fn the_next_roster_counts_at_once() {
        let (admission, roster) = admission(Policy::default());
        roster
            .send(Arc::new(Roster::new(8, [member(key(3), 1)])))
            .unwrap();
        assert_eq!(admission.admit(Caller::Hotkey(key(3))).unwrap().stake, 1);
        assert_eq!(refusal(&admission, key(1)).code, Code::SenderUnknown);
    }

    #[test]
    fn the_deny_list_is_before_registration() {
        let policy = Policy {
            denied: HashSet::from([key(1)]),
            ..Policy::default()
        };
        let (admission, _roster) = admission(policy);
        assert!(refusal(&admission, key(1)).message.contains("deny list"));
        assert!(admission.admit(Caller::Hotkey(key(2))).is_ok());
    }

    #[test]
    fn stake_is_asked_for_per_entry_point() {
        let min_stake = BTreeMap::from([(Modality::Image, 6)]);
        let (admission, _roster) = admission(Policy {
            min_stake,
            ..Policy::default()
        });
        let rich = admission.admit(Caller::Hotkey(key(1))).unwrap();
        let poor = admission.admit(Caller::Hotkey(key(2))).unwrap();
        assert_eq!(admission.check_stake(&rich, Modality::Image), Ok(()));
        assert_eq!(admission.check_stake(&poor, Modality::Text), Ok(()));
        let error = admission.check_stake(&poor, Modality::Image).unwrap_err();
        assert_eq!(error.code, Code::SenderUnknown);
    }

    #[test]
    fn each_caller_has_its_own_bucket_and_learns_when_it_fills() {
        let rate = Rate {
            per_second: NonZeroU32::MIN,
            burst: NonZeroU32::new(2).unwrap(),
        };
        let (admission, _roster) = admission(Policy {
            rate: Some(rate),
            ..Policy::default()
        });
        for _ in 0..2 {
            assert!(admission.admit(Caller::Hotkey(key(1))).is_ok());
        }
        let refusal = refusal(&admission, key(1));
        assert_eq!(refusal.code, Code::NucleusFull);
        assert!(refusal.retry_after.unwrap() <= Duration::from_secs(1));
        assert!(admission.admit(Caller::Hotkey(key(2))).is_ok());
    }

    #[test]
    fn strangers_leave_no_trace_and_idle_callers_are_forgotten() {
        let fast = NonZeroU32::new(1_000_000_000).unwrap();
        let rate = Rate {
            per_second: fast,
            burst: NonZeroU32::MIN,
        };
        let (admission, _roster) = admission(Policy {
            rate: Some(rate),
            ..Policy::default()
        });
        for seed in 3..=255 {
            assert_eq!(refusal(&admission, key(seed)).code, Code::SenderUnknown);
        }
        let rates = admission.rates.as_ref().unwrap();
        assert_eq!(rates.len(), 0);
        admission.admit(Caller::Hotkey(key(1))).unwrap();
        assert_eq!(rates.len(), 1);
        // Its bucket is full again after a nanosecond.
        let is_forgotten = std::iter::repeat_with(|| admission.forget_idle())
            .take(1000)
            .any(|()| rates.is_empty());
        assert!(is_forgotten);
    }

    #[test]
    fn a_neuron_may_always_ask_itself() {
        let policy = Policy {
            denied: HashSet::from([OWN]),
            min_stake: BTreeMap::from([(Modality::Image, 6)]),
            rate: Some(Rate {
                per_second: NonZeroU32::MIN,
                burst: NonZeroU32::MIN,
            }),
        };
        let (admission, _roster) = admission(policy);
        for _ in 0..5 {
            let own = admission.admit(Caller::Hotkey(OWN)).unwrap();
            assert_eq!(admission.check_stake(&own, Modality::Image), Ok(()));
        }
        assert!(admission.is_known(&OWN));
    }
}
