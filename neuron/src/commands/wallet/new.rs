//! `neuron wallet new`.

use neuron_wallet::{KeyFile, KeyFileError, Keypair, Phrase};

use super::{Place, Stored};
use crate::{
    Output, PromptError,
    cli::{Global, New, Scope},
    exit::UsageError,
};

pub(super) fn run(global: &Global, new: &New) -> anyhow::Result<()> {
    if new.unencrypted_hotkey && new.only == Some(Scope::Coldkey) {
        return Err(UsageError(
            "--unencrypted-hotkey is about a hotkey, of which none is made".to_owned(),
        )
        .into());
    }
    let scopes = match new.only {
        Some(scope) => vec![scope],
        None => vec![Scope::Coldkey, Scope::Hotkey],
    };
    let places: Vec<_> = scopes
        .into_iter()
        .map(|scope| Place::new(global, scope, new.unencrypted_hotkey, new.overwrite))
        .collect();
    places.iter().try_for_each(Place::check)?;
    // Every password first: while one can be mistyped, nothing is stored.
    let made: Vec<_> = places.iter().map(make).collect::<Result<_, _>>()?;

    let mut stored = Vec::new();
    let result = made
        .iter()
        .try_for_each(|key| key.store().map(|key| stored.push(key)));
    // Whatever became of the second, the first key is of no use without its words.
    if !stored.is_empty() {
        Output::new(global).show(&stored, |stored| describe(stored))?;
    }
    Ok(result?)
}

/// A key that is not stored yet.
struct Made<'a> {
    place: &'a Place<'a>,
    phrase: Phrase,
    file: KeyFile,
}

fn make<'a>(place: &'a Place<'a>) -> Result<Made<'a>, PromptError> {
    let (keypair, phrase) = Keypair::generate();
    let file = place.seal(&keypair)?;
    Ok(Made {
        place,
        phrase,
        file,
    })
}

impl Made<'_> {
    fn store(&self) -> Result<Stored, KeyFileError> {
        Ok(Stored {
            phrase: Some(self.phrase.expose().to_string()),
            ..self.place.store(&self.file)?
        })
    }
}

fn describe(stored: &[Stored]) -> String {
    let mut text = String::new();
    for key in stored {
        let (name, address) = (key.key, key.address);
        let words = key.phrase.as_deref().unwrap_or_default();
        let path = key.path.display();
        text += &format!("{name}  {address}\n         {path}\n         words: {words}\n\n");
    }
    text + "Write the words down and keep them secret: they are the keys, and are never shown again."
}
