//! Why the chain could not be asked, or gave no answer.

use std::{fmt, time::Duration};

use subxt::{
    error::{ExtrinsicError, OnlineClientAtBlockError, RuntimeApiError, StorageError},
    utils::H256,
};

/// What went wrong between this program and the chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// No node answered.
    #[error("no node of the chain can be reached: {}. Is it running, and is its address right?", list(.tried))]
    Unreachable {
        /// What was tried last, and what came of it.
        tried: Vec<Attempt>,
    },
    /// Nobody said where the chain is.
    #[error("expected the address of a node such as ws://127.0.0.1:9944, got none")]
    NoUrl,
    /// A node took too long.
    #[error("the node has not answered for {waited:?} when asked for {what}")]
    Timeout {
        /// What was asked for.
        what: &'static str,
        /// How long.
        waited: Duration,
    },
    /// The network does not exist, or not any more.
    #[error(
        "there is no network {netid} in block {block}; `neuron network list` shows those that there are"
    )]
    NoSuchNetwork {
        /// Its id.
        netid: u16,
        /// The block's number.
        block: u32,
    },
    /// The node does not know the block.
    #[error(
        "the node has no block {0:?}: it is behind, or the block is of a fork that was given up"
    )]
    NoSuchBlock(H256),
    /// The runtime is of another version than the one that this program was built for.
    #[error(
        "the chain's runtime means something else by {what} than this program; update the older of the two"
    )]
    Incompatible {
        /// What was asked for.
        what: &'static str,
    },
    /// The node answered with an error, or with what is no answer.
    #[error("the node gave no {what}: {message}")]
    Answer {
        /// What was asked for.
        what: &'static str,
        /// What it said.
        message: String,
    },
}

impl ChainError {
    /// Whether asking again later may help: nothing is wrong with the question.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Timeout { .. })
    }
}

/// A node that was tried in vain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Its address.
    pub url: String,
    /// What came of it.
    pub reason: String,
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.url, self.reason)
    }
}

fn list(tried: &[Attempt]) -> String {
    let tried: Vec<_> = tried.iter().map(Attempt::to_string).collect();
    tried.join(", ")
}

/// What one exchange with a node may end in, before it is known what the question was.
#[derive(Debug)]
pub(crate) enum Fault {
    /// Known already.
    Chain(ChainError),
    /// What the client library says; boxed, for it is large.
    Client(Box<subxt::Error>),
}

impl<E: Into<subxt::Error>> From<E> for Fault {
    fn from(error: E) -> Self {
        Self::Client(Box::new(error.into()))
    }
}

impl Fault {
    /// As the answer to the question for `what`.
    pub(crate) fn about(self, what: &'static str) -> ChainError {
        let message = match self {
            Self::Chain(error) => return error,
            Self::Client(error) => match *error {
                subxt::Error::RuntimeApiError(
                    RuntimeApiError::IncompatibleCodegen
                    | RuntimeApiError::TraitNotFound(_)
                    | RuntimeApiError::MethodNotFound { .. },
                )
                | subxt::Error::StorageError(StorageError::IncompatibleCodegen)
                | subxt::Error::ExtrinsicError(
                    ExtrinsicError::IncompatibleCodegen
                    | ExtrinsicError::PalletNameNotFound(_)
                    | ExtrinsicError::CallNameNotFound { .. },
                ) => {
                    return ChainError::Incompatible { what };
                }
                subxt::Error::OnlineClientAtBlockError(
                    OnlineClientAtBlockError::BlockHeaderNotFound { block_hash },
                ) => format!("it has no block {block_hash}"),
                other => other.to_string(),
            },
        };
        ChainError::Answer { what, message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unreachable_chain_says_what_was_tried() {
        let error = ChainError::Unreachable {
            tried: vec![
                Attempt {
                    url: "ws://one".into(),
                    reason: "refused".into(),
                },
                Attempt {
                    url: "ws://two".into(),
                    reason: "took longer than 5s".into(),
                },
            ],
        };
        let said = error.to_string();
        assert!(
            said.contains("ws://one (refused), ws://two (took longer than 5s)"),
            "{said}"
        );
        assert!(error.is_temporary());
    }
}
