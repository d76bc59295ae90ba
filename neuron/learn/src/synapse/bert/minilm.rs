//! The BERT synapse on a real checkpoint: all-MiniLM-L6-v2, a model for sentence embeddings.
//!
//! `scripts/minilm.sh` fetches it (91 MB) and `parity/minilm.py` computed embeddings, hidden states and pooled output with
//! `transformers`. It is an encoder stored alone, so that what is served is what its authors' model says.

use std::path::PathBuf;

use neuron_proto::Output;
use serde::Deserialize;

use super::*;
use crate::parity::Kept;

/// Another folder than the one that the script fills.
const VARIABLE: &str = "CONNECTOME_MINILM";

/// How far a number of an embedding may be from theirs.
const TOLERANCE: f64 = 1e-5;

/// How far one inside may be: those are up to a hundred times as large.
const TOLERANCE_INSIDE: f64 = 1e-4;

#[derive(Deserialize)]
struct Recorded {
    /// Two by two: each is about what the other of its pair is about.
    sentences: Vec<Sentence>,
    /// Before the first layer and after each, of all sentences, padded to the longest.
    hidden_states: Vec<Kept>,
    pooled: Kept,
}

#[derive(Deserialize)]
struct Sentence {
    text: String,
    tokens: Vec<i64>,
    embedding: Vec<f32>,
}

impl Recorded {
    fn read() -> Recorded {
        let recorded: Recorded =
            serde_json::from_str(include_str!("../../../parity/minilm.json")).unwrap();
        let n_sentences = recorded.sentences.len();
        assert!(n_sentences >= 6 && n_sentences.is_multiple_of(2));
        recorded
    }
}

fn folder() -> PathBuf {
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    variable(VARIABLE).unwrap_or_else(|| {
        let cache = variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")));
        cache.unwrap_or_default().join("connectome/minilm")
    })
}

/// The checkpoint.
fn minilm() -> Bert {
    let (bert, drawn) = Bert::read(&folder(), 0, Device::Cpu).unwrap_or_else(|error| {
        panic!("{error}\nrun scripts/minilm.sh, or name a folder with the checkpoint in {VARIABLE}")
    });
    // It has no heads, nor a student; it does have a pooler.
    let mut modules: Vec<&str> = drawn
        .iter()
        .filter_map(|name| name.split('.').next())
        .collect();
    modules.dedup();
    assert_eq!(modules, ["cls", "student"]);
    bert
}

/// The tokens of sentences of any length, `[n_sentences, longest]`.
fn tokens(bert: &Bert, sentences: &[Sentence]) -> neuron_proto::Tensor {
    let longest = sentences
        .iter()
        .map(|sentence| sentence.tokens.len())
        .max()
        .unwrap();
    let padded: Vec<i64> = sentences
        .iter()
        .flat_map(|sentence| {
            let padding = std::iter::repeat(bert.config().pad_token_id);
            sentence.tokens.iter().copied().chain(padding).take(longest)
        })
        .collect();
    let shape = [sentences.len(), longest].map(|size| u32::try_from(size).unwrap());
    neuron_proto::Tensor::from_i64(&shape, &padded).unwrap()
}

/// Embeddings of sentences, as whoever queries the synapse makes them: the mean over tokens, of length one.
fn embed(bert: &Bert, sentences: &[Sentence]) -> Tensor {
    let request = tokens(bert, sentences);
    let answer = bert
        .copy()
        .serve(Modality::Text, Output::Encoding, &request)
        .unwrap();
    let encodings = crate::tensor::to_torch(&answer, Device::Cpu).unwrap();
    // Padding is zero, and the length of the sum does not matter.
    let sums = encodings.sum_dim_intlist(1, false, Kind::Float);
    &sums / sums.square().sum_dim_intlist(-1, true, Kind::Float).sqrt()
}

#[test]
fn hidden_states_and_pooled_output_are_those_of_transformers() {
    let recorded = Recorded::read();
    let bert = minilm();
    let tokens = tokens(&bert, &recorded.sentences);
    let tokens = crate::tensor::to_torch(&tokens, Device::Cpu).unwrap();
    let texts = Texts::new(&tokens, &bert.config, Device::Cpu).unwrap();
    let states = tch::no_grad(|| bert.model.hidden_states(&texts)).unwrap();
    assert_eq!(states.len(), recorded.hidden_states.len());
    for (number, (ours, theirs)) in states.iter().zip(&recorded.hidden_states).enumerate() {
        theirs.expect(&format!("hidden state {number}"), ours, TOLERANCE_INSIDE);
    }
    let pooled = bert.model.pool(&states[states.len() - 1]);
    recorded
        .pooled
        .expect("pooled output", &pooled, TOLERANCE_INSIDE);
}

#[test]
fn sentence_embeddings_are_those_of_transformers_and_rank_by_meaning() {
    let Recorded { sentences, .. } = Recorded::read();
    let embeddings = embed(&minilm(), &sentences);
    assert_eq!(embeddings.size(), [sentences.len() as i64, 384]);

    for (row, sentence) in (0..).zip(&sentences) {
        let theirs = Tensor::from_slice(&sentence.embedding);
        let distance = (embeddings.get(row) - theirs).abs().max().double_value(&[]);
        assert!(distance < TOLERANCE, "{}: {distance}", sentence.text);
    }

    let mut similarities = embeddings.matmul(&embeddings.tr());
    let _ = similarities.fill_diagonal_(-1.0, false);
    let nearest = similarities.argmax(-1, false);
    for (row, sentence) in (0..).zip(&sentences) {
        // The other of the pair: 0 and 1, 2 and 3, ..
        assert_eq!(nearest.int64_value(&[row]), row ^ 1, "{}", sentence.text);
    }
}
