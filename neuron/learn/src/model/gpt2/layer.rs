//! A block of the model.
//!
//! ```text
//! a = x + W·attention(Wq·norm(x), Wk·norm(x), Wv·norm(x))
//! y = a + W₂·gelu(W₁·norm(a))                      d_model → n_inner → d_model
//! ```

use rand::Rng;
use tch::{Device, Kind, TchError, Tensor};

use super::{Gpt2Config, cache::BlockCache};
use crate::nn::attention::{Visible, attend, split_heads};
use crate::nn::{conv1d::Conv1d, dropout::Dropout, layer_norm::LayerNorm};
use crate::parameters::Parameters;
use crate::synapse::Mode;

/// Attention of every token to itself and those before, and a feed-forward network over each.
#[derive(Debug)]
pub(crate) struct Block {
    n_heads: i64,
    attention_norm: LayerNorm,
    /// Queries, keys and values, side by side.
    attention_in: Conv1d,
    attention_out: Conv1d,
    /// Shares of attention that are dropped.
    attention_dropout: Dropout,
    norm: LayerNorm,
    widen: Conv1d,
    narrow: Conv1d,
    /// Shares of what is added that are dropped.
    dropout: Dropout,
}

impl Block {
    /// Draws a block, in the order in which it computes. What a block adds is drawn as much smaller as there are more that
    /// add: by √(2·`n_layer`), as each adds twice.
    pub(crate) fn draw(config: &Gpt2Config, rng: &mut impl Rng, device: Device) -> Block {
        let (d_model, d_between) = (config.n_embd, config.d_between());
        let deviation = config.initializer_range;
        let deviation_of_added = deviation / (2.0 * config.n_layer.max(1) as f64).sqrt();
        let norm = || LayerNorm::new(d_model, config.layer_norm_epsilon, device);
        Block {
            n_heads: config.n_head,
            attention_norm: norm(),
            attention_in: Conv1d::draw(d_model, 3 * d_model, deviation, rng, device),
            attention_out: Conv1d::draw(d_model, d_model, deviation_of_added, rng, device),
            attention_dropout: Dropout::new(config.attn_pdrop),
            norm: norm(),
            widen: Conv1d::draw(d_model, d_between, deviation, rng, device),
            narrow: Conv1d::draw(d_between, d_model, deviation_of_added, rng, device),
            dropout: Dropout::new(config.resid_pdrop),
        }
    }

    /// # Shapes
    ///
    /// `[batch, seq, d_model]` → the same
    pub(crate) fn forward(
        &self,
        states: &Tensor,
        cache: Option<&mut BlockCache>,
        mode: Mode,
    ) -> Result<Tensor, TchError> {
        let attention = self.attend(&self.attention_norm.forward(states), cache, mode)?;
        let attended = states + self.dropout.forward(attention, mode);
        // The GELU by its approximation with a hyperbolic tangent, which transformers calls `gelu_new`.
        let between = self
            .widen
            .forward(&self.norm.forward(&attended))
            .gelu("tanh");
        let added = self.dropout.forward(self.narrow.forward(&between), mode);
        Ok(attended + added)
    }

    fn attend(
        &self,
        inputs: &Tensor,
        cache: Option<&mut BlockCache>,
        mode: Mode,
    ) -> Result<Tensor, TchError> {
        let projected = self.attention_in.forward(inputs).chunk(3, -1);
        let [queries, keys, values] =
            [0, 1, 2].map(|part| split_heads(&projected[part], self.n_heads));
        let n_seen = cache.as_ref().map_or(0, |cache| cache.n_seen());
        let [keys, values] = match cache {
            Some(cache) => cache.extend([keys, values]),
            None => [keys, values],
        };
        let n_new = queries.size()[2];
        let seen = (n_new > 1 && n_seen > 0).then(|| past_of(n_new, n_seen, inputs.device()));
        let visible = match &seen {
            Some(seen) => Visible::Where(seen),
            None if n_seen == 0 => Visible::Past,
            // One token, after all others.
            None => Visible::All,
        };
        let dropped = self.attention_dropout.share(mode);
        let gathered = attend(&queries, &keys, &values, visible, dropped)?;
        Ok(self.attention_out.forward(&gathered))
    }

    /// A block of the same values in memory of its own, which collects no gradients.
    pub(crate) fn frozen_copy(&self) -> Block {
        Block {
            n_heads: self.n_heads,
            attention_norm: self.attention_norm.frozen_copy(),
            attention_in: self.attention_in.frozen_copy(),
            attention_out: self.attention_out.frozen_copy(),
            attention_dropout: self.attention_dropout,
            norm: self.norm.frozen_copy(),
            widen: self.widen.frozen_copy(),
            narrow: self.narrow.frozen_copy(),
            dropout: self.dropout,
        }
    }

    /// Adds `<path>.ln_1.*`, `<path>.attn.*`, `<path>.ln_2.*` and `<path>.mlp.*`.
    pub(crate) fn list(&self, path: &str, into: &mut Parameters) {
        self.attention_norm.list(&format!("{path}.ln_1"), into);
        self.attention_in.list(&format!("{path}.attn.c_attn"), into);
        self.attention_out
            .list(&format!("{path}.attn.c_proj"), into);
        self.norm.list(&format!("{path}.ln_2"), into);
        self.widen.list(&format!("{path}.mlp.c_fc"), into);
        self.narrow.list(&format!("{path}.mlp.c_proj"), into);
    }
}

/// What each of `n_new` tokens sees when `n_seen` were before them, `[1, 1, n_new, n_seen + n_new]`, bool.
fn past_of(n_new: i64, n_seen: i64, device: Device) -> Tensor {
    let everything = Tensor::ones([1, 1, n_new, n_seen + n_new], (Kind::Bool, device));
    everything.tril(n_seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_sees_those_before_and_itself() {
        let seen = past_of(2, 1, Device::Cpu);
        assert_eq!(seen.size(), [1, 1, 2, 3]);
        let seen = Vec::<bool>::try_from(seen.reshape(-1)).unwrap();
        assert_eq!(seen, [true, true, false, true, true, true]);
    }
}
