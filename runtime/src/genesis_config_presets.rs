//! The first state of a development chain and of a local one, as patches of the empty genesis.
//!
//! A chain specification names a preset and may override any of it:
//!
//! | preset | authorities | block time | for |
//! | --- | --- | --- | --- |
//! | `development` | Alice | 1 s | one node, no network |
//! | `local_testnet` | Alice, Bob, Charlie, Dave | 6 s | several nodes on one machine |
//!
//! Both have network 0, `digits`, with an epoch every 20 blocks, and let neurons serve at private addresses.
//! Both give every account of the well-known keyring 100,000 CTM and make Alice the sudo account.
//! The keys are public: whoever reads this can sign with them.

use crate::{
    AccountId, AuraConfig, Balance, BalancesConfig, BlockTimeConfig, GrandpaConfig,
    MetagraphConfig, RuntimeGenesisConfig, SudoConfig, UNIT, block_time::DEFAULT_SLOT_DURATION_MS,
};
use alloc::{string::ToString, vec, vec::Vec};
use frame_support::build_struct_json_patch;
use pallet_metagraph::{AddressPolicy, GenesisNetwork, Hyperparameters};
use serde_json::Value;
use sp_consensus_aura::sr25519::AuthorityId as AuraId;
use sp_consensus_grandpa::AuthorityId as GrandpaId;
use sp_genesis_builder::{DEV_RUNTIME_PRESET, LOCAL_TESTNET_RUNTIME_PRESET, PresetId};
use sp_keyring::{Ed25519Keyring, Sr25519Keyring};

/// What each account of the well-known keyring holds at genesis: 100,000 CTM.
const ENDOWMENT: Balance = 100_000 * UNIT;

/// The slot duration of the development chain, in milliseconds.
const DEVELOPMENT_SLOT_DURATION_MS: u64 = 1_000;

/// The keys with which an authority makes blocks and votes on them.
type Authority = (AuraId, GrandpaId);

/// The authority of a well-known account: the sr25519 and the ed25519 key of one name.
fn authority(aura: Sr25519Keyring, grandpa: Ed25519Keyring) -> Authority {
    (aura.public().into(), grandpa.public().into())
}

/// Network 0, where neurons learn handwritten digits. Everything happens often enough to be watched.
fn digits(tempo: u32) -> GenesisNetwork<AccountId> {
    GenesisNetwork {
        task: "digits".into(),
        owner: None,
        hyperparameters: Hyperparameters {
            tempo,
            immunity_period: 10 * tempo,
            activity_cutoff: 100 * tempo,
            weights_rate_limit: tempo / 4,
            serving_rate_limit: tempo / 4,
            max_registrations_per_block: 16,
            price_min: UNIT / 1_000,
            price_half_life: tempo,
            ..Default::default()
        },
        neurons: Vec::new(),
    }
}

fn genesis(authorities: Vec<Authority>, slot_duration_ms: u64, tempo: u32) -> Value {
    let (aura, grandpa): (Vec<_>, Vec<_>) = authorities.into_iter().unzip();
    build_struct_json_patch!(RuntimeGenesisConfig {
        block_time: BlockTimeConfig { slot_duration_ms },
        balances: BalancesConfig {
            balances: Sr25519Keyring::iter()
                .map(|account| (account.to_account_id(), ENDOWMENT))
                .collect::<Vec<_>>(),
        },
        aura: AuraConfig { authorities: aura },
        grandpa: GrandpaConfig {
            authorities: grandpa
                .into_iter()
                .map(|voter| (voter, 1))
                .collect::<Vec<_>>(),
        },
        metagraph: MetagraphConfig {
            networks: vec![digits(tempo)],
            addresses: AddressPolicy::Any,
        },
        sudo: SudoConfig {
            key: Some(Sr25519Keyring::Alice.to_account_id()),
        },
    })
}

fn development() -> Value {
    genesis(
        vec![authority(Sr25519Keyring::Alice, Ed25519Keyring::Alice)],
        DEVELOPMENT_SLOT_DURATION_MS,
        20,
    )
}

/// Four authorities: GRANDPA outlives `f` dead voters of `n ≥ 3f + 1`, and a network of fewer outlives none.
fn local_testnet() -> Value {
    genesis(
        vec![
            authority(Sr25519Keyring::Alice, Ed25519Keyring::Alice),
            authority(Sr25519Keyring::Bob, Ed25519Keyring::Bob),
            authority(Sr25519Keyring::Charlie, Ed25519Keyring::Charlie),
            authority(Sr25519Keyring::Dave, Ed25519Keyring::Dave),
        ],
        DEFAULT_SLOT_DURATION_MS,
        20,
    )
}

/// The preset of that name as JSON, or `None` where there is none.
pub fn get_preset(id: &PresetId) -> Option<Vec<u8>> {
    let patch = match id.as_str() {
        DEV_RUNTIME_PRESET => development(),
        LOCAL_TESTNET_RUNTIME_PRESET => local_testnet(),
        _ => return None,
    };
    Some(patch.to_string().into_bytes())
}

/// The names of the presets.
pub fn preset_names() -> Vec<PresetId> {
    vec![
        PresetId::from(DEV_RUNTIME_PRESET),
        PresetId::from(LOCAL_TESTNET_RUNTIME_PRESET),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Aura, Balances, Block, EXISTENTIAL_DEPOSIT, Grandpa, Runtime};
    use sp_genesis_builder::runtime_decl_for_genesis_builder::GenesisBuilderV1;
    use sp_io::TestExternalities;

    /// The genesis that a node would build from a preset: the patch laid over the defaults (RFC 7386).
    fn genesis_from(preset: &PresetId) -> Value {
        let json =
            |id| <Runtime as GenesisBuilderV1<Block>>::get_preset(&id).expect("it is listed");
        let mut genesis: Value = serde_json::from_slice(&json(None)).expect("defaults are JSON");
        let patch: Value =
            serde_json::from_slice(&json(Some(preset.clone()))).expect("so is a patch");
        json_patch(&mut genesis, patch);
        genesis
    }

    fn json_patch(target: &mut Value, patch: Value) {
        match (target, patch) {
            (Value::Object(target), Value::Object(patch)) => {
                for (key, value) in patch {
                    json_patch(target.entry(key).or_insert(Value::Null), value);
                }
            }
            (target, patch) => *target = patch,
        }
    }

    fn chain_from(preset: &str) -> TestExternalities {
        let genesis = genesis_from(&preset.into()).to_string().into_bytes();
        let mut chain = TestExternalities::default();
        chain.execute_with(|| {
            <Runtime as GenesisBuilderV1<Block>>::build_state(genesis).expect("the preset builds");
        });
        chain
    }

    #[test]
    fn every_listed_preset_builds_a_state_and_survives_json() {
        assert_eq!(preset_names(), ["development", "local_testnet"]);
        for name in preset_names() {
            chain_from(&name);

            let genesis = genesis_from(&name);
            let parsed: RuntimeGenesisConfig =
                serde_json::from_value(genesis.clone()).expect("every field is known");
            let printed = serde_json::to_value(parsed).expect("a genesis is JSON");
            assert_eq!(printed, genesis, "{name}");
        }
    }

    #[test]
    fn a_preset_that_is_not_listed_is_none() {
        assert_eq!(get_preset(&"mainnet".into()), None);
    }

    #[test]
    fn development_has_one_authority_and_blocks_of_a_second() {
        chain_from("development").execute_with(|| {
            assert_eq!(Aura::authorities_len(), 1);
            assert_eq!(Grandpa::grandpa_authorities().len(), 1);
            assert_eq!(Aura::slot_duration(), 1_000);
            assert_eq!(
                pallet_sudo::Key::<Runtime>::get(),
                Some(Sr25519Keyring::Alice.to_account_id())
            );
        });
    }

    #[test]
    fn local_testnet_has_four_authorities_and_blocks_of_six_seconds() {
        chain_from("local_testnet").execute_with(|| {
            assert_eq!(Aura::authorities_len(), 4);
            assert_eq!(Grandpa::grandpa_authorities().len(), 4);
            assert_eq!(Aura::slot_duration(), 6_000);
        });
    }

    #[test]
    fn every_well_known_account_holds_a_hundred_thousand_tokens() {
        for name in preset_names() {
            chain_from(&name).execute_with(|| {
                let accounts: Vec<_> = Sr25519Keyring::iter().collect();
                for account in &accounts {
                    assert_eq!(
                        Balances::free_balance(account.to_account_id()),
                        100_000_000_000_000,
                        "{account}",
                    );
                }
                // Nothing else is issued but what keeps the account alive that holds stake.
                let total = 100_000_000_000_000 * accounts.len() as Balance + EXISTENTIAL_DEPOSIT;
                assert_eq!(Balances::total_issuance(), total);
            });
        }
    }
}
