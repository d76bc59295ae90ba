//! Text to test with.

use std::{
    path::Path,
    sync::{Arc, LazyLock},
};

use neuron_text::{Special, Tokenizer};
use tempfile::TempDir;

use super::{Corpus, Passages, TextError};

/// Every part of a special token.
pub(super) const ALL: [Special; 5] = [
    Special::Pad,
    Special::Class,
    Special::Separator,
    Special::Mask,
    Special::End,
];

/// A folder with these files.
pub(super) fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        write(folder.path(), name, bytes);
    }
    folder
}

pub(super) fn write(folder: &Path, name: &str, bytes: &[u8]) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

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

/// The number that a sentence of [`prose`] tells.
pub(super) fn number(sentence: &str) -> usize {
    sentence.split(' ').nth(1).unwrap().parse().unwrap()
}

/// What there is to learn from in [`prose`], and the folder that it is in.
pub(super) fn passages(n_sentences: usize) -> (TempDir, Passages) {
    let folder = folder(&[("prose.txt", prose(n_sentences).as_bytes())]);
    let train = Corpus::open(folder.path()).unwrap().train;
    (folder, train)
}

/// A tokeniser of [`prose`], with every special token.
pub(super) fn tokenizer() -> Arc<Tokenizer> {
    static TRAINED: LazyLock<Arc<Tokenizer>> = LazyLock::new(|| {
        let texts = [Ok::<_, TextError>(prose(200))];
        Arc::new(Tokenizer::train(texts.into_iter(), 300, &ALL).unwrap())
    });
    TRAINED.clone()
}
