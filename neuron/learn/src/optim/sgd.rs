//! Stochastic gradient descent with momentum, as `torch.optim.SGD`.
//!
//! ```text
//! g ← ∇p + weight_decay · p
//! v ← g                    the first time
//! v ← momentum · v + g     after that
//! p ← p − learning rate · v
//! ```
//!
//! without dampening and without Nesterov's look-ahead. (I. Sutskever and others, *On the importance of initialization and
//! momentum in deep learning*, 2013; the form in which the learning rate multiplies the velocity is PyTorch's.)

use std::collections::btree_map::Entry;

use serde::{Deserialize, Serialize};
use tch::{Tensor, no_grad};

use crate::parameters::{Parameters, ParametersError};

/// What does not change during training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SgdConfig {
    /// How much of the velocity is kept, in `[0, 1)`.
    pub momentum: f64,
    /// Pull of every parameter towards zero (L2), per step and before the learning rate.
    pub weight_decay: f64,
}

impl Default for SgdConfig {
    /// Momentum 0.9 and no decay: the first document's step 1.
    fn default() -> Self {
        Self {
            momentum: 0.9,
            weight_decay: 0.0,
        }
    }
}

/// The optimiser and its state, a velocity per parameter by name.
#[derive(Debug)]
pub struct Sgd {
    config: SgdConfig,
    velocities: Parameters,
}

impl Sgd {
    /// An optimiser that has made no step.
    pub fn new(config: SgdConfig) -> Self {
        Self {
            config,
            velocities: Parameters::new(),
        }
    }

    /// Moves each parameter that has a gradient.
    ///
    /// A parameter that is new here starts without velocity; the velocity of one that is gone is forgotten. A gradient
    /// of zero is a gradient: the parameter goes on by its velocity.
    pub fn step(&mut self, parameters: &Parameters, learning_rate: f64) {
        self.step_each(parameters, |_| learning_rate);
    }

    /// As [`Self::step`], with a learning rate for each parameter by its name: PyTorch's parameter groups.
    pub fn step_each(&mut self, parameters: &Parameters, learning_rate: impl Fn(&str) -> f64) {
        self.velocities
            .retain(|name, _| parameters.contains_key(name));
        no_grad(|| {
            for (name, parameter) in parameters {
                let gradient = parameter.grad();
                if gradient.defined() {
                    self.move_one(
                        name,
                        &mut parameter.shallow_clone(),
                        gradient,
                        learning_rate(name),
                    );
                }
            }
        });
    }

    fn move_one(
        &mut self,
        name: &str,
        parameter: &mut Tensor,
        gradient: Tensor,
        learning_rate: f64,
    ) {
        let gradient = if self.config.weight_decay == 0.0 {
            gradient
        } else {
            gradient + &*parameter * self.config.weight_decay
        };
        let direction = if self.config.momentum == 0.0 {
            gradient
        } else {
            match self.velocities.entry(name.to_owned()) {
                // A copy: the next backward pass writes into the gradient.
                Entry::Vacant(vacant) => vacant.insert(gradient.copy()).shallow_clone(),
                Entry::Occupied(velocity) => {
                    let velocity = velocity.get();
                    let momentum = scalar(self.config.momentum, velocity);
                    gradient.addcmul_out(velocity, velocity, &momentum)
                }
            }
        };
        let _ = parameter.addcmul_(&direction, &scalar(-learning_rate, &direction));
    }

    /// The velocities so far, by the name of their parameter. They go on changing with each step.
    pub fn state(&self) -> &Parameters {
        &self.velocities
    }

    /// Goes on with velocities that [`Self::state`] gave. A parameter without one has made no step; a velocity without a
    /// parameter is forgotten, as [`Self::step`] would.
    ///
    /// # Errors
    ///
    /// [`ParametersError::Shape`] if a velocity is not of its parameter's shape. Nothing is changed then.
    pub fn restore(
        &mut self,
        state: &Parameters,
        parameters: &Parameters,
    ) -> Result<(), ParametersError> {
        let mut velocities = Parameters::new();
        for (name, velocity) in state {
            let Some(parameter) = parameters.get(name) else {
                continue;
            };
            if velocity.size() != parameter.size() {
                return Err(ParametersError::Shape {
                    name: name.clone(),
                    expected: parameter.size(),
                    arrived: velocity.size(),
                });
            }
            // A copy: steps write into it.
            velocities.insert(name.clone(), velocity.to_device(parameter.device()).copy());
        }
        self.velocities = velocities;
        Ok(())
    }
}

/// A number that is multiplied by a tensor on its device. `addcmul` with it goes through memory once, where a product and a sum
/// would twice: of a model that is larger than the processor's caches, steps are as long as that.
fn scalar(value: f64, beside: &Tensor) -> Tensor {
    Tensor::full([0; 0], value, (beside.kind(), beside.device()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optim::zero_gradients;

    /// One parameter `p`, and its gradient in each step.
    fn run(config: SgdConfig, start: f64, gradients: &[f64]) -> f64 {
        let p = Tensor::from_slice(&[start]).set_requires_grad(true);
        let parameters = Parameters::from([("p".into(), p.shallow_clone())]);
        let mut sgd = Sgd::new(config);
        for &gradient in gradients {
            zero_gradients(&parameters);
            (&p * gradient).sum(tch::Kind::Double).backward();
            sgd.step(&parameters, 0.1);
        }
        p.double_value(&[0])
    }

    fn assert_near(got: f64, expected: f64) {
        assert!(
            (got - expected).abs() < 1e-12,
            "expected {expected}, got {got}"
        );
    }

    #[test]
    fn momentum_accumulates_as_in_pytorch() {
        let config = SgdConfig {
            momentum: 0.9,
            weight_decay: 0.0,
        };
        // v = 1, then 0.9 · 1 + 2 = 2.9, then 0.9 · 2.9 + 0 = 2.61; p = 1 − 0.1 · (1 + 2.9 + 2.61) = 0.349
        assert_near(run(config, 1.0, &[1.0, 2.0, 0.0]), 0.349);
    }

    #[test]
    fn weight_decay_is_added_to_the_gradient() {
        let config = SgdConfig {
            momentum: 0.9,
            weight_decay: 0.5,
        };
        // g = 1 + 0.5 · 2 = 2, p = 2 − 0.2 = 1.8; g = 1 + 0.9 = 1.9, v = 0.9 · 2 + 1.9 = 3.7, p = 1.8 − 0.37 = 1.43
        // >>> p = torch.tensor([2.], dtype=torch.float64, requires_grad=True)
        // >>> o = torch.optim.SGD([p], lr=.1, momentum=.9, weight_decay=.5)
        // >>> for _ in range(2): o.zero_grad(); p.sum().backward(); o.step()
        // >>> p → tensor([1.4300])
        assert_near(run(config, 2.0, &[1.0, 1.0]), 1.43);
    }

    #[test]
    fn without_momentum_there_is_no_state() {
        let config = SgdConfig {
            momentum: 0.0,
            weight_decay: 0.0,
        };
        // 1 − 0.1 · (1 + 2)
        assert_near(run(config, 1.0, &[1.0, 2.0]), 0.7);
    }

    #[test]
    fn a_parameter_without_a_gradient_stays() {
        let p = Tensor::from_slice(&[1.0]).set_requires_grad(true);
        let parameters = Parameters::from([("p".into(), p.shallow_clone())]);
        let mut sgd = Sgd::new(SgdConfig::default());
        sgd.step(&parameters, 0.1);
        assert_eq!(p.double_value(&[0]), 1.0);
        assert!(sgd.state().is_empty());
    }

    #[test]
    fn the_velocity_of_a_parameter_that_left_is_forgotten() {
        let [p, q] = [1.0, 1.0].map(|start| Tensor::from_slice(&[start]).set_requires_grad(true));
        let mut parameters = Parameters::from([
            ("p".into(), p.shallow_clone()),
            ("q".into(), q.shallow_clone()),
        ]);
        (&p + &q).sum(tch::Kind::Double).backward();
        let mut sgd = Sgd::new(SgdConfig::default());
        sgd.step(&parameters, 0.1);
        assert_eq!(sgd.state().len(), 2);

        parameters.remove("p");
        sgd.step(&parameters, 0.1);
        assert_eq!(sgd.state().keys().collect::<Vec<_>>(), ["q"]);
    }

    #[test]
    fn a_velocity_of_another_shape_is_refused() {
        let parameters = Parameters::from([("p".into(), Tensor::from_slice(&[1.0, 2.0]))]);
        let state = Parameters::from([("p".into(), Tensor::from_slice(&[1.0]))]);
        let mut sgd = Sgd::new(SgdConfig::default());
        assert!(matches!(
            sgd.restore(&state, &parameters),
            Err(ParametersError::Shape { name, .. }) if name == "p"
        ));
    }
}
