//! The chain of the demo: a development node, and the neurons that are made known to it.

use crate::{
    process::{Complaint, Process},
    task::Task,
};
use anyhow::{Context, Result, bail, ensure};
use neuron_metagraph::{At, CTM, Call, Chain, Included};
use neuron_wallet::{Keypair, PublicKey};
use std::{fs, path::Path, time::Duration};
use tokio::time::{Instant, sleep};

/// Blocks between epochs: with blocks of a second, short enough to see many of them.
pub(crate) const TEMPO: u32 = 10;

/// Seconds between the blocks of the development chain.
pub(crate) const BLOCK_TIME: f64 = 1.0;

/// What each hotkey keeps for fees, in units.
const POCKET_MONEY: u64 = 10 * CTM;

/// The most that a registration may cost, in units. The development chain starts at a thousandth of this.
const MAX_PRICE: u64 = CTM;

/// How long the node may take to answer, and a call to be in a block.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long the node may take to write down its database.
const GRACE: Duration = Duration::from_secs(10);

/// A development chain of one node, with a connection to it.
pub(crate) struct LocalChain {
    node: Process,
    /// Where it is reached.
    pub(crate) url: String,
    /// Speaks to it.
    pub(crate) chain: Chain,
}

impl LocalChain {
    /// Starts a node on free ports, with its database and its log in `folder`, and waits until it answers.
    ///
    /// # Errors
    ///
    /// If it ends before that; the message has the end of its log.
    pub(crate) async fn start(binary: &Path, folder: &Path) -> Result<Self> {
        let base = folder.join("chain");
        fs::create_dir_all(&base)?;
        let mut arguments: Vec<String> = [
            "--dev",
            "--rpc-port=0",
            "--port=0",
            "--no-prometheus",
            "--no-telemetry",
            "--no-mdns",
            "--unsafe-force-node-key-generation",
        ]
        .map(str::to_owned)
        .into();
        arguments.push(format!("--base-path={}", base.display()));
        let mut node = Process::start(binary, arguments, folder.join("node.log"))?;
        let url = url(&mut node).await?;
        let chain = Chain::connect(std::slice::from_ref(&url)).await?;
        Ok(Self { node, url, chain })
    }

    /// What is wrong if the node has ended, which nobody told it to.
    ///
    /// # Errors
    ///
    /// If the system does not say.
    pub(crate) fn deserted(&mut self) -> Result<Option<Complaint>> {
        let status = self.node.ended()?;
        Ok(status.map(|status| self.node.deserted(status)))
    }

    /// Stops the node. Gives what is wrong with how it ended.
    ///
    /// # Errors
    ///
    /// If the system does not say how it ended.
    pub(crate) async fn stop(self) -> Result<Option<Complaint>> {
        let Self {
            mut node, chain, ..
        } = self;
        drop(chain);
        node.stop(GRACE).await
    }
}

/// Waits until the node says where it is reached.
async fn url(node: &mut Process) -> Result<String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(port) = node.printed().lines().find_map(rpc_port) {
            return Ok(format!("ws://127.0.0.1:{port}"));
        }
        if let Some(status) = node.ended()? {
            bail!("the node ended with {status}:\n{}", node.tail());
        }
        if Instant::now() > deadline {
            bail!(
                "the node did not answer within {PATIENCE:?}:\n{}",
                node.tail()
            );
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// `… Running JSON-RPC server: addr=127.0.0.1:40745,[::1]:42283`
fn rpc_port(line: &str) -> Option<u16> {
    let (_, address) = line.split_once("JSON-RPC server: addr=127.0.0.1:")?;
    address.split(',').next()?.trim().parse().ok()
}

/// A neuron to be: its key, which is hotkey and coldkey in one, and what it stakes.
pub(crate) struct Member {
    /// From what its key is derived.
    pub(crate) uri: String,
    /// Its key.
    pub(crate) key: Keypair,
    /// Units.
    pub(crate) stake: u64,
}

impl Member {
    /// The `index`-th neuron of the demo with that seed.
    ///
    /// The first is the validator and stakes half as much again as the others. So whatever one of the others says, three
    /// that agree are a majority of the stake, and so is the validator with any two.
    ///
    /// # Errors
    ///
    /// None: the path is well-formed.
    pub(crate) fn new(seed: u64, index: usize) -> Result<Self> {
        let uri = format!("//demo//{seed}//{index}");
        let key = Keypair::from_uri(&uri).with_context(|| uri.clone())?;
        let stake = if index == 0 { 3_000 * CTM } else { 2_000 * CTM };
        Ok(Self { uri, key, stake })
    }

    /// Its hotkey.
    pub(crate) fn hotkey(&self) -> PublicKey {
        self.key.public()
    }
}

async fn submit(chain: &Chain, call: Call, signer: &Keypair) -> Result<Included> {
    Ok(chain.submit(call, signer, PATIENCE).await?)
}

/// The account that the development chain gives funds and root to.
fn alice() -> Result<Keypair> {
    Ok(Keypair::from_uri("//Alice")?)
}

/// Makes the network of the task, unless the chain begins with it, and shortens its tempo, as root.
///
/// # Errors
///
/// If the chain refuses.
pub(crate) async fn network(chain: &Chain, task: Task) -> Result<()> {
    let (alice, netid) = (alice()?, task.netid());
    if netid != Task::Digits.netid() {
        // As the one that is there, but for what is learned in it.
        let digits = Task::Digits.netid();
        let create = Call::Sudo(Box::new(Call::CreateNetwork {
            task: task.on_chain().to_owned(),
            owner: None,
            hyperparameters: Box::new(chain.hyperparameters(digits, At::Best).await?),
        }));
        submit(chain, create, &alice).await?;
    }
    let tempo = Call::Sudo(Box::new(Call::SetTempo {
        netid,
        tempo: TEMPO,
    }));
    submit(chain, tempo, &alice).await?;
    let hyperparameters = chain.hyperparameters(netid, At::Best).await?;
    ensure!(
        hyperparameters.tempo == TEMPO,
        "the chain kept a tempo of {} blocks",
        hyperparameters.tempo
    );
    Ok(())
}

/// Gives every member what it stakes and pays.
///
/// # Errors
///
/// If the chain refuses.
pub(crate) async fn fund(chain: &Chain, members: &[Member]) -> Result<()> {
    let alice = alice()?;
    let transfers = members.iter().map(|member| {
        let transfer = Call::Transfer {
            to: member.hotkey(),
            amount: member.stake + MAX_PRICE + POCKET_MONEY,
        };
        submit(chain, transfer, &alice)
    });
    futures::future::try_join_all(transfers).await?;
    Ok(())
}

/// Registers the members one after the other, so that uids follow their order, and gives the uids.
///
/// # Errors
///
/// If the chain refuses.
pub(crate) async fn register(chain: &Chain, netid: u16, members: &[Member]) -> Result<Vec<u16>> {
    for member in members {
        let register = Call::Register {
            netid,
            hotkey: member.hotkey(),
            max_price: MAX_PRICE,
        };
        submit(chain, register, &member.key).await?;
    }
    let metagraph = chain.metagraph(netid, At::Best).await?;
    members
        .iter()
        .map(|member| {
            let neuron = metagraph.by_hotkey(&member.hotkey());
            let neuron = neuron.with_context(|| format!("{} is not registered", member.uri))?;
            Ok(neuron.uid)
        })
        .collect()
}

/// Stakes what each member was given for it.
///
/// # Errors
///
/// If the chain refuses.
pub(crate) async fn stake(chain: &Chain, members: &[Member]) -> Result<()> {
    let stakes = members.iter().map(|member| {
        let stake = Call::AddStake {
            hotkey: member.hotkey(),
            amount: member.stake,
        };
        submit(chain, stake, &member.key)
    });
    futures::future::try_join_all(stakes).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_read_from_the_log() {
        let line = "2026-11-24 Running JSON-RPC server: addr=127.0.0.1:40745,[::1]:42283";
        assert_eq!(rpc_port(line), Some(40_745));
        assert_eq!(rpc_port("Imported #1"), None);
    }

    #[test]
    fn a_seed_gives_the_same_keys_again_and_another_seed_others() {
        let hotkey = |seed, index| Member::new(seed, index).expect("it is a key").hotkey();
        assert_eq!(hotkey(7, 2), hotkey(7, 2));
        assert_ne!(hotkey(7, 2), hotkey(8, 2));
        assert_ne!(hotkey(7, 2), hotkey(7, 3));
    }

    #[test]
    fn three_that_agree_outvote_whoever_else_of_five_says_otherwise() {
        let stakes: Vec<u64> = (0..5)
            .map(|index| Member::new(1, index).expect("it is a key").stake)
            .collect();
        let all: u64 = stakes.iter().sum();
        // Without the validator, and with it.
        assert!(2 * (stakes[1] + stakes[2] + stakes[3]) > all);
        assert!(2 * (stakes[0] + stakes[1] + stakes[2]) > all);
        // Nobody decides alone.
        assert!(2 * stakes[0] < all);
    }
}
