//! `neuron network create`: a network for a task, as root.

use neuron_metagraph::{At, Call, Chain, ChainError, Hyperparameters};
use neuron_wallet::PublicKey;
use serde::Serialize;

use super::list_hyperparameters;
use crate::{
    Amount, Output,
    chain::{block_on, submit},
    cli::{CreateNetwork, Global},
    exit::NotRootError,
    prompt,
};

#[derive(Serialize)]
struct Created {
    netid: u16,
    task: String,
    owner: Option<PublicKey>,
    block: u32,
    fee: Option<Amount>,
    hyperparameters: Hyperparameters,
}

pub(super) fn run(global: &Global, network: &CreateNetwork) -> anyhow::Result<()> {
    let created = block_on(create(global, network))?;
    if let Some(created) = created {
        Output::new(global).show(&created, describe)?;
    }
    Ok(())
}

/// `None` if the user changed their mind.
async fn create(global: &Global, network: &CreateNetwork) -> anyhow::Result<Option<Created>> {
    let signer = global.coldkey_address()?;
    let chain = global.connect().await?;
    check_root(&chain, signer).await?;
    let mut hyperparameters = chain.hyperparameters(network.like, At::Best).await?;
    network.overrides.apply(&mut hyperparameters);
    let question = format!(
        "Create a network for {:?}, with an epoch every {} blocks?",
        network.task.as_ref(),
        hyperparameters.tempo
    );
    if !prompt::confirm(global, &question)? {
        return Ok(None);
    }
    let call = Call::CreateNetwork {
        task: network.task.to_string(),
        owner: network.owner,
        hyperparameters: Box::new(hyperparameters.clone()),
    };
    let included = submit(&chain, Call::Sudo(Box::new(call)), &global.coldkey()?).await?;
    let netid = included.created.ok_or_else(|| ChainError::Answer {
        what: "id of the new network",
        message: format!("block {} does not say", included.block_number),
    })?;
    Ok(Some(Created {
        netid,
        task: network.task.to_string(),
        owner: network.owner,
        block: included.block_number,
        fee: included.fee.map(Amount),
        hyperparameters,
    }))
}

/// Whether this key may create networks: found out before a fee is paid for a refusal.
async fn check_root(chain: &Chain, signer: PublicKey) -> anyhow::Result<()> {
    match chain.root(At::Best).await? {
        Some(root) if root == signer => Ok(()),
        Some(root) => Err(NotRootError::Another { root, signer }.into()),
        None => Err(NotRootError::Nobody.into()),
    }
}

fn describe(created: &Created) -> String {
    format!(
        "network {} ({}) is created, in block {}\n\n{}\n\nNext: neuron register --netid {}",
        created.netid,
        created.task,
        created.block,
        list_hyperparameters(&created.hyperparameters),
        created.netid
    )
}
