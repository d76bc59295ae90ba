//! Whether scripts read what is said, where the command line may be what is not understood.

use std::ffi::OsString;

use clap::{Args, Command};

use super::file_of;
use crate::cli::{self, Global};

/// What decides: `--json`, and where the file is that may have it.
const IDS: [&str; 2] = ["json", "config"];

/// Whether JSON was asked for, by the rules that hold for every setting. What cannot be understood asks for nothing.
pub(super) fn is_asked_for(args: &[OsString]) -> bool {
    value(args).unwrap_or(false)
}

fn value(args: &[OsString]) -> Option<bool> {
    let definition = definition();
    let said = said(args);
    let matches = definition.clone().try_get_matches_from(&said).ok()?;
    let file = file_of(&matches).unwrap_or_default();
    let matches = file
        .as_defaults(definition)
        .try_get_matches_from(&said)
        .ok()?;
    matches.get_one("json").copied()
}

/// A command that has nothing but these two.
fn definition() -> Command {
    let global = Global::augment_args(Command::new("neuron"));
    let args = global
        .get_arguments()
        .filter(|arg| IDS.contains(&arg.get_id().as_str()));
    let alone = Command::new("neuron")
        .no_binary_name(true)
        .args_override_self(true);
    cli::command(alone.args(args))
}

/// What the command line says of them.
fn said(args: &[OsString]) -> Vec<&OsString> {
    let mut args = args.iter().take_while(|arg| *arg != "--");
    let mut said = Vec::new();
    while let Some(arg) = args.next() {
        let text = arg.to_string_lossy();
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (&*text, None),
        };
        match (name, value) {
            ("--json", _) | ("--config", Some(_)) => said.push(arg),
            ("--config", None) => said.extend([arg].into_iter().chain(args.next())),
            _ => {}
        }
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_command_line_that_is_wrong_only_what_decides_is_read() {
        for (args, expected) in [
            ("neuron --json walet", &["--json"][..]),
            ("neuron train --lerning-rate 1 --json", &["--json"]),
            ("neuron --json=false --jsonlines", &["--json=false"]),
            ("neuron --config a.toml x", &["--config", "a.toml"]),
            ("neuron --config=a.toml x", &["--config=a.toml"]),
            ("neuron query -- --json", &[]),
            ("neuron --config", &["--config"]),
        ] {
            let args: Vec<_> = args.split(' ').map(OsString::from).collect();
            assert_eq!(said(&args), expected);
        }
    }

    #[test]
    fn the_definition_is_sound() {
        definition().debug_assert();
        assert_eq!(definition().get_arguments().count(), IDS.len());
    }
}
