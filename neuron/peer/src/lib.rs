//! How neurons talk: who they are on the wire, how they are asked, and how they ask.
//!
//! ```text
//! trainer ─► dendrite ══ mutual TLS 1.3, HTTP/2, neuron.v1 ══► axon ─► nucleus ─► the peer's model
//!            asks many peers at once,                          admits,  one thread, batches
//!            checks what they answer                           limits   across callers
//!                     └────────── identity: certificates that hotkeys vouch for ──────────┘
//! ```
//!
//! | module | what it is |
//! | --- | --- |
//! | [`identity`] | certificates that carry a hotkey: how they are made, verified and replaced |
//! | [`roster`] | who is registered, and with what stake, as the chain last said |
//! | [`axon`] | the server: handshakes, admission, limits, health, shutdown |
//! | [`nucleus`] | the thread that owns the served model: queue, batches, deadlines |
//! | [`dendrite`] | the client: fan-out under one deadline, backoff, checks of answers |
//!
//! # Contract
//!
//! * Whoever is at the other end may be hostile. It costs a bounded amount of memory and time, its own requests, and
//!   nobody else's; it never causes a panic here.
//! * Refusals and failures are values with a [`Code`](neuron_proto::Code): what was expected, what arrived, what to do.
//! * Everything runs on the tokio runtime of the caller, but for the model, which has a thread of its own.
//!
//! There is no chain, no libtorch and no training in this crate: rosters come in through a channel, models through
//! [`nucleus::Model`], and what is asked are [`Tensor`](neuron_proto::Tensor)s.

pub mod axon;
mod buffers;
mod by_code;
pub mod dendrite;
pub mod identity;
pub mod nucleus;
pub mod roster;
mod text;

pub use dendrite::{Dendrite, DendriteConfig};
pub use identity::Identity;
pub use roster::{Member, Roster, RosterWatch};
