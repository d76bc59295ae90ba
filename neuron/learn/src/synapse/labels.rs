//! What a batch should have been answered with.

use tch::{Device, Tensor};

/// What a batch should have been answered with.
///
/// Images have one label each, texts one for each token, [ignored](crate::loss::IGNORED) where nothing is to be learned.
#[derive(Debug)]
pub struct Labels {
    /// The right class of each target, `[..]`, i64: `[batch]` or `[batch, seq]`.
    pub targets: Tensor,
    /// Where texts are pairs of sentences: 0 if the second is the next one, 1 if it is any other; `[batch]`, i64.
    pub next_sentence: Option<Tensor>,
}

impl Labels {
    /// The same labels on a device.
    pub(super) fn to_device(&self, device: Device) -> Labels {
        let next_sentence = self.next_sentence.as_ref();
        Labels {
            targets: self.targets.to_device(device),
            next_sentence: next_sentence.map(|labels| labels.to_device(device)),
        }
    }
}

impl From<&Tensor> for Labels {
    /// Targets alone, sharing memory.
    fn from(targets: &Tensor) -> Labels {
        Labels {
            targets: targets.shallow_clone(),
            next_sentence: None,
        }
    }
}
