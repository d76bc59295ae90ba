//! Folders in Hugging Face's format. That `transformers` 5.24 reads what is written here, with no tensor missing, the same
//! logits and the same tokens generated, and that ours reads what it writes, was seen once by hand.

use serde_json::json;

use super::*;
use crate::checkpoint::hugging_face::Misfit;

#[test]
fn a_model_returns_from_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    for tie_word_embeddings in [true, false] {
        let config = Gpt2Config {
            tie_word_embeddings,
            ..Gpt2Config::tiny(VOCAB)
        };
        let gpt = Gpt::new(config, 3, CPU);
        gpt.write(folder.path()).unwrap();
        let (read, drawn) = Gpt::read(folder.path(), 7, CPU).unwrap();
        assert!(drawn.is_empty(), "{drawn:?}");
        assert_eq!(read.config(), gpt.config());
        for (name, parameter) in gpt.parameters() {
            assert!(read.parameters()[&name].equal(&parameter), "{name}");
        }
    }
}

#[test]
fn a_model_of_others_is_served_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let gpt = tiny();
    let mut published: Parameters = gpt
        .parameters()
        .into_iter()
        .filter_map(|(name, tensor)| Some((name.strip_prefix("transformer.")?.to_owned(), tensor)))
        .collect();
    published.insert(
        "h.0.attn.bias".into(),
        Tensor::ones([1, 1, 64, 64], (Kind::Float, CPU)),
    );
    hugging_face::write(folder.path(), &gpt.config.to_json(), &published).unwrap();

    let (read, drawn) = Gpt::read(folder.path(), 7, CPU).unwrap();
    // 14 of the student, 2 of the pooler.
    assert_eq!(drawn.len(), 14 + 2, "{drawn:?}");
    let embedded = gpt.model.embed(&texts(), 0, Mode::Evaluation).unwrap();
    let states = gpt.model.encode(embedded, None, Mode::Evaluation).unwrap();
    assert!(read.forward_text(&texts()).unwrap().equal(&states));

    published.remove("wpe.weight");
    hugging_face::write(folder.path(), &gpt.config.to_json(), &published).unwrap();
    let refused = Gpt::read(folder.path(), 7, CPU).unwrap_err();
    let HuggingFaceError::Misfit {
        misfit: Misfit { missing, .. },
        ..
    } = &refused
    else {
        panic!("{refused}");
    };
    assert_eq!(missing[..], ["transformer.wpe.weight"]);
}

/// What reading a model whose configuration has this value says.
fn corrupted(key: &str, value: serde_json::Value) -> HuggingFaceError {
    let folder = tempfile::tempdir().unwrap();
    let gpt = tiny();
    let mut config = gpt.config.to_json();
    config[key] = value;
    hugging_face::write(folder.path(), &config, &gpt.parameters()).unwrap();
    Gpt::read(folder.path(), 7, CPU).unwrap_err()
}

#[test]
fn a_corrupt_configuration_is_refused_before_anything_is_made_of_it() {
    let huge = json!(4_000_000_000_000_000_000_i64);
    for key in ["vocab_size", "n_positions", "n_embd", "n_inner"] {
        for value in [&huge, &json!(0), &json!(-1)] {
            let refused = corrupted(key, value.clone());
            assert!(
                matches!(refused, HuggingFaceError::Format { .. }),
                "{key} {value}: {refused}"
            );
        }
    }
    for (key, value) in [
        ("n_head", json!(5)),
        ("n_layer", json!(u64::MAX)),
        ("initializer_range", json!(-0.5)),
        ("layer_norm_epsilon", json!(-1.0)),
    ] {
        let refused = corrupted(key, value);
        assert!(
            matches!(refused, HuggingFaceError::Format { .. }),
            "{key}: {refused}"
        );
    }
}

#[test]
fn widths_that_are_not_those_of_the_tensors_are_refused_before_anything_is_made_of_them() {
    for key in ["vocab_size", "n_positions", "n_embd", "n_inner", "n_layer"] {
        // Possible sizes all of them, and more than there is memory for.
        let refused = corrupted(key, json!(1 << 22));
        assert!(
            matches!(refused, HuggingFaceError::Misfit { .. }),
            "{key}: {refused}"
        );
    }
}
