//! `neuron query`: what the network says that an image shows.
//!
//! ```text
//! image ─► who serves images ─► what each offers ─► predictions of all that offer some ─► averaged by incentive
//!          (chain)              (describe)          (dendrite, one deadline)
//! ```

mod offer;
mod picture;
mod poll;
mod table;

use std::time::Duration;

use futures::future::join_all;
use neuron_metagraph::{At, Metagraph, Neuron, Protocol};
use neuron_peer::{
    Identity,
    dendrite::{Call, Dendrite, Outcome, Peer},
};
use neuron_proto::{Code, Modality};
use neuron_wallet::Keypair;
use tokio::time::Instant;

use self::{
    offer::Offer,
    picture::Picture,
    poll::{Poll, Vote, agreed_classes},
};
use crate::{
    Output,
    chain::block_on,
    cli::{DendriteSettings, Global, Query},
    exit::{UnansweredError, UsageError},
};

pub(super) fn run(global: &Global, query: &Query) -> anyhow::Result<()> {
    let picture = Picture::open(&query.image, query.invert)?;
    let hotkey = global.hotkey()?;
    let poll = block_on(ask(global, query, &picture, hotkey))?;
    Output::new(global).show(&poll, table::describe)?;
    Ok(poll.check()?)
}

async fn ask(
    global: &Global,
    query: &Query,
    picture: &Picture,
    hotkey: Keypair,
) -> anyhow::Result<Poll> {
    let chain = global.connect().await?;
    let metagraph = chain.metagraph(global.netid, At::Best).await?;
    let neurons = choose(&metagraph, &query.uids)?;
    let identity = Identity::new(hotkey)?;
    let caller = identity.hotkey();
    let asker = Asker {
        dendrite: Dendrite::new(Some(identity), query.dendrite.config()),
        settings: &query.dendrite,
        deadline: Instant::now() + query.dendrite.deadline,
    };
    let offers = asker.describe_all(&neurons, picture).await;
    let votes = asker.predict_all(&neurons, offers).await;
    Ok(Poll::new(&metagraph, caller, votes))
}

/// The neurons of these uids; of none, all that serve images.
fn choose<'a>(metagraph: &'a Metagraph, uids: &[u16]) -> anyhow::Result<Vec<&'a Neuron>> {
    let netid = metagraph.netid;
    if uids.is_empty() {
        let serves = |neuron: &&Neuron| neuron.endpoint.is_some_and(|it| it.synapses.image);
        let serving: Vec<_> = metagraph.neurons.iter().filter(serves).collect();
        if serving.is_empty() {
            return Err(UnansweredError(format!(
                "no neuron of network {netid} serves images; start one (neuron train), or see who serves what: \
                 neuron metagraph --serving"
            ))
            .into());
        }
        return Ok(serving);
    }
    let mut uids = uids.to_vec();
    uids.sort_unstable();
    uids.dedup();
    let neurons = uids.into_iter().map(|uid| {
        metagraph.neuron(uid).ok_or_else(|| {
            let n = metagraph.neurons.len();
            UsageError(format!(
                "expected uids below {n}, as many neurons as network {netid} has, got {uid}; see neuron metagraph"
            ))
            .into()
        })
    });
    neurons.collect()
}

/// Why a peer is not asked, or what it answered is not counted.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Absence {
    code: Code,
    message: String,
}

impl Absence {
    fn new(code: Code, message: impl Into<String>) -> Absence {
        Absence {
            code,
            message: message.into(),
        }
    }
}

/// Asks everybody in two rounds under one deadline: what do you offer, and what do you see.
struct Asker<'a> {
    dendrite: Dendrite,
    settings: &'a DendriteSettings,
    deadline: Instant,
}

impl Asker<'_> {
    /// What each offers. The round takes half of the time at most, so that a peer that is away leaves time for the others.
    async fn describe_all(
        &self,
        neurons: &[&Neuron],
        picture: &Picture,
    ) -> Vec<Result<Offer, Absence>> {
        let limit = self.settings.deadline / 2;
        let asked = neurons.iter().map(|neuron| async move {
            let peer = peer(neuron)?;
            let described = self.dendrite.describe(&peer, limit).await;
            let description = described.map_err(|error| Absence::new(error.code, error.message))?;
            Offer::new(peer, &description, picture)
        });
        join_all(asked).await
    }

    /// What each sees, for those that tell the same classes apart as most of the network does.
    async fn predict_all(
        &self,
        neurons: &[&Neuron],
        offers: Vec<Result<Offer, Absence>>,
    ) -> Vec<Vote> {
        let offered = neurons.iter().zip(&offers).filter_map(|(neuron, offer)| {
            let offer = offer.as_ref().ok()?;
            Some((offer.n_classes, neuron.incentive))
        });
        let n_classes = agreed_classes(offered).unwrap_or_default();
        let offers: Vec<_> = offers
            .into_iter()
            .map(|offer| offer.and_then(|offer| offer.of_classes(n_classes)))
            .collect();
        let mut outcomes = self.predict(&offers, n_classes).await.into_iter();
        let mut vote = |(neuron, offer): (&&Neuron, Result<Offer, Absence>)| match offer {
            // An outcome for each call, in the order of the calls.
            Ok(_) => match outcomes.next() {
                Some(outcome) => Vote::new(neuron, outcome),
                None => Vote::absent(neuron, Absence::new(Code::NoReturn, "it was not asked")),
            },
            Err(absence) => Vote::absent(neuron, absence),
        };
        neurons.iter().zip(offers).map(&mut vote).collect()
    }

    async fn predict(&self, offers: &[Result<Offer, Absence>], n_classes: u32) -> Vec<Outcome> {
        let calls = offers.iter().flatten().map(|offer| Call {
            peer: offer.peer,
            inputs: offer.inputs.clone(),
        });
        let left: Duration = self.deadline.saturating_duration_since(Instant::now());
        let (row_shape, finish) = ([n_classes], self.settings.finish());
        self.dendrite
            .predict(Modality::Image, calls.collect(), &row_shape, left, finish)
            .await
    }
}

fn peer(neuron: &Neuron) -> Result<Peer, Absence> {
    let endpoint = neuron.endpoint.ok_or_else(|| {
        Absence::new(
            Code::BadEndpoint,
            "it announces no address: it does not serve",
        )
    })?;
    Ok(Peer {
        uid: neuron.uid,
        hotkey: neuron.hotkey,
        address: endpoint.address,
        plaintext: endpoint.protocol == Protocol::GrpcPlain,
    })
}
