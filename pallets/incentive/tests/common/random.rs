//! Random networks, small enough for an oracle in n² and varied enough to reach every mask.

use super::{Network, uid};
use incentive::{BondsMode, Consensus, Entry, EpochParams, LiquidAlpha, Uid};
use proptest::{collection::vec, option, prelude::*};

/// `PROPTEST_CASES`, if it is set, or this many.
pub fn cases(default: u32) -> ProptestConfig {
    let set = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok());
    ProptestConfig {
        cases: set.unwrap_or(default),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Values that matter: none, few, many, all.
pub fn value() -> impl Strategy<Value = u16> {
    prop_oneof![1 => Just(0), 1 => Just(1), 1 => Just(u16::MAX), 8 => any::<u16>()]
}

pub fn stake() -> impl Strategy<Value = u64> {
    prop_oneof![2 => Just(0), 1 => Just(1), 1 => 1..100_u64, 6 => 1_000_000..21_000_000_000_000_000_u64]
}

/// Each uid rated or not.
fn rows(n: usize) -> impl Strategy<Value = Vec<Vec<Entry>>> {
    let row = vec(option::weighted(0.7, value()), n).prop_map(|cells| {
        let entries = cells.into_iter().enumerate();
        entries
            .filter_map(|(rated, value)| Some((uid(rated), value?)))
            .collect()
    });
    vec(prop_oneof![1 => Just(vec![]), 3 => row], n)
}

/// Blocks around that of the previous epoch, 50.
fn blocks(n: usize) -> impl Strategy<Value = Vec<u64>> {
    vec(prop_oneof![3 => 1..40_u64, 1 => 40..70_u64], n)
}

pub fn network(sizes: std::ops::Range<usize>) -> impl Strategy<Value = Network> {
    sizes.prop_flat_map(|n| {
        let history = (
            blocks(n),
            blocks(n),
            blocks(n),
            vec(option::weighted(0.2, 30..70_u64), n),
        );
        let permits = vec(prop::bool::weighted(0.8), n);
        let owner = option::weighted(0.3, (0..n.max(1)).prop_map(uid));
        (
            vec(stake(), n),
            history,
            permits,
            owner,
            rows(n),
            rows(n),
            any::<u64>(),
        )
            .prop_map(
                move |(stake, history, permits, owner, weights, bonds, emission)| {
                    let owner = owner.filter(|owner| owner.index() < n);
                    let (registered_at, last_update, updated_at, committed_at) = history;
                    Network {
                        block: 100,
                        previous_epoch: 50,
                        stake,
                        registered_at,
                        last_update,
                        permits,
                        owner,
                        updated_at,
                        committed_at,
                        weights,
                        bonds,
                        emission,
                    }
                },
            )
    })
}

pub fn bonds_mode() -> impl Strategy<Value = BondsMode> {
    let liquid = (any::<u16>(), any::<u16>(), any::<u16>()).prop_map(|(a, b, steepness)| {
        BondsMode::Liquid(LiquidAlpha {
            low: a.min(b),
            high: a.max(b),
            steepness,
        })
    });
    prop_oneof![Just(BondsMode::Relative), Just(BondsMode::Absolute), liquid]
}

pub fn consensus() -> impl Strategy<Value = Consensus> {
    prop_oneof![
        3 => value().prop_map(|kappa| Consensus::Median { kappa }),
        1 => Just(Consensus::Median { kappa: 32_767 }),
        1 => (0..100_u16, value()).prop_map(|(rho, kappa)| Consensus::Sigmoid { rho, kappa }),
    ]
}

/// Parts per million.
pub fn fraction() -> impl Strategy<Value = u32> {
    prop_oneof![1 => Just(0), 1 => Just(1_000_000), 8 => 0..=1_000_000_u32]
}

pub fn params() -> impl Strategy<Value = EpochParams> {
    let shares = (fraction(), fraction(), fraction());
    let limits = (
        prop_oneof![Just(5_000), 20..100_u64],
        0..20_u16,
        prop_oneof![Just(0), stake()],
    );
    (consensus(), bonds_mode(), shares, value(), limits).prop_map(
        |(consensus, bonds, (moving, server_share, owner_cut), bonds_penalty, limits)| {
            let (activity_cutoff, max_validators, min_stake) = limits;
            EpochParams {
                consensus,
                bonds,
                bonds_moving_average: moving,
                bonds_penalty,
                activity_cutoff,
                max_validators,
                min_stake,
                server_share,
                owner_cut,
            }
        },
    )
}

/// The network with its neurons in another order: neuron `i` becomes `order[i]`.
pub fn relabelled(network: &Network, order: &[usize]) -> Network {
    let rows = |rows: &[Vec<Entry>]| -> Vec<Vec<Entry>> {
        let renamed = rows.iter().map(|entries| {
            let mut entries: Vec<Entry> = entries
                .iter()
                .map(|&(Uid(rated), value)| (uid(order[usize::from(rated)]), value))
                .collect();
            entries.sort_unstable();
            entries
        });
        permuted(&renamed.collect::<Vec<_>>(), order)
    };
    Network {
        stake: permuted(&network.stake, order),
        registered_at: permuted(&network.registered_at, order),
        last_update: permuted(&network.last_update, order),
        permits: permuted(&network.permits, order),
        owner: network.owner.map(|owner| uid(order[owner.index()])),
        updated_at: permuted(&network.updated_at, order),
        committed_at: permuted(&network.committed_at, order),
        weights: rows(&network.weights),
        bonds: rows(&network.bonds),
        ..*network
    }
}

/// What was at `i` is at `order[i]`.
pub fn permuted<T: Clone>(values: &[T], order: &[usize]) -> Vec<T> {
    let mut moved: Vec<(usize, &T)> = order.iter().copied().zip(values).collect();
    moved.sort_unstable_by_key(|&(to, _)| to);
    moved.into_iter().map(|(_, value)| value.clone()).collect()
}
