//! `neuron wallet new`.

use neuron_wallet::Keypair;

use super::{Place, Stored};
use crate::{
    Output,
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

    let mut stored = Vec::new();
    let result = places
        .iter()
        .try_for_each(|place| make(place).map(|key| stored.push(key)));
    // Whatever became of the second, the first key is of no use without its words.
    if !stored.is_empty() {
        Output::new(global).show(&stored, |stored| describe(stored))?;
    }
    result
}

fn make(place: &Place) -> anyhow::Result<Stored> {
    let (keypair, phrase) = Keypair::generate();
    let stored = place.store(&place.seal(&keypair)?)?;
    Ok(Stored {
        phrase: Some(phrase.expose().to_string()),
        ..stored
    })
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
