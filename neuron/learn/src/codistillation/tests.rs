use neuron_wallet::PublicKey;
use tch::Device;

use super::*;
use crate::{
    likeliest::Likeliest,
    loss::IGNORED,
    optim::{Sgd, SgdConfig, zero_gradients},
    router::RouterConfig,
    synapse::{Bert, BertConfig, Mode, Synapse},
};

/// A router over contexts of one number.
pub(super) fn router(topk: i64) -> Router {
    let config = RouterConfig {
        x_dim: 1,
        key_dim: 4,
        topk,
    };
    Router::new(config, 1, Device::Cpu)
}

/// One row, asked of two peers by halves: the router's scores are all zero in a context of zero, but for its bias.
fn routes(router: &mut Router, n_rows: i64) -> Routes {
    let peers = [1, 2].map(|seed| PublicKey([seed; 32]));
    let zeros = Tensor::zeros([n_rows, 1], (Kind::Float, Device::Cpu));
    let bias = &router.parameters()["router.gate.bias"];
    let _ = tch::no_grad(|| bias.shallow_clone().zero_());
    router.route(&peers, &zeros, &zeros).unwrap().1
}

fn row(probabilities: [f32; 2]) -> Tensor {
    Tensor::from_slice(&probabilities).log().reshape([1, 2])
}

fn alone(probabilities: [f32; 2], labels: &Labels) -> (Tensor, SynapseOutput) {
    let logits = row(probabilities).set_requires_grad(true);
    let target = logits.log_softmax(-1, Kind::Float);
    let loss = loss::nll(&target, &labels.targets).unwrap();
    let output = SynapseOutput {
        local_output: Tensor::zeros([1, 3], (Kind::Float, Device::Cpu)),
        local_target: target,
        loss: Some(loss.shallow_clone()),
        local_target_loss: Some(loss),
        local_next_sentence_loss: None,
        network_output: None,
        network_target: None,
        network_target_loss: None,
        distillation_loss: None,
    };
    (logits, output)
}

fn labels(class: i64) -> Labels {
    Labels::from(&Tensor::from_slice(&[class]))
}

fn number(tensor: &Option<Tensor>) -> f64 {
    tensor.as_ref().unwrap().double_value(&[])
}

#[test]
fn a_batch_among_peers_is_by_the_formulas() {
    let mut router = router(2);
    let routes = routes(&mut router, 1);
    // One sends log-probabilities, the other the same with something added, which is the same distribution.
    let responses = [Some(row([0.9, 0.1])), Some(row([0.5, 0.5]) + 7.0)];
    let told = join(&router, &routes, &responses, &[2]).unwrap();
    let labels = labels(0);
    let (_, output) = alone([0.4, 0.6], &labels);
    let output = conclude(output, &routes, &told, Some(&labels), 0.25).unwrap();

    // p_peers = (0.9 + 0.5) / 2; p_net = (0.7 + 0.4 / 2) / 1.5
    let (peers, net): (f64, f64) = (0.7, 0.6);
    let target = output.network_target.as_ref().unwrap();
    assert!((target.double_value(&[0, 0]) - net.ln()).abs() < 1e-6);
    assert!((target.double_value(&[0, 1]) - (1.0 - net).ln()).abs() < 1e-6);
    assert!((number(&output.network_target_loss) + net.ln()).abs() < 1e-6);
    let imitated = -peers * 0.4_f64.ln() - (1.0 - peers) * 0.6_f64.ln();
    assert!((number(&output.distillation_loss) - imitated).abs() < 1e-6);
    let loss = 0.75 * -0.4_f64.ln() + 0.25 * imitated - net.ln();
    assert!((number(&output.loss) - loss).abs() < 1e-6);
}

#[test]
fn gates_move_to_who_knows_and_the_model_to_labels_and_peers() {
    let mut router = router(2);
    let routes = routes(&mut router, 1);
    let responses = [Some(row([0.9, 0.1])), Some(row([0.2, 0.8]))];
    let told = join(&router, &routes, &responses, &[2]).unwrap();
    let labels = labels(0);
    let (logits, output) = alone([0.4, 0.6], &labels);
    let output = conclude(output, &routes, &told, Some(&labels), 0.5).unwrap();
    output.loss.as_ref().unwrap().backward();

    // d/d logits of −Σ t·ln softmax is p − t, with t = ½·[1, 0] + ½·[0.55, 0.45]
    let moved = Vec::<f64>::try_from(logits.grad().reshape(-1)).unwrap();
    for (moved, expected) in moved.iter().zip([0.4 - 0.775, 0.6 - 0.225]) {
        assert!((moved - expected).abs() < 1e-6, "{moved} {expected}");
    }
    let keys = router.parameters();
    let bias = keys["router.gate.bias"].grad();
    let better = keys[&format!("router.keys.{}", PublicKey([1; 32]))].shallow_clone();
    let worse = keys[&format!("router.keys.{}", PublicKey([2; 32]))].shallow_clone();
    // A step down the bias's gradient raises the score of the better over that of the worse.
    let rise = -(bias * (better - worse)).sum(Kind::Float).double_value(&[]);
    assert!(rise > 0.0, "{rise}");
}

#[test]
fn gates_end_where_they_are_worth_what_they_are_paid() {
    let mut router = router(2);
    let labels = labels(0);
    let [better, worse, own] = [0.8f32, 0.5, 0.6];
    let mut sgd = Sgd::new(SgdConfig::default());
    let mut gates = [0.0; 2];
    for _ in 0..400 {
        let zeros = Tensor::zeros([1, 1], (Kind::Float, Device::Cpu));
        let peers = [1, 2].map(|seed| PublicKey([seed; 32]));
        let (_, routes) = router.route(&peers, &zeros, &zeros).unwrap();
        gates = [0, 1].map(|peer| routes.gates().double_value(&[0, peer]));
        let responses = [better, worse].map(|p| Some(row([p, 1.0 - p])));
        let told = join(&router, &routes, &responses, &[2]).unwrap();
        let (_, output) = alone([own, 1.0 - own], &labels);
        let output = conclude(output, &routes, &told, Some(&labels), 0.5).unwrap();
        let parameters = router.parameters();
        zero_gradients(&parameters);
        output.loss.unwrap().backward();
        sgd.step(&parameters, 0.2);
    }
    // ln(g_1 / g_2) = (p_1 − p_2) / (g_1·p_1 + g_2·p_2 + ½·p_own) / β
    let [better, worse, own] = [better, worse, own].map(f64::from);
    let net = gates[0] * better + gates[1] * worse + own / 2.0;
    let expected = (better - worse) / net / TEMPERATURE;
    let ratio = (gates[0] / gates[1]).ln();
    assert!((ratio - expected).abs() < 0.01, "{ratio} {expected}");
}

#[test]
fn who_does_not_answer_leaves_the_others_their_weight() {
    let mut router = router(2);
    let labels = labels(0);
    let mut among = |responses: [Option<Tensor>; 2]| {
        let routes = routes(&mut router, 1);
        let told = join(&router, &routes, &responses, &[2]).unwrap();
        let (logits, output) = alone([0.4, 0.6], &labels);
        let output = conclude(output, &routes, &told, Some(&labels), 1.0).unwrap();
        output.loss.as_ref().unwrap().backward();
        let target = output.network_target.unwrap().exp();
        (target.double_value(&[0, 0]), logits.grad())
    };
    // p_net = (0.9 / 2 + 0.4 / 2) / (0.5 + 0.5)
    let (net, _) = among([Some(row([0.9, 0.1])), None]);
    assert!((net - 0.65).abs() < 1e-6, "{net}");
    // Nobody answers: the network is the neuron itself, and there is nothing to imitate.
    let (net, gradient) = among([None, None]);
    assert!((net - 0.4).abs() < 1e-6, "{net}");
    assert!(gradient.abs().max().double_value(&[]) < 1e-6);
}

#[test]
fn of_who_tells_a_part_the_rest_is_as_one_thinks_oneself() {
    let mut router = router(2);
    let routes = routes(&mut router, 1);
    // Of three classes the first: nine and six tenths, so that one and four tenths are left.
    let first = |probability: f32| {
        Some(Likeliest {
            log_probabilities: Tensor::from_slice(&[probability.ln()]).reshape([1, 1]),
            classes: Tensor::from_slice(&[0i64]).reshape([1, 1]),
        })
    };
    let labels = labels(2);
    let logits = Tensor::from_slice(&[0.5f32, 0.2, 0.3])
        .log()
        .reshape([1, 3]);
    let logits = logits.set_requires_grad(true);
    let target = logits.log_softmax(-1, Kind::Float);
    let output = SynapseOutput {
        local_target_loss: Some(loss::nll(&target, &labels.targets).unwrap()),
        local_target: target,
        ..alone([0.5, 0.5], &Labels::from(&Tensor::from_slice(&[0i64]))).1
    };
    let told = join_likeliest(&routes, &[first(0.9), first(0.6)], &output.local_target).unwrap();
    let output = conclude(output, &routes, &told, Some(&labels), 1.0).unwrap();
    output.loss.as_ref().unwrap().backward();

    // The others have 0.25 on average, of which 2/5 and 3/5: p_peers = [0.75, 0.1, 0.15]; p_net(label) = (0.15 + 0.3 / 2) / 1.5
    assert!((number(&output.network_target_loss) + 0.2_f64.ln()).abs() < 1e-6);
    let moved = Vec::<f64>::try_from(logits.grad().reshape(-1)).unwrap();
    for (moved, expected) in moved.iter().zip([0.5 - 0.75, 0.2 - 0.1, 0.3 - 0.15]) {
        assert!((moved - expected).abs() < 1e-6, "{moved} {expected}");
    }
    // Of the label, which neither names, the second leaves more.
    let keys = router.parameters();
    let bias = keys["router.gate.bias"].grad();
    let [first, second] = [1, 2].map(|seed| {
        let name = format!("router.keys.{}", PublicKey([seed; 32]));
        keys[&name].shallow_clone()
    });
    let rise = -(bias * (second - first)).sum(Kind::Float).double_value(&[]);
    assert!(rise > 0.0, "{rise}");
}

#[test]
fn every_place_of_a_text_is_heard_and_ignored_ones_teach_nothing() {
    let mut router = router(2);
    let routes = routes(&mut router, 1);
    let peer = row([0.9, 0.1]).reshape([1, 1, 2]).repeat([1, 3, 1]);
    let told = join(&router, &routes, &[Some(peer.copy()), Some(peer)], &[3, 2]).unwrap();
    let targets = Tensor::from_slice(&[0i64, 1, IGNORED]).reshape([1, 3]);
    let labels = Labels::from(&targets);
    let logits = Tensor::zeros([1, 3, 2], (Kind::Float, Device::Cpu)).set_requires_grad(true);
    let target = logits.log_softmax(-1, Kind::Float);
    let output = SynapseOutput {
        local_target_loss: Some(loss::nll(&target, &targets).unwrap()),
        local_target: target,
        ..alone([0.5, 0.5], &Labels::from(&Tensor::from_slice(&[0i64]))).1
    };
    let output = conclude(output, &routes, &told, Some(&labels), 0.5).unwrap();
    assert_eq!(output.network_target.as_ref().unwrap().size(), [1, 3, 2]);
    output.loss.unwrap().backward();
    let ignored = logits.grad().select(1, 2);
    assert_eq!(ignored.abs().max().double_value(&[]), 0.0);
    assert!(logits.grad().select(1, 0).abs().max().double_value(&[]) > 0.0);
}

#[test]
fn whether_a_sentence_is_the_next_one_is_learned_from_labels_alone() {
    let bert = Bert::new(BertConfig::tiny(30), 1, Device::Cpu);
    let tokens = Tensor::from_slice(&[2i64, 7, 8, 3, 9, 3]).reshape([1, 6]);
    let labels = Labels {
        targets: tokens.shallow_clone(),
        next_sentence: Some(Tensor::from_slice(&[1i64])),
    };
    let head = &bert.parameters()["cls.seq_relationship.weight"];
    let moved = |imitation: f64| {
        let mut router = router(2);
        let routes = routes(&mut router, 1);
        let peer = Tensor::zeros([1, 6, 30], (Kind::Float, Device::Cpu));
        let told = join(&router, &routes, &[Some(peer.copy()), Some(peer)], &[6, 30]).unwrap();
        let alone = bert.forward(&tokens, Some(&labels), None, Mode::Evaluation);
        zero_gradients(&bert.parameters());
        let output = conclude(alone.unwrap(), &routes, &told, Some(&labels), imitation).unwrap();
        output.loss.unwrap().backward();
        head.grad().copy()
    };
    // Given no peers, the head moves by the labels; when peers are imitated, in whatever share, it moves by the same.
    let alone = moved(0.0);
    assert!(alone.abs().max().double_value(&[]) > 0.0);
    for imitation in [0.5, 1.0] {
        assert!(moved(imitation).allclose(&alone, 1e-5, 1e-7, false));
    }
}

#[test]
fn what_is_of_other_classes_is_refused() {
    let mut router = router(2);
    let routes = routes(&mut router, 1);
    let told = join(&router, &routes, &[None, None], &[3]).unwrap();
    let (_, output) = alone([0.5, 0.5], &labels(0));
    assert!(matches!(
        conclude(output, &routes, &told, None, 0.5),
        Err(SynapseError::Shape {
            what: "what peers told",
            ..
        })
    ));
}
