//! Numbers that PyTorch computed, to hold ours against.
//!
//! `parity/*.py` write them to `parity/*.json`. Weights and inputs are from a formula on both sides, so that only results
//! are kept.

use serde::Deserialize;
use tch::{Device, Kind, Tensor};

/// Every `stride`-th number of a tensor, and the norm of all.
#[derive(Deserialize)]
pub(crate) struct Kept {
    shape: Vec<i64>,
    pub(crate) norm: f64,
    pub(crate) stride: usize,
    values: Vec<f64>,
}

impl Kept {
    /// Fails unless a tensor of ours is as near as `tolerance`: absolutely, and relative to the norm of the tensor where
    /// that is below one; the norm itself relatively.
    pub(crate) fn expect(&self, what: &str, tensor: &Tensor, tolerance: f64) {
        assert_eq!(tensor.size(), self.shape, "{what}");
        let values =
            Vec::<f64>::try_from(tensor.detach().to_kind(Kind::Double).reshape(-1)).unwrap();
        let norm = values.iter().map(|x| x * x).sum::<f64>().sqrt();
        assert!(
            (norm - self.norm).abs() < tolerance * self.norm,
            "norm of {what}: {norm}, not {}",
            self.norm
        );
        let sampled = values.iter().step_by(self.stride);
        assert_eq!(sampled.len(), self.values.len(), "{what}");
        for (ours, theirs) in sampled.zip(&self.values) {
            assert!(
                (ours - theirs).abs() < tolerance * self.norm.min(1.0),
                "{what}: {ours}, not {theirs}"
            );
        }
    }
}

/// As `formula` of the programs: `bound·sin(0.7·k² + phase)` at the k-th place, looks random and needs no file.
pub(crate) fn formula(shape: &[i64], bound: f64, phase: f64) -> Tensor {
    let k = Tensor::arange(shape.iter().product::<i64>(), (Kind::Double, Device::Cpu));
    let values = (&k * 0.7 * &k + phase).sin() * bound;
    values.reshape(shape).to_kind(Kind::Float)
}
