//! Where settings come from: options before the environment, the environment before the configuration file, the file
//! before the defaults.
//!
//! Clap knows the first two and the last. The file's values become defaults of the options that have their names, so that
//! one definition ([`crate::cli`]) says what can be set, checks it, and explains it, wherever it comes from. A file has
//! one line for each setting, such as `learning-rate = 0.01`, and no tables.

mod file;
mod json;
mod setting;

use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
};

use clap::{
    ArgMatches, Command, FromArgMatches,
    error::{ContextKind, ContextValue},
    parser::ValueSource,
};

use crate::cli::{Cli, settings_command};
use file::File;
pub use setting::{Setting, Source};

/// Why a command line, an environment or a configuration file is not understood.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The command line asks for help, or it or the environment is wrong. Says so itself.
    #[error("{0}")]
    Usage(#[from] clap::Error),
    /// The configuration file cannot be read.
    #[error("cannot read the configuration file {}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not TOML.
    #[error("{}: expected TOML: {message}", path.display())]
    Syntax {
        /// Which file.
        path: PathBuf,
        /// Where and why.
        message: String,
    },
    /// It has a line that is no setting.
    #[error("{}: there is no setting {key:?}{}", path.display(), suggest(suggestion))]
    UnknownKey {
        /// Which file.
        path: PathBuf,
        /// Which line.
        key: String,
        /// What may have been meant.
        suggestion: Option<String>,
    },
    /// It has a secret, which does not belong into a file that is not a key file.
    #[error("{}: {key} is a secret; keep it in a wallet (see neuron wallet import)", path.display())]
    Secret {
        /// Which file.
        path: PathBuf,
        /// Which line.
        key: String,
    },
    /// A setting has a value that it cannot have.
    #[error("{}: {key}: {message}", path.display())]
    Value {
        /// Which file.
        path: PathBuf,
        /// Which line.
        key: String,
        /// What was expected.
        message: String,
    },
    /// Options name a wallet, but the environment a key, which would be used instead.
    #[error(
        "{variable} is set, and would be used instead of what --{option} says; unset one of them"
    )]
    Contradiction {
        /// The environment variable.
        variable: &'static str,
        /// The option.
        option: &'static str,
    },
}

/// Why a run has no settings, and who is to be told.
#[derive(Debug)]
pub struct NotUnderstood {
    /// Why.
    pub error: ConfigError,
    /// Whether scripts read it: `--json`, as far as that can be told.
    pub is_json: bool,
}

fn suggest(suggestion: &Option<String>) -> String {
    match suggestion {
        Some(name) => format!("; did you mean {name:?}?"),
        None => "; neuron config show lists all settings".to_owned(),
    }
}

/// Where the settings of this run came from.
#[derive(Debug)]
pub struct Config {
    file: File,
    matches: ArgMatches,
}

/// Reads the command line (the first of `args` is the program), the environment, and the configuration file.
///
/// # Errors
///
/// If one of them is not understood. A request for help is an error too, as Clap has it.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<(Cli, Config), NotUnderstood> {
    let args: Vec<OsString> = args.into_iter().collect();
    understand(&args).map_err(|error| NotUnderstood {
        error,
        is_json: json::is_asked_for(&args),
    })
}

fn understand(args: &[OsString]) -> Result<(Cli, Config), ConfigError> {
    let definition = Cli::definition();
    // Once without the file, only to learn which file. Nothing that the file could say makes a wrong line right.
    let matches = definition
        .clone()
        .try_get_matches_from(args)
        .map_err(explain_environment)?;
    let file = file_of(&matches)?;
    let mut definition = file.as_defaults(definition);
    let matches = definition.try_get_matches_from_mut(args)?;
    refuse_contradictions(&matches)?;
    let cli = Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut definition))?;
    Ok((cli, Config { file, matches }))
}

/// The configuration file that options or environment name, or else the user's.
fn file_of(matches: &ArgMatches) -> Result<File, ConfigError> {
    match matches.get_one::<PathBuf>("config") {
        Some(path) => File::read(path),
        None => default_path().map_or(Ok(File::default()), |path| File::read_if_there(&path)),
    }
}

/// The configuration file of a user who names none: `~/.config/connectome/neuron.toml`, by the rules of the system.
pub fn default_path() -> Option<PathBuf> {
    directories::BaseDirs::new().map(|folders| folders.config_dir().join("connectome/neuron.toml"))
}

impl Config {
    /// The configuration file that was read, if one was.
    pub fn path(&self) -> Option<&Path> {
        self.file.path()
    }

    /// The configuration file that was asked for, whether by an option or by default.
    pub fn expected_path(&self) -> Option<PathBuf> {
        let named = self.matches.get_one::<PathBuf>("config");
        named.cloned().or_else(default_path)
    }

    /// Whether this command was given an option, which otherwise comes from the environment, the file or the defaults.
    pub fn is_option(&self, id: &str) -> bool {
        let command = self.matches.subcommand().map(|(_, matches)| matches);
        let source = command.and_then(|matches| matches.value_source(id));
        source == Some(ValueSource::CommandLine)
    }

    /// Every setting of every command, in the order of the help. Those that this command does not have are as if the
    /// command that has them were called without options.
    pub fn settings(&self) -> Result<Vec<Setting>, ConfigError> {
        let command = self.file.as_defaults(settings_command());
        let alone = command
            .clone()
            .no_binary_name(true)
            .try_get_matches_from([""; 0])
            .map_err(explain_environment)?;
        let settings = command.get_arguments().map(|arg| {
            // What this command does not have, it has no value of. (Whether it is defined, Clap only knows with debug
            // assertions.)
            let is_here = self.matches.ids().any(|id| id == arg.get_id());
            let matches = if is_here { &self.matches } else { &alone };
            Setting::new(arg, matches, &self.file)
        });
        Ok(settings.collect())
    }
}

/// `--wallet mine` beside a forgotten `CONNECTOME_URI=//Alice` must not sign for Alice.
fn refuse_contradictions(matches: &ArgMatches) -> Result<(), ConfigError> {
    let is = |id, source| matches.value_source(id) == Some(source);
    for (uri, variable) in [
        ("uri", "CONNECTOME_URI"),
        ("hotkey_uri", "CONNECTOME_HOTKEY_URI"),
    ] {
        let named = ["wallet", "hotkey"]
            .into_iter()
            .find(|option| is(option, ValueSource::CommandLine));
        if let (true, Some(option)) = (is(uri, ValueSource::EnvVariable), named) {
            return Err(ConfigError::Contradiction { variable, option });
        }
    }
    Ok(())
}

/// Names the variable that a wrong value is from, which Clap reports as if it were written on the command line.
fn explain_environment(mut error: clap::Error) -> clap::Error {
    let (Some(ContextValue::String(option)), Some(ContextValue::String(value))) = (
        error.get(ContextKind::InvalidArg).cloned(),
        error.get(ContextKind::InvalidValue).cloned(),
    ) else {
        return error;
    };
    let settings = settings_command();
    let variable = settings.get_arguments().find_map(|arg| {
        let is_it = option.starts_with(&format!("--{} ", arg.get_long()?));
        let variable = arg.get_env()?.to_str()?;
        (is_it && std::env::var(variable).is_ok_and(|set| set == value))
            .then(|| variable.to_owned())
    });
    if let Some(variable) = variable {
        error.insert(
            ContextKind::InvalidArg,
            ContextValue::String(format!("{option} (environment variable {variable})")),
        );
    }
    error
}

/// What comes of a command when `change` is made to each of its options, and those of its subcommands.
fn each_arg(command: Command, change: &impl Fn(clap::Arg) -> clap::Arg) -> Command {
    command
        .mut_args(change)
        .mut_subcommands(|subcommand| each_arg(subcommand, change))
}
