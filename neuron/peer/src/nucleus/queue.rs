//! The order in which requests reach the model.
//!
//! Requests that can share a batch, which are those of one modality, that want the same, of one input type and row shape, wait in
//! one *lane*. A lane is *ready* once it holds a full batch, or one of its requests has waited `max_wait`, or half of the time that its
//! caller waits if that is less: the other half is for the model. A batch is led by one request of a ready lane and filled up from the leader's lane, up to `max_batch_rows` and `max_batch_bytes`. Its leader
//! is in it whatever its size.
//!
//! The order among leaders and within a lane, and who is displaced from a full queue, are [the nucleus'
//! promises](super).
//!
//! Nothing here blocks, waits or reads a clock.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, HashMap},
    time::{Duration, Instant},
};

use neuron_proto::{DType, Modality, Wanted};

use super::{NucleusConfig, request::Pending};

/// One of how many batches, of places in a batch, and of admitted requests goes by age instead of stake.
const AGEING: u64 = 4;

/// An admitted request's number, in order of arrival.
pub(super) type Id = u64;

/// What requests must have in common to share a batch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Kind {
    modality: Modality,
    wanted: Wanted,
    dtype: DType,
    row_shape: Vec<u32>,
}

impl Kind {
    fn of(pending: &Pending) -> Kind {
        let inputs = &pending.inputs;
        let (dtype, row_shape) = (inputs.dtype(), inputs.row_shape().to_vec());
        Kind {
            modality: pending.modality,
            wanted: pending.wanted,
            dtype,
            row_shape,
        }
    }
}

/// The requests of one kind, in three orders.
#[derive(Default)]
struct Lane {
    by_stake: BTreeSet<(u64, Reverse<Id>)>,
    by_age: BTreeSet<Id>,
    /// By when they have waited long enough.
    by_end_of_wait: BTreeSet<(Instant, Id)>,
    n_rows: u64,
    n_bytes: usize,
}

impl Lane {
    fn oldest(&self) -> Option<Id> {
        self.by_age.first().copied()
    }

    /// When the first of its requests has waited long enough.
    fn end_of_wait(&self) -> Option<Instant> {
        self.by_end_of_wait.first().map(|&(at, _)| at)
    }

    fn pick(&self, turn: u64) -> Option<Id> {
        if is_by_age(turn) {
            self.oldest()
        } else {
            self.by_stake.last().map(|&(_, Reverse(id))| id)
        }
    }
}

fn is_by_age(turn: u64) -> bool {
    turn % AGEING == AGEING - 1
}

/// Half of the time that a caller waits for its answer.
fn half_patience(pending: &Pending) -> Duration {
    let patience = pending.deadline.saturating_duration_since(pending.arrived);
    patience / 2
}

/// Why a batch was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closed {
    /// Its lane held a full batch.
    Full,
    /// One of its requests had waited long enough.
    Waited,
    /// One of its requests had waited for half of the time that its caller waits.
    Deadline,
    /// The nucleus is stopping, so nobody else will come.
    Stopping,
}

/// Requests of one kind that go to the model together: the leader first.
pub(super) struct Batch {
    pub(super) requests: Vec<Pending>,
    pub(super) closed: Closed,
}

/// What still fits into a batch.
struct Room {
    n_rows: u32,
    n_bytes: usize,
}

impl Room {
    fn of(config: &NucleusConfig) -> Room {
        Room {
            n_rows: config.max_batch_rows,
            n_bytes: config.max_batch_bytes,
        }
    }

    fn has_room_for(&self, pending: &Pending) -> bool {
        pending.inputs.rows() <= self.n_rows && pending.n_bytes() <= self.n_bytes
    }

    fn take(&mut self, pending: &Pending) {
        self.n_rows = self.n_rows.saturating_sub(pending.inputs.rows());
        self.n_bytes = self.n_bytes.saturating_sub(pending.n_bytes());
    }
}

/// What waits for the model, bounded by requests and by the bytes of inputs and answers.
pub(super) struct Queue {
    config: NucleusConfig,
    waiting: HashMap<Id, Pending>,
    lanes: HashMap<Kind, Lane>,
    by_deadline: BTreeSet<(Instant, Id)>,
    /// Requests that a newcomer may displace: the lowest stake first, then the youngest.
    unsheltered: BTreeSet<(u64, Reverse<Id>)>,
    n_rows: u64,
    n_bytes: usize,
    /// Requests admitted so far.
    next_id: Id,
    /// Batches formed so far.
    n_batches: u64,
}

impl Queue {
    pub(super) fn new(config: NucleusConfig) -> Queue {
        Queue {
            config,
            waiting: HashMap::new(),
            lanes: HashMap::new(),
            by_deadline: BTreeSet::new(),
            unsheltered: BTreeSet::new(),
            n_rows: 0,
            n_bytes: 0,
            next_id: 0,
            n_batches: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn n_bytes(&self) -> usize {
        self.n_bytes
    }

    pub(super) fn n_rows(&self) -> u64 {
        self.n_rows
    }

    /// Lets a request in, with the one that it displaces, or gives it back because the queue is full.
    #[expect(
        clippy::result_large_err,
        reason = "the request itself, which moves on to be refused"
    )]
    pub(super) fn admit(&mut self, pending: Pending) -> Result<(Id, Option<Pending>), Pending> {
        let displaced = if self.has_room(&pending, None) {
            None
        } else {
            match self.lowest_below(pending.stake) {
                Some(id) if self.has_room(&pending, self.waiting.get(&id)) => self.remove(id),
                _ => return Err(pending),
            }
        };
        Ok((self.insert(pending), displaced))
    }

    /// Takes out what nobody may wait for any more.
    pub(super) fn take_expired(&mut self, now: Instant) -> Vec<Pending> {
        let mut expired = Vec::new();
        while let Some(&(deadline, id)) = self.by_deadline.first()
            && deadline <= now
        {
            expired.extend(self.remove(id));
        }
        expired
    }

    /// Takes out one request, if it still waits.
    pub(super) fn remove(&mut self, id: Id) -> Option<Pending> {
        let pending = self.waiting.remove(&id)?;
        let kind = Kind::of(&pending);
        let rank = (pending.stake, Reverse(id));
        let end_of_wait = self.end_of_wait(&pending);
        let n_rows = u64::from(pending.inputs.rows());
        let n_bytes = pending.n_bytes();
        self.by_deadline.remove(&(pending.deadline, id));
        self.unsheltered.remove(&rank);
        self.n_rows -= n_rows;
        self.n_bytes -= n_bytes;
        if let Some(lane) = self.lanes.get_mut(&kind) {
            lane.by_stake.remove(&rank);
            lane.by_age.remove(&id);
            lane.by_end_of_wait.remove(&(end_of_wait, id));
            lane.n_rows -= n_rows;
            lane.n_bytes -= n_bytes;
            if lane.by_age.is_empty() {
                self.lanes.remove(&kind);
            }
        }
        Some(pending)
    }

    /// Takes out the next batch, if a lane is ready; every lane is, once the nucleus is stopping.
    pub(super) fn take_batch(&mut self, now: Instant, is_stopping: bool) -> Option<Batch> {
        let leader = self.leader(now, is_stopping)?;
        self.n_batches += 1;
        let kind = Kind::of(self.waiting.get(&leader)?);
        let closed = match self.lanes.get(&kind) {
            Some(lane) if self.is_full(lane) => Closed::Full,
            _ if is_stopping => Closed::Stopping,
            Some(lane) if self.is_pressed(lane) => Closed::Deadline,
            _ => Closed::Waited,
        };
        let mut requests = Vec::new();
        let mut room = Room::of(&self.config);
        let mut next = Some(leader);
        while let Some(id) = next
            && let Some(one) = self.waiting.get(&id)
            && (id == leader || room.has_room_for(one))
        {
            room.take(one);
            requests.extend(self.remove(id));
            // The leader took the batch's first place; the lane's fourth place is the first that goes by age.
            next = self
                .lanes
                .get(&kind)
                .and_then(|lane| lane.pick(requests.len() as u64));
        }
        Some(Batch { requests, closed })
    }

    /// When the next lane will be ready by waiting; none if nothing waits.
    pub(super) fn ready_at(&self) -> Option<Instant> {
        self.lanes.values().filter_map(Lane::end_of_wait).min()
    }

    fn insert(&mut self, pending: Pending) -> Id {
        let id = self.next_id;
        self.next_id += 1;
        let rank = (pending.stake, Reverse(id));
        let end_of_wait = self.end_of_wait(&pending);
        let n_rows = u64::from(pending.inputs.rows());
        let n_bytes = pending.n_bytes();
        let lane = self.lanes.entry(Kind::of(&pending)).or_default();
        lane.by_stake.insert(rank);
        lane.by_age.insert(id);
        lane.by_end_of_wait.insert((end_of_wait, id));
        lane.n_rows += n_rows;
        lane.n_bytes += n_bytes;
        self.by_deadline.insert((pending.deadline, id));
        if !is_by_age(id) {
            self.unsheltered.insert(rank);
        }
        self.n_rows += n_rows;
        self.n_bytes += n_bytes;
        self.waiting.insert(id, pending);
        id
    }

    /// Whether a newcomer fits, once this other request has left.
    fn has_room(&self, newcomer: &Pending, leaving: Option<&Pending>) -> bool {
        let n_requests = self.waiting.len() - usize::from(leaving.is_some());
        let n_bytes = self.n_bytes - leaving.map_or(0, |pending| pending.n_bytes());
        n_requests < self.config.max_queue_requests
            && newcomer.n_bytes() <= self.config.max_queue_bytes - n_bytes
    }

    fn lowest_below(&self, stake: u64) -> Option<Id> {
        let &(lowest, Reverse(id)) = self.unsheltered.first()?;
        (lowest < stake).then_some(id)
    }

    fn leader(&self, now: Instant, is_stopping: bool) -> Option<Id> {
        let ready = self
            .lanes
            .values()
            .filter(|&lane| is_stopping || self.is_ready(lane, now));
        if is_by_age(self.n_batches) {
            ready.filter_map(Lane::oldest).min()
        } else {
            let first = ready.filter_map(|lane| lane.by_stake.last()).max();
            first.map(|&(_, Reverse(id))| id)
        }
    }

    fn is_ready(&self, lane: &Lane, now: Instant) -> bool {
        self.is_full(lane) || lane.end_of_wait().is_some_and(|at| at <= now)
    }

    fn is_full(&self, lane: &Lane) -> bool {
        lane.n_rows >= u64::from(self.config.max_batch_rows)
            || lane.n_bytes >= self.config.max_batch_bytes
    }

    /// When a request has waited for others long enough.
    fn end_of_wait(&self, pending: &Pending) -> Instant {
        pending.arrived + self.config.max_wait.min(half_patience(pending))
    }

    /// Whether the first of a lane's requests to have waited long enough is one that cannot wait for as long as others may.
    fn is_pressed(&self, lane: &Lane) -> bool {
        let first = lane.by_end_of_wait.first();
        let first = first.and_then(|(_, id)| self.waiting.get(id));
        first.is_some_and(|first| half_patience(first) < self.config.max_wait)
    }
}

#[cfg(test)]
mod tests;
