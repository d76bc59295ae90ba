use neuron_proto::Output;

use super::*;
use crate::loss::IGNORED;
use crate::synapse::promises::{Lesson, is_near, moved, of_student};

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

/// Something to learn for this model.
fn lesson(bert: &Bert) -> Lesson<'_> {
    Lesson {
        synapse: bert,
        inputs: texts(),
        labels: labels(),
        network: network(),
    }
}

fn learn(bert: &Bert, labels: Option<&Labels>, network: Option<&Tensor>) -> SynapseOutput {
    lesson(bert).learn(labels, network)
}

#[test]
fn without_a_network_only_the_local_branch_exists() {
    lesson(&tiny()).learns_alone();
    let target = learn(&tiny(), None, None).local_target;
    assert_eq!(target.size(), [2, 6, VOCAB]);
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
    lesson(&tiny()).adds_losses_up();
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
    lesson(&tiny()).moves_the_network_by_its_branch();
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
    let bert = tiny();
    lesson(&bert).moves_the_gate(|seed| Box::new(seeded(seed)));
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
    lesson(&tiny()).tells_the_likeliest();
}

#[test]
fn training_does_not_change_a_served_copy() {
    lesson(&tiny()).leaves_a_copy_alone();
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
