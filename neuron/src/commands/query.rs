//! `neuron query`: what the network says that an image shows, or how a text goes on.
//!
//! ```text
//! subject ─► who serves its kind ─► what each offers ─► predictions of all that offer some ─► averaged by incentive
//!            (chain)                (describe)          (dendrite, one deadline)
//! ```

mod answer;
mod offer;
mod picture;
mod poll;
mod sentence;
mod subject;
mod table;

use std::time::Duration;

use futures::future::join_all;
use neuron_metagraph::{At, Metagraph, Neuron, Protocol};
use neuron_peer::{
    Identity,
    dendrite::{Call, Dendrite, Outcome, Peer},
};
use neuron_proto::Code;
use neuron_wallet::Keypair;
use tokio::time::Instant;

use self::{
    offer::Offer,
    poll::{Poll, Vote, agreed_shape},
    subject::Subject,
};
use crate::{
    Output,
    chain::block_on,
    cli::{DendriteSettings, Global, Query},
    exit::{UnansweredError, UsageError},
};

pub(super) fn run(global: &Global, query: &Query) -> anyhow::Result<()> {
    let subject = Subject::open(query)?;
    let hotkey = global.hotkey()?;
    let poll = block_on(ask(global, query, &subject, hotkey))?;
    Output::new(global).show(&poll, table::describe)?;
    Ok(poll.check()?)
}

async fn ask(
    global: &Global,
    query: &Query,
    subject: &Subject,
    hotkey: Keypair,
) -> anyhow::Result<Poll> {
    let chain = global.connect().await?;
    let metagraph = chain.metagraph(global.netid, At::Best).await?;
    let neurons = choose(&metagraph, &query.uids, subject)?;
    let identity = Identity::new(hotkey)?;
    let caller = identity.hotkey();
    let asker = Asker {
        dendrite: Dendrite::new(Some(identity), query.dendrite.config(query.plaintext)),
        settings: &query.dendrite,
        subject,
        deadline: Instant::now() + query.dendrite.deadline,
    };
    let offers = asker.describe_all(&neurons).await;
    let votes = asker.predict_all(&neurons, offers).await;
    Ok(Poll::new(&metagraph, caller, votes, subject))
}

/// The neurons of these uids; of none, all that serve what is asked about.
fn choose<'a>(
    metagraph: &'a Metagraph,
    uids: &[u16],
    subject: &Subject,
) -> anyhow::Result<Vec<&'a Neuron>> {
    let netid = metagraph.netid;
    if uids.is_empty() {
        let serves = |neuron: &&Neuron| {
            let endpoint = neuron.endpoint;
            endpoint.is_some_and(|it| subject.is_served(it.synapses))
        };
        let serving: Vec<_> = metagraph.neurons.iter().filter(serves).collect();
        if serving.is_empty() {
            return Err(UnansweredError(format!(
                "no neuron of network {netid} serves {}; start one (neuron train), or see who serves what: \
                 neuron metagraph --serving",
                subject.served()
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

/// Asks everybody in two rounds under one deadline: what do you offer, and what do you predict.
struct Asker<'a> {
    dendrite: Dendrite,
    settings: &'a DendriteSettings,
    subject: &'a Subject,
    deadline: Instant,
}

impl Asker<'_> {
    /// What each offers. The round takes half of the time at most, so that a peer that is away leaves time for the others.
    async fn describe_all(&self, neurons: &[&Neuron]) -> Vec<Result<Offer, Absence>> {
        let limit = self.settings.deadline / 2;
        let asked = neurons.iter().map(|neuron| async move {
            let peer = peer(neuron)?;
            let described = self.dendrite.describe(&peer, limit).await;
            let description = described.map_err(|error| Absence::new(error.code, error.message))?;
            Offer::new(peer, &description, self.subject)
        });
        join_all(asked).await
    }

    /// What each predicts, for those whose predictions have the shape that most of the network's have.
    async fn predict_all(
        &self,
        neurons: &[&Neuron],
        offers: Vec<Result<Offer, Absence>>,
    ) -> Vec<Vote> {
        let offered = neurons.iter().zip(&offers).filter_map(|(neuron, offer)| {
            let offer = offer.as_ref().ok()?;
            Some((&offer.question.row_shape[..], neuron.incentive))
        });
        let row_shape = agreed_shape(offered).unwrap_or_default().to_vec();
        let offers: Vec<_> = offers
            .into_iter()
            .map(|offer| offer.and_then(|offer| offer.of_shape(&row_shape)))
            .collect();
        let mut outcomes = self.predict(&offers, &row_shape).await.into_iter();
        let mut vote = |(neuron, offer): (&&Neuron, Result<Offer, Absence>)| match offer {
            // An outcome for each call, in the order of the calls.
            Ok(_) => match outcomes.next() {
                Some(outcome) => Vote::new(neuron, outcome, self.subject, &row_shape),
                None => Vote::absent(neuron, Absence::new(Code::NoReturn, "it was not asked")),
            },
            Err(absence) => Vote::absent(neuron, absence),
        };
        neurons.iter().zip(offers).map(&mut vote).collect()
    }

    async fn predict(&self, offers: &[Result<Offer, Absence>], row_shape: &[u32]) -> Vec<Outcome> {
        let calls = offers.iter().flatten().map(|offer| Call {
            peer: offer.peer,
            inputs: offer.question.inputs.clone(),
        });
        let left: Duration = self.deadline.saturating_duration_since(Instant::now());
        let (entry, finish) = (self.subject.entry(), self.settings.finish());
        let wanted = self.subject.wanted(row_shape);
        self.dendrite
            .ask(entry, wanted, calls.collect(), row_shape, left, finish)
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
