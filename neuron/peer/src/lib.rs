//! How neurons talk: identity, axon, nucleus and dendrite.

pub mod axon;
pub mod dendrite;
pub mod identity;
pub mod nucleus;
pub mod roster;
mod text;

pub use dendrite::{Dendrite, DendriteConfig};
pub use identity::Identity;
pub use roster::{Member, Roster, RosterWatch};
