//! Dropout: while a model learns, a share of numbers is zero and the others are as much larger.
//!
//! (N. Srivastava and others, *Dropout: A Simple Way to Prevent Neural Networks from Overfitting*, 2014.)
//!
//! What is dropped is drawn from libtorch's own generator, on the device and within its fused kernels. Who wants to repeat a
//! run seeds that generator (`tch::manual_seed`) before each step, from the run's seed and the number of the step.

use tch::Tensor;

use crate::synapse::Mode;

/// How much is dropped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dropout {
    share: f64,
}

impl Dropout {
    /// Drops this share, in 0..1.
    pub(crate) fn new(share: f64) -> Dropout {
        Dropout { share }
    }

    /// The share that is dropped in this mode: none but in training.
    pub(crate) fn share(self, mode: Mode) -> f64 {
        match mode {
            Mode::Training => self.share,
            Mode::Evaluation => 0.0,
        }
    }

    /// # Shapes
    ///
    /// `[..]` → the same
    pub(crate) fn forward(self, inputs: Tensor, mode: Mode) -> Tensor {
        match self.share(mode) {
            0.0 => inputs,
            share => inputs.dropout(share, true),
        }
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    #[test]
    fn a_share_is_dropped_in_training_and_the_rest_makes_up_for_it() {
        let ones = Tensor::ones([100_000], (Kind::Float, Device::Cpu));
        let dropped = Dropout::new(0.2).forward(ones.shallow_clone(), Mode::Training);
        let numbers = Vec::<f32>::try_from(&dropped).unwrap();
        // 1 / (1 − 0.2)
        assert!(numbers.iter().all(|&x| x == 0.0 || x == 1.25));
        let zeros = numbers.iter().filter(|&&x| x == 0.0).count();
        // Ten standard deviations of √(100 000 · 0.2 · 0.8) = 126 around 20 000.
        assert!((18_740..21_260).contains(&zeros), "{zeros}");
    }

    #[test]
    fn nothing_is_dropped_in_evaluation() {
        let ones = Tensor::ones([1000], (Kind::Float, Device::Cpu));
        let dropout = Dropout::new(0.9);
        let kept = dropout.forward(ones.shallow_clone(), Mode::Evaluation);
        assert!(kept.equal(&ones));
        assert_eq!(dropout.share(Mode::Evaluation), 0.0);
    }
}
