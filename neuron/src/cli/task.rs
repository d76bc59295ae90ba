//! What the neurons of a network learn, by name.

use std::{fmt, str::FromStr};

/// Bytes of the longest name that the chain takes.
const MAX_BYTES: usize = 32;

/// The name of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskName(String);

/// Why a text does not name a task.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a name of 1 to {MAX_BYTES} bytes, such as text, got {0}")]
pub struct TaskNameError(usize);

impl AsRef<str> for TaskName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl FromStr for TaskName {
    type Err = TaskNameError;

    fn from_str(text: &str) -> Result<TaskName, TaskNameError> {
        match text.len() {
            1..=MAX_BYTES => Ok(TaskName(text.to_owned())),
            length => Err(TaskNameError(length)),
        }
    }
}

impl fmt::Display for TaskName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_the_length_that_the_chain_takes() {
        for (text, length) in [
            ("", 0),
            (&"x".repeat(33)[..], 33),
            (&"é".repeat(17)[..], 34),
        ] {
            assert_eq!(text.parse::<TaskName>(), Err(TaskNameError(length)));
        }
        for text in ["t", "x".repeat(32).as_str(), "é".repeat(16).as_str()] {
            assert_eq!(text.parse::<TaskName>().unwrap().as_ref(), text);
        }
    }
}
