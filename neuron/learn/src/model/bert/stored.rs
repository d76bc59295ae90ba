//! The names under which checkpoints hold a BERT.
//!
//! There are several habits: the encoder alone, without the prefix `bert.` and without heads; scale and shift of a norm as
//! `gamma` and `beta`; and the decoder of the masked words, which is the table of words, stored once more.

use super::BertConfig;
use crate::parameters::Parameters;

/// Stored once more: the table of words.
const DECODER_WEIGHT: &str = "cls.predictions.decoder.weight";

/// Stored once more, or instead of [`BIAS`].
const DECODER_BIAS: &str = "cls.predictions.decoder.bias";

const BIAS: &str = "cls.predictions.bias";

/// The same tensors under the names of `BertForPreTraining`.
pub(crate) fn renamed(stored: Parameters) -> Parameters {
    let is_bare = !stored.keys().any(|name| name.starts_with("bert."));
    let mut renamed: Parameters = stored
        .into_iter()
        .map(|(name, tensor)| (rename(&name, is_bare), tensor))
        .collect();
    renamed.remove(DECODER_WEIGHT);
    if let Some(bias) = renamed.remove(DECODER_BIAS) {
        renamed.entry(BIAS.to_owned()).or_insert(bias);
    }
    renamed
}

/// The tensors that tell all widths of an encoder, and their shapes, `[outputs, inputs]`.
pub(crate) fn shapes(config: &BertConfig) -> [(String, Vec<i64>); 4] {
    let (width, last) = (config.hidden_size, config.num_hidden_layers - 1);
    let table = |name, size| {
        let name = format!("bert.embeddings.{name}_embeddings.weight");
        (name, vec![size, width])
    };
    [
        table("word", config.vocab_size),
        table("position", config.max_position_embeddings),
        table("token_type", config.type_vocab_size),
        (
            format!("bert.encoder.layer.{last}.intermediate.dense.weight"),
            vec![config.intermediate_size, width],
        ),
    ]
}

fn rename(name: &str, is_bare: bool) -> String {
    let prefix = if is_bare && !name.starts_with("cls.") {
        "bert."
    } else {
        ""
    };
    let name = match name.rsplit_once('.') {
        Some((norm, "gamma")) => format!("{norm}.weight"),
        Some((norm, "beta")) => format!("{norm}.bias"),
        _ => name.to_owned(),
    };
    format!("{prefix}{name}")
}

/// Whether a checkpoint must have this parameter. Without the others (pooler, heads, what a synapse adds), the encoder is
/// whole.
pub(crate) fn is_of_encoder(name: &str) -> bool {
    name.starts_with("bert.embeddings.") || name.starts_with("bert.encoder.")
}

#[cfg(test)]
mod tests {
    use tch::Tensor;

    use super::*;

    fn names(stored: &[&str]) -> Vec<String> {
        let stored = stored.iter().zip(0..);
        let stored = stored.map(|(name, value)| ((*name).to_owned(), Tensor::from(value)));
        renamed(stored.collect()).into_keys().collect()
    }

    #[test]
    fn an_encoder_alone_gets_its_prefix() {
        assert_eq!(
            names(&["cls.seq_relationship.bias", "embeddings.LayerNorm.weight"]),
            [
                "bert.embeddings.LayerNorm.weight",
                "cls.seq_relationship.bias"
            ]
        );
        let whole = ["bert.embeddings.LayerNorm.weight", "classifier.bias"];
        assert_eq!(names(&whole), whole);
    }

    #[test]
    fn old_names_of_norms_are_known() {
        assert_eq!(
            names(&["bert.a.LayerNorm.beta", "bert.a.LayerNorm.gamma"]),
            ["bert.a.LayerNorm.bias", "bert.a.LayerNorm.weight"]
        );
    }

    #[test]
    fn the_decoder_is_the_table_of_words() {
        assert_eq!(
            names(&["bert.x", DECODER_WEIGHT, DECODER_BIAS]),
            ["bert.x", BIAS]
        );
        let both = Parameters::from([
            ("bert.x".to_owned(), Tensor::from(0)),
            (BIAS.to_owned(), Tensor::from(1)),
            (DECODER_BIAS.to_owned(), Tensor::from(2)),
        ]);
        assert_eq!(renamed(both)[BIAS].int64_value(&[]), 1);
    }
}
