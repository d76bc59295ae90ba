//! What a neuron tells Prometheus is what it does, and what the chain says.

use crate::{Member, NETID, chain};
use anyhow::{Context, Result, ensure};
use connectome_tests::{Client, Figures, Training, poll};

/// The uid of the neuron that is looked at.
const UID: u16 = 0;

/// What the axon, the nucleus, the dendrite, the trainer and the chain have done. (Of what none was done yet, there is no figure.)
const PARTS: [&str; 8] = [
    r#"neuron_axon_requests_total{code="Success",method="forward"}"#,
    r#"neuron_nucleus_requests_total{code="Success"}"#,
    r#"neuron_dendrite_calls_total{code="Success",method="forward"}"#,
    "neuron_training_steps_total",
    r#"neuron_training_weights_total{result="included"}"#,
    r#"neuron_chain_calls_total{call="serve_axon",result="included"}"#,
    r#"neuron_chain_calls_total{call="set_weights",result="included"}"#,
    "neuron_chain_connected",
];

#[tokio::test]
async fn a_neuron_tells_prometheus_what_it_does_and_what_the_chain_says() -> Result<()> {
    // Given two neurons that ask each other, one of which is looked at,
    let members = [("figures//0", 300), ("figures//1", 200)];
    let members = members.map(|(name, stake)| Member { name, stake });
    let node = chain(&[], &members).await?;
    let measured = members[0].operator(&node)?.with(["--metrics=127.0.0.1:0"]);
    let (mut neuron, mut peer) = (measured.train()?, members[1].operator(&node)?.train()?);
    neuron.until_answered_by(1).await?;
    peer.until_answered_by(UID).await?;

    // when the chain has a row of its weights, then each part of it tells what it does. (What one has told already, the next
    // may be about to: of the row, the trainer hears after the chain.)
    for name in PARTS {
        let is_told = |figures: &Figures| Ok(figures.get(name).is_ok_and(|value| value >= 1.0));
        until(&neuron, name, is_told).await?;
    }
    let row_in = whole(
        &neuron.figures().await?,
        r#"neuron_chain_call_block{call="set_weights"}"#,
    )?;
    let set: Vec<(u16, u16)> = node
        .client
        .events(
            node.client.hash_at(row_in).await?,
            "Metagraph",
            "WeightsSet",
        )
        .await?;
    ensure!(
        set.contains(&(NETID, UID)),
        "no row in block {row_in}: {set:?}"
    );

    // and what the chain says, of the block that it names. (A snapshot that comes in between is told in part.)
    poll("figures of one block", async || {
        let figures = neuron.figures().await?;
        Ok(agrees(&figures, &node.client).await?.then_some(()))
    })
    .await?;

    // When its node is killed, it tells that the chain is gone, and trains on;
    let port = node.port();
    let setup = node.kill();
    let gone = |figures: &Figures| Ok(figures.get("neuron_chain_connected")? == 0.0);
    let without = until(&neuron, "no chain", gone).await?;
    neuron.go_on(5).await?;

    // and when it is back, it hears of new blocks.
    let _node = setup.at_port(port).start().await?;
    let last = without.get("neuron_chain_block")?;
    until(&neuron, "new blocks", |figures| {
        let is_connected = figures.get("neuron_chain_connected")? == 1.0;
        Ok(is_connected && figures.get("neuron_chain_block")? > last)
    })
    .await?;
    Ok(())
}

/// The figures of a neuron that are as they are wanted, sooner or later.
async fn until(
    neuron: &Training,
    what: &str,
    are_wanted: impl Fn(&Figures) -> Result<bool>,
) -> Result<Figures> {
    poll(what, async || {
        let figures = neuron.figures().await?;
        Ok(are_wanted(&figures)?.then_some(figures))
    })
    .await
}

/// Whether the figures of the chain are those of the block that they name.
async fn agrees(figures: &Figures, client: &Client) -> Result<bool> {
    let block = whole(figures, "neuron_chain_block")?;
    let state = client.network(client.hash_at(block).await?, NETID).await?;
    let neurons = state.metagraph.neurons;
    let own = neurons.get(usize::from(UID)).context("it is registered")?;
    let share = |score: u16| f64::from(score) / f64::from(u16::MAX);
    #[expect(clippy::cast_precision_loss, reason = "so it is told")]
    let (n_neurons, stake) = (neurons.len() as f64, own.stake as f64);
    let said = [
        ("neurons", n_neurons),
        ("registered", 1.0),
        (
            "validator_permit",
            f64::from(u8::from(own.validator_permit)),
        ),
        ("incentive", share(own.incentive)),
        ("dividends", share(own.dividends)),
        ("stake", stake),
    ];
    for (name, said) in said {
        if figures.get(&format!("neuron_chain_{name}"))? != said {
            return Ok(false);
        }
    }
    Ok(true)
}

fn whole(figures: &Figures, name: &str) -> Result<u32> {
    let value = figures.get(name)?;
    let whole = format!("{value}").parse();
    whole.with_context(|| format!("{name} is {value}"))
}
