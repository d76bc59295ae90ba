//! Where keys lie: `<root>/<wallet>/coldkey.json` and `<root>/<wallet>/hotkeys/<hotkey>.json`.
//!
//! A wallet may lack its coldkey, as it should on a machine that only serves.

use std::{
    env, fmt, fs,
    io::ErrorKind::{NotADirectory, NotFound},
    path::{Path, PathBuf},
    str::FromStr,
};

use crate::{Existing, KeyFile, KeyFileError};

/// The longest name, in bytes.
const LONGEST_NAME: usize = 64;

/// Where wallets lie if nobody says otherwise: `~/.connectome/wallets`. None for a user without a home.
pub fn default_root() -> Option<PathBuf> {
    env::home_dir().map(|home| home.join(".connectome/wallets"))
}

/// The name of a wallet or a hotkey: letters, digits, `-`, `_` and `.`, the last not in front, so that it is the name of
/// one file in every folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName(String);

/// Why a text is not a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a name of 1 to {LONGEST_NAME} letters, digits, '-', '_' or '.', which does not begin with '.', got {0:?}"
)]
pub struct NameError(String);

impl FromStr for KeyName {
    type Err = NameError;

    fn from_str(name: &str) -> Result<KeyName, NameError> {
        let fits = (1..=LONGEST_NAME).contains(&name.len()) && !name.starts_with('.');
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        match fits && name.bytes().all(is_plain) {
            true => Ok(KeyName(name.to_owned())),
            false => Err(NameError(name.chars().take(LONGEST_NAME).collect())),
        }
    }
}

impl AsRef<str> for KeyName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// One coldkey and any number of hotkeys, in a folder that need not exist yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wallet {
    name: KeyName,
    folder: PathBuf,
}

impl Wallet {
    /// The wallet of that name. Looks at no file.
    pub fn new(root: &Path, name: KeyName) -> Wallet {
        let folder = root.join(name.as_ref());
        Wallet { name, folder }
    }

    /// All wallets that hold a key, by name. None if there is no such folder.
    ///
    /// # Errors
    ///
    /// If a folder cannot be read.
    pub fn list(root: &Path) -> Result<Vec<Wallet>, KeyFileError> {
        let mut wallets = Vec::new();
        for name in names(root, "")? {
            let wallet = Wallet::new(root, name);
            if wallet.coldkey_path().exists() || !wallet.hotkeys()?.is_empty() {
                wallets.push(wallet);
            }
        }
        Ok(wallets)
    }

    /// What it is called.
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// Where the coldkey lies, or would.
    pub fn coldkey_path(&self) -> PathBuf {
        self.folder.join("coldkey.json")
    }

    /// Where a hotkey lies, or would.
    pub fn hotkey_path(&self, hotkey: &KeyName) -> PathBuf {
        self.hotkeys_folder().join(format!("{hotkey}.json"))
    }

    fn hotkeys_folder(&self) -> PathBuf {
        self.folder.join("hotkeys")
    }

    /// The coldkey.
    ///
    /// # Errors
    ///
    /// If it is not there or cannot be read.
    pub fn coldkey(&self) -> Result<KeyFile, KeyFileError> {
        KeyFile::read(&self.coldkey_path())
    }

    /// A hotkey.
    ///
    /// # Errors
    ///
    /// If it is not there or cannot be read.
    pub fn hotkey(&self, hotkey: &KeyName) -> Result<KeyFile, KeyFileError> {
        KeyFile::read(&self.hotkey_path(hotkey))
    }

    /// The names of all hotkeys, in order.
    ///
    /// # Errors
    ///
    /// If the folder cannot be read.
    pub fn hotkeys(&self) -> Result<Vec<KeyName>, KeyFileError> {
        names(&self.hotkeys_folder(), ".json")
    }

    /// Stores the coldkey.
    ///
    /// # Errors
    ///
    /// If it cannot be written, or is there and to be kept.
    pub fn store_coldkey(&self, key: &KeyFile, existing: Existing) -> Result<(), KeyFileError> {
        key.write(&self.coldkey_path(), existing)
    }

    /// Stores a hotkey.
    ///
    /// # Errors
    ///
    /// If it cannot be written, or is there and to be kept.
    pub fn store_hotkey(
        &self,
        hotkey: &KeyName,
        key: &KeyFile,
        existing: Existing,
    ) -> Result<(), KeyFileError> {
        key.write(&self.hotkey_path(hotkey), existing)
    }
}

/// What lies in a folder under a valid name and that ending, in order. Nothing if there is no such folder.
fn names(folder: &Path, ending: &str) -> Result<Vec<KeyName>, KeyFileError> {
    let fail = |source| KeyFileError::Read {
        path: folder.into(),
        source,
    };
    let entries = match fs::read_dir(folder) {
        Err(error) if [NotFound, NotADirectory].contains(&error.kind()) => return Ok(Vec::new()),
        entries => entries.map_err(fail)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let file_name = entry.map_err(fail)?.file_name();
        let name = file_name
            .to_str()
            .and_then(|name| name.strip_suffix(ending));
        names.extend(name.and_then(|name| name.parse().ok()));
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Keypair;

    fn name(name: &str) -> KeyName {
        name.parse().unwrap()
    }

    #[test]
    fn names_are_those_of_one_file() {
        for good in ["default", "miner-1", "A_b.c", &"x".repeat(64)] {
            assert_eq!(name(good).as_ref(), good);
        }
        for bad in [
            "",
            ".",
            "..",
            ".hidden",
            "a/b",
            "../a",
            "a b",
            "é",
            "a\0",
            &"x".repeat(65),
        ] {
            assert!(bad.parse::<KeyName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_wallet_gives_back_the_keys_that_it_was_given() {
        let root = tempfile::tempdir().unwrap();
        let wallet = Wallet::new(root.path(), name("main"));
        let key = |uri: &str| KeyFile::unencrypted(&Keypair::from_uri(uri).unwrap(), "a name");
        assert!(matches!(
            wallet.coldkey(),
            Err(KeyFileError::Missing { .. })
        ));

        wallet
            .store_coldkey(&key("//Alice"), Existing::Keep)
            .unwrap();
        for hotkey in ["two", "one"] {
            wallet
                .store_hotkey(&name(hotkey), &key(&format!("//{hotkey}")), Existing::Keep)
                .unwrap();
        }

        assert_eq!(
            wallet.coldkey().unwrap().address(),
            key("//Alice").address()
        );
        assert_eq!(wallet.hotkeys().unwrap(), [name("one"), name("two")]);
        let two = wallet.hotkey(&name("two")).unwrap();
        assert_eq!(two.address(), key("//two").address());
    }

    #[test]
    fn wallets_are_listed_by_name_if_they_hold_a_key() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(Wallet::list(&root.path().join("nowhere")).unwrap(), []);
        let key = KeyFile::unencrypted(&Keypair::from_seed(&[1; 32]), "a name");
        let [cold, hot] = ["cold", "a-hot"].map(|wallet| Wallet::new(root.path(), name(wallet)));
        cold.store_coldkey(&key, Existing::Keep).unwrap();
        hot.store_hotkey(&name("only"), &key, Existing::Keep)
            .unwrap();
        fs::create_dir(root.path().join("empty")).unwrap();
        fs::write(root.path().join("file"), "").unwrap();
        assert_eq!(Wallet::list(root.path()).unwrap(), [hot, cold]);
    }
}
