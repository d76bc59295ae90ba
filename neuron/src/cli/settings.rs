//! What makes an option a setting, and all of them in one place.

use clap::{Arg, ArgAction, Args, Command, builder::BoolishValueParser};

use super::{Global, Serve, Train};

/// Makes each switch that is a setting one that can be turned off too: what a file turned on, `--resume=false` turns off.
pub(crate) fn command(command: Command) -> Command {
    command.mut_args(reversible).mut_subcommands(self::command)
}

fn reversible(arg: Arg) -> Arg {
    let is_switch = matches!(arg.get_action(), ArgAction::SetTrue);
    if !is_switch || arg.get_env().is_none() {
        return arg;
    }
    arg.action(ArgAction::Set)
        .num_args(0..=1)
        .require_equals(true)
        .value_name("BOOL")
        .value_parser(BoolishValueParser::new())
        .default_value("false")
        .default_missing_value("true")
        .hide_default_value(true)
        .hide_possible_values(true)
}

/// A command that has every setting of every command as an option, and nothing else. Not which file is read, since that
/// is no setting that a file could have.
pub(crate) fn settings_command() -> Command {
    let everything = [
        Global::augment_args(Command::new("neuron")),
        Train::augment_args(Command::new("neuron")),
        Serve::augment_args(Command::new("neuron")),
    ];
    let mut settings = Command::new("neuron")
        .disable_help_flag(true)
        .disable_version_flag(true);
    for arg in everything.iter().flat_map(Command::get_arguments) {
        let is_new = settings
            .get_arguments()
            .all(|known| known.get_id() != arg.get_id());
        if is_new && arg.get_env().is_some() && arg.get_id() != "config" {
            settings = settings.arg(arg.clone());
        }
    }
    command(settings)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn the_definition_is_sound() {
        Cli::definition().debug_assert();
        settings_command().debug_assert();
    }

    #[test]
    fn a_setting_has_one_name_in_three_spellings() {
        for setting in settings_command().get_arguments() {
            let long = setting.get_long().unwrap();
            let env = format!("CONNECTOME_{}", long.to_uppercase().replace('-', "_"));
            assert_eq!(setting.get_env().unwrap().to_str(), Some(env.as_str()));
            assert_eq!(setting.get_id().as_str(), long.replace('-', "_"));
            assert!(setting.get_help().is_some(), "{long} is not explained");
            assert!(
                setting.get_help_heading().is_some(),
                "{long} is in no group"
            );
        }
    }

    #[test]
    fn a_setting_means_the_same_in_every_command() {
        let mut seen = BTreeMap::new();
        let mut commands = vec![Cli::definition()];
        while let Some(command) = commands.pop() {
            for arg in command
                .get_arguments()
                .filter(|arg| arg.get_env().is_some())
            {
                let meaning = format!("{:?} {:?}", arg.get_default_values(), arg.get_help());
                let first = seen.entry(arg.get_id().clone()).or_insert(meaning.clone());
                assert_eq!(
                    *first,
                    meaning,
                    "{} in {}",
                    arg.get_id(),
                    command.get_name()
                );
            }
            commands.extend(command.get_subcommands().cloned());
        }
        assert!(seen.len() > 40, "{}", seen.len());
    }
}
