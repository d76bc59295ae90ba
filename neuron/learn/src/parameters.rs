//! Trainable tensors and the names under which they are optimised and checkpointed.
//!
//! A name is the path to the tensor in its module, such as `student.layer1.weight`: the key of PyTorch's `state_dict`. The
//! names of a synapse and of the router differ, so both fit into one map, and momentum is kept by name.

use std::collections::BTreeMap;

use tch::{Device, Kind, Tensor};

/// Trainable tensors by name, in the order of their names. The tensors share memory with their module.
pub type Parameters = BTreeMap<String, Tensor>;

/// Copies the stored value of every own parameter into it.
///
/// What else is stored belongs to another module and is left alone. Nothing is changed unless everything fits.
///
/// # Errors
///
/// [`ParametersError::Missing`] and [`ParametersError::Shape`].
pub fn load(own: &Parameters, stored: &Parameters) -> Result<(), ParametersError> {
    for (name, parameter) in own {
        let value = stored
            .get(name)
            .ok_or_else(|| ParametersError::Missing { name: name.clone() })?;
        if value.size() != parameter.size() {
            return Err(ParametersError::Shape {
                name: name.clone(),
                expected: parameter.size(),
                arrived: value.size(),
            });
        }
    }
    let _no_grad = tch::no_grad_guard();
    for (name, parameter) in own {
        // `copy_` writes into the memory that the clone shares, across devices and kinds.
        parameter.shallow_clone().f_copy_(&stored[name])?;
    }
    Ok(())
}

/// How many numbers the parameters have together.
pub fn n_parameters(parameters: &Parameters) -> usize {
    parameters.values().map(Tensor::numel).sum()
}

/// Whether every number of every parameter is finite. One that is not spoils everything that is computed from it.
pub fn are_finite(parameters: &Parameters) -> bool {
    // A sum is finite only if every summand is, and what f32 holds never overflows a sum in f64.
    parameters
        .values()
        .all(|tensor| tensor.sum(Kind::Double).double_value(&[]).is_finite())
}

/// A parameter with these values: a leaf that collects gradients.
pub(crate) fn parameter(values: &[f32], shape: &[i64], device: Device) -> Tensor {
    Tensor::from_slice(values)
        .reshape(shape)
        .to_device(device)
        .set_requires_grad(true)
}

/// Why stored parameters do not fit a module.
#[derive(Debug, thiserror::Error)]
pub enum ParametersError {
    /// The stored parameters are those of another module.
    #[error(
        "parameter {name} is not stored: is this the checkpoint of another model or of other widths?"
    )]
    Missing {
        /// The parameter's name.
        name: String,
    },
    /// A module of the same kind, of other widths.
    #[error("parameter {name} is {expected:?} here and {arrived:?} where it is stored")]
    Shape {
        /// The parameter's name.
        name: String,
        /// Its shape in this module.
        expected: Vec<i64>,
        /// Its stored shape.
        arrived: Vec<i64>,
    },
    /// A peer's key that is stored under something other than a hotkey.
    #[error("parameter {name} should end in the hotkey of a peer, in SS58")]
    Hotkey {
        /// The parameter's name.
        name: String,
    },
    /// libtorch refused the copy.
    #[error(transparent)]
    Torch(#[from] tch::TchError),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str, values: &[f32]) -> (String, Tensor) {
        (
            name.into(),
            parameter(values, &[values.len() as i64], Device::Cpu),
        )
    }

    #[test]
    fn loading_writes_into_the_memory_of_the_module() {
        let own = Parameters::from([named("a", &[1., 2.])]);
        let module = own["a"].shallow_clone();
        let stored = Parameters::from([named("a", &[3., 4.]), named("router.b", &[5.])]);
        load(&own, &stored).unwrap();
        assert_eq!(Vec::<f32>::try_from(&module).unwrap(), [3., 4.]);
        assert!(module.requires_grad() && module.is_leaf());
    }

    #[test]
    fn one_number_that_is_not_finite_is_seen() {
        let finite = Parameters::from([named("a", &[f32::MAX, f32::MAX]), named("b", &[0.])]);
        assert!(are_finite(&finite));
        for number in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let spoilt = Parameters::from([named("a", &[1.]), named("b", &[0., number])]);
            assert!(!are_finite(&spoilt));
        }
    }

    #[test]
    fn nothing_is_loaded_unless_everything_fits() {
        let own = Parameters::from([named("a", &[1.]), named("b", &[1., 2.])]);
        let missing = Parameters::from([named("a", &[7.])]);
        let wider = Parameters::from([named("a", &[7.]), named("b", &[1., 2., 3.])]);
        assert!(matches!(
            load(&own, &missing),
            Err(ParametersError::Missing { name }) if name == "b"
        ));
        assert!(matches!(
            load(&own, &wider),
            Err(ParametersError::Shape { expected, arrived, .. }) if expected == [2] && arrived == [3]
        ));
        assert_eq!(Vec::<f32>::try_from(&own["a"]).unwrap(), [1.]);
    }
}
