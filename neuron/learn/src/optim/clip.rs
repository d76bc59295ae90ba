//! Clipping of gradients by their norm, as `torch.nn.utils.clip_grad_norm_`.

use tch::{Kind, Tensor, no_grad};

use crate::parameters::Parameters;

/// Scales all gradients so that the norm of all of them together is at most `max`, and says what it was.
///
/// `‖g‖ = √Σ gᵢ²` over every number of every gradient, and `g ← g · min(1, max / (‖g‖ + 10⁻⁶))`. Gradients exist only
/// after a backward pass: clip between it and the step.
///
/// A norm that is not finite is returned as it is, and gradients are left alone: the caller skips the step.
pub fn clip_grad_norm(parameters: &Parameters, max: f64) -> f64 {
    let norm = no_grad(|| {
        let squares = parameters
            .values()
            .map(Tensor::grad)
            .filter(Tensor::defined)
            .map(|gradient| {
                gradient
                    .norm()
                    .to_kind(Kind::Double)
                    .square()
                    .double_value(&[])
            });
        squares.sum::<f64>().sqrt()
    });
    let factor = max / (norm + 1e-6);
    if norm.is_finite() && factor < 1.0 {
        no_grad(|| {
            for parameter in parameters.values() {
                let mut gradient = parameter.grad();
                if gradient.defined() {
                    let _ = gradient.g_mul_scalar_(factor);
                }
            }
        });
    }
    norm
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parameters whose gradients are these.
    fn with_gradients(gradients: &[&[f64]]) -> Parameters {
        gradients
            .iter()
            .enumerate()
            .map(|(index, gradient)| {
                let gradient = Tensor::from_slice(gradient);
                let parameter = gradient.zeros_like().set_requires_grad(true);
                (&parameter * gradient).sum(Kind::Double).backward();
                (index.to_string(), parameter)
            })
            .collect()
    }

    fn gradient(parameters: &Parameters, name: &str) -> Vec<f64> {
        Vec::try_from(parameters[name].grad()).unwrap()
    }

    #[test]
    fn the_norm_is_that_of_all_gradients_together() {
        // √(3² + 4² + 12²) = 13, brought to 6.5
        let parameters = with_gradients(&[&[3.0, 4.0], &[12.0]]);
        assert_eq!(clip_grad_norm(&parameters, 6.5), 13.0);
        let clipped = [gradient(&parameters, "0"), gradient(&parameters, "1")].concat();
        for (got, expected) in clipped.into_iter().zip([1.5, 2.0, 6.0]) {
            assert!(
                (got - expected).abs() < 1e-6,
                "expected {expected}, got {got}"
            );
        }
    }

    #[test]
    fn a_small_gradient_is_left_alone() {
        let parameters = with_gradients(&[&[3.0, 4.0]]);
        assert_eq!(clip_grad_norm(&parameters, 6.0), 5.0);
        assert_eq!(gradient(&parameters, "0"), [3.0, 4.0]);
    }

    #[test]
    fn a_norm_that_is_not_finite_is_reported() {
        let parameters = with_gradients(&[&[1.0], &[f64::INFINITY]]);
        assert!(!clip_grad_norm(&parameters, 1.0).is_finite());
        assert_eq!(gradient(&parameters, "0"), [1.0]);
    }
}
