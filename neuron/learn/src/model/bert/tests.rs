use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use tch::Kind;

use super::*;

const CPU: Device = Device::Cpu;
const PAD: i64 = 0;
const SEP: i64 = 3;

fn tiny() -> BertForPreTraining {
    let config = BertConfig::tiny(20);
    BertForPreTraining::draw(&config, &mut ChaCha8Rng::seed_from_u64(1), CPU)
}

/// Hidden states of texts of one length.
fn encode(bert: &BertForPreTraining, rows: &[&[i64]], mode: Mode) -> Tensor {
    let tokens = Tensor::from_slice(&rows.concat()).reshape([rows.len() as i64, -1]);
    let texts = Texts::new(&tokens, &BertConfig::tiny(20), CPU).unwrap();
    let embedded = bert.embed(&texts, mode).unwrap();
    bert.encode(embedded, &texts, mode).unwrap()
}

fn is_near(ours: &Tensor, theirs: &Tensor) -> bool {
    ours.allclose(theirs, 1e-5, 1e-5, false)
}

#[test]
fn padding_does_not_change_the_states_of_other_tokens() {
    let bert = tiny();
    let alone = encode(&bert, &[&[2, 7, 8, SEP]], Mode::Evaluation);
    let padded = encode(
        &bert,
        &[&[2, 7, 8, SEP, PAD, PAD], &[2, 9, 10, 11, 12, SEP]],
        Mode::Evaluation,
    );
    assert!(is_near(&padded.get(0).narrow(0, 0, 4), &alone.get(0)));
    // Whereas another word does.
    let longer = encode(&bert, &[&[2, 7, 8, SEP, 5, 5]], Mode::Evaluation);
    assert!(!is_near(&longer.get(0).narrow(0, 0, 4), &alone.get(0)));
}

#[test]
fn a_text_of_padding_alone_is_finite() {
    let states = encode(&tiny(), &[&[PAD, PAD], &[2, SEP]], Mode::Evaluation);
    assert!(states.isfinite().all().int64_value(&[]) == 1);
}

#[test]
fn every_token_sees_both_sides_its_place_and_its_segment() {
    let bert = tiny();
    let states = |row: &[i64]| encode(&bert, &[row], Mode::Evaluation).get(0);
    let base = states(&[2, 7, 8, 9]);
    for (changed, row) in [[2, 7, 8, 10], [5, 7, 8, 9]].iter().enumerate() {
        assert!(!is_near(&states(row).get(1), &base.get(1)), "{changed}");
    }
    // The same words in another order.
    assert!(!is_near(&states(&[2, 8, 7, 9]).get(0), &base.get(0)));
    // The same words after a separator: a model that has but one segment gives something else.
    let one_segment = BertConfig {
        sep_token_id: None,
        ..BertConfig::tiny(20)
    };
    let tokens = Tensor::from_slice(&[2, SEP, 8, 9]).reshape([1, 4]);
    let texts = Texts::new(&tokens, &one_segment, CPU).unwrap();
    let embedded = bert.embed(&texts, Mode::Evaluation).unwrap();
    assert!(!is_near(
        &bert
            .encode(embedded, &texts, Mode::Evaluation)
            .unwrap()
            .get(0),
        &states(&[2, SEP, 8, 9])
    ));
}

#[test]
fn dropout_is_for_training_only() {
    let bert = tiny();
    let [first, second] = [Mode::Training; 2].map(|mode| encode(&bert, &[&[2, 7, 8, SEP]], mode));
    assert!(!is_near(&first, &second));
    let [first, second] = [Mode::Evaluation; 2].map(|mode| encode(&bert, &[&[2, 7, 8, SEP]], mode));
    assert!(first.equal(&second));
}

#[test]
fn the_decoder_of_words_is_the_table_of_words() {
    let bert = tiny();
    let states = Tensor::ones([1, 2, 32], (Kind::Float, CPU));
    bert.words(&states).sum(Kind::Float).backward();
    let mut parameters = Parameters::new();
    bert.list(&mut parameters);
    let table = &parameters["bert.embeddings.word_embeddings.weight"];
    assert!(table.grad().abs().sum(Kind::Float).double_value(&[]) > 0.0);
    assert!(!parameters.keys().any(|name| name.contains("decoder")));
}

#[test]
fn names_and_shapes_are_those_of_the_field() {
    let mut parameters = Parameters::new();
    tiny().list(&mut parameters);
    // 5 of embeddings, 16 of each layer, 2 of the pooler, 5 of the word head and 2 of the next sentence's.
    assert_eq!(parameters.len(), 5 + 2 * 16 + 2 + 5 + 2);
    for (name, shape) in [
        ("bert.embeddings.word_embeddings.weight", &[20, 32][..]),
        ("bert.embeddings.token_type_embeddings.weight", &[2, 32]),
        (
            "bert.encoder.layer.1.attention.self.query.weight",
            &[32, 32],
        ),
        ("bert.encoder.layer.1.intermediate.dense.weight", &[48, 32]),
        ("bert.encoder.layer.1.output.LayerNorm.bias", &[32]),
        ("bert.pooler.dense.bias", &[32]),
        ("cls.predictions.bias", &[20]),
        ("cls.predictions.transform.LayerNorm.weight", &[32]),
        ("cls.seq_relationship.weight", &[2, 32]),
    ] {
        assert_eq!(parameters[name].size(), shape, "{name}");
    }
}

#[test]
fn a_model_is_the_seeds_own() {
    let states = |seed| {
        let config = BertConfig::tiny(20);
        let bert = BertForPreTraining::draw(&config, &mut ChaCha8Rng::seed_from_u64(seed), CPU);
        encode(&bert, &[&[2, 7, 8, SEP]], Mode::Evaluation)
    };
    assert!(states(1).equal(&states(1)));
    assert!(!is_near(&states(1), &states(2)));
}

/// What a folder with these files says of its model.
fn config_of(files: &[(&str, Value)]) -> Result<BertConfig, String> {
    let folder = tempfile::tempdir().unwrap();
    for (name, json) in files {
        std::fs::write(folder.path().join(name), json.to_string()).unwrap();
    }
    BertConfig::read(folder.path()).map_err(|error| error.to_string())
}

#[test]
fn a_configuration_returns_as_it_was_written() {
    for config in [
        BertConfig::default(),
        BertConfig::tiny(20),
        BertConfig {
            sep_token_id: None,
            ..BertConfig::tiny(20)
        },
    ] {
        assert_eq!(config_of(&[("config.json", config.to_json())]), Ok(config));
    }
}

/// As others write it: some values are left to their defaults, and there is more than is read.
fn foreign() -> Value {
    json!({
        "architectures": ["BertModel"], "model_type": "bert", "hidden_act": "gelu",
        "vocab_size": 30522, "hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12,
        "intermediate_size": 1536, "max_position_embeddings": 512, "type_vocab_size": 2, "use_cache": true,
    })
}

#[test]
fn the_separator_is_the_tokenisers() {
    let tokenizer = json!({"added_tokens": [
        {"id": 0, "content": "[PAD]"}, {"id": 102, "content": "[SEP]", "special": true},
    ]});
    let config = ("config.json", foreign());
    let read = config_of(&[config.clone(), ("tokenizer.json", tokenizer.clone())]).unwrap();
    assert_eq!(read.sep_token_id, Some(102));
    assert_eq!((read.pad_token_id, read.layer_norm_eps), (0, 1e-12));
    assert_eq!(config_of(&[config]).unwrap().sep_token_id, None);

    let mut small = foreign();
    small["vocab_size"] = json!(50);
    let read = config_of(&[("config.json", small), ("tokenizer.json", tokenizer)]);
    assert_eq!(read.unwrap().sep_token_id, None);
}

#[test]
fn models_that_compute_otherwise_are_refused() {
    for (key, value, expected) in [
        (
            "model_type",
            json!("gpt2"),
            r#"model_type is "gpt2", expected "bert""#,
        ),
        (
            "hidden_act",
            json!("relu"),
            r#"hidden_act is "relu", expected "gelu""#,
        ),
        (
            "hidden_size",
            json!(380),
            "12 heads do not divide a width of 380",
        ),
        (
            "hidden_size",
            json!(0),
            "hidden_size is 0, expected at least 1",
        ),
        (
            "hidden_dropout_prob",
            json!(1.0),
            "hidden_dropout_prob is 1, expected a share in 0..1",
        ),
        (
            "pad_token_id",
            json!(30522),
            "token 30522 is not of a vocabulary of 30522",
        ),
        (
            "type_vocab_size",
            Value::Null,
            "invalid type: null, expected i64",
        ),
    ] {
        let mut config = foreign();
        config[key] = value;
        let refused = config_of(&[("config.json", config)]).unwrap_err();
        assert!(refused.contains(expected), "{refused}");
    }
}
