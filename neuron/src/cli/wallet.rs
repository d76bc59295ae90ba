//! `neuron wallet`.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand, ValueEnum};

use super::{examples, global::path};

/// `neuron wallet`.
#[derive(Debug, Subcommand)]
pub enum WalletCommand {
    /// Make new keys, and show the words that they can be had from again, once
    ///
    /// Makes the coldkey and the hotkey that --wallet and --hotkey name. The coldkey is encrypted, and the hotkey is unless
    /// --unencrypted-hotkey says otherwise. Keys that are there already are left alone: a wallet that has a coldkey
    /// gets another hotkey by `--only hotkey --hotkey NAME`.
    #[command(after_help = examples::WALLET_NEW)]
    New(New),
    /// Store a key that you have: as words, a seed, or the JSON of polkadot.js
    #[command(after_help = examples::WALLET_IMPORT)]
    Import(Import),
    /// List all wallets and their hotkeys
    List,
    /// Show the addresses of one wallet
    Show(Show),
}

/// Which key of a wallet.
#[derive(Copy, Clone, Debug, PartialEq, Eq, ValueEnum)]
pub enum Scope {
    /// The key that owns funds
    Coldkey,
    /// The key that signs for a neuron
    Hotkey,
}

/// `neuron wallet new`.
#[derive(Debug, Args)]
pub struct New {
    /// Make one of the two keys only
    #[arg(long, value_name = "KEY", value_enum)]
    pub only: Option<Scope>,
    /// Store the hotkey without a password, for a neuron that starts on its own
    #[arg(long)]
    pub unencrypted_hotkey: bool,
    /// Replace keys that are there already: they are lost, unless you have their words
    #[arg(long)]
    pub overwrite: bool,
}

/// `neuron wallet import`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("from").required(true).args(["phrase", "phrase_file", "seed", "seed_file", "json_file"]))]
pub struct Import {
    /// Which key it becomes
    #[arg(value_name = "KEY", value_enum)]
    pub scope: Scope,
    /// Ask for the 12 to 24 words of the key (a path may follow them, as in Substrate's tools: word word ..//hard/soft)
    #[arg(long)]
    pub phrase: bool,
    /// Read the words from a file; - is standard input
    #[arg(long, value_name = "FILE", value_parser = path)]
    pub phrase_file: Option<PathBuf>,
    /// Ask for the seed of the key, 0x and 64 hexadecimal digits
    #[arg(long)]
    pub seed: bool,
    /// Read the seed from a file; - is standard input
    #[arg(long, value_name = "FILE", value_parser = path)]
    pub seed_file: Option<PathBuf>,
    /// Read a file that polkadot.js exported
    #[arg(long, value_name = "FILE", value_parser = path)]
    pub json_file: Option<PathBuf>,
    /// Store the hotkey without a password, for a neuron that starts on its own
    #[arg(long)]
    pub unencrypted_hotkey: bool,
    /// Replace the key that is there already: it is lost, unless you have its words
    #[arg(long)]
    pub overwrite: bool,
}

/// `neuron wallet show`.
#[derive(Debug, Args)]
pub struct Show {
    /// Also open each key, which proves that the password is right
    #[arg(long)]
    pub verify: bool,
}
