//! An epoch on chain is what `incentive::epoch` says of the same state, bit for bit.
//!
//! The state before an epoch's block is read through the runtime API, the epoch is computed here, and what it decides is
//! compared with what the runtime API says after the block.

use crate::{ANY_PRICE, CTM};
use anyhow::{Result, ensure};
use connectome_tests::{
    ChainSpec, Client, Setup, account,
    calls::{self, Row},
    keypair, keypairs,
    metagraph::{NetworkState, Rows},
};
use incentive::EpochOutcome;
use serde_json::json;
use subxt::utils::{AccountId32, H256};
use subxt_signer::sr25519::{Keypair, dev};

/// What an epoch decides, in one form for the chain and for the computation. Columns are in uid order.
#[derive(Debug, PartialEq, Eq)]
struct Decided {
    permits: Vec<bool>,
    rank: Vec<u16>,
    trust: Vec<u16>,
    consensus: Vec<u16>,
    incentive: Vec<u16>,
    dividends: Vec<u16>,
    validator_trust: Vec<u16>,
    bonds: Rows,
    pay: Vec<u64>,
    unpaid: u64,
}

impl From<EpochOutcome> for Decided {
    fn from(outcome: EpochOutcome) -> Self {
        let servers = outcome.server_emission.iter();
        let pay = servers.zip(&outcome.validator_emission).map(|(a, b)| a + b);
        Self {
            pay: pay.collect(),
            permits: outcome.permits,
            rank: outcome.rank,
            trust: outcome.trust,
            consensus: outcome.consensus,
            incentive: outcome.incentive,
            dividends: outcome.dividends,
            validator_trust: outcome.validator_trust,
            bonds: outcome.bonds,
            unpaid: outcome.unpaid,
        }
    }
}

impl From<&NetworkState> for Decided {
    fn from(state: &NetworkState) -> Self {
        let neurons = || state.metagraph.neurons.iter();
        Self {
            permits: neurons().map(|it| it.validator_permit).collect(),
            rank: neurons().map(|it| it.rank).collect(),
            trust: neurons().map(|it| it.trust).collect(),
            consensus: neurons().map(|it| it.consensus).collect(),
            incentive: neurons().map(|it| it.incentive).collect(),
            dividends: neurons().map(|it| it.dividends).collect(),
            validator_trust: neurons().map(|it| it.validator_trust).collect(),
            bonds: state.bonds.clone(),
            pay: neurons().map(|it| it.emission).collect(),
            unpaid: state.metagraph.network.pending,
        }
    }
}

/// Checks the epoch of `netid` in block `height`, in which nobody may stake. Gives the state after it.
pub(crate) async fn check_epoch(client: &Client, netid: u16, height: u32) -> Result<NetworkState> {
    let (parent, block) = (
        client.hash_at(height - 1).await?,
        client.hash_at(height).await?,
    );
    let before = client.network(parent, netid).await?;
    let after = client.network(block, netid).await?;
    let network = &before.metagraph.network;
    let emission = network.pending + client.next_share(parent, netid).await?;
    let outcome = before.epoch_in(height, emission)?;
    let owner_emission = outcome.owner_emission;
    let expected = Decided::from(outcome);

    assert_eq!(
        Decided::from(&after),
        expected,
        "network {netid} in block {height}"
    );
    assert_eq!(after.metagraph.network.previous_epoch, height);

    // Every unit that was pending is somebody's now, or pending still.
    let paid: u64 = expected.pay.iter().sum();
    assert_eq!(paid + owner_emission + expected.unpaid, emission);
    let completed: Vec<(u16, u64)> = client.events(block, "Metagraph", "EpochCompleted").await?;
    assert_eq!(completed, [(netid, paid + owner_emission)]);
    for ((before, after), pay) in before
        .metagraph
        .neurons
        .iter()
        .zip(&after.metagraph.neurons)
        .zip(&expected.pay)
    {
        assert_eq!(
            (after.stake, after.earned),
            (before.stake + pay, before.earned + pay)
        );
    }
    let total_earned: u64 = client.storage(block, "Metagraph", "TotalEarned").await?;
    let total_before: u64 = client
        .storage(parent, "Metagraph", "TotalEarned")
        .await
        .unwrap_or(0);
    assert_eq!(total_earned - total_before, paid);
    if let Some(owner) = &network.owner {
        let gained = client.balance(block, owner).await? - client.balance(parent, owner).await?;
        assert_eq!(gained, owner_emission);
    }
    check_pot(client, block).await?;
    Ok(after)
}

/// Every token is counted once: the pot holds stake, earnings and pending emission, and what keeps it alive.
async fn check_pot(client: &Client, block: H256) -> Result<()> {
    let mut pot = [0; 32];
    pot[..12].copy_from_slice(b"modlctm/stak");
    let deposit: u64 = client.constant("Balances", "ExistentialDeposit").await?;
    let stake: u64 = client
        .storage(block, "Metagraph", "TotalStake")
        .await
        .unwrap_or(0);
    let earned: u64 = client
        .storage(block, "Metagraph", "TotalEarned")
        .await
        .unwrap_or(0);
    let networks: Vec<pallet_metagraph::NetworkInfo<AccountId32>> =
        client.metagraph_api(block, "networks", ()).await?;
    let pending: u64 = networks.iter().map(|network| network.pending).sum();
    let held = client.balance(block, &AccountId32(pot)).await?;
    assert_eq!(held, deposit + stake + earned + pending);
    Ok(())
}

/// Waits for the next epoch of `netid` and checks it.
pub(crate) async fn check_next_epoch(client: &Client, netid: u16) -> Result<NetworkState> {
    let now = client
        .hash_at(u32::try_from(client.best().await?.number)?)
        .await?;
    let height = client
        .network(now, netid)
        .await?
        .metagraph
        .network
        .next_epoch;
    client.until_best(height).await?;
    check_epoch(client, netid, height).await
}

fn column<T>(
    state: &NetworkState,
    of: impl Fn(&pallet_metagraph::NeuronInfo<AccountId32>) -> T,
) -> Vec<T> {
    state.metagraph.neurons.iter().map(of).collect()
}

#[tokio::test]
async fn a_neuron_is_funded_registered_served_staked_weighed_and_paid_as_computed_off_chain()
-> Result<()> {
    // Given the development chain as it is: blocks of a second, network 0 with an epoch every 20.
    let node = Setup::dev()?.start().await?;
    let client = &node.client;
    let (alice, coldkey) = (dev::alice(), keypair("life//cold")?);
    let hotkeys: [Keypair; 5] = keypairs("life//hot")?;

    // When five neurons are funded, registered, served, and three of them staked on
    let mut funding = vec![(calls::transfer(&account(&coldkey), 1_000 * CTM), &alice)];
    funding.extend(
        hotkeys
            .iter()
            .map(|hotkey| (calls::transfer(&account(hotkey), CTM), &alice)),
    );
    client.apply(&funding).await?;
    let registrations = hotkeys
        .each_ref()
        .map(|hotkey| (calls::register(0, &account(hotkey), ANY_PRICE), &coldkey));
    client.apply(&registrations).await?;
    let mut joining: Vec<_> = hotkeys
        .iter()
        .map(|hotkey| (calls::serve_axon(0, [127, 0, 0, 1], 8091), hotkey))
        .collect();
    for (hotkey, stake) in hotkeys.iter().zip([400, 250, 150]) {
        joining.push((calls::add_stake(&account(hotkey), stake * CTM), &coldkey));
    }
    client.apply(&joining).await?;

    // then the next epoch gives permits to those with stake, and pays by stake, as nobody was rated.
    let first = check_next_epoch(client, 0).await?;
    assert_eq!(
        column(&first, |it| it.validator_permit),
        [true, true, true, false, false]
    );
    assert_eq!(
        column(&first, |it| it.endpoint.map(|it| it.port())),
        [Some(8091); 5]
    );
    assert_eq!(column(&first, |it| it.incentive), [0; 5]);
    assert!(column(&first, |it| it.emission).is_sorted_by(|a, b| a >= b));

    // When the validators weigh the others, one of them unlike the majority, and a server only itself
    let rows: [Row; 3] = [
        vec![(3, 40_000), (4, 20_000)],
        vec![(0, 5_000), (3, 30_000), (4, 15_000)],
        vec![(2, 1), (3, 1), (4, 9)],
    ];
    let mut weights: Vec<_> = rows
        .iter()
        .zip(&hotkeys)
        .map(|(row, hotkey)| (calls::set_weights(0, row, 0), hotkey))
        .collect();
    weights.push((calls::set_weights(0, &[(3, 7)], 0), &hotkeys[3]));
    client.apply(&weights).await?;

    // then the epoch after that pays servers for it, and the validators by their bonds in them.
    let second = check_next_epoch(client, 0).await?;
    let [.., third, fourth] = column(&second, |it| it.incentive)[..] else {
        unreachable!("five neurons")
    };
    assert!(third > fourth && fourth > 0);
    let dividends = column(&second, |it| it.dividends);
    assert!(
        dividends[..3].iter().all(|share| *share > 0),
        "{dividends:?}"
    );
    assert_eq!(dividends[3..], [0, 0]);
    assert!(column(&second, |it| it.rank).iter().any(|rank| *rank > 0));
    assert!(
        column(&second, |it| it.consensus)
            .iter()
            .any(|consensus| *consensus > 0)
    );
    assert!(
        column(&second, |it| it.validator_trust)[2] < u16::MAX,
        "its row was clipped"
    );
    assert_eq!(second.bonds.len(), 3);
    Ok(())
}

/// Numbers that look random and are the same in every run (Knuth's MMIX constants).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u16 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let [high, low, ..] = self.0.to_be_bytes();
        u16::from_be_bytes([high, low])
    }
}

#[tokio::test]
async fn every_epoch_of_every_kind_of_network_is_as_computed_off_chain() -> Result<()> {
    const ROUNDS: u32 = 4;
    const TEMPO: u32 = 6;

    // Given three networks of the same six neurons, with all kinds of consensus and of bonds between them
    let hotkeys: [Keypair; 6] = keypairs("kinds//hot")?;
    let accounts = hotkeys.each_ref().map(account);
    let (coldkey, owner) = (
        account(&keypair("kinds//cold")?),
        account(&keypair("kinds//owner")?),
    );
    let neurons: Vec<_> = accounts
        .iter()
        .zip([50u64, 40, 30, 20, 0, 0])
        .map(
            |(hotkey, stake)| json!({ "hotkey": hotkey, "coldkey": coldkey, "stake": stake * CTM }),
        )
        .collect();
    let shared = json!({ "tempo": TEMPO, "weightsRateLimit": 0 });
    let network = |task: &str, owner: Option<&AccountId32>, own: serde_json::Value| {
        let mut hyperparameters = shared.clone();
        if let (Some(all), Some(own)) = (hyperparameters.as_object_mut(), own.as_object()) {
            all.extend(own.clone());
        }
        json!({ "task": task, "owner": owner, "hyperparameters": hyperparameters, "neurons": neurons })
    };
    let networks = [
        network(
            "median",
            None,
            json!({ "bonds": "Relative", "bondsPenalty": 20_000, "maxValidators": 3 }),
        ),
        network(
            "sigmoid",
            Some(&owner),
            json!({ "consensus": "Sigmoid", "bonds": "Absolute", "ownerCut": 180_000, "emissionShare": 2 }),
        ),
        network(
            "liquid",
            None,
            json!({ "bonds": { "Liquid": { "low": 20_000, "high": 60_000, "steepness": 700 } }, "activityCutoff": 2 * TEMPO, "serverShare": 300_000, "kappa": 40_000 }),
        ),
    ];
    let chain = ChainSpec::dev()
        .await?
        .with_block_time(400)
        .with_funds(&accounts, CTM)
        .with_funds(&[owner], CTM)
        .with(&json!({ "metagraph": { "networks": networks } }))
        .write()?;
    let node = Setup::authority(&chain, "alice")?.alone().start().await?;
    let client = &node.client;

    // when those with a permit set new weights again and again, but the first only once
    client.until_best(TEMPO).await?;
    let mut dice = Dice(0x636f_6e6e_6563_746f);
    for round in 0..ROUNDS {
        let now = client.best().await?.number;
        let block = client.hash_at(u32::try_from(now)?).await?;
        let mut weights = Vec::new();
        for netid in 0..3 {
            let state = client.network(block, netid).await?;
            for neuron in state
                .metagraph
                .neurons
                .iter()
                .filter(|it| it.validator_permit)
            {
                let uid = neuron.uid;
                if round > 0 && uid.0 == 0 {
                    continue;
                }
                let row: Row = (0..6)
                    .filter(|rated| *rated != uid.0)
                    .map(|rated| (rated, dice.roll()))
                    .collect();
                weights.push((calls::set_weights(netid, &row, 0), &hotkeys[uid.index()]));
            }
        }
        client.apply(&weights).await?;
        client.until_best(u32::try_from(now)? + TEMPO).await?;
    }

    // then every epoch so far is as computed.
    let last = u32::try_from(client.best().await?.number)?;
    let mut incentives: [Vec<Vec<u16>>; 3] = Default::default();
    let mut inactive = 0;
    for height in 1..=last {
        let block = client.hash_at(height).await?;
        let epochs: Vec<(u16, u64)> = client.events(block, "Metagraph", "EpochCompleted").await?;
        for (netid, _) in epochs {
            let state = check_epoch(client, netid, height).await?;
            inactive += column(&state, |it| it.validator_permit && !it.active)
                .iter()
                .filter(|silent| **silent)
                .count();
            incentives[usize::from(netid)].push(column(&state, |it| it.incentive));
        }
    }
    for (netid, columns) in incentives.iter().enumerate() {
        ensure!(
            columns.len() > ROUNDS as usize,
            "network {netid} had {} epochs",
            columns.len()
        );
        let mut different = columns.clone();
        different.sort();
        different.dedup();
        ensure!(different.len() > 2, "network {netid}: {columns:?}");
    }
    ensure!(inactive > 0, "no validator missed the activity cutoff");
    let gained = client.balance(client.hash_at(last).await?, &owner).await?;
    ensure!(gained > CTM, "the owner was paid nothing");
    Ok(())
}
