//! The likeliest classes of distributions that would be too long to tell, or to hold, as a whole.
//!
//! A model's head makes of each encoding, some hundred numbers, a distribution over tens of thousands of tokens. So encodings
//! are kept, and distributions are computed some at a time, of which the likeliest classes stay.

use std::num::NonZeroU32;

use tch::{Device, TchError, Tensor};

use crate::tensor::{self, TensorError};

/// Of each distribution, some classes and their log-probabilities: as they travel in a [`neuron_proto::Likeliest`].
#[derive(Debug)]
pub struct Likeliest {
    /// `[rows, .., n]`, f32: natural logarithms, the likeliest first.
    pub log_probabilities: Tensor,
    /// `[rows, .., n]`, i64: of which classes, in `0..n_classes`, none twice.
    pub classes: Tensor,
}

impl Likeliest {
    /// The `n` likeliest of the `n_classes` classes that a head tells of each encoding. It is given as many encodings at a time as
    /// have distributions of `max_bytes`, at least one.
    ///
    /// # Shapes
    ///
    /// `encodings`: `[rows, .., d_model]`; `head`: `[some, d_model]` → `[some, n_classes]`, log-probabilities in f32
    ///
    /// # Errors
    ///
    /// Those of the head, and of libtorch if there are fewer classes than `n`.
    pub(crate) fn of<E: From<TchError>>(
        encodings: &Tensor,
        n: NonZeroU32,
        n_classes: u32,
        max_bytes: usize,
        head: impl Fn(&Tensor) -> Result<Tensor, E>,
    ) -> Result<Likeliest, E> {
        let size = encodings.size();
        let (width, places) = size
            .split_last()
            .expect("encodings have an axis of numbers");
        let n_places: i64 = places.iter().product();
        let at_once = max_bytes / size_of::<f32>() / n_classes.max(1) as usize;
        let at_once = i64::try_from(at_once).unwrap_or(i64::MAX);
        let at_once = at_once.clamp(1, n_places.max(1));
        let parts = encodings
            .f_reshape([n_places, *width])?
            .f_split(at_once, 0)?;
        let likeliest = parts
            .iter()
            .map(|part| Ok(head(part)?.f_topk(n.get().into(), -1, true, true)?))
            .collect::<Result<Vec<_>, E>>()?;
        let (log_probabilities, classes): (Vec<_>, Vec<_>) = likeliest.into_iter().unzip();
        let shape = [places, &[n.get().into()]].concat();
        let whole = |parts: &[Tensor]| Tensor::f_cat(parts, 0)?.f_reshape(&shape);
        Ok(Likeliest {
            log_probabilities: whole(&log_probabilities)?,
            classes: whole(&classes)?,
        })
    }

    /// As a dendrite gave them, on this device.
    ///
    /// # Errors
    ///
    /// If libtorch cannot allocate them.
    pub fn from_wire(
        log_probabilities: &neuron_proto::Tensor,
        classes: &neuron_proto::Tensor,
        device: Device,
    ) -> Result<Likeliest, TensorError> {
        Ok(Likeliest {
            log_probabilities: tensor::to_torch(log_probabilities, device)?,
            classes: tensor::to_torch(classes, device)?,
        })
    }

    /// As they travel, in f32.
    ///
    /// # Errors
    ///
    /// If they are none out of `n_classes`: a model that has diverged gives no numbers.
    pub(crate) fn to_wire(&self, n_classes: u32) -> Result<neuron_proto::Likeliest, TensorError> {
        let log_probabilities = tensor::to_wire(&self.log_probabilities, neuron_proto::DType::F32)?;
        let classes = tensor::to_wire(&self.classes, neuron_proto::DType::I64)?;
        Ok(neuron_proto::Likeliest::new(
            log_probabilities,
            classes,
            n_classes,
        )?)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use proptest::prelude::*;
    use tch::Kind;

    use super::*;

    /// Logits of five classes that are not in order, and of each encoding others.
    fn head(encodings: &Tensor) -> Result<Tensor, TchError> {
        let table = Tensor::from_slice(&[3.0f32, -1.0, 0.5, 2.0, -4.0]).reshape([1, 5]);
        let logits = encodings.sum_dim_intlist(-1i64, true, Kind::Float) * table;
        logits.f_log_softmax(-1, Kind::Float)
    }

    fn encodings(shape: [i64; 3]) -> Tensor {
        let n: i64 = shape.iter().product();
        Tensor::arange(n, (Kind::Float, Device::Cpu)).reshape(shape) / 10.0 - 1.0
    }

    fn n(n: u32) -> NonZeroU32 {
        NonZeroU32::new(n).unwrap()
    }

    proptest! {
        #[test]
        fn some_at_a_time_are_as_all_at_once(rows in 0i64..4, n_told in 1u32..=5, max_bytes in 0usize..200) {
            let encodings = encodings([rows, 3, 2]);
            let told = Likeliest::of(&encodings, n(n_told), 5, max_bytes, head).unwrap();
            let (expected, classes) = head(&encodings).unwrap().topk(n_told.into(), -1, true, true);
            prop_assert_eq!(told.classes.size(), vec![rows, 3, n_told.into()]);
            prop_assert!(told.classes.equal(&classes));
            prop_assert!(told.log_probabilities.allclose(&expected, 1e-6, 1e-6, false));
        }
    }

    #[test]
    fn no_more_distributions_are_there_at_once_than_may_be() {
        let asked = RefCell::new(Vec::new());
        let counting = |encodings: &Tensor| {
            asked.borrow_mut().push(encodings.size()[0]);
            head(encodings)
        };
        // A distribution of 5 classes has 20 bytes.
        Likeliest::of(&encodings([2, 4, 2]), n(2), 5, 79, counting).unwrap();
        assert_eq!(asked.take(), [3, 3, 2]);
        Likeliest::of(&encodings([1, 2, 2]), n(2), 5, 19, counting).unwrap();
        assert_eq!(asked.take(), [1, 1]);
    }

    #[test]
    fn they_travel_as_they_are() {
        let told = Likeliest::of(&encodings([2, 1, 2]), n(3), 5, 1 << 10, head).unwrap();
        let (log_probabilities, classes) = told.to_wire(5).unwrap().into_parts();
        let back = Likeliest::from_wire(&log_probabilities, &classes, Device::Cpu).unwrap();
        assert!(back.classes.equal(&told.classes));
        assert!(back.log_probabilities.equal(&told.log_probabilities));
    }

    #[test]
    fn a_model_without_numbers_tells_nothing() {
        let no_number = encodings([1, 1, 2]) * f64::NAN;
        let told = Likeliest::of(&no_number, n(2), 5, 1 << 10, head).unwrap();
        assert!(matches!(told.to_wire(5), Err(TensorError::Likeliest(_))));
    }

    #[test]
    fn there_are_no_more_classes_than_there_are() {
        assert!(Likeliest::of(&encodings([1, 1, 2]), n(6), 5, 1 << 10, head).is_err());
    }
}
