//! Settings that every command has: keys, chain, output.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use neuron_wallet::KeyName;

use super::Secret;

/// What every command has.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Name of the wallet whose keys are used
    #[arg(
        long,
        global = true,
        env = "CONNECTOME_WALLET",
        value_name = "NAME",
        default_value = "default"
    )]
    pub wallet: KeyName,
    /// Name of the wallet's hotkey that is used
    #[arg(
        long,
        global = true,
        env = "CONNECTOME_HOTKEY",
        value_name = "NAME",
        default_value = "default"
    )]
    pub hotkey: KeyName,
    /// Folder of all wallets
    #[arg(
        long,
        global = true,
        env = "CONNECTOME_WALLETS",
        value_name = "FOLDER",
        default_value = default_wallets(),
        value_parser = path
    )]
    pub wallets: PathBuf,
    /// Key to use instead of a wallet's coldkey and hotkey, such as //Alice, on a development chain
    ///
    /// A phrase or a seed does too, but every user of the machine can see it. Where --wallet or --hotkey is set too, an option
    /// counts before the environment, and the environment before a file.
    #[arg(long, global = true, env = "CONNECTOME_URI", hide_env_values = true)]
    pub uri: Option<Secret>,
    /// Key to use as the hotkey, if it is another than that of --uri
    #[arg(
        long,
        global = true,
        env = "CONNECTOME_HOTKEY_URI",
        hide_env_values = true,
        value_name = "URI"
    )]
    pub hotkey_uri: Option<Secret>,
    /// File whose first line is the password of the keys
    ///
    /// Counts before the environment variable CONNECTOME_PASSWORD. Without either, the password is asked for where there
    /// is a terminal.
    #[arg(
        long,
        global = true,
        env = "CONNECTOME_PASSWORD_FILE",
        value_name = "FILE",
        value_parser = path
    )]
    pub password_file: Option<PathBuf>,
    /// Nodes of the chain, comma separated or repeated: if one fails, the next is asked
    #[arg(
        long,
        global = true,
        env = "CONNECTOME_CHAIN",
        value_name = "URL",
        value_delimiter = ',',
        default_value = "ws://127.0.0.1:9944",
        value_parser = node_url
    )]
    pub chain: Vec<String>,
    /// Network of the chain that the command is about
    #[arg(
        long,
        global = true,
        env = "CONNECTOME_NETID",
        value_name = "NUMBER",
        default_value = "0"
    )]
    pub netid: u16,
    /// Write JSON to standard output, and ask nothing
    ///
    /// Standard error is JSON too, an object on each line. What failed is the last of them, {"error": TEXT, "causes": TEXTS,
    /// "exit_code": NUMBER}; only that one has an exit code. Those before it are logged events.
    #[arg(long, global = true, env = "CONNECTOME_JSON")]
    pub json: bool,
    /// Go ahead without asking
    #[arg(long, short, global = true, env = "CONNECTOME_YES")]
    pub yes: bool,
    /// Which events are logged to standard error, such as warn or neuron_peer=debug,info
    ///
    /// Without it, the environment variable RUST_LOG counts; without that too, serve and train log from info up, other
    /// commands from warn up.
    #[arg(long, global = true, env = "CONNECTOME_LOG", value_name = "FILTER")]
    pub log: Option<String>,
    /// How events are logged [default: text, with --json: json]
    #[arg(
        long,
        global = true,
        env = "CONNECTOME_LOG_FORMAT",
        value_name = "FORMAT",
        value_enum
    )]
    log_format: Option<LogFormat>,
    /// Configuration file [default: neuron.toml in the folder that `neuron config path` says]
    #[arg(long, global = true, env = "CONNECTOME_CONFIG", value_name = "FILE", value_parser = path)]
    pub config: Option<PathBuf>,
}

impl Global {
    /// How events are logged. Who reads JSON need not read something else on standard error, unless that was asked for.
    pub fn log_format(&self) -> LogFormat {
        self.log_format.unwrap_or(match self.json {
            true => LogFormat::Json,
            false => LogFormat::Text,
        })
    }
}

/// How events are logged.
#[derive(Copy, Clone, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One line for people
    Text,
    /// One JSON object per line
    Json,
}

fn default_wallets() -> String {
    let root = neuron_wallet::default_root();
    // Who has no home has wallets where they are.
    root.and_then(|root| root.to_str().map(str::to_owned))
        .unwrap_or_else(|| "wallets".to_owned())
}

/// A path, of which `~/` is the user's home, as in a shell: files and environments expand nothing.
pub(crate) fn path(text: &str) -> Result<PathBuf, String> {
    match text.strip_prefix("~/") {
        Some(rest) => std::env::home_dir()
            .map(|home| home.join(rest))
            .ok_or_else(|| "expected a path without ~, since you have no home folder".to_owned()),
        None if text.is_empty() => Err("expected a path, got nothing".to_owned()),
        None => Ok(text.into()),
    }
}

fn node_url(text: &str) -> Result<String, String> {
    let rest = ["ws://", "wss://"]
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme));
    match rest {
        Some(host) if !host.is_empty() => Ok(text.to_owned()),
        _ => Err("expected ws:// or wss:// and a host, such as ws://127.0.0.1:9944".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_reached_by_web_sockets() {
        assert_eq!(
            node_url("wss://node.example:443").unwrap(),
            "wss://node.example:443"
        );
        for bad in ["", "ws://", "http://127.0.0.1:9944", "127.0.0.1:9944"] {
            assert!(node_url(bad).unwrap_err().contains("ws://127.0.0.1:9944"));
        }
    }

    #[test]
    fn a_tilde_is_the_home() {
        let home = std::env::home_dir().unwrap();
        assert_eq!(path("~/keys").unwrap(), home.join("keys"));
        assert_eq!(path("keys/~").unwrap(), PathBuf::from("keys/~"));
        assert!(path("").is_err());
    }
}
