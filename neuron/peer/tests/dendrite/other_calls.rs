//! Gradients, descriptions, health.

use std::sync::Arc;

use neuron_proto::v1;
use tokio::sync::Semaphore;

use super::{scripted::*, *};

const DROPPED: &str = "neuron_dendrite_backward_dropped_total";
const IN_FLIGHT: &str = "neuron_dendrite_backward_in_flight";

#[tokio::test]
async fn gradients_arrive_exactly_once() {
    let (server, dendrite) = (axon(Answer::First).await, dendrite());
    let (inputs, gradients) = (inputs(2, 5.0), outputs(2, 0.25));
    let peer = server.peer(0);
    assert!(dendrite.backward(Modality::Tensor, &peer, inputs.clone(), gradients.clone()));
    // The task that sends them runs on this thread, and so not before this test waits.
    assert_eq!(metric(&dendrite, IN_FLIGHT), 1.0);
    eventually("it has ended", || metric(&dendrite, IN_FLIGHT) == 0.0).await;
    // It is answered, so all that it sends has arrived.
    assert_eq!(server.seen.requests(), 1);
    let expected = v1::BackwardRequest {
        modality: Modality::Tensor.into(),
        inputs: Some(inputs.encode()),
        gradients: Some(gradients.encode()),
        ..Default::default()
    };
    assert_eq!(*server.seen.gradients.lock().unwrap(), [expected]);
}

#[tokio::test]
async fn gradients_beyond_the_bound_are_dropped_and_counted() {
    let gate = Arc::new(Semaphore::new(0));
    let server = axon(Answer::Held(gate.clone())).await;
    let config = DendriteConfig {
        max_backward: 2,
        ..development()
    };
    let dendrite = Dendrite::new(None, config);
    let send = || {
        let (inputs, gradients) = (inputs(1, 5.0), outputs(1, 0.25));
        dendrite.backward(Modality::Tensor, &server.peer(0), inputs, gradients)
    };
    assert_eq!([send(), send(), send()], [true, true, false]);
    assert_eq!(metric(&dendrite, DROPPED), 1.0);
    gate.add_permits(2);
    let arrived = || server.seen.gradients.lock().unwrap().len() == 2;
    eventually("the others arrive", arrived).await;
    eventually("there is room again", send).await;
    gate.add_permits(1);
}

#[tokio::test]
async fn gradients_for_a_dead_peer_do_not_touch_its_backoff() {
    let dendrite = dendrite();
    let dead = peer(0, nowhere().await);
    assert!(dendrite.backward(Modality::Tensor, &dead, inputs(1, 5.0), outputs(1, 0.25)));
    eventually("it failed", || {
        let stats = dendrite.stats();
        stats.len() == 1 && stats[0].in_flight == 0
    })
    .await;
    assert_eq!(ask(&dendrite, dead).await.code, Code::Unavailable);
}

#[tokio::test]
async fn a_peer_describes_itself_and_nobody_else() {
    let (server, dendrite) = (axon(Answer::First).await, dendrite());
    let description = dendrite.describe(&server.peer(7), LONG).await.unwrap();
    assert_eq!(description.software_version, "scripted");

    let other = dendrite.describe(&server.peer(8), LONG).await.unwrap_err();
    assert_eq!(
        (other.peer, other.code),
        (server.peer(8), Code::InvalidResponse)
    );

    let dead = peer(7, nowhere().await);
    let gone = dendrite.describe(&dead, LONG).await.unwrap_err();
    assert_eq!(gone.code, Code::Unavailable);
}

#[tokio::test]
async fn health_is_told_or_not_within_the_deadline() {
    let (server, silent) = (axon(Answer::Never).await, black_hole().await);
    let dendrite = dendrite();
    assert_eq!(dendrite.health(&server.peer(0), LONG).await, Ok(true));
    let brief = Duration::from_millis(100);
    let error = dendrite.health(&silent.peer(1), brief).await.unwrap_err();
    assert_eq!(error.code, Code::Timeout);
}
