//! The entry points that a model may have.

use std::{fmt, str::FromStr};

use crate::v1;

/// Which entry point of a model takes a tensor: the validated form of [`v1::Modality`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Modality {
    /// Token ids, `[batch, sequence]`.
    Text,
    /// Images, `[batch, channels, height, width]`.
    Image,
    /// Anything else, `[batch, ..]`.
    Tensor,
}

impl Modality {
    /// Every modality, in the protocol's order.
    pub const ALL: [Modality; 3] = [Modality::Text, Modality::Image, Modality::Tensor];

    /// The name that people and configuration use.
    pub const fn name(self) -> &'static str {
        match self {
            Modality::Text => "text",
            Modality::Image => "image",
            Modality::Tensor => "tensor",
        }
    }
}

/// A modality that this version does not know, or none at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a modality among text, image and tensor, got {0}")]
pub struct UnknownModality(pub String);

impl From<Modality> for v1::Modality {
    fn from(modality: Modality) -> v1::Modality {
        match modality {
            Modality::Text => v1::Modality::Text,
            Modality::Image => v1::Modality::Image,
            Modality::Tensor => v1::Modality::Tensor,
        }
    }
}

impl From<Modality> for i32 {
    fn from(modality: Modality) -> i32 {
        v1::Modality::from(modality).into()
    }
}

impl TryFrom<i32> for Modality {
    type Error = UnknownModality;

    /// Reads the number of a [`v1::Modality`] as messages hold it.
    fn try_from(number: i32) -> Result<Modality, UnknownModality> {
        match v1::Modality::try_from(number) {
            Ok(v1::Modality::Text) => Ok(Modality::Text),
            Ok(v1::Modality::Image) => Ok(Modality::Image),
            Ok(v1::Modality::Tensor) => Ok(Modality::Tensor),
            Ok(v1::Modality::Unspecified) => Err(UnknownModality("none".to_owned())),
            Err(_) => Err(UnknownModality(format!("number {number}"))),
        }
    }
}

impl fmt::Display for Modality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Modality {
    type Err = UnknownModality;

    fn from_str(name: &str) -> Result<Modality, UnknownModality> {
        Modality::ALL
            .into_iter()
            .find(|modality| modality.name() == name)
            .ok_or_else(|| UnknownModality(format!("\"{name}\"")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_modality_survives_its_message_and_its_name() {
        for modality in Modality::ALL {
            assert_eq!(Modality::try_from(i32::from(modality)), Ok(modality));
            assert_eq!(modality.to_string().parse(), Ok(modality));
        }
    }

    #[test]
    fn unspecified_and_unknown_numbers_are_refused() {
        for number in [0, 4, -1, i32::MIN] {
            assert!(Modality::try_from(number).is_err());
        }
    }
}
