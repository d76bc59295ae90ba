//! Examples, shown at the end of each command's help. A test parses every one.

pub(super) const WALLET: &str = "\
Examples:
  neuron wallet new                              a coldkey and a hotkey
  neuron wallet new --only hotkey --hotkey two   another hotkey of the same coldkey
  neuron wallet import coldkey --phrase          a key that you have the words of
  neuron wallet show --verify                    try the passwords";

pub(super) const WALLET_NEW: &str = "\
Examples:
  neuron wallet new                              a coldkey and a hotkey, named default
  neuron wallet new --unencrypted-hotkey         for a neuron that starts on its own
  neuron wallet new --only hotkey --hotkey two   another hotkey of the same coldkey";

pub(super) const WALLET_IMPORT: &str = "\
Examples:
  neuron wallet import coldkey --phrase                   asks for its words
  neuron wallet import hotkey --json-file exported.json   as polkadot.js exports it
  neuron wallet import hotkey --seed-file -               from standard input";

pub(super) const REGISTER: &str = "\
Examples:
  neuron register                            in network 0, at the price that is asked now
  neuron register --netid 1 --max-price 0.5  in network 1, if it costs at most that
  neuron register --uri //Alice --yes        on a development chain, without a question";

pub(super) const SERVE: &str = "\
Examples:
  neuron serve --run run/one   the best model of that run
  neuron serve --listen 0.0.0.0:8092 --advertise 198.51.100.7:8092   behind NAT";

pub(super) const TRAIN: &str = "\
Examples:
  neuron train                            the digits that come with the program
  neuron train --shard 0/2 --run run/one  the first half of them, kept in that folder
  neuron train --run run/one --resume     go on where that stopped
  neuron train --alone --epochs 10        without chain and peers, to compare with
  neuron train --listen 0.0.0.0:8092 --advertise 198.51.100.7:8092   behind NAT";

pub(super) const EXPORT: &str = "\
Examples:
  neuron export model --run run/one           the best model of that run
  neuron export model --run run/one --force   again, in place of the earlier one
  neuron export model --checkpoint last       as it is now, of the wallet's own neuron";

pub(super) const QUERY: &str = "\
Examples:
  neuron query seven.png                  ask all that serve images
  neuron query note.png --invert          dark strokes on light ground, as on paper
  neuron query seven.png --uids 1,3 --deadline 5s --json
  neuron query --text once --tokenizer run/one   how the text goes on, by the tokeniser of the model";

pub(super) const STAKE: &str = "\
Examples:
  neuron stake show          what there is
  neuron stake add 100       on your own hotkey
  neuron stake remove all    back to the coldkey";

pub(super) const WEIGHTS: &str = "\
Examples:
  neuron weights show             all rows
  neuron weights show --uid 0     that of one neuron
  neuron weights set 1=0.7 2=0.3  your own";

pub(super) const METAGRAPH: &str = "\
Examples:
  neuron metagraph --watch            again with each block
  neuron metagraph --serving --json   for scripts";

pub(super) const NETWORK: &str = "\
Examples:
  neuron network list
  neuron network show --netid 1
  neuron network create text --tempo 100 --uri //Alice   as root of a development chain";

pub(super) const DOCTOR: &str = "\
Examples:
  neuron doctor                         the neuron of the wallet, where it is or would be
  neuron doctor --listen 0.0.0.0:8092   whether one could be reached there";

pub(super) const CONFIG: &str = "\
Examples:
  neuron config show                     every setting
  neuron config show --config two.toml   with another file";

pub(super) const COMPLETIONS: &str = "\
Examples:
  neuron completions bash > /etc/bash_completion.d/neuron
  neuron completions zsh > ~/.zfunc/_neuron
  neuron completions fish > ~/.config/fish/completions/neuron.fish";

#[cfg(test)]
mod tests {
    use clap::Command;

    use crate::cli::Cli;

    /// The commands in a text: lines that begin so, up to two spaces or a redirection.
    fn commands(text: &str) -> Vec<Vec<&str>> {
        let lines = text.lines().map(str::trim);
        let commands = lines.filter(|line| line.starts_with("neuron "));
        let ends = ["  ", " > "];
        commands
            .map(|line| {
                ends.iter()
                    .fold(line, |line, end| line.split(end).next().unwrap_or(line))
            })
            .map(|command| command.split(' ').collect())
            .collect()
    }

    fn examples(command: &Command) -> Vec<String> {
        let texts = [command.get_after_help(), command.get_long_about()];
        let own = texts.into_iter().flatten().map(ToString::to_string);
        let below = command.get_subcommands().flat_map(examples);
        own.chain(below).collect()
    }

    #[test]
    fn every_example_is_understood() {
        let all = examples(&Cli::definition()).join("\n");
        let all = commands(&all);
        assert!(all.len() > 30, "{all:?}");
        for example in all {
            let parsed = Cli::definition().try_get_matches_from(&example);
            assert!(parsed.is_ok(), "{example:?}: {parsed:?}");
        }
    }

    #[test]
    fn every_command_has_an_example() {
        for command in Cli::definition().get_subcommands() {
            let name = command.get_name();
            let all = examples(command).join("\n");
            let starts = format!("  neuron {name}");
            assert!(all.contains(&starts), "{name} has no example");
        }
    }
}
