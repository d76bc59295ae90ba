//! Keys that anybody can derive: for tests and nothing else.

use anyhow::Result;
use subxt::utils::AccountId32;
use subxt_signer::{SecretUri, sr25519::Keypair};

/// The key at `//name` below the development phrase. Its account is empty unless a genesis or a transfer funds it.
///
/// # Errors
///
/// If `name` is no derivation path.
pub fn keypair(name: &str) -> Result<Keypair> {
    let uri: SecretUri = format!("//{name}").parse()?;
    Ok(Keypair::from_uri(&uri)?)
}

/// The keys at `//name//0`, `//name//1` and so on.
///
/// # Errors
///
/// If `name` is no derivation path.
pub fn keypairs<const N: usize>(name: &str) -> Result<[Keypair; N]> {
    let mut keys = Vec::with_capacity(N);
    for place in 0..N {
        keys.push(keypair(&format!("{name}//{place}"))?);
    }
    keys.try_into()
        .map_err(|_| anyhow::anyhow!("as many as were asked for"))
}

/// The account of `key`.
pub fn account(key: &Keypair) -> AccountId32 {
    key.public_key().to_account_id()
}
