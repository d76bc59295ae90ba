//! A table of vectors, one for each id.

use rand::Rng;
use tch::{Device, TchError, Tensor};

use super::normal::normal;
use crate::parameters::{Parameters, parameter};

/// A table of vectors, one for each id.
#[derive(Debug)]
pub(crate) struct Embedding {
    /// `[n_ids, d_model]`
    weight: Tensor,
}

impl Embedding {
    /// Draws a table from a normal distribution around zero.
    pub(crate) fn draw(
        n_ids: i64,
        d_model: i64,
        standard_deviation: f64,
        rng: &mut impl Rng,
        device: Device,
    ) -> Embedding {
        let n = usize::try_from(n_ids * d_model).expect("sizes are not negative");
        let values = normal(standard_deviation, n, rng);
        Embedding {
            weight: parameter(&values, &[n_ids, d_model], device),
        }
    }

    /// # Shapes
    ///
    /// `ids`: `[..]`, i64 in `0..n_ids`; result: `[.., d_model]`
    ///
    /// # Errors
    ///
    /// If an id is out of range, on the processor. A GPU has no such error: it gives up all work of the process, so ids of
    /// strangers are to be checked before.
    pub(crate) fn forward(&self, ids: &Tensor) -> Result<Tensor, TchError> {
        /// Of no id the gradient is left out.
        const NO_PADDING: i64 = -1;
        Tensor::f_embedding(&self.weight, ids, NO_PADDING, false, false)
    }

    /// The table, `[n_ids, d_model]`, for a layer that shares it.
    pub(crate) fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// A table of the same values in memory of its own, which collects no gradients.
    pub(crate) fn frozen_copy(&self) -> Embedding {
        Embedding {
            weight: self.weight.detach().copy(),
        }
    }

    /// Adds `<path>.weight`.
    pub(crate) fn list(&self, path: &str, into: &mut Parameters) {
        into.insert(format!("{path}.weight"), self.weight.shallow_clone());
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn an_id_is_its_row_and_one_out_of_range_is_an_error() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let table = Embedding::draw(5, 3, 0.02, &mut rng, Device::Cpu);
        let ids = Tensor::from_slice(&[4i64, 0]).reshape([2, 1]);
        let vectors = table.forward(&ids).unwrap();
        assert_eq!(vectors.size(), [2, 1, 3]);
        assert!(vectors.get(0).get(0).equal(&table.weight().get(4)));
        assert!(table.forward(&(ids + 1)).is_err());
    }
}
