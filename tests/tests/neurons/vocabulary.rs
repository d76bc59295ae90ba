//! Over as many tokens as GPT-2 has, whole distributions are too long to be asked for: peers tell the likeliest tokens, and are
//! learned from by those.

use crate::{
    Member, NETID, chain_for, endpoint,
    models::{NARROW, text},
};
use anyhow::{Context, Result, ensure};
use connectome_tests::run_log::Event;
use serde_json::{Map, Value, json};
use std::path::Path;

/// Tokens of GPT-2, the one that ends a text included.
const N_TOKENS: u32 = 50_257;

/// Words of [`text`] that are no numbers.
const WORDS: [&str; 9] = [
    "Sentence", "tells", "of", "apples", "pears", "a", "quince", "seven", "plums",
];

const SERVER: u16 = 0;

/// A tokeniser of GPT-2's size that knows every word of [`text`]: of words, since numbers are as many words as one likes.
fn tokenizer(folder: &Path) -> Result<String> {
    let end = N_TOKENS - 1;
    let words = ["?", "."].into_iter().chain(WORDS).map(str::to_owned);
    let words = words.chain((0..).map(|number: u32| number.to_string()));
    let vocabulary: Map<String, Value> = words.zip((0..end).map(Value::from)).collect();
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "normalizer": null,
        "added_tokens": [{
            "id": end, "content": "<|endoftext|>", "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true,
        }],
        "pre_tokenizer": {"type": "Whitespace"}, "post_processor": null, "decoder": null,
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "?"},
    });
    let path = folder.join("tokenizer.json");
    std::fs::write(&path, tokenizer.to_string())?;
    Ok(format!("--tokenizer={}", path.display()))
}

#[tokio::test]
async fn over_the_tokens_of_gpt_2_a_neuron_learns_from_the_likeliest_of_its_peer() -> Result<()> {
    // Given a neuron that serves a model of so many tokens,
    let folders = [tempfile::tempdir()?, tempfile::tempdir()?];
    let (data, tokenizer) = (text(folders[0].path())?, tokenizer(folders[1].path())?);
    let options = [&["--synapse=gpt", &data, &tokenizer], &NARROW[..]].concat();
    let members = [("vocabulary//serves", 300), ("vocabulary//learns", 300)];
    let members = members.map(|(name, stake)| Member { name, stake });
    let node = chain_for("causal-text", &[], &members, &json!({})).await?;
    let (server, learner) = (members[0].operator(&node)?, members[1].operator(&node)?);
    let [server, learner] =
        [server, learner].map(|one| one.learning(options.iter().copied()).with(["--evaluate=2"]));
    let alone = server.clone().with(["--alone", "--steps=2"]);
    let (status, _) = alone.train()?.end().await?;
    ensure!(status.code() == Some(0), "{status}");
    let _serving = server.serve().await?;
    node.client
        .until_network(NETID, "its endpoint", |state| endpoint(state, SERVER))
        .await?;

    // when another learns, a batch of whose distributions would be 4 · 24 · 50,257 · 4 bytes or 18 MiB,
    let training = learner
        .with(["--seed=1", "--steps=6", "--deadline=60s"])
        .train()?;
    training
        .until_said("peers are asked for the 64 likeliest")
        .await?;
    let (status, events) = training.end().await?;

    // then its peer answers every time, and it learns from each answer.
    ensure!(status.code() == Some(0), "{status}");
    let calls = events.iter().filter_map(|event| match event {
        Event::Calls { outcomes, .. } => Some(outcomes),
        _ => None,
    });
    let codes: Vec<_> = calls
        .flatten()
        .map(|call| (call.uid, &call.code[..]))
        .collect();
    assert_eq!(codes, [(SERVER, "Success"); 6]);
    let losses = events.iter().filter_map(|event| match event {
        Event::Step { network_loss, .. } => Some(network_loss.as_ref().and_then(|it| it.as_f64())),
        _ => None,
    });
    for loss in losses {
        let loss = loss.context("a step has learned from nobody")?;
        // Of whoever knows nothing, it is ln 50,257 = 10.8.
        ensure!((0.0..12.0).contains(&loss), "{loss}");
    }
    Ok(())
}
