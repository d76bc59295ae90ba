//! What commands say of a live network is what the chain says.

use crate::{Member, NETID, chain, endpoint};
use anyhow::{Context, Result, ensure};
use connectome_tests::{Client, metagraph::NetworkState};
use serde_json::{Value, json};

/// The block that a command spoke of, by its number, and the network then.
async fn at(client: &Client, number: &Value) -> Result<NetworkState> {
    let number = number.as_u64().context("a block has a number")?;
    let block = client.hash_at(u32::try_from(number)?).await?;
    client.network(block, NETID).await
}

#[tokio::test]
async fn commands_say_of_a_live_network_what_the_chain_says() -> Result<()> {
    // Given two neurons at work that have weighed each other and been paid for it,
    let members = [("said//0", 300), ("said//1", 200)].map(|(name, stake)| Member { name, stake });
    let node = chain(&[], &members).await?;
    let client = &node.client;
    let (first, second) = (members[0].operator(&node)?, members[1].operator(&node)?);
    let (neuron, _other) = (first.train()?, second.train()?);
    client
        .until_network(NETID, "incentive, weights and bonds", |state| {
            let mut neurons = state.metagraph.neurons.iter();
            let is_paid = neurons.any(|it| it.incentive > 0);
            (is_paid && state.weights.len() == 2 && !state.bonds.is_empty()).then_some(())
        })
        .await?;

    // when their operator asks who is there, then it is who the chain says,
    let metagraph = first.ask(&["metagraph"]).await?;
    let state = at(client, &metagraph["block"]["number"]).await?;
    let mut expected = Vec::new();
    for (uid, it) in (0..).zip(&state.metagraph.neurons) {
        let address = endpoint(&state, uid).context("both serve")?;
        expected.push(json!({
            "uid": uid,
            "hotkey": it.hotkey,
            "coldkey": it.coldkey,
            "endpoint": {
                "address": address,
                "protocol": "grpc-tls",
                "version": it.endpoint.map(|it| it.version()),
                "synapses": { "text": false, "image": true, "tensor": false },
            },
            "stake": it.stake,
            "earned": it.earned,
            "registered_at": it.registered_at,
            "last_update": it.last_update,
            "active": it.active,
            "validator_permit": it.validator_permit,
            "rank": it.rank,
            "trust": it.trust,
            "consensus": it.consensus,
            "incentive": it.incentive,
            "dividends": it.dividends,
            "validator_trust": it.validator_trust,
            "emission": it.emission,
        }));
    }
    assert_eq!(metagraph["neurons"], Value::Array(expected));

    // and what they hold, and what they think of each other, likewise.
    let holdings = first.ask(&["stake", "show"]).await?;
    let number = holdings["block"].as_u64().context("a block has a number")?;
    let block = client.hash_at(u32::try_from(number)?).await?;
    let state = client.network(block, NETID).await?;
    let account = members[0].account()?;
    assert_eq!(holdings["balance"], client.balance(block, &account).await?);
    let staked = &holdings["hotkeys"][0];
    assert_eq!(staked["hotkey"], json!(account));
    assert_eq!(staked["stake"], state.metagraph.neurons[0].stake);
    assert_eq!(staked["neurons"], json!([[NETID, 0]]));

    for (arguments, of) in [
        (&["weights", "show"][..], "weights"),
        (&["weights", "show", "--bonds"], "bonds"),
    ] {
        let shown = first.ask(arguments).await?;
        let state = at(client, &shown["block"]).await?;
        let rows = if of == "bonds" {
            &state.bonds
        } else {
            &state.weights
        };
        let rows = rows.iter().map(|(rater, entries)| {
            let total: f64 = entries.iter().map(|(_, value)| f64::from(*value)).sum();
            let entries = entries.iter().map(|(uid, value)| {
                json!({ "uid": uid.0, "value": value, "share": f64::from(*value) / total })
            });
            json!({ "uid": rater.0, "entries": entries.collect::<Vec<_>>() })
        });
        assert_eq!(shown["rows"], Value::Array(rows.collect()), "{of}");
        assert_eq!(shown["kind"], of);
    }

    // The doctor finds nothing wrong,
    let checks = first.ask(&["doctor", "--patience=60s"]).await?;
    let checks = checks.as_array().context("a list of tests")?;
    ensure!(checks.iter().all(|it| it["verdict"] == "ok"), "{checks:?}");

    // until the neuron is gone, and then says what to do.
    neuron.kill();
    let doctor = ["doctor", "--json", "--patience=60s", "--listen=127.0.0.1:0"];
    let ended = first.command(&doctor).await?;
    assert_eq!(ended.code, Some(1));
    let checks: Vec<Value> = serde_json::from_str(&ended.stdout)?;
    let failed: Vec<_> = checks
        .iter()
        .filter(|it| it["verdict"] == "failed")
        .collect();
    let names: Vec<_> = failed.iter().map(|it| &it["name"]).collect();
    assert_eq!(names, ["axon"]);
    let advice = failed[0]["advice"].to_string();
    ensure!(advice.contains("start the neuron"), "{advice}");
    Ok(())
}

#[tokio::test]
async fn who_is_not_registered_cannot_train_and_is_told_how_to_register() -> Result<()> {
    let member = Member {
        name: "stranger",
        stake: 0,
    };
    let node = chain(&[], &[]).await?;
    let stranger = member.operator(&node)?;

    let training = stranger.command(&["train", "--listen=127.0.0.1:0"]).await?;
    assert_eq!(training.code, Some(6));
    let address = member.account()?.to_string();
    for expected in [
        address.as_str(),
        "is not registered in network 0",
        "neuron register --netid 0",
    ] {
        ensure!(training.stderr.contains(expected), "{}", training.stderr);
    }

    // Nor can it register, without funds, and is told what that takes.
    let registering = stranger.command(&["register", "--yes"]).await?;
    assert_eq!(registering.code, Some(1));
    ensure!(
        registering.stderr.contains("send it some first"),
        "{}",
        registering.stderr
    );
    Ok(())
}
