//! What a network can choose about its epochs.

#![cfg_attr(
    feature = "codec",
    expect(
        clippy::cast_possible_truncation,
        reason = "derived encoders write the index of a variant as one byte"
    )
)]

use crate::{Error, error::Fraction};

/// One, in parts per million.
pub const ONE_PPM: u32 = 1_000_000;

/// How the opinions of validators become one score per server.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "codec",
    derive(
        codec::Encode,
        codec::Decode,
        codec::DecodeWithMemTracking,
        codec::MaxEncodedLen,
        scale_info::TypeInfo
    )
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Consensus {
    /// The stake-weighted median: see [`crate::consensus::median`].
    #[cfg_attr(feature = "codec", codec(index = 0))]
    Median {
        /// Majority κ, out of 65,535: how much of the voting stake has to support a weight. Zero: any support suffices.
        kappa: u16,
    },
    /// The logistic function of the stake that rates a server at all: see [`crate::consensus::sigmoid`].
    #[cfg_attr(feature = "codec", codec(index = 1))]
    Sigmoid {
        /// Steepness ρ, a plain number.
        rho: u16,
        /// Midpoint κ, out of 65,535: the share of stake at which a server counts half.
        kappa: u16,
    },
}

impl Default for Consensus {
    /// The median with a majority of just under one half, so that exactly half of the stake suffices.
    fn default() -> Self {
        Self::Median { kappa: 32_767 }
    }
}

/// How validators acquire a share in the servers they rate.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "codec",
    derive(
        codec::Encode,
        codec::Decode,
        codec::DecodeWithMemTracking,
        codec::MaxEncodedLen,
        scale_info::TypeInfo
    )
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum BondsMode {
    /// A moving average of shares, in which stake counts when a bond is bought: see [`crate::bonds::relative`].
    #[cfg_attr(feature = "codec", codec(index = 0))]
    #[default]
    Relative,
    /// Each bond grows towards the weight by itself and stake counts at pay-out: see [`crate::bonds::absolute`].
    #[cfg_attr(feature = "codec", codec(index = 1))]
    Absolute,
    /// As absolute, with a rate that depends on how a weight differs from consensus: see [`crate::bonds::liquid`].
    #[cfg_attr(feature = "codec", codec(index = 2))]
    Liquid(LiquidAlpha),
}

/// Rates of change of bonds in [`BondsMode::Liquid`].
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "codec",
    derive(
        codec::Encode,
        codec::Decode,
        codec::DecodeWithMemTracking,
        codec::MaxEncodedLen,
        scale_info::TypeInfo
    )
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LiquidAlpha {
    /// Lowest rate, out of 65,535. At most `high`.
    pub low: u16,
    /// Highest rate, out of 65,535.
    pub high: u16,
    /// A hundred times the slope of the logistic function between them.
    pub steepness: u16,
}

impl Default for LiquidAlpha {
    /// Rates from 0.7 to 0.9 with a slope of 10, as the origin has them.
    fn default() -> Self {
        Self {
            low: 45_875,
            high: 58_982,
            steepness: 1_000,
        }
    }
}

/// The parameters of an epoch.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct EpochParams {
    /// How opinions become scores.
    pub consensus: Consensus,
    /// How bonds are acquired.
    pub bonds: BondsMode,
    /// What remains of a bond after one epoch, in parts per million: 900,000 is a rate of α = 0.1.
    /// [`BondsMode::Liquid`] uses it only while no server has any consensus.
    pub bonds_moving_average: u32,
    /// Penalty β, out of 65,535, on buying bonds with weights above consensus: 0 buys with the weight as it was set,
    /// 65,535 with what consensus left of it.
    pub bonds_penalty: u16,
    /// Blocks without activity after which the stake of a validator does not vote.
    pub activity_cutoff: u64,
    /// Most validators, those with the most stake. The owner does not count.
    pub max_validators: u16,
    /// Stake below this is no stake at all, in the unit of [`crate::EpochInputs::stake`]. The owner is exempt.
    pub min_stake: u64,
    /// The servers' part of what is left after the owner's cut, in parts per million. Validators have the rest.
    pub server_share: u32,
    /// The owner's part of the emission, in parts per million. The owner need not be a neuron; a network without an owner has
    /// a cut of zero.
    pub owner_cut: u32,
}

impl Default for EpochParams {
    /// What the origin starts a network with, without a cut for the owner.
    fn default() -> Self {
        Self {
            consensus: Consensus::default(),
            bonds: BondsMode::default(),
            bonds_moving_average: 900_000,
            bonds_penalty: u16::MAX,
            activity_cutoff: 5_000,
            max_validators: 128,
            min_stake: 0,
            server_share: 500_000,
            owner_cut: 0,
        }
    }
}

impl EpochParams {
    /// Checks every condition that the fields state. Whoever lets a user choose parameters calls this before storing them.
    ///
    /// # Errors
    ///
    /// [`Error::AboveOne`] for a fraction above one, [`Error::LiquidAlphaRange`] for rates in the wrong order.
    pub fn check(&self) -> Result<(), Error> {
        let fractions = [
            (Fraction::BondsMovingAverage, self.bonds_moving_average),
            (Fraction::ServerShare, self.server_share),
            (Fraction::OwnerCut, self.owner_cut),
        ];
        for (parameter, found) in fractions {
            if found > ONE_PPM {
                return Err(Error::AboveOne { parameter, found });
            }
        }
        match self.bonds {
            BondsMode::Liquid(LiquidAlpha { low, high, .. }) if low > high => {
                Err(Error::LiquidAlphaRange { low, high })
            }
            _ => Ok(()),
        }
    }
}
