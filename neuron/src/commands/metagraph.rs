//! `neuron metagraph`: who is there, and what everybody is worth.

use std::{
    io::{self, IsTerminal, Write},
    time::Duration,
};

use neuron_metagraph::{At, Following, Metagraph, Neuron, fraction};

use crate::{
    Amount, Output,
    chain::block_on,
    cli::{Global, MetagraphCommand},
    table,
};

/// What clears a terminal and goes to its corner.
const CLEAR: &str = "\x1b[2J\x1b[H";

/// How old a snapshot may be before that is said.
const STALE: Duration = Duration::from_secs(20);

pub(super) fn run(global: &Global, command: &MetagraphCommand) -> anyhow::Result<()> {
    match command.watch {
        true => block_on(watch(global, command)),
        false => {
            let mut metagraph = block_on(async {
                let at = if command.finalised {
                    At::Finalised
                } else {
                    At::Best
                };
                let chain = global.connect().await?;
                Ok(chain.metagraph(global.netid, at).await?)
            })?;
            narrow(&mut metagraph, command);
            Output::new(global).show(&metagraph, describe)?;
            Ok(())
        }
    }
}

/// Shows each snapshot until Ctrl-C: on a terminal in its place, elsewhere one after the other, as JSON one on each line.
async fn watch(global: &Global, command: &MetagraphCommand) -> anyhow::Result<()> {
    let chain = global.connect().await?;
    let mut following = chain.follow(global.netid).await?;
    let mut clock = tokio::time::interval(STALE / 4);
    loop {
        show_snapshot(&following, global, command)?;
        loop {
            tokio::select! {
                changed = following.snapshots.changed() => { changed?; break }
                _ = clock.tick() => if following.age() > STALE { break },
                interrupted = tokio::signal::ctrl_c() => return Ok(interrupted?),
            }
        }
    }
}

fn show_snapshot(
    following: &Following,
    global: &Global,
    command: &MetagraphCommand,
) -> anyhow::Result<()> {
    let mut metagraph = (*following.latest()).clone();
    narrow(&mut metagraph, command);
    let mut stdout = io::stdout().lock();
    if global.json {
        serde_json::to_writer(&mut stdout, &metagraph)?;
        writeln!(stdout)?;
    } else {
        let begin = if stdout.is_terminal() { CLEAR } else { "" };
        writeln!(
            stdout,
            "{begin}{}{}",
            describe(&metagraph),
            staleness(following)
        )?;
    }
    Ok(stdout.flush()?)
}

fn staleness(following: &Following) -> String {
    match following.age() {
        age if age > STALE => format!(
            "\n\nNot fresh: {} s old. {}",
            age.as_secs(),
            following.trouble().unwrap_or_default()
        ),
        _ => String::new(),
    }
}

fn narrow(metagraph: &mut Metagraph, command: &MetagraphCommand) {
    if command.serving {
        metagraph.neurons.retain(|neuron| neuron.endpoint.is_some());
    }
}

fn describe(metagraph: &Metagraph) -> String {
    let mut table = table([
        "uid",
        "hotkey",
        "stake CTM",
        "rank",
        "trust",
        "consensus",
        "incentive",
        "dividends",
        "emission",
        "updated",
        "permit",
        "endpoint",
    ]);
    for neuron in &metagraph.neurons {
        table.add_row(row(neuron, metagraph.block.number));
    }
    format!(
        "network {} ({}) in block {}: next epoch in block {}, registration {} CTM\n\n{}",
        metagraph.netid,
        metagraph.task,
        metagraph.block.number,
        metagraph.next_epoch,
        Amount(metagraph.registration_price),
        table.trim_fmt()
    )
}

fn row(neuron: &Neuron, block: u32) -> [String; 12] {
    let share = |value| format!("{:.4}", fraction(value));
    let updated = block.saturating_sub(neuron.last_update);
    [
        neuron.uid.to_string(),
        neuron.hotkey.short(),
        rounded(neuron.stake),
        share(neuron.rank),
        share(neuron.trust),
        share(neuron.consensus),
        share(neuron.incentive),
        share(neuron.dividends),
        rounded(neuron.emission),
        if neuron.active {
            format!("{updated} ago")
        } else {
            format!("{updated} ago, inactive")
        },
        if neuron.validator_permit { "yes" } else { "" }.to_owned(),
        neuron
            .endpoint
            .map_or_else(|| "-".to_owned(), |endpoint| endpoint.to_string()),
    ]
}

/// An amount with four digits after the point, rounded down: enough to compare by.
fn rounded(units: u64) -> String {
    let step = 100_000;
    Amount(units - units % step).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_shown_to_four_digits() {
        assert_eq!(rounded(1_234_567_890), "1.2345");
        assert_eq!(rounded(99_999), "0");
    }
}
