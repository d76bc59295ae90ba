//! What can be wrong with the inputs of an epoch.

use core::fmt;

use crate::Uid;

/// Why an epoch was not computed. Nothing is partly computed: either there is an outcome or one of these.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// A network holds at most [`crate::MAX_NEURONS`] neurons.
    TooManyNeurons {
        /// Length of the stake column.
        found: usize,
    },
    /// A column is not as long as the stake column, whose length is the number of neurons.
    ColumnLength {
        /// Which column.
        column: Column,
        /// Number of neurons.
        expected: usize,
        /// Length of that column.
        found: usize,
    },
    /// The owner is not a neuron of this network.
    UnknownOwner(Uid),
    /// A row is by a rater that is not a neuron of this network.
    UnknownRater {
        /// Which matrix the row belongs to.
        matrix: Matrix,
        /// By whom it is.
        rater: Uid,
    },
    /// Rows are not in strictly ascending order of their raters: this one is too late or twice there.
    RowOrder {
        /// Which matrix the row belongs to.
        matrix: Matrix,
        /// By whom it is.
        rater: Uid,
    },
    /// A row rates a uid that is not a neuron of this network.
    UnknownRated {
        /// Which matrix the row belongs to.
        matrix: Matrix,
        /// By whom it is.
        rater: Uid,
        /// The last uid that it rates.
        rated: Uid,
    },
    /// The entries of a row are not in strictly ascending order of uid.
    EntryOrder {
        /// Which matrix the row belongs to.
        matrix: Matrix,
        /// By whom it is.
        rater: Uid,
    },
    /// A parameter in parts per million is above 1,000,000.
    AboveOne {
        /// Which parameter.
        parameter: Fraction,
        /// Its value, in parts per million.
        found: u32,
    },
    /// The lowest liquid rate is above the highest.
    LiquidAlphaRange {
        /// Lowest rate, out of 65,535.
        low: u16,
        /// Highest rate, out of 65,535.
        high: u16,
    },
    /// An amount was to be split, but every share of it is zero.
    NoShares,
}

/// A column of [`crate::EpochInputs`].
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Column {
    /// [`crate::EpochInputs::registered_at`].
    RegisteredAt,
    /// [`crate::EpochInputs::last_update`].
    LastUpdate,
    /// [`crate::EpochInputs::permits`].
    Permits,
}

/// A matrix of [`crate::EpochInputs`].
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Matrix {
    /// [`crate::EpochInputs::weights`].
    Weights,
    /// [`crate::EpochInputs::bonds`].
    Bonds,
}

/// A parameter of [`crate::EpochParams`] that is a fraction in parts per million.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Fraction {
    /// [`crate::EpochParams::bonds_moving_average`].
    BondsMovingAverage,
    /// [`crate::EpochParams::server_share`].
    ServerShare,
    /// [`crate::EpochParams::owner_cut`].
    OwnerCut,
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RegisteredAt => "registered_at",
            Self::LastUpdate => "last_update",
            Self::Permits => "permits",
        })
    }
}

impl fmt::Display for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Weights => "weights",
            Self::Bonds => "bonds",
        })
    }
}

impl fmt::Display for Fraction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BondsMovingAverage => "bonds_moving_average",
            Self::ServerShare => "server_share",
            Self::OwnerCut => "owner_cut",
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyNeurons { found } => {
                write!(
                    f,
                    "{found} neurons, but a network holds at most {}",
                    crate::MAX_NEURONS
                )
            }
            Self::ColumnLength {
                column,
                expected,
                found,
            } => {
                write!(
                    f,
                    "column `{column}` has {found} values for {expected} neurons"
                )
            }
            Self::UnknownOwner(owner) => write!(f, "owner {owner} is not a neuron"),
            Self::UnknownRater { matrix, rater } => {
                write!(f, "{matrix}: rater {rater} is not a neuron")
            }
            Self::RowOrder { matrix, rater } => {
                write!(
                    f,
                    "{matrix}: the row of rater {rater} is out of order or not the only one"
                )
            }
            Self::UnknownRated {
                matrix,
                rater,
                rated,
            } => {
                write!(
                    f,
                    "{matrix}: rater {rater} rates {rated}, which is not a neuron"
                )
            }
            Self::EntryOrder { matrix, rater } => {
                write!(
                    f,
                    "{matrix}: entries of rater {rater} are not strictly ascending by uid"
                )
            }
            Self::AboveOne { parameter, found } => {
                write!(f, "`{parameter}` is {found} parts per million, above one")
            }
            Self::LiquidAlphaRange { low, high } => {
                write!(f, "lowest liquid rate {low} is above the highest, {high}")
            }
            Self::NoShares => f.write_str("an amount cannot be split by shares that are all zero"),
        }
    }
}

impl core::error::Error for Error {}
