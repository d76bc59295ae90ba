//! What the chain says of this neuron, and what it costs to lose it.

use neuron_wallet::PublicKey;

use crate::presence::View;

/// What the chain says of a neuron.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    is_registered: bool,
    has_permit: bool,
}

impl Standing {
    /// Of the neuron with this key.
    pub(crate) fn of(view: &View, hotkey: &PublicKey) -> Self {
        Self {
            is_registered: view.uids.contains_key(hotkey),
            has_permit: view.has_permit,
        }
    }

    /// What a neuron that stood so has lost, and what follows; none if it has lost nothing. Without a registration, a permit is
    /// not spoken of.
    pub(crate) fn lost(self, now: Standing) -> Option<&'static str> {
        if self.is_registered && !now.is_registered {
            return Some(
                "this neuron is no longer registered: peers refuse it, and nobody pays it. Register again with neuron register",
            );
        }
        (now.is_registered && self.has_permit && !now.has_permit).then_some(
            "this neuron has lost its validator permit: its weights do not count. More stake may bring it back (neuron stake add)",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_is_told_when_it_happens() {
        let standing = |is_registered, has_permit| Standing {
            is_registered,
            has_permit,
        };
        let [both, one, none] = [
            standing(true, true),
            standing(true, false),
            standing(false, false),
        ];
        assert!(
            both.lost(none)
                .is_some_and(|told| told.contains("neuron register"))
        );
        assert!(
            one.lost(none)
                .is_some_and(|told| told.contains("neuron register"))
        );
        assert!(both.lost(one).is_some_and(|told| told.contains("permit")));
        for (before, now) in [(both, both), (none, none), (none, one), (one, both)] {
            assert_eq!(before.lost(now), None);
        }
    }
}
