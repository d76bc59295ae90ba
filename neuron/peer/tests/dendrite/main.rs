//! The dendrite against peers that answer, refuse, lie, hang and die.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot set up is its failure"
)]

mod answers;
mod connections;
mod fan_out;
mod identity;
mod other_calls;
mod scripted;

use std::time::Duration;

use neuron_peer::dendrite::{Call, Dendrite, DendriteConfig, Finish, Outcome, Peer};
use neuron_proto::{Code, Modality, Tensor};
use prometheus::Registry;
use scripted::WIDTH;

/// Longer than any test takes, so that no test ends by it.
const LONG: Duration = Duration::from_secs(60);

fn dendrite() -> Dendrite {
    Dendrite::new(None, development())
}

/// As by default, but for peers in plaintext, as most are here: they are scripted more easily.
fn development() -> DendriteConfig {
    DendriteConfig {
        allow_plaintext: true,
        ..DendriteConfig::default()
    }
}

/// `rows` rows of two values, the first of them `value`.
fn inputs(rows: u32, value: f32) -> Tensor {
    let values: Vec<f32> = (0..rows).flat_map(|_| [value, 0.0]).collect();
    Tensor::from_f32(&[rows, 2], &values).unwrap()
}

/// What a peer answers to [`inputs`] that does as it should.
fn outputs(rows: u32, value: f32) -> Tensor {
    let values = vec![value; (rows * WIDTH) as usize];
    Tensor::from_f32(&[rows, WIDTH], &values).unwrap()
}

async fn ask_all(dendrite: &Dendrite, peers: &[Peer], finish: Finish) -> Vec<Outcome> {
    let call = |peer: &Peer| Call {
        peer: *peer,
        inputs: inputs(2, f32::from(peer.uid)),
    };
    let calls = peers.iter().map(call).collect();
    dendrite
        .forward(Modality::Tensor, calls, &[WIDTH], LONG, finish)
        .await
}

async fn ask(dendrite: &Dendrite, peer: Peer) -> Outcome {
    ask_within(dendrite, peer, LONG).await
}

async fn ask_within(dendrite: &Dendrite, peer: Peer, deadline: Duration) -> Outcome {
    let calls = vec![Call {
        peer,
        inputs: inputs(2, 5.0),
    }];
    let mut outcomes = dendrite
        .forward(Modality::Tensor, calls, &[WIDTH], deadline, Finish::All)
        .await;
    assert_eq!(outcomes.len(), 1);
    outcomes.remove(0)
}

fn codes(outcomes: &[Outcome]) -> Vec<Code> {
    outcomes.iter().map(|outcome| outcome.code).collect()
}

/// The value of a metric without labels.
fn metric(dendrite: &Dendrite, name: &str) -> f64 {
    let registry = Registry::new();
    dendrite.register(&registry).unwrap();
    let families = registry.gather();
    let family = families.iter().find(|family| family.name() == name);
    let metric = &family.unwrap().get_metric()[0];
    metric.get_gauge().get_value() + metric.get_counter().get_value()
}
