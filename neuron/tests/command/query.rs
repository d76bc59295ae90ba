//! `neuron query` without a network: what it refuses before it asks anybody.

use std::{fs, path::Path};

use crate::neuron::User;

/// A user with an image of a digit.
fn user() -> User {
    let user = User::new();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/digits");
    fs::copy(examples.join("seven.png"), user.path("seven.png")).unwrap();
    user
}

#[test]
fn a_query_needs_an_image_that_can_be_read() {
    let user = user().with_file("letter.txt", "Dear network");
    user.run(&["query"]).failed(2, "<IMAGE>");
    user.run(&["query", "letter.txt", "--uri", "//Alice"])
        .failed(2, "PNG or PGM");
    user.run(&["query", "eight.png", "--uri", "//Alice"])
        .failed(2, "eight.png");
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
