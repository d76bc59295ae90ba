//! `neuron network`: the networks of the chain.

mod create;

use neuron_metagraph::{At, ChainError, Hyperparameters, Network, fraction};
use serde::Serialize;
use serde_json::Value;

use crate::{
    Amount, Output,
    chain::block_on,
    cli::{Global, NetworkCommand},
    table,
};

pub(super) fn run(global: &Global, command: NetworkCommand) -> anyhow::Result<()> {
    match command {
        NetworkCommand::List => {
            let networks = block_on(async {
                let chain = global.connect().await?;
                Ok(chain.networks(At::Best).await?)
            })?;
            Output::new(global).show(&networks, |networks| list(networks))?;
        }
        NetworkCommand::Show => {
            let shown = block_on(read(global))?;
            Output::new(global).show(&shown, describe)?;
        }
        NetworkCommand::Create(network) => create::run(global, &network)?,
    }
    Ok(())
}

fn list(networks: &[Network]) -> String {
    let mut table = table([
        "netid",
        "task",
        "neurons",
        "price CTM",
        "pending CTM",
        "next epoch",
    ]);
    for network in networks {
        table.add_row([
            network.netid.to_string(),
            network.task.clone(),
            format!("{}/{}", network.n_neurons, network.max_neurons),
            Amount(network.registration_price).to_string(),
            Amount(network.pending).to_string(),
            network.next_epoch.to_string(),
        ]);
    }
    table.trim_fmt()
}

#[derive(Serialize)]
struct Shown {
    block: u32,
    #[serde(flatten)]
    network: Network,
    hyperparameters: Hyperparameters,
}

async fn read(global: &Global) -> anyhow::Result<Shown> {
    let chain = global.connect().await?;
    let block = chain.block(At::Best).await?;
    let at = At::Block(block.hash);
    let hyperparameters = chain.hyperparameters(global.netid, at).await?;
    let networks = chain.networks(at).await?;
    let network = networks
        .into_iter()
        .find(|network| network.netid == global.netid)
        .ok_or(ChainError::NoSuchNetwork {
            netid: global.netid,
            block: block.number,
        })?;
    Ok(Shown {
        block: block.number,
        network,
        hyperparameters,
    })
}

fn describe(shown: &Shown) -> String {
    let network = &shown.network;
    let owner = network
        .owner
        .map_or_else(|| "nobody".to_owned(), |owner| owner.to_string());
    format!(
        "network {} ({}) in block {}\n{} of {} neurons, owned by {owner}\nregistration {} CTM, pending {} CTM, \
         next epoch in block {}\n\n{}",
        network.netid,
        network.task,
        shown.block,
        network.n_neurons,
        network.max_neurons,
        Amount(network.registration_price),
        Amount(network.pending),
        network.next_epoch,
        list_hyperparameters(&shown.hyperparameters)
    )
}

fn list_hyperparameters(hyperparameters: &Hyperparameters) -> String {
    let mut table = table(["hyperparameter", "value"]);
    if let Ok(Value::Object(parameters)) = serde_json::to_value(hyperparameters) {
        for (name, value) in &parameters {
            table.add_row([name.clone(), value_in_unit(name, value)]);
        }
    }
    table.trim_fmt()
}

/// A hyperparameter's value in the unit that people think in.
fn value_in_unit(name: &str, value: &Value) -> String {
    let number = value.as_u64();
    match (name, number) {
        ("min_stake" | "price_min" | "price_max", Some(units)) => format!("{} CTM", Amount(units)),
        ("kappa" | "max_weight" | "bonds_penalty", Some(part)) => {
            let part = u16::try_from(part).unwrap_or(u16::MAX);
            format!("{:.2}%", 100.0 * fraction(part))
        }
        ("price_step" | "bonds_moving_average" | "server_share" | "owner_cut", Some(ppm)) => {
            format!("{}.{:04}%", ppm / 10_000, ppm % 10_000)
        }
        (
            "tempo" | "immunity_period" | "activity_cutoff" | "weights_rate_limit"
            | "serving_rate_limit" | "price_half_life",
            Some(blocks),
        ) => format!("{blocks} blocks"),
        _ => match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_have_the_units_that_people_think_in() {
        for (name, value, shown) in [
            ("tempo", json!(360), "360 blocks"),
            ("min_stake", json!(1_500_000_000u64), "1.5 CTM"),
            ("kappa", json!(32_767), "50.00%"),
            ("server_share", json!(500_000), "50.0000%"),
            ("price_step", json!(1_260_000), "126.0000%"),
            ("registration", json!(true), "true"),
            ("consensus", json!("Median"), "Median"),
        ] {
            assert_eq!(value_in_unit(name, &value), shown);
        }
    }
}
