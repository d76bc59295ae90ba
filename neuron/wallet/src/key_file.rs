//! A key in a file: the JSON of polkadot.js, sealed under a password or, for hotkeys when asked, not.

use std::{
    fmt,
    fs::{self, DirBuilder, File},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::{Keypair, PublicKey, encryption, pkcs8};

/// The version of the format that is written and read: that of polkadot.js since 2019.
const VERSION: &str = "3";

/// What [`KeyFile::write`] does about a file that is there already.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Leaves it alone and fails.
    Keep,
    /// Replaces it, key and all.
    Replace,
}

/// A key as it lies in a file. The account is legible, the secret is sealed or not.
#[derive(Serialize, Deserialize)]
pub struct KeyFile {
    /// Base 64 of the key.
    encoded: String,
    encoding: Encoding,
    address: PublicKey,
    #[serde(default)]
    meta: Meta,
}

/// What `encoded` is.
#[derive(Serialize, Deserialize)]
struct Encoding {
    content: Vec<String>,
    r#type: Vec<String>,
    version: String,
}

/// What is said about a key. Not protected by the password.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Meta {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// Unix time in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    when_created: Option<u64>,
}

/// The one field that all versions have in common, so that others than ours can be told apart from broken files.
#[derive(Deserialize)]
struct AnyVersion {
    encoding: AnyEncoding,
}

#[derive(Deserialize)]
struct AnyEncoding {
    version: String,
}

/// Why a key cannot be read from its file or written to it.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// There is no such file.
    #[error("no key at {}", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// There is a key, which was not to be replaced.
    #[error("{} holds a key already, which was left as it is", path.display())]
    Exists {
        /// Where it lies.
        path: PathBuf,
    },
    /// Others than the owner may read or write a key that no password protects.
    #[error("{p} is an unencrypted key that others may read or write (mode {mode:o}); run: chmod 600 {p}", p = path.display())]
    Permissions {
        /// Where it lies.
        path: PathBuf,
        /// The lowest nine bits of its mode.
        mode: u32,
    },
    /// The file could not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Where it lies.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file could not be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// Where it was to lie.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Not the JSON of a key.
    #[error(
        "expected a key in the JSON of polkadot.js, which it is not at line {line}, column {column}"
    )]
    Json {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
    },
    /// The JSON of a version that is not read here.
    #[error(
        "expected version {VERSION} of the JSON of polkadot.js, got {found:?}; import it in polkadot.js and export it again"
    )]
    Version {
        /// What the file says.
        found: String,
    },
    /// A key of another kind, or sealed in another way.
    #[error(
        "expected an sr25519 key, sealed by scrypt and xsalsa20-poly1305 or not at all, got {found}"
    )]
    Encoding {
        /// What the file says.
        found: String,
    },
    /// Parameters of scrypt that polkadot.js never used.
    #[error(
        "expected one of the costs of scrypt that polkadot.js uses, got N = {n}, p = {p}, r = {r}"
    )]
    Cost {
        /// Memory.
        n: u32,
        /// Parallelism.
        p: u32,
        /// Size of a block.
        r: u32,
    },
    /// The key is sealed, and no password was given.
    #[error("the key is encrypted and needs its password")]
    PasswordNeeded,
    /// The password is wrong. A sealed key that was tampered with looks the same.
    #[error("the password does not open the key (or the file was changed)")]
    WrongPassword,
    /// It opens, but there is no key in it.
    #[error("the key file is corrupt: {0}")]
    Corrupt(&'static str),
}

impl KeyFile {
    /// Seals a key under a password. Takes about half a second, as will each guess of the password.
    pub fn encrypted(keypair: &Keypair, name: &str, password: &str) -> KeyFile {
        let sealed = encryption::seal(&pkcs8::encode(keypair), password);
        KeyFile::new(keypair, name, &sealed, &["scrypt", "xsalsa20-poly1305"])
    }

    /// Leaves a key legible to whoever has the file.
    pub fn unencrypted(keypair: &Keypair, name: &str) -> KeyFile {
        KeyFile::new(keypair, name, &pkcs8::encode(keypair), &["none"])
    }

    fn new(keypair: &Keypair, name: &str, bytes: &[u8], sealed_by: &[&str]) -> KeyFile {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        KeyFile {
            encoded: STANDARD.encode(bytes),
            encoding: Encoding {
                content: ["pkcs8", "sr25519"].map(str::to_owned).into(),
                r#type: sealed_by.iter().map(|&part| part.to_owned()).collect(),
                version: VERSION.to_owned(),
            },
            address: keypair.public(),
            meta: Meta {
                name: Some(name.to_owned()),
                when_created: now
                    .ok()
                    .and_then(|since| u64::try_from(since.as_millis()).ok()),
            },
        }
    }

    /// Reads what [`KeyFile::to_json`] or polkadot.js wrote.
    ///
    /// # Errors
    ///
    /// If it is not such JSON, or of another version, or holds another kind of key.
    pub fn from_json(json: &str) -> Result<KeyFile, KeyFileError> {
        // The message of the parser could quote the secret.
        let refuse = |error: serde_json::Error| KeyFileError::Json {
            line: error.line(),
            column: error.column(),
        };
        let AnyVersion { encoding } = serde_json::from_str(json).map_err(refuse)?;
        if encoding.version != VERSION {
            return Err(KeyFileError::Version {
                found: encoding.version,
            });
        }
        let file: KeyFile = serde_json::from_str(json).map_err(refuse)?;
        let Encoding {
            content, r#type, ..
        } = &file.encoding;
        let sealed = r#type == &["scrypt", "xsalsa20-poly1305"];
        if content != &["pkcs8", "sr25519"] || !(sealed || r#type == &["none"]) {
            return Err(KeyFileError::Encoding {
                found: format!("{} by {}", content.join(" "), r#type.join(" ")),
            });
        }
        Ok(file)
    }

    /// As polkadot.js reads it.
    pub fn to_json(&self) -> Zeroizing<String> {
        let json = serde_json::to_string_pretty(self).expect("strings and numbers are JSON");
        Zeroizing::new(json + "\n")
    }

    /// Reads a key file.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or is no key file, or holds an unencrypted key that others than its owner may see.
    pub fn read(path: &Path) -> Result<KeyFile, KeyFileError> {
        let fail = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => KeyFileError::Missing { path: path.into() },
            _ => KeyFileError::Read {
                path: path.into(),
                source,
            },
        };
        let file = KeyFile::from_json(&Zeroizing::new(fs::read_to_string(path).map_err(fail)?))?;
        let mode = fs::metadata(path).map_err(fail)?.mode() & 0o777;
        if !file.is_encrypted() && mode & 0o077 != 0 {
            return Err(KeyFileError::Permissions {
                path: path.into(),
                mode,
            });
        }
        Ok(file)
    }

    /// Writes a key file that its owner alone may read, whole or not at all. Makes the folders above it.
    ///
    /// # Errors
    ///
    /// If it cannot be written, or is there and to be kept.
    pub fn write(&self, path: &Path, existing: Existing) -> Result<(), KeyFileError> {
        self.try_write(path, existing).map_err(|source| {
            let path = path.into();
            match (source.kind(), existing) {
                (io::ErrorKind::AlreadyExists, Existing::Keep) => KeyFileError::Exists { path },
                _ => KeyFileError::Write { path, source },
            }
        })
    }

    fn try_write(&self, path: &Path, existing: Existing) -> io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("/"));
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        // Temporary files have mode 0600.
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(self.to_json().as_bytes())?;
        file.as_file().sync_all()?;
        match existing {
            Existing::Keep => file.persist_noclobber(path)?,
            Existing::Replace => file.persist(path)?,
        };
        // The name must survive a power failure too.
        File::open(folder)?.sync_all()
    }

    /// The account, which no password protects: it is proved only by [`KeyFile::open`].
    pub fn address(&self) -> PublicKey {
        self.address
    }

    /// Whether a password is needed to open it.
    pub fn is_encrypted(&self) -> bool {
        self.encoding.r#type != ["none"]
    }

    /// The key. A password given for a key that has none is not looked at.
    ///
    /// # Errors
    ///
    /// If the password is missing or wrong, or there is no key in the file, or another than that of its address.
    pub fn open(&self, password: Option<&str>) -> Result<Keypair, KeyFileError> {
        let bytes = STANDARD
            .decode(&self.encoded)
            .map(Zeroizing::new)
            .map_err(|_| KeyFileError::Corrupt("it is not in base 64"))?;
        let secret = match (self.is_encrypted(), password) {
            (false, _) => bytes,
            (true, Some(password)) => encryption::open(&bytes, password)?,
            (true, None) => return Err(KeyFileError::PasswordNeeded),
        };
        let keypair = pkcs8::decode(&secret)
            .ok_or(KeyFileError::Corrupt("what it holds is not a pair of keys"))?;
        match keypair.public() == self.address {
            true => Ok(keypair),
            false => Err(KeyFileError::Corrupt("its address is another key's")),
        }
    }
}

impl Drop for KeyFile {
    fn drop(&mut self) {
        self.encoded.zeroize();
    }
}

impl fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyFile")
            .field("address", &self.address)
            .field("is_encrypted", &self.is_encrypted())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use proptest::prelude::*;
    use subxt_signer::polkadot_js_compat::decrypt_json;

    use super::*;

    const ENCRYPTED: &str = include_str!("vectors/encrypted.json");
    const PLAIN: &str = include_str!("vectors/plain.json");
    const ED25519: &str = include_str!("vectors/ed25519.json");
    const PASSWORD: &str = "whoisalice";

    fn alice() -> Keypair {
        Keypair::from_uri("//Alice").unwrap()
    }

    /// A vector with one text in place of another.
    fn with(json: &str, old: &str, new: &str) -> String {
        assert!(json.contains(old), "{old}");
        json.replace(old, new)
    }

    #[test]
    fn exports_of_polkadot_js_open() {
        let encrypted = KeyFile::from_json(ENCRYPTED).unwrap();
        assert!(encrypted.is_encrypted());
        assert_eq!(encrypted.address(), alice().public());
        let keypair = encrypted.open(Some(PASSWORD)).unwrap();
        assert_eq!(keypair.public(), alice().public());
        assert!(
            alice()
                .public()
                .verify(b"message", &keypair.sign(b"message"))
        );

        let plain = KeyFile::from_json(PLAIN).unwrap();
        assert!(!plain.is_encrypted());
        assert_eq!(plain.open(None).unwrap().public(), alice().public());
    }

    #[test]
    fn others_open_what_is_written_here() {
        let keypair = Keypair::from_uri("//Alice/soft").unwrap();
        let json = KeyFile::encrypted(&keypair, "alice", "pässword").to_json();
        let theirs = decrypt_json(&json, "pässword").unwrap();
        assert_eq!(theirs.public_key().0, keypair.public().0);
        assert!(decrypt_json(&json, "password").is_err());
    }

    #[test]
    fn an_unencrypted_key_is_written_byte_for_byte_as_polkadot_js_writes_it() {
        let mut file = KeyFile::unencrypted(&alice(), "alice");
        file.meta.when_created = Some(1_764_028_800_000);
        assert_eq!(file.to_json().as_str(), PLAIN);
    }

    #[test]
    fn a_missing_or_wrong_password_is_told_apart_from_a_broken_file() {
        let file = KeyFile::from_json(ENCRYPTED).unwrap();
        assert!(matches!(file.open(None), Err(KeyFileError::PasswordNeeded)));
        assert!(matches!(
            file.open(Some("")),
            Err(KeyFileError::WrongPassword)
        ));
        let no_base64 = with(ENCRYPTED, "7KCJ6S", "7K*J6S");
        let error = KeyFile::from_json(&no_base64).unwrap().open(Some(PASSWORD));
        assert!(matches!(error, Err(KeyFileError::Corrupt(_))));
    }

    #[test]
    fn an_address_that_is_not_the_keys_is_noticed() {
        let bob = Keypair::from_uri("//Bob").unwrap().public();
        let json = with(PLAIN, &alice().public().to_string(), &bob.to_string());
        let error = KeyFile::from_json(&json).unwrap().open(None);
        assert!(matches!(error, Err(KeyFileError::Corrupt(_))));
    }

    #[test]
    fn other_versions_and_kinds_are_named() {
        let old = with(ENCRYPTED, r#""version": "3""#, r#""version": "2""#);
        let error = KeyFile::from_json(&old).unwrap_err();
        assert!(matches!(&error, KeyFileError::Version { found } if found == "2"));
        // Before version 3, there was one type and it was no list.
        let old = r#"{"encoded": "", "encoding": {"version": "0", "type": "none"}}"#;
        assert!(matches!(
            KeyFile::from_json(old),
            Err(KeyFileError::Version { .. })
        ));

        let error = KeyFile::from_json(ED25519).unwrap_err().to_string();
        assert!(error.contains("got pkcs8 ed25519"), "{error}");
        let strange = with(ENCRYPTED, "xsalsa20-poly1305", "rot13");
        assert!(matches!(
            KeyFile::from_json(&strange),
            Err(KeyFileError::Encoding { .. })
        ));
    }

    #[test]
    fn what_is_no_key_file_is_refused_without_quoting_it() {
        // As if somebody had put the secret where the list belongs.
        let confused = with(PLAIN, r#""type": ["#, r#""type": "topsecret", "was": ["#);
        for json in ["", "topsecret", "{}", confused.as_str()] {
            let error = KeyFile::from_json(json).unwrap_err();
            assert!(matches!(error, KeyFileError::Json { .. }), "{json}");
            assert!(!format!("{error} {error:?}").contains("topsecret"));
        }
    }

    #[test]
    fn debug_output_shows_no_secret() {
        let file = KeyFile::unencrypted(&alice(), "alice");
        assert!(!format!("{file:?}").contains(&file.encoded[..20]));
    }

    #[test]
    fn a_file_is_its_owners_alone_and_never_replaced_unasked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wallets/main/coldkey.json");
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;

        KeyFile::unencrypted(&alice(), "alice")
            .write(&path, Existing::Keep)
            .unwrap();
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));

        let bob = KeyFile::unencrypted(&Keypair::from_uri("//Bob").unwrap(), "bob");
        let error = bob.write(&path, Existing::Keep).unwrap_err();
        assert!(matches!(error, KeyFileError::Exists { .. }));
        assert_eq!(KeyFile::read(&path).unwrap().address(), alice().public());

        bob.write(&path, Existing::Replace).unwrap();
        assert_eq!(KeyFile::read(&path).unwrap().address(), bob.address());
        // No temporary file is left behind.
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn an_unencrypted_key_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hotkey.json");
        for (json, is_refused) in [(PLAIN, true), (ENCRYPTED, false)] {
            fs::write(&path, json).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
            let refused = matches!(
                KeyFile::read(&path),
                Err(KeyFileError::Permissions { mode: 0o640, .. })
            );
            assert_eq!(refused, is_refused);
        }
    }

    #[test]
    fn a_missing_file_is_told_apart_from_one_that_cannot_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let missing = KeyFile::read(&folder.path().join("coldkey.json"));
        assert!(matches!(missing, Err(KeyFileError::Missing { .. })));
        assert!(matches!(
            KeyFile::read(folder.path()),
            Err(KeyFileError::Read { .. })
        ));
    }

    proptest! {
        #[test]
        fn any_text_is_a_key_file_or_an_error(text in "\\PC{0,200}") {
            prop_assert!(KeyFile::from_json(&text).is_err());
        }

        #[test]
        fn a_damaged_file_never_opens_as_another_key(at: proptest::sample::Index, character in " -~") {
            let at = at.index(PLAIN.len());
            let damaged = format!("{}{character}{}", &PLAIN[..at], &PLAIN[at + 1..]);
            if let Ok(keypair) = KeyFile::from_json(&damaged).and_then(|file| file.open(None)) {
                prop_assert_eq!(keypair.public(), alice().public());
            }
        }
    }
}
