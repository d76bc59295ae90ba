//! The configuration file.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use clap::{
    ArgAction, Command,
    error::{ContextKind, ContextValue},
};
use toml::Value;

use super::{ConfigError, each_arg};
use crate::cli::settings_command;

/// What a configuration file says; nothing, if there is none.
#[derive(Clone, Debug, Default)]
pub(super) struct File {
    path: Option<PathBuf>,
    /// By the ids of options, as they would be written on the command line.
    values: BTreeMap<String, Vec<String>>,
}

impl File {
    /// What a file would say that has these values, by the ids of options.
    pub(super) fn of(values: BTreeMap<String, Vec<String>>) -> File {
        File { path: None, values }
    }

    /// Reads a file that must be there.
    pub(super) fn read(path: &Path) -> Result<File, ConfigError> {
        let text = fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.into(),
            source,
        })?;
        File::parse(path, &text)
    }

    /// Reads a file that need not be there.
    pub(super) fn read_if_there(path: &Path) -> Result<File, ConfigError> {
        match File::read(path) {
            Err(ConfigError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(File::default())
            }
            read => read,
        }
    }

    fn parse(path: &Path, text: &str) -> Result<File, ConfigError> {
        let table: toml::Table =
            text.parse()
                .map_err(|error: toml::de::Error| ConfigError::Syntax {
                    path: path.into(),
                    message: error.to_string().trim_end().to_owned(),
                })?;
        // The environment is none of the file's faults.
        let settings = each_arg(settings_command().no_binary_name(true), &|arg| {
            arg.env(None::<&str>)
        });
        let mut values = BTreeMap::new();
        for (key, value) in &table {
            let (id, texts) = check(&settings, path, key, value)?;
            values.insert(id, texts);
        }
        Ok(File {
            path: Some(path.into()),
            values,
        })
    }

    /// Where it was read.
    pub(super) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Whether it has a setting.
    pub(super) fn has(&self, id: &str) -> bool {
        self.values.contains_key(id)
    }

    /// A command whose settings have the file's values as defaults.
    pub(super) fn as_defaults(&self, command: Command) -> Command {
        each_arg(
            command,
            &|arg| match self.values.get(arg.get_id().as_str()) {
                Some(values) if arg.get_env().is_some() => arg.default_values(values),
                _ => arg,
            },
        )
    }
}

/// The id of a setting and its values, if the option of its name would take them.
fn check(
    settings: &Command,
    path: &Path,
    key: &str,
    value: &Value,
) -> Result<(String, Vec<String>), ConfigError> {
    let arg = settings
        .get_arguments()
        .find(|arg| arg.get_long() == Some(key));
    let Some(arg) = arg else {
        return Err(ConfigError::UnknownKey {
            path: path.into(),
            key: key.to_owned(),
            suggestion: similar(settings, key),
        });
    };
    if arg.is_hide_env_values_set() {
        return Err(ConfigError::Secret {
            path: path.into(),
            key: key.to_owned(),
        });
    }
    let refuse = |message: String| ConfigError::Value {
        path: path.into(),
        key: key.to_owned(),
        message,
    };
    let texts = texts(value).ok_or_else(|| {
        refuse("expected a text, a number, true or false, or a list of these".to_owned())
    })?;
    if texts.is_empty() && !matches!(arg.get_action(), ArgAction::Append) {
        return Err(refuse("expected a value, got an empty list".to_owned()));
    }
    let options = texts.iter().map(|text| format!("--{key}={text}"));
    match settings.clone().try_get_matches_from(options) {
        Ok(_) => Ok((arg.get_id().to_string(), texts)),
        Err(error) => Err(refuse(first_paragraph(&error))),
    }
}

/// A value as it would be written on the command line.
fn texts(value: &Value) -> Option<Vec<String>> {
    let one = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) => Some(value.to_string()),
        _ => None,
    };
    match value {
        Value::Array(values) => values.iter().map(one).collect(),
        value => Some(vec![one(value)?]),
    }
}

/// The setting whose name is most like `key`, as Clap sees it.
fn similar(settings: &Command, key: &str) -> Option<String> {
    let error = settings
        .clone()
        .try_get_matches_from([format!("--{key}")])
        .err()?;
    match error.get(ContextKind::SuggestedArg)? {
        ContextValue::String(option) => Some(option.trim_start_matches("--").to_owned()),
        _ => None,
    }
}

/// What Clap says is wrong, without how to get help on options.
fn first_paragraph(error: &clap::Error) -> String {
    let rendered = error.render().to_string();
    let paragraph = rendered.split("\n\n").next().unwrap_or_default();
    paragraph.trim_start_matches("error: ").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<File, ConfigError> {
        File::parse(Path::new("neuron.toml"), text)
    }

    fn error(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    #[test]
    fn values_are_kept_as_they_would_be_written_on_the_command_line() {
        let file = parse("netid = 3\nlearning-rate = 0.5\nresume = true\nwire = 'f16'\nchain = ['ws://a', 'ws://b']").unwrap();
        for (id, expected) in [
            ("netid", &["3"][..]),
            ("learning_rate", &["0.5"]),
            ("resume", &["true"]),
            ("wire", &["f16"]),
            ("chain", &["ws://a", "ws://b"]),
        ] {
            assert_eq!(file.values[id], expected);
        }
    }

    #[test]
    fn unknown_settings_are_refused_with_a_suggestion() {
        for (text, expected) in [
            (
                "lerning-rate = 1",
                r#"there is no setting "lerning-rate"; did you mean "learning-rate"?"#,
            ),
            ("learning_rate = 1", r#"did you mean "learning-rate"?"#),
            ("zzz = 1", "neuron config show lists all settings"),
            ("[train]\nsteps = 1", r#"there is no setting "train""#),
            ("config = 'other.toml'", r#"there is no setting "config""#),
        ] {
            assert!(error(text).contains(expected), "{}", error(text));
        }
    }

    #[test]
    fn values_that_a_setting_cannot_have_are_refused_by_its_name() {
        for (text, expected) in [
            ("netid = 70000", "neuron.toml: netid: invalid value '70000'"),
            ("netid = 'x'", "neuron.toml: netid: invalid value 'x'"),
            (
                "netid = [1, 2]",
                "netid: the argument '--netid <NUMBER>' cannot be used multiple times",
            ),
            ("netid = []", "netid: expected a value"),
            ("wire = 'f8'", "possible values: f32, f16, bf16"),
            ("chain = 'http://a'", "expected ws:// or wss://"),
            ("netid = { a = 1 }", "netid: expected a text, a number"),
            ("resume = 'perhaps'", "resume: invalid value 'perhaps'"),
        ] {
            assert!(error(text).contains(expected), "{}", error(text));
        }
    }

    #[test]
    fn secrets_are_refused_without_repeating_them() {
        assert!(error("uri = '//Secret'").contains("uri is a secret"));
        assert!(!error("hotkey-uri = '//Secret'").contains("//Secret"));
    }

    #[test]
    fn what_is_no_toml_is_refused_with_its_place() {
        assert!(error("netid =").contains("line 1"), "{}", error("netid ="));
    }

    #[test]
    fn a_file_need_not_be_there_unless_it_was_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("neuron.toml");
        assert!(File::read_if_there(&path).unwrap().path().is_none());
        assert!(matches!(File::read(&path), Err(ConfigError::Read { .. })));
    }
}
