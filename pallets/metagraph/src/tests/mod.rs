//! What the pallet promises, one concept per file. Every test ends in `try_state`: see [`crate::mock::ExtBuilder`].

mod calls;

mod columns;
mod emission;
mod endpoints;
mod epoch;
mod extension;
mod genesis;
mod hyperparameters;
mod invariants;
mod networks;
mod properties;
mod reads;
mod registration;
mod retiring;
mod stake;
mod weight_matrix;
