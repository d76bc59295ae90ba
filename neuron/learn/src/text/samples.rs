//! Text to test with.

use std::sync::{Arc, LazyLock};

use super::{Special, Tokenizer};

/// Every part of a special token.
pub(super) const ALL: [Special; 5] = [
    Special::Pad,
    Special::Class,
    Special::Separator,
    Special::Mask,
    Special::End,
];

/// So many sentences, in paragraphs of five. Each tells its number.
pub(super) fn prose(n_sentences: usize) -> String {
    (0..n_sentences)
        .map(|number| {
            let end = if number % 5 == 4 { "\n\n" } else { " " };
            let fruit = ["apples", "pears", "a quince", "seven plums"][number % 4];
            format!("Sentence {number} tells of {fruit}.{end}")
        })
        .collect()
}

/// A tokeniser of [`prose`], with every special token.
pub(super) fn tokenizer() -> Arc<Tokenizer> {
    static TRAINED: LazyLock<Arc<Tokenizer>> = LazyLock::new(|| {
        Arc::new(Tokenizer::train([Ok(prose(200))].into_iter(), 300, &ALL).unwrap())
    });
    TRAINED.clone()
}
