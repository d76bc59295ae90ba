//! Where settings come from: options before the environment, the environment before the configuration file, the file
//! before the defaults.
//!
//! Clap knows the first two and the last. The file's values become defaults of the options that have their names, so that
//! one definition ([`crate::cli`]) says what can be set, checks it, and explains it, wherever it comes from. A file has
//! one line for each setting, such as `learning-rate = 0.01`, and no tables.

mod file;
mod json;
mod overruled;
mod setting;

use std::{
    collections::BTreeMap,
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
use overruled::Overruled;
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
    /// One source names a key in two ways, of which neither is the more particular.
    #[error("{} and {} name the same key in two ways: {advice}", both[0], both[1])]
    Contradiction {
        /// The two settings, as that source spells them.
        both: [String; 2],
        /// What to do.
        advice: String,
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
    args: Vec<OsString>,
    file: File,
    matches: ArgMatches,
    overruled: Overruled,
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
    understand_by(definition, args, file)
}

/// The command line by a definition whose defaults are all known but for those of the file.
fn understand_by(
    definition: Command,
    args: &[OsString],
    file: File,
) -> Result<(Cli, Config), ConfigError> {
    let mut definition = file.as_defaults(definition);
    let matches = definition.try_get_matches_from_mut(args)?;
    let overruled = Overruled::of(&matches, &file)?;
    let mut cli = Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut definition))?;
    overruled.leave_out(&mut cli.global);
    let args = args.to_owned();
    let config = Config {
        args,
        file,
        matches,
        overruled,
    };
    Ok((cli, config))
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

    /// Whether an option, the environment or the configuration file says anything of a setting of this command.
    pub fn is_said(&self, name: &str) -> bool {
        let id = id(name);
        let command = self.matches.subcommand().map(|(_, matches)| matches);
        let source = command.and_then(|matches| matches.value_source(&id));
        let is_outside = matches!(
            source,
            Some(ValueSource::CommandLine | ValueSource::EnvVariable)
        );
        is_outside || self.file.has(&id)
    }

    /// What these settings of this command are, as they would be written on the command line. Those that are not set and have
    /// no default are left out.
    ///
    /// # Panics
    ///
    /// If a setting is none of this command's: they are named in the program.
    pub fn values(&self, names: &[&str]) -> BTreeMap<String, String> {
        let command = self.matches.subcommand().map(|(_, matches)| matches);
        let command = command.unwrap_or(&self.matches);
        let value = |name: &&str| {
            let value = command.get_raw(&id(name))?.next()?;
            Some(((*name).to_owned(), value.to_str()?.to_owned()))
        };
        names.iter().filter_map(value).collect()
    }

    /// The same command line, environment and file, where what an earlier run was set to counts before the defaults.
    ///
    /// `earlier`: as [`Self::values`] gave it
    ///
    /// # Errors
    ///
    /// [`ConfigError::Usage`] if one of those values is none that there is any more.
    pub fn after(&self, earlier: &BTreeMap<String, String>) -> Result<(Cli, Config), ConfigError> {
        let values = earlier.iter();
        let values = values.map(|(name, value)| (id(name), vec![value.clone()]));
        let definition = File::of(values.collect()).as_defaults(Cli::definition());
        understand_by(definition, &self.args, self.file.clone())
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
            Setting::new(arg, matches, &self.file, &self.overruled)
        });
        Ok(settings.collect())
    }
}

/// The id of the option of a setting.
fn id(name: &str) -> String {
    name.replace('-', "_")
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Command;

    fn train(config: &Config, earlier: &[(&str, &str)]) -> (Box<crate::cli::Train>, Config) {
        let earlier = earlier.iter();
        let earlier = earlier.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let (cli, config) = config.after(&earlier.collect()).unwrap();
        match cli.command {
            Command::Train(train) => (train, config),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_an_earlier_run_was_set_to_counts_after_the_file_and_before_the_defaults() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("neuron.toml");
        std::fs::write(&path, "momentum = 0.5").unwrap();
        let file = format!("--config={}", path.display());
        let line = ["neuron", &file, "train", "--seed=7"];
        let (_, config) = understand(&line.map(OsString::from)).unwrap();
        let earlier = [
            ("seed", "1"),
            ("momentum", "0.1"),
            ("shard", "1/2"),
            ("mixed-precision", "true"),
        ];
        let (train, config) = train(&config, &earlier);
        assert_eq!((train.model.seed, train.training.momentum), (7, 0.5));
        assert_eq!(train.data.shard.to_string(), "1/2");
        assert!(train.model.mixed_precision);
        assert_eq!(train.training.learning_rate, 0.01);
        assert!(["seed", "momentum"].iter().all(|name| config.is_said(name)));
        let silent = ["shard", "mixed-precision", "learning-rate"];
        assert!(!silent.iter().any(|name| config.is_said(name)));
        let names = ["seed", "shard", "batch-size", "learning-rate"];
        let values = [("learning-rate", "0.01"), ("seed", "7"), ("shard", "1/2")];
        let values = values.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(config.values(&names), BTreeMap::from(values));
    }
}
