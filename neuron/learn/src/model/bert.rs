//! BERT: an encoder of text that looks at both sides of every token.
//!
//! ```text
//! x₀     = embeddings(tokens)                        [batch, seq, d_model]
//! xₗ     = layer(xₗ₋₁)                               [batch, seq, d_model]
//! pooled = tanh(W·x[:, 0] + b)                       [batch, d_model]
//! words  = E·norm(gelu(W·x + b)) + b                 [batch, seq, vocab]   E: the table of words
//! next   = W·pooled + b                              [batch, 2]
//! ```
//!
//! (J. Devlin and others, *BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding*, 2019.) Names of
//! parameters are those of `BertForPreTraining` in Hugging Face's `transformers`, and so are the numbers: `parity.rs` holds
//! ours against them. What is padding and which segment a token is of follow from the tokens: `text.rs`.

use rand::Rng;
use tch::{Device, TchError, Tensor};

use self::{embeddings::Embeddings, heads::Heads, layer::Layer, text::Texts};
use crate::linear::Linear;
use crate::parameters::Parameters;
use crate::synapse::Mode;

mod config;
mod embeddings;
mod heads;
pub(crate) mod layer;
pub(crate) mod stored;
pub(crate) mod text;

pub use config::BertConfig;

/// The encoder with both heads of its pre-training.
#[derive(Debug)]
pub(crate) struct BertForPreTraining {
    embeddings: Embeddings,
    layers: Vec<Layer>,
    pooler: Linear,
    heads: Heads,
}

impl BertForPreTraining {
    /// Draws a model, in the order in which it computes.
    pub(crate) fn draw(
        config: &BertConfig,
        rng: &mut impl Rng,
        device: Device,
    ) -> BertForPreTraining {
        let (width, deviation) = (config.hidden_size, config.initializer_range);
        BertForPreTraining {
            embeddings: Embeddings::draw(config, rng, device),
            layers: (0..config.num_hidden_layers)
                .map(|_| Layer::draw(config, rng, device))
                .collect(),
            pooler: Linear::draw_normal(width, width, deviation, rng, device),
            heads: Heads::draw(config, rng, device),
        }
    }

    /// What the encoder begins with.
    ///
    /// # Shapes
    ///
    /// `[batch, seq]` → `[batch, seq, d_model]`
    pub(crate) fn embed(&self, texts: &Texts, mode: Mode) -> Result<Tensor, TchError> {
        self.embeddings.forward(texts, mode)
    }

    /// The last hidden state. At padding, it says nothing.
    ///
    /// # Shapes
    ///
    /// `embedded`: `[batch, seq, d_model]` → the same
    pub(crate) fn encode(
        &self,
        embedded: Tensor,
        texts: &Texts,
        mode: Mode,
    ) -> Result<Tensor, TchError> {
        self.layers.iter().try_fold(embedded, |states, layer| {
            layer.forward(&states, texts.visible(), mode)
        })
    }

    /// What the encoder begins with, and what each layer makes of it: the last is what [`encode`](Self::encode) gives.
    ///
    /// # Shapes
    ///
    /// `[batch, seq, d_model]` each
    #[cfg(test)]
    pub(crate) fn hidden_states(&self, texts: &Texts) -> Result<Vec<Tensor>, TchError> {
        let mut states = vec![self.embed(texts, Mode::Evaluation)?];
        for layer in &self.layers {
            let below = &states[states.len() - 1];
            states.push(layer.forward(below, texts.visible(), Mode::Evaluation)?);
        }
        Ok(states)
    }

    /// One vector for each text, made of its first token.
    ///
    /// # Shapes
    ///
    /// `[batch, seq, d_model]` → `[batch, d_model]`
    pub(crate) fn pool(&self, states: &Tensor) -> Tensor {
        self.pooler.forward(&states.select(1, 0)).tanh()
    }

    /// Logits of every word at every place.
    ///
    /// # Shapes
    ///
    /// `[batch, seq, d_model]` → `[batch, seq, vocab]`
    pub(crate) fn words(&self, states: &Tensor) -> Tensor {
        self.heads.words(states, self.embeddings.word.weight())
    }

    /// Logits of whether the second sentence is the next one (class 0) or any other (class 1).
    ///
    /// # Shapes
    ///
    /// `[batch, d_model]` → `[batch, 2]`
    pub(crate) fn next_sentence(&self, pooled: &Tensor) -> Tensor {
        self.heads.next_sentence(pooled)
    }

    /// The same model in memory of its own, which collects no gradients.
    pub(crate) fn frozen_copy(&self) -> BertForPreTraining {
        BertForPreTraining {
            embeddings: self.embeddings.frozen_copy(),
            layers: self.layers.iter().map(Layer::frozen_copy).collect(),
            pooler: self.pooler.frozen_copy(),
            heads: self.heads.frozen_copy(),
        }
    }

    /// Adds `bert.*` and `cls.*`.
    pub(crate) fn list(&self, into: &mut Parameters) {
        self.embeddings.list("bert.embeddings", into);
        for (number, layer) in self.layers.iter().enumerate() {
            layer.list(&format!("bert.encoder.layer.{number}"), into);
        }
        self.pooler.list("bert.pooler.dense", into);
        self.heads.list("cls", into);
    }
}

#[cfg(test)]
mod parity;
#[cfg(test)]
mod tests;
