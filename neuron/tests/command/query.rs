//! `neuron query` without a network: what it refuses before it asks anybody.

use std::{env, fs, path::Path};

use crate::neuron::User;

/// A tokeniser of three words.
const TOKENIZER: &str = r#"{
    "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
    "pre_tokenizer": {"type": "Whitespace"}, "post_processor": null, "decoder": null,
    "model": {"type": "WordLevel", "vocab": {"a": 0, "b": 1, "?": 2}, "unk_token": "?"}
}"#;

/// A user with an image of a digit.
fn user() -> User {
    let user = User::new();
    let here = env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it for tests");
    let examples = Path::new(&here).join("../examples/digits");
    fs::copy(examples.join("seven.png"), user.path("seven.png")).unwrap();
    user
}

#[test]
fn a_query_needs_an_image_that_can_be_read() {
    let user = user().with_file("letter.txt", "Dear network");
    user.run(&["query"]).failed(2, "<IMAGE>");
    user.run(&["query", "letter.txt", "--uri", "//Alice"])
        .failed(2, "PNG, PGM or PPM");
    user.run(&["query", "eight.png", "--uri", "//Alice"])
        .failed(2, "eight.png");
}

#[test]
fn a_query_is_about_an_image_or_a_text_and_not_both() {
    let user = user();
    let text = [
        "query",
        "--text",
        "So be it",
        "--tokenizer",
        "tokenizer.json",
    ];
    user.run(&[&text[..], &["seven.png"]].concat())
        .failed(2, "cannot be used with");
    user.run(&[&text[..], &["--invert"]].concat())
        .failed(2, "cannot be used with");
    user.run(&["query", "--text", "So be it"])
        .failed(2, "--tokenizer <FILE>");
    user.run(&["query", "seven.png", "--tokenizer", "tokenizer.json"])
        .failed(2, "cannot be used with");
}

#[test]
fn a_text_needs_a_tokeniser_that_can_be_read() {
    let user = User::new()
        .with_file("letter.txt", "Dear network")
        .with_file("run/best.safetensors", "");
    let ask = |tokenizer: &str| {
        user.run(&[
            "query",
            "--text",
            "So be it",
            "--tokenizer",
            tokenizer,
            "--uri",
            "//Alice",
        ])
    };
    ask("nowhere.json").failed(2, "nowhere.json");
    ask("letter.txt").failed(2, "letter.txt is not a tokeniser");
    ask("run").failed(2, "run/tokenizer.json");
}

#[test]
fn a_text_is_asked_of_the_network() {
    let user = User::new().with_file("run/tokenizer.json", TOKENIZER);
    for tokenizer in ["run", "run/tokenizer.json"] {
        let text = [
            "query",
            "--text",
            "a [MASK]",
            "--tokenizer",
            tokenizer,
            "--uri",
            "//Alice",
        ];
        user.run(&[&text[..], &["--chain", "ws://127.0.0.1:1"]].concat())
            .failed(4, "127.0.0.1:1");
    }
    user.run(&[
        "query",
        "--text",
        " ",
        "--tokenizer",
        "run",
        "--uri",
        "//Alice",
    ])
    .failed(2, "--text");
}

#[test]
fn a_query_needs_a_key_since_neurons_answer_neurons() {
    user()
        .run(&["query", "seven.png"])
        .failed(5, "neuron wallet new");
}

#[test]
fn uids_are_numbers_with_commas_between() {
    user()
        .run(&["query", "seven.png", "--uids", "1,two"])
        .failed(2, "'two'");
}

#[test]
fn a_query_without_a_chain_says_so() {
    user()
        .run(&[
            "query",
            "seven.png",
            "--uids",
            "1,2",
            "--uri",
            "//Alice",
            "--chain",
            "ws://127.0.0.1:1",
        ])
        .failed(4, "127.0.0.1:1");
}
