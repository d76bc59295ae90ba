//! What a dendrite knows of each peer: its connection, its backoff, how its calls went.
//!
//! One table behind one lock, which is never held while anything is awaited. A connection is dialled when the first call
//! needs it, once however many calls wait for it, in a task of its own, so that a call that gives up does not spoil it for
//! the others. It is closed when a call or [`Peers::keep`] tells that the peer has moved or serves no more, when the peer is
//! forgotten, and, the least recently used idle one first, when more are open than allowed.

use std::{
    collections::{HashMap, hash_map},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use neuron_wallet::PublicKey;
use prometheus::IntGauge;
use tokio::time::Instant;

use super::{
    Outcome, Peer,
    backoff::Backoff,
    connection::{Connection, DialError},
    line::{Line, State},
    peer::Endpoint,
    stats::PeerStats,
};
use crate::identity::Identity;

/// All peers that were ever asked and not yet forgotten.
pub(super) struct Peers {
    table: Mutex<Table>,
    settings: Settings,
}

/// How connections are made and kept.
pub(super) struct Settings {
    pub(super) identity: Option<Identity>,
    /// Connections that stay open while nobody uses them; at 0, each is closed after its call.
    pub(super) max_connections: usize,
    /// What a connection may take to be there.
    pub(super) connect_timeout: Duration,
    /// Calls that are skipped after a failure, at most.
    pub(super) max_backoff: u32,
    /// How many connections are open.
    pub(super) open: IntGauge,
}

#[derive(Default)]
struct Table {
    entries: HashMap<PublicKey, Entry>,
    /// Counts uses: the larger, the more recent.
    uses: u64,
}

struct Entry {
    endpoint: Endpoint,
    line: Option<Line>,
    in_flight: usize,
    last_use: u64,
    backoff: Backoff,
    stats: PeerStats,
}

impl Peers {
    pub(super) fn new(settings: Settings) -> Peers {
        Peers {
            table: Mutex::default(),
            settings,
        }
    }

    /// Whether the peer's failures allow a call now.
    pub(super) fn admits(&self, endpoint: Endpoint) -> bool {
        self.table()
            .entry(endpoint, &self.settings)
            .backoff
            .admits(Instant::now())
    }

    /// Counts a call as in flight until the visit is dropped.
    pub(super) fn visit(&self, endpoint: Endpoint) -> Visit<'_> {
        let mut table = self.table();
        table.entry(endpoint, &self.settings).in_flight += 1;
        Visit {
            peers: self,
            endpoint,
            sent: 0,
            received: 0,
        }
    }

    /// Learns from how a forward call ended. A call that was not made teaches nothing.
    pub(super) fn learn(&self, outcome: &Outcome, retry_after: Option<Duration>) {
        let mut table = self.table();
        if let Some(entry) = table.entries.get_mut(&outcome.peer.hotkey) {
            entry.stats.learn(outcome);
            if outcome.is_success() {
                entry.backoff.success();
            } else {
                entry.backoff.failure(retry_after, Instant::now());
            }
        }
    }

    /// Learns from a forward call that others made needless before its deadline. That is no fault of a peer that is there;
    /// one that has not even a connection by then counts as failed, or a dead one would cost every call its grace.
    pub(super) fn learn_cut_off(&self, outcome: &Outcome) {
        let mut table = self.table();
        if let Some(entry) = table.entries.get_mut(&outcome.peer.hotkey) {
            entry.stats.learn(outcome);
            if !entry.is_connected() {
                entry.backoff.failure(None, Instant::now());
            }
        }
    }

    /// Counts a call that was skipped.
    pub(super) fn skipped(&self, hotkey: &PublicKey) {
        if let Some(entry) = self.table().entries.get_mut(hotkey) {
            entry.stats.skipped += 1;
        }
    }

    /// Forgets everybody who is not to be kept and is not being asked just now.
    pub(super) fn retain(&self, keep: impl Fn(&PublicKey) -> bool) {
        self.table()
            .entries
            .retain(|hotkey, entry| entry.in_flight > 0 || keep(hotkey));
    }

    /// Closes every connection that does not lead to one of these peers where they are now, and keeps what is known of
    /// everybody. Calls under way on such a connection may end.
    pub(super) fn keep(&self, peers: &[Peer]) {
        let present: HashMap<PublicKey, Endpoint> = peers
            .iter()
            .map(|peer| (peer.hotkey, Endpoint::from(*peer)))
            .collect();
        for (hotkey, entry) in &mut self.table().entries {
            match present.get(hotkey) {
                Some(endpoint) => entry.relocate(*endpoint, &self.settings),
                None => entry.line = None,
            }
        }
    }

    /// How the calls to each peer went, by hotkey.
    pub(super) fn stats(&self) -> Vec<PeerStats> {
        let table = self.table();
        let mut stats: Vec<PeerStats> = table.entries.values().map(Entry::snapshot).collect();
        stats.sort_unstable_by_key(|peer| peer.hotkey);
        stats
    }

    /// The line to a peer: the present one while it is open or dialled, or else a new one.
    fn line(&self, endpoint: Endpoint) -> (Line, State) {
        let mut table = self.table();
        let entry = table.entry(endpoint, &self.settings);
        if let Some(line) = &entry.line {
            match line.state() {
                State::Lost => {}
                state => return (line.clone(), state),
            }
        }
        let line = Line::dial(endpoint, &self.settings);
        (entry.line.insert(line).clone(), State::Dialling)
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Nothing that holds the lock leaves the table half changed, so a panic elsewhere spoils nothing.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// The entry of a peer, which is new if the peer is, and starts anew if the peer has moved.
    fn entry(&mut self, endpoint: Endpoint, settings: &Settings) -> &mut Entry {
        self.uses += 1;
        let entry = match self.entries.entry(endpoint.hotkey) {
            hash_map::Entry::Occupied(entry) => entry.into_mut(),
            hash_map::Entry::Vacant(place) => {
                place.insert(Entry::new(endpoint, settings.max_backoff))
            }
        };
        entry.last_use = self.uses;
        entry.relocate(endpoint, settings);
        entry
    }

    /// Closes idle connections, least recently used first, until at most `max` are left or none is idle.
    fn trim(&mut self, max: usize) {
        let open = self.entries.values().filter(|entry| entry.is_connected());
        let excess = open.count().saturating_sub(max);
        let mut idle: Vec<&mut Entry> = self
            .entries
            .values_mut()
            .filter(|entry| entry.in_flight == 0 && entry.is_connected())
            .collect();
        idle.sort_unstable_by_key(|entry| entry.last_use);
        for entry in idle.into_iter().take(excess) {
            entry.line = None;
        }
    }
}

impl Entry {
    fn new(endpoint: Endpoint, max_backoff: u32) -> Entry {
        Entry {
            endpoint,
            line: None,
            in_flight: 0,
            last_use: 0,
            backoff: Backoff::new(max_backoff),
            stats: PeerStats::new(endpoint.hotkey),
        }
    }

    /// Starts anew if the peer has moved: what failed elsewhere says nothing of where it is now.
    fn relocate(&mut self, endpoint: Endpoint, settings: &Settings) {
        if self.endpoint != endpoint {
            self.endpoint = endpoint;
            self.line = None;
            self.backoff = Backoff::new(settings.max_backoff);
        }
    }

    fn is_connected(&self) -> bool {
        self.line.as_ref().is_some_and(Line::is_open)
    }

    fn snapshot(&self) -> PeerStats {
        PeerStats {
            connected: self.is_connected(),
            in_flight: self.in_flight,
            backoff: self.backoff.skip(),
            ..self.stats.clone()
        }
    }
}

/// A call in flight.
pub(super) struct Visit<'a> {
    peers: &'a Peers,
    endpoint: Endpoint,
    /// Bytes of messages so far.
    pub(super) sent: u64,
    pub(super) received: u64,
}

impl Visit<'_> {
    /// A connection to the peer, and how long it was waited for, if it was.
    pub(super) async fn connect(&self) -> Result<(Connection, Option<Duration>), DialError> {
        let (line, state) = self.peers.line(self.endpoint);
        if let State::Open(connection) = state {
            return Ok((connection, None));
        }
        let start = Instant::now();
        let connection = line.connected().await?;
        Ok((connection, Some(start.elapsed())))
    }

    /// Does not use this connection again.
    pub(super) fn hang_up(&self, connection: &Connection) {
        let mut table = self.peers.table();
        if let Some(entry) = table.entries.get_mut(&self.endpoint.hotkey)
            && entry.line.as_ref().is_some_and(|line| line.is(connection))
        {
            entry.line = None;
        }
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        let settings = &self.peers.settings;
        let mut table = self.peers.table();
        if let Some(entry) = table.entries.get_mut(&self.endpoint.hotkey) {
            entry.in_flight -= 1;
            entry.stats.bytes_sent += self.sent;
            entry.stats.bytes_received += self.received;
        }
        let open = usize::try_from(settings.open.get()).unwrap_or(0);
        if open > settings.max_connections {
            table.trim(settings.max_connections);
        }
    }
}
