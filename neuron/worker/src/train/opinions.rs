//! The running opinion of each peer, of which the chain's weight row is made.
//!
//! ```text
//! w_j ← 0.99 · w_j + 0.01 · s_j        s_j: mean gate of peer j over the batch; 0 if it did not answer
//! ```
//!
//! after every step, from zero for a peer that is new. (The first document's step 11. There, a peer that never answered
//! kept the gates that it was given; here it stays at zero.) Opinions are held by hotkey: a neuron that takes over a uid
//! does not inherit what was thought of the one before it.

use std::collections::BTreeMap;

use neuron_metagraph::{WeightError, WeightRow};
use neuron_wallet::PublicKey;

/// How much of the old opinion is kept in each step.
const KEPT: f64 = 0.99;

/// What this neuron thinks of its peers.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Opinions(BTreeMap<PublicKey, f64>);

impl Opinions {
    /// As a checkpoint had them.
    pub(crate) fn restore(opinions: BTreeMap<PublicKey, f64>) -> Self {
        Self(opinions)
    }

    /// For a checkpoint.
    pub(crate) fn by_hotkey(&self) -> &BTreeMap<PublicKey, f64> {
        &self.0
    }

    /// Learns from one step. A peer without a score has one of zero.
    pub(crate) fn blend(&mut self, scores: impl IntoIterator<Item = (PublicKey, f64)>) {
        for opinion in self.0.values_mut() {
            *opinion *= KEPT;
        }
        for (peer, score) in scores {
            *self.0.entry(peer).or_default() += (1.0 - KEPT) * score;
        }
    }

    /// Forgets those that left the network.
    pub(crate) fn retain(&mut self, registered: &BTreeMap<PublicKey, u16>) {
        self.0.retain(|peer, _| registered.contains_key(peer));
    }

    /// The row for the chain.
    ///
    /// # Errors
    ///
    /// [`WeightError::Nothing`] as long as nobody has answered.
    pub(crate) fn row(
        &self,
        registered: &BTreeMap<PublicKey, u16>,
    ) -> Result<WeightRow, WeightError> {
        let of_registered = self
            .0
            .iter()
            .filter_map(|(peer, opinion)| Some((*registered.get(peer)?, *opinion)));
        WeightRow::quantise(&of_registered.collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> PublicKey {
        PublicKey([seed; 32])
    }

    fn assert_near(opinions: &Opinions, expected: &[(u8, f64)]) {
        assert_eq!(opinions.by_hotkey().len(), expected.len());
        for &(seed, expected) in expected {
            let got = opinions.by_hotkey()[&key(seed)];
            assert!(
                (got - expected).abs() < 1e-12,
                "{seed}: expected {expected}, got {got}"
            );
        }
    }

    #[test]
    fn opinions_move_by_a_hundredth_towards_scores() {
        let mut opinions = Opinions::default();
        opinions.blend([(key(1), 0.75), (key(2), 0.25)]);
        assert_near(&opinions, &[(1, 0.0075), (2, 0.0025)]);
        opinions.blend([(key(1), 0.5)]);
        // 0.99 · 0.0075 + 0.01 · 0.5, 0.99 · 0.0025
        assert_near(&opinions, &[(1, 0.012_425), (2, 0.002_475)]);
    }

    #[test]
    fn a_peer_that_never_answered_is_worth_nothing() {
        let mut opinions = Opinions::default();
        (0..100).for_each(|_| opinions.blend([(key(1), 0.5), (key(2), 0.0)]));
        let row = opinions
            .row(&BTreeMap::from([(key(1), 4), (key(2), 5)]))
            .unwrap();
        assert_eq!(row.shares().collect::<Vec<_>>(), [(4, 1.0)]);
    }

    #[test]
    fn those_that_left_are_forgotten_and_not_in_the_row() {
        let mut opinions = Opinions::default();
        opinions.blend([(key(1), 0.5), (key(2), 0.5)]);
        let registered = BTreeMap::from([(key(2), 7)]);
        assert_eq!(
            opinions
                .row(&registered)
                .unwrap()
                .shares()
                .collect::<Vec<_>>(),
            [(7, 1.0)]
        );
        opinions.retain(&registered);
        assert_near(&opinions, &[(2, 0.005)]);
    }

    #[test]
    fn without_answers_there_is_no_row() {
        assert!(matches!(
            Opinions::default().row(&BTreeMap::new()),
            Err(WeightError::Nothing)
        ));
    }
}
