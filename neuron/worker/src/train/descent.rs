//! From losses to parameters: backward of each batch of a step, unscale, clip, step.

use neuron_learn::{
    optim::{GradScaler, Schedule, Sgd, SgdConfig, clip_grad_norm, zero_gradients},
    parameters::Parameters,
};
use tch::Tensor;

/// How parameters are moved.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DescentConfig {
    /// Momentum and decay.
    pub(crate) sgd: SgdConfig,
    /// The learning rate of each step.
    pub(crate) schedule: Schedule,
    /// What the router's learning rate is, as a multiple of the model's.
    pub(crate) router_rate: f64,
    /// Length that gradients are cut to, if they are.
    pub(crate) max_norm: Option<f64>,
}

/// What came of the gradients of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// They moved the parameters.
    Moved,
    /// They were not finite, and may be so for the factor that the loss was multiplied by, which is smaller from now on.
    Rescaled,
    /// They were not finite.
    NotFinite,
}

/// The optimiser, with everything that stands between a loss and a step.
#[derive(Debug)]
pub(crate) struct Descent {
    config: DescentConfig,
    pub(crate) sgd: Sgd,
    /// In mixed precision.
    pub(crate) scaler: Option<GradScaler>,
}

impl Descent {
    /// That has made no step.
    pub(crate) fn new(config: DescentConfig, scaler: Option<GradScaler>) -> Self {
        Self {
            sgd: Sgd::new(config.sgd),
            config,
            scaler,
        }
    }

    /// What losses are multiplied by, and so the gradients that come of them before a step is finished.
    pub(crate) fn scale(&self) -> f64 {
        self.scaler.map_or(1.0, |scaler| scaler.factor())
    }

    /// Before the first batch of a step.
    pub(crate) fn begin(&self, parameters: &Parameters) {
        zero_gradients(parameters);
    }

    /// Adds the gradients of a loss. Of a step of several batches, each has its share.
    pub(crate) fn add(&self, loss: &Tensor) {
        match &self.scaler {
            Some(scaler) => scaler.scale(loss).backward(),
            None => loss.backward(),
        }
    }

    /// Moves the parameters by the gradients that were added since the step began, and whatever `more` adds to them, in step
    /// number `step`. Gradients that are not finite move nothing.
    pub(crate) fn finish<E>(
        &mut self,
        step: u64,
        parameters: &Parameters,
        more: impl FnOnce() -> Result<(), E>,
    ) -> Result<Outcome, E> {
        if let Some(scaler) = &self.scaler {
            scaler.unscale(parameters);
        }
        more()?;
        let norm = clip_grad_norm(parameters, self.config.max_norm.unwrap_or(f64::INFINITY));
        let is_finite = norm.is_finite();
        let before = self.scale();
        if let Some(scaler) = &mut self.scaler {
            scaler.update(is_finite);
        }
        if !is_finite {
            return Ok(match self.scale() < before {
                true => Outcome::Rescaled,
                false => Outcome::NotFinite,
            });
        }
        let rate = self.config.schedule.rate(step);
        self.sgd.step_each(parameters, |name| {
            if name.starts_with("router.") {
                rate * self.config.router_rate
            } else {
                rate
            }
        });
        Ok(Outcome::Moved)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn descent(max_norm: Option<f64>) -> Descent {
        let config = DescentConfig {
            sgd: SgdConfig {
                momentum: 0.0,
                weight_decay: 0.0,
            },
            schedule: Schedule::Constant { rate: 1.0 },
            router_rate: 2.0,
            max_norm,
        };
        Descent::new(config, None)
    }

    fn parameter() -> (Tensor, Parameters) {
        let parameter = Tensor::from_slice(&[5.0f32]).set_requires_grad(true);
        let parameters = Parameters::from([("p".into(), parameter.shallow_clone())]);
        (parameter, parameters)
    }

    /// A step of one batch.
    fn descend(
        mut descent: Descent,
        parameters: &Parameters,
        loss: &Tensor,
        more: impl FnOnce() -> Result<(), Infallible>,
    ) -> bool {
        descent.begin(parameters);
        descent.add(loss);
        descent.finish(0, parameters, more).unwrap() == Outcome::Moved
    }

    fn nothing_more() -> Result<(), Infallible> {
        Ok(())
    }

    #[test]
    fn gradients_are_cut_after_the_backward_pass() {
        let (parameter, parameters) = parameter();
        let loss = (&parameter * 4.0).sum(tch::Kind::Float);
        assert!(descend(
            descent(Some(2.0)),
            &parameters,
            &loss,
            nothing_more
        ));
        // 5 − 1 · 2
        assert!((parameter.double_value(&[0]) - 3.0).abs() < 1e-5);
    }

    #[test]
    fn what_peers_sent_is_added_before_the_cut() {
        let (parameter, parameters) = parameter();
        let loss = (&parameter * 1.0).sum(tch::Kind::Float);
        let more = || {
            (&parameter * 2.0).sum(tch::Kind::Float).backward();
            nothing_more()
        };
        descend(descent(None), &parameters, &loss, more);
        // 5 − (1 + 2)
        assert_eq!(parameter.double_value(&[0]), 2.0);
    }

    #[test]
    fn a_step_of_two_batches_moves_by_the_gradients_of_both() {
        let (parameter, parameters) = parameter();
        let mut descent = descent(None);
        descent.begin(&parameters);
        for factor in [1.0, 2.0] {
            descent.add(&(&parameter * factor / 2.0).sum(tch::Kind::Float));
        }
        descent.finish(0, &parameters, nothing_more).unwrap();
        // 5 − (1 + 2) / 2
        assert_eq!(parameter.double_value(&[0]), 3.5);
    }

    #[test]
    fn the_router_learns_at_its_own_rate() {
        let (parameter, _) = parameter();
        let parameters = Parameters::from([("router.p".into(), parameter.shallow_clone())]);
        let loss = (&parameter * 1.0).sum(tch::Kind::Float);
        descend(descent(None), &parameters, &loss, nothing_more);
        // 5 − 2 · 1
        assert_eq!(parameter.double_value(&[0]), 3.0);
    }

    #[test]
    fn gradients_that_are_not_finite_move_nothing() {
        let (parameter, parameters) = parameter();
        let loss = (&parameter * f64::NAN).sum(tch::Kind::Float);
        assert!(!descend(
            descent(Some(1.0)),
            &parameters,
            &loss,
            nothing_more
        ));
        assert_eq!(parameter.double_value(&[0]), 5.0);
    }

    #[test]
    fn what_overflows_by_its_scale_is_told_from_what_is_not_finite() {
        let (parameter, parameters) = parameter();
        let mut descent = Descent::new(descent(None).config, Some(GradScaler::default()));
        let mut outcomes = Vec::new();
        for _ in 0..18 {
            descent.begin(&parameters);
            descent.add(&(&parameter * f64::NAN).sum(tch::Kind::Float));
            outcomes.push(descent.finish(0, &parameters, nothing_more).unwrap());
        }
        // 65,536 is halved 16 times until it is 1.
        assert_eq!(outcomes[..16], [Outcome::Rescaled; 16]);
        assert_eq!(outcomes[16..], [Outcome::NotFinite; 2]);
    }
}
