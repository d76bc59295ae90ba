use neuron_proto::Output;

use super::*;
use crate::synapse::promises::{Lesson, is_near, moved, of_student};

mod folder;
mod generation;

const CPU: Device = Device::Cpu;
const VOCAB: i64 = 20;
const WIDTH: i64 = 32;

fn tiny() -> Gpt {
    seeded(3)
}

fn seeded(seed: u64) -> Gpt {
    Gpt::new(Gpt2Config::tiny(VOCAB), seed, CPU)
}

fn texts() -> Tensor {
    Tensor::from_slice(&[2i64, 7, 4, 3, 9, 3, 2, 4, 3, 11, 0, 5]).reshape([2, 6])
}

/// The token after each.
fn labels() -> Labels {
    Labels::of_next(&texts())
}

/// What peers might say.
fn network() -> Tensor {
    let numbers = Tensor::arange(2 * 6 * WIDTH, (Kind::Float, CPU)) * 0.7;
    numbers.sin().reshape([2, 6, WIDTH])
}

/// Something to learn for this model.
fn lesson(gpt: &Gpt) -> Lesson<'_> {
    Lesson {
        synapse: gpt,
        inputs: texts(),
        labels: labels(),
        network: network(),
    }
}

fn learn(gpt: &Gpt, labels: Option<&Labels>, network: Option<&Tensor>) -> SynapseOutput {
    lesson(gpt).learn(labels, network)
}

#[test]
fn without_a_network_only_the_local_branch_exists() {
    lesson(&tiny()).learns_alone();
    let target = learn(&tiny(), None, None).local_target;
    assert_eq!(target.size(), [2, 6, VOCAB]);
}

#[test]
fn the_loss_is_of_the_token_that_comes_next() {
    let output = learn(&tiny(), Some(&labels()), None);
    let (target, tokens) = (output.local_target, texts());
    let mut sum = 0.0;
    for row in 0..2 {
        for place in 0..5 {
            let next = tokens.int64_value(&[row, place + 1]);
            sum -= target.double_value(&[row, place, next]);
        }
    }
    let loss = output.local_target_loss.unwrap().double_value(&[]);
    assert!((loss - sum / 10.0).abs() < 1e-5);
    // Weights are small as yet, so that every token is about as likely as any other.
    assert!((loss - (VOCAB as f64).ln()).abs() < 0.2);
}

#[test]
fn the_loss_is_the_sum_of_all_three() {
    lesson(&tiny()).adds_losses_up();
}

#[test]
fn the_network_branch_tells_by_what_the_network_says() {
    let gpt = tiny();
    let target = |network: &Tensor| learn(&gpt, None, Some(network)).network_target.unwrap();
    let said = target(&network());
    assert!(!is_near(&said, &target(&-network())));
    assert!(!is_near(&said, &learn(&gpt, None, None).local_target));
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
            .any(|name| name.starts_with("transformer.h.1."))
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
    // 12 of the block and 2 of the norm.
    assert_eq!(moved.len(), 14, "{moved:?}");
    assert!(moved.iter().all(|name| of_student(name)));
}

#[test]
fn the_network_learns_from_the_network_branch_only() {
    lesson(&tiny()).moves_the_network_by_its_branch();
}

#[test]
fn a_step_with_the_network_moves_the_routers_gate_and_the_pooler() {
    let gpt = tiny();
    lesson(&gpt).moves_the_gate(|seed| Box::new(seeded(seed)));
    assert!(moved(&gpt).contains(&"pooler.weight".to_owned()));
}

#[test]
fn the_router_is_told_of_the_whole_text_and_encodings_of_what_is_before() {
    let gpt = tiny();
    let perceive = |last: i64| {
        let tokens = Tensor::from_slice(&[2, 7, 4, last]).unsqueeze(0);
        let perception = gpt.perceive(&tokens, Mode::Evaluation).unwrap();
        (perception.context, perception.local_output.narrow(1, 0, 3))
    };
    let ((context, before), (other_context, also_before)) = (perceive(5), perceive(6));
    assert_eq!(context.size(), [1, WIDTH]);
    assert!(!is_near(&context, &other_context));
    assert!(is_near(&before, &also_before));
}

#[test]
fn training_drops_and_evaluation_does_not() {
    let gpt = tiny();
    let outputs = |mode| [(); 2].map(|()| gpt.perceive(&texts(), mode).unwrap().local_output);
    let [first, second] = outputs(Mode::Training);
    assert!(!is_near(&first, &second));
    let [first, second] = outputs(Mode::Evaluation);
    assert!(first.equal(&second));
    assert!(gpt.forward_text(&texts()).unwrap().equal(&first));
}

#[test]
fn what_is_no_text_is_refused() {
    let gpt = tiny();
    assert!(matches!(
        gpt.forward_text(&(texts() + VOCAB)),
        Err(SynapseError::Token { .. })
    ));
    let refused = |labels: Option<&Labels>, network: Option<&Tensor>| {
        let forward = gpt.forward(&texts(), labels, network, Mode::Evaluation);
        matches!(forward, Err(SynapseError::Shape { .. }))
    };
    let of_classes = Labels::from(&Tensor::from_slice(&[1i64, 2]));
    assert!(refused(Some(&of_classes), None));
    assert!(refused(None, Some(&network().narrow(1, 0, 5))));
    let none = gpt.forward_text(&texts().narrow(0, 0, 0)).unwrap();
    assert_eq!(none.size(), [0, 6, WIDTH]);
}

#[test]
fn peers_are_served_the_local_branch() {
    let gpt = tiny();
    let request = crate::tensor::to_wire(&texts(), DType::I64).unwrap();
    let served = |output| {
        let answer = gpt.copy().serve(Modality::Text, output, &request).unwrap();
        crate::tensor::to_torch(&answer, CPU).unwrap()
    };
    let expected = learn(&gpt, None, None);
    assert!(served(Output::Encoding).equal(&expected.local_output));
    let prediction = served(Output::Prediction);
    assert_eq!(prediction.size(), [2, VOCAB]);
    assert!(is_near(&prediction, &expected.local_target.select(1, -1)));
    let declared = gpt.entry_points()[0].prediction_shape.clone().unwrap();
    assert_eq!(declared, [20]);
    assert!(served(Output::Target).equal(&expected.local_target));
    assert!(matches!(
        gpt.serve(Modality::Image, Output::Encoding, &request),
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
