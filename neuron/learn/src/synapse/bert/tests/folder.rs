//! Folders in Hugging Face's format. That `transformers` reads what is written here, and that ours reads what it writes, is seen in
//! the tests of the worker; that ours reads what others wrote, in `minilm.rs`.

use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::checkpoint::hugging_face::{Misfit, corrupted::Original};

/// Puts other tensors into a folder of this model.
fn write(folder: &TempDir, bert: &Bert, parameters: &Parameters) {
    let exported = hugging_face::export(&bert.config.to_json(), parameters).unwrap();
    exported.write(folder.path()).unwrap();
}

#[test]
fn a_model_returns_from_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let bert = tiny();
    bert.export().unwrap().write(folder.path()).unwrap();
    let (read, drawn) = Bert::read(folder.path(), 7, CPU).unwrap();
    assert!(drawn.is_empty(), "{drawn:?}");
    assert_eq!(read.config(), bert.config());
    for (name, parameter) in bert.parameters() {
        assert!(read.parameters()[&name].equal(&parameter), "{name}");
    }
}

#[test]
fn an_encoder_stored_alone_is_served_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let bert = tiny();
    let encoder: Parameters = bert
        .parameters()
        .into_iter()
        .filter_map(|(name, tensor)| Some((name.strip_prefix("bert.")?.to_owned(), tensor)))
        .collect();
    write(&folder, &bert, &encoder);

    let (read, drawn) = Bert::read(folder.path(), 7, CPU).unwrap();
    // 16 of the student, 5 of the word head, 2 of the next sentence's.
    assert_eq!(drawn.len(), 16 + 5 + 2);
    assert!(
        drawn
            .iter()
            .all(|name| of_student(name) || name.starts_with("cls."))
    );
    let texts = Texts::new(&texts(), &bert.config, CPU).unwrap();
    let embedded = bert.model.embed(&texts, Mode::Evaluation).unwrap();
    let states = bert
        .model
        .encode(embedded, &texts, Mode::Evaluation)
        .unwrap();
    let served = read.forward_text(&super::texts()).unwrap();
    assert!(served.equal(&(states * texts.real().unsqueeze(-1))));
    // What was drawn is the seed's own.
    let again = Bert::read(folder.path(), 7, CPU).unwrap().0.parameters();
    for (name, parameter) in read.parameters() {
        assert!(again[&name].equal(&parameter), "{name}");
    }
}

#[test]
fn tensors_that_do_not_fit_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let bert = tiny();
    let mut parameters = bert.parameters();
    let bias = parameters.remove("bert.embeddings.LayerNorm.bias").unwrap();
    parameters.insert("classifier.bias".into(), bias.shallow_clone());
    parameters.insert("cls.predictions.bias".into(), bias);
    write(&folder, &bert, &parameters);

    let refused = Bert::read(folder.path(), 7, CPU).unwrap_err();
    let HuggingFaceError::Misfit { misfit, .. } = refused else {
        panic!("{refused}");
    };
    let Misfit {
        missing,
        extra,
        misshapen,
    } = misfit;
    assert_eq!(missing, ["bert.embeddings.LayerNorm.bias"]);
    assert_eq!(extra, ["classifier.bias"]);
    assert_eq!(
        misshapen[0].to_string(),
        "cls.predictions.bias (expected [20], got [32])"
    );
    assert_eq!(misshapen.len(), 1);
}

const SIZES: &[&str] = &[
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "max_position_embeddings",
    "type_vocab_size",
];

fn original() -> Original {
    let bert = tiny();
    Original {
        config: bert.config.to_json(),
        parameters: bert.parameters(),
        read: |folder| Bert::read(folder, 7, CPU).map(drop),
    }
}

#[test]
fn a_corrupt_configuration_is_refused_before_anything_is_made_of_it() {
    original().refuses_what_cannot_be(
        SIZES,
        &[
            ("num_attention_heads", json!(5)),
            ("num_hidden_layers", json!(u64::MAX)),
            ("initializer_range", json!(-0.5)),
            ("layer_norm_eps", json!(-1.0)),
        ],
    );
}

#[test]
fn widths_that_are_not_those_of_the_tensors_are_refused_before_anything_is_made_of_them() {
    original().refuses_other_sizes(&[SIZES, &["num_hidden_layers"]].concat());
}
