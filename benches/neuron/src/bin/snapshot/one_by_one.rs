//! The chain read as by clients that know no call for a whole network.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use jsonrpsee_client::{
    core::client::ClientT as _,
    rpc_params,
    ws_client::{WsClient, WsClientBuilder},
};

/// Where the hotkeys of neurons lie: twox128("Metagraph") and twox128("Keys").
const KEYS: &str = "0x625a8fe94038008e7c18b889654740c49f99a2ce711f3a31b2fc05604c93f179";
/// Keys of storage that a node gives at once.
const PAGE: u32 = 1_000;
/// A hotkey in hexadecimal, with `0x`.
const HOTKEY: usize = 2 + 2 * 32;
/// Bytes of an answer, at most: more than the largest network has in hexadecimal.
const MAX_ANSWER: u32 = 64 << 20;

/// A connection, the block that is read, and the keys of what is read there.
pub(crate) struct OneByOne {
    client: WsClient,
    block: String,
    keys: Vec<String>,
}

impl OneByOne {
    /// Finds the storage items of all neurons in the best block.
    pub(crate) async fn connect(url: &str, n_neurons: usize) -> Result<OneByOne> {
        let client = WsClientBuilder::default()
            .max_response_size(MAX_ANSWER)
            .build(url)
            .await?;
        let block: String = client.request("chain_getBlockHash", rpc_params![]).await?;
        let mut keys: Vec<String> = Vec::new();
        loop {
            let params = rpc_params![KEYS, PAGE, keys.last(), &block];
            let page: Vec<String> = client.request("state_getKeysPaged", params).await?;
            if page.is_empty() {
                break;
            }
            keys.extend(page);
        }
        ensure!(
            keys.len() == n_neurons,
            "expected {n_neurons} neurons in storage, got {}",
            keys.len()
        );
        Ok(OneByOne {
            client,
            block,
            keys,
        })
    }

    /// Reads them, one after the other, and gives the time that took.
    pub(crate) async fn read_all(&self) -> Result<Duration> {
        let start = Instant::now();
        for key in &self.keys {
            let params = rpc_params![key, &self.block];
            let value: String = self.client.request("state_getStorage", params).await?;
            ensure!(value.len() == HOTKEY, "expected a hotkey, got {value}");
        }
        Ok(start.elapsed())
    }

    /// Bytes of a whole network, as the runtime gives it.
    pub(crate) async fn snapshot_bytes(&self, netid: u16) -> Result<usize> {
        let [low, high] = netid.to_le_bytes();
        let argument = format!("0x{low:02x}{high:02x}");
        let params = rpc_params!["MetagraphApi_metagraph", argument, &self.block];
        let answer: String = self.client.request("state_call", params).await?;
        let digits = answer.strip_prefix("0x").context("expected hexadecimal")?;
        Ok(digits.len() / 2)
    }
}
