use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::text::{
    Corpus,
    samples::{folder, number, passages},
};

const DRAWN: usize = 10_000;

#[test]
fn half_of_the_seconds_follow_and_no_other_is_the_first_or_its_next() {
    let (_folder, passages) = passages(400);
    let pairs = Pairs::new(passages).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut n_unrelated = 0;
    let mut drawn_seconds = std::collections::BTreeSet::new();
    for draw in 0..DRAWN {
        let pair = pairs.sample(draw % pairs.len(), &mut rng).unwrap();
        let [first, second] = [&pair.first, &pair.second].map(|sentence| number(sentence));
        match pair.label {
            FOLLOWS => assert_eq!(second, first + 1),
            UNRELATED => {
                assert!(second != first && second != first + 1, "{pair:?}");
                n_unrelated += 1;
                drawn_seconds.insert(second);
            }
            label => panic!("{label}"),
        }
    }
    // 50 ± 2 %: four standard deviations of √(10 000 / 4) = 50
    assert!((4800..=5200).contains(&n_unrelated), "{n_unrelated}");
    assert_eq!(drawn_seconds.len(), *pairs.sentences.last().unwrap());
}

#[test]
fn there_is_a_pair_for_every_sentence_that_another_follows() {
    let (_folder, passages) = passages(400);
    let n_passages = passages.len();
    assert!(n_passages > 3);
    let pairs = Pairs::new(passages).unwrap();
    assert_eq!(pairs.len(), pairs.sentences.last().unwrap() - n_passages);
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut firsts: Vec<usize> = (0..pairs.len())
        .map(|pair| number(&pairs.sample(pair, &mut rng).unwrap().first))
        .collect();
    firsts.sort_unstable();
    firsts.dedup();
    assert_eq!(firsts.len(), pairs.len());
}

proptest! {
    #[test]
    fn every_sentence_but_two_can_be_drawn(n_sentences in 3usize..12, seed: u64) {
        let pairs = Pairs {
            passages: passages(300).1,
            sentences: vec![0, n_sentences],
            pairs: vec![0, n_sentences - 1],
        };
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        for first in 0..n_sentences - 1 {
            let mut drawn: Vec<usize> = (0..400).map(|_| pairs.unrelated(first, &mut rng)).collect();
            drawn.sort_unstable();
            drawn.dedup();
            let expected: Vec<usize> =
                (0..n_sentences).filter(|&other| other != first && other != first + 1).collect();
            prop_assert_eq!(drawn, expected);
        }
    }
}

/// Pairs of a text that is too short to be split.
fn of(text: &str) -> Result<Pairs, TextError> {
    let folder = folder(&[("text", text.as_bytes())]);
    let corpus = Corpus::open(folder.path()).unwrap();
    let passages = if corpus.train.is_empty() {
        corpus.held_out
    } else {
        corpus.train
    };
    // The folder stays for as long as the test runs.
    let _ = folder.keep();
    Pairs::new(passages)
}

#[test]
fn a_sentence_of_the_same_words_is_never_unrelated() {
    let pairs = of("Once. Twice. Once. Twice. Thrice.").unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    for _ in 0..200 {
        let pair = pairs.sample(0, &mut rng).unwrap();
        let expected = if pair.label == FOLLOWS {
            "Twice."
        } else {
            "Thrice."
        };
        assert_eq!(
            (pair.first.as_str(), pair.second.as_str()),
            ("Once.", expected)
        );
    }
    let dull = of("Once. Once. Once. Once.").unwrap();
    for _ in 0..20 {
        assert_eq!(dull.sample(1, &mut rng).unwrap().label, FOLLOWS);
    }
}

#[test]
fn text_without_three_sentences_is_refused() {
    for text in ["One.", "One. Two."] {
        assert!(matches!(of(text), Err(TextError::TooFew { needed: 3, .. })));
    }
    assert_eq!(of("One. Two. Three.").unwrap().len(), 2);
}
