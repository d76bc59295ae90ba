use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::*;

const CPU: Device = Device::Cpu;

fn seeded(seed: u64) -> Gpt2 {
    Gpt2::draw(
        &Gpt2Config::tiny(20),
        &mut ChaCha8Rng::seed_from_u64(seed),
        CPU,
    )
}

fn row(tokens: &[i64]) -> Tensor {
    Tensor::from_slice(tokens).unsqueeze(0)
}

/// The last hidden states of a text.
fn states(gpt: &Gpt2, tokens: &[i64], mode: Mode) -> Tensor {
    let embedded = gpt.embed(&row(tokens), 0, mode).unwrap();
    gpt.encode(embedded, None, mode).unwrap().get(0)
}

fn is_near(ours: &Tensor, theirs: &Tensor) -> bool {
    ours.allclose(theirs, 1e-5, 1e-6, false)
}

#[test]
fn a_place_sees_itself_and_those_before() {
    let gpt = seeded(1);
    let states = |tokens: &[i64]| states(&gpt, tokens, Mode::Evaluation);
    let base = states(&[2, 7, 8, 9]);
    let last_changed = states(&[2, 7, 8, 10]);
    assert!(is_near(
        &last_changed.narrow(0, 0, 3),
        &base.narrow(0, 0, 3)
    ));
    assert!(!is_near(&last_changed.get(3), &base.get(3)));
    let first_changed = states(&[3, 7, 8, 9]);
    for place in 0..4 {
        assert!(
            !is_near(&first_changed.get(place), &base.get(place)),
            "{place}"
        );
    }
    // The same words before it, in another order.
    assert!(!is_near(&states(&[7, 2, 8, 9]).get(3), &base.get(3)));
    // So what is after a text does not matter to it, and alone it is the same.
    assert!(is_near(&states(&[2, 7]), &base.narrow(0, 0, 2)));
}

#[test]
fn with_a_cache_states_are_the_same_whatever_the_pieces() {
    let gpt = seeded(1);
    let tokens = row(&[2, 7, 8, 9, 3, 1, 0, 5]);
    let whole = gpt.encode(
        gpt.embed(&tokens, 0, Mode::Evaluation).unwrap(),
        None,
        Mode::Evaluation,
    );
    let whole = whole.unwrap();
    for pieces in [vec![8], vec![1; 8], vec![3, 4, 1], vec![1, 6, 1]] {
        let mut cache = Cache::new(2);
        let mut states = Vec::new();
        for piece in tokens.split_with_sizes(&pieces[..], 1) {
            let embedded = gpt.embed(&piece, cache.n_seen(), Mode::Evaluation).unwrap();
            states.push(
                gpt.encode(embedded, Some(&mut cache), Mode::Evaluation)
                    .unwrap(),
            );
        }
        assert_eq!(cache.n_seen(), 8);
        assert!(is_near(&Tensor::cat(&states, 1), &whole), "{pieces:?}");
    }
}

#[test]
fn dropout_is_for_training_only() {
    let gpt = seeded(1);
    let of = |mode| [(); 2].map(|()| states(&gpt, &[2, 7, 8, 9], mode));
    let [first, second] = of(Mode::Training);
    assert!(!is_near(&first, &second));
    let [first, second] = of(Mode::Evaluation);
    assert!(first.equal(&second));
}

#[test]
fn a_model_is_the_seeds_own() {
    let of = |seed| states(&seeded(seed), &[2, 7, 8], Mode::Evaluation);
    assert!(of(1).equal(&of(1)));
    assert!(!is_near(&of(1), &of(2)));
}

#[test]
fn names_and_shapes_are_those_of_the_field() {
    let mut parameters = Parameters::new();
    seeded(1).list(&mut parameters);
    // Two tables, 12 of each block, 2 of the last norm.
    assert_eq!(parameters.len(), 2 + 2 * 12 + 2);
    for (name, shape) in [
        ("transformer.wte.weight", &[20, 32][..]),
        ("transformer.wpe.weight", &[64, 32]),
        ("transformer.h.0.ln_1.weight", &[32]),
        ("transformer.h.0.attn.c_attn.weight", &[32, 96]),
        ("transformer.h.0.attn.c_attn.bias", &[96]),
        ("transformer.h.1.attn.c_proj.weight", &[32, 32]),
        ("transformer.h.1.ln_2.bias", &[32]),
        ("transformer.h.1.mlp.c_fc.weight", &[32, 128]),
        ("transformer.h.1.mlp.c_proj.weight", &[128, 32]),
        ("transformer.ln_f.bias", &[32]),
    ] {
        assert_eq!(parameters[name].size(), shape, "{name}");
    }
}

#[test]
fn the_head_is_the_table_of_words_unless_it_is_untied() {
    let gradients = |tie_word_embeddings| {
        let config = Gpt2Config {
            tie_word_embeddings,
            ..Gpt2Config::tiny(20)
        };
        let gpt = Gpt2::draw(&config, &mut ChaCha8Rng::seed_from_u64(1), CPU);
        let states = Tensor::ones([1, 2, 32], (Kind::Float, CPU));
        let logits = gpt.logits(&states);
        assert_eq!(logits.size(), [1, 2, 20]);
        logits.sum(Kind::Float).backward();
        let mut parameters = Parameters::new();
        gpt.list(&mut parameters);
        parameters.retain(|_, parameter| parameter.grad().defined());
        parameters.into_keys().collect::<Vec<_>>()
    };
    assert_eq!(gradients(true), ["transformer.wte.weight"]);
    assert_eq!(gradients(false), ["lm_head.weight"]);
}

#[test]
fn what_a_block_adds_is_drawn_smaller_where_there_are_more() {
    let deviation = |n_layer: usize, name: &str| {
        let config = Gpt2Config {
            n_layer,
            ..Gpt2Config::tiny(20)
        };
        let mut parameters = Parameters::new();
        Gpt2::draw(&config, &mut ChaCha8Rng::seed_from_u64(1), CPU).list(&mut parameters);
        parameters[name].std(true).double_value(&[])
    };
    // 0.02 / √(2·8) = 0.005, within five standard errors of 1/√(2·4096) each
    for (name, expected) in [("mlp.c_fc", 0.02), ("mlp.c_proj", 0.005)] {
        let drawn = deviation(8, &format!("transformer.h.0.{name}.weight"));
        assert!((drawn / expected - 1.0).abs() < 0.056, "{name}: {drawn}");
    }
}

#[test]
fn what_is_no_text_of_the_model_is_refused() {
    let gpt = seeded(1);
    for id in [-1, 20] {
        assert!(matches!(
            gpt.check(&row(&[2, id]), 0),
            Err(SynapseError::Token { vocab_size: 20, arrived }) if arrived == id
        ));
    }
    let refuse =
        |shape: &[i64], kind, n_seen| gpt.check(&Tensor::zeros(shape, (kind, CPU)), n_seen);
    for (shape, n_seen) in [
        (&[2][..], 0),
        (&[2, 0], 0),
        (&[2, 65], 0),
        (&[2, 3], 62),
        (&[2, 3, 4], 0),
    ] {
        let refused = refuse(shape, Kind::Int64, n_seen);
        assert!(
            matches!(refused, Err(SynapseError::Shape { what: "tokens", .. })),
            "{shape:?}"
        );
    }
    assert!(refuse(&[2, 64], Kind::Int64, 0).is_ok());
    assert!(refuse(&[2, 2], Kind::Int64, 62).is_ok());
    assert!(matches!(
        refuse(&[2, 3], Kind::Float, 0),
        Err(SynapseError::Kind { .. })
    ));
}
