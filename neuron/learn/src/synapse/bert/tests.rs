use std::num::NonZeroU32;

use neuron_proto::Output;

use super::*;
use crate::loss::IGNORED;

mod folder;

const CPU: Device = Device::Cpu;
const PAD: i64 = 0;
const SEP: i64 = 3;
const VOCAB: i64 = 20;
const WIDTH: i64 = 32;

fn tiny() -> Bert {
    seeded(3)
}

fn seeded(seed: u64) -> Bert {
    Bert::new(BertConfig::tiny(VOCAB), seed, CPU)
}

/// A pair of sentences, and one with padding.
fn texts() -> Tensor {
    Tensor::from_slice(&[2, 7, 4, SEP, 9, SEP, 2, 4, SEP, 11, PAD, PAD]).reshape([2, 6])
}

/// Token 4 stands for what was masked.
fn labels() -> Labels {
    let words = [
        [IGNORED; 2],
        [8, IGNORED],
        [IGNORED; 2],
        [IGNORED, 5],
        [IGNORED; 2],
        [IGNORED; 2],
    ];
    Labels {
        targets: Tensor::from_slice(&words.concat()).reshape([2, 6]),
        next_sentence: Some(Tensor::from_slice(&[0i64, 1])),
    }
}

/// What peers might say.
fn network() -> Tensor {
    let numbers = Tensor::arange(2 * 6 * WIDTH, (Kind::Float, CPU)) * 0.7;
    numbers.sin().reshape([2, 6, WIDTH])
}

fn learn(bert: &Bert, labels: Option<&Labels>, network: Option<&Tensor>) -> SynapseOutput {
    bert.forward(&texts(), labels, network, Mode::Evaluation)
        .unwrap()
}

fn is_near(ours: &Tensor, theirs: &Tensor) -> bool {
    ours.allclose(theirs, 1e-5, 1e-6, false)
}

/// Names of the parameters that a backward pass gave a gradient other than zero.
fn moved(bert: &Bert) -> Vec<String> {
    let has_moved = |parameter: &Tensor| {
        let gradient = parameter.grad();
        gradient.defined() && gradient.abs().sum(Kind::Double).double_value(&[]) > 0.0
    };
    let parameters = bert.parameters().into_iter();
    parameters
        .filter(|(_, parameter)| has_moved(parameter))
        .map(|(name, _)| name)
        .collect()
}

fn of_student(name: &str) -> bool {
    name.starts_with("student.")
}

#[test]
fn without_a_network_only_the_local_branch_exists() {
    let output = learn(&tiny(), Some(&labels()), None);
    assert_eq!(output.local_output.size(), [2, 6, WIDTH]);
    assert_eq!(output.local_target.size(), [2, 6, VOCAB]);
    assert!(output.network_output.is_none() && output.network_target.is_none());
    assert!(output.network_target_loss.is_none() && output.distillation_loss.is_none());
    let [loss, local] = [output.loss, output.local_target_loss].map(Option::unwrap);
    assert!(loss.equal(&local));
    assert!(learn(&tiny(), None, None).loss.is_none());
}

#[test]
fn the_loss_is_that_of_words_and_of_the_next_sentence() {
    let bert = tiny();
    let loss = |labels: &Labels| {
        let output = learn(&bert, Some(labels), None);
        output.local_target_loss.unwrap().double_value(&[])
    };
    let both = loss(&labels());
    let words = Labels {
        next_sentence: None,
        ..labels()
    };
    let nothing_masked = Labels {
        targets: labels().targets.full_like(IGNORED),
        ..labels()
    };
    assert!((loss(&words) + loss(&nothing_masked) - both).abs() < 1e-5);
    // Weights are small as yet, so that every class is about as likely as any other.
    assert!((loss(&words) - (VOCAB as f64).ln()).abs() < 0.2);
    assert!((loss(&nothing_masked) - 2f64.ln()).abs() < 0.2);
}

#[test]
fn the_loss_is_the_sum_of_all_three() {
    let output = learn(&tiny(), Some(&labels()), Some(&network()));
    let losses = [
        output.local_target_loss,
        output.network_target_loss,
        output.distillation_loss,
    ];
    let sum: f64 = losses
        .map(|loss| loss.unwrap().double_value(&[]))
        .iter()
        .sum();
    assert!((output.loss.unwrap().double_value(&[]) - sum).abs() < 1e-5);
    assert_eq!(output.network_target.unwrap().size(), [2, 6, VOCAB]);
}

#[test]
fn the_student_learns_from_distillation_only() {
    let alone = tiny();
    learn(&alone, Some(&labels()), None)
        .loss
        .unwrap()
        .backward();
    assert!(moved(&alone).iter().any(|name| name.starts_with("join.")));
    assert!(
        moved(&alone)
            .iter()
            .any(|name| name.starts_with("cls.seq_relationship."))
    );
    assert!(!moved(&alone).iter().any(|name| of_student(name)));

    let targets = tiny();
    let output = learn(&targets, Some(&labels()), Some(&network()));
    (output.local_target_loss.unwrap() + output.network_target_loss.unwrap()).backward();
    assert!(!moved(&targets).iter().any(|name| of_student(name)));

    let imitating = tiny();
    let output = learn(&imitating, Some(&labels()), Some(&network()));
    output.distillation_loss.unwrap().backward();
    let moved = moved(&imitating);
    // The bias of its keys is the same for all keys of a query, and moves nothing, up to rounding.
    assert!((15..=16).contains(&moved.len()), "{moved:?}");
    assert!(moved.iter().all(|name| of_student(name)));
}

#[test]
fn the_network_learns_from_the_network_branch_only() {
    let network = network().set_requires_grad(true);
    let learn = || learn(&tiny(), Some(&labels()), Some(&network));
    let output = learn();
    (output.local_target_loss.unwrap() + output.distillation_loss.unwrap()).backward();
    assert!(!network.grad().defined());
    learn().network_target_loss.unwrap().backward();
    assert!(network.grad().abs().sum(Kind::Double).double_value(&[]) > 0.0);
}

#[test]
fn what_the_network_says_about_padding_does_not_matter() {
    let bert = tiny();
    let real = texts().ne(PAD).unsqueeze(-1);
    let loss = |network: &Tensor| {
        let output = learn(&bert, Some(&labels()), Some(network));
        let padding = output.network_output.unwrap() * real.logical_not();
        assert_eq!(padding.abs().max().double_value(&[]), 0.0);
        output.loss.unwrap().double_value(&[])
    };
    let elsewhere = network() * &real + real.logical_not() * 100.0;
    assert!((loss(&network()) - loss(&elsewhere)).abs() < 1e-6);
}

#[test]
fn a_step_with_the_network_moves_the_routers_gate() {
    use crate::router::{Router, RouterConfig};
    use neuron_wallet::PublicKey;

    let bert = tiny();
    let config = RouterConfig {
        x_dim: bert.d_context(),
        key_dim: 5,
        topk: 2,
    };
    let mut router = Router::new(config, 1, CPU);
    let peers = [1, 2, 3].map(|i| PublicKey([i; 32]));

    let perception = bert.perceive(&texts(), Mode::Training).unwrap();
    let (requests, routes) = router.route(&peers, &perception.context, &texts()).unwrap();
    let responses: Vec<_> = requests
        .iter()
        .zip(10..)
        .map(|(request, seed)| {
            let peer = seeded(seed).copy();
            Some(peer.encode(Modality::Text, request).unwrap())
        })
        .collect();
    let joined = router.join_level(&routes, &responses, &[6, WIDTH]).unwrap();
    let output = bert
        .conclude(&perception, Some(&labels()), Some(joined.context()))
        .unwrap();
    output.loss.unwrap().backward();

    let gradient = router.parameters()["router.gate.weight"].grad();
    assert!(gradient.defined() && gradient.abs().max().double_value(&[]) > 0.0);
    for peer in 0..peers.len() {
        let asked = !routes.rows(peer).is_empty();
        assert_eq!(joined.gradient(peer).is_some(), asked);
    }
}

#[test]
fn training_drops_and_evaluation_does_not() {
    let bert = tiny();
    let outputs = |mode| [(); 2].map(|()| bert.perceive(&texts(), mode).unwrap().local_output);
    let [first, second] = outputs(Mode::Training);
    assert!(!is_near(&first, &second));
    let [first, second] = outputs(Mode::Evaluation);
    assert!(first.equal(&second));
    assert!(bert.forward_text(&texts()).unwrap().equal(&first));
}

#[test]
fn what_is_no_text_is_refused() {
    let bert = tiny();
    let unknown = texts() + VOCAB;
    assert!(matches!(
        bert.forward_text(&unknown),
        Err(SynapseError::Token { .. })
    ));
    let refused = |labels: Option<&Labels>, network: Option<&Tensor>| {
        let forward = bert.forward(&texts(), labels, network, Mode::Evaluation);
        matches!(forward, Err(SynapseError::Shape { .. }))
    };
    let of_classes = Labels::from(&Tensor::from_slice(&[1i64, 2]));
    assert!(refused(Some(&of_classes), None));
    let of_one = Labels {
        next_sentence: Some(Tensor::from_slice(&[1i64])),
        ..labels()
    };
    assert!(refused(Some(&of_one), None));
    assert!(refused(None, Some(&network().narrow(1, 0, 5))));
    let none = bert.forward_text(&texts().narrow(0, 0, 0)).unwrap();
    assert_eq!(none.size(), [0, 6, WIDTH]);
}

#[test]
fn peers_are_served_the_local_branch() {
    let bert = tiny();
    let request = crate::tensor::to_wire(&texts(), DType::I64).unwrap();
    let served = |output| {
        let answer = bert.copy().serve(Modality::Text, output, &request).unwrap();
        crate::tensor::to_torch(&answer, CPU).unwrap()
    };
    let expected = learn(&bert, None, None);
    let encodings = served(Output::Encoding);
    assert!(encodings.equal(&expected.local_output));
    let padding = encodings * texts().eq(PAD).unsqueeze(-1);
    assert_eq!(padding.abs().max().double_value(&[]), 0.0);

    let prediction = served(Output::Prediction);
    assert!(prediction.equal(&expected.local_target));
    let sums = prediction.exp().sum_dim_intlist(-1, false, Kind::Float);
    assert!(is_near(&sums, &sums.ones_like()));
    assert!(matches!(
        bert.serve(Modality::Image, Output::Encoding, &request),
        Err(SynapseError::NotImplemented(Modality::Image))
    ));
}

#[test]
fn the_likeliest_classes_are_those_of_the_whole_distribution_however_few_are_computed_at_once() {
    let bert = tiny();
    let request = crate::tensor::to_wire(&texts(), DType::I64).unwrap();
    let n = NonZeroU32::new(3).unwrap();
    // A distribution of 20 tokens has 80 bytes.
    for (output, max_bytes) in [
        (Output::Target, 1 << 20),
        (Output::Target, 5 * 80),
        (Output::Target, 1),
        (Output::Prediction, 80),
    ] {
        let whole = bert.serve(Modality::Text, output, &request).unwrap();
        let whole = crate::tensor::to_torch(&whole, CPU).unwrap();
        let (expected, classes) = whole.topk(3, -1, true, true);
        let copy = bert.copy();
        let told = copy.serve_likeliest(Modality::Text, output, n, &request, max_bytes);
        let (log_probabilities, told) = told.unwrap().into_parts();
        let read = |tensor| crate::tensor::to_torch(tensor, CPU).unwrap();
        assert!(read(&told).equal(&classes), "{output} {max_bytes}");
        assert!(is_near(&read(&log_probabilities), &expected));
    }
    let more = NonZeroU32::new(21).unwrap();
    assert!(
        bert.serve_likeliest(Modality::Text, Output::Target, more, &request, 80)
            .is_err()
    );
}

#[test]
fn training_does_not_change_a_served_copy() {
    let bert = tiny();
    let served = bert.copy();
    let before = served.encode(Modality::Text, &texts()).unwrap();
    assert!(!before.requires_grad());
    tch::no_grad(|| {
        for parameter in bert.parameters().values() {
            let _ = parameter.shallow_clone().fill_(0.5);
        }
    });
    assert!(
        served
            .encode(Modality::Text, &texts())
            .unwrap()
            .equal(&before)
    );
    assert!(!is_near(&bert.forward_text(&texts()).unwrap(), &before));
}

#[test]
fn parameters_return_into_another_model() {
    let (ours, mut other) = (tiny(), seeded(4));
    let expected = ours.forward_text(&texts()).unwrap();
    assert!(!is_near(&other.forward_text(&texts()).unwrap(), &expected));
    other.load(&ours.state()).unwrap();
    assert!(other.forward_text(&texts()).unwrap().equal(&expected));
    assert!(tiny().forward_text(&texts()).unwrap().equal(&expected));
}

#[test]
fn a_peers_gradient_moves_the_local_branch() {
    let bert = tiny();
    bert.accumulate(Modality::Text, &texts(), &network())
        .unwrap();
    let moved = moved(&bert);
    assert!(moved.iter().any(|name| name.starts_with("bert.encoder.")));
    assert!(moved.iter().any(|name| name.starts_with("join.")));
    assert!(
        !moved
            .iter()
            .any(|name| of_student(name) || name.starts_with("cls.")),
        "{moved:?}"
    );
}
