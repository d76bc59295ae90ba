//! What a model can be asked for.

use std::fmt;

use crate::v1;

/// What a caller wants of each row: the validated form of [`v1::Output`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Output {
    /// What the model makes of the inputs before it decides: what peers build on, `[rows, .., d_model]`.
    #[default]
    Encoding,
    /// What the model decides: log-probabilities of its classes, `[rows, .., n_classes]`.
    Prediction,
    /// What the model is trained to tell: log-probabilities wherever it has an encoding, `[rows, .., n_classes]`. Peers
    /// imitate it. Of a model of running text, the next token at every place, where a prediction is of the last only.
    Target,
}

impl Output {
    /// Every output, in the protocol's order.
    pub const ALL: [Output; 3] = [Output::Encoding, Output::Prediction, Output::Target];

    /// The name that people use.
    pub const fn name(self) -> &'static str {
        match self {
            Output::Encoding => "encoding",
            Output::Prediction => "prediction",
            Output::Target => "target",
        }
    }
}

/// An output that this version does not know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an output among encoding, prediction and target, got number {0}")]
pub struct UnknownOutput(pub i32);

impl From<Output> for v1::Output {
    fn from(output: Output) -> v1::Output {
        match output {
            Output::Encoding => v1::Output::Encoding,
            Output::Prediction => v1::Output::Prediction,
            Output::Target => v1::Output::Target,
        }
    }
}

impl From<Output> for i32 {
    fn from(output: Output) -> i32 {
        v1::Output::from(output).into()
    }
}

impl TryFrom<i32> for Output {
    type Error = UnknownOutput;

    /// Reads the number of a [`v1::Output`] as messages hold it. Who says nothing wants the encoding.
    fn try_from(number: i32) -> Result<Output, UnknownOutput> {
        match v1::Output::try_from(number) {
            Ok(v1::Output::Unspecified | v1::Output::Encoding) => Ok(Output::Encoding),
            Ok(v1::Output::Prediction) => Ok(Output::Prediction),
            Ok(v1::Output::Target) => Ok(Output::Target),
            Err(_) => Err(UnknownOutput(number)),
        }
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_output_survives_its_message() {
        for output in Output::ALL {
            assert_eq!(Output::try_from(i32::from(output)), Ok(output));
        }
    }

    #[test]
    fn who_says_nothing_wants_the_encoding() {
        assert_eq!(Output::try_from(0), Ok(Output::Encoding));
        assert_eq!(Output::default(), Output::Encoding);
    }

    #[test]
    fn numbers_of_another_version_are_refused() {
        for number in [4, -1, i32::MIN] {
            assert_eq!(Output::try_from(number), Err(UnknownOutput(number)));
        }
    }
}
