//! What a trainer learns from, whatever kind it is: batches in a seeded order.
//!
//! | source | inputs | labels |
//! | --- | --- | --- |
//! | [images](crate::dataset::Batches) | `[batch, channels, side, side]`, f32 | `[batch]`, classes |
//! | [masked text](crate::text::MaskedBatches) | `[batch, seq]`, token ids | `[batch, seq]` at gaps, and the next sentence |
//! | [running text](crate::text::CausalBatches) | `[batch, seq]`, token ids | `[batch, seq]`, the token after each |

use tch::{Device, Tensor};

use crate::dataset::{Batches, Position};
use crate::synapse::Labels;
use crate::text::{CausalBatches, MaskedBatches, TextError};

/// One batch: what a synapse is given, and what it should make of it.
#[derive(Debug)]
pub struct Batch {
    /// As of the modality of the synapse.
    pub inputs: Tensor,
    /// One for each target.
    pub labels: Labels,
}

/// Why a batch cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Text is read from the disk while it is learned from.
    #[error(transparent)]
    Text(#[from] TextError),
}

/// Batches in a seeded order, the same each time, from any place on.
pub trait Source: Send {
    /// Batches of an epoch.
    fn per_epoch(&self) -> usize;

    /// The batch that comes next.
    fn position(&self) -> Position;

    /// Goes on from there. A batch past the end of its epoch is the first of the next.
    fn go_to(&mut self, position: Position);

    /// The next batch, and where it stands.
    ///
    /// # Errors
    ///
    /// [`SourceError`]; the batch comes next still.
    fn draw(&mut self) -> Result<(Position, Batch), SourceError>;

    /// Everything once, in order, the same each time: how an evaluation reads.
    fn in_order(&self) -> Box<dyn Iterator<Item = Result<Batch, SourceError>> + '_>;
}

impl Source for Batches {
    fn per_epoch(&self) -> usize {
        self.per_epoch()
    }

    fn position(&self) -> Position {
        self.position()
    }

    fn go_to(&mut self, position: Position) {
        self.go_to(position);
    }

    fn draw(&mut self) -> Result<(Position, Batch), SourceError> {
        let (position, examples) = self.draw();
        let labels = examples.labels().into();
        let inputs = examples.images().shallow_clone();
        Ok((position, Batch { inputs, labels }))
    }

    fn in_order(&self) -> Box<dyn Iterator<Item = Result<Batch, SourceError>> + '_> {
        Box::new(Batches::in_order(self).map(|examples| {
            Ok(Batch {
                labels: examples.labels().into(),
                inputs: examples.images().shallow_clone(),
            })
        }))
    }
}

impl Source for MaskedBatches {
    fn per_epoch(&self) -> usize {
        self.per_epoch()
    }

    fn position(&self) -> Position {
        self.position()
    }

    fn go_to(&mut self, position: Position) {
        self.go_to(position);
    }

    fn draw(&mut self) -> Result<(Position, Batch), SourceError> {
        let (position, batch) = self.draw()?;
        let (inputs, labels) = (batch.tokens, batch.labels);
        Ok((position, Batch { inputs, labels }))
    }

    fn in_order(&self) -> Box<dyn Iterator<Item = Result<Batch, SourceError>> + '_> {
        Box::new(MaskedBatches::in_order(self).map(|batch| {
            let batch = batch?;
            let (inputs, labels) = (batch.tokens, batch.labels);
            Ok(Batch { inputs, labels })
        }))
    }
}

impl Source for CausalBatches {
    fn per_epoch(&self) -> usize {
        self.per_epoch()
    }

    fn position(&self) -> Position {
        self.position()
    }

    fn go_to(&mut self, position: Position) {
        self.go_to(position);
    }

    fn draw(&mut self) -> Result<(Position, Batch), SourceError> {
        let (position, tokens) = self.draw()?;
        Ok((position, causal(tokens)))
    }

    fn in_order(&self) -> Box<dyn Iterator<Item = Result<Batch, SourceError>> + '_> {
        Box::new(CausalBatches::in_order(self).map(|tokens| Ok(causal(tokens?))))
    }
}

fn causal(tokens: Tensor) -> Batch {
    Batch {
        labels: Labels::of_next(&tokens),
        inputs: tokens,
    }
}

impl Batch {
    /// The same batch on a device.
    pub fn to_device(&self, device: Device) -> Batch {
        Batch {
            inputs: self.inputs.to_device(device),
            labels: self.labels.to_device(device),
        }
    }
}
