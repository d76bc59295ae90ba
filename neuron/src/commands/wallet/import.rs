//! `neuron wallet import`.

use std::path::Path;

use anyhow::Context;
use neuron_wallet::{KeyFile, Keypair};
use zeroize::Zeroizing;

use super::{Place, Stored};
use crate::{
    Output,
    cli::{Global, Import, Scope},
    exit::UsageError,
    prompt,
};

pub(super) fn run(global: &Global, import: &Import) -> anyhow::Result<()> {
    if import.unencrypted_hotkey && import.scope == Scope::Coldkey {
        return Err(UsageError(
            "a coldkey is always encrypted; leave out --unencrypted-hotkey".to_owned(),
        )
        .into());
    }
    let place = Place::new(
        global,
        import.scope,
        import.unencrypted_hotkey,
        import.overwrite,
    );
    place.check()?;
    let file = match &import.json_file {
        Some(path) => from_json(&place, path)?,
        None => place.seal(&keypair(global, import)?)?,
    };
    Output::new(global).show(&place.store(&file)?, describe)?;
    Ok(())
}

fn describe(stored: &Stored) -> String {
    let (key, address) = (stored.key, stored.address);
    format!("{key}  {address}\n         {}", stored.path.display())
}

/// The key in words or a seed, wherever they are read.
fn keypair(global: &Global, import: &Import) -> anyhow::Result<Keypair> {
    let (file, is_seed) = match (&import.phrase_file, &import.seed_file) {
        (Some(path), _) => (Some(path), false),
        (None, Some(path)) => (Some(path), true),
        (None, None) => (None, import.seed),
    };
    let what = if is_seed {
        "Seed of the key"
    } else {
        "Words of the key"
    };
    let text = match file {
        Some(path) => prompt::secret_file(path)?,
        None => prompt::secret(global, what)?,
    };
    let uri = match is_seed {
        true => Zeroizing::new(format!("0x{}", text.trim().trim_start_matches("0x"))),
        false => text,
    };
    Ok(Keypair::from_uri(&uri)?)
}

/// The key in a file of polkadot.js. It keeps its password, unless it has none or is to have none.
fn from_json(place: &Place, path: &Path) -> anyhow::Result<KeyFile> {
    let json = prompt::secret_file(path)?;
    let file =
        KeyFile::from_json(&json).with_context(|| format!("cannot import {}", path.display()))?;
    let keypair = place.global.open(&file, &path.display().to_string())?;
    match file.is_encrypted() && !place.is_unencrypted {
        true => Ok(file),
        false => Ok(place.seal(&keypair)?),
    }
}
