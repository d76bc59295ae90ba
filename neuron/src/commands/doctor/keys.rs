//! Tests of the keys: are they there, are they a neuron's, and can they pay?

use neuron_metagraph::{At, Chain, Metagraph, Neuron};
use neuron_wallet::PublicKey;

use super::Check;
use crate::{Amount, KeysError, cli::Global};

/// What a hotkey should have, in units: enough for some hundred times telling where it serves.
const FEES: Amount = Amount(10_000_000);

/// The keys that were found.
pub(super) struct Keys {
    coldkey: Option<PublicKey>,
    hotkey: Option<PublicKey>,
}

/// Are the keys there? Needs no password.
pub(super) fn examine(global: &Global, checks: &mut Vec<Check>) -> Keys {
    let mut look = |name, key: Result<PublicKey, KeysError>| match key {
        Ok(address) => {
            checks.push(Check::ok(name, address.to_string()));
            Some(address)
        }
        Err(error) => {
            let advice = "make keys: neuron wallet new; on a development chain: --uri //Alice";
            checks.push(Check::failed(name, error, advice));
            None
        }
    };
    Keys {
        coldkey: look("coldkey", global.coldkey_address()),
        hotkey: look("hotkey", global.hotkey_address()),
    }
}

impl Keys {
    /// What the chain knows of them. Gives the neuron, if they are one's.
    pub(super) async fn examine_on(
        &self,
        chain: &Chain,
        global: &Global,
        checks: &mut Vec<Check>,
    ) -> Option<Neuron> {
        let metagraph = match chain.metagraph(global.netid, At::Best).await {
            Ok(metagraph) => metagraph,
            Err(error) => {
                let advice = "name another network: --netid NUMBER";
                checks.push(Check::failed("network", error, advice));
                return None;
            }
        };
        let neuron = self.hotkey.and_then(|hotkey| metagraph.by_hotkey(&hotkey));
        if let Some(coldkey) = self.coldkey {
            let needed = match neuron {
                Some(_) => Amount(0),
                None => Amount(metagraph.registration_price),
            };
            let advice = format!("send it more than {needed} CTM, which registering costs");
            let name = "coldkey's balance";
            checks.push(balance(chain, name, coldkey, needed, advice).await);
        }
        if let Some(hotkey) = self.hotkey {
            checks.push(registration(&metagraph, neuron));
            let advice =
                format!("send {FEES} CTM to {hotkey}: it pays for telling where it serves");
            let name = "hotkey's balance";
            checks.push(balance(chain, name, hotkey, FEES, advice).await);
        }
        neuron.cloned()
    }
}

fn registration(metagraph: &Metagraph, neuron: Option<&Neuron>) -> Check {
    let (name, netid, task) = ("registration", metagraph.netid, &metagraph.task);
    match neuron {
        Some(neuron) => {
            let permit = if neuron.validator_permit {
                "may weigh others"
            } else {
                "may not weigh others yet: the epoch gives permits to those with most stake"
            };
            Check::ok(
                name,
                format!(
                    "uid {} of network {netid} ({task}), {} CTM staked; {permit}",
                    neuron.uid,
                    Amount(neuron.stake)
                ),
            )
        }
        None => Check::failed(
            name,
            format!("this hotkey has no neuron in network {netid} ({task})"),
            format!(
                "neuron register --netid {netid}, which costs {} CTM now",
                Amount(metagraph.registration_price)
            ),
        ),
    }
}

async fn balance(
    chain: &Chain,
    name: &'static str,
    account: PublicKey,
    needed: Amount,
    advice: String,
) -> Check {
    match chain.balance(&account, At::Best).await.map(Amount) {
        Ok(balance) if balance > needed => Check::ok(name, format!("{balance} CTM")),
        Ok(balance) => Check::failed(name, format!("{balance} CTM"), advice),
        Err(error) => Check::failed(name, error, "see the test of the chain"),
    }
}
