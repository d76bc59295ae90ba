//! What a caller wants of each row: an output, and of which classes.

use std::{fmt, num::NonZeroU32};

use crate::{Output, UnknownOutput};

/// What a caller wants of each row: [`ForwardRequest.output`](crate::v1::ForwardRequest::output) and
/// [`n_likeliest`](crate::v1::ForwardRequest::n_likeliest) in one. An encoding has no classes to choose among.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wanted {
    /// [`Output::Encoding`].
    Encoding,
    /// [`Output::Prediction`], of these classes.
    Prediction(Classes),
    /// [`Output::Target`], of these classes.
    Target(Classes),
}

/// Of which classes the log-probabilities are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Classes {
    /// Of all, in their order.
    All,
    /// Of this many, which are the likeliest, with their numbers.
    Likeliest(NonZeroU32),
}

impl Wanted {
    /// Reads both numbers of a message.
    ///
    /// # Errors
    ///
    /// An output of another version, or classes of an encoding.
    pub fn read(output: i32, n_likeliest: u32) -> Result<Wanted, WantedError> {
        let classes = match NonZeroU32::new(n_likeliest) {
            None => Classes::All,
            Some(n) => Classes::Likeliest(n),
        };
        match (Output::try_from(output)?, classes) {
            (Output::Encoding, Classes::All) => Ok(Wanted::Encoding),
            (Output::Encoding, Classes::Likeliest(_)) => Err(WantedError::NoClasses),
            (Output::Prediction, classes) => Ok(Wanted::Prediction(classes)),
            (Output::Target, classes) => Ok(Wanted::Target(classes)),
        }
    }

    /// Of what it is a part, or the whole.
    pub fn output(self) -> Output {
        match self {
            Wanted::Encoding => Output::Encoding,
            Wanted::Prediction(_) => Output::Prediction,
            Wanted::Target(_) => Output::Target,
        }
    }

    /// How many of the likeliest classes are wanted, if not all, or an encoding.
    pub fn n_likeliest(self) -> Option<NonZeroU32> {
        match self {
            Wanted::Prediction(Classes::Likeliest(n)) | Wanted::Target(Classes::Likeliest(n)) => {
                Some(n)
            }
            Wanted::Encoding | Wanted::Prediction(Classes::All) | Wanted::Target(Classes::All) => {
                None
            }
        }
    }
}

impl From<Output> for Wanted {
    /// The whole of it.
    fn from(output: Output) -> Wanted {
        match output {
            Output::Encoding => Wanted::Encoding,
            Output::Prediction => Wanted::Prediction(Classes::All),
            Output::Target => Wanted::Target(Classes::All),
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.n_likeliest() {
            None => fmt::Display::fmt(&self.output(), f),
            Some(n) => write!(f, "the {n} likeliest of a {}", self.output()),
        }
    }
}

/// Why a message does not say what is wanted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WantedError {
    /// It names an output of another version.
    #[error(transparent)]
    Output(#[from] UnknownOutput),
    /// It asks for the likeliest of what has no classes.
    #[error(
        "expected n_likeliest beside a prediction or a target, got it beside an encoding, which has no classes"
    )]
    NoClasses,
}

#[cfg(test)]
mod tests {
    use super::*;

    const THREE: Classes = Classes::Likeliest(NonZeroU32::new(3).unwrap());

    #[test]
    fn what_is_wanted_survives_its_message() {
        let all = [
            Wanted::Encoding,
            Wanted::Prediction(Classes::All),
            Wanted::Prediction(THREE),
            Wanted::Target(Classes::All),
            Wanted::Target(THREE),
        ];
        for wanted in all {
            let n_likeliest = wanted.n_likeliest().map_or(0, NonZeroU32::get);
            assert_eq!(
                Wanted::read(wanted.output().into(), n_likeliest),
                Ok(wanted)
            );
        }
    }

    #[test]
    fn who_names_an_output_alone_wants_the_whole_of_it() {
        for output in Output::ALL {
            assert_eq!(Wanted::read(output.into(), 0), Ok(output.into()));
            assert_eq!(Wanted::from(output).output(), output);
        }
    }

    #[test]
    fn an_encoding_has_no_likeliest_classes() {
        for output in [0, Output::Encoding.into()] {
            assert_eq!(Wanted::read(output, 1), Err(WantedError::NoClasses));
        }
        assert_eq!(Wanted::read(77, 1), Err(UnknownOutput(77).into()));
    }

    #[test]
    fn people_read_what_is_wanted() {
        assert_eq!(Wanted::from(Output::Target).to_string(), "target");
        assert_eq!(
            Wanted::Target(THREE).to_string(),
            "the 3 likeliest of a target"
        );
    }
}
