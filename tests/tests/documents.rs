//! What README.md and the examples tell a polkadot.js client to call is there: every name of the metagraph in them is one of
//! the runtime's. The examples need npm and are not run by tests, so a call that got another name would go unnoticed.
//!
//! The runtime's names are those of `neuron/metagraph/metadata.scale`, which another test holds against a running node.

use anyhow::{Context, Result, ensure};
use connectome_tests::repository;
use std::{collections::BTreeSet, fs};
use subxt::Metadata;

/// The documents with calls for polkadot.js in them.
const DOCUMENTS: [&str; 3] = [
    "README.md",
    "examples/polkadot-js/chain.mjs",
    "examples/polkadot-js/quickstart.mjs",
];

/// The identifiers that stand behind `prefix` in `text`.
fn names<'a>(text: &'a str, prefix: &str) -> BTreeSet<&'a str> {
    text.split(prefix)
        .skip(1)
        .map(|rest| {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric());
            &rest[..end.unwrap_or(rest.len())]
        })
        .filter(|name| !name.is_empty())
        .collect()
}

/// A name of the runtime as polkadot.js has it: `set_weights` is `setWeights`, `PermitColumn` is `permitColumn`.
fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default();
    let (initial, rest) = first.split_at(first.len().min(1));
    let mut camel = initial.to_ascii_lowercase() + rest;
    for word in words {
        let (initial, rest) = word.split_at(word.len().min(1));
        camel += &initial.to_ascii_uppercase();
        camel += rest;
    }
    camel
}

/// What the metagraph offers to a client, by the kind of its use.
struct Offer {
    calls: BTreeSet<String>,
    storage: BTreeSet<String>,
    errors: BTreeSet<String>,
    answers: BTreeSet<String>,
}

impl Offer {
    fn read() -> Result<Self> {
        let file = repository().join("neuron/metagraph/metadata.scale");
        let metadata = Metadata::decode_from(&fs::read(file)?)?;
        let pallet = metadata.pallet_by_name("Metagraph").context("no pallet")?;
        let api = metadata
            .runtime_api_trait_by_name("MetagraphApi")
            .context("no interface")?;
        let calls = pallet.call_variants().context("no calls")?;
        let storage = pallet.storage().context("no storage")?;
        let errors = pallet.error_variants().context("no errors")?;
        Ok(Self {
            calls: calls.iter().map(|call| camel_case(&call.name)).collect(),
            storage: storage
                .entries()
                .iter()
                .map(|entry| camel_case(entry.name()))
                .collect(),
            errors: errors.iter().map(|error| error.name.clone()).collect(),
            answers: api
                .methods()
                .map(|method| camel_case(method.name()))
                .collect(),
        })
    }
}

#[test]
fn what_documents_call_is_there() -> Result<()> {
    let offer = Offer::read()?;
    let mut found = BTreeSet::new();
    for document in DOCUMENTS {
        let text = fs::read_to_string(repository().join(document)).context(document)?;
        // `{ query: { metagraph } }` leaves the pallet's name alone in front of an item's.
        let (errors, items): (BTreeSet<_>, _) = names(&text, " metagraph.")
            .into_iter()
            .partition(|name| name.starts_with(char::is_uppercase));
        for (used, offered) in [
            (names(&text, "tx.metagraph."), &offer.calls),
            (names(&text, "query.metagraph."), &offer.storage),
            (items, &offer.storage),
            (names(&text, "call.metagraphApi."), &offer.answers),
            (errors, &offer.errors),
        ] {
            for name in used {
                ensure!(
                    offered.contains(name),
                    "{document}: the metagraph has no {name}"
                );
                found.insert(name.to_owned());
            }
        }
    }
    // Of each kind one, so that this test cannot pass by finding nothing.
    for known in [
        "setWeights",
        "uids",
        "stakeColumn",
        "registrationPrice",
        "SettingWeightsTooFast",
    ] {
        ensure!(found.contains(known), "no document names {known} any more");
    }
    Ok(())
}

#[test]
fn names_are_in_camel_case_for_a_client() {
    for (runtime, client) in [
        ("set_weights", "setWeights"),
        ("PermitColumn", "permitColumn"),
        ("next_epoch", "nextEpoch"),
        ("metagraph", "metagraph"),
    ] {
        assert_eq!(camel_case(runtime), client);
    }
}
