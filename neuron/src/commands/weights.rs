//! `neuron weights`: what validators value their peers at.

use neuron_metagraph::{At, Call, Chain, Matrix, WeightRow};
use serde::Serialize;

use crate::{
    Output, WEIGHTS_VERSION,
    chain::{block_on, submit},
    cli::{Global, Opinion, WeightsCommand},
    exit::{NotRegisteredError, UsageError},
    prompt, table,
};

pub(super) fn run(global: &Global, command: WeightsCommand) -> anyhow::Result<()> {
    match command {
        WeightsCommand::Show { uid, bonds } => {
            let shown = block_on(read(global, uid, bonds))?;
            Output::new(global).show(&shown, describe)?;
        }
        WeightsCommand::Set { opinions } => {
            if let Some(set) = block_on(set(global, &opinions))? {
                Output::new(global).show(&set, describe_set)?;
            }
        }
    }
    Ok(())
}

#[derive(Serialize)]
struct Rows {
    netid: u16,
    block: u32,
    kind: &'static str,
    rows: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    uid: u16,
    entries: Vec<EntryShare>,
}

#[derive(Serialize)]
struct EntryShare {
    uid: u16,
    /// As the chain has it, in 1/65535.
    value: u16,
    /// Of the row's sum, 0..=1.
    share: f64,
}

async fn read(global: &Global, uid: Option<u16>, bonds: bool) -> anyhow::Result<Rows> {
    let chain = global.connect().await?;
    let block = chain.block(At::Best).await?;
    let at = At::Block(block.hash);
    let (kind, matrix) = match bonds {
        true => ("bonds", chain.bonds(global.netid, at).await?),
        false => ("weights", chain.weights(global.netid, at).await?),
    };
    let rows = matrix
        .rows
        .iter()
        .map(|(rater, _)| *rater)
        .filter(|rater| uid.is_none_or(|wanted| wanted == *rater))
        .map(|rater| row(&matrix, rater))
        .collect();
    Ok(Rows {
        netid: global.netid,
        block: block.number,
        kind,
        rows,
    })
}

fn row(matrix: &Matrix, rater: u16) -> Row {
    let entries = matrix.row(rater).iter().map(|(uid, value)| EntryShare {
        uid: *uid,
        value: *value,
        share: matrix.share(rater, *uid),
    });
    Row {
        uid: rater,
        entries: entries.collect(),
    }
}

fn describe(shown: &Rows) -> String {
    if shown.rows.is_empty() {
        return format!(
            "No {} in network {} in block {}",
            shown.kind, shown.netid, shown.block
        );
    }
    let mut table = table(["uid", shown.kind]);
    for row in &shown.rows {
        let entries: Vec<_> = row
            .entries
            .iter()
            .map(|entry| format!("{}={:.4}", entry.uid, entry.share))
            .collect();
        table.add_row([row.uid.to_string(), entries.join(" ")]);
    }
    table.trim_fmt()
}

#[derive(Serialize)]
struct Set {
    netid: u16,
    uid: u16,
    /// The block that has it; none if the chain had the same row already, and it counts.
    block: Option<u32>,
    row: Vec<(u16, u16)>,
}

/// `None` if the user changed their mind.
async fn set(global: &Global, opinions: &[Opinion]) -> anyhow::Result<Option<Set>> {
    let scores: Vec<_> = opinions.iter().map(|it| (it.uid, it.weight)).collect();
    let row = WeightRow::quantise(&scores).map_err(|error| UsageError(error.to_string()))?;
    let chain = global.connect().await?;
    let uid = own_uid(&chain, global).await?;
    let entries = row.entries();
    if chain.counts_already(global.netid, uid, &row).await? {
        return Ok(Some(Set {
            netid: global.netid,
            uid,
            block: None,
            row: entries,
        }));
    }
    let question = format!("Set the weights of uid {uid} in network {}?", global.netid);
    if !prompt::confirm(global, &question)? {
        return Ok(None);
    }
    let call = Call::SetWeights {
        netid: global.netid,
        row,
        version: WEIGHTS_VERSION,
    };
    let included = submit(&chain, call, &global.hotkey()?).await?;
    Ok(Some(Set {
        netid: global.netid,
        uid,
        block: Some(included.block_number),
        row: entries,
    }))
}

async fn own_uid(chain: &Chain, global: &Global) -> anyhow::Result<u16> {
    let hotkey = global.hotkey_address()?;
    let metagraph = chain.metagraph(global.netid, At::Best).await?;
    let netid = global.netid;
    let neuron = metagraph.by_hotkey(&hotkey);
    let neuron = neuron.ok_or(NotRegisteredError { hotkey, netid })?;
    Ok(neuron.uid)
}

fn describe_set(set: &Set) -> String {
    match set.block {
        Some(block) => format!(
            "The weights of uid {} in network {} are set, in block {block}",
            set.uid, set.netid
        ),
        None => format!(
            "The weights of uid {} in network {} are the same already, and count; nothing was done",
            set.uid, set.netid
        ),
    }
}
