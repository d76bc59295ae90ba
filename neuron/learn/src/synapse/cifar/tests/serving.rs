//! What peers are answered, and what a copy or a checkpoint of the model is.

use neuron_proto::Output;

use super::*;
use crate::checkpoint::{Checkpoint, Progress};

#[test]
fn peers_and_users_are_served_what_evaluation_computes() {
    let cifar = small();
    let images = numbers(&[2, 3, 16, 16]);
    cifar.perceive(&images, Mode::Training).unwrap();
    let request = crate::tensor::to_wire(&images, DType::F32).unwrap();
    let expected = cifar
        .forward(&images, None, None, Mode::Evaluation)
        .unwrap();
    let copy = cifar.copy();
    let declared = copy.entry_points().remove(0);
    for (output, row_shape, expected) in [
        (
            Output::Encoding,
            declared.output_shape,
            expected.local_output,
        ),
        (
            Output::Prediction,
            declared.prediction_shape.unwrap(),
            expected.local_target,
        ),
    ] {
        let answer = copy.serve(Modality::Image, output, &request).unwrap();
        assert_eq!(answer.row_shape(), row_shape);
        let expected = Vec::<f32>::try_from(expected.detach().reshape(-1)).unwrap();
        assert_eq!(answer.to_f32().unwrap(), expected);
    }
    assert!(matches!(
        copy.serve(Modality::Text, Output::Encoding, &request),
        Err(SynapseError::NotImplemented(Modality::Text))
    ));
}

#[test]
fn a_served_row_does_not_depend_on_the_others_of_its_batch() {
    let cifar = small();
    let images = numbers(&[5, 3, 16, 16]);
    cifar.perceive(&images, Mode::Training).unwrap();
    let served = cifar.copy();
    let encode = |images: &Tensor| served.encode(Modality::Image, images).unwrap();
    let together = encode(&images);
    for row in 0..5 {
        let alone = encode(&images.narrow(0, row, 1));
        assert!(alone.allclose(&together.narrow(0, row, 1), 1e-5, 1e-6, false));
    }
    // In training it does, or this would show nothing.
    let train = |images: &Tensor| cifar.perceive(images, Mode::Training).unwrap().local_output;
    let (alone, together) = (train(&images.narrow(0, 0, 1)), train(&images));
    assert!(!alone.allclose(&together.narrow(0, 0, 1), 1e-2, 1e-2, false));
}

#[test]
fn answering_changes_nothing_and_training_does_not_change_a_served_copy() {
    let cifar = small();
    let images = numbers(&[2, 3, 16, 16]);
    let served = cifar.copy();
    let first = values(&cifar.state());
    let before = served.encode(Modality::Image, &images).unwrap();
    assert!(before.equal(&cifar.forward_image(&images).unwrap()));
    assert!(!before.requires_grad());
    assert!(are_equal(&cifar.state(), &first));
    assert!(are_equal(&served.state(), &first));

    cifar.perceive(&images, Mode::Training).unwrap();
    tch::no_grad(|| {
        for parameter in cifar.parameters().values() {
            let _ = parameter.shallow_clone().zero_();
        }
    });
    let changed = cifar.state();
    assert!(first.iter().all(|(name, tensor)| {
        // Biases of norms begin at zero.
        name.ends_with("norm.bias") || !tensor.equal(&changed[name])
    }));
    assert!(are_equal(&served.state(), &first));
    assert!(
        served
            .encode(Modality::Image, &images)
            .unwrap()
            .equal(&before)
    );
}

#[test]
fn parameters_and_statistics_return_into_another_model() {
    let (ours, mut other) = (small(), Cifar::new(SMALL, 4, CPU));
    let images = numbers(&[2, 3, 16, 16]);
    ours.perceive(&images, Mode::Training).unwrap();
    let expected = ours.forward_image(&images).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.safetensors");
    checkpoint(ours.state()).save(&path).unwrap();

    let stored = Checkpoint::load(&path).unwrap().parameters;
    other.load(&stored).unwrap();
    assert!(other.forward_image(&images).unwrap().equal(&expected));

    let before = values(&other.state());
    let mut without = stored;
    without.remove("transform.stage2.block2.layer3.norm.running_var");
    let error = other.load(&without).unwrap_err().to_string();
    assert!(error.contains("running_var"), "{error}");
    assert!(are_equal(&other.state(), &before));
}

fn checkpoint(parameters: Parameters) -> Checkpoint {
    Checkpoint {
        progress: Progress {
            seed: 0,
            step: 0,
            position: Default::default(),
            best_loss: None,
            scaler: None,
            need: Default::default(),
        },
        weights: Default::default(),
        config: serde_json::Value::Null,
        parameters,
        velocities: Parameters::new(),
    }
}
