//! From tokens to vectors.
//!
//! ```text
//! x = norm(word[id] + position[place] + token_type[segment])
//! ```

use rand::Rng;
use tch::{Device, Kind, TchError, Tensor};

use super::{BertConfig, text::Texts};
use crate::nn::{dropout::Dropout, embedding::Embedding, layer_norm::LayerNorm};
use crate::parameters::Parameters;
use crate::synapse::Mode;

/// The tables of words, places and segments.
#[derive(Debug)]
pub(super) struct Embeddings {
    pub(super) word: Embedding,
    position: Embedding,
    token_type: Embedding,
    norm: LayerNorm,
    dropout: Dropout,
}

impl Embeddings {
    pub(super) fn draw(config: &BertConfig, rng: &mut impl Rng, device: Device) -> Embeddings {
        let mut table = |n_ids| {
            let deviation = config.initializer_range;
            Embedding::draw(n_ids, config.hidden_size, deviation, rng, device)
        };
        Embeddings {
            word: table(config.vocab_size),
            position: table(config.max_position_embeddings),
            token_type: table(config.type_vocab_size),
            norm: LayerNorm::new(config.hidden_size, config.layer_norm_eps, device),
            dropout: Dropout::new(config.hidden_dropout_prob),
        }
    }

    /// # Shapes
    ///
    /// `[batch, seq]` → `[batch, seq, d_model]`
    pub(super) fn forward(&self, texts: &Texts, mode: Mode) -> Result<Tensor, TchError> {
        let places = Tensor::arange(texts.seq(), (Kind::Int64, texts.ids.device()));
        let sum = self.word.forward(&texts.ids)?
            + self.position.forward(&places)?
            + self.token_type.forward(&texts.segments)?;
        Ok(self.dropout.forward(self.norm.forward(&sum), mode))
    }

    pub(super) fn frozen_copy(&self) -> Embeddings {
        Embeddings {
            word: self.word.frozen_copy(),
            position: self.position.frozen_copy(),
            token_type: self.token_type.frozen_copy(),
            norm: self.norm.frozen_copy(),
            dropout: self.dropout,
        }
    }

    pub(super) fn list(&self, path: &str, into: &mut Parameters) {
        self.word.list(&format!("{path}.word_embeddings"), into);
        self.position
            .list(&format!("{path}.position_embeddings"), into);
        self.token_type
            .list(&format!("{path}.token_type_embeddings"), into);
        self.norm.list(&format!("{path}.LayerNorm"), into);
    }
}
