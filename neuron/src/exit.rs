//! How a program ends: exit codes, and what is said about failures.

use std::{io, process::ExitCode};

use clap::error::ErrorKind;
use neuron_metagraph::{ChainError, SubmitError};
use neuron_wallet::{KeyError, KeyFileError, PublicKey};
use serde_json::json;

use crate::{
    KeysError, PromptError,
    config::{ConfigError, NotUnderstood},
    task::OtherTaskError,
};

/// Shown at the end of `neuron --help`.
pub const HELP: &str = "\
Exit codes:
  0  done
  1  failed
  2  used wrongly: options, environment or configuration file
  3  refused by the chain
  4  unreachable: no node or no peer answers
  5  no such key, or wrong password
  6  not registered in the network";

/// How a program that did not do its work ends.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// For any reason that is none of the others.
    Failed = 1,
    /// Options, environment or configuration file are wrong.
    Usage = 2,
    /// The chain said no.
    Refused = 3,
    /// No node or no peer answers.
    Unreachable = 4,
    /// A key is missing, or its password is wrong.
    Key = 5,
    /// The hotkey has no neuron in the network.
    NotRegistered = 6,
}

/// A command that makes no sense, for reasons that Clap cannot know.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

/// Peers were asked, or none was there to ask, and nobody answered.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UnansweredError(pub String);

/// What only a neuron can do.
#[derive(Debug, thiserror::Error)]
#[error(
    "{hotkey} is not registered in network {netid}: register it first, with\n  neuron register --netid {netid}"
)]
pub struct NotRegisteredError {
    /// Who tried.
    pub hotkey: PublicKey,
    /// Where.
    pub netid: u16,
}

/// What only root can do.
#[derive(Debug, thiserror::Error)]
pub enum NotRootError {
    /// Somebody else is root.
    #[error(
        "only root creates networks, which on this chain is {root}, not {signer}: sign with that key (--uri, or --wallet)"
    )]
    Another {
        /// Who is root.
        root: PublicKey,
        /// Who tried.
        signer: PublicKey,
    },
    /// Nobody is.
    #[error("only root creates networks, and nobody is root of this chain")]
    Nobody,
}

impl Exit {
    /// How a failure ends the program: by the first of its causes that has a code of its own.
    pub fn of(error: &anyhow::Error) -> Exit {
        let mut causes = error.chain();
        causes.find_map(Exit::of_cause).unwrap_or(Exit::Failed)
    }

    fn of_cause(cause: &(dyn std::error::Error + 'static)) -> Option<Exit> {
        let is_unanswered = matches!(cause.downcast_ref(), Some(KeysError::Prompt(_)));
        if is_unanswered
            || cause.is::<UsageError>()
            || cause.is::<ConfigError>()
            || cause.is::<OtherTaskError>()
            || cause.is::<PromptError>()
        {
            Some(Exit::Usage)
        } else if cause.is::<UnansweredError>() {
            Some(Exit::Unreachable)
        } else if cause.is::<NotRegisteredError>() {
            Some(Exit::NotRegistered)
        } else if cause.is::<NotRootError>() {
            Some(Exit::Refused)
        } else if cause.is::<KeysError>() || cause.is::<KeyFileError>() || cause.is::<KeyError>() {
            Some(Exit::Key)
        } else if let Some(error) = cause.downcast_ref::<SubmitError>() {
            Exit::of_submission(error)
        } else if let Some(error) = cause.downcast_ref::<ChainError>() {
            Exit::of_chain(error)
        } else {
            None
        }
    }

    fn of_chain(error: &ChainError) -> Option<Exit> {
        match error {
            ChainError::NoUrl => Some(Exit::Usage),
            error => error.is_temporary().then_some(Exit::Unreachable),
        }
    }

    fn of_submission(error: &SubmitError) -> Option<Exit> {
        match error {
            SubmitError::Refused(_)
            | SubmitError::Failed { .. }
            | SubmitError::NotTaken { .. }
            | SubmitError::RowWaits { .. } => Some(Exit::Refused),
            SubmitError::Chain(error) => Exit::of_chain(error),
            SubmitError::GivenUp { .. }
            | SubmitError::Dropped { .. }
            | SubmitError::Unread { .. }
            | SubmitError::Deadline { .. } => None,
        }
    }
}

/// Says on standard error how a command ended, if it failed, and gives the exit code. For scripts it is one line of JSON, the
/// last that is written: `{"error": "..", "causes": [".."], "exit_code": 4}`, of which logged events have no `exit_code`.
///
/// A reader that went away, as `head` does, is no failure.
pub fn report(result: anyhow::Result<()>, is_json: bool) -> ExitCode {
    let Err(error) = result else {
        return ExitCode::SUCCESS;
    };
    if is_broken_pipe(&error) {
        return ExitCode::SUCCESS;
    }
    let exit = Exit::of(&error);
    if is_json {
        let causes: Vec<String> = error.chain().skip(1).map(ToString::to_string).collect();
        let code = exit as u8;
        eprintln!(
            "{}",
            json!({ "error": error.to_string(), "causes": causes, "exit_code": code })
        );
    } else {
        eprintln!("error: {error:#}");
    }
    ExitCode::from(exit as u8)
}

/// Says what was not understood, or what was asked for by `--help`, and gives the exit code.
pub fn report_config(refused: NotUnderstood) -> ExitCode {
    let NotUnderstood { error, is_json } = refused;
    let error = match error {
        ConfigError::Usage(error) => error,
        error => return report(Err(error.into()), is_json),
    };
    let is_asked_for = matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    );
    if is_json && !is_asked_for {
        return report(Err(UsageError(in_short(&error)).into()), true);
    }
    // Help goes to standard output, which may be closed; there is nobody to tell then.
    let _ = error.print();
    match is_asked_for {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(Exit::Usage as u8),
    }
}

/// What Clap says is wrong, and what may have been meant, in one line, without how to use the command.
fn in_short(error: &clap::Error) -> String {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return "expected a command; --help lists them".to_owned();
    }
    let rendered = error.render().to_string();
    let paragraphs = rendered.split("\n\n").map(|paragraph| {
        let words: Vec<_> = paragraph.split_whitespace().collect();
        words.join(" ")
    });
    let of_use = ["Usage:", "For more information"];
    let said: Vec<_> = paragraphs
        .take_while(|paragraph| !of_use.iter().any(|start| paragraph.starts_with(start)))
        .collect();
    said.join("; ").trim_start_matches("error: ").to_owned()
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn the_help_has_every_code() {
        for exit in [
            Exit::Failed,
            Exit::Usage,
            Exit::Refused,
            Exit::Unreachable,
            Exit::Key,
            Exit::NotRegistered,
        ] {
            assert!(HELP.contains(&format!("\n  {}  ", exit as u8)));
        }
    }

    #[test]
    fn a_failure_ends_by_its_first_cause_that_has_a_code() {
        let wrong = || anyhow::Error::from(KeyFileError::WrongPassword);
        assert_eq!(Exit::of(&wrong()), Exit::Key);
        let error = Err::<(), _>(wrong())
            .context("while registering")
            .unwrap_err();
        assert_eq!(Exit::of(&error), Exit::Key);
        assert_eq!(Exit::of(&UsageError("so".into()).into()), Exit::Usage);
        assert_eq!(
            Exit::of(&UnansweredError("nobody".into()).into()),
            Exit::Unreachable
        );
        let stranger = NotRegisteredError {
            hotkey: PublicKey([1; 32]),
            netid: 3,
        };
        assert_eq!(Exit::of(&stranger.into()), Exit::NotRegistered);
        assert_eq!(Exit::of(&NotRootError::Nobody.into()), Exit::Refused);
        assert_eq!(Exit::of(&anyhow::anyhow!("the disk is full")), Exit::Failed);
    }

    #[test]
    fn what_the_chain_says_has_a_code() {
        let away = || ChainError::Unreachable { tried: Vec::new() };
        assert_eq!(Exit::of(&away().into()), Exit::Unreachable);
        let submitted = SubmitError::Chain(away());
        assert_eq!(Exit::of(&submitted.into()), Exit::Unreachable);
        let refused = SubmitError::NotTaken {
            call: "Metagraph::register",
            reason: "the balance is too low".into(),
        };
        assert_eq!(Exit::of(&refused.into()), Exit::Refused);
    }

    #[test]
    fn a_reader_that_went_away_is_no_failure() {
        let closed = io::Error::from(io::ErrorKind::BrokenPipe);
        assert!(is_broken_pipe(
            &anyhow::Error::from(closed).context("writing")
        ));
        assert!(!is_broken_pipe(&anyhow::anyhow!("broken pipe")));
    }
}
