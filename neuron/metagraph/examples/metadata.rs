//! Writes what a running node says of its runtime, without what this crate has no use for, to a file: `metadata.scale`.
//!
//! ```text
//! cargo run -p neuron-metagraph --example metadata -- ws://127.0.0.1:9944 neuron/metagraph/metadata.scale
//! ```
//!
//! `make metadata` starts a node and does this.

use std::error::Error;

use codec::{Compact, Decode, Encode};
use subxt::{
    ext::frame_metadata::{RuntimeMetadata, RuntimeMetadataPrefixed},
    rpcs::{RpcClient, methods::LegacyRpcMethods},
};
use subxt_utils_stripmetadata::StripMetadata;

/// The pallets whose calls, storage, events or errors are named here.
const PALLETS: [&str; 6] = [
    "System",
    "Timestamp",
    "Balances",
    "TransactionPayment",
    "Sudo",
    "Metagraph",
];

/// The runtime's interfaces that are called here.
const APIS: [&str; 2] = ["MetagraphApi", "AuraApi"];

/// The version of the format that has all of these.
const VERSION: u32 = 16;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(url), Some(path)) = (arguments.next(), arguments.next()) else {
        return Err("expected the URL of a node, and a file to write".into());
    };
    let rpc = RpcClient::from_insecure_url(&url).await?;
    let methods = LegacyRpcMethods::<subxt::config::RpcConfigFor<subxt::PolkadotConfig>>::new(rpc);
    let argument = VERSION.encode();
    let answer = methods
        .state_call("Metadata_metadata_at_version", Some(&argument), None)
        .await?;
    let found = Option::<(Compact<u32>, RuntimeMetadataPrefixed)>::decode(&mut &*answer)?;
    let (_, mut metadata) = found.ok_or("the runtime does not know this version of the format")?;
    let RuntimeMetadata::V16(v16) = &mut metadata.1 else {
        return Err("the runtime answered in another version of the format".into());
    };
    v16.strip_metadata(
        |pallet| PALLETS.contains(&pallet),
        |api| APIS.contains(&api),
    );
    let bytes = metadata.encode();
    std::fs::write(&path, &bytes)?;
    println!("{path}: {} bytes", bytes.len());
    Ok(())
}
