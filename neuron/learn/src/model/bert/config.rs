//! The widths of a BERT, and Hugging Face's `config.json`.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::checkpoint::hugging_face::{self, HuggingFaceError};

/// The widths of a BERT, under the names that Hugging Face gives them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BertConfig {
    /// Tokens that it knows.
    pub vocab_size: i64,
    /// Width of every encoding, the `d_model` of a synapse.
    pub hidden_size: i64,
    /// Layers, one on top of the other.
    pub num_hidden_layers: usize,
    /// Heads of attention, a divisor of the width.
    pub num_attention_heads: i64,
    /// Width between the two halves of a layer's feed-forward part.
    pub intermediate_size: i64,
    /// The longest text, in tokens.
    pub max_position_embeddings: i64,
    /// Kinds of segment: two where texts are pairs of sentences.
    pub type_vocab_size: i64,
    /// Share of numbers that is dropped from embeddings and from what a layer adds, in 0..1.
    #[serde(default = "a_tenth")]
    pub hidden_dropout_prob: f64,
    /// Share of attention that is dropped, in 0..1.
    #[serde(default = "a_tenth")]
    pub attention_probs_dropout_prob: f64,
    /// What is added to variances before they divide.
    #[serde(default = "layer_norm_eps")]
    pub layer_norm_eps: f64,
    /// Standard deviation of first weights.
    #[serde(default = "initializer_range")]
    pub initializer_range: f64,
    /// The token that fills a text up to the length of its batch.
    #[serde(default)]
    pub pad_token_id: i64,
    /// The token that ends a sentence; without it, all of a text is one segment. Hugging Face keeps it with the tokeniser.
    #[serde(default)]
    pub sep_token_id: Option<i64>,
}

fn a_tenth() -> f64 {
    0.1
}

fn layer_norm_eps() -> f64 {
    1e-12
}

fn initializer_range() -> f64 {
    0.02
}

impl Default for BertConfig {
    /// Width 256, two layers of two heads, 512 in between, and the vocabulary of `bert-base-uncased`, as the origin has them.
    fn default() -> BertConfig {
        BertConfig {
            vocab_size: 30_522,
            hidden_size: 256,
            num_hidden_layers: 2,
            num_attention_heads: 2,
            intermediate_size: 512,
            max_position_embeddings: 512,
            type_vocab_size: 2,
            hidden_dropout_prob: a_tenth(),
            attention_probs_dropout_prob: a_tenth(),
            layer_norm_eps: layer_norm_eps(),
            initializer_range: initializer_range(),
            pad_token_id: 0,
            sep_token_id: Some(102),
        }
    }
}

impl BertConfig {
    /// Small enough to be quick: for tests and demonstrations, over a vocabulary of at least four tokens.
    pub fn tiny(vocab_size: i64) -> BertConfig {
        BertConfig {
            vocab_size,
            hidden_size: 32,
            num_attention_heads: 4,
            intermediate_size: 48,
            max_position_embeddings: 64,
            sep_token_id: Some(3),
            ..BertConfig::default()
        }
    }

    /// Whether a model can be made of these widths, and if not, why.
    ///
    /// # Errors
    ///
    /// What was expected and what is there.
    pub fn check(&self) -> Result<(), String> {
        let layers = i64::try_from(self.num_hidden_layers).unwrap_or(i64::MAX);
        hugging_face::check_sizes([
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.hidden_size),
            ("num_hidden_layers", layers),
            ("num_attention_heads", self.num_attention_heads),
            ("intermediate_size", self.intermediate_size),
            ("max_position_embeddings", self.max_position_embeddings),
            ("type_vocab_size", self.type_vocab_size),
        ])?;
        hugging_face::check_scales([
            ("initializer_range", self.initializer_range),
            ("layer_norm_eps", self.layer_norm_eps),
        ])?;
        let (width, n_heads) = (self.hidden_size, self.num_attention_heads);
        if width % n_heads != 0 {
            return Err(format!("{n_heads} heads do not divide a width of {width}"));
        }
        let shares = [
            ("hidden_dropout_prob", self.hidden_dropout_prob),
            (
                "attention_probs_dropout_prob",
                self.attention_probs_dropout_prob,
            ),
        ];
        if let Some((name, share)) = shares.into_iter().find(|(_, p)| !(0.0..1.0).contains(p)) {
            return Err(format!("{name} is {share}, expected a share in 0..1"));
        }
        let known = 0..self.vocab_size;
        let tokens = [Some(self.pad_token_id), self.sep_token_id];
        match tokens.into_iter().flatten().find(|id| !known.contains(id)) {
            Some(id) => Err(format!(
                "token {id} is not of a vocabulary of {}",
                known.end
            )),
            None => Ok(()),
        }
    }

    /// Reads `config.json` from a folder, and what ends a sentence from `tokenizer.json`, if it is there.
    ///
    /// # Errors
    ///
    /// [`HuggingFaceError::Format`] if the model is another one, or a BERT that computes otherwise than ours.
    pub fn read(folder: &Path) -> Result<BertConfig, HuggingFaceError> {
        let json: Value = hugging_face::read_config(folder, check_kind)?;
        let mut config = hugging_face::read_config(folder, BertConfig::check)?;
        if json.get("sep_token_id").is_none() {
            config.sep_token_id = sep_of_tokenizer(folder, &config)?;
        }
        Ok(config)
    }

    /// As `config.json` has it.
    pub(crate) fn to_json(self) -> Value {
        let mut json = serde_json::to_value(self).expect("its keys are strings");
        for (key, value) in [
            ("architectures", json!(["BertForPreTraining"])),
            ("model_type", json!("bert")),
            ("hidden_act", json!("gelu")),
        ] {
            json[key] = value;
        }
        json
    }
}

/// Refuses what would be computed otherwise.
fn check_kind(config: &Value) -> Result<(), String> {
    for (key, expected) in [
        ("model_type", json!("bert")),
        ("hidden_act", json!("gelu")),
        ("position_embedding_type", json!("absolute")),
        ("tie_word_embeddings", json!(true)),
        ("is_decoder", json!(false)),
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

/// The id of `[SEP]` among the special tokens of the folder's tokeniser.
fn sep_of_tokenizer(folder: &Path, config: &BertConfig) -> Result<Option<i64>, HuggingFaceError> {
    #[derive(Deserialize)]
    struct Tokenizer {
        #[serde(default)]
        added_tokens: Vec<Token>,
    }
    #[derive(Deserialize)]
    struct Token {
        id: i64,
        content: String,
    }
    let tokenizer: Tokenizer = match hugging_face::read_json(folder, "tokenizer.json") {
        Err(HuggingFaceError::Missing(_)) => return Ok(None),
        read => read?,
    };
    let known = 0..config.vocab_size;
    let mut tokens = tokenizer.added_tokens.into_iter();
    let sep = tokens.find(|token| token.content == "[SEP]" && known.contains(&token.id));
    Ok(sep.map(|token| token.id))
}
