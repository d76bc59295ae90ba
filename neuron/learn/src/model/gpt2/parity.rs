//! GPT-2 against `transformers`, number by number: logits, loss, gradients and what greedy generation says, from the same
//! weights.
//!
//! `parity/gpt2.py` computed the numbers.

use std::collections::BTreeMap;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

use super::*;
use crate::loss;
use crate::parameters;
use crate::parity::{Kept, formula};

/// How far a number may be from theirs.
const TOLERANCE: f64 = 1e-5;

#[derive(Deserialize)]
struct Recorded {
    tied: Run,
    untied: Run,
}

#[derive(Deserialize)]
struct Run {
    config: Gpt2Config,
    tokens: Vec<Vec<i64>>,
    /// Lengths of the pieces in which the tokens were given to the model with a cache.
    pieces: Vec<i64>,
    hidden: Kept,
    logits: Kept,
    loss: Kept,
    gradients: BTreeMap<String, Kept>,
    prompt: Vec<Vec<i64>>,
    greedy: Vec<Vec<i64>>,
}

/// A model of the recorded widths and weights.
fn model(config: &Gpt2Config) -> (Gpt2, Parameters) {
    let gpt = Gpt2::draw(config, &mut ChaCha8Rng::seed_from_u64(0), Device::Cpu);
    let (mut own, mut weights) = (Parameters::new(), Parameters::new());
    gpt.list(&mut own);
    for (phase, (name, tensor)) in own.iter().enumerate() {
        let shape = tensor.size();
        let (base, bound) = match shape[..] {
            [_, width] => (0.0, 1.0 / (width as f64).sqrt()),
            _ if name.ends_with(".weight") => (1.0, 0.1),
            _ => (0.0, 0.1),
        };
        weights.insert(name.clone(), formula(&shape, bound, phase as f64) + base);
    }
    parameters::load(&own, &weights).unwrap();
    (gpt, own)
}

fn rows(rows: &[Vec<i64>]) -> Tensor {
    Tensor::from_slice(&rows.concat()).reshape([rows.len() as i64, -1])
}

/// The last hidden state of tokens that follow those in the cache.
fn states(gpt: &Gpt2, tokens: &Tensor, cache: Option<&mut Cache>) -> Tensor {
    let n_seen = cache.as_ref().map_or(0, |cache| cache.n_seen());
    gpt.check(tokens, n_seen).unwrap();
    let embedded = gpt.embed(tokens, n_seen, Mode::Evaluation).unwrap();
    gpt.encode(embedded, cache, Mode::Evaluation).unwrap()
}

fn repeat(run: &Run) {
    let (gpt, parameters) = model(&run.config);
    let tokens = rows(&run.tokens);
    let hidden = states(&gpt, &tokens, None);
    run.hidden.expect("last hidden state", &hidden, TOLERANCE);
    let logits = gpt.logits(&hidden);
    run.logits.expect("logits", &logits, TOLERANCE);

    let mut cache = Cache::new(run.config.n_layer);
    let pieces = tokens.split_with_sizes(&run.pieces[..], 1);
    let cached: Vec<Tensor> = pieces
        .iter()
        .map(|piece| gpt.logits(&states(&gpt, piece, Some(&mut cache))))
        .collect();
    run.logits
        .expect("logits with a cache", &Tensor::cat(&cached, 1), TOLERANCE);

    let told = tokens.size()[1] - 1;
    let target = logits.narrow(1, 0, told).log_softmax(-1, Kind::Float);
    let loss = loss::nll(&target, &tokens.narrow(1, 1, told)).unwrap();
    run.loss.expect("loss", &loss, TOLERANCE);

    loss.backward();
    assert!(
        run.gradients.keys().eq(parameters.keys()),
        "{:?}",
        parameters.keys()
    );
    for (name, theirs) in &run.gradients {
        theirs.expect(
            &format!("gradient of {name}"),
            &parameters[name].grad(),
            TOLERANCE,
        );
    }
}

/// What greedy generation makes of the prompt.
fn go_on(run: &Run) -> Vec<Vec<i64>> {
    let (gpt, _) = model(&run.config);
    let prompt = rows(&run.prompt);
    let generation = Generation {
        max_new_tokens: run.greedy[0].len() - run.prompt[0].len(),
        choice: Choice::Greedy,
        end: run.config.eos_token_id,
    };
    let mut cache = Cache::new(run.config.n_layer);
    let tokens = generate::generate(&prompt, &generation, |new| {
        Ok(gpt.logits(&states(&gpt, new, Some(&mut cache)).select(1, -1)))
    });
    tokens.unwrap().try_into().unwrap()
}

fn recorded() -> Recorded {
    serde_json::from_str(include_str!("../../../parity/gpt2.json")).unwrap()
}

#[test]
fn a_model_computes_and_learns_as_in_transformers() {
    repeat(&recorded().tied);
}

#[test]
fn a_model_with_a_head_of_its_own_computes_and_learns_as_in_transformers() {
    repeat(&recorded().untied);
}

#[test]
fn texts_go_on_as_in_transformers() {
    let Recorded { tied, untied } = recorded();
    for run in [&tied, &untied] {
        let greedy = go_on(run);
        assert_eq!(greedy, run.greedy);
        let new: std::collections::BTreeSet<i64> =
            greedy[0][run.prompt[0].len()..].iter().copied().collect();
        assert!(new.len() > 1, "more than one token over and over");
    }
}
