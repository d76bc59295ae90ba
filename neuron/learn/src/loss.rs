//! What a synapse learns from.
//!
//! Three losses, summed with coefficients of one: how well it classifies with its student as context, how well with its
//! peers as context, and how well the student imitates the peers.

use tch::{Kind, Reduction, TchError, Tensor};

/// Negative log-likelihood of the right classes, averaged over the batch.
///
/// # Shapes
///
/// `log_probabilities`: `[batch, n_classes]`; `labels`: `[batch]`, i64 in `0..n_classes`; result: scalar.
///
/// # Errors
///
/// If libtorch finds a label out of range or shapes that do not fit.
pub fn nll(log_probabilities: &Tensor, labels: &Tensor) -> Result<Tensor, TchError> {
    /// PyTorch's default: a label that no dataset uses.
    const IGNORED_LABEL: i64 = -100;
    log_probabilities.f_nll_loss::<Tensor>(labels, None, Reduction::Mean, IGNORED_LABEL)
}

/// Mean squared difference between the student and the network it imitates.
///
/// The network's context is held constant here: it must not move towards the student.
///
/// # Shapes
///
/// `student`, `network`: `[batch, d_model]`; result: scalar.
///
/// # Errors
///
/// If the shapes differ.
pub fn distillation(student: &Tensor, network: &Tensor) -> Result<Tensor, TchError> {
    student.f_mse_loss(&network.detach(), Reduction::Mean)
}

/// The plain sum of those losses that exist; none if none does.
pub fn total(losses: [Option<&Tensor>; 3]) -> Option<Tensor> {
    losses
        .into_iter()
        .flatten()
        .map(Tensor::shallow_clone)
        .reduce(|sum, loss| sum + loss)
}

/// Share of the batch for which the most probable class is the right one; 0 for an empty batch.
///
/// # Shapes
///
/// `log_probabilities`: `[batch, n_classes]`; `labels`: `[batch]`.
pub fn accuracy(log_probabilities: &Tensor, labels: &Tensor) -> f64 {
    if labels.numel() == 0 {
        return 0.0;
    }
    log_probabilities
        .argmax(-1, false)
        .eq_tensor(labels)
        .to_kind(Kind::Double)
        .mean(None)
        .double_value(&[])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nll_is_the_mean_of_the_right_entries_with_their_sign_turned() {
        let log_probabilities = Tensor::from_slice2(&[[-1.0f32, -2.0], [-3.0, -5.0]]);
        let labels = Tensor::from_slice(&[0i64, 1]);
        // (1 + 5) / 2
        assert_eq!(
            nll(&log_probabilities, &labels).unwrap().double_value(&[]),
            3.0
        );
        assert!(nll(&log_probabilities, &Tensor::from_slice(&[0i64, 2])).is_err());
    }

    #[test]
    fn distillation_moves_the_student_and_not_the_network() {
        let student = Tensor::from_slice(&[1.0f32, 2.0]).set_requires_grad(true);
        let network = Tensor::from_slice(&[3.0f32, 2.0]).set_requires_grad(true);
        let loss = distillation(&student, &network).unwrap();
        loss.backward();
        // (2² + 0²) / 2, derivative 2·(1 - 3) / 2
        assert_eq!(loss.double_value(&[]), 2.0);
        assert_eq!(Vec::<f32>::try_from(student.grad()).unwrap(), [-2.0, 0.0]);
        assert!(!network.grad().defined());
    }

    #[test]
    fn the_total_sums_what_exists() {
        let [one, two] = [1.0, 2.0].map(Tensor::from);
        assert!(total([None, None, None]).is_none());
        assert_eq!(
            total([Some(&one), None, Some(&two)])
                .unwrap()
                .double_value(&[]),
            3.0
        );
    }

    #[test]
    fn accuracy_counts_the_right_classes() {
        let log_probabilities = Tensor::from_slice2(&[[-1.0f32, -2.0], [-3.0, -5.0], [-9.0, -1.0]]);
        let labels = Tensor::from_slice(&[0i64, 1, 1]);
        assert!((accuracy(&log_probabilities, &labels) - 2.0 / 3.0).abs() < 1e-12);
        let empty = log_probabilities.narrow(0, 0, 0);
        assert_eq!(accuracy(&empty, &labels.narrow(0, 0, 0)), 0.0);
    }
}
