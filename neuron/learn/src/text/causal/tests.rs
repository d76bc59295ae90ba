use super::*;
use crate::{
    dataset::Shard,
    text::samples::{ALL, passages, tokenizer},
};

fn batches(n_sentences: usize, shape: [usize; 2], seed: u64) -> (tempfile::TempDir, CausalBatches) {
    let (folder, passages) = passages(n_sentences);
    (
        folder,
        CausalBatches::new(passages, tokenizer(), shape, seed).unwrap(),
    )
}

fn tokens(batch: &Tensor) -> Vec<i64> {
    Vec::try_from(batch.reshape(-1)).unwrap()
}

/// The tokens of a whole epoch.
fn epoch(batches: &mut CausalBatches) -> Vec<i64> {
    let n_batches = batches.per_epoch();
    let drawn = (0..n_batches).map(|_| batches.draw().unwrap().1);
    drawn.flat_map(|batch| tokens(&batch)).collect()
}

#[test]
fn an_epoch_is_all_passages_end_to_end_in_an_order_of_its_own() {
    let (_folder, mut batches) = batches(1000, [3, 16], 7);
    let tokenizer = tokenizer();
    let end = i64::from(tokenizer.special(Special::End).unwrap());
    let mut expected: Vec<Vec<i64>> = batches
        .passages
        .texts()
        .map(|text| {
            tokenizer
                .encode(&text.unwrap())
                .unwrap()
                .into_iter()
                .map(i64::from)
                .collect()
        })
        .collect();
    expected.sort_unstable();
    let mut orders = Vec::new();
    for number in 0..2 {
        assert_eq!(
            batches.position(),
            Position {
                epoch: number,
                batch: 0
            }
        );
        let epoch = epoch(&mut batches);
        let missing = batches.n_tokens() - epoch.len();
        assert!(missing < 3 * 16, "{missing}");
        // Whole passages, but for the last, which is cut.
        let mut drawn: Vec<Vec<i64>> = epoch
            .split(|&token| token == end)
            .map(<[i64]>::to_vec)
            .collect();
        let cut = drawn.pop().unwrap();
        drawn.sort_unstable();
        assert!(
            drawn
                .iter()
                .all(|passage| expected.binary_search(passage).is_ok())
        );
        assert!(drawn.windows(2).all(|pair| pair[0] != pair[1]));
        assert!(expected.iter().any(|passage| passage.starts_with(&cut)));
        orders.push(epoch);
    }
    assert_ne!(orders[0], orders[1]);
}

#[test]
fn batches_are_of_the_shape_that_was_asked_for() {
    let (_folder, mut batches) = batches(1000, [3, 16], 7);
    let (position, batch) = batches.draw().unwrap();
    assert_eq!(position, Position::default());
    assert_eq!(
        (batch.size(), batch.kind()),
        (vec![3, 16], tch::Kind::Int64)
    );
}

#[test]
fn an_order_is_the_seeds_own() {
    let draw = |seed| {
        let (_folder, mut batches) = batches(1000, [2, 8], seed);
        epoch(&mut batches)
    };
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
}

#[test]
fn batches_go_on_from_any_position() {
    let (folder, mut straight) = batches(600, [2, 50], 5);
    for _ in 0..straight.per_epoch() - 3 {
        let _ = straight.draw().unwrap();
    }
    let passages = crate::text::Corpus::open(folder.path()).unwrap().train;
    let mut resumed = CausalBatches::new(passages, tokenizer(), [2, 50], 5).unwrap();
    resumed.go_to(straight.position());
    // Across the end of the epoch.
    for _ in 0..6 {
        let [(at, ours), (also_at, theirs)] =
            [&mut straight, &mut resumed].map(|b| b.draw().unwrap());
        assert_eq!(at, also_at);
        assert_eq!(tokens(&ours), tokens(&theirs));
    }
    assert_eq!(straight.position().epoch, 1);
}

#[test]
fn reading_in_order_covers_every_row_once() {
    let (_folder, batches) = batches(600, [4, 50], 5);
    let read: Vec<Tensor> = batches.in_order().map(Result::unwrap).collect();
    let n_rows: i64 = read.iter().map(|batch| batch.size()[0]).sum();
    assert_eq!(n_rows, (batches.n_tokens() / 50) as i64);
    let stream: Vec<i64> = read.iter().flat_map(tokens).collect();
    let first = batches.passages.read(0).unwrap();
    let expected: Vec<i64> = tokenizer()
        .encode(&first)
        .unwrap()
        .into_iter()
        .map(i64::from)
        .collect();
    assert_eq!(stream[..expected.len()], expected);
}

#[test]
fn neurons_with_other_shards_read_other_text() {
    let (_folder, passages) = passages(1000);
    let [first, second] = [0, 1].map(|index| {
        let shard = passages.shard(Shard::new(index, 2).unwrap());
        let batches = CausalBatches::new(shard, tokenizer(), [1, 20], 3).unwrap();
        batches
            .in_order()
            .flat_map(|batch| tokens(&batch.unwrap()))
            .collect::<Vec<_>>()
    });
    assert_ne!(first, second);
}

#[test]
fn batches_that_could_not_be_drawn_are_refused() {
    let (_folder, passages) = passages(100);
    let refused = |shape| CausalBatches::new(passages.clone(), tokenizer(), shape, 0).unwrap_err();
    for shape in [[0, 16], [4, 1]] {
        assert!(matches!(refused(shape), TextError::BatchShape { .. }));
    }
    assert!(matches!(
        refused([1000, 1000]),
        TextError::TooFew {
            needed: 1_000_000,
            ..
        }
    ));
    let nothing = std::iter::empty::<Result<String, TextError>>();
    let endless = Tokenizer::train(nothing, 300, &ALL[..4]).unwrap();
    assert!(matches!(
        CausalBatches::new(passages, Arc::new(endless), [1, 8], 0),
        Err(TextError::Tokenizer(TokenizerError::NoSuchToken {
            special: Special::End,
            ..
        }))
    ));
}

#[test]
fn a_row_suffices_to_be_measured_by() {
    let (_folder, passages) = passages(100);
    let held_out = |shape| CausalBatches::held_out(passages.clone(), tokenizer(), shape);
    let seq = held_out([1, 2]).unwrap().n_tokens();
    let batches = held_out([16, seq]).unwrap();
    let read: Vec<Tensor> = batches.in_order().map(Result::unwrap).collect();
    assert_eq!((read.len(), read[0].size()), (1, vec![1, seq as i64]));
    assert!(matches!(
        held_out([16, seq + 1]),
        Err(TextError::TooFew { needed, found, .. }) if (needed, found) == (seq + 1, seq)
    ));
    // To be learned from, there is too little.
    assert!(matches!(
        CausalBatches::new(passages.clone(), tokenizer(), [16, seq], 0),
        Err(TextError::TooFew { .. })
    ));
}
