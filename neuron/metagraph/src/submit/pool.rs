//! What a node's transaction pool says when it does not take a transaction: the codes of `sc_rpc_api::author::error`.
//!
//! A pool holds one transaction for each thing that transactions provide, and refuses another in the same words whatever that
//! thing is: a nonce of the signer, or the free row of a neuron. Which of the two it is, is seen in what the pool holds
//! ([`rival`]).

use neuron_wallet::PublicKey;
use subxt::rpcs::{UserError, methods::legacy::Bytes, rpc_params};

use crate::{
    At,
    api::metagraph::calls::SetWeights,
    chain::{AtBlock, Link},
    error::Fault,
};

/// The transaction is invalid; `data` says how.
const INVALID: i32 = 1010;
/// Its validity cannot be known.
const UNKNOWN_VALIDITY: i32 = 1011;
/// The same bytes were given up a while ago.
const BANNED: i32 = 1012;
/// Another one that provides the same is in the pool.
const TOO_LOW_PRIORITY: i32 = 1014;
/// It was worth less than everything in a full pool.
const IMMEDIATELY_DROPPED: i32 = 1016;

/// What a refusal means to who submitted.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PoolAnswer {
    /// The error of the metagraph's pallet with this index.
    Pallet(u8),
    /// Another transaction of the signer has its nonce: it has to be signed anew.
    NonceTaken,
    /// Another transaction in the pool provides what this one does: its nonce, or a free row.
    Rivalled,
    /// Anything else, in words.
    Other(String),
}

impl PoolAnswer {
    pub(super) fn of(refused: &UserError) -> Self {
        let data = refused
            .data
            .as_ref()
            .map(|data| data.get().trim_matches('"'));
        let data = data.unwrap_or_default();
        match refused.code {
            TOO_LOW_PRIORITY => Self::Rivalled,
            INVALID if data == "Transaction is outdated" => Self::NonceTaken,
            INVALID => match data.strip_prefix("Custom error: ").map(str::parse) {
                Some(Ok(index)) => Self::Pallet(index),
                _ if data.contains("Inability to pay") => Self::Other(
                    "the signer's balance does not cover the fee; send it some tokens first".into(),
                ),
                _ if data.contains("ancient birth block") => Self::Other(
                    "it names a block that the node does not have; the node is behind, or on a fork".into(),
                ),
                _ => Self::Other(format!("{}: {data}", refused.message)),
            },
            UNKNOWN_VALIDITY => {
                Self::Other("it does not know yet whether it is valid; try again".into())
            }
            BANNED => Self::Other("the same was given up a while ago; try again in a minute".into()),
            IMMEDIATELY_DROPPED => Self::Other("its pool is full; try again later".into()),
            _ => Self::Other(format!("{} ({}) {data}", refused.message, refused.code)),
        }
    }
}

/// What keeps a row of weights out of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rival {
    /// A transaction of the same signer has its nonce.
    SameNonce,
    /// A row of the same neuron waits for its block.
    Row,
    /// Nothing any more.
    Gone,
}

/// What keeps the row that `signer` signed with `nonce` for its neuron in network `netid` out of the node's pool.
pub(super) async fn rival(
    link: &Link,
    signer: &PublicKey,
    netid: u16,
    nonce: u64,
) -> Result<Rival, Fault> {
    let pending = "author_pendingExtrinsics";
    let waiting: Vec<Bytes> = link.rpc.request(pending, rpc_params![]).await?;
    let waiting = waiting.into_iter().map(|bytes| bytes.0).collect();
    let best = link.at(At::Best).await?;
    let own = own(&best, waiting, signer).await;
    if own.iter().any(|waiting| waiting.nonce == Some(nonce)) {
        return Ok(Rival::SameNonce);
    }
    match own.iter().any(|waiting| waiting.row_in == Some(netid)) {
        true => Ok(Rival::Row),
        false => Ok(Rival::Gone),
    }
}

/// A transaction that waits in a pool.
struct Waiting {
    nonce: Option<u64>,
    /// The network that it sets a row in, if it does that.
    row_in: Option<u16>,
}

/// Those of `transactions` that are by `signer`.
async fn own(at: &AtBlock, transactions: Vec<Vec<u8>>, signer: &PublicKey) -> Vec<Waiting> {
    let transactions = at.extrinsics().from_bytes(transactions).await;
    // What cannot be read is not by this program.
    let transactions = transactions.iter().filter_map(Result::ok);
    let own = transactions.filter(|transaction| {
        // A signer is named by the account: the first kind of address.
        let address = transaction.address_bytes();
        address.and_then(|address| address.strip_prefix(&[0])) == Some(&signer.0[..])
    });
    let own = own.map(|transaction| Waiting {
        nonce: transaction
            .transaction_extensions()
            .and_then(|extensions| extensions.nonce()),
        row_in: transaction
            .decode_call_data_fields_as::<SetWeights>()
            .and_then(Result::ok)
            .map(|call| call.netid.0),
    });
    own.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use subxt::rpcs::client::RawValue;

    fn refused(code: i32, data: &str) -> PoolAnswer {
        PoolAnswer::of(&UserError {
            code,
            message: "Invalid Transaction".into(),
            data: Some(RawValue::from_string(format!("\"{data}\"")).unwrap()),
        })
    }

    #[test]
    fn an_error_of_the_pallet_is_its_index() {
        assert_eq!(refused(1010, "Custom error: 26"), PoolAnswer::Pallet(26));
    }

    #[test]
    fn a_nonce_that_is_taken_is_told_from_other_refusals() {
        assert_eq!(
            refused(1010, "Transaction is outdated"),
            PoolAnswer::NonceTaken
        );
        assert_eq!(
            refused(1014, "The transaction has too low priority"),
            PoolAnswer::Rivalled
        );
    }

    #[test]
    fn who_cannot_pay_is_told_what_to_do() {
        let said = refused(
            1010,
            "Inability to pay some fees (e.g. account balance too low)",
        );
        assert!(
            matches!(said, PoolAnswer::Other(reason) if reason.contains("send it some tokens"))
        );
    }

    #[test]
    fn what_is_unknown_is_passed_on_in_the_words_of_the_node() {
        let said = refused(1010, "Transaction has a bad signature");
        assert_eq!(
            said,
            PoolAnswer::Other("Invalid Transaction: Transaction has a bad signature".into())
        );
    }
}
