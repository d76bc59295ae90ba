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
