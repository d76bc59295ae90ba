//! Who may set weights in the next epoch: the neurons with the most stake.
//!
//! The owner always may, and does not count towards the limit. A permit that is new now can be used from the next epoch
//! on, so that stake which arrives just before an epoch does not vote in it.

use alloc::vec::Vec;
use core::cmp::Reverse;

use crate::Uid;

/// The `k` neurons with the most stake, never one without any; of equals, those of the lower uid.
///
/// The origin kept the higher uids, which are the newer neurons: a flood of registrations at exactly the least stake of
/// a validator would have taken its permit.
pub(crate) fn top_k(stake: &[u64], k: usize) -> Vec<bool> {
    let mut candidates: Vec<(Reverse<u64>, usize)> = stake
        .iter()
        .enumerate()
        .filter(|&(_, &stake)| stake > 0)
        .map(|(uid, &stake)| (Reverse(stake), uid))
        .collect();
    if k < candidates.len() {
        candidates.select_nth_unstable(k);
        candidates.truncate(k);
    }
    let mut permits = alloc::vec![false; stake.len()];
    for (_, uid) in candidates {
        permits[uid] = true; // a position in `stake`
    }
    permits
}

/// [`top_k`] by eligible stake, and the owner.
pub(crate) fn next(eligible: &[u64], owner: Option<Uid>, max_validators: u16) -> Vec<bool> {
    let mut permits = top_k(eligible, usize::from(max_validators));
    if let Some(permit) = owner.and_then(|owner| permits.get_mut(owner.index())) {
        *permit = true;
    }
    permits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_equal_stakes_the_lower_uids_hold_the_permits() {
        assert_eq!(top_k(&[5, 5, 5], 2), [true, true, false]);
    }

    #[test]
    fn nobody_holds_a_permit_without_stake() {
        assert_eq!(top_k(&[0, 1, 0], 3), [false, true, false]);
        assert_eq!(top_k(&[], 3), [false; 0]);
    }

    #[test]
    fn the_owner_holds_a_permit_beyond_the_limit() {
        assert_eq!(next(&[9, 8, 0], Some(Uid(2)), 1), [true, false, true]);
    }
}
