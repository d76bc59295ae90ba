//! The chains that the node knows by name, as it prints them.

use connectome_runtime::UNIT;
use serde_json::Value;
use std::process::Command;

/// What `connectome-node export-chain-spec --chain <name>` prints.
fn exported(name: &str) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_connectome-node"))
        .args(["export-chain-spec", "--chain", name])
        .output()
        .expect("the node was built for this test");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("a specification is JSON")
}

#[test]
fn wallets_show_the_decimals_that_the_runtime_counts() {
    let properties = &exported("dev")["properties"];
    let decimals = properties["tokenDecimals"]
        .as_u64()
        .expect("it is a number");
    assert_eq!(10_u64.pow(u32::try_from(decimals).expect("9")), UNIT);
    assert_eq!(properties["tokenSymbol"], "CTM");
    assert_eq!(properties["ss58Format"], 42);
}

#[test]
fn a_chain_known_by_name_has_the_genesis_of_its_preset() {
    for (name, id, slot_duration_ms, n_authorities) in [
        ("dev", "dev", 1_000, 1),
        ("local", "local_testnet", 6_000, 4),
    ] {
        let spec = exported(name);
        assert_eq!(spec["id"], id);
        let patch = &spec["genesis"]["runtimeGenesis"]["patch"];
        assert_eq!(patch["blockTime"]["slotDurationMs"], slot_duration_ms);
        assert_eq!(
            patch["aura"]["authorities"].as_array().map(Vec::len),
            Some(n_authorities)
        );
    }
}
