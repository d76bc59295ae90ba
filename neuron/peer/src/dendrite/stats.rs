//! How the calls to each peer went.

use std::time::Duration;

use neuron_proto::Code;
use neuron_wallet::PublicKey;

use super::Outcome;

/// How the forward calls to one peer went so far.
#[derive(Clone, Debug, PartialEq)]
pub struct PeerStats {
    /// Who.
    pub hotkey: PublicKey,
    /// Calls that were made.
    pub calls: u64,
    /// How many of them gave outputs.
    pub successes: u64,
    /// Calls that were not made, because of earlier failures.
    pub skipped: u64,
    /// How the latest call ended; `NoReturn` before the first.
    pub last_code: Code,
    /// Mean time of successful calls, in which each call counts a tenth of all before it; zero before the first.
    pub mean_elapsed: Duration,
    /// Bytes of messages sent to it, those of other calls included.
    pub bytes_sent: u64,
    /// Bytes of messages received from it.
    pub bytes_received: u64,
    /// Whether there is a connection.
    pub connected: bool,
    /// Calls that are under way.
    pub in_flight: usize,
    /// Calls still to be skipped.
    pub backoff: u32,
}

impl PeerStats {
    pub(super) fn new(hotkey: PublicKey) -> PeerStats {
        PeerStats {
            hotkey,
            calls: 0,
            successes: 0,
            skipped: 0,
            last_code: Code::NoReturn,
            mean_elapsed: Duration::ZERO,
            bytes_sent: 0,
            bytes_received: 0,
            connected: false,
            in_flight: 0,
            backoff: 0,
        }
    }

    /// Counts a call that was made.
    pub(super) fn learn(&mut self, outcome: &Outcome) {
        self.calls += 1;
        self.last_code = outcome.code;
        if outcome.is_success() {
            self.successes += 1;
            self.mean_elapsed = match self.successes {
                1 => outcome.elapsed,
                _ => (self.mean_elapsed * 9 + outcome.elapsed) / 10,
            };
        }
    }
}
