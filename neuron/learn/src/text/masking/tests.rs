use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::text::samples::{ALL, tokenizer};

fn masking() -> Masking {
    Masking::of(&tokenizer()).unwrap()
}

#[test]
fn gaps_are_of_the_shares_that_bert_has() {
    const N: usize = 100_000;
    let masking = masking();
    let mask = masking.mask;
    // A token of text, so that every other one in its place was put there.
    let original = i64::from(masking.ordinary[40]);
    let mut tokens = vec![original; N];
    let labels = masking.apply(&mut tokens, &[true; N], &mut ChaCha8Rng::seed_from_u64(1));

    let chosen: Vec<i64> = tokens
        .iter()
        .zip(&labels)
        .filter(|&(_, &label)| label != IGNORED)
        .map(|(&token, _)| token)
        .collect();
    assert!(
        labels
            .iter()
            .all(|&label| label == IGNORED || label == original)
    );
    assert!(
        tokens
            .iter()
            .zip(&labels)
            .all(|(&token, &label)| label != IGNORED || token == original)
    );
    let share = |n: usize, of: usize| n as f64 / of as f64;
    // Five standard deviations: 5·√(0.15 · 0.85 / 100 000), and 5·√(0.8 · 0.2 / 15 000) of those chosen.
    assert!((share(chosen.len(), N) - 0.15).abs() < 0.006);
    let of_chosen = |is: &dyn Fn(i64) -> bool| {
        share(
            chosen.iter().filter(|&&token| is(token)).count(),
            chosen.len(),
        )
    };
    assert!((of_chosen(&|token| token == mask) - 0.8).abs() < 0.017);
    // One of the others in 256 and more is the original by chance.
    assert!((of_chosen(&|token| token == original) - 0.1).abs() < 0.013);
    assert!((of_chosen(&|token| token != original && token != mask) - 0.1).abs() < 0.013);
}

proptest! {
    #[test]
    fn special_tokens_are_neither_chosen_nor_put_into_gaps(is_text: Vec<bool>, seed: u64) {
        let (masking, tokenizer) = (masking(), tokenizer());
        let specials = ALL.map(|special| i64::from(tokenizer.special(special).unwrap()));
        let [class, ordinary] = [specials[1], i64::from(masking.ordinary[0])];
        let original: Vec<i64> =
            is_text.iter().map(|&is_text| if is_text { ordinary } else { class }).collect();
        let mut tokens = original.clone();
        let labels = masking.apply(&mut tokens, &is_text, &mut ChaCha8Rng::seed_from_u64(seed));

        prop_assert_eq!(labels.len(), tokens.len());
        for at in 0..tokens.len() {
            if labels[at] == IGNORED {
                prop_assert_eq!(tokens[at], original[at]);
            } else {
                prop_assert!(is_text[at] && labels[at] == ordinary);
                let is_special = specials.contains(&tokens[at]);
                prop_assert!(!is_special || tokens[at] == masking.mask);
            }
        }
        let has_gap = labels.iter().any(|&label| label != IGNORED);
        prop_assert_eq!(has_gap, is_text.contains(&true));
    }
}
