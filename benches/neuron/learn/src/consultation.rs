//! Asking the network about a batch, as a neuron does that trains: route, ask, join.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use neuron_learn::{
    codistillation,
    router::{Joined, Router, Routes},
    tensor::{to_torch, to_wire},
};
use neuron_peer::dendrite::{Call, Outcome, Peer};
use neuron_proto::{DType, Output};
use neuron_wallet::PublicKey;
use tch::{Device, Tensor};

/// What the network said, and what that took.
#[derive(Debug)]
pub struct Consultation {
    /// Who was asked about which rows.
    pub routes: Routes,
    /// The sum of the answers: of encodings that are all equally loud, or of probabilities.
    pub joined: Joined,
    /// Peers that had to answer about a row or more.
    pub n_asked: usize,
    /// Scores, and a request of the wire for each peer.
    pub route: Duration,
    /// Until the last answer was there.
    pub ask: Duration,
    /// From the wire into the sum.
    pub join: Duration,
}

/// Asks these peers about these inputs. `ask` sends the calls, one for each peer, and gives the outcomes, which are answered
/// with this `output`, in their order.
///
/// # Shapes
///
/// `context`: `[batch, x_dim]` of the router; `inputs`: `[batch, ..]`; answers: `[rows, width]`
///
/// # Errors
///
/// If a peer that was sent rows does not answer: a measurement is not one where calls fail.
pub fn consult(
    router: &mut Router,
    output: Output,
    peers: &[Peer],
    context: &Tensor,
    inputs: &Tensor,
    width: i64,
    ask: impl FnOnce(Vec<Call>) -> Vec<Outcome>,
) -> Result<Consultation> {
    let hotkeys: Vec<PublicKey> = peers.iter().map(|peer| peer.hotkey).collect();
    let start = Instant::now();
    let (requests, routes) = router.route(&hotkeys, context, inputs)?;
    let mut calls = Vec::with_capacity(peers.len());
    for (&peer, request) in peers.iter().zip(&requests) {
        calls.push(Call {
            peer,
            inputs: to_wire(request, DType::F32)?,
        });
    }
    let routed = Instant::now();
    let outcomes = ask(calls);
    let answered = Instant::now();
    let mut responses = Vec::with_capacity(peers.len());
    for outcome in &outcomes {
        let outputs = outcome.outputs.as_ref();
        responses.push(
            outputs
                .map(|outputs| to_torch(outputs, Device::Cpu))
                .transpose()?,
        );
    }
    let joined = match output {
        Output::Encoding => router.join_level(&routes, &responses, &[width])?,
        Output::Prediction | Output::Target => {
            codistillation::join(router, &routes, &responses, &[width])?
        }
    };
    let end = Instant::now();

    let is_asked = |place: usize| !routes.rows(place).is_empty();
    let failed = (0..peers.len()).find(|&place| is_asked(place) && responses[place].is_none());
    if let Some(place) = failed {
        let outcome = outcomes.get(place).context("an outcome for each call")?;
        ensure!(
            outcome.is_success(),
            "{}: {}: {}",
            outcome.peer,
            outcome.code,
            outcome.message
        );
    }
    Ok(Consultation {
        n_asked: (0..peers.len()).filter(|&place| is_asked(place)).count(),
        routes,
        joined,
        route: routed - start,
        ask: answered - routed,
        join: end - answered,
    })
}
