//! GPT-2: a causal language model, which tells the next token at every place from those up to it.
//!
//! ```text
//! x₀     = words[tokens] + positions[0..seq]                [batch, seq, d_model]
//! a      = x + attention(norm(x))                           each place sees itself and those before
//! xₗ     = a + W₂·gelu(W₁·norm(a))                          d_model → 4·d_model → d_model
//! states = norm(x)                                          [batch, seq, d_model]
//! logits = states·Wᵀ                                        [batch, seq, vocab]   W: the table of words, unless untied
//! ```
//!
//! (A. Radford and others, *Language Models are Unsupervised Multitask Learners*, 2019.) Names and layouts of parameters are
//! those of `GPT2LMHeadModel` in Hugging Face's `transformers`, and so are the numbers: `parity.rs` holds ours against them.
//!
//! Rows have no padding: a place sees nothing after it, so a text that is filled up at its end has the same states as alone.

use rand::Rng;
use tch::{Device, Kind, TchError, Tensor};

use self::layer::Block;
use super::tokens;
use crate::nn::{dropout::Dropout, embedding::Embedding, layer_norm::LayerNorm};
use crate::parameters::Parameters;
use crate::synapse::{Mode, SynapseError};

pub(crate) mod cache;
mod config;
pub(crate) mod generate;
pub(crate) mod layer;
pub(crate) mod stored;

pub(crate) use cache::Cache;
pub use config::Gpt2Config;
pub use generate::{Choice, GenerateError, Generation, Sampling};

/// The model with the head that names tokens.
#[derive(Debug)]
pub(crate) struct Gpt2 {
    config: Gpt2Config,
    words: Embedding,
    positions: Embedding,
    dropout: Dropout,
    blocks: Vec<Block>,
    norm: LayerNorm,
    /// None where it is the table of words.
    head: Option<Embedding>,
}

impl Gpt2 {
    /// Draws a model, in the order in which it computes.
    pub(crate) fn draw(config: &Gpt2Config, rng: &mut impl Rng, device: Device) -> Gpt2 {
        let (width, deviation) = (config.n_embd, config.initializer_range);
        Gpt2 {
            words: Embedding::draw(config.vocab_size, width, deviation, rng, device),
            positions: Embedding::draw(config.n_positions, width, deviation, rng, device),
            dropout: Dropout::new(config.embd_pdrop),
            blocks: (0..config.n_layer)
                .map(|_| Block::draw(config, rng, device))
                .collect(),
            norm: LayerNorm::new(width, config.layer_norm_epsilon, device),
            head: (!config.tie_word_embeddings)
                .then(|| Embedding::draw(config.vocab_size, width, deviation, rng, device)),
            config: *config,
        }
    }

    /// Refuses what is no text of this model, when so many tokens were seen before it.
    ///
    /// # Errors
    ///
    /// As [`tokens::check`].
    pub(crate) fn check(&self, tokens: &Tensor, n_seen: i64) -> Result<(), SynapseError> {
        let longest = self.config.n_positions - n_seen;
        tokens::check(tokens, self.config.vocab_size, longest)
    }

    /// What the blocks begin with, when so many tokens were seen before these.
    ///
    /// # Shapes
    ///
    /// `[batch, seq]` → `[batch, seq, d_model]`
    pub(crate) fn embed(
        &self,
        tokens: &Tensor,
        n_seen: i64,
        mode: Mode,
    ) -> Result<Tensor, TchError> {
        let places = Tensor::arange_start(
            n_seen,
            n_seen + tokens.size()[1],
            (Kind::Int64, tokens.device()),
        );
        let embedded = self.words.forward(tokens)? + self.positions.forward(&places)?;
        Ok(self.dropout.forward(embedded, mode))
    }

    /// The last hidden state. With a cache, of tokens that follow those in it, which are added to it.
    ///
    /// # Shapes
    ///
    /// `embedded`: `[batch, seq, d_model]` → the same
    pub(crate) fn encode(
        &self,
        embedded: Tensor,
        mut cache: Option<&mut Cache>,
        mode: Mode,
    ) -> Result<Tensor, TchError> {
        let mut states = embedded;
        for (number, block) in self.blocks.iter().enumerate() {
            let cache = cache.as_deref_mut().map(|cache| cache.of_block(number));
            states = block.forward(&states, cache, mode)?;
        }
        Ok(self.norm.forward(&states))
    }

    /// Logits of the token after each place.
    ///
    /// # Shapes
    ///
    /// `[.., d_model]` → `[.., vocab]`
    pub(crate) fn logits(&self, states: &Tensor) -> Tensor {
        let table = self.head.as_ref().unwrap_or(&self.words);
        states.linear(table.weight(), None::<Tensor>)
    }

    /// The same model in memory of its own, which collects no gradients.
    pub(crate) fn frozen_copy(&self) -> Gpt2 {
        Gpt2 {
            config: self.config,
            words: self.words.frozen_copy(),
            positions: self.positions.frozen_copy(),
            dropout: self.dropout,
            blocks: self.blocks.iter().map(Block::frozen_copy).collect(),
            norm: self.norm.frozen_copy(),
            head: self.head.as_ref().map(Embedding::frozen_copy),
        }
    }

    /// Adds `transformer.*`, and `lm_head.weight` unless it is the table of words.
    pub(crate) fn list(&self, into: &mut Parameters) {
        self.words.list("transformer.wte", into);
        self.positions.list("transformer.wpe", into);
        for (number, block) in self.blocks.iter().enumerate() {
            block.list(&format!("transformer.h.{number}"), into);
        }
        self.norm.list("transformer.ln_f", into);
        if let Some(head) = &self.head {
            head.list("lm_head", into);
        }
    }
}

#[cfg(test)]
mod parity;
#[cfg(test)]
mod tests;
