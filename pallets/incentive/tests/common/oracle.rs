//! The equations, in `f64` and dense matrices, as plainly as they can be written. Slow, and right up to rounding.

#![allow(
    clippy::needless_range_loop,
    reason = "i and j are those of the equations"
)]

use super::Network;
use incentive::{BondsMode, Consensus, EpochParams};

type Matrix = Vec<Vec<f64>>;

/// What the oracle computes, as fractions of one.
#[derive(Debug, Default)]
pub struct Oracle {
    pub rank: Vec<f64>,
    pub trust: Vec<f64>,
    pub consensus: Vec<f64>,
    pub incentive: Vec<f64>,
    pub dividends: Vec<f64>,
    pub validator_trust: Vec<f64>,
    /// As stored, with one for 65,535.
    pub bonds: Matrix,
    /// Parts of the emission, with the owner's cut and what is not paid.
    pub servers: Vec<f64>,
    pub validators: Vec<f64>,
    pub owner: f64,
    pub unpaid: f64,
}

fn normalised(values: Vec<f64>) -> Vec<f64> {
    let sum: f64 = values.iter().sum();
    values
        .iter()
        .map(|value| if sum > 0.0 { value / sum } else { 0.0 })
        .collect()
}

fn columns_normalised(matrix: &Matrix) -> Matrix {
    let n = matrix.len();
    let sums: Vec<f64> = (0..n)
        .map(|j| matrix.iter().map(|row| row[j]).sum())
        .collect();
    let part = |value: f64, sum: f64| if sum > 0.0 { value / sum } else { 0.0 };
    matrix
        .iter()
        .map(|row| {
            row.iter()
                .zip(&sums)
                .map(|(&value, &sum)| part(value, sum))
                .collect()
        })
        .collect()
}

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x.clamp(-20.0, 20.0)).exp())
}

fn dense(rows: &[Vec<incentive::Entry>]) -> Matrix {
    let mut matrix = vec![vec![0.0; rows.len()]; rows.len()];
    for (row, entries) in matrix.iter_mut().zip(rows) {
        for &(rated, value) in entries {
            row[rated.index()] = f64::from(value);
        }
    }
    matrix
}

/// The greatest weight of a column that at least κ of the stake supports. Exact: stakes are added as integers.
fn median(column: &[f64], votes: &[u64], kappa: u16) -> f64 {
    let total: u128 = votes.iter().map(|&vote| u128::from(vote)).sum();
    let is_supported = |weight: f64| {
        let supporters = column.iter().zip(votes).filter(|&(&w, _)| w >= weight);
        let support: u128 = supporters.map(|(_, &vote)| u128::from(vote)).sum();
        support > 0 && support * 65_535 >= u128::from(kappa) * total
    };
    column
        .iter()
        .copied()
        .filter(|&weight| is_supported(weight))
        .fold(0.0, f64::max)
}

pub fn oracle(network: &Network, params: &EpochParams) -> Oracle {
    let n = network.n();
    let is_owner = |i: usize| network.owner.is_some_and(|owner| owner.index() == i);
    let active: Vec<bool> = network
        .last_update
        .iter()
        .map(|last| last.saturating_add(params.activity_cutoff) >= network.block)
        .collect();
    let eligible: Vec<u64> = (0..n)
        .map(|i| {
            if network.stake[i] >= params.min_stake || is_owner(i) {
                network.stake[i]
            } else {
                0
            }
        })
        .collect();
    let permitted = |i: usize| network.permits[i] || is_owner(i);
    let votes: Vec<u64> = (0..n)
        .map(|i| {
            if active[i] && permitted(i) {
                eligible[i]
            } else {
                0
            }
        })
        .collect();
    let share = normalised(votes.iter().map(|&vote| vote as f64).collect());

    // W
    let mut weights = dense(&network.weights);
    for i in 0..n {
        for j in 0..n {
            let outdated = network.updated_at[i] <= network.registered_at[j];
            let sealed =
                network.committed_at[i].is_some_and(|block| block < network.registered_at[j]);
            let silent = matches!(params.consensus, Consensus::Sigmoid { .. }) && !active[i];
            if !permitted(i) || outdated || sealed || silent || (i == j && !is_owner(i)) {
                weights[i][j] = 0.0;
            }
        }
    }
    let weights: Matrix = weights.into_iter().map(normalised).collect();
    let column =
        |matrix: &Matrix, j: usize| -> Vec<f64> { matrix.iter().map(|row| row[j]).collect() };
    let by_stake = |matrix: &Matrix| -> Vec<f64> {
        (0..n)
            .map(|j| (0..n).map(|i| share[i] * matrix[i][j]).sum())
            .collect()
    };

    // C, W̄ and what follows
    let before = by_stake(&weights);
    let (consensus, trust, clipped): (Vec<f64>, Vec<f64>, Matrix) = match params.consensus {
        Consensus::Median { kappa } => {
            let consensus: Vec<f64> = (0..n)
                .map(|j| median(&column(&weights, j), &votes, kappa))
                .collect();
            let clipped: Matrix = weights
                .iter()
                .map(|row| row.iter().zip(&consensus).map(|(w, c)| w.min(*c)).collect())
                .collect();
            let after = by_stake(&clipped);
            let part = |j: usize| {
                if before[j] > 0.0 {
                    after[j] / before[j]
                } else {
                    0.0
                }
            };
            let trust = (0..n).map(part).collect();
            (consensus, trust, clipped)
        }
        Consensus::Sigmoid { rho, kappa } => {
            let raters = |j: usize| {
                (0..n)
                    .filter(|&i| weights[i][j] > 0.0)
                    .map(|i| share[i])
                    .sum()
            };
            let trust: Vec<f64> = (0..n).map(raters).collect();
            let kappa = f64::from(kappa) / 65_535.0;
            let consensus = trust
                .iter()
                .map(|t| logistic(f64::from(rho) * (t - kappa)))
                .collect();
            (consensus, trust, weights.clone())
        }
    };
    let rank = by_stake(&clipped);
    let earned: Vec<f64> = match params.consensus {
        Consensus::Median { .. } => rank.clone(),
        Consensus::Sigmoid { .. } => rank.iter().zip(&consensus).map(|(r, c)| r * c).collect(),
    };
    let incentive = normalised(earned);
    let validator_trust: Vec<f64> = clipped.iter().map(|row| row.iter().sum()).collect();

    // W̃ and B'
    let penalty = f64::from(params.bonds_penalty) / 65_535.0;
    let mut held = dense(&network.bonds);
    let mut bonds: Matrix = vec![vec![0.0; n]; n];
    let keep = f64::from(params.bonds_moving_average) / 1e6;
    for i in 0..n {
        for j in 0..n {
            held[i][j] /= 65_535.0;
            if network.previous_epoch <= network.registered_at[j] {
                held[i][j] = 0.0;
            }
            bonds[i][j] = weights[i][j] + penalty * (clipped[i][j] - weights[i][j]);
        }
    }
    let any_consensus = consensus.iter().any(|&c| c > 0.0);
    let (shares, stored): (Matrix, Matrix) = if params.bonds == BondsMode::Relative {
        let bought: Matrix = (0..n)
            .map(|i| bonds[i].iter().map(|weight| share[i] * weight).collect())
            .collect();
        let (old, new) = (columns_normalised(&held), columns_normalised(&bought));
        let average = (0..n)
            .map(|i| {
                (0..n)
                    .map(|j| keep * old[i][j] + (1.0 - keep) * new[i][j])
                    .collect()
            })
            .collect();
        // Without a part of the average, the other part is all of it, whatever its factor.
        let mut shares = columns_normalised(&average);
        for j in 0..n {
            let (none_held, none_bought) = (
                column(&old, j).iter().all(|&x| x == 0.0),
                column(&new, j).iter().all(|&x| x == 0.0),
            );
            for i in 0..n {
                if none_held || none_bought {
                    shares[i][j] = old[i][j] + new[i][j];
                }
            }
        }
        let greatest: Vec<f64> = (0..n)
            .map(|j| column(&shares, j).into_iter().fold(0.0, f64::max))
            .collect();
        let scaled = shares
            .iter()
            .map(|row| {
                row.iter()
                    .zip(&greatest)
                    .map(|(b, g)| if *g > 0.0 { b / g } else { 0.0 })
                    .collect()
            })
            .collect();
        (shares, scaled)
    } else {
        for i in 0..n {
            for j in 0..n {
                let (bond, weight) = (held[i][j], bonds[i][j]);
                let alpha = match params.bonds {
                    BondsMode::Liquid(liquid) if any_consensus => {
                        let buying = weight >= bond;
                        let distance = if buying {
                            weight - consensus[j]
                        } else {
                            bond - weight
                        };
                        let slope = f64::from(liquid.steepness) / 100.0;
                        let (low, high) = (f64::from(liquid.low), f64::from(liquid.high));
                        let sigma = logistic(slope * (distance.clamp(0.0, 1.0) - 0.5));
                        (low + sigma * (high - low)) / 65_535.0
                    }
                    _ => 1.0 - keep,
                };
                bonds[i][j] = ((1.0 - alpha) * bond + alpha * weight).min(1.0);
            }
        }
        (columns_normalised(&bonds), bonds)
    };
    let stake_counts = params.bonds != BondsMode::Relative;
    let dividends = normalised(
        (0..n)
            .map(|i| {
                let all: f64 = (0..n).map(|j| shares[i][j] * incentive[j]).sum();
                if stake_counts { share[i] * all } else { all }
            })
            .collect(),
    );

    // Who is paid
    let emission = network.emission as f64;
    let mut owner = f64::from(params.owner_cut) / 1e6 * emission;
    let rest = emission - owner;
    let to_servers = f64::from(params.server_share) / 1e6 * rest;
    let of = |amount: f64, parts: &[f64]| -> Vec<f64> {
        parts.iter().map(|part| amount * part).collect()
    };
    let any = |parts: &[f64]| parts.iter().any(|&part| part > 0.0);
    let nothing = vec![0.0; n];
    let all_stake = normalised(eligible.iter().map(|&stake| stake as f64).collect());
    let mut unpaid = 0.0;
    let (servers, validators) = if any(&incentive) {
        let earners = if any(&dividends) { &dividends } else { &share };
        (of(to_servers, &incentive), of(rest - to_servers, earners))
    } else if matches!(params.consensus, Consensus::Sigmoid { .. }) || !any(&all_stake) {
        (owner, unpaid) = (0.0, emission);
        (nothing.clone(), nothing)
    } else {
        (
            nothing,
            of(rest, if any(&share) { &share } else { &all_stake }),
        )
    };
    let permits = &network.epoch(params).permits; // tested by themselves
    let stored = (0..n)
        .map(|i| {
            if permits[i] {
                stored[i].clone()
            } else {
                vec![0.0; n]
            }
        })
        .collect();
    Oracle {
        rank: normalised(rank),
        trust,
        consensus,
        incentive,
        dividends,
        validator_trust,
        bonds: stored,
        servers,
        validators,
        owner,
        unpaid,
    }
}
