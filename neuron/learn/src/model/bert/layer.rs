//! A layer of the encoder.
//!
//! ```text
//! a = norm(x + W·attention(Wq·x, Wk·x, Wv·x))
//! y = norm(a + W₂·gelu(W₁·a))                      d_model → intermediate → d_model
//! ```

use rand::Rng;
use tch::{Device, TchError, Tensor};

use super::BertConfig;
use crate::linear::Linear;
use crate::nn::attention::{Visible, attend, split_heads};
use crate::nn::{dropout::Dropout, layer_norm::LayerNorm};
use crate::parameters::Parameters;
use crate::synapse::Mode;

/// Attention of every token to all others, and a feed-forward network over each.
#[derive(Debug)]
pub(crate) struct Layer {
    n_heads: i64,
    query: Linear,
    key: Linear,
    value: Linear,
    /// Shares of attention that are dropped.
    attention_dropout: Dropout,
    attention: Residual,
    intermediate: Linear,
    output: Residual,
}

/// What half a layer adds: `norm(x + dropout(W·y))`.
#[derive(Debug)]
struct Residual {
    dense: Linear,
    norm: LayerNorm,
    dropout: Dropout,
}

impl Layer {
    /// Draws a layer, in the order in which it computes.
    pub(crate) fn draw(config: &BertConfig, rng: &mut impl Rng, device: Device) -> Layer {
        let (d_model, d_between) = (config.hidden_size, config.intermediate_size);
        let mut linear =
            |d_in, d_out| Linear::draw_normal(d_in, d_out, config.initializer_range, rng, device);
        let residual = |dense| Residual {
            dense,
            norm: LayerNorm::new(d_model, config.layer_norm_eps, device),
            dropout: Dropout::new(config.hidden_dropout_prob),
        };
        Layer {
            n_heads: config.num_attention_heads,
            query: linear(d_model, d_model),
            key: linear(d_model, d_model),
            value: linear(d_model, d_model),
            attention_dropout: Dropout::new(config.attention_probs_dropout_prob),
            attention: residual(linear(d_model, d_model)),
            intermediate: linear(d_model, d_between),
            output: residual(linear(d_between, d_model)),
        }
    }

    /// # Shapes
    ///
    /// `[batch, seq, d_model]` → the same
    pub(crate) fn forward(
        &self,
        states: &Tensor,
        visible: Visible,
        mode: Mode,
    ) -> Result<Tensor, TchError> {
        let [queries, keys, values] = [&self.query, &self.key, &self.value]
            .map(|projection| split_heads(&projection.forward(states), self.n_heads));
        let dropped = self.attention_dropout.share(mode);
        let gathered = attend(&queries, &keys, &values, visible, dropped)?;
        let attended = self.attention.add(states, &gathered, mode);
        // The exact GELU, with the error function.
        let between = self.intermediate.forward(&attended).gelu("none");
        Ok(self.output.add(&attended, &between, mode))
    }

    /// A layer of the same values in memory of its own, which collects no gradients.
    pub(crate) fn frozen_copy(&self) -> Layer {
        Layer {
            n_heads: self.n_heads,
            query: self.query.frozen_copy(),
            key: self.key.frozen_copy(),
            value: self.value.frozen_copy(),
            attention_dropout: self.attention_dropout,
            attention: self.attention.frozen_copy(),
            intermediate: self.intermediate.frozen_copy(),
            output: self.output.frozen_copy(),
        }
    }

    /// Adds `<path>.attention.*`, `<path>.intermediate.*` and `<path>.output.*`.
    pub(crate) fn list(&self, path: &str, into: &mut Parameters) {
        for (name, projection) in [
            ("query", &self.query),
            ("key", &self.key),
            ("value", &self.value),
        ] {
            projection.list(&format!("{path}.attention.self.{name}"), into);
        }
        self.attention
            .list(&format!("{path}.attention.output"), into);
        self.intermediate
            .list(&format!("{path}.intermediate.dense"), into);
        self.output.list(&format!("{path}.output"), into);
    }
}

impl Residual {
    fn add(&self, states: &Tensor, computed: &Tensor, mode: Mode) -> Tensor {
        let computed = self.dense.forward(computed);
        self.norm
            .forward(&(states + self.dropout.forward(computed, mode)))
    }

    fn frozen_copy(&self) -> Residual {
        Residual {
            dense: self.dense.frozen_copy(),
            norm: self.norm.frozen_copy(),
            dropout: self.dropout,
        }
    }

    fn list(&self, path: &str, into: &mut Parameters) {
        self.dense.list(&format!("{path}.dense"), into);
        self.norm.list(&format!("{path}.LayerNorm"), into);
    }
}
