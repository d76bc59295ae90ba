//! Who loses its place is no longer answered, and trains on.

use crate::{Member, NETID, chain_with, now};
use anyhow::{Result, ensure};
use connectome_tests::run_log::Event;
use serde_json::json;

const STAYS: u16 = 0;
const REPLACED: u16 = 1;

/// Steps that whoever is replaced has to make after that.
const STEPS: u64 = 20;

#[tokio::test]
async fn a_caller_that_is_replaced_while_it_is_connected_is_not_answered_any_more() -> Result<()> {
    // Given a network that is full, of two that ask each other, where nobody weighs anybody: pay goes by stake,
    let members = [("stays", 300), ("replaced", 0)].map(|(name, stake)| Member { name, stake });
    let comes = Member {
        name: "comes",
        stake: 0,
    };
    let full = json!({ "maxNeurons": 2, "immunityPeriod": 0 });
    let node = chain_with(&[Member { ..comes }], &members, &full).await?;
    let quiet = |member: &Member| anyhow::Ok(member.operator(&node)?.with(["--no-set-weights"]));
    let mut stays = quiet(&members[0])?.train()?;
    let mut replaced = quiet(&members[1])?.train()?;
    stays.until_answered_by(REPLACED).await?;
    replaced.until_answered_by(STAYS).await?;
    node.client
        .until_network(NETID, "pay by stake", |state| {
            let [stays, replaced] = &state.metagraph.neurons[..] else {
                return None;
            };
            (stays.emission > replaced.emission).then_some(())
        })
        .await?;

    // when somebody registers, and so takes the place of the one that is paid least,
    let registered = comes.operator(&node)?.ask(&["register"]).await?;
    assert_eq!(registered["uid"], REPLACED);
    let neurons = now(&node).await?.metagraph.neurons;
    let hotkey = neurons[usize::from(REPLACED)].hotkey;
    assert_eq!(hotkey, comes.account()?);

    // then that one is refused, by name, and trains on without the other,
    let refused = replaced
        .until("a refusal", |events| {
            let is_refused = |event: &Event| event.code_of(STAYS) == Some("SenderUnknown");
            events.iter().position(is_refused)
        })
        .await?;
    replaced.go_on(STEPS).await?;
    let since = &replaced.events()?[refused..];
    let is_answered = since
        .iter()
        .any(|event| event.code_of(STAYS) == Some("Success"));
    ensure!(!is_answered, "{since:?}");

    // and is no longer asked itself.
    let meanwhile = stays.go_on(STEPS).await?;
    let is_asked = meanwhile
        .iter()
        .any(|event| event.code_of(REPLACED).is_some());
    ensure!(!is_asked, "{meanwhile:?}");
    Ok(())
}
