//! What a client reads of a network, and what the network's next epoch has to make of it.

use crate::{Client, within};
use anyhow::{Context, Result};
use incentive::{EpochInputs, EpochOutcome, Row, WeightRow};
use pallet_metagraph::{Hyperparameters, Metagraph, NetId, NetworkInfo, Uid};
use subxt::utils::{AccountId32, H256};

/// A sparse matrix by rows, as the runtime API gives it.
pub type Rows = Vec<(Uid, Vec<(Uid, u16)>)>;

/// All that the runtime API says of one network in the state after one block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkState {
    /// Its neurons.
    pub metagraph: Metagraph<AccountId32>,
    /// Its hyperparameters.
    pub hyperparameters: Hyperparameters,
    /// The weight matrix.
    pub weights: Rows,
    /// The bonds.
    pub bonds: Rows,
}

impl Client {
    /// A network in the state after `block`.
    ///
    /// # Errors
    ///
    /// If there is no such network.
    pub async fn network(&self, block: H256, netid: u16) -> Result<NetworkState> {
        let netid = NetId(netid);
        let none = || format!("there is no network {}", netid.0);
        let metagraph: Option<_> = self.metagraph_api(block, "metagraph", netid).await?;
        let hyperparameters: Option<_> =
            self.metagraph_api(block, "hyperparameters", netid).await?;
        let weights: Option<_> = self.metagraph_api(block, "weights", netid).await?;
        let bonds: Option<_> = self.metagraph_api(block, "bonds", netid).await?;
        Ok(NetworkState {
            metagraph: metagraph.with_context(none)?,
            hyperparameters: hyperparameters.with_context(none)?,
            weights: weights.with_context(none)?,
            bonds: bonds.with_context(none)?,
        })
    }

    /// What `find` finds in a network in the state after the best block, now or after one to come.
    ///
    /// # Errors
    ///
    /// If it takes too long, or there is no such network.
    pub async fn until_network<T>(
        &self,
        netid: u16,
        what: &str,
        find: impl Fn(&NetworkState) -> Option<T>,
    ) -> Result<T> {
        within(what, async {
            loop {
                let height = u32::try_from(self.best().await?.number)?;
                let state = self.network(self.hash_at(height).await?, netid).await?;
                if let Some(found) = find(&state) {
                    return Ok(found);
                }
                self.until_best(height + 1).await?;
            }
        })
        .await
    }

    /// What the block after `block` pays to the pending emission of `netid`: its part of what is minted.
    ///
    /// # Errors
    ///
    /// If there is no such network.
    pub async fn next_share(&self, block: H256, netid: u16) -> Result<u64> {
        let issuance: u64 = self.storage(block, "Balances", "TotalIssuance").await?;
        let base: u64 = self.constant("Metagraph", "BlockEmission").await?;
        let cap: u64 = self.constant("Metagraph", "MaxIssuance").await?;
        let minted = pallet_metagraph::block_emission(issuance, base, cap);

        let networks: Vec<NetworkInfo<AccountId32>> =
            self.metagraph_api(block, "networks", ()).await?;
        let mut shares = Vec::new();
        for network in &networks {
            let parameters: Option<Hyperparameters> = self
                .metagraph_api(block, "hyperparameters", network.netid)
                .await?;
            let parameters = parameters.context("a network has hyperparameters")?;
            shares.push(u64::from(parameters.emission_share));
        }
        let parts = incentive::largest_remainder(minted, &shares)
            .map_err(|error| anyhow::anyhow!("{error}"))?;
        networks
            .iter()
            .zip(parts)
            .find_map(|(network, part)| (network.netid == NetId(netid)).then_some(part))
            .with_context(|| format!("there is no network {netid}"))
    }
}

impl NetworkState {
    /// What an epoch in block `height` that pays out `emission` has to decide if this is the state before that block.
    ///
    /// # Errors
    ///
    /// What [`incentive::epoch`] says of the state.
    pub fn epoch_in(&self, height: u32, emission: u64) -> Result<EpochOutcome> {
        let neurons = &self.metagraph.neurons;
        let permits: Vec<bool> = neurons.iter().map(|it| it.validator_permit).collect();
        let permitted = |uid: &Uid| permits.get(uid.index()) == Some(&true);
        let stake: Vec<u64> = neurons.iter().map(|it| it.stake).collect();
        let registered_at: Vec<u64> = neurons.iter().map(|it| it.registered_at.into()).collect();
        // Only those with a permit have a say, so only theirs counts as an update.
        let last_update: Vec<u64> = neurons
            .iter()
            .map(|it| match it.validator_permit {
                true => it.last_update.into(),
                false => it.registered_at.into(),
            })
            .collect();
        let weights: Vec<_> = self
            .weights
            .iter()
            .filter(|(rater, _)| permitted(rater))
            .map(|(rater, entries)| WeightRow {
                rater: *rater,
                updated_at: last_update.get(rater.index()).copied().unwrap_or_default(),
                committed_at: None,
                entries,
            })
            .collect();
        let bonds: Vec<_> = self
            .bonds
            .iter()
            .filter(|(rater, _)| permitted(rater))
            .map(|(rater, entries)| Row {
                rater: *rater,
                entries,
            })
            .collect();
        let network = &self.metagraph.network;
        let inputs = EpochInputs {
            block: height.into(),
            previous_epoch: network.previous_epoch.into(),
            stake: &stake,
            registered_at: &registered_at,
            last_update: &last_update,
            permits: &permits,
            owner: None,
            weights: &weights,
            bonds: &bonds,
            emission,
        };
        let parameters = self.hyperparameters.epoch_params(network.owner.as_ref());
        incentive::epoch(&inputs, &parameters).map_err(|error| anyhow::anyhow!("{error}"))
    }
}
