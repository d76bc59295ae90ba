//! `neuron stake`: what the coldkey holds, and what it has put on hotkeys.

use neuron_metagraph::{At, Call, Chain};
use neuron_wallet::PublicKey;
use serde::Serialize;

use crate::{
    Amount, Output,
    chain::{block_on, submit},
    cli::{Global, StakeAmount, StakeCommand},
    exit::UsageError,
    prompt, table,
};

#[derive(Serialize)]
struct Holdings {
    block: u32,
    coldkey: PublicKey,
    balance: Amount,
    hotkeys: Vec<HotkeyStake>,
}

#[derive(Serialize)]
struct HotkeyStake {
    name: Option<String>,
    hotkey: PublicKey,
    /// Who owns it, by the chain; nobody if the chain does not know it.
    coldkey: Option<PublicKey>,
    stake: Amount,
    /// The part of `stake` that it earned since it last changed.
    earned: Amount,
    /// (netid, uid)
    neurons: Vec<(u16, u16)>,
}

pub(super) fn run(global: &Global, command: StakeCommand) -> anyhow::Result<()> {
    let holdings = block_on(async {
        let chain = global.connect().await?;
        let at = match command {
            StakeCommand::Add { amount, on } => add(&chain, global, amount, on).await?,
            StakeCommand::Remove { amount, on } => remove(&chain, global, amount, on).await?,
            StakeCommand::Show => Some(At::Best),
        };
        match at {
            Some(at) => Ok(Some(holdings(&chain, global, at).await?)),
            None => Ok(None),
        }
    })?;
    if let Some(holdings) = holdings {
        Output::new(global).show(&holdings, describe)?;
    }
    Ok(())
}

/// Gives the block in which it is done; none if the user changed their mind.
async fn add(
    chain: &Chain,
    global: &Global,
    amount: Amount,
    on: Option<PublicKey>,
) -> anyhow::Result<Option<At>> {
    let hotkey = on.map_or_else(|| global.hotkey_address(), Ok)?;
    let question = format!("Stake {amount} CTM on {}?", hotkey.short());
    let call = Call::AddStake {
        hotkey,
        amount: amount.0,
    };
    change(chain, global, &question, call).await
}

async fn remove(
    chain: &Chain,
    global: &Global,
    amount: StakeAmount,
    on: Option<PublicKey>,
) -> anyhow::Result<Option<At>> {
    let hotkey = on.map_or_else(|| global.hotkey_address(), Ok)?;
    let amount = match amount {
        StakeAmount::Exactly(amount) => amount,
        StakeAmount::All => {
            let stake = chain.stake_of(&hotkey, At::Best).await?;
            Amount(stake.map_or(0, |stake| stake.total()))
        }
    };
    if amount == Amount(0) {
        return Err(UsageError(format!("there is nothing to take back from {hotkey}")).into());
    }
    let question = format!("Take {amount} CTM back from {}?", hotkey.short());
    let call = Call::RemoveStake {
        hotkey,
        amount: amount.0,
    };
    change(chain, global, &question, call).await
}

async fn change(
    chain: &Chain,
    global: &Global,
    question: &str,
    call: Call,
) -> anyhow::Result<Option<At>> {
    if !prompt::confirm(global, question)? {
        return Ok(None);
    }
    let included = submit(chain, call, &global.coldkey()?).await?;
    Ok(Some(At::Block(included.block_hash)))
}

async fn holdings(chain: &Chain, global: &Global, at: At) -> anyhow::Result<Holdings> {
    // One block for all that is shown.
    let block = chain.block(at).await?;
    let at = At::Block(block.hash);
    let coldkey = global.coldkey_address()?;
    let mut hotkeys = Vec::new();
    for (name, hotkey) in known_hotkeys(global)? {
        let stake = chain.stake_of(&hotkey, at).await?;
        hotkeys.push(HotkeyStake {
            name,
            hotkey,
            coldkey: stake.as_ref().map(|stake| stake.coldkey),
            stake: Amount(stake.as_ref().map_or(0, |stake| stake.total())),
            earned: Amount(stake.as_ref().map_or(0, |stake| stake.earned)),
            neurons: stake.map(|stake| stake.neurons).unwrap_or_default(),
        });
    }
    Ok(Holdings {
        block: block.number,
        coldkey,
        balance: Amount(chain.balance(&coldkey, at).await?),
        hotkeys,
    })
}

/// The hotkeys of the wallet, or the one that an option names.
fn known_hotkeys(global: &Global) -> anyhow::Result<Vec<(Option<String>, PublicKey)>> {
    if global.uri.is_some() || global.hotkey_uri.is_some() {
        return Ok(vec![(None, global.hotkey_address()?)]);
    }
    let wallet = global.wallet();
    let mut known = Vec::new();
    for name in wallet.hotkeys()? {
        let address = wallet.hotkey(&name)?.address();
        known.push((Some(name.to_string()), address));
    }
    Ok(known)
}

fn describe(holdings: &Holdings) -> String {
    let mut table = table(["hotkey", "address", "stake CTM", "earned", "neurons"]);
    for it in &holdings.hotkeys {
        let neurons: Vec<_> = it
            .neurons
            .iter()
            .map(|(netid, uid)| format!("{netid}:{uid}"))
            .collect();
        let owner = match it.coldkey {
            None => " (unknown to the chain)",
            Some(coldkey) if coldkey != holdings.coldkey => " (of another coldkey)",
            Some(_) => "",
        };
        table.add_row([
            it.name.clone().unwrap_or_else(|| "-".into()),
            format!("{}{owner}", it.hotkey),
            it.stake.to_string(),
            it.earned.to_string(),
            neurons.join(" "),
        ]);
    }
    format!(
        "coldkey {}\nbalance {} CTM in block {}\n\n{}",
        holdings.coldkey,
        holdings.balance,
        holdings.block,
        table.trim_fmt()
    )
}
