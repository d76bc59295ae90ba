//! One setting as `neuron config show` lists it.

use std::path::PathBuf;

use clap::{Arg, ArgMatches, parser::ValueSource};
use serde::Serialize;

use super::{File, overruled::Overruled};

/// One setting: what it is, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// As options and files have it.
    pub name: String,
    /// The part of the help that it is explained in.
    pub group: String,
    /// As it would be written on the command line; lists with commas. None if it is not set and has no default.
    pub value: Option<String>,
    /// Where the value comes from.
    pub source: Source,
    /// The setting that counts instead of this one, if one does: both name the same key.
    pub overruled_by: Option<String>,
}

/// Where the value of a setting comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Source {
    /// An option.
    CommandLine,
    /// An environment variable.
    Environment {
        /// Its name.
        variable: String,
    },
    /// The configuration file.
    File {
        /// Where it lies.
        path: PathBuf,
    },
    /// What the program thinks best.
    Default,
}

impl Setting {
    /// What `matches` says of the option `arg`, of which `file` may have given the default.
    pub(super) fn new(
        arg: &Arg,
        matches: &ArgMatches,
        file: &File,
        overruled: &Overruled,
    ) -> Setting {
        let id = arg.get_id().as_str();
        let source = match (matches.value_source(id), file.path()) {
            (Some(ValueSource::CommandLine), _) => Source::CommandLine,
            (Some(ValueSource::EnvVariable), _) => Source::Environment {
                variable: arg
                    .get_env()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned(),
            },
            (_, Some(path)) if file.has(id) => Source::File { path: path.into() },
            _ => Source::Default,
        };
        let values = matches.get_raw(id).map(|values| {
            let values: Vec<_> = values.map(|value| value.to_string_lossy()).collect();
            values.join(",")
        });
        let is_secret = arg.is_hide_env_values_set();
        Setting {
            name: arg.get_long().unwrap_or(id).to_owned(),
            group: arg.get_help_heading().unwrap_or_default().to_owned(),
            value: values.map(|value| {
                if is_secret {
                    "(hidden)".to_owned()
                } else {
                    value
                }
            }),
            source,
            overruled_by: overruled.by_which(id).map(|id| id.replace('_', "-")),
        }
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Source::CommandLine => f.write_str("command line"),
            Source::Environment { variable } => f.write_str(variable),
            Source::File { path } => write!(f, "{}", path.display()),
            Source::Default => f.write_str("default"),
        }
    }
}
