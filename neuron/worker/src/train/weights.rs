//! Setting the weight row, once per epoch of the chain, without waiting for it.
//!
//! A row is due once in each epoch, in its second half: late enough to say what was learned in this epoch, early enough to
//! be in a block before the next. A task of its own brings it there, so that a chain that is slow, or gone, costs training
//! nothing; what came of it is found in the run log when it is known.

use std::sync::mpsc;

use neuron_learn::events;
use neuron_metagraph::{Call, Included, SubmitError, WeightRow};
use tokio::sync::mpsc as tasks;

use crate::presence::{Submitter, View};

/// A row on its way.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    /// The setting neuron.
    pub(crate) uid: u16,
    /// What it sets.
    pub(crate) row: WeightRow,
    /// Steps made before.
    pub(crate) step: u64,
    /// Block in which it was due.
    pub(crate) block: u32,
}

impl Order {
    /// For the run log, with what came of it.
    pub(crate) fn event(&self, result: impl Into<String>) -> events::Weights {
        events::Weights {
            step: self.step,
            block: self.block,
            row: self.row.shares().collect(),
            result: result.into(),
        }
    }

    /// What came of submitting it.
    fn outcome(&self, submitted: Result<Included, SubmitError>) -> Outcome {
        match submitted {
            Ok(included) => {
                tracing::info!(block = included.block_number, "weights set");
                self.ended("included")
            }
            // Nothing has failed: somebody with the same key, or this neuron before it was started again, was first.
            Err(error @ SubmitError::RowWaits { .. }) => {
                tracing::info!(block = self.block, "weights not set yet: {error}");
                Outcome {
                    event: self.event("waits"),
                    may_try_again: true,
                }
            }
            Err(error) => {
                tracing::warn!(%error, "weights not set");
                Outcome {
                    event: self.event(format!("refused: {error}")),
                    may_try_again: !is_final(&error),
                }
            }
        }
    }

    /// Nothing is left to be done about it.
    fn ended(&self, result: &str) -> Outcome {
        Outcome {
            event: self.event(result),
            may_try_again: false,
        }
    }
}

/// What came of a row.
#[derive(Clone, Debug, PartialEq)]
struct Outcome {
    /// For the run log.
    event: events::Weights,
    /// Whether the chain has not said no: in another block it may take it.
    may_try_again: bool,
}

/// The trainer's end.
#[derive(Debug)]
pub(crate) struct WeightSetter {
    orders: tasks::Sender<Order>,
    results: mpsc::Receiver<Outcome>,
    /// The epoch that has its row, by the block in which it ends.
    done_for: Option<u32>,
    /// The block in which a row was due that may be tried again: in a later one.
    failed_in: Option<u32>,
}

/// The other end.
#[derive(Debug)]
pub(crate) struct Orders {
    orders: tasks::Receiver<Order>,
    results: mpsc::Sender<Outcome>,
}

/// Both ends. One row may be on its way at a time.
pub(crate) fn weight_setter() -> (WeightSetter, Orders) {
    let (orders, to_set) = tasks::channel(1);
    let (done, results) = mpsc::channel();
    let setter = WeightSetter {
        orders,
        results,
        done_for: None,
        failed_in: None,
    };
    let other_end = Orders {
        orders: to_set,
        results: done,
    };
    (setter, other_end)
}

impl WeightSetter {
    /// Whether a row is due.
    pub(crate) fn is_due(&self, view: &View) -> bool {
        let (block, from, to) = (
            u64::from(view.block),
            u64::from(view.previous_epoch),
            u64::from(view.next_epoch),
        );
        let is_late_enough = self.failed_in.is_none_or(|failed| view.block > failed);
        self.done_for != Some(view.next_epoch) && 2 * block >= from + to && is_late_enough
    }

    /// Sends a row on its way, unless the one before is still on its own, or this neuron may set none. Gives what there is
    /// to log already.
    pub(crate) fn set(&mut self, order: Order, view: &View) -> Option<events::Weights> {
        if !view.has_permit {
            self.done_for = Some(view.next_epoch);
            return Some(order.event("no permit"));
        }
        if self.orders.try_send(order).is_ok() {
            self.done_for = Some(view.next_epoch);
        }
        None
    }

    /// What came of rows since the last time. One that did not reach the chain is due again, in a later block.
    pub(crate) fn results(&mut self) -> Vec<events::Weights> {
        let outcomes: Vec<_> = self.results.try_iter().collect();
        if let Some(last) = outcomes.last().filter(|last| last.may_try_again) {
            self.done_for = None;
            self.failed_in = Some(last.event.block);
        }
        outcomes.into_iter().map(|outcome| outcome.event).collect()
    }
}

impl Orders {
    /// The next row that is on its way.
    #[cfg(test)]
    pub(super) fn next(&mut self) -> Option<Order> {
        self.orders.try_recv().ok()
    }

    /// Brings rows to the chain until the trainer is gone.
    pub(crate) async fn carry_out(mut self, submitter: Submitter, netid: u16) {
        while let Some(order) = self.orders.recv().await {
            let outcome = set(&submitter, netid, &order).await;
            // Nobody listens any more when training is over.
            let _ = self.results.send(outcome);
        }
    }
}

async fn set(submitter: &Submitter, netid: u16, order: &Order) -> Outcome {
    let chain = &submitter.chain;
    // Where that cannot be told, setting it again is no harm.
    if let Ok(true) = chain.counts_already(netid, order.uid, &order.row).await {
        return order.ended("unchanged");
    }
    let call = Call::SetWeights {
        netid,
        row: order.row.clone(),
        version: neuron::WEIGHTS_VERSION,
    };
    order.outcome(submitter.submit(call).await)
}

/// Whether the chain has said no, which it would say again.
fn is_final(error: &SubmitError) -> bool {
    match error {
        SubmitError::Refused(_) | SubmitError::Failed { .. } => true,
        SubmitError::Chain(error) => !error.is_temporary(),
        // The pool changes with every block; and a row that is in one after all is found there.
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use neuron_metagraph::{ChainError, Refusal};

    fn view(block: u32) -> View {
        View {
            block,
            previous_epoch: 100,
            next_epoch: 120,
            has_permit: true,
            ..View::default()
        }
    }

    fn order() -> Order {
        Order {
            uid: 3,
            row: WeightRow::quantise(&[(1, 3.0), (2, 1.0)]).unwrap(),
            step: 50,
            block: 110,
        }
    }

    #[test]
    fn a_row_is_due_in_the_second_half_of_an_epoch_once() {
        let (mut setter, mut orders) = weight_setter();
        assert!(!setter.is_due(&view(109)));
        assert!(setter.is_due(&view(110)));
        assert_eq!(setter.set(order(), &view(110)), None);
        assert_eq!(orders.next().unwrap().uid, 3);
        assert!(!setter.is_due(&view(119)));
        let next = View {
            previous_epoch: 120,
            next_epoch: 140,
            ..view(130)
        };
        assert!(setter.is_due(&next));
    }

    #[test]
    fn without_a_permit_nothing_is_sent_and_it_is_said() {
        let (mut setter, mut orders) = weight_setter();
        let view = View {
            has_permit: false,
            ..view(110)
        };
        let said = setter.set(order(), &view).unwrap();
        assert_eq!(
            (said.result.as_str(), said.step, said.block),
            ("no permit", 50, 110)
        );
        assert_eq!(
            said.row.iter().map(|(uid, _)| *uid).collect::<Vec<_>>(),
            [1, 2]
        );
        assert!((said.row[0].1 - 0.75).abs() < 1e-9);
        assert!(orders.next().is_none());
        assert!(!setter.is_due(&view));
    }

    #[test]
    fn a_row_waits_while_another_is_on_its_way() {
        let (mut setter, mut orders) = weight_setter();
        assert_eq!(setter.set(order(), &view(110)), None);
        let next = View {
            previous_epoch: 120,
            next_epoch: 140,
            ..view(130)
        };
        setter.set(order(), &next);
        assert!(setter.is_due(&next), "it is tried again");
        orders.next().unwrap();
        setter.set(order(), &next);
        assert!(!setter.is_due(&next));
    }

    #[test]
    fn what_came_of_a_row_is_known_later() {
        let (mut setter, orders) = weight_setter();
        assert_eq!(setter.results(), []);
        orders.results.send(order().ended("included")).unwrap();
        assert_eq!(setter.results()[0].result, "included");
    }

    #[test]
    fn a_row_that_does_not_reach_the_chain_is_due_again_in_a_later_block() {
        let gone = ChainError::Unreachable { tried: Vec::new() };
        let refusal = Refusal {
            call: "Metagraph::set_weights",
            pallet: "Metagraph".into(),
            error: "NoValidatorPermit".into(),
            docs: String::new(),
            block: None,
        };
        for (error, told, is_due_again) in [
            (SubmitError::Chain(gone), "refused", true),
            (SubmitError::RowWaits { netid: 0 }, "waits", true),
            (SubmitError::Chain(ChainError::NoUrl), "refused", false),
            (SubmitError::Refused(Box::new(refusal)), "refused", false),
        ] {
            let (mut setter, mut orders) = weight_setter();
            setter.set(order(), &view(110));
            orders.next().unwrap();
            orders.results.send(order().outcome(Err(error))).unwrap();
            let results = setter.results();
            let (result, _) = results[0]
                .result
                .split_once(':')
                .unwrap_or((&results[0].result, ""));
            assert_eq!(result, told);
            assert!(!setter.is_due(&view(110)), "not in the same block");
            assert_eq!(setter.is_due(&view(111)), is_due_again);
        }
    }
}
