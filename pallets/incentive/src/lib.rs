//! The consensus-weighted incentive function: who is paid how much, for what others say of them.
//!
//! [`epoch()`] takes plain values ([`EpochInputs`], [`EpochParams`]) and gives plain values ([`EpochOutcome`]). It reads no
//! storage, knows no chain, and computes in integers only, so that it gives the same bits on every machine.
//!
//! # The mechanism
//!
//! Validators rate servers; what they agree on is paid. Each step is a module:
//!
//! 1. [`activity`] and [`permits`]: who has a say, and who will have one in the next epoch.
//! 2. [`stake`]: how much of a say.
//! 3. [`masks`] and [`weights`]: which ratings count, each row normalised to one.
//! 4. [`consensus`]: one score per server, in one of two forms.
//! 5. [`clip`] and [`incentive`]: rank, trust, and what each server earns.
//! 6. [`bonds`] and [`dividends`]: what validators hold in servers, in one of three modes, and what that earns them.
//! 7. [`emission`]: the amounts, which add up to what was to be paid.
//!
//! # Promised properties
//!
//! * Results do not depend on the order of uids, except that permits and the last units of an emission go to lower uids
//!   of equal claim; nor on whether a zero is written or left out; nor on the unit of stake.
//! * For every input that passes [`EpochInputs::check`], with at most 65,535 neurons, there is an outcome: nothing
//!   overflows and nothing panics. What cannot be computed is an [`Error`], never a zero.
//! * What is paid, and what could not be, adds up to the emission.
//! * A server that nobody rated earns no incentive.
//! * What a coalition can and cannot do to consensus is stated in [`consensus::median`].
//!
//! # Examples
//!
//! ```
//! use incentive::{EpochInputs, EpochParams, Uid, WeightRow, epoch};
//!
//! // Neuron 0 has all the stake and rates neuron 1, which both are paid for: one half each.
//! let outcome = epoch(
//!     &EpochInputs {
//!         block: 360,
//!         previous_epoch: 1,
//!         stake: &[100, 0],
//!         registered_at: &[0, 0],
//!         last_update: &[300, 0],
//!         permits: &[true, false],
//!         owner: None,
//!         weights: &[WeightRow { rater: Uid(0), updated_at: 300, committed_at: None, entries: &[(Uid(1), 65_535)] }],
//!         bonds: &[],
//!         emission: 1_000,
//!     },
//!     &EpochParams::default(),
//! )?;
//! assert_eq!(outcome.incentive, [0, 65_535]);
//! assert_eq!(outcome.dividends, [65_535, 0]);
//! assert_eq!((outcome.emission(Uid(0)), outcome.emission(Uid(1))), (500, 500));
//! # Ok::<(), incentive::Error>(())
//! ```
//!
//! # Features
//!
//! `std` (default) is for dependencies only; `codec` and `serde` derive encodings for [`Uid`] and the parameters that a
//! pallet stores.

#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, reason = "a test that fails has to say where")
)]

extern crate alloc;

pub mod activity;
pub mod bonds;
pub mod clip;
pub mod consensus;
pub mod dividends;
pub mod emission;
pub mod incentive;
pub mod masks;
pub mod permits;
pub mod stake;
pub mod weights;

mod epoch;
mod error;
mod fixed;
mod inputs;
mod largest_remainder;
mod logistic;
mod outcome;
mod params;
mod sparse;
mod uid;
mod upscale;

pub use crate::{
    epoch::epoch,
    error::{Column, Error, Fraction, Matrix},
    inputs::{EpochInputs, MAX_NEURONS, Row, WeightRow},
    largest_remainder::largest_remainder,
    outcome::EpochOutcome,
    params::{BondsMode, Consensus, EpochParams, LiquidAlpha, ONE_PPM},
    uid::{Entry, Uid},
    upscale::max_upscale_to_u16,
};
