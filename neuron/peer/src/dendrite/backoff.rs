//! How long a peer that failed is left alone: counted in calls, doubled by every failure, halved by every success.
//!
//! The origin's rule. Of the calls to a dead peer, the first is made, then one is skipped, then one is made, then two are
//! skipped, then four, up to a maximum. Calls rather than seconds, because a trainer's calls come at the rate of its steps: a
//! slow trainer need not leave a peer alone for as many steps as a fast one.

use std::time::Duration;

use tokio::time::Instant;

/// The state of one peer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backoff {
    /// Calls still to be skipped: the origin's `b`.
    skip: u32,
    /// Calls that the next failure makes skipped: the origin's `n`.
    next: u32,
    /// What `next` is at most.
    max: u32,
    /// The peer itself asked not to be asked before.
    not_before: Option<Instant>,
}

impl Backoff {
    /// The longest that a peer's own wish to be left alone is heard. Beyond, it would only harm itself.
    pub(super) const LONGEST_WISH: Duration = Duration::from_secs(60);

    pub(super) fn new(max: u32) -> Backoff {
        Backoff {
            skip: 0,
            next: 1,
            max,
            not_before: None,
        }
    }

    /// Whether this call is made. Each call that is not brings the next one nearer.
    pub(super) fn admits(&mut self, now: Instant) -> bool {
        if self.not_before.is_some_and(|not_before| now < not_before) {
            return false;
        }
        self.not_before = None;
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        true
    }

    /// A call succeeded.
    pub(super) fn success(&mut self) {
        self.skip = 0;
        self.next = (self.next / 2).max(1);
        self.not_before = None;
    }

    /// A call failed; the peer may have said after how long asking again makes sense.
    pub(super) fn failure(&mut self, retry_after: Option<Duration>, now: Instant) {
        self.skip = self.next.min(self.max);
        self.next = self.next.saturating_mul(2).min(self.max).max(1);
        self.not_before = retry_after.map(|wait| now + wait.min(Backoff::LONGEST_WISH));
    }

    /// Calls still to be skipped.
    pub(super) fn skip(&self) -> u32 {
        self.skip
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `n` calls to a peer that never answers: U for Unavailable, B for Backoff.
    fn dead_peer(max: u32, n: usize) -> String {
        let mut backoff = Backoff::new(max);
        let now = Instant::now();
        let call = |_| {
            if !backoff.admits(now) {
                return 'B';
            }
            backoff.failure(None, now);
            'U'
        };
        (0..n).map(call).collect()
    }

    #[test]
    fn skipped_calls_double_with_every_failure() {
        let expected = format!(
            "UBUBBU{}U{}U{}U",
            "B".repeat(4),
            "B".repeat(8),
            "B".repeat(16)
        );
        assert_eq!(dead_peer(100, expected.len()), expected);
    }

    #[test]
    fn a_maximum_of_one_alternates() {
        assert_eq!(dead_peer(1, 8), "UBUBUBUB");
    }

    #[test]
    fn a_maximum_of_none_never_skips() {
        assert_eq!(dead_peer(0, 4), "UUUU");
    }

    #[test]
    fn skipped_calls_stop_at_the_maximum() {
        // 1 + 2 + 4 + .. + 64 skipped between 8 failures, then 100 each.
        let calls = dead_peer(100, 8 + 127 + 2 * 101);
        let last = calls.len() - 2 * 101;
        assert_eq!(&calls[last..=last + 100], format!("{}U", "B".repeat(100)));
        assert_eq!(&calls[last + 101..], format!("{}U", "B".repeat(100)));
    }

    #[test]
    fn success_halves_what_the_next_failure_costs() {
        let now = Instant::now();
        let mut backoff = Backoff::new(100);
        for _ in 0..4 {
            backoff.failure(None, now); // next = 2, 4, 8, 16
        }
        backoff.success(); // 8
        assert!(backoff.admits(now));
        backoff.success(); // 4
        backoff.failure(None, now);
        assert_eq!((backoff.skip, backoff.next), (4, 8));
        for _ in 0..9 {
            backoff.success();
        }
        backoff.failure(None, now);
        assert_eq!((backoff.skip, backoff.next), (1, 2));
    }

    #[test]
    fn a_peer_that_says_when_to_return_is_left_alone_until_then() {
        let now = Instant::now();
        let mut backoff = Backoff::new(100);
        backoff.failure(Some(Duration::from_millis(200)), now);
        assert!(!backoff.admits(now + Duration::from_millis(199)));
        // Its wish has passed; the call that any failure costs has not.
        assert!(!backoff.admits(now + Duration::from_millis(200)));
        assert!(backoff.admits(now + Duration::from_millis(200)));
    }

    #[test]
    fn a_wish_for_eternity_is_heard_for_a_minute() {
        let now = Instant::now();
        let mut backoff = Backoff::new(0);
        backoff.failure(Some(Duration::MAX), now);
        assert!(!backoff.admits(now + Duration::from_secs(59)));
        assert!(backoff.admits(now + Duration::from_secs(60)));
    }
}
