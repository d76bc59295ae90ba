mod branches;
mod serving;

use super::*;
use crate::synapse::promises::{moved, numbers};

const CPU: Device = Device::Cpu;

/// Small enough to be quick.
const SMALL: CifarConfig = CifarConfig {
    side: 16,
    dpn: DpnConfig {
        stem: 8,
        in_planes: [8, 8, 12, 12],
        out_planes: [8, 12, 16, 16],
        dense_depth: [2, 3, 4, 4],
        n_blocks: [1, 2, 1, 1],
        groups: 4,
    },
    d_model: 12,
    d_hidden: [10, 8],
    d_target: 8,
    n_classes: 10,
};

fn small() -> Cifar {
    Cifar::new(SMALL, 3, CPU)
}

fn of(module: &str) -> impl Fn(&String) -> bool {
    move |name| name.split('.').next() == Some(module)
}

/// Copies of what is there now.
fn values(parameters: &Parameters) -> Parameters {
    parameters
        .iter()
        .map(|(name, tensor)| (name.clone(), tensor.detach().copy()))
        .collect()
}

fn are_equal(ours: &Parameters, theirs: &Parameters) -> bool {
    ours.keys().eq(theirs.keys()) && ours.iter().all(|(name, a)| a.equal(&theirs[name]))
}

#[test]
fn the_default_has_the_origins_widths() {
    let config = CifarConfig::default();
    // 4·2048 + 4·(2 + 1)·128
    assert_eq!(config.d_transform(), 9728);
    let parameters = Cifar::new(config, 1, CPU).parameters();
    let expected: [(&str, &[i64]); 12] = [
        ("transform.stem.conv", &[64, 3, 3, 3]),
        ("transform.stage1.block1.layer1.conv", &[96, 64, 1, 1]),
        ("transform.stage1.block1.layer2.conv", &[96, 3, 3, 3]),
        ("transform.stage1.block1.layer3.conv", &[272, 96, 1, 1]),
        ("transform.stage1.block1.shortcut.conv", &[272, 64, 1, 1]),
        ("transform.stage4.block2.layer1.conv", &[768, 2304, 1, 1]),
        ("student.layer1", &[512, 9728]),
        ("student.layer3", &[512, 256]),
        ("hidden.layer1", &[512, 10240]),
        ("hidden.layer2", &[256, 512]),
        ("target.layer1", &[128, 512]),
        ("target.layer2", &[10, 128]),
    ];
    for (layer, shape) in expected {
        assert_eq!(parameters[&format!("{layer}.weight")].size(), shape);
    }
    assert!(!parameters.contains_key("transform.stage1.block2.shortcut.conv.weight"));
}

#[test]
fn an_image_becomes_an_encoding_and_log_probabilities() {
    let cifar = Cifar::new(CifarConfig::default(), 1, CPU);
    let _no_grad = tch::no_grad_guard();
    let images = numbers(&[1, 3, 32, 32]);
    let output = cifar.forward(&images, None, None, Mode::Evaluation);
    let output = output.unwrap();
    assert_eq!(output.local_output.size(), [1, 512]);
    assert_eq!(output.local_target.size(), [1, 10]);
    let sum = output.local_target.exp().sum(Kind::Double);
    assert!((sum.double_value(&[]) - 1.0).abs() < 1e-5);
}

#[test]
fn images_of_any_size_and_kind_are_encoded() {
    let cifar = small();
    let bytes = (numbers(&[3, 3, 16, 16]) * 255.0).to_kind(Kind::Uint8);
    let floats = bytes.to_kind(Kind::Float) / 255.0;
    let expected = cifar.forward_image(&floats).unwrap();
    assert!(cifar.forward_image(&bytes).unwrap().equal(&expected));
    let half = cifar.forward_image(&floats.to_kind(Kind::Half)).unwrap();
    assert!(half.allclose(&expected, 1e-2, 1e-2, false));
    // Each pixel four times over averages to itself.
    let doubled = floats
        .repeat_interleave_self_int(2, 2, None)
        .repeat_interleave_self_int(2, 3, None);
    let of_doubled = cifar.forward_image(&doubled).unwrap();
    assert!(of_doubled.allclose(&expected, 1e-4, 1e-5, false));
    for shape in [[2, 3, 40, 30], [0, 3, 16, 16], [0, 3, 7, 9]] {
        let encodings = cifar.forward_image(&numbers(&shape)).unwrap();
        assert_eq!(encodings.size(), [shape[0], 12]);
    }
}

#[test]
fn what_is_not_a_colour_image_is_refused() {
    let cifar = small();
    for shape in [
        &[2, 3, 16][..],
        &[2, 1, 16, 16],
        &[2, 3, 0, 16],
        &[2, 1, 3, 16, 16],
    ] {
        let error = cifar.forward_image(&numbers(shape)).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("images: expected [batch, 3, height, width], got {shape:?}")
        );
    }
    let images = numbers(&[2, 3, 16, 16]);
    assert!(matches!(
        cifar.forward_image(&images.to_kind(Kind::Int64)),
        Err(SynapseError::Kind { .. })
    ));
    let forward = |labels: Option<&Labels>, network: Option<&Tensor>| {
        cifar.forward(&images, labels, network, Mode::Evaluation)
    };
    let (three, no_class) = (&[1i64, 2, 3][..], &[1i64, 10][..]);
    let [three, no_class] =
        [three, no_class].map(|classes| Labels::from(&Tensor::from_slice(classes)));
    assert!(matches!(
        forward(Some(&three), None),
        Err(SynapseError::Shape { what: "labels", .. })
    ));
    assert!(matches!(
        forward(None, Some(&numbers(&[2, 11]))),
        Err(SynapseError::Shape {
            what: "network context",
            ..
        })
    ));
    assert!(matches!(
        forward(Some(&no_class), None),
        Err(SynapseError::Torch(_))
    ));
}

#[test]
#[should_panic(expected = "groups: 5")]
fn widths_that_make_no_network_are_a_panic_that_names_them() {
    let dpn = DpnConfig {
        groups: 5,
        ..SMALL.dpn
    };
    Cifar::new(CifarConfig { dpn, ..SMALL }, 0, CPU);
}
