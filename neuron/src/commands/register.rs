//! `neuron register`: become a neuron of a network.

use neuron_metagraph::{At, Call, Chain, Metagraph};
use neuron_wallet::PublicKey;
use serde::Serialize;

use crate::{
    Amount, Output,
    chain::{block_on, submit},
    cli::{Global, Register},
    exit::UsageError,
    prompt,
};

#[derive(Serialize)]
struct Registered {
    netid: u16,
    task: String,
    uid: u16,
    hotkey: PublicKey,
    coldkey: PublicKey,
    block: u32,
    max_price: Option<Amount>,
    fee: Option<Amount>,
    /// Whether there was nothing to do.
    already: bool,
}

pub(super) fn run(global: &Global, register: &Register) -> anyhow::Result<()> {
    let registered = block_on(become_neuron(global, register))?;
    if let Some(registered) = registered {
        Output::new(global).show(&registered, describe)?;
    }
    Ok(())
}

/// `None` if the user changed their mind.
async fn become_neuron(global: &Global, register: &Register) -> anyhow::Result<Option<Registered>> {
    let hotkey = global.hotkey_address()?;
    let chain = global.connect().await?;
    let metagraph = chain.metagraph(global.netid, At::Best).await?;
    if metagraph.by_hotkey(&hotkey).is_some() {
        return Ok(Some(registered(&metagraph, &hotkey, None)?));
    }
    let asked = Amount(metagraph.registration_price);
    let max_price = register.max_price.unwrap_or(asked);
    if max_price < asked {
        return Err(UsageError(format!(
            "the price is {asked} CTM now, above --max-price {max_price}; it falls with every block"
        ))
        .into());
    }
    check_balance(&chain, global, asked).await?;
    let question = format!(
        "Register {} in network {} ({}) for at most {max_price} CTM?",
        hotkey.short(),
        metagraph.netid,
        metagraph.task
    );
    if !prompt::confirm(global, &question)? {
        return Ok(None);
    }
    let call = Call::Register {
        netid: global.netid,
        hotkey,
        max_price: max_price.0,
    };
    let included = submit(&chain, call, &global.coldkey()?).await?;
    let after = chain
        .metagraph(global.netid, At::Block(included.block_hash))
        .await?;
    let fee = included.fee.map(Amount);
    Ok(Some(registered(&after, &hotkey, Some((max_price, fee)))?))
}

async fn check_balance(chain: &Chain, global: &Global, price: Amount) -> anyhow::Result<()> {
    let coldkey = global.coldkey_address()?;
    let balance = Amount(chain.balance(&coldkey, At::Best).await?);
    anyhow::ensure!(
        balance > price,
        "the coldkey {coldkey} has {balance} CTM, and registering costs {price} CTM and a fee; send it some first"
    );
    Ok(())
}

fn registered(
    metagraph: &Metagraph,
    hotkey: &PublicKey,
    paid: Option<(Amount, Option<Amount>)>,
) -> anyhow::Result<Registered> {
    let neuron = metagraph.by_hotkey(hotkey).ok_or_else(|| {
        anyhow::anyhow!("the neuron was replaced in the block that registered it")
    })?;
    Ok(Registered {
        netid: metagraph.netid,
        task: metagraph.task.clone(),
        uid: neuron.uid,
        hotkey: neuron.hotkey,
        coldkey: neuron.coldkey,
        block: neuron.registered_at,
        max_price: paid.map(|(price, _)| price),
        fee: paid.and_then(|(_, fee)| fee),
        already: paid.is_none(),
    })
}

fn describe(registered: &Registered) -> String {
    let verb = if registered.already {
        "was registered before"
    } else {
        "is registered"
    };
    format!(
        "{} {verb}: uid {} of network {} ({}), since block {}\nNext: neuron train",
        registered.hotkey, registered.uid, registered.netid, registered.task, registered.block
    )
}
