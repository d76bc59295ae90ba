//! What is malformed is refused by name, and what is right costs nothing.

use crate::{ANY_PRICE, CTM};
use anyhow::{Result, ensure};
use connectome_tests::{
    ChainSpec, Node, Setup, account,
    calls::{self, Call, Row},
    keypairs,
};
use pallet_metagraph::OutOfRange;
use serde_json::json;
use subxt::{rpcs, utils::H256};
use subxt_signer::sr25519::{Keypair, dev};

/// A failed call's result, `Err(DispatchError::Module)`, byte by byte: the two variants, the pallet, its error, what the
/// error holds, and two bytes of nothing.
type SudoError = (u8, u8, u8, u8, OutOfRange, [u8; 2]);

/// Blocks between two epochs.
const TEMPO: u32 = 5;

/// The program version that the network asks for.
const VERSION: u64 = 3;

/// The code of an answer to a transaction that provides what one in the pool does (`sc_rpc_api::author::error`).
const TOO_LOW_PRIORITY: i32 = 1014;

/// A node of a chain whose network 0 refuses all that a network can, and the hotkeys of its neurons after its first
/// epoch: three validators, one whose stake is below the network's minimum, and one that got no permit. Alice is the
/// coldkey of all.
async fn strict_network(name: &str) -> Result<(Node, [Keypair; 5])> {
    let hotkeys: [Keypair; 5] = keypairs(name)?;
    let accounts = hotkeys.each_ref().map(account);
    let coldkey = account(&dev::alice());
    let neurons: Vec<_> = accounts
        .iter()
        .zip([100u64, 90, 80, 1, 20])
        .map(
            |(hotkey, stake)| json!({ "hotkey": hotkey, "coldkey": coldkey, "stake": stake * CTM }),
        )
        .collect();
    let hyperparameters = json!({
        "tempo": TEMPO,
        "maxValidators": 3,
        "minStake": 10 * CTM,
        "minWeights": 2,
        "maxWeight": 40_000,
        "weightsVersion": VERSION,
        "weightsRateLimit": 100_000,
        "servingRateLimit": 100_000,
        "maxRegistrationsPerBlock": 16,
    });
    let network =
        json!({ "task": "strict", "hyperparameters": hyperparameters, "neurons": neurons });
    let chain = ChainSpec::dev()
        .await?
        .with_block_time(400)
        .with_funds(&accounts, CTM)
        .with(&json!({ "metagraph": { "networks": [network] } }))
        .write()?;
    let node = Setup::authority(&chain, "alice")?.alone().start().await?;
    node.client.until_best(TEMPO).await?;
    Ok((node, hotkeys))
}

async fn best_hash(node: &Node) -> Result<H256> {
    let height = node.client.best().await?.number;
    node.client.hash_at(u32::try_from(height)?).await
}

#[tokio::test]
async fn the_pool_refuses_wrong_weights_by_name_and_right_ones_are_free() -> Result<()> {
    let (node, hotkeys) = strict_network("pool//hot").await?;
    let client = &node.client;
    let [validator, _, _, poor, unpermitted] = &hotkeys;
    let (row, stranger): (Row, _) = (vec![(1, 10), (2, 11)], dev::bob());

    // Refused at the pool's door, each for what is wrong with it.
    for (netid, row, version, signer, name) in [
        (0, vec![], VERSION, validator, "NoWeights"),
        (0, vec![(1, 0), (2, 0)], VERSION, validator, "NoWeights"),
        (0, vec![(1, 1), (1, 2)], VERSION, validator, "DuplicateUids"),
        (0, vec![(2, 1), (1, 1)], VERSION, validator, "UnsortedUids"),
        (9, row.clone(), VERSION, validator, "NetworkNotFound"),
        (0, row.clone(), VERSION, &stranger, "NotRegistered"),
        (0, row.clone(), VERSION, poor, "NotEnoughStakeToSetWeights"),
        (
            0,
            row.clone(),
            VERSION - 1,
            validator,
            "OutdatedWeightsVersion",
        ),
        (0, vec![(1, 1), (5, 1)], VERSION, validator, "UnknownUid"),
        (0, row.clone(), VERSION, unpermitted, "NoValidatorPermit"),
        (0, vec![(1, 1)], VERSION, validator, "NotEnoughWeights"),
        (
            0,
            vec![(1, 1), (2, 2)],
            VERSION,
            validator,
            "WeightTooLarge",
        ),
    ] {
        let call = calls::set_weights(netid, &row, version);
        let refused = client.refusal(&call, signer).await?;
        assert_eq!(refused, name, "{row:?}");
    }

    // Accepted: free.
    let accepted = calls::set_weights(0, &row, VERSION);
    let before = client
        .balance(best_hash(&node).await?, &account(validator))
        .await?;
    let block = client.apply(&[(accepted.clone(), validator)]).await?;
    assert_eq!(client.balance(block, &account(validator)).await?, before);
    let set: Vec<(u16, u16)> = client.events(block, "Metagraph", "WeightsSet").await?;
    assert_eq!(set, [(0, 0)]);

    // Once more is too fast: refused by the pool, and where the pool does not look, in the block, for a fee.
    let refused = client.refusal(&accepted, validator).await?;
    assert_eq!(refused, "SettingWeightsTooFast");
    let hidden = calls::batch_all([accepted]);
    let outcomes = client.outcomes(&[(hidden, validator)]).await?;
    let [(block, outcome)] = &outcomes[..] else {
        unreachable!("one was sent")
    };
    assert_eq!(*outcome, Err("Metagraph::SettingWeightsTooFast".into()));
    ensure!(client.balance(*block, &account(validator)).await? < before);
    Ok(())
}

#[tokio::test]
async fn of_each_neuron_one_free_row_waits_in_the_pool() -> Result<()> {
    let hotkeys: [Keypair; 2] = keypairs("waits//hot")?;
    let accounts = hotkeys.each_ref().map(account);
    let coldkey = account(&dev::alice());
    let neurons: Vec<_> = accounts
        .iter()
        .map(|hotkey| json!({ "hotkey": hotkey, "coldkey": coldkey }))
        .collect();
    let limited = json!({ "task": "limited", "neurons": neurons });
    let unlimited = json!({
        "task": "unlimited",
        "neurons": neurons,
        "hyperparameters": { "weightsRateLimit": 0 },
    });
    let chain = ChainSpec::dev()
        .await?
        .with_funds(&accounts, CTM)
        .with(&json!({ "metagraph": { "networks": [limited, unlimited] } }))
        .write()?;
    // An authority without peers makes no blocks: what is in the pool stays there.
    let node = Setup::authority(&chain, "alice")?.start().await?;
    let client = &node.client;
    // Everybody may weigh oneself.
    let on_self = |netid, uid| calls::set_weights(netid, &[(uid, 1)], 0);
    let [first, second] = &hotkeys;

    let row = client.signed(&on_self(0, 0), first).await?;
    client.submit(&row).await?;
    let again = client.signed(&on_self(0, 0), first).await?;
    ensure!(row != again, "it has a nonce of its own");
    match client.submit(&again).await {
        Err(rpcs::Error::User(refused)) => assert_eq!(refused.code, TOO_LOW_PRIORITY),
        other => anyhow::bail!("{other:?}"),
    }
    assert_eq!(client.pending().await?, 1);

    // Another neuron's row is another matter, and so are rows that pay.
    for (call, signer) in [
        (on_self(0, 1), second),
        (on_self(1, 0), first),
        (on_self(1, 0), first),
    ] {
        let row = client.signed(&call, signer).await?;
        client.submit(&row).await?;
    }
    assert_eq!(client.pending().await?, 4);
    Ok(())
}

#[tokio::test]
async fn calls_that_fail_in_a_block_name_the_error_and_change_nothing_but_the_fee() -> Result<()> {
    let (node, hotkeys) = strict_network("block//hot").await?;
    let client = &node.client;
    let [hotkey, ..] = &hotkeys;
    let (coldkey, stranger) = (dev::alice(), dev::bob());
    let (known, unknown) = (account(hotkey), account(&stranger));
    let here = [127, 0, 0, 1];
    let before = client.network(best_hash(&node).await?, 0).await?;

    let cases: Vec<(Call, &Keypair, &str)> = vec![
        (
            calls::register(0, &unknown, 1),
            &coldkey,
            "Metagraph::PriceTooHigh",
        ),
        (
            calls::register(0, &known, ANY_PRICE),
            &coldkey,
            "Metagraph::AlreadyRegistered",
        ),
        (
            calls::register(9, &unknown, ANY_PRICE),
            &coldkey,
            "Metagraph::NetworkNotFound",
        ),
        (calls::serve_axon(0, here, 0), hotkey, "Metagraph::PortZero"),
        (
            calls::serve_axon(0, [0, 0, 0, 0], 80),
            hotkey,
            "Metagraph::AddressNotDialable",
        ),
        (
            calls::serve_nothing(0, here, 80),
            hotkey,
            "Metagraph::ServesNothing",
        ),
        (
            calls::serve_axon(9, here, 80),
            hotkey,
            "Metagraph::NetworkNotFound",
        ),
        (
            calls::serve_axon(0, here, 80),
            &stranger,
            "Metagraph::NotRegistered",
        ),
        (calls::withdraw_axon(0), hotkey, "Metagraph::NotServing"),
        (
            calls::add_stake(&known, 1),
            &coldkey,
            "Metagraph::StakeChangeTooSmall",
        ),
        (
            calls::add_stake(&unknown, CTM),
            &coldkey,
            "Metagraph::HotkeyNotFound",
        ),
        (
            calls::add_stake(&known, CTM),
            &stranger,
            "Metagraph::NotHotkeyOwner",
        ),
        (
            calls::add_stake(&known, u64::MAX),
            &coldkey,
            "Metagraph::InsufficientBalance",
        ),
        (
            calls::remove_stake(&known, 1_000_000 * CTM),
            &coldkey,
            "Metagraph::NotEnoughStake",
        ),
        (calls::remove_network(0), &stranger, "BadOrigin"),
    ];
    let calls: Vec<_> = cases
        .iter()
        .map(|(call, signer, _)| (call.clone(), *signer))
        .collect();
    let outcomes = client.outcomes(&calls).await?;
    for ((call, _, name), (_, outcome)) in cases.iter().zip(&outcomes) {
        assert_eq!(*outcome, Err((*name).to_owned()), "{}", call.call_name());
    }

    // What root does wrong is named in the event of the sudo pallet: a tempo of zero is out of range.
    let sudo = calls::sudo(calls::set_tempo(0, 0));
    let block = client.apply(&[(sudo, &coldkey)]).await?;
    let results: Vec<SudoError> = client.events(block, "Sudo", "Sudid").await?;
    let [(.., error, reason, _)] = results[..] else {
        unreachable!("there was one sudo")
    };
    assert_eq!(client.error_name(error).await?, "OutOfRange");
    assert_eq!(reason, OutOfRange::Tempo);
    let after = client.network(block, 0).await?;
    assert_eq!(after.hyperparameters, before.hyperparameters);

    assert_eq!(
        after.metagraph.neurons.len(),
        before.metagraph.neurons.len()
    );
    let stakes = |state: &connectome_tests::metagraph::NetworkState| -> Vec<_> {
        state
            .metagraph
            .neurons
            .iter()
            .map(|it| (it.hotkey, it.stake - it.earned, it.endpoint))
            .collect()
    };
    assert_eq!(stakes(&after), stakes(&before));
    ensure!(
        client.balance(block, &account(hotkey)).await? < CTM,
        "failing was free"
    );
    Ok(())
}

#[tokio::test]
async fn garbage_is_refused_and_the_node_goes_on() -> Result<()> {
    let chain = ChainSpec::dev().await?.with_block_time(400).write()?;
    let node = Setup::authority(&chain, "alice")?.alone().start().await?;
    let client = &node.client;
    let alice = dev::alice();
    let good = client
        .signed(&calls::transfer(&account(&dev::bob()), CTM), &alice)
        .await?;

    let cut = good[..good.len() - 1].to_vec();
    let mut forged = good.clone();
    if let Some(last) = forged.last_mut() {
        *last ^= 1;
    }
    let mut other_version = good.clone();
    // Behind the compact length, two bytes here, is the version of the extrinsic's format.
    other_version[2] = 0xff;
    for (what, bytes) in [
        ("nothing", vec![]),
        ("a byte", vec![0]),
        ("a length without a content", vec![0xfe, 0xff, 0xff, 0xff]),
        ("noise", (0..255).collect()),
        (
            "a mebibyte of noise",
            (0..1 << 20)
                .map(|i: u32| i.to_le_bytes()[0] ^ i.to_le_bytes()[1])
                .collect(),
        ),
        ("a transaction cut short", cut),
        (
            "a transaction that says something else than what was signed",
            forged,
        ),
        ("a format that nobody knows", other_version),
    ] {
        match client.submit(&bytes).await {
            Err(rpcs::Error::User(_)) => {}
            other => anyhow::bail!("{what}: {other:?}"),
        }
    }

    // The untouched one is good still, and blocks are made.
    client.submit(&good).await?;
    let height = u32::try_from(client.best().await?.number)?;
    client.until_best(height + 2).await
}
