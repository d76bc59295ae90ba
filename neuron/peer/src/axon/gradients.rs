//! Gradients that peers send of answers they got, on their way to the trainer.
//!
//! The axon checks and queues them, and that is all: whether they are used is for the trainer, which takes them from the
//! [`GradientReceiver`] if its operator wants them. The channel is bounded in gradients and in bytes; when the trainer is
//! behind, what comes is refused and counted.

use std::sync::Arc;

use neuron_proto::{Code, Modality, Tensor};
use neuron_wallet::PublicKey;
use tokio::sync::mpsc::{self, error::TrySendError};

use super::{
    admission::OVERLOAD_RETRY,
    memory::{Budget, Lease},
    metrics::AxonMetrics,
};
use crate::nucleus::Refusal;

/// Bytes that wait at most, in a channel of more than one gradient. As many as one caller may hold of requests and answers,
/// and they are held beside those: a trainer that is behind must not use up what forward requests are paid from.
const MAX_BYTES: usize = 64 << 20;

/// The gradient of a caller's loss by the answer it got.
#[derive(Clone, Debug)]
pub struct Gradient {
    /// Who sent it; none in the plaintext mode of development.
    pub from: Option<PublicKey>,
    /// The entry point that was asked.
    pub modality: Modality,
    /// `[rows, ..]`, what the model was asked.
    pub inputs: Tensor,
    /// `[rows, ..]` of type F32, as the outputs: finite, and of a bounded L2 norm.
    pub gradients: Tensor,
}

/// The axon's end.
#[derive(Clone, Debug)]
pub struct GradientSender {
    channel: mpsc::Sender<Queued>,
    bytes: Arc<Budget>,
}

/// The trainer's end.
#[derive(Debug)]
pub struct GradientReceiver(mpsc::Receiver<Queued>);

/// A gradient that waits, paid for until the trainer takes it.
#[derive(Debug)]
struct Queued {
    gradient: Gradient,
    _held: Lease,
}

/// A channel that holds at most `capacity` gradients, or one if that is zero, of at most 64 MiB together, or one if that is
/// larger.
pub fn gradients(capacity: usize) -> (GradientSender, GradientReceiver) {
    with_bytes(capacity, MAX_BYTES)
}

fn with_bytes(capacity: usize, max_bytes: usize) -> (GradientSender, GradientReceiver) {
    let (channel, receiver) = mpsc::channel(capacity.max(1));
    let bytes = Budget::new(max_bytes);
    let sender = GradientSender { channel, bytes };
    (sender, GradientReceiver(receiver))
}

impl GradientSender {
    /// Never waits. `message` is the length of the message that it came in, all of which its inputs keep in memory.
    pub(super) fn send(
        &self,
        gradient: Gradient,
        message: usize,
        metrics: &AxonMetrics,
    ) -> Result<(), Refusal> {
        let sent = self.try_send(gradient, message);
        metrics.gradient(match sent {
            Ok(()) => "queued",
            Err(_) => "dropped",
        });
        sent
    }

    fn try_send(&self, gradient: Gradient, message: usize) -> Result<(), Refusal> {
        let n_bytes = message.saturating_add(gradient.gradients.n_bytes());
        let full = |what: String| Refusal {
            code: Code::NucleusFull,
            message: format!("{what} wait for the trainer, which is behind"),
            retry_after: Some(OVERLOAD_RETRY),
        };
        let stopped = || Refusal::new(Code::NotServingNucleus, "the trainer has stopped");
        if self.channel.is_closed() {
            return Err(stopped());
        }
        let held = self
            .bytes
            .try_take_or_alone(n_bytes)
            .ok_or_else(|| full(format!("too many bytes of gradients for {n_bytes} more")))?;
        let queued = Queued {
            gradient,
            _held: held,
        };
        self.channel.try_send(queued).map_err(|error| match error {
            TrySendError::Full(_) => full(format!("{} gradients", self.channel.max_capacity())),
            TrySendError::Closed(_) => stopped(),
        })
    }
}

impl GradientReceiver {
    /// The next one, if one is there.
    pub fn try_next(&mut self) -> Option<Gradient> {
        self.0.try_recv().ok().map(|queued| queued.gradient)
    }

    /// Waits for the next one; none once no axon is left that could send any.
    pub async fn next(&mut self) -> Option<Gradient> {
        self.0.recv().await.map(|queued| queued.gradient)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of one row of 100 bytes, with a gradient of 4.
    fn gradient() -> Gradient {
        Gradient {
            from: None,
            modality: Modality::Tensor,
            inputs: Tensor::from_u8(&[1, 100], &[0; 100]).unwrap(),
            gradients: Tensor::from_f32(&[1, 1], &[1.0]).unwrap(),
        }
    }

    /// How a gradient is taken that came in a message of so many bytes.
    fn send(sender: &GradientSender, message: usize) -> Result<(), Code> {
        sender
            .send(gradient(), message, &AxonMetrics::new())
            .map_err(|refusal| refusal.code)
    }

    #[test]
    fn what_waits_is_bounded_in_bytes_until_it_is_taken() {
        let (sender, mut receiver) = with_bytes(64, 400);
        assert_eq!(send(&sender, 196), Ok(()));
        assert_eq!(send(&sender, 196), Ok(()));
        assert_eq!(send(&sender, 120), Err(Code::NucleusFull), "400 wait");
        assert!(receiver.try_next().is_some());
        assert_eq!(send(&sender, 120), Ok(()));
    }

    #[test]
    fn one_that_is_larger_than_all_may_is_taken_alone() {
        let (sender, mut receiver) = with_bytes(64, 400);
        assert_eq!(send(&sender, 1000), Ok(()));
        assert_eq!(send(&sender, 120), Err(Code::NucleusFull));
        assert!(receiver.try_next().is_some());
        assert_eq!(send(&sender, 120), Ok(()));
    }

    #[test]
    fn one_that_finds_no_place_costs_no_bytes() {
        let (sender, mut receiver) = with_bytes(1, 400);
        assert_eq!(send(&sender, 120), Ok(()));
        assert_eq!(send(&sender, 120), Err(Code::NucleusFull));
        assert_eq!(sender.bytes.held(), 124);
        assert!(receiver.try_next().is_some());
        assert_eq!(sender.bytes.held(), 0);
        drop(receiver);
        assert_eq!(send(&sender, 120), Err(Code::NotServingNucleus));
    }
}
