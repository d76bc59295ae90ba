//! The names under which checkpoints hold a GPT-2.
//!
//! There are several habits: without the prefix `transformer.`, as its authors published it; with the masks of attention,
//! which are not learnt; and with the head that names tokens, which is the table of words, stored once more.

use super::Gpt2Config;
use crate::parameters::Parameters;

/// What names the next token.
const HEAD: &str = "lm_head.weight";

/// The model's parts, where its authors left out the prefix.
const PARTS: [&str; 4] = ["wte.", "wpe.", "h.", "ln_f."];

/// The same tensors under the names of `GPT2LMHeadModel`, whose head is the table of words or not.
pub(crate) fn renamed(mut stored: Parameters, is_tied: bool) -> Parameters {
    stored.retain(|name, _| !is_mask(name));
    if is_tied {
        stored.remove(HEAD);
    }
    if !stored.contains_key("wte.weight") {
        return stored;
    }
    let is_part = |name: &str| PARTS.iter().any(|part| name.starts_with(part));
    stored
        .into_iter()
        .map(|(name, tensor)| match is_part(&name) {
            true => (format!("transformer.{name}"), tensor),
            false => (name, tensor),
        })
        .collect()
}

/// The tensors that tell all widths of a model, and their shapes; of a block's, `[inputs, outputs]`.
pub(crate) fn shapes(config: &Gpt2Config) -> [(String, Vec<i64>); 3] {
    let (width, last) = (config.n_embd, config.n_layer - 1);
    [
        (
            "transformer.wte.weight".to_owned(),
            vec![config.vocab_size, width],
        ),
        (
            "transformer.wpe.weight".to_owned(),
            vec![config.n_positions, width],
        ),
        (
            format!("transformer.h.{last}.mlp.c_fc.weight"),
            vec![width, config.d_between()],
        ),
    ]
}

/// Whether this is a buffer of attention: which places see which, and what is written where they do not.
fn is_mask(name: &str) -> bool {
    name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias")
}

/// Whether a checkpoint must have this parameter. Without the others, which a synapse adds, the model is whole.
pub(crate) fn is_of_model(name: &str) -> bool {
    name.starts_with("transformer.") || name == HEAD
}

#[cfg(test)]
mod tests {
    use tch::Tensor;

    use super::*;

    fn names(stored: &[&str], is_tied: bool) -> Vec<String> {
        let stored = stored
            .iter()
            .map(|name| ((*name).to_owned(), Tensor::from(0)));
        renamed(stored.collect(), is_tied).into_keys().collect()
    }

    #[test]
    fn a_model_as_its_authors_published_it_gets_its_prefix() {
        assert_eq!(
            names(
                &[
                    "h.0.attn.bias",
                    "h.0.attn.c_attn.bias",
                    "ln_f.bias",
                    "wpe.weight",
                    "wte.weight",
                    "join.bias"
                ],
                true
            ),
            [
                "join.bias",
                "transformer.h.0.attn.c_attn.bias",
                "transformer.ln_f.bias",
                "transformer.wpe.weight",
                "transformer.wte.weight",
            ]
        );
    }

    #[test]
    fn a_head_that_is_the_table_of_words_is_left_out() {
        let whole = ["lm_head.weight", "transformer.wte.weight"];
        assert_eq!(names(&whole, true), ["transformer.wte.weight"]);
        assert_eq!(names(&whole, false), whole);
        assert_eq!(
            names(
                &["transformer.h.0.attn.masked_bias", "transformer.x"],
                false
            ),
            ["transformer.x"]
        );
    }
}
