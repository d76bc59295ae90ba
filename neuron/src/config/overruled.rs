//! Of settings that name the same key, the ones that do not count.
//!
//! `--uri` stands for both keys of a wallet, `--hotkey-uri` for its hotkey. Where a wallet is named too, the one of the more
//! particular source counts, as if they were one setting: who writes `--wallet mine` does not sign with a forgotten
//! `CONNECTOME_URI=//Alice`, and who writes `--uri //Alice` need not know which wallet the configuration file names. A wallet
//! is named by its name and by that of its hotkey. `--hotkey-uri` beside `--uri` is no second name of one key.

use std::{cmp::Ordering, collections::BTreeMap};

use clap::{ArgMatches, parser::ValueSource};

use super::{ConfigError, File};
use crate::cli::Global;

const WALLET: &str = "wallet";
const HOTKEY: &str = "hotkey";
const URI: &str = "uri";
const HOTKEY_URI: &str = "hotkey_uri";

/// How particular the source of a setting is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// It is not said.
    Default,
    File,
    Environment,
    CommandLine,
}

impl Rank {
    fn of(id: &str, matches: &ArgMatches, file: &File) -> Rank {
        match matches.value_source(id) {
            Some(ValueSource::CommandLine) => Rank::CommandLine,
            Some(ValueSource::EnvVariable) => Rank::Environment,
            _ if file.has(id) => Rank::File,
            _ => Rank::Default,
        }
    }
}

/// The ids of settings that do not count, each with that of the one that counts instead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Overruled(BTreeMap<&'static str, &'static str>);

impl Overruled {
    /// Of the settings of a command.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Contradiction`] if one source names a key in two ways.
    pub(super) fn of(matches: &ArgMatches, file: &File) -> Result<Overruled, ConfigError> {
        Overruled::by(|id| Rank::of(id, matches, file))
    }

    fn by(rank: impl Fn(&str) -> Rank) -> Result<Overruled, ConfigError> {
        let name = match rank(WALLET) > rank(HOTKEY) {
            true => WALLET,
            false => HOTKEY,
        };
        let (uri, hotkey_uri) = (rank(URI), rank(HOTKEY_URI));
        let is_hotkey_uri_said = hotkey_uri > Rank::Default;
        let mut overruled = BTreeMap::new();
        if uri > Rank::Default {
            match uri.cmp(&rank(name)) {
                Ordering::Equal => return Err(contradiction(URI, name, uri)),
                Ordering::Less => {
                    overruled.insert(URI, name);
                }
                Ordering::Greater => {
                    let hotkey = if is_hotkey_uri_said { HOTKEY_URI } else { URI };
                    overruled.extend([(WALLET, URI), (HOTKEY, hotkey)]);
                    return Ok(Overruled(overruled));
                }
            }
        }
        if is_hotkey_uri_said {
            if rank(name) > hotkey_uri {
                overruled.insert(HOTKEY_URI, name);
            } else if rank(HOTKEY) == hotkey_uri {
                return Err(contradiction(HOTKEY_URI, HOTKEY, hotkey_uri));
            } else {
                overruled.insert(HOTKEY, HOTKEY_URI);
            }
        }
        Ok(Overruled(overruled))
    }

    /// The id of the setting that counts instead of this one, if this one does not.
    pub(super) fn by_which(&self, id: &str) -> Option<&'static str> {
        self.0.get(id).copied()
    }

    /// Leaves the keys of URIs that do not count out. Names of wallets stay: nobody looks at them where a URI counts.
    pub(super) fn leave_out(&self, global: &mut Global) {
        if self.by_which(URI).is_some() {
            global.uri = None;
        }
        if self.by_which(HOTKEY_URI).is_some() {
            global.hotkey_uri = None;
        }
    }
}

fn contradiction(one: &str, other: &str, rank: Rank) -> ConfigError {
    let option = |id: &str| format!("--{}", id.replace('_', "-"));
    let variable = |id: &str| format!("CONNECTOME_{}", id.to_uppercase());
    let options = [option(one), option(other)];
    match rank {
        Rank::Environment => ConfigError::Contradiction {
            both: [variable(one), variable(other)],
            advice: format!(
                "unset one of them, or give {} or {}",
                options[0], options[1]
            ),
        },
        _ => ConfigError::Contradiction {
            both: options,
            advice: "leave one of them out".to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use Rank::{CommandLine, Environment};

    /// What comes of settings that are said in these sources.
    fn overruled(said: &[(&str, Rank)]) -> Result<Overruled, String> {
        let rank = |id: &str| {
            let of_it = said.iter().find(|(said, _)| *said == id);
            of_it.map_or(Rank::Default, |(_, rank)| *rank)
        };
        Overruled::by(rank).map_err(|error| error.to_string())
    }

    #[test]
    fn of_a_wallet_and_a_uri_the_more_particular_counts() {
        let by_uri = [(WALLET, URI), (HOTKEY, URI)];
        for (said, expected) in [
            (&[][..], &[][..]),
            (&[(WALLET, CommandLine), (HOTKEY, Rank::File)], &[]),
            (&[(URI, Environment)], &by_uri),
            (&[(URI, Environment), (WALLET, Rank::File)], &by_uri),
            (&[(URI, CommandLine), (HOTKEY, Environment)], &by_uri),
            (
                &[(URI, Environment), (WALLET, CommandLine)],
                &[(URI, WALLET)],
            ),
            // A hotkey is one of a wallet.
            (
                &[(URI, Environment), (HOTKEY, CommandLine)],
                &[(URI, HOTKEY)],
            ),
        ] {
            let expected = Overruled(expected.iter().copied().collect());
            assert_eq!(overruled(said), Ok(expected), "{said:?}");
        }
    }

    #[test]
    fn a_uri_of_the_hotkey_is_measured_by_the_hotkey_that_is_named() {
        for (said, expected) in [
            // Beside the coldkey of a wallet, or of a URI.
            (
                &[(HOTKEY_URI, CommandLine), (WALLET, CommandLine)][..],
                &[(HOTKEY, HOTKEY_URI)][..],
            ),
            (
                &[(HOTKEY_URI, Environment), (URI, CommandLine)],
                &[(WALLET, URI), (HOTKEY, HOTKEY_URI)],
            ),
            (
                &[(HOTKEY_URI, CommandLine), (HOTKEY, Environment)],
                &[(HOTKEY, HOTKEY_URI)],
            ),
            // A wallet that is named now has a hotkey of its own.
            (
                &[(HOTKEY_URI, Environment), (WALLET, CommandLine)],
                &[(HOTKEY_URI, WALLET)],
            ),
            (
                &[
                    (HOTKEY_URI, Environment),
                    (URI, Environment),
                    (HOTKEY, CommandLine),
                ],
                &[(URI, HOTKEY), (HOTKEY_URI, HOTKEY)],
            ),
        ] {
            let expected = Overruled(expected.iter().copied().collect());
            assert_eq!(overruled(said), Ok(expected), "{said:?}");
        }
    }

    #[test]
    fn one_source_that_names_a_key_in_two_ways_is_told_what_to_do() {
        for (said, expected) in [
            (
                [(URI, CommandLine), (WALLET, CommandLine)],
                "--uri and --wallet name the same key in two ways: leave one of them out",
            ),
            (
                [(URI, Environment), (HOTKEY, Environment)],
                "CONNECTOME_URI and CONNECTOME_HOTKEY name the same key in two ways: \
                 unset one of them, or give --uri or --hotkey",
            ),
            (
                [(HOTKEY_URI, CommandLine), (HOTKEY, CommandLine)],
                "--hotkey-uri and --hotkey name the same key in two ways: leave one of them out",
            ),
        ] {
            assert_eq!(overruled(&said), Err(expected.to_owned()));
        }
    }
}
