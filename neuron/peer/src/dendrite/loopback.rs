//! A neuron that knows no peers asks itself, so that learning goes on.

use std::time::Duration;

use neuron_proto::{Code, DType, Wanted};
use tokio::time::{self, Instant};

use super::{Call, Entry, LONGEST, Outcome, exchange::Failure, response::Expected};
use crate::nucleus::{Nucleus, Refusal, Reply, Request};

/// No peer has as much at stake in a neuron as the neuron itself.
const OWN_PRIORITY: u64 = u64::MAX;

/// Asks one's own nucleus for an output, or the likeliest classes of it, as a peer is asked, without a network: `call.peer` is this neuron itself. The
/// outcome is held to the same standard as a peer's.
pub async fn loopback(
    nucleus: &Nucleus,
    entry: impl Into<Entry>,
    wanted: impl Into<Wanted>,
    call: Call,
    row_shape: &[u32],
    deadline: Duration,
) -> Outcome {
    let started = Instant::now();
    let peer = call.peer;
    let deadline = started + deadline.min(LONGEST);
    let (entry, wanted) = (entry.into(), wanted.into());
    let outcome = match answer(nucleus, entry, wanted, call, row_shape, deadline).await {
        Ok(outcome) => outcome,
        Err(Failure { code, message, .. }) => Outcome::absent(peer, code, message, Duration::ZERO),
    };
    Outcome {
        elapsed: started.elapsed(),
        ..outcome
    }
}

async fn answer(
    nucleus: &Nucleus,
    entry: Entry,
    wanted: Wanted,
    call: Call,
    row_shape: &[u32],
    deadline: Instant,
) -> Result<Outcome, Failure> {
    let Call { peer, inputs } = call;
    let rows = inputs.rows();
    if rows == 0 {
        return Err(Failure::new(Code::EmptyRequest, "there are no rows to ask"));
    }
    let refused = |refusal: Refusal| Failure::new(refusal.code, refusal.message);
    let request = Request {
        modality: entry.modality,
        tokenizer: entry.tokenizer,
        wanted,
        inputs,
        priority: OWN_PRIORITY,
        deadline: deadline.into_std(),
    };
    let ticket = nucleus.submit(request).map_err(refused)?;
    let Reply {
        outputs,
        classes,
        queue,
        compute,
        batch_rows,
    } = time::timeout_at(deadline, ticket)
        .await
        .map_err(|_| Failure::new(Code::Timeout, "the model took longer than the deadline"))?
        .map_err(refused)?;
    let expected = Expected {
        rows,
        row_shape,
        n_likeliest: wanted.n_likeliest(),
        dtype: DType::F32,
    };
    let (outputs, classes) = expected.check_tensors(outputs, classes)?;
    Ok(Outcome {
        outputs: Some(outputs),
        classes,
        queue: Some(queue),
        compute: Some(compute),
        batch_rows: Some(batch_rows),
        ..Outcome::absent(peer, Code::Success, "", Duration::ZERO)
    })
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use neuron_proto::{Modality, Output, Tensor};
    use neuron_wallet::PublicKey;

    use super::*;
    use crate::{
        dendrite::Peer,
        nucleus::{JoinGuard, Model, ModelError, NucleusConfig, SynapseSpec},
    };

    const LONG: Duration = Duration::from_secs(60);

    /// Gives its inputs back, once it may.
    struct Echo(Option<mpsc::Receiver<()>>);

    impl Model for Echo {
        fn synapses(&self) -> Vec<SynapseSpec> {
            vec![SynapseSpec {
                modality: Modality::Tensor,
                input_dtypes: vec![DType::F32],
                input_shape: vec![2],
                output_shape: vec![2],
                prediction_shape: None,
                tokenizer: None,
                accepts_gradients: false,
            }]
        }

        fn forward(&mut self, _: Modality, inputs: &Tensor) -> Result<Tensor, ModelError> {
            if let Some(gate) = &self.0 {
                let _ = gate.recv();
            }
            Ok(inputs.clone())
        }
    }

    fn echo(gate: Option<mpsc::Receiver<()>>) -> (Nucleus, JoinGuard) {
        Nucleus::start(Box::new(Echo(gate)), NucleusConfig::default()).unwrap()
    }

    fn call(shape: &[u32], values: &[f32]) -> Call {
        Call {
            peer: Peer {
                uid: 3,
                hotkey: PublicKey([3; 32]),
                address: ([127, 0, 0, 1], 8091).into(),
                plaintext: false,
            },
            inputs: Tensor::from_f32(shape, values).unwrap(),
        }
    }

    #[tokio::test]
    async fn a_neuron_that_asks_itself_gets_an_outcome_as_from_a_peer() {
        let (nucleus, _guard) = echo(None);
        let call = call(&[1, 2], &[0.5, 2.0]);
        let outcome = loopback(
            &nucleus,
            Modality::Tensor,
            Output::Encoding,
            call.clone(),
            &[2],
            LONG,
        )
        .await;
        assert_eq!((outcome.peer, outcome.code), (call.peer, Code::Success));
        assert_eq!(outcome.outputs, Some(call.inputs));
        assert!(outcome.queue.is_some() && outcome.compute.is_some());
    }

    #[tokio::test]
    async fn its_own_answers_are_held_to_the_same_standard() {
        let (nucleus, _guard) = echo(None);
        let ask = async |call, modality, row_shape: &[u32]| {
            loopback(&nucleus, modality, Output::Encoding, call, row_shape, LONG)
                .await
                .code
        };
        let good = call(&[1, 2], &[0.5, 2.0]);
        let (tensor, image) = (Modality::Tensor, Modality::Image);
        assert_eq!(
            ask(call(&[0, 2], &[]), tensor, &[2]).await,
            Code::EmptyRequest
        );
        assert_eq!(
            ask(good.clone(), tensor, &[3]).await,
            Code::ResponseShapeException
        );
        assert_eq!(ask(good, image, &[2]).await, Code::NotImplemented);
    }

    #[tokio::test]
    async fn a_model_that_takes_too_long_is_not_waited_for() {
        let (release, gate) = mpsc::channel();
        let (nucleus, _guard) = echo(Some(gate));
        let brief = Duration::from_millis(50);
        let call = call(&[1, 2], &[0.5, 2.0]);
        let outcome = loopback(
            &nucleus,
            Modality::Tensor,
            Output::Encoding,
            call,
            &[2],
            brief,
        )
        .await;
        assert_eq!(outcome.code, Code::Timeout);
        assert!(outcome.elapsed >= brief);
        drop(release);
    }
}
