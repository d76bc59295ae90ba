//! From what happens to an [`Observation`]: reads run logs and the chain, and writes down what they say.

use crate::{
    findings::float,
    neurons::Trainee,
    observation::{Chain, Epoch, Observation, Scores},
    process::Complaint,
    run_log::Event,
};
use anyhow::Result;
use neuron_metagraph::{At, CTM, Following, Matrix, Metagraph, fraction};
use std::collections::BTreeMap;

/// Watches the chain.
pub(crate) struct ChainObserver {
    chain: neuron_metagraph::Chain,
    netid: u16,
    following: Following,
    /// Block of the last epoch that is written down, or that was before the demo.
    last_epoch: u32,
}

impl ChainObserver {
    /// Begins to watch; epochs that ran before are not told.
    ///
    /// # Errors
    ///
    /// If the chain does not answer.
    pub(crate) async fn begin(chain: &neuron_metagraph::Chain, netid: u16) -> Result<Self> {
        let following = chain.follow(netid).await?;
        let last_epoch = following.latest().previous_epoch;
        Ok(Self {
            chain: chain.clone(),
            netid,
            following,
            last_epoch,
        })
    }

    /// Writes down the latest block, and the epoch that ran since the last time, if one did.
    ///
    /// # Errors
    ///
    /// If the chain does not say what the weights were.
    pub(crate) async fn observe(&mut self, observation: &mut Observation) -> Result<()> {
        let metagraph = self.following.latest();
        let chain = &mut observation.chain;
        chain.block = metagraph.block.number;
        chain.next_epoch = metagraph.next_epoch;
        chain.stakes = metagraph
            .neurons
            .iter()
            .map(|neuron| (neuron.uid, ctm(neuron.stake)))
            .collect();
        if metagraph.previous_epoch > self.last_epoch {
            let at = At::Block(metagraph.block.hash);
            let weights = self.chain.weights(self.netid, at).await?;
            self.last_epoch = metagraph.previous_epoch;
            let time = observation.elapsed;
            write_epoch(&mut observation.chain, &metagraph, &weights, time);
        }
        Ok(())
    }
}

fn write_epoch(chain: &mut Chain, metagraph: &Metagraph, weights: &Matrix, time: f64) {
    let scores = metagraph.neurons.iter().map(|neuron| {
        let scores = Scores {
            stake: ctm(neuron.stake),
            permit: neuron.validator_permit,
            incentive: fraction(neuron.incentive),
            dividends: fraction(neuron.dividends),
            trust: fraction(neuron.trust),
            emission: ctm(neuron.emission),
        };
        (neuron.uid, scores)
    });
    let row = |rater: u16, entries: &[(u16, u16)]| -> BTreeMap<u16, f64> {
        entries
            .iter()
            .map(|(rated, _)| (*rated, weights.share(rater, *rated)))
            .collect()
    };
    chain.epochs.push(Epoch {
        block: metagraph.previous_epoch,
        time,
        scores: scores.collect(),
        weights: weights
            .rows
            .iter()
            .map(|(rater, entries)| (*rater, row(*rater, entries)))
            .collect(),
    });
}

/// Units as CTM; both are far below 2⁵³ here.
fn ctm(units: u64) -> f64 {
    float(units) / float(CTM)
}

/// Writes down what the neurons have logged. Those that ended although nobody told them to are failures, and leave the list.
///
/// # Errors
///
/// If a run log holds what it should not.
pub(crate) fn observe_neurons(
    neurons: &mut Vec<Trainee>,
    observation: &mut Observation,
    began: u64,
) -> Result<()> {
    let mut place = 0;
    while let Some(trainee) = neurons.get_mut(place) {
        // In this order, so that nothing is missed that an ended one wrote.
        let ended = trainee.ended()?;
        let events = trainee.news()?;
        write_news(observation, trainee.index, events, began);
        match ended {
            Some(status) => {
                let trainee = neurons.remove(place);
                let neuron = &mut observation.neurons[trainee.index];
                let complaint = trainee.deserted(status);
                neuron.ended = Some(complaint.what.clone());
                let (uid, name) = (neuron.uid, neuron.name());
                complain(observation, Some(uid), &name, complaint);
            }
            None => place += 1,
        }
    }
    Ok(())
}

fn write_news(observation: &mut Observation, index: usize, events: Vec<Event>, began: u64) {
    let neuron = &mut observation.neurons[index];
    let n_rows = neuron.rows.len();
    for event in events {
        neuron.apply(event, began);
    }
    let name = neuron.name();
    let notes: Vec<String> = neuron.rows[n_rows..]
        .iter()
        .map(|row| match (row.result.as_str(), row.block) {
            ("included", Some(block)) => format!("{name} set weights in block {block}"),
            (result, _) => format!("{name} set no weights: {result}"),
        })
        .collect();
    for note in notes {
        observation.note(note);
    }
}

/// Writes down what is wrong with how a process ended; `who` begins the sentence.
pub(crate) fn complain(
    observation: &mut Observation,
    uid: Option<u16>,
    who: &str,
    complaint: Complaint,
) {
    let Complaint { what, log } = complaint;
    observation.fail(uid, format!("{who} {what}"), log);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_the_chain_become_shares() {
        let weights = Matrix {
            rows: vec![(1, vec![(0, 65_535), (2, 21_845)])],
        };
        // 65535 / (65535 + 21845)
        assert_eq!(weights.share(1, 0), 0.75);
        assert_eq!(ctm(1_500_000_000), 1.5);
    }
}
