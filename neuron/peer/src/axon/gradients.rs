//! Gradients that peers send of answers they got, on their way to the trainer.
//!
//! The axon checks and queues them, and that is all: whether they are used is for the trainer, which takes them from the
//! [`GradientReceiver`] if its operator wants them. The channel is bounded; when the trainer is behind, what comes is
//! refused and counted.

use neuron_proto::{Code, Modality, Tensor};
use neuron_wallet::PublicKey;
use tokio::sync::mpsc::{self, error::TrySendError};

use super::{admission::OVERLOAD_RETRY, metrics::AxonMetrics};
use crate::nucleus::Refusal;

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
pub struct GradientSender(mpsc::Sender<Gradient>);

/// The trainer's end.
#[derive(Debug)]
pub struct GradientReceiver(mpsc::Receiver<Gradient>);

/// A channel that holds at most `capacity` gradients; one, if that is zero.
pub fn gradients(capacity: usize) -> (GradientSender, GradientReceiver) {
    let (sender, receiver) = mpsc::channel(capacity.max(1));
    (GradientSender(sender), GradientReceiver(receiver))
}

impl GradientSender {
    /// Never waits.
    pub(super) fn send(&self, gradient: Gradient, metrics: &AxonMetrics) -> Result<(), Refusal> {
        match self.0.try_send(gradient) {
            Ok(()) => {
                metrics.gradient("queued");
                Ok(())
            }
            Err(TrySendError::Full(_)) => {
                metrics.gradient("dropped");
                Err(Refusal {
                    code: Code::NucleusFull,
                    message: format!(
                        "{} gradients wait for the trainer, which is all that may",
                        self.0.max_capacity()
                    ),
                    retry_after: Some(OVERLOAD_RETRY),
                })
            }
            Err(TrySendError::Closed(_)) => {
                metrics.gradient("dropped");
                Err(Refusal::new(
                    Code::NotServingNucleus,
                    "the trainer has stopped",
                ))
            }
        }
    }
}

impl GradientReceiver {
    /// The next one, if one is there.
    pub fn try_next(&mut self) -> Option<Gradient> {
        self.0.try_recv().ok()
    }

    /// Waits for the next one; none once no axon is left that could send any.
    pub async fn next(&mut self) -> Option<Gradient> {
        self.0.recv().await
    }
}
