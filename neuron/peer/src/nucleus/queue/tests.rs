//! The order's promises, for any requests in any order.

use std::{collections::BTreeMap, time::Duration};

use neuron_proto::Tensor;
use proptest::prelude::*;

use super::*;
use crate::nucleus::{Checked, Request};

/// A request in as few numbers as the queue looks at.
#[derive(Clone, Copy, Debug)]
struct Asked {
    stake: u64,
    rows: u32,
    /// Elements of a row: what makes kinds of requests.
    width: u32,
}

impl Asked {
    fn pending(self, now: Instant, patience: Duration) -> Pending {
        let Asked {
            stake: priority,
            rows,
            width,
        } = self;
        let data = vec![0; (rows * width) as usize].into();
        let inputs = Tensor::new(DType::U8, &[rows, width], data).unwrap();
        let deadline = now + patience;
        let request = Request {
            modality: Modality::Tensor,
            tokenizer: None,
            wanted: Wanted::Encoding,
            inputs,
            priority,
            deadline,
        };
        // As long as the inputs.
        let answer_bytes = (rows * width) as usize;
        let checked = Checked {
            request,
            answer_bytes,
        };
        Pending::new(checked, now).0
    }
}

fn asked() -> impl Strategy<Value = Asked> {
    (0u64..5, 1u32..4, 1u32..4).prop_map(|(stake, rows, width)| Asked { stake, rows, width })
}

/// What happens to a queue.
#[derive(Clone, Debug)]
enum Happening {
    Ask(Asked),
    Abandon(prop::sample::Index),
    TakeBatch,
    /// This many ticks of the clock pass.
    Wait(u32),
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        6 => asked().prop_map(Happening::Ask),
        1 => any::<prop::sample::Index>().prop_map(Happening::Abandon),
        2 => Just(Happening::TakeBatch),
        1 => (1u32..4).prop_map(Happening::Wait),
    ]
}

const TICK: Duration = Duration::from_millis(1);

fn config() -> NucleusConfig {
    NucleusConfig {
        max_batch_rows: 6,
        max_batch_bytes: 16,
        max_request_rows: 3,
        max_answer_bytes: 9,
        max_wait: 2 * TICK,
        max_queue_requests: 8,
        max_queue_bytes: 80,
    }
}

impl Queue {
    /// The queue's own sums and orders, held against what waits.
    fn check(&self) {
        assert!(self.len() <= self.config.max_queue_requests);
        assert!(self.n_bytes <= self.config.max_queue_bytes);
        let waiting = || self.waiting.values();
        assert_eq!(self.n_bytes, waiting().map(Pending::n_bytes).sum::<usize>());
        assert_eq!(
            self.n_rows,
            waiting()
                .map(|one| u64::from(one.inputs.rows()))
                .sum::<u64>()
        );
        assert_eq!(
            self.n_rows,
            self.lanes.values().map(|lane| lane.n_rows).sum::<u64>()
        );
        assert_eq!(
            self.n_bytes,
            self.lanes.values().map(|lane| lane.n_bytes).sum::<usize>()
        );
        assert_eq!(self.by_deadline.len(), self.len());
        let in_lanes = |size: fn(&Lane) -> usize| self.lanes.values().map(size).sum::<usize>();
        assert_eq!(in_lanes(|lane| lane.by_stake.len()), self.len());
        assert_eq!(in_lanes(|lane| lane.by_end_of_wait.len()), self.len());
        assert_eq!(in_lanes(|lane| lane.by_age.len()), self.len());
        assert!(self.lanes.values().all(|lane| !lane.by_age.is_empty()));
        let contested = self.waiting.keys().filter(|&&id| !is_by_age(id)).count();
        assert_eq!(self.unsheltered.len(), contested);
    }
}

proptest! {
    /// Whatever happens, the bounds hold, everything that goes in comes out exactly once, a batch is of one kind and
    /// not too large, and only lower stakes that are not sheltered are displaced.
    #[test]
    fn what_goes_in_comes_out_once(happenings in prop::collection::vec(happening(), 0..120)) {
        let start = Instant::now();
        let (mut now, mut queue, mut inside) = (start, Queue::new(config()), BTreeMap::new());
        // Every request arrives at a time of its own, so that times tell requests apart.
        let mut arrivals = 0u32;
        for happening in happenings {
            match happening {
                Happening::Ask(asked) => {
                    arrivals += 1;
                    let arrived = now + Duration::from_nanos(arrivals.into());
                    let was_full = !queue.has_room(&asked.pending(arrived, TICK), None);
                    match queue.admit(asked.pending(arrived, 5 * TICK)) {
                        Ok((id, displaced)) => {
                            prop_assert_eq!(displaced.is_some(), was_full);
                            if let Some(displaced) = displaced {
                                let out = inside.remove(&displaced.arrived).expect("was inside");
                                prop_assert!(displaced.stake < asked.stake && !is_by_age(out));
                            }
                            inside.insert(arrived, id);
                        },
                        Err(_) => prop_assert!(was_full),
                    }
                },
                Happening::Abandon(one) if !inside.is_empty() => {
                    let (&arrived, &id) = inside.iter().nth(one.index(inside.len())).unwrap();
                    prop_assert_eq!(queue.remove(id).expect("still inside").arrived, arrived);
                    prop_assert!(queue.remove(id).is_none(), "only once");
                    inside.remove(&arrived);
                },
                Happening::Abandon(_) => {},
                Happening::TakeBatch => {
                    let Some(batch) = queue.take_batch(now, false) else { continue };
                    let kind = Kind::of(&batch.requests[0]);
                    prop_assert!(batch.requests.iter().all(|one| Kind::of(one) == kind));
                    prop_assert!(batch.requests.iter().map(|one| one.inputs.rows()).sum::<u32>() <= 6);
                    let n_bytes: usize = batch.requests.iter().map(Pending::n_bytes).sum();
                    prop_assert!(n_bytes <= 16 || batch.requests.len() == 1);
                    for one in batch.requests {
                        prop_assert!(inside.remove(&one.arrived).is_some(), "only once");
                    }
                },
                Happening::Wait(ticks) => {
                    now += ticks * TICK;
                    for expired in queue.take_expired(now) {
                        prop_assert!(expired.deadline <= now);
                        prop_assert!(inside.remove(&expired.arrived).is_some(), "only once");
                    }
                },
            }
            queue.check();
            prop_assert_eq!(queue.len(), inside.len());
        }
        while let Some(batch) = queue.take_batch(now, true) {
            for one in batch.requests {
                prop_assert!(inside.remove(&one.arrived).is_some(), "only once");
            }
        }
        prop_assert!(inside.is_empty(), "stopping leaves nothing behind");
    }

    /// A request with m older ones before it is in one of the next 4 · (m + 1) batches, whatever arrives meanwhile.
    #[test]
    fn nobody_starves(rounds in prop::collection::vec(prop::collection::vec(asked(), 0..12), 1..40)) {
        let config = NucleusConfig {
            max_wait: Duration::ZERO,
            max_queue_requests: usize::MAX,
            max_queue_bytes: usize::MAX,
            ..config()
        };
        let (now, mut queue, mut arrivals) = (Instant::now(), Queue::new(config), 0u32);
        let mut due = BTreeMap::new();
        let mut rounds = rounds.into_iter();
        for n_batches in 0u64.. {
            for asked in rounds.next().unwrap_or_default() {
                arrivals += 1;
                let arrived = now + Duration::from_nanos(arrivals.into());
                let m = queue.len() as u64;
                prop_assert!(queue.admit(asked.pending(arrived, TICK)).is_ok());
                due.insert(arrived, n_batches + 4 * (m + 1));
            }
            let Some(batch) = queue.take_batch(now + TICK, false) else {
                if rounds.len() == 0 { break } else { continue }
            };
            for one in batch.requests {
                prop_assert!(n_batches < due[&one.arrived], "batch {n_batches}, due {due:?}");
            }
        }
        prop_assert_eq!(queue.len(), 0);
    }

    /// Of requests of one kind that wait together, three of four batches are led by the highest stake.
    #[test]
    fn stake_leads_three_of_four_batches(stakes in prop::collection::vec(any::<u64>(), 1..60)) {
        let config = NucleusConfig { max_batch_rows: 1, max_request_rows: 1, max_queue_requests: 100, ..config() };
        let config = NucleusConfig { max_queue_bytes: 200, max_wait: Duration::ZERO, ..config };
        let (now, mut queue) = (Instant::now(), Queue::new(config));
        for &stake in &stakes {
            let asked = Asked { stake, rows: 1, width: 1 };
            prop_assert!(queue.admit(asked.pending(now, TICK)).is_ok());
        }
        let mut left = stakes;
        for n_batches in 0.. {
            let Some(batch) = queue.take_batch(now, false) else { break };
            let stake = batch.requests[0].stake;
            let place = left.iter().position(|&other| other == stake).unwrap();
            if n_batches % 4 == 3 {
                prop_assert_eq!(place, 0, "the oldest");
            } else {
                prop_assert_eq!(Some(&stake), left.iter().max());
            }
            left.remove(place);
        }
        prop_assert!(left.is_empty());
    }
}

#[test]
fn a_lane_is_ready_when_it_is_full_or_has_waited() {
    let (start, mut queue) = (Instant::now(), Queue::new(config()));
    let ask = |queue: &mut Queue, rows, at| {
        let asked = Asked {
            stake: 0,
            rows,
            width: 1,
        };
        assert!(queue.admit(asked.pending(at, 9 * TICK)).is_ok());
    };
    ask(&mut queue, 3, start);
    assert!(queue.take_batch(start + TICK, false).is_none());
    assert_eq!(queue.ready_at(), Some(start + 2 * TICK));
    ask(&mut queue, 3, start + TICK);
    let full = queue.take_batch(start + TICK, false).unwrap();
    assert_eq!((full.requests.len(), full.closed), (2, Closed::Full));

    ask(&mut queue, 1, start);
    let waited = queue.take_batch(start + 2 * TICK, false).unwrap();
    assert_eq!((waited.requests.len(), waited.closed), (1, Closed::Waited));

    ask(&mut queue, 1, start);
    assert_eq!(
        queue.take_batch(start, true).unwrap().closed,
        Closed::Stopping
    );
    assert_eq!(queue.ready_at(), None);
}

/// Lets in a row whose caller waits this long.
fn ask_for(queue: &mut Queue, at: Instant, patience: Duration) {
    let asked = Asked {
        stake: 0,
        rows: 1,
        width: 1,
    };
    assert!(queue.admit(asked.pending(at, patience)).is_ok());
}

/// An instant of a nanosecond before.
fn just_before(at: Instant) -> Instant {
    at.checked_sub(Duration::from_nanos(1))
        .expect("not the first")
}

#[test]
fn a_lone_request_waits_for_others_no_longer_than_it_must() {
    let (start, mut queue) = (Instant::now(), Queue::new(config()));
    // A caller with more time than `max_wait` twice.
    ask_for(&mut queue, start, 5 * TICK);
    let ready = start + 2 * TICK;
    assert_eq!(queue.ready_at(), Some(ready));
    assert!(queue.take_batch(just_before(ready), false).is_none());
    assert_eq!(
        queue.take_batch(ready, false).unwrap().closed,
        Closed::Waited
    );
}

#[test]
fn a_batch_is_closed_in_time_for_the_callers_deadline() {
    let (start, mut queue) = (Instant::now(), Queue::new(config()));
    ask_for(&mut queue, start, 2 * TICK);
    let ready = start + TICK;
    assert_eq!(queue.ready_at(), Some(ready));
    assert!(queue.take_batch(just_before(ready), false).is_none());
    assert_eq!(
        queue.take_batch(ready, false).unwrap().closed,
        Closed::Deadline
    );
}

#[test]
fn the_callers_that_wait_least_close_the_batch_of_all() {
    let (start, mut queue) = (Instant::now(), Queue::new(config()));
    ask_for(&mut queue, start, 9 * TICK);
    ask_for(&mut queue, start, TICK);
    assert_eq!(queue.ready_at(), Some(start + TICK / 2));
    let batch = queue.take_batch(start + TICK / 2, false).unwrap();
    assert_eq!((batch.requests.len(), batch.closed), (2, Closed::Deadline));

    // One that has left hurries nobody.
    ask_for(&mut queue, start, 9 * TICK);
    ask_for(&mut queue, start, TICK);
    assert_eq!(queue.take_expired(start + TICK).len(), 1);
    assert_eq!(queue.ready_at(), Some(start + 2 * TICK));
    let batch = queue.take_batch(start + 2 * TICK, false).unwrap();
    assert_eq!((batch.requests.len(), batch.closed), (1, Closed::Waited));
}

#[test]
fn a_batch_is_bounded_in_bytes_and_never_empty() {
    let (start, mut queue) = (Instant::now(), Queue::new(config()));
    // 2 rows of 3 bytes, 3 rows of 3 bytes, as many in the answers: almost twice the bytes of a batch, though not its rows.
    for rows in [2, 3] {
        let asked = Asked {
            stake: 0,
            rows,
            width: 3,
        };
        assert!(queue.admit(asked.pending(start, 9 * TICK)).is_ok());
    }
    let first = queue.take_batch(start, false).unwrap();
    assert_eq!((first.requests.len(), first.closed), (1, Closed::Full));
    // 18 bytes, where 16 may be.
    let second = queue.take_batch(start, false).unwrap();
    assert_eq!(second.requests[0].inputs.rows(), 3);
    assert_eq!((second.requests.len(), second.closed), (1, Closed::Full));
}
