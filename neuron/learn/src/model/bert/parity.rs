//! BERT against `transformers`, number by number: hidden states, heads, losses and gradients from the same weights.
//!
//! `parity/bert.py` computed the numbers.

use std::collections::BTreeMap;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;
use tch::Kind;

use super::*;
use crate::loss;
use crate::parameters;
use crate::parity::{Kept, formula};

/// How far a number may be from theirs.
const TOLERANCE: f64 = 1e-5;

#[derive(Deserialize)]
struct Recorded {
    config: BertConfig,
    tokens: Vec<Vec<i64>>,
    words: Vec<Vec<i64>>,
    next_sentence: Vec<i64>,
    hidden_states: Vec<Kept>,
    pooled: Kept,
    word_logits: Kept,
    next_sentence_logits: Kept,
    loss: Kept,
    gradients: BTreeMap<String, Kept>,
}

/// A model of the recorded widths and weights.
fn model(config: &BertConfig) -> (BertForPreTraining, Parameters) {
    let bert = BertForPreTraining::draw(config, &mut ChaCha8Rng::seed_from_u64(0), Device::Cpu);
    let (mut own, mut weights) = (Parameters::new(), Parameters::new());
    bert.list(&mut own);
    for (phase, (name, tensor)) in own.iter().enumerate() {
        let shape = tensor.size();
        let bound = match shape[..] {
            [_, width] => 1.0 / (width as f64).sqrt(),
            _ => 0.1,
        };
        let base = f64::from(u8::from(name.ends_with("LayerNorm.weight")));
        weights.insert(name.clone(), formula(&shape, bound, phase as f64) + base);
    }
    parameters::load(&own, &weights).unwrap();
    (bert, own)
}

fn rows(rows: &[Vec<i64>]) -> Tensor {
    Tensor::from_slice(&rows.concat()).reshape([rows.len() as i64, -1])
}

#[test]
fn a_model_computes_and_learns_as_in_transformers() {
    let recorded: Recorded =
        serde_json::from_str(include_str!("../../../parity/bert.json")).unwrap();
    let (bert, parameters) = model(&recorded.config);
    let texts = Texts::new(&rows(&recorded.tokens), &recorded.config, Device::Cpu).unwrap();
    assert!(matches!(
        texts.visible(),
        crate::nn::attention::Visible::Where(_)
    ));

    let states = bert.hidden_states(&texts).unwrap();
    assert_eq!(states.len(), recorded.hidden_states.len());
    for (number, (ours, theirs)) in states.iter().zip(&recorded.hidden_states).enumerate() {
        theirs.expect(&format!("hidden state {number}"), ours, TOLERANCE);
    }

    let encoded = bert
        .encode(states[0].shallow_clone(), &texts, Mode::Evaluation)
        .unwrap();
    let pooled = bert.pool(&encoded);
    recorded.pooled.expect("pooled output", &pooled, TOLERANCE);
    let words = bert.words(&encoded);
    recorded
        .word_logits
        .expect("logits of words", &words, TOLERANCE);
    let next_sentence = bert.next_sentence(&pooled);
    recorded
        .next_sentence_logits
        .expect("logits of the next sentence", &next_sentence, TOLERANCE);

    let nll =
        |logits: &Tensor, labels| loss::nll(&logits.log_softmax(-1, Kind::Float), &labels).unwrap();
    let loss = nll(&words, rows(&recorded.words))
        + nll(&next_sentence, Tensor::from_slice(&recorded.next_sentence));
    recorded.loss.expect("loss", &loss, TOLERANCE);

    loss.backward();
    assert!(recorded.gradients.keys().eq(parameters.keys()));
    for (name, theirs) in &recorded.gradients {
        let ours = parameters[name].grad();
        if name.ends_with("key.bias") {
            // It adds the same to all scores of a query, which softmax takes away again: both are zero up to rounding.
            let largest = ours.abs().max().double_value(&[]);
            assert!(theirs.norm < 1e-6 && largest < 1e-6, "{name}: {largest}");
            continue;
        }
        theirs.expect(&format!("gradient of {name}"), &ours, TOLERANCE);
    }
}
