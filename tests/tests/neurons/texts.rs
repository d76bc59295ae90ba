//! What models of text are asked: how a text goes on, and what is in its gaps.

use crate::{
    Member, NETID, chain_for, endpoint,
    models::{NARROW, text},
};
use anyhow::{Context, Result, ensure};
use connectome_tests::{Node, Operator, neuron::Serving};
use serde_json::{Value, json};

/// Enough to know by heart how the sentences of [`text`] go.
const STEPS: [&str; 2] = ["--steps=3000", "--learning-rate=0.05"];

const SERVER: u16 = 0;

/// Tokens of each place that an answer has.
const SHOWN: usize = 5;

/// A tokeniser that is none of these models'.
const ANOTHER: &str = r#"{
    "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
    "pre_tokenizer": {"type": "Whitespace"}, "post_processor": null, "decoder": null,
    "model": {"type": "WordLevel", "vocab": {"Sentence": 0, "?": 1}, "unk_token": "?"}
}"#;

/// A neuron that serves what it has learned of a text, and another that may ask it.
struct Served {
    _node: Node,
    _serving: Serving,
    server: Operator,
    asker: Operator,
}

impl Served {
    async fn new(synapse: &str) -> Result<Served> {
        let members = [("texts//serves", 0), ("texts//asks", 300)];
        let members = members.map(|(name, stake)| Member { name, stake });
        let node = chain_for("text", &[], &members, &json!({})).await?;
        let (server, asker) = (members[0].operator(&node)?, members[1].operator(&node)?);
        let folder = tempfile::tempdir()?;
        let (synapse, data) = (format!("--synapse={synapse}"), text(folder.path())?);
        let server = server.learning([&[&synapse[..], &data], &NARROW[..]].concat());
        let training = server.clone().with(STEPS).with(["--alone"]);
        let (status, _) = training.train()?.end().await?;
        ensure!(status.code() == Some(0), "{status}");
        let serving = server.serve().await?;
        node.client
            .until_network(NETID, "its endpoint", |state| endpoint(state, SERVER))
            .await?;
        Ok(Served {
            _serving: serving,
            _node: node,
            server,
            asker,
        })
    }

    /// The tokens that the network says are likeliest at each place.
    async fn places(&self, text: &str) -> Result<Vec<Vec<String>>> {
        let run = self.server.run_folder();
        let tokenizer = run.to_str().context("a path in UTF-8")?;
        let query = [
            "query",
            "--deadline=60s",
            "--text",
            text,
            "--tokenizer",
            tokenizer,
        ];
        let said = self.asker.ask(&query).await?;
        let (vote, network) = (&said["votes"][0], &said["network"]);
        assert_eq!(vote["code"], "Success", "{vote}");
        assert_eq!(network["places"], vote["places"]);
        let list = |value: &Value| value.as_array().cloned().context("a list");
        let mut places = Vec::new();
        for place in list(&network["places"])? {
            let mut tokens = Vec::new();
            let mut last = 1.0;
            for guess in list(&place)? {
                let probability = guess["probability"].as_f64().context("a number")?;
                ensure!(probability <= last, "{place}");
                last = probability;
                tokens.push(guess["token"].as_str().context("a text")?.to_owned());
            }
            assert_eq!(tokens.len(), SHOWN);
            places.push(tokens);
        }
        Ok(places)
    }
}

#[tokio::test]
async fn a_language_model_tells_how_a_text_goes_on() -> Result<()> {
    let served = Served::new("gpt").await?;
    let places = served.places("Sentence 7 tells").await?;
    assert_eq!((places.len(), &places[0][0][..]), (1, " of"), "{places:?}");

    // Ids of another tokeniser would mean something else to it.
    let folder = tempfile::tempdir()?;
    let another = folder.path().join("tokenizer.json");
    std::fs::write(&another, ANOTHER)?;
    let another = another.to_str().context("a path in UTF-8")?;
    let query = [
        "query",
        "--deadline=60s",
        "--text",
        "Sentence",
        "--tokenizer",
        another,
        "--json",
    ];
    let ended = served.asker.command(&query).await?;
    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    let said: Value = serde_json::from_str(&ended.stdout)?;
    let vote = &said["votes"][0];
    assert_eq!(vote["code"], "TokenizerMismatch", "{vote}");
    let says_what_to_do = |said: &str| said.contains("--tokenizer");
    assert!(
        vote["message"].as_str().is_some_and(says_what_to_do),
        "{vote}"
    );
    assert!(says_what_to_do(&ended.stderr), "{}", ended.stderr);
    Ok(())
}

#[tokio::test]
async fn an_encoder_tells_what_is_in_gaps() -> Result<()> {
    let served = Served::new("bert").await?;
    // As most sentences of its text, one of three digits: a model this small goes by the place of a word.
    let places = served.places("Sentence 707 [MASK] [MASK] apples.").await?;
    let first: Vec<_> = places.iter().map(|place| &place[0][..]).collect();
    assert_eq!(first, [" tells", " of"], "{places:?}");
    Ok(())
}
