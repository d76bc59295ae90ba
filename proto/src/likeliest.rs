//! The likeliest classes of distributions, where telling all would be too long.
//!
//! A [`Likeliest`] is valid by construction: both tensors are of one shape, every class is one that there is, none is named
//! twice in a distribution, and what is told of a distribution has a probability of at most 1 together. What is missing to 1 is
//! that of all other classes. That the likeliest come first is for people: nothing that is computed depends on it.

use crate::{Code, Tensor, TensorError};

/// The most that the probabilities of one distribution may be together. Rounded to a half, log-probabilities down to −16 are
/// off by at most 2⁻⁵ each (bf16; f16: 2⁻⁸), so their probabilities by a factor of at most e^(2⁻⁵) = 1.032, and what is below
/// −16 is next to nothing. Whoever computes with them divides what is above 1 by its sum.
pub const MAX_SUM: f64 = 1.0 + 1.0 / 16.0;

/// Of each distribution, some classes and their log-probabilities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Likeliest {
    log_probabilities: Tensor,
    classes: Tensor,
}

impl Likeliest {
    /// Log-probabilities with the classes that they are of, out of `n_classes`.
    ///
    /// # Shapes
    ///
    /// Both `[rows, .., n]`: floats of any precision, and I64 in `0..n_classes`
    ///
    /// # Errors
    ///
    /// [`LikeliestError`], for all that is promised above.
    pub fn new(
        log_probabilities: Tensor,
        classes: Tensor,
        n_classes: u32,
    ) -> Result<Likeliest, LikeliestError> {
        let (expected, actual) = (log_probabilities.shape(), classes.shape());
        if expected != actual {
            return Err(LikeliestError::Shape {
                log_probabilities: expected.to_vec(),
                classes: actual.to_vec(),
            });
        }
        // An axis of nothing holds nothing that could be wrong.
        let n = expected.last().map_or(1, |&n| n.max(1) as usize);
        check_classes(&classes.to_i64()?, n, n_classes)?;
        check_sums(&log_probabilities.to_f32()?, n)?;
        Ok(Likeliest {
            log_probabilities,
            classes,
        })
    }

    /// `[rows, .., n]`: natural log-probabilities, the likeliest first.
    pub fn log_probabilities(&self) -> &Tensor {
        &self.log_probabilities
    }

    /// `[rows, .., n]`, I64: which classes they are of.
    pub fn classes(&self) -> &Tensor {
        &self.classes
    }

    /// Log-probabilities and classes.
    pub fn into_parts(self) -> (Tensor, Tensor) {
        (self.log_probabilities, self.classes)
    }
}

/// Every class is one that there is, and no distribution names one twice.
fn check_classes(classes: &[i64], n: usize, n_classes: u32) -> Result<(), LikeliestError> {
    let is_none = |class: &&i64| !(0..i64::from(n_classes)).contains(*class);
    if let Some(&class) = classes.iter().find(is_none) {
        return Err(LikeliestError::NoClass { class, n_classes });
    }
    let mut sorted = vec![0; n];
    for classes in classes.chunks_exact(n) {
        sorted.copy_from_slice(classes);
        sorted.sort_unstable();
        if let Some(twice) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(LikeliestError::Twice { class: twice[0] });
        }
    }
    Ok(())
}

/// What is told of each distribution has at most [`MAX_SUM`]; no number and infinity are above that, and a class that is
/// impossible has a log-probability below all.
fn check_sums(log_probabilities: &[f32], n: usize) -> Result<(), LikeliestError> {
    for distribution in log_probabilities.chunks_exact(n) {
        let probabilities = distribution
            .iter()
            .map(|&logarithm| f64::from(logarithm).exp());
        let sum: f64 = probabilities.sum();
        if sum.is_nan() || sum > MAX_SUM {
            return Err(LikeliestError::Sum { sum });
        }
    }
    Ok(())
}

/// Why tensors are no likeliest classes.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum LikeliestError {
    /// They differ in their shapes.
    #[error("expected a class for each log-probability of {log_probabilities:?}, got {classes:?}")]
    Shape {
        /// Shape of the log-probabilities.
        log_probabilities: Vec<u32>,
        /// Shape of the classes.
        classes: Vec<u32>,
    },
    /// A class that there is not.
    #[error("expected classes in 0..{n_classes}, got {class}")]
    NoClass {
        /// What is named.
        class: i64,
        /// How many there are.
        n_classes: u32,
    },
    /// A distribution names one class twice.
    #[error("expected each class once in a distribution, got {class} twice")]
    Twice {
        /// Which one.
        class: i64,
    },
    /// Probabilities of more than 1 together, or no numbers.
    #[error("expected probabilities of at most 1 together, got {sum:.3}")]
    Sum {
        /// What they are together.
        sum: f64,
    },
    /// One of both is of another type.
    #[error(transparent)]
    Tensor(#[from] TensorError),
}

impl LikeliestError {
    /// The code of a call whose response holds them.
    pub fn response_code(&self) -> Code {
        match self {
            LikeliestError::Shape { .. } => Code::ResponseShapeException,
            LikeliestError::Tensor(error) => error.response_code(),
            LikeliestError::NoClass { .. }
            | LikeliestError::Twice { .. }
            | LikeliestError::Sum { .. } => Code::InvalidResponse,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::DType;

    fn likeliest(
        shape: &[u32],
        probabilities: &[f32],
        classes: &[i64],
    ) -> Result<Likeliest, LikeliestError> {
        let logarithms: Vec<f32> = probabilities.iter().map(|p| p.ln()).collect();
        let logarithms = Tensor::from_f32_vec(shape, logarithms).unwrap();
        Likeliest::new(logarithms, Tensor::from_i64(shape, classes).unwrap(), 5)
    }

    #[test]
    fn classes_with_their_probabilities_are_taken() {
        let two = likeliest(&[2, 2], &[0.5, 0.25, 0.9, 0.1], &[4, 0, 1, 4]).unwrap();
        assert_eq!(two.classes().to_i64().unwrap(), [4, 0, 1, 4]);
        let (log_probabilities, classes) = two.clone().into_parts();
        assert_eq!(
            (&log_probabilities, &classes),
            (two.log_probabilities(), two.classes())
        );
        assert!(likeliest(&[0, 2], &[], &[]).is_ok());
        assert!(likeliest(&[2, 0], &[], &[]).is_ok());
    }

    #[test]
    fn what_is_no_distribution_is_refused_by_name() {
        let refused = |probabilities: &[f32], classes: &[i64]| {
            likeliest(&[1, 2], probabilities, classes).unwrap_err()
        };
        for class in [-1, 5, i64::MIN, i64::MAX] {
            let expected = LikeliestError::NoClass {
                class,
                n_classes: 5,
            };
            assert_eq!(refused(&[0.5, 0.5], &[0, class]), expected);
        }
        let twice = LikeliestError::Twice { class: 3 };
        assert_eq!(refused(&[0.5, 0.5], &[3, 3]), twice);
        for loud in [1.0, f32::INFINITY, f32::NAN] {
            let error = refused(&[0.5, loud], &[0, 1]);
            assert!(matches!(error, LikeliestError::Sum { .. }), "{error}");
            assert_eq!(error.response_code(), Code::InvalidResponse);
        }
    }

    #[test]
    fn one_class_for_each_probability() {
        let logarithms = Tensor::from_f32(&[1, 2], &[-1.0; 2]).unwrap();
        let error = |classes: Tensor| {
            let refused = Likeliest::new(logarithms.clone(), classes, 5);
            refused.unwrap_err().response_code()
        };
        let three = Tensor::from_i64(&[1, 3], &[0, 1, 2]).unwrap();
        assert_eq!(error(three), Code::ResponseShapeException);
        assert_eq!(error(logarithms.clone()), Code::ResponseShapeException);
    }

    proptest! {
        #[test]
        fn no_rounding_makes_a_distribution_too_loud(
            weights in prop::collection::vec(1e-6f32..1.0, 1..300),
            dtype in prop::sample::select(vec![DType::F16, DType::BF16]),
        ) {
            let sum: f32 = weights.iter().sum();
            let n = u32::try_from(weights.len()).unwrap();
            let logarithms = weights.iter().map(|weight| (weight / sum).ln()).collect();
            let classes: Vec<i64> = (0..i64::from(n)).collect();
            let rounded = Tensor::from_f32_vec(&[1, n], logarithms).unwrap().cast(dtype).unwrap();
            let classes = Tensor::from_i64(&[1, n], &classes).unwrap();
            prop_assert!(Likeliest::new(rounded, classes, n).is_ok());
        }
    }
}
