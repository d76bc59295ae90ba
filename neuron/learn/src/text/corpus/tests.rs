use proptest::prelude::*;

use super::*;
use crate::text::samples::{folder, prose, write};

fn texts(passages: &Passages) -> Vec<String> {
    passages.texts().map(Result::unwrap).collect()
}

/// All passages of a folder, whichever side they are on, sorted.
fn all(folder: &Path) -> Vec<String> {
    let corpus = Corpus::open(folder).unwrap();
    let mut all = [texts(&corpus.train), texts(&corpus.held_out)].concat();
    all.sort_unstable();
    all
}

#[test]
fn every_file_is_read_but_hidden_ones_and_links() {
    let folder = folder(&[
        ("b.txt", b" of b \n"),
        ("a/z/c", b"of c"),
        ("a.md", b"of a"),
        ("empty", b""),
        ("blank", b" \n\n \n"),
        (".git/config", b"hidden"),
        (".hidden", b"hidden"),
    ]);
    std::os::unix::fs::symlink(folder.path(), folder.path().join("loop")).unwrap();
    std::os::unix::fs::symlink("b.txt", folder.path().join("again")).unwrap();
    assert_eq!(all(folder.path()), ["of a", "of b", "of c"]);
}

#[test]
fn a_file_that_is_not_utf8_is_left_out_and_named() {
    let folder = folder(&[("good", b"text"), ("bad", b"caf\xe9 noir")]);
    let corpus = Corpus::open(folder.path()).unwrap();
    assert_eq!(all(folder.path()), ["text"]);
    let [TextError::NotUtf8 { path, offset: 3 }] = &corpus.left_out[..] else {
        panic!("{:?}", corpus.left_out);
    };
    assert!(path.ends_with("bad"));

    // Far into a file, and with a character that the end cuts off.
    for (bytes, expected) in [
        ([vec![b'x'; 20_000], vec![0xff]].concat(), 20_000),
        (b"ab\xc3".to_vec(), 2),
    ] {
        write(folder.path(), "bad", &bytes);
        let corpus = Corpus::open(folder.path()).unwrap();
        assert!(
            matches!(corpus.left_out[..], [TextError::NotUtf8 { offset, .. }] if offset == expected),
            "{:?}",
            corpus.left_out
        );
    }
}

#[test]
fn a_folder_without_text_says_so() {
    let folder = folder(&[("image", b"\xff\xd8")]);
    assert!(matches!(
        Corpus::open(folder.path()),
        Err(TextError::NoText { .. })
    ));
    let missing = Corpus::open(&folder.path().join("missing"));
    assert!(matches!(missing, Err(TextError::Unreadable { .. })));
}

#[test]
fn a_passage_ends_with_a_paragraph() {
    // Paragraphs of 5 sentences, some 190 bytes each.
    let folder = folder(&[("prose", prose(500).as_bytes())]);
    let corpus = Corpus::open(folder.path()).unwrap();
    let mut passages = [texts(&corpus.train), texts(&corpus.held_out)].concat();
    passages.sort_unstable_by_key(|passage| crate::text::samples::number(passage));
    assert_eq!(passages.join("\n\n"), prose(500).trim());
    let last = passages.pop().unwrap();
    assert!(
        passages
            .iter()
            .all(|passage| (2000..2400).contains(&passage.len()))
    );
    assert!(!last.is_empty());
}

#[test]
fn what_is_held_out_follows_from_the_text_alone() {
    let corpus = |name: &str, before: &str| {
        let folder = folder(&[(name, prose(8000).as_bytes()), ("0", before.as_bytes())]);
        let corpus = Corpus::open(folder.path()).unwrap();
        [texts(&corpus.train), texts(&corpus.held_out)]
    };
    let [train, held_out] = corpus("1", "");
    // Of 123 passages a tenth, within three standard deviations of √(123 · 0.1 · 0.9) = 3.3
    assert_eq!(train.len() + held_out.len(), 123);
    assert!((3..22).contains(&held_out.len()), "{}", held_out.len());
    let [more, held_out_of_more] = corpus("other/folder", "More.");
    let both = |of: &[String]| {
        of.iter()
            .filter(|text| *text != "More.")
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(both(&more), train);
    assert_eq!(both(&held_out_of_more), held_out);
}

#[test]
fn of_a_short_text_something_is_held_out_and_something_is_not() {
    for n_sentences in [100, 200, 300, 400, 500] {
        let folder = folder(&[("prose", prose(n_sentences).as_bytes())]);
        let corpus = Corpus::open(folder.path()).unwrap();
        let held_out: usize = texts(&corpus.held_out).iter().map(String::len).sum();
        assert!(held_out >= 1024, "{n_sentences}: {held_out}");
        assert!(!corpus.train.is_empty(), "{n_sentences}");
    }
    // Of one text, wherever it is, all is learned from or all is held out.
    let folder = folder(&[("a", b"the text"), ("b", b"the text")]);
    let corpus = Corpus::open(folder.path()).unwrap();
    assert_eq!([corpus.train.len(), corpus.held_out.len()], [2, 0]);
}

#[test]
fn shards_are_disjoint_balanced_and_cover_everything() {
    let folder = folder(&[("prose", prose(3000).as_bytes())]);
    let train = Corpus::open(folder.path()).unwrap().train;
    for of in [1, 3, 7, 1000] {
        let shards: Vec<Passages> = (0..of)
            .map(|index| train.shard(Shard::new(index, of).unwrap()))
            .collect();
        let mut dealt: Vec<String> = shards.iter().flat_map(texts).collect();
        let mut expected = texts(&train);
        dealt.sort_unstable();
        expected.sort_unstable();
        assert_eq!(dealt, expected);
        let sizes = shards.iter().map(Passages::len);
        assert!(sizes.clone().max().unwrap() - sizes.min().unwrap() <= 1);
    }
}

#[test]
fn a_file_that_changes_meanwhile_is_an_error() {
    let folder = folder(&[("a", b"the text"), ("b", b"a text")]);
    let corpus = Corpus::open(folder.path()).unwrap();
    let read = || {
        let mut outcomes = corpus.train.texts().chain(corpus.held_out.texts());
        outcomes.find_map(Result::err)
    };
    assert!(read().is_none());
    for changed in [&b"the tale"[..], b"the", b"the \xff\xff\xff\xff"] {
        write(folder.path(), "a", changed);
        assert!(
            matches!(read(), Some(TextError::Changed { path }) if path.ends_with("a")),
            "{changed:?}"
        );
    }
    std::fs::remove_file(folder.path().join("a")).unwrap();
    assert!(matches!(read(), Some(TextError::Unreadable { .. })));
}

/// Lines of any length, of characters of one to four bytes.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("\n\n".to_owned()),
        Just("\n".to_owned()),
        ("[aé語🦉]", 1usize..4000).prop_map(|(character, n)| character.repeat(n)),
        ("[a-z]{1,9} ", 1usize..900).prop_map(|(word, n)| word.repeat(n)),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn passages_lose_nothing_but_whitespace_between_them(text in text()) {
        let folder = folder(&[("a", text.as_bytes())]);
        let passages = passages::of(&folder.path().join("a"), 0).unwrap();
        let mut end = 0;
        for passage in &passages {
            let offset = usize::try_from(passage.offset).unwrap();
            prop_assert!(offset >= end && text[end..offset].trim().is_empty());
            end = offset + passage.length as usize;
            let passage = &text[offset..end];
            prop_assert!(!passage.is_empty() && passage.trim() == passage);
            prop_assert!(passage.len() <= 8192);
        }
        prop_assert!(text[end..].trim().is_empty());
        // What is cut short of 2 KiB is so for whitespace, of which these texts have little.
        let short = passages.iter().rev().skip(1).filter(|passage| passage.length < 2000);
        prop_assert!(short.count() == 0, "{:?}", passages);
    }
}
