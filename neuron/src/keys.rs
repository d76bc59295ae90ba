//! Which keys a command acts with: those of `--uri`, or those of a wallet.

use neuron_wallet::{KeyError, KeyFile, KeyFileError, Keypair, PublicKey, Wallet};

use crate::{
    PromptError,
    cli::{Global, Secret},
    prompt,
};

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// `--uri` or `--hotkey-uri` is no key.
    #[error("{option} names no key")]
    Uri {
        /// Which of the two.
        option: &'static str,
        /// Why.
        source: KeyError,
    },
    /// The wallet has no coldkey.
    #[error("wallet {wallet:?} has no coldkey; make one: neuron wallet new --wallet {wallet}")]
    NoColdkey {
        /// Its name.
        wallet: String,
    },
    /// The wallet has no such hotkey.
    #[error(
        "wallet {wallet:?} has no hotkey {hotkey:?}; make one: neuron wallet new --only hotkey --wallet {wallet} --hotkey {hotkey}"
    )]
    NoHotkey {
        /// Its name.
        wallet: String,
        /// The hotkey's name.
        hotkey: String,
    },
    /// The file of a key cannot be used.
    #[error("cannot use {key}")]
    File {
        /// Which key.
        key: String,
        /// Why.
        source: KeyFileError,
    },
    /// There is no password.
    #[error(transparent)]
    Prompt(#[from] PromptError),
}

impl Global {
    /// The wallet that was named.
    pub fn wallet(&self) -> Wallet {
        Wallet::new(&self.wallets, self.wallet.clone())
    }

    /// The key that owns funds. May ask for its password.
    ///
    /// # Errors
    ///
    /// If there is none, or it cannot be opened.
    pub fn coldkey(&self) -> Result<Keypair, KeysError> {
        match &self.uri {
            Some(uri) => keypair(uri, "--uri"),
            None => self.open(&self.coldkey_file()?, &self.coldkey_name()),
        }
    }

    /// The key that signs for a neuron. May ask for its password.
    ///
    /// # Errors
    ///
    /// If there is none, or it cannot be opened.
    pub fn hotkey(&self) -> Result<Keypair, KeysError> {
        match (&self.hotkey_uri, &self.uri) {
            (Some(uri), _) => keypair(uri, "--hotkey-uri"),
            (None, Some(uri)) => keypair(uri, "--uri"),
            (None, None) => self.open(&self.hotkey_file()?, &self.hotkey_name()),
        }
    }

    /// The key that signs for a neuron, if nobody has to be asked for its password.
    ///
    /// # Errors
    ///
    /// If there is none, or it cannot be opened.
    pub(crate) fn hotkey_unasked(&self) -> Result<Option<Keypair>, KeysError> {
        let is_in_wallet = self.hotkey_uri.is_none() && self.uri.is_none();
        if is_in_wallet && self.hotkey_file()?.is_encrypted() && !prompt::is_password_given(self) {
            return Ok(None);
        }
        self.hotkey().map(Some)
    }

    /// The account that owns funds. Needs no password.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn coldkey_address(&self) -> Result<PublicKey, KeysError> {
        match &self.uri {
            Some(uri) => keypair(uri, "--uri").map(|keypair| keypair.public()),
            None => self.coldkey_file().map(|file| file.address()),
        }
    }

    /// The account that signs for a neuron. Needs no password.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn hotkey_address(&self) -> Result<PublicKey, KeysError> {
        match self.hotkey_uri.is_some() || self.uri.is_some() {
            true => self.hotkey().map(|keypair| keypair.public()),
            false => self.hotkey_file().map(|file| file.address()),
        }
    }

    fn coldkey_file(&self) -> Result<KeyFile, KeysError> {
        self.wallet().coldkey().map_err(|source| match source {
            KeyFileError::Missing { .. } => KeysError::NoColdkey {
                wallet: self.wallet.to_string(),
            },
            source => KeysError::File {
                key: self.coldkey_name(),
                source,
            },
        })
    }

    fn hotkey_file(&self) -> Result<KeyFile, KeysError> {
        self.wallet()
            .hotkey(&self.hotkey)
            .map_err(|source| match source {
                KeyFileError::Missing { .. } => KeysError::NoHotkey {
                    wallet: self.wallet.to_string(),
                    hotkey: self.hotkey.to_string(),
                },
                source => KeysError::File {
                    key: self.hotkey_name(),
                    source,
                },
            })
    }

    pub(crate) fn coldkey_name(&self) -> String {
        format!("the coldkey of wallet {:?}", self.wallet.as_ref())
    }

    pub(crate) fn hotkey_name(&self) -> String {
        format!(
            "hotkey {:?} of wallet {:?}",
            self.hotkey.as_ref(),
            self.wallet.as_ref()
        )
    }

    /// Opens a key, asking for its password if it has one.
    pub(crate) fn open(&self, file: &KeyFile, name: &str) -> Result<Keypair, KeysError> {
        let password = match file.is_encrypted() {
            true => Some(prompt::password(self, name)?),
            false => None,
        };
        let password = password.as_ref().map(|password| password.as_str());
        file.open(password).map_err(|source| KeysError::File {
            key: name.to_owned(),
            source,
        })
    }
}

fn keypair(uri: &Secret, option: &'static str) -> Result<Keypair, KeysError> {
    uri.keypair()
        .map_err(|source| KeysError::Uri { option, source })
}
