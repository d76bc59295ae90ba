//! Neurons are replaced, and a removed network leaves nothing.

use crate::{ANY_PRICE, CTM, epoch::check_next_epoch};
use anyhow::{Result, ensure};
use connectome_tests::{ChainSpec, Setup, account, calls, keypairs};
use serde_json::json;
use subxt::utils::AccountId32;
use subxt_signer::sr25519::{Keypair, dev};

/// Blocks between two epochs.
const TEMPO: u32 = 5;

/// Whether `key` is that of a map from networks, with what it holds of `netid`: after the 32 bytes of the map come a hash
/// of 8 bytes and the id itself (`Twox64Concat`). The one map with other keys, that of hotkeys, is empty when this is asked.
fn is_of_network(netid: u16, key: &[u8]) -> bool {
    key.get(40..42) == Some(&netid.to_le_bytes())
}

#[tokio::test]
async fn a_full_network_replaces_the_neuron_paid_least_and_leaves_nothing_when_removed()
-> Result<()> {
    // Given a network without neurons, and room for three
    let hotkeys: [Keypair; 4] = keypairs("removal//hot")?;
    let accounts = hotkeys.each_ref().map(account);
    let hyperparameters = json!({
        "tempo": TEMPO,
        "maxNeurons": 3,
        "immunityPeriod": 0,
        "maxRegistrationsPerBlock": 16,
        "weightsRateLimit": 0,
    });
    let network = |task: &str| json!({ "task": task, "hyperparameters": hyperparameters });
    let chain = ChainSpec::dev()
        .await?
        .with_block_time(400)
        .with_funds(&accounts, CTM)
        .with(&json!({ "metagraph": { "networks": [network("stays"), network("goes")] } }))
        .write()?;
    let node = Setup::authority(&chain, "alice")?.alone().start().await?;
    let client = &node.client;
    let coldkey = dev::alice();
    client.until_best(TEMPO).await?;
    let block = client.hash_at(TEMPO).await?;
    let before = client.storage_keys(block, "Metagraph").await?;
    ensure!(before.iter().any(|key| is_of_network(1, key)));

    // when three neurons live in it, of which the second has most stake and the third has none,
    let mut life: Vec<_> = accounts[..3]
        .iter()
        .map(|hotkey| (calls::register(1, hotkey, ANY_PRICE), &coldkey))
        .collect();
    for (hotkey, stake) in accounts.iter().zip([10, 20]) {
        life.push((calls::add_stake(hotkey, stake * CTM), &coldkey));
    }
    client.apply(&life).await?;
    // By another signer, so that it could come before the registration in one block.
    client
        .apply(&[(calls::serve_axon(1, [127, 0, 0, 1], 8091), &hotkeys[0])])
        .await?;
    check_next_epoch(client, 1).await?;
    client
        .apply(&[(calls::set_weights(1, &[(0, 1)], 0), &hotkeys[1])])
        .await?;
    let paid = check_next_epoch(client, 1).await?;
    let [first, second, third] = &paid.metagraph.neurons[..] else {
        anyhow::bail!("three neurons")
    };
    ensure!(first.emission > 0 && second.emission > 0 && third.emission == 0);

    // then a fourth takes the place of the third,
    let block = client
        .apply(&[(calls::register(1, &accounts[3], ANY_PRICE), &coldkey)])
        .await?;
    let gone: Vec<(u16, u16, AccountId32)> = client
        .events(block, "Metagraph", "NeuronDeregistered")
        .await?;
    assert_eq!(gone, [(1, 2, accounts[2])]);
    let hotkeys_now: Vec<_> = client
        .network(block, 1)
        .await?
        .metagraph
        .neurons
        .iter()
        .map(|it| it.hotkey)
        .collect();
    assert_eq!(hotkeys_now, [accounts[0], accounts[1], accounts[3]]);

    // and when the network is removed and all stake taken back, storage is as it was before.
    let remove = calls::sudo(calls::remove_network(1));
    let removed_at = client.apply(&[(remove, &coldkey)]).await?;
    let retired: Vec<(u16, u64)> = client
        .events(removed_at, "Metagraph", "NetworkRetired")
        .await?;
    ensure!(retired.len() == 1, "sudo failed");
    let height = client.network(removed_at, 0).await?.metagraph.block;
    client.until_best(height + 2).await?;
    let after = client.hash_at(height + 2).await?;
    let mut withdrawals = Vec::new();
    for hotkey in &accounts {
        let stake: Option<pallet_metagraph::StakeInfo<AccountId32>> =
            client.metagraph_api(after, "stake", *hotkey).await?;
        if let Some(stake) = stake {
            ensure!(stake.neurons.is_empty() && stake.earned == 0);
            withdrawals.push((calls::remove_stake(hotkey, stake.settled), &coldkey));
        }
    }
    ensure!(withdrawals.len() >= 2, "what was earned is still theirs");
    let end = client.apply(&withdrawals).await?;
    let after = client.storage_keys(end, "Metagraph").await?;
    ensure!(!after.iter().any(|key| is_of_network(1, key)));
    // Values that the pallet holds once, such as the sum of all stake, have keys of 32 bytes and stay once written.
    let left: Vec<_> = after
        .difference(&before)
        .filter(|key| key.len() > 32)
        .collect();
    ensure!(left.is_empty(), "{} keys are left: {left:?}", left.len());
    Ok(())
}
