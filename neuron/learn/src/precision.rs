//! Precision of a forward pass.
//!
//! [`Precision::Mixed`] computes matrix products in half precision and everything that needs range in single precision, by
//! libtorch's autocast; parameters, gradients and the optimiser stay in single precision. It is for GPUs, whose units for
//! half precision are several times as fast. Half precision is IEEE's, the only one that `tch` can ask autocast for, so
//! losses are scaled by a [`GradScaler`](crate::optim::GradScaler).

use tch::Device;

/// How precisely to compute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Everything in `f32`.
    #[default]
    Full,
    /// Products in `f16` where that is safe.
    Mixed,
}

impl Precision {
    /// What is asked for, where it can be had: on a processor, everything is computed in full.
    pub fn on(self, device: Device) -> Self {
        if device.is_cuda() { self } else { Self::Full }
    }

    /// Runs a forward pass in this precision. The backward pass belongs outside: it follows the forward one's choices.
    pub fn forward<T>(self, pass: impl FnOnce() -> T) -> T {
        tch::autocast(self == Self::Mixed, pass)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_processor_computes_in_full() {
        assert_eq!(Precision::Mixed.on(Device::Cpu), Precision::Full);
        assert_eq!(Precision::Mixed.on(Device::Cuda(0)), Precision::Mixed);
        assert_eq!(Precision::Full.on(Device::Cuda(0)), Precision::Full);
    }

    #[test]
    fn a_pass_gives_back_what_it_computed() {
        assert_eq!(Precision::Full.forward(|| 7), 7);
    }
}
