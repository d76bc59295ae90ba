//! `neuron wallet`.

mod import;
mod list;
mod new;

use std::path::PathBuf;

use anyhow::bail;
use neuron_wallet::{Existing, KeyFile, KeyFileError, Keypair, PublicKey, Wallet};
use serde::Serialize;

use crate::{
    PromptError,
    cli::{Global, Scope, WalletCommand},
    prompt,
};

pub(super) fn run(global: &Global, command: WalletCommand) -> anyhow::Result<()> {
    match command {
        WalletCommand::New(new) => new::run(global, &new),
        WalletCommand::Import(import) => import::run(global, &import),
        WalletCommand::List => list::list(global),
        WalletCommand::Show(show) => list::show(global, &show),
    }
}

/// A key that was stored, as commands report it.
#[derive(Serialize)]
struct Stored {
    key: &'static str,
    address: PublicKey,
    path: PathBuf,
    encrypted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    phrase: Option<String>,
}

/// Which key of the named wallet is meant, and how it is kept.
struct Place<'a> {
    global: &'a Global,
    scope: Scope,
    is_unencrypted: bool,
    existing: Existing,
}

impl<'a> Place<'a> {
    fn new(
        global: &'a Global,
        scope: Scope,
        unencrypted_hotkey: bool,
        overwrite: bool,
    ) -> Place<'a> {
        Place {
            global,
            scope,
            is_unencrypted: unencrypted_hotkey && scope == Scope::Hotkey,
            existing: if overwrite {
                Existing::Replace
            } else {
                Existing::Keep
            },
        }
    }

    fn wallet(&self) -> Wallet {
        self.global.wallet()
    }

    fn path(&self) -> PathBuf {
        match self.scope {
            Scope::Coldkey => self.wallet().coldkey_path(),
            Scope::Hotkey => self.wallet().hotkey_path(&self.global.hotkey),
        }
    }

    /// As errors and prompts call it.
    fn name(&self) -> String {
        match self.scope {
            Scope::Coldkey => self.global.coldkey_name(),
            Scope::Hotkey => self.global.hotkey_name(),
        }
    }

    /// Fails before anybody is asked for a password, if the key is there and to be kept; asks, if it is to be replaced.
    fn check(&self) -> anyhow::Result<()> {
        let path = self.path();
        match (path.exists(), self.existing) {
            (false, _) => Ok(()),
            (true, Existing::Keep) => Err(KeyFileError::Exists { path }.into()),
            (true, Existing::Replace) => {
                let question = format!(
                    "{} holds a key, which will be lost. Replace it?",
                    path.display()
                );
                match prompt::confirm(self.global, &question)? {
                    true => Ok(()),
                    false => bail!("nothing was replaced"),
                }
            }
        }
    }

    /// The key sealed as asked, under a new password.
    fn seal(&self, keypair: &Keypair) -> Result<KeyFile, PromptError> {
        let label = self.label();
        Ok(match self.is_unencrypted {
            true => KeyFile::unencrypted(keypair, &label),
            false => KeyFile::encrypted(
                keypair,
                &label,
                &prompt::new_password(self.global, &self.name())?,
            ),
        })
    }

    /// What other wallets will call it.
    fn label(&self) -> String {
        match self.scope {
            Scope::Coldkey => self.global.wallet.to_string(),
            Scope::Hotkey => format!("{}/{}", self.global.wallet, self.global.hotkey),
        }
    }

    fn store(&self, file: &KeyFile) -> Result<Stored, KeyFileError> {
        let wallet = self.wallet();
        let key = match self.scope {
            Scope::Coldkey => wallet
                .store_coldkey(file, self.existing)
                .map(|()| "coldkey"),
            Scope::Hotkey => wallet
                .store_hotkey(&self.global.hotkey, file, self.existing)
                .map(|()| "hotkey"),
        }?;
        Ok(Stored {
            key,
            address: file.address(),
            path: self.path(),
            encrypted: file.is_encrypted(),
            phrase: None,
        })
    }
}
