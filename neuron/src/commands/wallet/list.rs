//! `neuron wallet list` and `neuron wallet show`.

use std::path::PathBuf;

use anyhow::Context;
use neuron_wallet::{KeyFile, KeyFileError, PublicKey, Wallet};
use serde::Serialize;

use crate::{
    KeysError, Output,
    cli::{self, Global},
    table,
};

/// A wallet, as commands list it.
#[derive(Serialize)]
struct Listed {
    wallet: String,
    coldkey: Option<Key>,
    hotkeys: Vec<Key>,
}

/// A key of a wallet. One that cannot be read is listed too, with the reason.
#[derive(Serialize)]
struct Key {
    name: String,
    path: PathBuf,
    address: Option<PublicKey>,
    encrypted: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

pub(super) fn list(global: &Global) -> anyhow::Result<()> {
    let wallets = Wallet::list(&global.wallets)?;
    let listed: Vec<_> = wallets.iter().map(listed).collect::<Result<_, _>>()?;
    Output::new(global).show(&listed, |listed| match listed.is_empty() {
        true => format!(
            "No wallets in {}. Make one: neuron wallet new",
            global.wallets.display()
        ),
        false => describe(listed),
    })?;
    Ok(())
}

pub(super) fn show(global: &Global, show: &cli::Show) -> anyhow::Result<()> {
    if global.uri.is_some() {
        return show_uri(global);
    }
    let wallet = global.wallet();
    let listed = listed(&wallet)?;
    if listed.coldkey.is_none() && listed.hotkeys.is_empty() {
        return Err(KeysError::NoColdkey {
            wallet: global.wallet.to_string(),
        }
        .into());
    }
    if show.verify {
        verify(global, &wallet)?;
    }
    Output::new(global).show(&listed, |listed| {
        let keys = listed.coldkey.iter().chain(&listed.hotkeys);
        let paths: Vec<_> = keys.map(|key| key.path.display().to_string()).collect();
        format!(
            "{}\n\n{}",
            describe(std::slice::from_ref(listed)),
            paths.join("\n")
        )
    })?;
    Ok(())
}

/// Opens every key of a wallet.
fn verify(global: &Global, wallet: &Wallet) -> anyhow::Result<()> {
    match wallet.coldkey() {
        Err(KeyFileError::Missing { .. }) => {}
        file => {
            global.open(&file?, &global.coldkey_name())?;
        }
    }
    for hotkey in wallet.hotkeys()? {
        let name = format!("hotkey {:?}", hotkey.as_ref());
        let file = wallet
            .hotkey(&hotkey)
            .with_context(|| format!("cannot use {name}"))?;
        global.open(&file, &name)?;
    }
    Ok(())
}

/// The addresses of development keys.
fn show_uri(global: &Global) -> anyhow::Result<()> {
    #[derive(Serialize)]
    struct Addresses {
        coldkey: PublicKey,
        hotkey: PublicKey,
    }
    let addresses = Addresses {
        coldkey: global.coldkey_address()?,
        hotkey: global.hotkey_address()?,
    };
    Output::new(global).show(&addresses, |addresses| {
        format!(
            "coldkey  {}\nhotkey   {}",
            addresses.coldkey, addresses.hotkey
        )
    })?;
    Ok(())
}

fn listed(wallet: &Wallet) -> Result<Listed, KeyFileError> {
    let coldkey = match wallet.coldkey() {
        Err(KeyFileError::Missing { .. }) => None,
        file => Some(key("coldkey".to_owned(), wallet.coldkey_path(), file)),
    };
    let hotkeys = wallet.hotkeys()?.into_iter().map(|name| {
        let (path, file) = (wallet.hotkey_path(&name), wallet.hotkey(&name));
        key(name.to_string(), path, file)
    });
    Ok(Listed {
        wallet: wallet.name().to_string(),
        coldkey,
        hotkeys: hotkeys.collect(),
    })
}

fn key(name: String, path: PathBuf, file: Result<KeyFile, KeyFileError>) -> Key {
    Key {
        name,
        path,
        address: file.as_ref().ok().map(KeyFile::address),
        encrypted: file.as_ref().ok().map(KeyFile::is_encrypted),
        error: file.err().map(|error| error.to_string()),
    }
}

fn describe(wallets: &[Listed]) -> String {
    let mut table = table(["wallet", "key", "address", "kept"]);
    for wallet in wallets {
        let coldkey = wallet.coldkey.iter().map(|key| ("coldkey".to_owned(), key));
        let hotkeys = wallet
            .hotkeys
            .iter()
            .map(|key| (format!("hotkey {}", key.name), key));
        for (name, key) in coldkey.chain(hotkeys) {
            let address = key
                .address
                .map_or("-".to_owned(), |address| address.to_string());
            let kept = match (key.encrypted, &key.error) {
                (_, Some(error)) => error,
                (Some(false), None) => "unencrypted",
                _ => "encrypted",
            };
            table.add_row([&wallet.wallet, &name, &address, kept]);
        }
    }
    table.trim_fmt()
}
