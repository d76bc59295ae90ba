//! Gradient descent: [`Sgd`], [`clip_grad_norm`], learning-rate [`Schedule`]s and the [`GradScaler`] of mixed precision.
//!
//! All with the semantics of PyTorch, so that a step here and a step there give the same parameters. The optimisers that
//! libtorch offers through `tch` would do, were it not that their state can neither be read nor written: training could
//! not be resumed where it stopped.

mod clip;
mod scaler;
mod schedule;
mod sgd;

use crate::parameters::Parameters;

pub use clip::clip_grad_norm;
pub use scaler::GradScaler;
pub use schedule::Schedule;
pub use sgd::{Sgd, SgdConfig};

/// Sets every gradient to zero, before a backward pass adds to it.
///
/// Gradients stay in memory. So a parameter that the next loss does not depend on has a gradient of zero, and not none:
/// [`Sgd`] moves it on by its velocity.
pub fn zero_gradients(parameters: &Parameters) {
    for parameter in parameters.values() {
        parameter.shallow_clone().zero_grad();
    }
}
