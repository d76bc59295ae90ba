//! How neurons talk: identity, axon, nucleus and dendrite.

pub mod roster;

pub use roster::{Member, Roster, RosterWatch};
