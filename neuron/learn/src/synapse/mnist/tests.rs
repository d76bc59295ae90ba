use neuron_proto::Output;

use super::*;
use crate::synapse::promises::{Lesson, moved, numbers, of_student};

const CPU: Device = Device::Cpu;

/// Narrow enough to be quick.
const NARROW: MnistConfig = MnistConfig {
    side: 4,
    d_model: 12,
    d_target: [8, 6],
    n_classes: 10,
};

fn narrow() -> Mnist {
    Mnist::new(NARROW, 3, CPU)
}

/// Something to learn for this model.
fn lesson(mnist: &Mnist) -> Lesson<'_> {
    Lesson {
        synapse: mnist,
        inputs: numbers(&[4, 1, 4, 4]),
        labels: Labels::from(&Tensor::from_slice(&[1i64, 2, 3, 4])),
        network: numbers(&[4, 12]),
    }
}

#[test]
fn the_default_has_the_origins_widths() {
    let parameters = Mnist::new(MnistConfig::default(), 1, CPU).parameters();
    let expected = [
        ("main.layer1", [1024, 1808]),
        ("main.layer2", [1024, 1024]),
        ("student.layer1", [1024, 784]),
        ("student.layer2", [1024, 1024]),
        ("target.layer1", [512, 1024]),
        ("target.layer2", [256, 512]),
        ("target.layer3", [10, 256]),
    ];
    assert_eq!(parameters.len(), 2 * expected.len());
    for (layer, shape) in expected {
        assert_eq!(parameters[&format!("{layer}.weight")].size(), shape);
        assert_eq!(parameters[&format!("{layer}.bias")].size(), shape[..1]);
    }
}

#[test]
fn without_a_network_only_the_local_branch_exists() {
    lesson(&narrow()).learns_alone();
}

#[test]
fn without_labels_there_is_no_target_loss() {
    let network = numbers(&[2, 12]);
    let output = narrow()
        .forward(
            &numbers(&[2, 1, 4, 4]),
            None,
            Some(&network),
            Mode::Training,
        )
        .unwrap();
    assert!(output.local_target_loss.is_none() && output.network_target_loss.is_none());
    assert_eq!(output.network_target.unwrap().size(), [2, 10]);
    let [loss, distillation] = [output.loss, output.distillation_loss].map(Option::unwrap);
    assert!(loss.equal(&distillation));
}

#[test]
fn the_loss_is_the_sum_of_all_three() {
    lesson(&narrow()).adds_losses_up();
}

#[test]
fn the_student_learns_from_distillation_only() {
    let (images, network) = (numbers(&[2, 1, 4, 4]), numbers(&[2, 12]));
    let labels = Labels::from(&Tensor::from_slice(&[1i64, 2]));

    let alone = narrow();
    let output = alone
        .forward(&images, Some(&labels), None, Mode::Training)
        .unwrap();
    output.loss.unwrap().backward();
    assert!(!moved(&alone).is_empty());
    assert!(!moved(&alone).iter().any(|name| of_student(name)));

    let targets = narrow();
    let output = targets
        .forward(&images, Some(&labels), Some(&network), Mode::Training)
        .unwrap();
    (output.local_target_loss.unwrap() + output.network_target_loss.unwrap()).backward();
    assert!(!moved(&targets).iter().any(|name| of_student(name)));

    let imitating = narrow();
    let output = imitating
        .forward(&images, Some(&labels), Some(&network), Mode::Training)
        .unwrap();
    output.distillation_loss.unwrap().backward();
    let moved = moved(&imitating);
    assert_eq!(moved.len(), 4, "{moved:?}");
    assert!(moved.iter().all(|name| of_student(name)));
}

#[test]
fn the_network_learns_from_the_network_branch_only() {
    lesson(&narrow()).moves_the_network_by_its_branch();
}

#[test]
fn a_step_with_the_network_moves_the_routers_gate() {
    lesson(&narrow()).moves_the_gate(|seed| Box::new(Mnist::new(NARROW, seed, CPU)));
}

#[test]
fn logits_below_zero_reach_the_softmax() {
    // With all weights of the head's last layer zero and biases of 0 and -1, the probabilities are as exp(0) to exp(-1).
    // A ReLU on the logits would make them equal.
    let mnist = narrow();
    let parameters = mnist.parameters();
    let _no_grad = tch::no_grad_guard();
    let _ = parameters["target.layer3.weight"].shallow_clone().zero_();
    let _ = parameters["target.layer3.bias"].shallow_clone().fill_(-1.0);
    let _ = parameters["target.layer3.bias"].get(0).fill_(0.0);
    let output = mnist
        .forward(&numbers(&[1, 1, 4, 4]), None, None, Mode::Training)
        .unwrap();
    let logs = Vec::<f32>::try_from(output.local_target.get(0)).unwrap();
    assert!((logs[0] - logs[1] - 1.0).abs() < 1e-6, "{logs:?}");
}

#[test]
fn images_of_any_size_and_kind_are_encoded() {
    let mnist = narrow();
    let bytes = (numbers(&[3, 1, 4, 4]) * 255.0).to_kind(Kind::Uint8);
    let floats = bytes.to_kind(Kind::Float) / 255.0;
    let expected = mnist.forward_image(&floats).unwrap();
    assert!(mnist.forward_image(&bytes).unwrap().equal(&expected));
    let half = mnist.forward_image(&floats.to_kind(Kind::Half)).unwrap();
    assert!(half.allclose(&expected, 1e-2, 1e-2, false));
    // Each pixel four times over averages to itself.
    let doubled = floats
        .repeat_interleave_self_int(2, 2, None)
        .repeat_interleave_self_int(2, 3, None);
    assert_eq!(doubled.size(), [3, 1, 8, 8]);
    assert!(
        mnist
            .forward_image(&doubled)
            .unwrap()
            .allclose(&expected, 1e-5, 1e-6, false)
    );
    assert_eq!(
        mnist
            .forward_image(&numbers(&[2, 1, 32, 30]))
            .unwrap()
            .size(),
        [2, 12]
    );
    assert_eq!(
        mnist.forward_image(&numbers(&[0, 1, 4, 4])).unwrap().size(),
        [0, 12]
    );
    assert_eq!(
        mnist.forward_image(&numbers(&[0, 1, 7, 9])).unwrap().size(),
        [0, 12]
    );
}

#[test]
fn what_is_not_an_image_is_refused() {
    let mnist = narrow();
    for shape in [&[2, 16][..], &[2, 3, 4, 4], &[2, 1, 0, 4], &[2, 1, 1, 4, 4]] {
        let refused = mnist.forward_image(&numbers(shape));
        assert!(
            matches!(refused, Err(SynapseError::Shape { what: "images", .. })),
            "{shape:?}"
        );
    }
    let integers = numbers(&[2, 1, 4, 4]).to_kind(Kind::Int64);
    assert!(matches!(
        mnist.forward_image(&integers),
        Err(SynapseError::Kind { .. })
    ));
    let images = numbers(&[2, 1, 4, 4]);
    let three = Labels::from(&Tensor::from_slice(&[1i64, 2, 3]));
    assert!(
        mnist
            .forward(&images, Some(&three), None, Mode::Training)
            .is_err()
    );
    assert!(
        mnist
            .forward(&images, None, Some(&numbers(&[2, 11])), Mode::Training)
            .is_err()
    );
    let out_of_range = Labels::from(&Tensor::from_slice(&[1i64, 10]));
    assert!(
        mnist
            .forward(&images, Some(&out_of_range), None, Mode::Training)
            .is_err()
    );
}

#[test]
fn peers_are_served_the_local_output() {
    let mnist = narrow();
    let images = numbers(&[2, 1, 4, 4]);
    let request = crate::tensor::to_wire(&images, DType::F32).unwrap();
    let answer = mnist
        .serve(Modality::Image, Output::Encoding, &request)
        .unwrap();
    let expected = mnist
        .forward(&images, None, None, Mode::Evaluation)
        .unwrap()
        .local_output;
    assert_eq!(answer.shape(), [2, 12]);
    assert_eq!(
        answer.to_f32().unwrap(),
        Vec::<f32>::try_from(expected.detach().reshape(-1)).unwrap()
    );
    assert!(matches!(
        mnist.serve(Modality::Text, Output::Encoding, &request),
        Err(SynapseError::NotImplemented(Modality::Text))
    ));
}

#[test]
fn users_are_served_the_local_target() {
    let mnist = narrow();
    let images = numbers(&[2, 1, 4, 4]);
    let request = crate::tensor::to_wire(&images, DType::F32).unwrap();
    let answer = mnist
        .serve(Modality::Image, Output::Prediction, &request)
        .unwrap();
    let expected = mnist
        .forward(&images, None, None, Mode::Evaluation)
        .unwrap()
        .local_target;
    let declared = mnist.entry_points()[0].prediction_shape.clone().unwrap();
    assert_eq!(answer.row_shape(), declared);
    let answer = answer.to_f32().unwrap();
    assert_eq!(
        answer,
        Vec::<f32>::try_from(expected.detach().reshape(-1)).unwrap()
    );
    for row in answer.chunks(declared[0] as usize) {
        let sum: f32 = row.iter().map(|log_p| log_p.exp()).sum();
        assert!((sum - 1.0).abs() < 1e-5, "{row:?}");
    }
    assert!(matches!(
        mnist.serve(Modality::Text, Output::Prediction, &request),
        Err(SynapseError::NotImplemented(Modality::Text))
    ));
}

#[test]
fn training_does_not_change_a_served_copy() {
    lesson(&narrow()).leaves_a_copy_alone();
}

#[test]
fn parameters_return_into_another_model() {
    let (ours, mut other) = (narrow(), Mnist::new(NARROW, 4, CPU));
    let images = numbers(&[2, 1, 4, 4]);
    let expected = ours.forward_image(&images).unwrap();
    assert!(!other.forward_image(&images).unwrap().equal(&expected));
    other.load(&ours.parameters()).unwrap();
    assert!(other.forward_image(&images).unwrap().equal(&expected));
    assert!(
        Mnist::new(NARROW, 3, CPU)
            .forward_image(&images)
            .unwrap()
            .equal(&expected)
    );
}

#[test]
fn a_peers_gradient_moves_the_local_branch() {
    let mnist = narrow();
    let images = numbers(&[2, 1, 4, 4]);
    mnist
        .accumulate(
            Modality::Image,
            &images,
            &Tensor::ones([2, 12], (Kind::Float, CPU)),
        )
        .unwrap();
    let moved = moved(&mnist);
    assert!(
        !moved.is_empty() && moved.iter().all(|name| name.starts_with("main.")),
        "{moved:?}"
    );
}
