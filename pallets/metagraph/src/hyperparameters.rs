//! The hyperparameters of a network: what each is, its unit, its range and its default.
//!
//! A [`Hyperparameters`] value is checked as a whole by [`Hyperparameters::check`]; one field is replaced through a
//! [`Hyperparameter`], after which the whole is checked again. So nothing out of range is ever stored, however it came.

use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use incentive::{BondsMode, Consensus, EpochParams, LiquidAlpha};
use scale_info::TypeInfo;
use serde::{Deserialize, Serialize};
use sp_runtime::traits::Get;

use crate::Config;

/// One million: the whole, in parts per million.
pub(crate) const MILLION: u32 = 1_000_000;

/// Which consensus a network's epoch uses. The parameters `kappa` and `rho` are hyperparameters of their own.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
    MaxEncodedLen,
    Serialize,
    Deserialize,
)]
pub enum ConsensusMode {
    /// The largest weight that `kappa` of the active stake supports: the stake-weighted median.
    #[default]
    Median,
    /// A logistic of trust, `1 / (1 + exp(-rho (T - kappa)))`: the form of the first design.
    Sigmoid,
}

/// What moves a validator's bonds, without the parameters of the moving average.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
    MaxEncodedLen,
    Serialize,
    Deserialize,
)]
pub enum Bonds {
    /// Moving average of stake-weighted shares; the bonds on one server compete.
    #[default]
    Relative,
    /// Each validator's bond saturates by itself; stake enters only at payout.
    Absolute,
    /// As `Absolute`, with a rate for every pair of validator and server.
    Liquid {
        /// Lowest rate, in 1/65535.
        low: u16,
        /// Highest rate, in 1/65535; not below `low`.
        high: u16,
        /// Slope of the logistic between them, in hundredths. 1000 is a slope of 10.
        steepness: u16,
    },
}

macro_rules! hyperparameters {
    ($(
        $(#[$doc:meta])*
        $field:ident / $variant:ident : $ty:ty = $default:expr,
    )*) => {
        /// All hyperparameters of one network.
        ///
        /// Heights and periods are in blocks, fractions of 65535 are `u16`, parts per million are `u32`, and amounts
        /// are in the smallest unit of the token.
        #[derive(
            Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
            Serialize, Deserialize,
        )]
        #[serde(default, rename_all = "camelCase", deny_unknown_fields)]
        pub struct Hyperparameters {
            $( $(#[$doc])* pub $field: $ty, )*
        }

        impl Default for Hyperparameters {
            fn default() -> Self {
                Self { $( $field: $default, )* }
            }
        }

        /// One hyperparameter with its new value.
        #[derive(
            Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
        )]
        pub enum Hyperparameter {
            $( $(#[$doc])* $variant($ty), )*
        }

        impl Hyperparameter {
            /// Puts this value in its place among the others. Nothing is checked here.
            pub fn apply(self, to: &mut Hyperparameters) {
                match self {
                    $( Self::$variant(value) => to.$field = value, )*
                }
            }

            /// Every hyperparameter of `from`, one by one, in declaration order.
            pub fn all(from: &Hyperparameters) -> Vec<Self> {
                alloc::vec![ $( Self::$variant(from.$field.clone()), )* ]
            }
        }
    };
}

hyperparameters! {
    /// Blocks between two epochs. 1 to 50,400. Default 360: 36 minutes at 6 s.
    tempo / Tempo: u32 = 360,
    /// Which consensus the epoch computes. Default the stake-weighted median.
    consensus / Consensus: ConsensusMode = ConsensusMode::Median,
    /// Share of the active stake that has to support a weight, in 1/65535. At least 1. Default 32767: one half.
    kappa / Kappa: u16 = 32_767,
    /// Slope of the sigmoid consensus; the median has no use for it. 1 to 100. Default 10.
    rho / Rho: u16 = 10,
    /// Blocks after its registration during which a neuron is not replaced. Up to 1,000,000. Default 4096.
    immunity_period / ImmunityPeriod: u32 = 4_096,
    /// Blocks without new weights after which a validator is inactive. 1 to 1,000,000. Default 5000.
    activity_cutoff / ActivityCutoff: u32 = 5_000,
    /// Most neurons. 1 to the chain's ceiling, and not below the neurons there are. Default 256.
    max_neurons / MaxNeurons: u16 = 256,
    /// Most neurons with a validator permit. 1 to the chain's ceiling. Default 64.
    max_validators / MaxValidators: u16 = 64,
    /// Fewest non-zero weights in a row; a network with fewer neurons asks for all of them. 1 to 4096. Default 1.
    min_weights / MinWeights: u16 = 1,
    /// Largest share that one neuron may have in a row, in 1/65535. At least 1. Default 65535: no limit.
    max_weight / MaxWeight: u16 = u16::MAX,
    /// Blocks between two rows of one neuron. Up to 100,000. Default 100. With 0, accepted rows pay their fee.
    weights_rate_limit / WeightsRateLimit: u32 = 100,
    /// Oldest version of the validator's program whose weights are taken. Default 0.
    weights_version / WeightsVersion: u64 = 0,
    /// Blocks between two changes of one neuron's endpoint. Up to 100,000. Default 50.
    serving_rate_limit / ServingRateLimit: u32 = 50,
    /// Least stake to set weights on others or to hold a permit, in units. Default 0.
    min_stake / MinStake: u64 = 0,
    /// Whether new neurons are taken. Default yes.
    registration / Registration: bool = true,
    /// Most registrations in one block. 1 to 256. Default 1.
    max_registrations_per_block / MaxRegistrationsPerBlock: u16 = 1,
    /// Lowest registration price, in units. At least 1, not above the highest. Default 500,000.
    price_min / PriceMin: u64 = 500_000,
    /// Highest registration price, in units. Default 100,000,000,000.
    price_max / PriceMax: u64 = 100_000_000_000,
    /// Blocks in which the registration price halves. 1 to 36,100. Default 360. A new one counts from the last registration
    /// on, not from now, so the price jumps: up with a longer one, down with a shorter one.
    price_half_life / PriceHalfLife: u32 = 360,
    /// Factor on the price at each registration, in parts per million. 1,000,000 to 3,000,000. Default 1,260,000.
    price_step / PriceStep: u32 = 1_260_000,
    /// How bonds follow weights. Default relative.
    bonds / Bonds: Bonds = Bonds::Relative,
    /// Share of the old bond that an epoch keeps, in parts per million. Up to 1,000,000. Default 900,000.
    bonds_moving_average / BondsMovingAverage: u32 = 900_000,
    /// How much of what consensus clipped off is missing from bonds, in 1/65535. Default 65535: all of it.
    bonds_penalty / BondsPenalty: u16 = u16::MAX,
    /// This network's part in the emission of each block, relative to the other networks'. Default 1.
    emission_share / EmissionShare: u16 = 1,
    /// Part of the emission after the owner's cut that goes to servers, in parts per million. Default 500,000.
    server_share / ServerShare: u32 = 500_000,
    /// Part of the emission that goes to the network's owner, in parts per million; nothing where there is no owner.
    /// Up to 500,000. Default 0.
    owner_cut / OwnerCut: u32 = 0,
}

impl Hyperparameters {
    /// Whether every value is in its range, for a network of `n_neurons`.
    ///
    /// # Errors
    /// The hyperparameter that is out of range, by its name. Where two contradict each other, the first of them.
    pub fn check<T: Config>(&self, n_neurons: u16) -> Result<(), OutOfRange> {
        let ceiling_neurons = T::MaxNeurons::get();
        let ceiling_validators = T::MaxValidators::get();
        let liquid_in_order = match self.bonds {
            Bonds::Liquid { low, high, .. } => low <= high && high > 0,
            Bonds::Relative | Bonds::Absolute => true,
        };
        let rules = [
            ((1..=50_400).contains(&self.tempo), OutOfRange::Tempo),
            (self.kappa > 0, OutOfRange::Kappa),
            ((1..=100).contains(&self.rho), OutOfRange::Rho),
            (self.immunity_period <= MILLION, OutOfRange::ImmunityPeriod),
            (
                (1..=MILLION).contains(&self.activity_cutoff),
                OutOfRange::ActivityCutoff,
            ),
            (
                self.max_neurons > 0
                    && u32::from(self.max_neurons) <= ceiling_neurons
                    && self.max_neurons >= n_neurons,
                OutOfRange::MaxNeurons,
            ),
            (
                self.max_validators > 0 && u32::from(self.max_validators) <= ceiling_validators,
                OutOfRange::MaxValidators,
            ),
            (
                (1..=4_096).contains(&self.min_weights),
                OutOfRange::MinWeights,
            ),
            (self.max_weight > 0, OutOfRange::MaxWeight),
            (
                self.weights_rate_limit <= 100_000,
                OutOfRange::WeightsRateLimit,
            ),
            (
                self.serving_rate_limit <= 100_000,
                OutOfRange::ServingRateLimit,
            ),
            (
                (1..=256).contains(&self.max_registrations_per_block),
                OutOfRange::MaxRegistrationsPerBlock,
            ),
            (
                (1..=self.price_max).contains(&self.price_min),
                OutOfRange::PriceMin,
            ),
            (
                (1..=36_100).contains(&self.price_half_life),
                OutOfRange::PriceHalfLife,
            ),
            (
                (MILLION..=3 * MILLION).contains(&self.price_step),
                OutOfRange::PriceStep,
            ),
            (liquid_in_order, OutOfRange::Bonds),
            (
                self.bonds_moving_average <= MILLION,
                OutOfRange::BondsMovingAverage,
            ),
            (self.server_share <= MILLION, OutOfRange::ServerShare),
            (self.owner_cut <= MILLION / 2, OutOfRange::OwnerCut),
        ];
        match rules.into_iter().find(|(holds, _)| !holds) {
            Some((_, out_of_range)) => Err(out_of_range),
            None => Ok(()),
        }
    }

    /// What the incentive function needs of these, in a network of this `owner`. One without an owner pays no owner's cut.
    pub fn epoch_params<AccountId>(&self, owner: Option<&AccountId>) -> EpochParams {
        let kappa = self.kappa;
        EpochParams {
            consensus: match self.consensus {
                ConsensusMode::Median => Consensus::Median { kappa },
                ConsensusMode::Sigmoid => Consensus::Sigmoid {
                    rho: self.rho,
                    kappa,
                },
            },
            bonds: match self.bonds {
                Bonds::Relative => BondsMode::Relative,
                Bonds::Absolute => BondsMode::Absolute,
                Bonds::Liquid {
                    low,
                    high,
                    steepness,
                } => BondsMode::Liquid(LiquidAlpha {
                    low,
                    high,
                    steepness,
                }),
            },
            bonds_moving_average: self.bonds_moving_average,
            bonds_penalty: self.bonds_penalty,
            activity_cutoff: u64::from(self.activity_cutoff),
            max_validators: self.max_validators,
            min_stake: self.min_stake,
            server_share: self.server_share,
            owner_cut: owner.map_or(0, |_| self.owner_cut),
        }
    }
}

/// The hyperparameter that was refused. Ranges stand in the documentation of [`Hyperparameters`].
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
    frame_support::PalletError,
)]
pub enum OutOfRange {
    /// 1 to 50,400 blocks.
    Tempo,
    /// At least 1/65535.
    Kappa,
    /// 1 to 100.
    Rho,
    /// Up to 1,000,000 blocks.
    ImmunityPeriod,
    /// 1 to 1,000,000 blocks.
    ActivityCutoff,
    /// 1 to the chain's ceiling, and not below the neurons there are.
    MaxNeurons,
    /// 1 to the chain's ceiling.
    MaxValidators,
    /// 1 to 4096.
    MinWeights,
    /// At least 1/65535.
    MaxWeight,
    /// Up to 100,000 blocks.
    WeightsRateLimit,
    /// Up to 100,000 blocks.
    ServingRateLimit,
    /// 1 to 256.
    MaxRegistrationsPerBlock,
    /// 1 to the highest price.
    PriceMin,
    /// 1 to 36,100 blocks.
    PriceHalfLife,
    /// 1,000,000 to 3,000,000 parts per million.
    PriceStep,
    /// The lowest liquid rate is above the highest, or both are zero.
    Bonds,
    /// Up to 1,000,000 parts per million.
    BondsMovingAverage,
    /// Up to 1,000,000 parts per million.
    ServerShare,
    /// Up to 500,000 parts per million.
    OwnerCut,
}
