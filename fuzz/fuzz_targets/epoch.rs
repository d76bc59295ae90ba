//! `incentive::epoch` on inputs that libFuzzer makes, legal or not: an outcome or an error, never a panic.

#![no_main]

use arbitrary::Arbitrary;
use incentive::{
    BondsMode, Consensus, Entry, EpochInputs, EpochParams, LiquidAlpha, Row, Uid, WeightRow, epoch,
};
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Arbitrary)]
struct Network {
    block: u64,
    previous_epoch: u64,
    neurons: Vec<Neuron>,
    owner: Option<u16>,
    emission: u64,
    parameters: Parameters,
    /// Whether to put rows into order, as a chain would have them.
    orderly: bool,
}

#[derive(Debug, Arbitrary)]
struct Neuron {
    stake: u64,
    registered_at: u64,
    last_update: u64,
    permit: bool,
    updated_at: u64,
    committed_at: Option<u64>,
    weights: Vec<(u16, u16)>,
    bonds: Vec<(u16, u16)>,
}

#[derive(Debug, Arbitrary)]
struct Parameters {
    sigmoid: Option<u16>,
    kappa: u16,
    mode: u8,
    liquid: (u16, u16, u16),
    moving_average: u32,
    penalty: u16,
    cutoff: u64,
    max_validators: u16,
    min_stake: u64,
    server_share: u32,
    owner_cut: u32,
}

impl Parameters {
    fn params(&self) -> EpochParams {
        let kappa = self.kappa;
        let (low, high, steepness) = self.liquid;
        EpochParams {
            consensus: match self.sigmoid {
                Some(rho) => Consensus::Sigmoid { rho, kappa },
                None => Consensus::Median { kappa },
            },
            bonds: match self.mode % 3 {
                0 => BondsMode::Relative,
                1 => BondsMode::Absolute,
                _ => BondsMode::Liquid(LiquidAlpha { low, high, steepness }),
            },
            bonds_moving_average: self.moving_average,
            bonds_penalty: self.penalty,
            activity_cutoff: self.cutoff,
            max_validators: self.max_validators,
            min_stake: self.min_stake,
            server_share: self.server_share,
            owner_cut: self.owner_cut,
        }
    }
}

fn entries(row: &[(u16, u16)], n: usize, orderly: bool) -> Vec<Entry> {
    let mut entries: Vec<Entry> = row.iter().map(|&(uid, value)| (Uid(uid), value)).collect();
    if orderly {
        let n = u16::try_from(n).unwrap_or(u16::MAX).max(1);
        entries.iter_mut().for_each(|entry| entry.0.0 %= n);
        entries.sort_unstable();
        entries.dedup_by_key(|entry| entry.0);
    }
    entries
}

fuzz_target!(|network: Network| {
    let Network { neurons, orderly, .. } = &network;
    let n = neurons.len();
    let stake: Vec<u64> = neurons.iter().map(|neuron| neuron.stake).collect();
    let registered_at: Vec<u64> = neurons.iter().map(|neuron| neuron.registered_at).collect();
    let last_update: Vec<u64> = neurons.iter().map(|neuron| neuron.last_update).collect();
    let permits: Vec<bool> = neurons.iter().map(|neuron| neuron.permit).collect();
    let rows: Vec<(Vec<Entry>, Vec<Entry>)> = neurons
        .iter()
        .map(|neuron| (entries(&neuron.weights, n, *orderly), entries(&neuron.bonds, n, *orderly)))
        .collect();
    let weights: Vec<WeightRow<'_>> = (0..)
        .zip(neurons.iter().zip(&rows))
        .map(|(uid, (neuron, (entries, _)))| WeightRow {
            rater: Uid(uid),
            updated_at: neuron.updated_at,
            committed_at: neuron.committed_at,
            entries,
        })
        .collect();
    let bonds: Vec<Row<'_>> =
        (0..).zip(&rows).map(|(uid, (_, entries))| Row { rater: Uid(uid), entries }).collect();
    let inputs = EpochInputs {
        block: network.block,
        previous_epoch: network.previous_epoch,
        stake: &stake,
        registered_at: &registered_at,
        last_update: &last_update,
        permits: &permits,
        owner: network.owner.map(Uid),
        weights: &weights,
        bonds: &bonds,
        emission: network.emission,
    };
    let params = network.parameters.params();
    let is_legal = inputs.check().is_ok() && params.check().is_ok();
    match epoch(&inputs, &params) {
        Ok(outcome) => {
            assert!(is_legal);
            let columns = outcome.server_emission.iter().chain(&outcome.validator_emission);
            let paid: u128 = columns.map(|&amount| u128::from(amount)).sum();
            let rest = u128::from(outcome.owner_emission) + u128::from(outcome.unpaid);
            assert_eq!(paid + rest, u128::from(network.emission));
        }
        Err(_) => assert!(!is_legal),
    }
});
