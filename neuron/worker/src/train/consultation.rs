//! What the network says about a batch.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use neuron_learn::{
    codistillation,
    likeliest::Likeliest,
    router::{Joined, Router, Routes},
    synapse::{Labels, Perception, Synapse, SynapseOutput},
    tensor,
};
use neuron_peer::dendrite::{Outcome, Peer};
use neuron_proto::{Code, DType, Tensor as WireTensor, Wanted};
use neuron_wallet::PublicKey;
use tch::{Device, Kind, Tensor};

use super::{TrainError, peers::Peers};

/// In one step of this many, a peer is asked about every row, whatever the router thinks of it: each in turn.
const TRIED_EVERY: u64 = 16;

/// What those said that answered.
enum Said {
    /// How they encode, put together.
    Encodings(Joined),
    /// What they predict, put together.
    Predictions(Joined),
    /// The likeliest classes of what each predicts. They are put together when it is known what the model itself thinks of the
    /// others.
    Likeliest(Vec<Option<Likeliest>>),
}

/// What was asked, and what came of it.
pub(super) struct Consultation {
    routes: Routes,
    said: Said,
    /// Who was asked, some of them twice: the peers of the routes.
    peers: Vec<Peer>,
    /// The rows that each was sent.
    requests: Vec<WireTensor>,
    pub(super) outcomes: Vec<Outcome>,
    /// Whether these are others, not the neuron itself.
    pub(super) is_with_others: bool,
    /// How long it was waited for them.
    pub(super) remote: Duration,
}

impl Consultation {
    /// Asks the network about these inputs: which peers get which rows, by the context that the synapse perceived in them,
    /// their answers under one deadline, and what those say that came, on this device. In some steps a peer is tried that the
    /// router might never ask; where there is no step, nothing is learned of whom was asked, and none is.
    ///
    /// Rows of peers that fail are sent to the next best, once, while half of the time is left: who gets less may be late without
    /// being slow, and would be left alone for that.
    pub(super) fn hold(
        network: &Peers,
        router: &mut Router,
        inputs: &Tensor,
        context: &Tensor,
        device: Device,
        step: Option<u64>,
    ) -> Result<Consultation, TrainError> {
        let mut peers = network.present();
        let hotkeys: Vec<PublicKey> = peers.iter().map(|peer| peer.hotkey).collect();

        let wanted = network.asking.wanted;
        // The model learns from what peers tell, not from whom it would rather ask.
        let context = match wanted {
            Wanted::Encoding => context.shallow_clone(),
            Wanted::Prediction(_) | Wanted::Target(_) => context.detach(),
        };
        let tried = step.and_then(|step| tried(step, peers.len()));
        let (rows, mut routes) = router.route_trying(tried, &hotkeys, &context, inputs)?;
        let mut requests = to_wire(&rows)?;
        let row_shape = network.row_shape(requests.first().map_or(&[], WireTensor::row_shape));
        let (asked, deadline) = (Instant::now(), network.asking.deadline);
        let mut outcomes = network.forward(&peers, &requests, &row_shape, deadline);

        let left = deadline.saturating_sub(asked.elapsed());
        if let Some(has_failed) = has_failed_in_time(&requests, &outcomes, left, deadline)
            && let Some((rows, around)) = router.reroute(&routes, &has_failed, inputs)?
        {
            let again = to_wire(&rows)?;
            outcomes.extend(network.forward(&peers, &again, &row_shape, left));
            requests.extend(again);
            peers.extend_from_within(..);
            routes = around;
        }
        let remote = asked.elapsed();
        let axes: Vec<i64> = row_shape.iter().copied().map(i64::from).collect();
        let said = match (wanted, wanted.n_likeliest()) {
            (Wanted::Encoding, _) => {
                let responses = from_wire(&outcomes, device)?;
                Said::Encodings(router.join_level(&routes, &responses, &axes)?)
            }
            (_, None) => {
                let responses = from_wire(&outcomes, device)?;
                let joined = codistillation::join(router, &routes, &responses, &axes)?;
                Said::Predictions(joined)
            }
            (_, Some(_)) => Said::Likeliest(likeliest(&outcomes, device)?),
        };

        Ok(Consultation {
            is_with_others: !peers.iter().any(|peer| network.is_own(peer)),
            routes,
            said,
            peers,
            requests,
            outcomes,
            remote,
        })
    }

    /// What the model makes of the batch with what the network said, which is imitated for this share of the loss. Where nobody
    /// answered, there is nothing to learn from them: zeros would be learned as if somebody had said them.
    pub(super) fn conclude(
        &self,
        synapse: &dyn Synapse,
        perception: &Perception,
        labels: &Labels,
        imitation: f64,
    ) -> Result<SynapseOutput, TrainError> {
        let labels = Some(labels);
        if !self.is_answered() {
            return Ok(synapse.conclude(perception, labels, None)?);
        }
        let routes = &self.routes;
        let alone = || synapse.conclude(perception, labels, None);
        Ok(match &self.said {
            Said::Encodings(joined) => {
                synapse.conclude(perception, labels, Some(joined.context()))?
            }
            Said::Predictions(joined) => {
                codistillation::conclude(alone()?, routes, joined, labels, imitation)?
            }
            Said::Likeliest(told) => {
                let alone = alone()?;
                let joined = codistillation::join_likeliest(routes, told, &alone.local_target)?;
                codistillation::conclude(alone, routes, &joined, labels, imitation)?
            }
        })
    }

    /// Whether anybody answered.
    pub(super) fn is_answered(&self) -> bool {
        self.outcomes.iter().any(Outcome::is_success)
    }

    /// Mean gate of each peer, zero for those that did not answer: what opinions are made of.
    pub(super) fn scores(&self) -> Vec<(PublicKey, f64)> {
        let gates = self.routes.mean_gates().into_iter();
        gates
            .zip(&self.outcomes)
            .map(|(gate, outcome)| {
                (
                    outcome.peer.hotkey,
                    if outcome.is_success() { gate } else { 0.0 },
                )
            })
            .collect()
    }

    /// Share of the gates whose peer did not answer.
    pub(super) fn lost_gate_mass(&self) -> f64 {
        let has_answered: Vec<bool> = self.outcomes.iter().map(Outcome::is_success).collect();
        self.routes.mean_lost_gate_mass(&has_answered)
    }

    /// How many peers were asked, and how many of them answered, be it at the second time.
    pub(super) fn n_asked_and_answered(&self) -> (usize, usize) {
        let hotkeys = |is_counted: fn(&Outcome) -> bool| {
            let counted = self.calls().filter(|(outcome, _)| is_counted(outcome));
            let hotkeys: BTreeSet<_> = counted.map(|(outcome, _)| outcome.peer.hotkey).collect();
            hotkeys.len()
        };
        (hotkeys(|_| true), hotkeys(Outcome::is_success))
    }

    /// Calls that were made, with how many rows: those without rows were not.
    pub(super) fn calls(&self) -> impl Iterator<Item = (&Outcome, u32)> {
        self.outcomes
            .iter()
            .zip(&self.requests)
            .map(|(outcome, request)| (outcome, request.rows()))
            .filter(|(_, rows)| *rows > 0)
    }

    /// Sends each peer the gradients of its answer, if that was an encoding. None that are not finite, which it would refuse.
    ///
    /// `scale`: what the loss was multiplied by
    pub(super) fn send_gradients(&self, network: &Peers, scale: f64) -> Result<(), TrainError> {
        let Said::Encodings(joined) = &self.said else {
            return Ok(());
        };
        if !self.is_with_others {
            return Ok(());
        }
        for (position, (peer, request)) in self.peers.iter().zip(&self.requests).enumerate() {
            if let Some(gradient) = joined.gradient(position) {
                let gradient = gradient / scale;
                if gradient.isfinite().all().int64_value(&[]) == 0 {
                    continue;
                }
                let gradient = tensor::to_wire(&gradient, DType::F32)?;
                network.backward(peer, request.clone(), gradient);
            }
        }
        Ok(())
    }
}

/// The position of the peer that is tried in this step, if one is.
fn tried(step: u64, n_peers: usize) -> Option<usize> {
    let n_peers = u64::try_from(n_peers).ok().filter(|n_peers| *n_peers > 0)?;
    let turn = step
        .is_multiple_of(TRIED_EVERY)
        .then_some(step / TRIED_EVERY)?;
    usize::try_from(turn % n_peers).ok()
}

/// Who did not answer what it was asked, where others can be asked instead: none, if nobody did not, or less than half of the
/// time is left. A peer that is late, or was not waited for any longer, has had all of it.
fn has_failed_in_time(
    requests: &[WireTensor],
    outcomes: &[Outcome],
    left: Duration,
    deadline: Duration,
) -> Option<Vec<bool>> {
    let has_failed = |(request, outcome): (&WireTensor, &Outcome)| {
        request.rows() > 0 && !outcome.is_success() && outcome.code != Code::Timeout
    };
    let has_failed: Vec<bool> = requests.iter().zip(outcomes).map(has_failed).collect();
    (left >= deadline / 2 && has_failed.contains(&true)).then_some(has_failed)
}

fn to_wire(rows: &[Tensor]) -> Result<Vec<WireTensor>, TrainError> {
    let to_wire = |rows: &Tensor| {
        let dtype = match rows.kind() {
            Kind::Int64 => DType::I64,
            Kind::Uint8 => DType::U8,
            _ => DType::F32,
        };
        Ok(tensor::to_wire(rows, dtype)?)
    };
    rows.iter().map(to_wire).collect()
}

fn from_wire(outcomes: &[Outcome], device: Device) -> Result<Vec<Option<Tensor>>, TrainError> {
    outcomes
        .iter()
        .map(|outcome| {
            let outputs = outcome.outputs.as_ref();
            Ok(outputs
                .map(|outputs| tensor::to_torch(outputs, device))
                .transpose()?)
        })
        .collect()
}

fn likeliest(outcomes: &[Outcome], device: Device) -> Result<Vec<Option<Likeliest>>, TrainError> {
    outcomes
        .iter()
        .map(|outcome| {
            let told = outcome.outputs.as_ref().zip(outcome.classes.as_ref());
            let read = |(outputs, classes)| Likeliest::from_wire(outputs, classes, device);
            Ok(told.map(read).transpose()?)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_peer_is_tried_in_its_turn() {
        let turns = (0..5 * TRIED_EVERY).filter_map(|step| tried(step, 3));
        assert_eq!(turns.collect::<Vec<_>>(), [0, 1, 2, 0, 1]);
        assert_eq!(tried(0, 0), None);
    }

    #[test]
    fn others_are_asked_instead_of_who_failed_while_half_of_the_time_is_left() {
        let outcome = |code| Outcome {
            peer: Peer {
                uid: 0,
                hotkey: PublicKey([0; 32]),
                address: ([127, 0, 0, 1], 1).into(),
                plaintext: false,
            },
            code,
            message: String::new(),
            outputs: None,
            classes: None,
            elapsed: Duration::ZERO,
            connect: None,
            queue: None,
            compute: None,
            batch_rows: None,
        };
        let rows = |n: i64| to_wire(&[Tensor::zeros([n, 1], (Kind::Float, Device::Cpu))]).unwrap();
        let requests = [rows(1), rows(1), rows(1), rows(1), rows(0)].concat();
        let codes = [
            Code::Success,
            Code::Timeout,
            Code::Backoff,
            Code::Unavailable,
            Code::EmptyRequest,
        ];
        let outcomes = codes.map(outcome);
        let seconds = Duration::from_secs;
        let failed =
            |n: usize, left| has_failed_in_time(&requests[..n], &outcomes[..n], left, seconds(4));
        let expected = vec![false, false, true, true, false];
        assert_eq!(failed(5, seconds(2)), Some(expected));
        assert_eq!(failed(5, Duration::from_millis(1_999)), None, "too late");
        assert_eq!(failed(2, seconds(4)), None, "nobody");
    }
}
