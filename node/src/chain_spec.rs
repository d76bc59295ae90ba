//! The chains that the node knows by name: a specification is a runtime, a genesis preset of it, and
//! what wallets show.

use connectome_runtime::{WASM_BINARY, configs::SS58Prefix};
use sc_service::{ChainType, Properties};
use sp_genesis_builder::{DEV_RUNTIME_PRESET, LOCAL_TESTNET_RUNTIME_PRESET};

/// A chain specification, without extensions of its own.
pub(crate) type ChainSpec = sc_service::GenericChainSpec;

/// The prefix of the chain's network protocols.
const PROTOCOL_ID: &str = "connectome";

/// One authority, Alice, and blocks of a second.
///
/// # Errors
///
/// If the node was built with `SKIP_WASM_BUILD`, and so holds no runtime.
pub(crate) fn development() -> Result<ChainSpec, String> {
    chain_spec(
        "Development",
        "dev",
        ChainType::Development,
        DEV_RUNTIME_PRESET,
    )
}

/// Four authorities, Alice, Bob, Charlie and Dave, of which one may fail, and blocks of six seconds.
///
/// # Errors
///
/// If the node was built with `SKIP_WASM_BUILD`, and so holds no runtime.
pub(crate) fn local_testnet() -> Result<ChainSpec, String> {
    chain_spec(
        "Local Testnet",
        "local_testnet",
        ChainType::Local,
        LOCAL_TESTNET_RUNTIME_PRESET,
    )
}

fn chain_spec(
    name: &str,
    id: &str,
    chain_type: ChainType,
    preset: &str,
) -> Result<ChainSpec, String> {
    let runtime = WASM_BINARY.ok_or(
        "this node was built without a runtime: build it again with SKIP_WASM_BUILD unset, \
         or give a chain specification file with --chain",
    )?;
    Ok(ChainSpec::builder(runtime, None)
        .with_name(name)
        .with_id(id)
        .with_chain_type(chain_type)
        .with_protocol_id(PROTOCOL_ID)
        .with_properties(properties())
        .with_genesis_config_preset_name(preset)
        .build())
}

/// What a wallet shows: nine decimals of CTM (see [`connectome_runtime::UNIT`]).
fn properties() -> Properties {
    Properties::from_iter([
        ("tokenSymbol".into(), "CTM".into()),
        ("tokenDecimals".into(), 9.into()),
        ("ss58Format".into(), SS58Prefix::get().into()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use connectome_runtime::UNIT;

    #[test]
    fn wallets_show_the_decimals_that_the_runtime_counts() {
        let properties = properties();
        let decimals = properties["tokenDecimals"]
            .as_u64()
            .expect("it is a number");
        assert_eq!(10_u64.pow(u32::try_from(decimals).expect("9")), UNIT);
        assert_eq!(properties["ss58Format"], 42);
    }

    #[test]
    fn a_chain_known_by_name_has_the_genesis_of_its_preset() {
        for (spec, id, slot_duration_ms, n_authorities) in [
            (development(), "dev", 1_000, 1),
            (local_testnet(), "local_testnet", 6_000, 4),
        ] {
            // Built with SKIP_WASM_BUILD there is no runtime, and nothing to check.
            let Ok(spec) = spec else { return };
            assert_eq!(spec.id(), id);

            let json = spec.as_json(false).expect("the specification is JSON");
            let json: serde_json::Value = serde_json::from_str(&json).expect("it is");
            let patch = &json["genesis"]["runtimeGenesis"]["patch"];
            assert_eq!(patch["blockTime"]["slotDurationMs"], slot_duration_ms);
            assert_eq!(
                patch["aura"]["authorities"].as_array().map(Vec::len),
                Some(n_authorities)
            );
        }
    }
}
