//! The widths of a GPT-2, and Hugging Face's `config.json`.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::checkpoint::hugging_face::{self, HuggingFaceError};

/// The widths of a GPT-2, under the names that Hugging Face gives them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gpt2Config {
    /// Tokens that it knows.
    pub vocab_size: i64,
    /// The longest text, in tokens.
    pub n_positions: i64,
    /// Width of every encoding, the `d_model` of a synapse.
    pub n_embd: i64,
    /// Blocks, one on top of the other.
    pub n_layer: usize,
    /// Heads of attention, a divisor of the width.
    pub n_head: i64,
    /// Width between the two halves of a block's feed-forward part; none for four times that of encodings.
    #[serde(default)]
    pub n_inner: Option<i64>,
    /// Share of numbers that is dropped from what a block adds, in 0..1.
    #[serde(default = "a_tenth")]
    pub resid_pdrop: f64,
    /// Share of numbers that is dropped from embeddings, in 0..1.
    #[serde(default = "a_tenth")]
    pub embd_pdrop: f64,
    /// Share of attention that is dropped, in 0..1.
    #[serde(default = "a_tenth")]
    pub attn_pdrop: f64,
    /// What is added to variances before they divide.
    #[serde(default = "layer_norm_epsilon")]
    pub layer_norm_epsilon: f64,
    /// Standard deviation of first weights.
    #[serde(default = "initializer_range")]
    pub initializer_range: f64,
    /// Whether the table of words also names the next token.
    #[serde(default = "yes")]
    pub tie_word_embeddings: bool,
    /// The token that ends a text, if there is one.
    #[serde(default)]
    pub eos_token_id: Option<i64>,
}

fn a_tenth() -> f64 {
    0.1
}

fn layer_norm_epsilon() -> f64 {
    1e-5
}

fn initializer_range() -> f64 {
    0.02
}

fn yes() -> bool {
    true
}

impl Default for Gpt2Config {
    /// Width 512, three blocks of two heads, as the origin has them, and the vocabulary and the texts of GPT-2.
    fn default() -> Gpt2Config {
        Gpt2Config {
            vocab_size: 50_257,
            n_positions: 1024,
            n_embd: 512,
            n_layer: 3,
            n_head: 2,
            n_inner: None,
            resid_pdrop: a_tenth(),
            embd_pdrop: a_tenth(),
            attn_pdrop: a_tenth(),
            layer_norm_epsilon: layer_norm_epsilon(),
            initializer_range: initializer_range(),
            tie_word_embeddings: true,
            eos_token_id: Some(50_256),
        }
    }
}

impl Gpt2Config {
    /// Small enough to be quick: for tests and demonstrations.
    pub fn tiny(vocab_size: i64) -> Gpt2Config {
        Gpt2Config {
            vocab_size,
            n_positions: 64,
            n_embd: 32,
            n_layer: 2,
            n_head: 4,
            eos_token_id: None,
            ..Gpt2Config::default()
        }
    }

    /// Width between the two halves of a block's feed-forward part.
    pub(crate) fn d_between(&self) -> i64 {
        self.n_inner.unwrap_or(4 * self.n_embd)
    }

    /// Whether a model can be made of these widths, and if not, why.
    ///
    /// # Errors
    ///
    /// What was expected and what is there.
    pub fn check(&self) -> Result<(), String> {
        let blocks = i64::try_from(self.n_layer).unwrap_or(i64::MAX);
        hugging_face::check_sizes([
            ("vocab_size", self.vocab_size),
            ("n_positions", self.n_positions),
            ("n_embd", self.n_embd),
            ("n_layer", blocks),
            ("n_head", self.n_head),
        ])?;
        // Only now: it may follow from the width.
        hugging_face::check_sizes([("n_inner", self.d_between())])?;
        hugging_face::check_scales([
            ("initializer_range", self.initializer_range),
            ("layer_norm_epsilon", self.layer_norm_epsilon),
        ])?;
        let (width, n_heads) = (self.n_embd, self.n_head);
        if width % n_heads != 0 {
            return Err(format!("{n_heads} heads do not divide a width of {width}"));
        }
        let shares = [
            ("resid_pdrop", self.resid_pdrop),
            ("embd_pdrop", self.embd_pdrop),
            ("attn_pdrop", self.attn_pdrop),
        ];
        if let Some((name, share)) = shares.into_iter().find(|(_, p)| !(0.0..1.0).contains(p)) {
            return Err(format!("{name} is {share}, expected a share in 0..1"));
        }
        let known = 0..self.vocab_size;
        match self.eos_token_id.filter(|id| !known.contains(id)) {
            Some(id) => Err(format!(
                "token {id} is not of a vocabulary of {}",
                known.end
            )),
            None => Ok(()),
        }
    }

    /// Reads `config.json` from a folder.
    ///
    /// # Errors
    ///
    /// [`HuggingFaceError::Format`] if the model is another one, or a GPT-2 that computes otherwise than ours.
    pub fn read(folder: &Path) -> Result<Gpt2Config, HuggingFaceError> {
        let _: Value = hugging_face::read_config(folder, check_kind)?;
        hugging_face::read_config(folder, Gpt2Config::check)
    }

    /// As `config.json` has it.
    pub(crate) fn to_json(self) -> Value {
        let mut json = serde_json::to_value(self).expect("its keys are strings");
        for (key, value) in [
            ("architectures", json!(["GPT2LMHeadModel"])),
            ("model_type", json!("gpt2")),
            ("activation_function", json!("gelu_new")),
            // As in the published ones. Left out, it would be theirs, which a smaller vocabulary does not have.
            ("bos_token_id", json!(self.eos_token_id)),
        ] {
            json[key] = value;
        }
        json
    }
}

/// Refuses what would be computed otherwise.
fn check_kind(config: &Value) -> Result<(), String> {
    for (key, expected) in [
        ("model_type", json!("gpt2")),
        ("activation_function", json!("gelu_new")),
        ("scale_attn_weights", json!(true)),
        ("scale_attn_by_inverse_layer_idx", json!(false)),
        ("add_cross_attention", json!(false)),
    ] {
        match config.get(key) {
            Some(arrived) if *arrived != expected && !arrived.is_null() => {
                return Err(format!("{key} is {arrived}, expected {expected}"));
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &Value) -> Result<Gpt2Config, HuggingFaceError> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.json"), json.to_string()).unwrap();
        Gpt2Config::read(folder.path())
    }

    /// As the smallest of GPT-2 was published.
    fn published() -> Value {
        json!({
            "activation_function": "gelu_new", "architectures": ["GPT2LMHeadModel"], "attn_pdrop": 0.1,
            "bos_token_id": 50256, "embd_pdrop": 0.1, "eos_token_id": 50256, "initializer_range": 0.02,
            "layer_norm_epsilon": 1e-05, "model_type": "gpt2", "n_ctx": 1024, "n_embd": 768, "n_head": 12,
            "n_layer": 12, "n_positions": 1024, "resid_pdrop": 0.1, "summary_activation": null,
            "summary_first_dropout": 0.1, "summary_proj_to_labels": true, "summary_type": "cls_index",
            "summary_use_proj": true, "task_specific_params": {"text-generation": {"do_sample": true}},
            "vocab_size": 50257
        })
    }

    #[test]
    fn the_published_configuration_is_read() {
        let expected = Gpt2Config {
            n_embd: 768,
            n_layer: 12,
            n_head: 12,
            ..Gpt2Config::default()
        };
        assert_eq!(read(&published()).unwrap(), expected);
        assert_eq!(expected.d_between(), 3072);
        assert_eq!(read(&expected.to_json()).unwrap(), expected);
    }

    #[test]
    fn models_that_compute_otherwise_are_refused() {
        for (key, value) in [
            ("model_type", json!("bert")),
            ("activation_function", json!("relu")),
            ("scale_attn_by_inverse_layer_idx", json!(true)),
            ("n_head", json!(5)),
            ("n_layer", json!(0)),
            ("n_inner", json!(0)),
            ("resid_pdrop", json!(1.0)),
            ("eos_token_id", json!(50257)),
        ] {
            let mut config = published();
            config[key] = value;
            let refused = read(&config);
            assert!(
                matches!(refused, Err(HuggingFaceError::Format { .. })),
                "{key}"
            );
        }
    }
}
