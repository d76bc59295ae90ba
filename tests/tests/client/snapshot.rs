//! A metagraph is what storage says, and the metadata that the program was built with is the node's.

use crate::{CTM, DEADLINE, account, connect, key};
use anyhow::{Context, Result};
use connectome_tests::Setup;
use neuron_metagraph::{At, Call, Chain, ChainError, Endpoint, Protocol, Synapses};
use neuron_wallet::{Keypair, PublicKey};
use pallet_metagraph::Address;
use subxt::utils::AccountId32;

const ENDPOINT: &str = "10.1.2.3:8091";

/// Registers `hotkey` under `coldkey`, stakes 5 CTM on it, and serves.
async fn join(chain: &Chain, coldkey: &Keypair, hotkey: &Keypair) -> Result<()> {
    let funds = Call::Transfer {
        to: hotkey.public(),
        amount: CTM,
    };
    chain.submit(funds, coldkey, DEADLINE).await?;
    let register = Call::Register {
        netid: 0,
        hotkey: hotkey.public(),
        max_price: 100 * CTM,
    };
    chain.submit(register, coldkey, DEADLINE).await?;
    let stake = Call::AddStake {
        hotkey: hotkey.public(),
        amount: 5 * CTM,
    };
    chain.submit(stake, coldkey, DEADLINE).await?;
    let serve = Call::ServeAxon {
        netid: 0,
        endpoint: endpoint()?,
    };
    chain.submit(serve, hotkey, DEADLINE).await?;
    Ok(())
}

fn endpoint() -> Result<Endpoint> {
    Ok(Endpoint {
        address: ENDPOINT.parse()?,
        protocol: Protocol::GrpcTls,
        version: 7,
        synapses: Synapses {
            image: true,
            ..Synapses::default()
        },
    })
}

#[tokio::test]
async fn a_snapshot_is_what_storage_says_at_its_block() -> Result<()> {
    let node = Setup::dev()?.start().await?;
    let chain = connect(&node).await?;
    let (coldkey, hotkey) = (key("Alice")?, key("snapshot//hot")?);
    join(&chain, &coldkey, &hotkey).await?;

    let snapshot = chain.metagraph(0, At::Best).await?;
    let block = snapshot.block.hash;
    let neuron = snapshot.by_hotkey(&hotkey.public()).context("it joined")?;

    // Value by value, from storage.
    let client = &node.client;
    let height: u32 = client.storage(block, "System", "Number").await?;
    assert_eq!(snapshot.block.number, height);
    let keys = (0u16, neuron.uid);
    let stored: AccountId32 = client.entry(block, "Metagraph", "Keys", keys).await?;
    assert_eq!(PublicKey(stored.0), neuron.hotkey);
    let stake: Vec<u64> = client
        .entry(block, "Metagraph", "StakeColumn", (0u16,))
        .await?;
    let earned: Vec<u64> = client
        .entry(block, "Metagraph", "EarnedColumn", (0u16,))
        .await?;
    let uid = usize::from(neuron.uid);
    assert_eq!(
        (stake[uid] + earned[uid], earned[uid]),
        (neuron.stake, neuron.earned)
    );
    assert_eq!(stake[uid], 5 * CTM);
    let registered: Vec<u32> = client
        .entry(block, "Metagraph", "RegisteredColumn", (0u16,))
        .await?;
    assert_eq!(registered[uid], neuron.registered_at);

    // And all of it, by the pallet's own types.
    let network = client.network(block, 0).await?.metagraph;
    assert_eq!(network.network.task, snapshot.task.as_bytes());
    assert_eq!(network.network.pending, snapshot.pending);
    assert_eq!(network.network.next_epoch, snapshot.next_epoch);
    assert_eq!(network.neurons.len(), snapshot.neurons.len());
    for (theirs, ours) in network.neurons.iter().zip(&snapshot.neurons) {
        assert_eq!(theirs.hotkey, account(&ours.hotkey));
        assert_eq!(theirs.coldkey, account(&ours.coldkey));
        assert_eq!((theirs.uid.0, theirs.stake), (ours.uid, ours.stake));
        assert_eq!(
            (theirs.last_update, theirs.active),
            (ours.last_update, ours.active)
        );
        assert_eq!((theirs.rank, theirs.trust), (ours.rank, ours.trust));
        assert_eq!(
            (theirs.consensus, theirs.incentive),
            (ours.consensus, ours.incentive)
        );
        assert_eq!(
            (theirs.dividends, theirs.emission),
            (ours.dividends, ours.emission)
        );
        let address = theirs.endpoint.map(|it| (it.address(), it.port()));
        assert_eq!(address, Some((Address::V4([10, 1, 2, 3]), 8091)));
    }
    assert_eq!(neuron.endpoint, Some(endpoint()?));
    Ok(())
}

#[tokio::test]
async fn what_else_is_asked_is_what_the_chain_says() -> Result<()> {
    let node = Setup::dev()?.start().await?;
    let chain = connect(&node).await?;
    let (coldkey, hotkey) = (key("Alice")?, key("asked//hot")?);
    join(&chain, &coldkey, &hotkey).await?;
    let block = chain.block(At::Best).await?;
    let at = At::Block(block.hash);

    let network = node.client.network(block.hash, 0).await?;
    let parameters = chain.hyperparameters(0, at).await?;
    assert_eq!(parameters.tempo, network.hyperparameters.tempo);
    assert_eq!(parameters.price_max, network.hyperparameters.price_max);
    assert_eq!(parameters.owner_cut, network.hyperparameters.owner_cut);
    let [listed] = &chain.networks(at).await?[..] else {
        panic!("there is one network");
    };
    assert_eq!(
        (listed.netid, listed.task.as_str(), listed.n_neurons),
        (0, "digits", 1)
    );
    assert_eq!(
        listed.registration_price,
        chain.registration_price(0, at).await?
    );
    assert_eq!(listed.next_epoch, chain.next_epoch(0, at).await?);

    let stake = chain.stake_of(&hotkey.public(), at).await?;
    let stake = stake.context("it has stake")?;
    assert_eq!((stake.coldkey, stake.settled), (coldkey.public(), 5 * CTM));
    assert_eq!(stake.neurons, [(0, 0)]);
    let nobody = key("nobody")?.public();
    assert_eq!(chain.stake_of(&nobody, at).await?, None);
    assert_eq!(chain.balance(&nobody, at).await?, 0);
    let alice = coldkey.public();
    let balance = node.client.balance(block.hash, &account(&alice)).await?;
    assert_eq!(chain.balance(&alice, at).await?, balance);
    assert!(chain.weights(0, at).await?.rows.is_empty());
    assert!(chain.weight_row(0, 0, at).await?.is_empty());
    assert_eq!(chain.block_time().await?.as_millis(), 1_000);
    assert_eq!(
        chain.metagraph(9, at).await,
        Err(ChainError::NoSuchNetwork {
            netid: 9,
            block: block.number
        })
    );
    Ok(())
}

#[tokio::test]
async fn the_metadata_that_the_program_was_built_with_is_current() -> Result<()> {
    let node = Setup::dev()?.start().await?;
    let chain = connect(&node).await?;
    assert!(
        chain.agrees_with_program().await?,
        "the runtime has changed: run `make metadata` and commit neuron/metagraph/metadata.scale"
    );
    Ok(())
}
