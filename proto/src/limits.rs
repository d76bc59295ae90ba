//! What a receiver of tensors takes.

/// Axes that a tensor may have, whatever the limits say.
pub const MAX_RANK: usize = 8;

/// Bytes of a `DescribeResponse` that a caller reads. A description is a few hundred bytes; without a cap of its own,
/// an empty entry of a list would let 2 bytes become 100 in memory.
pub const MAX_DESCRIPTION_BYTES: usize = 16 << 10;

/// Bytes of the text for people in a response or status.
pub const MAX_MESSAGE_TEXT: usize = 1024;

/// What a receiver takes, checked by [`Tensor::decode`](crate::Tensor::decode) before anything is allocated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Axes of one tensor; never more than [`MAX_RANK`].
    pub max_rank: usize,
    /// Elements of one tensor. An axis of no elements counts as one, so that empty tensors cannot hide absurd axes.
    pub max_elements: usize,
    /// Bytes of one tensor's data.
    pub max_bytes: usize,
}

impl Limits {
    /// Bytes of everything in a message of one tensor that is not its data, rounded up generously.
    const ENVELOPE_BYTES: usize = 4 << 10;

    /// Bytes of an encoded message with `n_tensors` tensors at their limit: what a transport should take at most.
    pub const fn max_message_bytes(&self, n_tensors: usize) -> usize {
        self.max_bytes
            .saturating_mul(n_tensors)
            .saturating_add(Limits::ENVELOPE_BYTES)
    }
}

impl Default for Limits {
    /// 8 axes and 16 MiB: [`Limits::max_elements`] allows any type that fits into the bytes.
    fn default() -> Limits {
        Limits {
            max_rank: MAX_RANK,
            max_elements: 16 << 20,
            max_bytes: 16 << 20,
        }
    }
}
