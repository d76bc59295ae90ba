//! Predictions beside encodings, from a dendrite to an axon and back.

use std::num::NonZeroU32;

use neuron_peer::{
    axon::AxonConfig,
    dendrite::{Call, Dendrite, DendriteConfig, Finish, Outcome, Peer, loopback},
    nucleus::NucleusConfig,
};
use neuron_proto::{Classes, Code, Modality, Output, Tensor, Wanted, v1};

use crate::{
    harness::{PATIENCE, Running, Setup, identity, patient, within},
    requests::{refusal, request},
};

/// A dendrite of Alice, and the call of one row.
fn ask(axon: &Running, row: [f32; 2]) -> (Dendrite, Vec<Call>) {
    let peer = Peer {
        uid: 7,
        hotkey: axon.hotkey,
        address: axon.address,
        plaintext: false,
    };
    let call = Call {
        peer,
        inputs: Tensor::from_f32(&[1, 2], &row).unwrap(),
    };
    let dendrite = Dendrite::new(Some(identity("//Alice")), DendriteConfig::default());
    (dendrite, vec![call])
}

async fn encoding(axon: &Running, row: [f32; 2]) -> Outcome {
    let (dendrite, calls) = ask(axon, row);
    let asked = dendrite.forward(Modality::Tensor, calls, &[2], PATIENCE, Finish::All);
    asked.await.remove(0)
}

async fn prediction(axon: &Running, row: [f32; 2], row_shape: &[u32]) -> Outcome {
    let (dendrite, calls) = ask(axon, row);
    let asked = dendrite.predict(Modality::Tensor, calls, row_shape, PATIENCE, Finish::All);
    asked.await.remove(0)
}

fn values(outcome: &Outcome) -> Vec<f32> {
    assert_eq!(outcome.code, Code::Success, "{}", outcome.message);
    outcome.outputs.as_ref().unwrap().to_f32().unwrap()
}

#[tokio::test]
async fn encodings_and_predictions_in_flight_at_once_are_never_batched_together() {
    // A batch is closed by its second row only, or half a minute later alone: two requests that should not meet would answer
    // each other wrongly, and two that should but do not would say that theirs was a batch of one row.
    let nucleus = NucleusConfig {
        max_batch_rows: 2,
        max_request_rows: 1,
        max_wait: 10 * PATIENCE,
        ..NucleusConfig::default()
    };
    let config = AxonConfig {
        max_wait: 20 * PATIENCE,
        ..patient()
    };
    let axon = Setup {
        config,
        nucleus,
        ..Setup::default()
    }
    .start()
    .await;
    let (one, two, three, four) = within(async {
        tokio::join!(
            encoding(&axon, [1.0, 2.0]),
            prediction(&axon, [3.0, 4.0], &[2]),
            encoding(&axon, [5.0, 6.0]),
            prediction(&axon, [7.0, 8.0], &[2]),
        )
    })
    .await;
    assert_eq!(values(&one), [2.0, 4.0]);
    assert_eq!(values(&two), [7.0, -7.0]);
    assert_eq!(values(&three), [10.0, 12.0]);
    assert_eq!(values(&four), [15.0, -15.0]);
    for outcome in [one, two, three, four] {
        assert_eq!(outcome.batch_rows, Some(2));
        assert!(outcome.queue.is_some_and(|queue| queue < PATIENCE));
        assert!(outcome.compute.is_some_and(|compute| compute < PATIENCE));
    }
    axon.stop().await;
}

fn likeliest(n: u32) -> Wanted {
    Wanted::Prediction(Classes::Likeliest(NonZeroU32::new(n).unwrap()))
}

#[tokio::test]
async fn the_likeliest_classes_arrive_from_a_peer_as_from_oneself() {
    let axon = Setup::default().start().await;
    let told = |outcome: Outcome| {
        let logarithms = values(&outcome);
        (logarithms, outcome.classes.unwrap().to_i64().unwrap())
    };
    for (n, expected) in [
        (1, (vec![-0.5], vec![1])),
        (2, (vec![-0.5, -1.0], vec![1, 0])),
    ] {
        let (dendrite, mut calls) = ask(&axon, [-3.0, 2.0]);
        let (tensor, call) = (Modality::Tensor, calls.remove(0));
        let calls = vec![call.clone()];
        let asked = dendrite.ask(tensor, likeliest(n), calls, &[2], PATIENCE, Finish::All);
        assert_eq!(told(asked.await.remove(0)), expected);
        let own = loopback(&axon.nucleus, tensor, likeliest(n), call, &[2], PATIENCE);
        assert_eq!(told(own.await), expected);
    }
    axon.stop().await;
}

#[tokio::test]
async fn classes_that_there_are_not_are_not_asked_for() {
    let axon = Setup::default().start().await;
    let (dendrite, calls) = ask(&axon, [1.0, 2.0]);
    // Seen here, and by a peer that is thought to have more.
    for (row_shape, message) in [
        (
            &[2],
            "expected to ask for at most 2 likeliest classes, got 3",
        ),
        (
            &[3],
            "expected at most 2 likeliest classes, got 3: there are no more",
        ),
    ] {
        let (tensor, calls) = (Modality::Tensor, calls.clone());
        let asked = dendrite.ask(
            tensor,
            likeliest(3),
            calls,
            row_shape,
            PATIENCE,
            Finish::All,
        );
        let outcome = asked.await.remove(0);
        assert_eq!(outcome.code, Code::InvalidRequest);
        assert_eq!(outcome.message, message);
    }
    axon.stop().await;
}

#[tokio::test]
async fn a_prediction_of_another_shape_is_not_believed() {
    let axon = Setup::default().start().await;
    let outcome = prediction(&axon, [1.0, 2.0], &[10]).await;
    assert_eq!(outcome.code, Code::ResponseShapeException);
    assert!(outcome.outputs.is_none());
    axon.stop().await;
}

#[tokio::test]
async fn an_output_of_another_version_is_refused() {
    let axon = Setup::default().start().await;
    let client = axon.client("//Alice").await;
    let asked = v1::ForwardRequest {
        output: 1 + i32::from(Output::Target),
        ..request(&[[1.0, 2.0]])
    };
    assert_eq!(refusal(&client, asked).await, Code::InvalidRequest);
    axon.stop().await;
}
