//! What a BERT is pre-trained with: which word is masked, and whether two sentences belong together.

use rand::Rng;
use tch::{Device, Kind, Tensor};

use super::BertConfig;
use crate::linear::Linear;
use crate::nn::layer_norm::LayerNorm;
use crate::parameters::Parameters;

/// The masked-language-model head and the next-sentence head.
///
/// ```text
/// masked word    E·norm(gelu(W·x)) + b     [batch, seq, vocab]   E: the table of words
/// next sentence  W·pooled + b              [batch, 2]            0: it is the next one, 1: it is not
/// ```
#[derive(Debug)]
pub(super) struct Heads {
    dense: Linear,
    norm: LayerNorm,
    /// `[vocab]`
    bias: Tensor,
    seq_relationship: Linear,
}

impl Heads {
    pub(super) fn draw(config: &BertConfig, rng: &mut impl Rng, device: Device) -> Heads {
        let d_model = config.hidden_size;
        let mut linear =
            |d_out| Linear::draw_normal(d_model, d_out, config.initializer_range, rng, device);
        Heads {
            dense: linear(d_model),
            norm: LayerNorm::new(d_model, config.layer_norm_eps, device),
            bias: Tensor::zeros([config.vocab_size], (Kind::Float, device)).set_requires_grad(true),
            seq_relationship: linear(2),
        }
    }

    /// Logits of every word at every place.
    ///
    /// # Shapes
    ///
    /// `states`: `[batch, seq, d_model]`, `words`: `[vocab, d_model]` → `[batch, seq, vocab]`
    pub(super) fn words(&self, states: &Tensor, words: &Tensor) -> Tensor {
        let transformed = self.norm.forward(&self.dense.forward(states).gelu("none"));
        transformed.linear(words, Some(&self.bias))
    }

    /// Logits of whether the second sentence is the next one.
    ///
    /// # Shapes
    ///
    /// `[batch, d_model]` → `[batch, 2]`
    pub(super) fn next_sentence(&self, pooled: &Tensor) -> Tensor {
        self.seq_relationship.forward(pooled)
    }

    pub(super) fn frozen_copy(&self) -> Heads {
        Heads {
            dense: self.dense.frozen_copy(),
            norm: self.norm.frozen_copy(),
            bias: self.bias.detach().copy(),
            seq_relationship: self.seq_relationship.frozen_copy(),
        }
    }

    pub(super) fn list(&self, path: &str, into: &mut Parameters) {
        let predictions = format!("{path}.predictions");
        self.dense
            .list(&format!("{predictions}.transform.dense"), into);
        self.norm
            .list(&format!("{predictions}.transform.LayerNorm"), into);
        into.insert(format!("{predictions}.bias"), self.bias.shallow_clone());
        self.seq_relationship
            .list(&format!("{path}.seq_relationship"), into);
    }
}
