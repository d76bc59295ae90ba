//! Positions of neurons, and what one neuron says of another.

use core::fmt;

/// Position of a neuron in its network.
///
/// # Range
///
/// `0..n` for a network of `n` neurons, dense. A position outlives its neuron: when a neuron is replaced, the newcomer
/// takes the same uid, which is why [`crate::masks`] compares blocks of registration before a vote or a bond counts.
#[repr(transparent)]
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
pub struct Uid(pub u16);

impl Uid {
    /// This position as an index into a column of `n` values.
    #[inline]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a rater says of one neuron: a weight, or the size of a bond.
///
/// # Units
///
/// The value is out of 65,535. A value of zero means the same as no entry at all.
pub type Entry = (Uid, u16);
