//! Folders in Hugging Face's format. That `transformers` reads what is written here, and that ours reads what it writes, is seen in
//! the tests of the worker.

use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::checkpoint::hugging_face::{Misfit, corrupted::Original};

/// Puts other tensors into a folder of this model.
fn write(folder: &TempDir, gpt: &Gpt, parameters: &Parameters) {
    let exported = hugging_face::export(&gpt.config.to_json(), parameters).unwrap();
    exported.write(folder.path()).unwrap();
}

#[test]
fn a_model_returns_from_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    for tie_word_embeddings in [true, false] {
        let config = Gpt2Config {
            tie_word_embeddings,
            ..Gpt2Config::tiny(VOCAB)
        };
        let gpt = Gpt::new(config, 3, CPU);
        gpt.export().unwrap().write(folder.path()).unwrap();
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
    write(&folder, &gpt, &published);

    let (read, drawn) = Gpt::read(folder.path(), 7, CPU).unwrap();
    // 14 of the student, 2 of the pooler.
    assert_eq!(drawn.len(), 14 + 2, "{drawn:?}");
    let embedded = gpt.model.embed(&texts(), 0, Mode::Evaluation).unwrap();
    let states = gpt.model.encode(embedded, None, Mode::Evaluation).unwrap();
    assert!(read.forward_text(&texts()).unwrap().equal(&states));

    published.remove("wpe.weight");
    write(&folder, &gpt, &published);
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

const SIZES: &[&str] = &["vocab_size", "n_positions", "n_embd", "n_inner"];

fn original() -> Original {
    let gpt = tiny();
    Original {
        config: gpt.config.to_json(),
        parameters: gpt.parameters(),
        read: |folder| Gpt::read(folder, 7, CPU).map(drop),
    }
}

#[test]
fn a_corrupt_configuration_is_refused_before_anything_is_made_of_it() {
    original().refuses_what_cannot_be(
        SIZES,
        &[
            ("n_head", json!(5)),
            ("n_layer", json!(u64::MAX)),
            ("initializer_range", json!(-0.5)),
            ("layer_norm_epsilon", json!(-1.0)),
        ],
    );
}

#[test]
fn widths_that_are_not_those_of_the_tensors_are_refused_before_anything_is_made_of_them() {
    original().refuses_other_sizes(&[SIZES, &["n_layer"]].concat());
}
