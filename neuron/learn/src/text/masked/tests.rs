use neuron_text::{Special, TokenizerError};

use super::*;
use crate::{
    dataset::Position,
    loss::IGNORED,
    text::{
        FOLLOWS, UNRELATED,
        samples::{ALL, passages, tokenizer},
    },
};

const MAX_SEQ: usize = 40;

fn batches(batch_size: usize, seed: u64) -> (tempfile::TempDir, MaskedBatches) {
    let (folder, passages) = passages(300);
    let batches = MaskedBatches::new(passages, tokenizer(), [batch_size, MAX_SEQ], seed).unwrap();
    (folder, batches)
}

fn numbers(tensor: &Tensor) -> Vec<i64> {
    Vec::try_from(tensor.reshape(-1)).unwrap()
}

/// Everything in a batch.
fn all(batch: &MaskedBatch) -> Vec<Vec<i64>> {
    [
        &batch.tokens,
        &batch.labels.targets,
        batch.labels.next_sentence.as_ref().unwrap(),
    ]
    .map(numbers)
    .to_vec()
}

#[test]
fn a_row_is_two_sentences_between_their_special_tokens() {
    let (_folder, mut batches) = batches(16, 1);
    let tokenizer = tokenizer();
    let [pad, class, separator, ..] =
        ALL.map(|special| i64::from(tokenizer.special(special).unwrap()));
    let (_, batch) = batches.draw().unwrap();
    let seq = batch.tokens.size()[1];
    assert!(seq <= MAX_SEQ as i64);
    let mut longest = 0;
    for row in 0..16 {
        let [tokens, labels] = [&batch.tokens, &batch.labels.targets].map(|x| numbers(&x.get(row)));
        let separators: Vec<usize> = (0..tokens.len())
            .filter(|&at| tokens[at] == separator)
            .collect();
        let [middle, last] = separators[..] else {
            panic!("{tokens:?}");
        };
        assert_eq!(tokens[0], class);
        assert!(1 < middle && middle < last - 1, "{tokens:?}");
        assert!(tokens[last + 1..].iter().all(|&token| token == pad));
        assert!(!tokens[..last].contains(&pad));
        assert!([0, middle].iter().all(|&at| labels[at] == IGNORED));
        assert!(labels[last..].iter().all(|&label| label == IGNORED));
        assert!(labels.iter().any(|&label| label != IGNORED));
        longest = longest.max(last + 1);
    }
    assert_eq!(longest as i64, seq);
    let labels = numbers(batch.labels.next_sentence.as_ref().unwrap());
    assert!(labels.contains(&FOLLOWS) && labels.contains(&UNRELATED));
}

#[test]
fn long_rows_are_cut() {
    let (_folder, passages) = passages(300);
    let mut batches = MaskedBatches::new(passages, tokenizer(), [8, 7], 1).unwrap();
    let (_, batch) = batches.draw().unwrap();
    assert_eq!(batch.tokens.size(), [8, 7]);
    let pad = i64::from(tokenizer().special(Special::Pad).unwrap());
    assert!(!numbers(&batch.tokens).contains(&pad));
}

#[test]
fn what_a_pair_becomes_does_not_depend_on_the_batch() {
    let (_folder, mut small) = batches(2, 9);
    let (_other, mut large) = batches(4, 9);
    let halves = [(); 2].map(|()| small.draw().unwrap().1);
    let (_, whole) = large.draw().unwrap();
    let labels = |batch: &MaskedBatch| {
        let labels = numbers(&batch.labels.targets);
        labels
            .into_iter()
            .filter(|&label| label != IGNORED)
            .collect::<Vec<_>>()
    };
    assert_eq!(halves.each_ref().map(labels).concat(), labels(&whole));
}

#[test]
fn batches_go_on_from_any_position() {
    let (folder, mut straight) = batches(8, 5);
    let per_epoch = straight.per_epoch();
    assert!(per_epoch > 4);
    straight.go_to(Position {
        epoch: 0,
        batch: per_epoch - 2,
    });
    let passages = crate::text::Corpus::open(folder.path()).unwrap().train;
    let mut resumed = MaskedBatches::new(passages, tokenizer(), [8, MAX_SEQ], 5).unwrap();
    resumed.go_to(straight.position());
    for _ in 0..4 {
        let [(at, ours), (also_at, theirs)] =
            [&mut straight, &mut resumed].map(|b| b.draw().unwrap());
        assert_eq!(at, also_at);
        assert_eq!(all(&ours), all(&theirs));
    }
    assert_eq!(straight.position(), Position { epoch: 1, batch: 2 });
}

#[test]
fn epochs_and_seeds_have_gaps_and_orders_of_their_own() {
    let draw = |seed, epoch| {
        let (_folder, mut batches) = batches(8, seed);
        batches.go_to(Position { epoch, batch: 0 });
        all(&batches.draw().unwrap().1)
    };
    assert_eq!(draw(1, 0), draw(1, 0));
    assert_ne!(draw(1, 0), draw(2, 0));
    assert_ne!(draw(1, 0), draw(1, 1));
}

#[test]
fn an_evaluation_reads_the_same_gaps_each_time() {
    let (_folder, batches) = batches(8, 5);
    let read = || batches.in_order().map(Result::unwrap).collect::<Vec<_>>();
    let (once, twice) = (read(), read());
    let n_rows: i64 = once.iter().map(|batch| batch.tokens.size()[0]).sum();
    assert_eq!(n_rows, batches.pairs.len() as i64);
    for (first, second) in once.iter().zip(&twice) {
        assert_eq!(all(first), all(second));
    }
}

#[test]
fn a_pair_suffices_to_be_measured_by() {
    let (_folder, passages) = passages(100);
    let shape = [1_000, MAX_SEQ];
    let held_out = MaskedBatches::held_out(passages.clone(), tokenizer(), shape).unwrap();
    let read: Vec<_> = held_out.in_order().map(Result::unwrap).collect();
    let n_pairs = held_out.pairs.len();
    assert_eq!((read.len(), read[0].tokens.size()[0]), (1, n_pairs as i64));
    // To be learned from, there is too little.
    assert!(matches!(
        MaskedBatches::new(passages, tokenizer(), shape, 0),
        Err(TextError::TooFew { .. })
    ));
}

#[test]
fn batches_that_could_not_be_drawn_are_refused() {
    let (_folder, passages) = passages(100);
    let refused = |shape| MaskedBatches::new(passages.clone(), tokenizer(), shape, 0).unwrap_err();
    for shape in [[0, 16], [4, 4]] {
        assert!(matches!(refused(shape), TextError::BatchShape { .. }));
    }
    assert!(matches!(
        refused([100, 16]),
        TextError::TooFew { needed: 100, .. }
    ));
    let nothing = std::iter::empty::<Result<String, TextError>>();
    let maskless = Tokenizer::train(nothing, 300, &[Special::End]).unwrap();
    assert!(matches!(
        MaskedBatches::new(passages, Arc::new(maskless), [1, 8], 0),
        Err(TextError::Tokenizer(TokenizerError::NoSuchToken { .. }))
    ));
}
