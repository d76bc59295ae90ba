//! What a command asks its user, where it may: passwords, secrets, and whether to go ahead.

use std::{
    env, fs,
    io::{self, IsTerminal, Read, Write},
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use crate::cli::Global;

/// The environment variable that a password may be in.
const VARIABLE: &str = "CONNECTOME_PASSWORD";

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum PromptError {
    /// There is nobody to ask for a password.
    #[error(
        "expected a password; without a terminal, or with --json, give --password-file FILE or set {VARIABLE}"
    )]
    NoPassword,
    /// There is nobody to ask for a secret.
    #[error(
        "expected a secret; without a terminal, or with --json, give the option that reads it from a file (- is standard input)"
    )]
    NoSecret,
    /// There is nobody to ask whether to go ahead.
    #[error("{question} There is nobody to ask: add --yes")]
    NoAnswer {
        /// What would have been asked.
        question: String,
    },
    /// A new password that is no protection.
    #[error("expected a password, got an empty one")]
    Empty,
    /// A new password was typed in two ways.
    #[error("the two passwords differ; nothing was changed")]
    Differ,
    /// A file with a secret cannot be read.
    #[error("cannot read {}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The terminal cannot be read.
    #[error("cannot read from the terminal")]
    Terminal(#[from] io::Error),
}

/// The password of a key: from `--password-file`, from the environment, or typed.
pub(crate) fn password(global: &Global, of: &str) -> Result<Zeroizing<String>, PromptError> {
    match given_password(global)? {
        Some(password) => Ok(password),
        None => hidden(
            global,
            &format!("Password of {of}: "),
            PromptError::NoPassword,
        ),
    }
}

/// A password for a key that has none yet, typed twice if it is typed.
pub(crate) fn new_password(global: &Global, of: &str) -> Result<Zeroizing<String>, PromptError> {
    let password = match given_password(global)? {
        Some(password) => password,
        None => {
            let first = hidden(
                global,
                &format!("New password for {of}: "),
                PromptError::NoPassword,
            )?;
            let second = hidden(global, "Once more: ", PromptError::NoPassword)?;
            if first != second {
                return Err(PromptError::Differ);
            }
            first
        }
    };
    match password.is_empty() {
        true => Err(PromptError::Empty),
        false => Ok(password),
    }
}

/// Whether a password is given, so that nobody is asked for it.
pub(crate) fn is_password_given(global: &Global) -> bool {
    global.password_file.is_some() || env::var_os(VARIABLE).is_some()
}

fn given_password(global: &Global) -> Result<Option<Zeroizing<String>>, PromptError> {
    if let Some(path) = &global.password_file {
        let text = secret_file(path)?;
        let first = text.lines().next().unwrap_or_default();
        return Ok(Some(Zeroizing::new(first.to_owned())));
    }
    Ok(env::var(VARIABLE).ok().map(Zeroizing::new))
}

/// A secret that is typed, without showing it.
pub(crate) fn secret(global: &Global, what: &str) -> Result<Zeroizing<String>, PromptError> {
    hidden(global, &format!("{what}: "), PromptError::NoSecret)
}

/// A secret in a file; `-` is standard input.
pub(crate) fn secret_file(path: &Path) -> Result<Zeroizing<String>, PromptError> {
    let mut text = Zeroizing::new(String::new());
    let read = match path.to_str() {
        Some("-") => io::stdin().read_to_string(&mut text),
        _ => fs::File::open(path).and_then(|mut file| file.read_to_string(&mut text)),
    };
    read.map_err(|source| PromptError::File {
        path: path.into(),
        source,
    })?;
    Ok(text)
}

fn hidden(
    global: &Global,
    prompt: &str,
    nobody: PromptError,
) -> Result<Zeroizing<String>, PromptError> {
    if global.json || !io::stderr().is_terminal() {
        return Err(nobody);
    }
    Ok(Zeroizing::new(rpassword::prompt_password(prompt)?))
}

/// Asks whether to go ahead. `--yes` answers.
///
/// # Errors
///
/// If there is nobody to ask.
pub(crate) fn confirm(global: &Global, question: &str) -> Result<bool, PromptError> {
    if global.yes {
        return Ok(true);
    }
    if global.json || !io::stdin().is_terminal() {
        return Err(PromptError::NoAnswer {
            question: question.to_owned(),
        });
    }
    eprint!("{question} [y/N] ");
    io::stderr().flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(["y", "yes"].contains(&answer.trim().to_lowercase().as_str()))
}
