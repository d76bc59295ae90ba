//! Asking peers from the training thread.
//!
//! Everybody who serves what is asked may be asked, and the router chooses among them. Where there is nobody, the neuron
//! asks itself: its nucleus answers from the served copy as it would answer a peer, and learning goes on.

use std::{sync::Arc, time::Duration};

use neuron_peer::{
    dendrite::{Call, Dendrite, Entry, Finish, Outcome, Peer, loopback},
    nucleus::{Nucleus, SynapseSpec},
};
use neuron_proto::{Tensor, Wanted};
use tokio::{runtime::Handle, sync::watch};

use crate::presence::View;

/// How peers are asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asking {
    /// The entry point.
    pub(crate) entry: Entry,
    /// What they are asked for: encodings, or targets, as a whole or the likeliest classes of them.
    pub(crate) wanted: Wanted,
    /// How long all of them have.
    pub(crate) deadline: Duration,
    /// When to stop waiting before that.
    pub(crate) finish: Finish,
}

/// The neuron's way to its peers.
pub(crate) struct Peers {
    /// Runs what is asynchronous.
    pub(crate) runtime: Handle,
    /// Asks others.
    pub(crate) dendrite: Dendrite,
    /// Answers where there are no others.
    pub(crate) nucleus: Nucleus,
    /// This neuron, as its peers know it.
    pub(crate) own: Peer,
    /// The network now.
    pub(crate) view: watch::Receiver<Arc<View>>,
    /// How they are asked.
    pub(crate) asking: Asking,
}

impl Peers {
    /// The network as it is now, and whether that is news.
    pub(crate) fn look(&mut self) -> (Arc<View>, bool) {
        let is_news = self.view.has_changed().unwrap_or(false);
        (self.view.borrow_and_update().clone(), is_news)
    }

    /// Who is asked: all who serve, or this neuron itself if nobody does.
    pub(crate) fn present(&self) -> Vec<Peer> {
        let peers = self.view.borrow().peers.clone();
        if peers.is_empty() {
            vec![self.own]
        } else {
            peers
        }
    }

    /// Whether anybody else serves.
    pub(crate) fn has_others(&self) -> bool {
        !self.view.borrow().peers.is_empty()
    }

    /// Whether this is the neuron itself.
    pub(crate) fn is_own(&self, peer: &Peer) -> bool {
        peer.hotkey == self.own.hotkey
    }

    /// Shape of what is answered to one of these inputs, which may be texts of any length, with all classes: a peer's is as this
    /// neuron's own.
    pub(crate) fn row_shape(&self, inputs: &[u32]) -> Vec<u32> {
        let served = self.nucleus.synapses().iter();
        served
            .filter(|spec| spec.modality == self.asking.entry.modality)
            .find_map(|spec: &SynapseSpec| spec.row_shape(self.asking.wanted.output(), inputs))
            .expect("a neuron serves what it asks for")
    }

    /// Asks each for its rows, all at once, and gives an outcome for each, in order. They have this long.
    pub(crate) fn forward(
        &self,
        peers: &[Peer],
        requests: &[Tensor],
        row_shape: &[u32],
        deadline: Duration,
    ) -> Vec<Outcome> {
        match (peers, requests) {
            ([peer], [inputs]) if self.is_own(peer) => {
                vec![self.ask_itself(inputs.clone(), row_shape, deadline)]
            }
            _ => self.ask_others(peers, requests, row_shape, deadline),
        }
    }

    /// Sends a peer the gradients of its answer, without waiting for what becomes of them.
    pub(crate) fn backward(&self, peer: &Peer, inputs: Tensor, gradients: Tensor) {
        let _runtime = self.runtime.enter();
        self.dendrite
            .backward(self.asking.entry, peer, inputs, gradients);
    }

    fn ask_others(
        &self,
        peers: &[Peer],
        requests: &[Tensor],
        row_shape: &[u32],
        deadline: Duration,
    ) -> Vec<Outcome> {
        let calls = peers.iter().zip(requests).map(|(peer, inputs)| Call {
            peer: *peer,
            inputs: inputs.clone(),
        });
        let Asking {
            entry,
            wanted,
            finish,
            ..
        } = self.asking;
        let asked = self
            .dendrite
            .ask(entry, wanted, calls.collect(), row_shape, deadline, finish);
        self.runtime.block_on(asked)
    }

    fn ask_itself(&self, inputs: Tensor, row_shape: &[u32], deadline: Duration) -> Outcome {
        let call = Call {
            peer: self.own,
            inputs,
        };
        let Asking { entry, wanted, .. } = self.asking;
        let asked = loopback(&self.nucleus, entry, wanted, call, row_shape, deadline);
        self.runtime.block_on(asked)
    }
}
