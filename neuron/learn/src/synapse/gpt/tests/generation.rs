//! Texts that go on.

use super::*;
use crate::model::gpt2::{Choice, Sampling};

fn rows(tokens: &Tensor) -> Vec<Vec<i64>> {
    tokens.try_into().unwrap()
}

fn greedy(max_new_tokens: usize) -> Generation {
    Generation {
        max_new_tokens,
        choice: Choice::Greedy,
        end: None,
    }
}

#[test]
fn texts_go_on_by_the_local_branch() {
    let gpt = tiny();
    let generated = gpt.generate(&texts(), &greedy(10)).unwrap();
    assert_eq!(generated.size(), [2, 16]);
    // Without a cache, anew for each token.
    let mut expected = texts();
    for _ in 0..10 {
        let next = gpt
            .predict(Modality::Text, &expected)
            .unwrap()
            .argmax(-1, true);
        expected = Tensor::cat(&[expected, next], 1);
    }
    assert_eq!(rows(&generated), rows(&expected));
    assert!(!generated.requires_grad());
}

#[test]
fn what_is_drawn_is_the_seeds_own() {
    let gpt = tiny();
    let sampled = |seed| {
        let generation = Generation {
            choice: Choice::Sampled(Sampling::from_seed(seed)),
            ..greedy(20)
        };
        rows(&gpt.generate(&texts(), &generation).unwrap())
    };
    assert_eq!(sampled(1), sampled(1));
    assert_ne!(sampled(1), sampled(2));
    let likeliest = Generation {
        choice: Choice::Sampled(Sampling {
            top_k: Some(1),
            ..Sampling::from_seed(5)
        }),
        ..greedy(10)
    };
    assert_eq!(
        rows(&gpt.generate(&texts(), &likeliest).unwrap()),
        rows(&gpt.generate(&texts(), &greedy(10)).unwrap())
    );
}

#[test]
fn a_prompt_that_cannot_go_on_is_refused() {
    let gpt = tiny();
    assert_eq!(gpt.generate(&texts(), &greedy(58)).unwrap().size(), [2, 64]);
    assert!(matches!(
        gpt.generate(&texts(), &greedy(59)),
        Err(GenerateError::TooLong {
            prompt: 6,
            new: 59,
            longest: 64
        })
    ));
    assert!(matches!(
        gpt.generate(&(texts() + VOCAB), &greedy(1)),
        Err(GenerateError::Synapse(SynapseError::Token { .. }))
    ));
    assert!(matches!(
        gpt.generate(&texts().narrow(1, 0, 0), &greedy(1)),
        Err(GenerateError::Synapse(SynapseError::Shape { .. }))
    ));
}

#[test]
fn a_model_learns_what_comes_next() {
    use crate::optim::{Sgd, SgdConfig, zero_gradients};

    let config = Gpt2Config {
        resid_pdrop: 0.0,
        embd_pdrop: 0.0,
        attn_pdrop: 0.0,
        ..Gpt2Config::tiny(VOCAB)
    };
    let gpt = Gpt::new(config, 3, CPU);
    let parameters = gpt.parameters();
    let mut sgd = Sgd::new(SgdConfig {
        momentum: 0.9,
        weight_decay: 0.0,
    });
    for _ in 0..60 {
        zero_gradients(&parameters);
        learn(&gpt, Some(&labels()), None).loss.unwrap().backward();
        sgd.step(&parameters, 0.1);
    }
    // Each text by heart, from its first two tokens.
    let prompt = texts().narrow(1, 0, 2);
    assert_eq!(
        rows(&gpt.generate(&prompt, &greedy(4)).unwrap()),
        rows(&texts())
    );
}
