//! What was trained is served, answers queries, and is weighed by hand.

use crate::{Member, NETID, chain, endpoint};
use anyhow::{Context, Result, ensure};
use connectome_tests::{Operator, node::Signal, repository};
use pallet_metagraph::Uid;
use serde_json::{Value, json};
use tokio::net::TcpListener;

const SERVER: u16 = 0;
const ASKER: u16 = 1;

/// Enough to tell the digits of `examples/` apart.
const STEPS: &str = "--steps=400";

/// The vote of the only neuron that serves, and what the network says, about an image of `examples/digits`.
async fn query(asker: &Operator, image: &str) -> Result<(Value, Value)> {
    let path = repository().join("examples/digits").join(image);
    let path = path.to_str().context("a path in UTF-8")?;
    let said = asker.ask(&["query", "--deadline=60s", path]).await?;
    let votes = said["votes"].as_array().context("a list of votes")?;
    ensure!(votes.len() == 1, "{votes:?}");
    Ok((votes[0].clone(), said["network"].clone()))
}

#[tokio::test]
async fn a_trained_neuron_is_served_queried_and_weighed_by_hand() -> Result<()> {
    // Given a model that was trained alone,
    let members = [("serves", 0), ("asks", 300)].map(|(name, stake)| Member { name, stake });
    let node = chain(&[], &members).await?;
    let (server, asker) = (members[0].operator(&node)?, members[1].operator(&node)?);
    let training = server.clone().with([STEPS, "--alone"]).train()?;
    let (status, _) = training.end().await?;
    ensure!(status.code() == Some(0), "{status}");

    // when it is served,
    let serving = server.serve().await?;
    let announced = node
        .client
        .until_network(NETID, "its endpoint", |state| endpoint(state, SERVER))
        .await?;

    // then it says of each image what it shows,
    for (image, digit) in [("three.png", 3), ("seven.png", 7), ("eight.png", 8)] {
        let (vote, network) = query(&asker, image).await?;
        assert_eq!(vote["uid"], SERVER);
        assert_eq!(vote["code"], "Success", "{vote}");
        assert_eq!(network["class"], digit, "{vote}");
        assert_eq!(network["probabilities"], vote["probabilities"]);
    }

    // and whoever has a permit can say what that is worth.
    let permit = "a permit for who has a stake";
    node.client
        .until_network(NETID, permit, |state| {
            let asker = &state.metagraph.neurons[usize::from(ASKER)];
            asker.validator_permit.then_some(())
        })
        .await?;
    let set = asker.ask(&["weights", "set", "0=0.3"]).await?;
    assert_eq!(
        (&set["uid"], &set["row"]),
        (&json!(ASKER), &json!([[0, 65535]]))
    );
    let block = set["block"].as_u64().context("it is in a block")?;
    let block = node.client.hash_at(u32::try_from(block)?).await?;
    let state = node.client.network(block, NETID).await?;
    let row = (Uid(ASKER), vec![(Uid(SERVER), u16::MAX)]);
    assert_eq!(state.weights, [row]);
    // Only ratios count: this is the same row.
    let again = asker.ask(&["weights", "set", "0=1"]).await?;
    assert_eq!(again["block"], Value::Null);
    node.client
        .until_network(NETID, "its pay", |state| {
            let server = &state.metagraph.neurons[usize::from(SERVER)];
            (server.incentive == u16::MAX).then_some(())
        })
        .await?;

    // It ends well when it is told to, and is still announced: it will be back. Until then, nobody answers.
    let status = serving.stop(Signal::Terminate).await?;
    ensure!(status.code() == Some(0), "{status}");
    let state = crate::now(&node).await?;
    assert_eq!(endpoint(&state, SERVER), Some(announced));
    let image = repository().join("examples/digits/seven.png");
    let image = image.to_str().context("a path in UTF-8")?;
    let ended = asker.command(&["query", image]).await?;
    assert_eq!(ended.code, Some(4), "{}", ended.stderr);

    // Behind another address, that is the one which peers are told, and the one that they knock at.
    let door = TcpListener::bind("127.0.0.1:0").await?;
    let told = door.local_addr()?;
    let serving = server.serve_with(&[&format!("--advertise={told}")]).await?;
    node.client
        .until_network(NETID, "what it advertises", |state| {
            (endpoint(state, SERVER) == Some(told)).then_some(())
        })
        .await?;
    let knock = tokio::spawn(async move { door.accept().await });
    asker.command(&["query", image]).await?;
    knock.await??;
    let status = serving.stop(Signal::Terminate).await?;
    ensure!(status.code() == Some(0), "{status}");
    Ok(())
}
