//! The logistic function of trust.
//!
//! `C_j = 1 / (1 + exp(-ρ · (T_j - κ)))`, where `T_j = Σ_i s_i · [w_ij > 0]` is the share of voting stake that rates
//! `j` at all. Nothing is clipped; incentive is `R_j · C_j`, normalised. Source: the origin's first design, of 2021 to
//! March 2023, which the table in this crate's tests reproduces.
//!
//! As there, the rows of inactive raters do not count at all, so that their bonds decay, and an epoch in which nobody
//! was rated pays nobody. Unlike there, what is not paid is reported as such.
//!
//! # Rounding
//!
//! `C_j` within 10⁻⁶, and where it is small within 10⁻⁵ of itself. The exponent is at most 20 in size, so that no server
//! that was rated by anybody is left without any incentive.

use alloc::{vec, vec::Vec};

use crate::{
    fixed,
    logistic::Logistic,
    sparse::Sparse,
    stake::{self, Voting},
};

/// `T_j` with 31 fractional bits, and `C_j` with 63, for every neuron.
pub(crate) fn consensus(
    weights: &Sparse,
    voting: &Voting,
    rho: u16,
    kappa: u16,
) -> (Vec<u32>, Vec<u64>) {
    // kappa / 65,535 ≤ 1 with 31 fractional bits
    let midpoint = fixed::low_u32(fixed::from_u16(kappa) >> 1);
    let logistic = Logistic::new(100 * u32::from(rho), midpoint);
    let mut raters = vec![0_u64; voting.votes.len()];
    for row in weights.rows() {
        let vote = voting.votes[row.rater];
        row.for_each(&mut raters, |stake, opinion| {
            // Raters are distinct, and all votes together fit.
            *stake += if opinion.value > 0 { vote } else { 0 };
        });
    }
    let trust: Vec<u32> = raters
        .into_iter()
        .map(|stake| stake::part(stake, voting.total))
        .collect();
    let consensus = trust.iter().map(|&trust| logistic.at(trust)).collect();
    (trust, consensus)
}
