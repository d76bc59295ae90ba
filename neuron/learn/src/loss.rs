//! What a synapse learns from.
//!
//! Three losses, summed with coefficients of one: how well it classifies with its student as context, how well with its
//! peers as context, and how well the student imitates the peers.

use tch::{Kind, Reduction, TchError, Tensor};

/// The label of what is not to be learned, such as a word that was not masked. PyTorch's default.
pub const IGNORED: i64 = -100;

/// Negative log-likelihood of the right classes, averaged over the labels that are not [`IGNORED`]; 0 if all are.
///
/// # Shapes
///
/// `log_probabilities`: `[.., n_classes]`; `labels`: `[..]`, i64 in `0..n_classes` or [`IGNORED`]; result: scalar.
///
/// # Errors
///
/// If libtorch finds a label out of range or shapes that do not fit.
pub fn nll(log_probabilities: &Tensor, labels: &Tensor) -> Result<Tensor, TchError> {
    let labels = labels.f_flatten(0, -1)?;
    let sum = log_probabilities.f_flatten(0, -2)?.f_nll_loss::<Tensor>(
        &labels,
        None,
        Reduction::Sum,
        IGNORED,
    )?;
    Ok(sum / n_learned(&labels))
}

/// How many labels are not ignored, but at least one.
fn n_learned(labels: &Tensor) -> Tensor {
    labels.ne(IGNORED).sum(Kind::Float).clamp_min(1.0)
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

/// As [`distillation`], over the places alone where there is something to imitate.
///
/// # Shapes
///
/// `student`, `network`: `[.., d_model]`; `real`: `[..]`, bool; result: scalar, 0 if nothing is real.
///
/// # Errors
///
/// If the shapes differ.
pub fn distillation_where(
    student: &Tensor,
    network: &Tensor,
    real: &Tensor,
) -> Result<Tensor, TchError> {
    let squares = student.f_mse_loss(&network.detach(), Reduction::None)?;
    let of_each = squares.f_mean_dim(-1, false, Kind::Float)?;
    let sum = of_each.f_mul(&real.to_kind(Kind::Float))?.sum(Kind::Float);
    Ok(sum / real.sum(Kind::Float).clamp_min(1.0))
}

/// Cross entropy between what a teacher predicts and what is predicted, averaged over the labels that are not [`IGNORED`]; 0
/// if all are: `− mean Σ_c teacher_c · log_probabilities_c`. (G. Hinton and others, *Distilling the Knowledge in a Neural
/// Network*, 2015, at temperature 1.)
///
/// The teacher is held constant. The labels only say where something is to be learned.
///
/// # Shapes
///
/// `log_probabilities`: `[.., n_classes]`; `teacher`: the same, probabilities; `labels`: `[..]`; result: scalar.
///
/// # Errors
///
/// If the shapes do not fit.
pub fn imitation(
    log_probabilities: &Tensor,
    teacher: &Tensor,
    labels: &Tensor,
) -> Result<Tensor, TchError> {
    let products = log_probabilities.f_mul(&teacher.detach())?;
    let of_each = products.f_sum_dim_intlist(-1i64, false, Kind::Float)?;
    let is_learned = labels.ne(IGNORED).to_kind(Kind::Float);
    Ok(-of_each.f_mul(&is_learned)?.sum(Kind::Float) / n_learned(labels))
}

/// The plain sum of those losses that exist; none if none does.
pub fn total(losses: [Option<&Tensor>; 3]) -> Option<Tensor> {
    losses
        .into_iter()
        .flatten()
        .map(Tensor::shallow_clone)
        .reduce(|sum, loss| sum + loss)
}

/// Share of the labels that are not [`IGNORED`] for which the most probable class is the right one; 0 if there are none.
///
/// # Shapes
///
/// `log_probabilities`: `[.., n_classes]`; `labels`: `[..]`.
pub fn accuracy(log_probabilities: &Tensor, labels: &Tensor) -> f64 {
    // No class is numbered as what is ignored.
    let n_right = log_probabilities
        .argmax(-1, false)
        .eq_tensor(labels)
        .sum(Kind::Double);
    let n_learned = labels.ne(IGNORED).sum(Kind::Double);
    (n_right / n_learned.clamp_min(1.0)).double_value(&[])
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
    fn nll_leaves_out_what_is_ignored() {
        let log_probabilities =
            Tensor::from_slice(&[-1.0f32, -2.0, -3.0, -5.0, -7.0, -9.0]).reshape([1, 3, 2]);
        let labels = Tensor::from_slice(&[IGNORED, 1, 0]).reshape([1, 3]);
        let loss = nll(&log_probabilities, &labels).unwrap();
        // (5 + 7) / 2
        assert_eq!(loss.double_value(&[]), 6.0);
        let nothing = labels.full_like(IGNORED);
        let loss = nll(&log_probabilities, &nothing).unwrap();
        assert_eq!(loss.double_value(&[]), 0.0);
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
    fn distillation_where_there_is_something_leaves_out_the_rest() {
        let student = Tensor::from_slice(&[1.0f32, 2.0, 9.0, 9.0])
            .reshape([1, 2, 2])
            .set_requires_grad(true);
        let network = Tensor::from_slice(&[3.0f32, 2.0, 0.0, 0.0]).reshape([1, 2, 2]);
        let real = Tensor::from_slice(&[true, false]).reshape([1, 2]);
        let loss = distillation_where(&student, &network, &real).unwrap();
        loss.backward();
        // As above: (2² + 0²) / 2, and nothing at the second place.
        assert_eq!(loss.double_value(&[]), 2.0);
        let gradient = Vec::<f32>::try_from(student.grad().reshape(-1)).unwrap();
        assert_eq!(gradient, [-2.0, 0.0, 0.0, 0.0]);
        let nothing = distillation_where(&student, &network, &real.zeros_like()).unwrap();
        assert_eq!(nothing.double_value(&[]), 0.0);
    }

    #[test]
    fn imitation_is_the_cross_entropy_with_the_teachers_probabilities() {
        let predicted = Tensor::from_slice2(&[[-1.0f32, -2.0], [-3.0, -5.0]]);
        let teacher = Tensor::from_slice2(&[[0.25f32, 0.75], [0.5, 0.5]]);
        let labels = Tensor::from_slice(&[0i64, 1]);
        let loss = imitation(&predicted, &teacher, &labels).unwrap();
        // (¼·1 + ¾·2 + ½·3 + ½·5) / 2
        assert!((loss.double_value(&[]) - 2.875).abs() < 1e-6);
        let loss = imitation(&predicted, &teacher, &Tensor::from_slice(&[0i64, IGNORED])).unwrap();
        // ¼·1 + ¾·2
        assert!((loss.double_value(&[]) - 1.75).abs() < 1e-6);
        assert!(imitation(&predicted, &teacher, &Tensor::from_slice(&[0i64; 3])).is_err());
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
        let ignored = Tensor::from_slice(&[0i64, IGNORED, 0]);
        assert_eq!(accuracy(&log_probabilities, &ignored), 0.5);
        let empty = log_probabilities.narrow(0, 0, 0);
        assert_eq!(accuracy(&empty, &labels.narrow(0, 0, 0)), 0.0);
    }
}
