use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// Every part of a special token.
const ALL: [Special; 5] = [
    Special::Pad,
    Special::Class,
    Special::Separator,
    Special::Mask,
    Special::End,
];

/// So many sentences. Each tells its number.
fn prose(n_sentences: usize) -> String {
    (0..n_sentences)
        .map(|number| {
            let fruit = ["apples", "pears", "a quince", "seven plums"][number % 4];
            format!("Sentence {number} tells of {fruit}. ")
        })
        .collect()
}

fn train(text: &str, vocab_size: usize) -> Tokenizer {
    train_for(&[Special::End], text, vocab_size)
}

fn train_for(specials: &[Special], text: &str, vocab_size: usize) -> Tokenizer {
    let texts = [Ok::<_, TokenizerError>(text.to_owned())];
    Tokenizer::train(texts.into_iter(), vocab_size, specials).unwrap()
}

/// Writes a tokeniser's JSON and reads it.
fn read(json: &Value) -> Result<Tokenizer, TokenizerError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    std::fs::write(&path, json.to_string()).unwrap();
    Tokenizer::load(&path)
}

/// A tokeniser as BERT's, of a few words. It cuts to four tokens and fills up to six, as some are stored.
fn of_words() -> Value {
    let vocabulary: serde_json::Map<String, Value> = [
        "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "[", "]", "mask", "##ed", "sentence",
    ]
    .into_iter()
    .zip(0..)
    .map(|(token, id)| (token.to_owned(), Value::from(id)))
    .collect();
    let special = |id: u32, content: &str| {
        json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
               "normalized": false, "special": true})
    };
    json!({
        "version": "1.0",
        "truncation": {"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0},
        "padding": {"strategy": {"Fixed": 6}, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0,
                    "pad_type_id": 0, "pad_token": "[PAD]"},
        "added_tokens": [special(0, "[PAD]"), special(1, "[UNK]"), special(2, "[CLS]"), special(3, "[SEP]"),
                         special(4, "[MASK]")],
        "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                       "strip_accents": null, "lowercase": true},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100, "vocab": vocabulary}
    })
}

#[test]
fn the_same_text_gives_the_same_tokeniser() {
    let [once, twice] = [(); 2].map(|()| train(&prose(200), 400));
    assert_eq!(once.fingerprint(), twice.fingerprint());
    assert_eq!(
        serde_json::to_string(&once.library).unwrap(),
        serde_json::to_string(&twice.library).unwrap()
    );
    assert_ne!(once.fingerprint(), train(&prose(100), 400).fingerprint());
    assert_ne!(once.fingerprint(), train(&prose(200), 300).fingerprint());
}

#[test]
fn frequent_words_become_tokens() {
    let tokenizer = train(&prose(200), 400);
    assert!(tokenizer.vocab_size() <= 400);
    let tokens = tokenizer.encode("Sentence 7 tells of apples.").unwrap();
    let texts: Vec<String> = tokens
        .iter()
        .map(|&id| tokenizer.decode(&[id]).unwrap())
        .collect();
    assert_eq!(texts, ["Sentence", " 7", " tells", " of", " apples", "."]);
}

proptest! {
    #[test]
    fn any_text_comes_back(text in "\\PC{0,40}|[ -~\n\t]{0,40}") {
        static TRAINED: LazyLock<Tokenizer> = LazyLock::new(|| train_for(&ALL, &prose(200), 300));
        let tokenizer = &*TRAINED;
        prop_assert_eq!(tokenizer.decode(&tokenizer.encode(&text).unwrap()).unwrap(), text);
    }
}

#[test]
fn a_tokeniser_returns_from_the_disk_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    let saved = train_for(&ALL, &prose(200), 400);
    train("an older one", 300).save(&path).unwrap();
    saved.save(&path).unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);

    let loaded = Tokenizer::load(&path).unwrap();
    assert_eq!(loaded.fingerprint(), saved.fingerprint());
    assert_eq!(loaded.vocab_size(), saved.vocab_size());
    let text = "Sentence 12 tells of naïve plums…";
    assert_eq!(loaded.encode(text).unwrap(), saved.encode(text).unwrap());
    for special in ALL {
        assert_eq!(
            loaded.special(special).unwrap(),
            saved.special(special).unwrap()
        );
    }
}

#[test]
fn a_fingerprint_is_of_what_decides_the_ids_of_a_text() {
    let fingerprint = |change: fn(&mut Value)| {
        let mut json = of_words();
        change(&mut json);
        read(&json).unwrap().fingerprint()
    };
    let original = fingerprint(|_| ());
    let same: [fn(&mut Value); 4] = [
        |json| json["truncation"] = Value::Null,
        |json| json["padding"] = Value::Null,
        |json| json["post_processor"] = Value::Null,
        |json| json["decoder"] = Value::Null,
    ];
    for change in same {
        assert_eq!(fingerprint(change), original);
    }
    let other: [fn(&mut Value); 5] = [
        |json| json["normalizer"]["lowercase"] = false.into(),
        |json| json["pre_tokenizer"] = json!({"type": "Whitespace"}),
        |json| json["model"]["vocab"]["words"] = 11.into(),
        |json| json["model"]["max_input_chars_per_word"] = 50.into(),
        |json| json["added_tokens"] = json!([]),
    ];
    for change in other {
        assert_ne!(fingerprint(change), original);
    }
}

#[test]
fn a_fingerprint_does_not_depend_on_how_merges_are_written() {
    let tokenizer = train(&prose(200), 300);
    let mut json = serde_json::to_value(&tokenizer.library).unwrap();
    let merges = json["model"]["merges"].as_array_mut().unwrap();
    assert!(!merges.is_empty());
    for merge in merges {
        let [left, right] = [0, 1].map(|side| merge[side].as_str().unwrap().to_owned());
        *merge = format!("{left} {right}").into();
    }
    assert_eq!(read(&json).unwrap().fingerprint(), tokenizer.fingerprint());
}

#[test]
fn a_text_has_the_same_ids_whatever_chance_the_file_asks_for() {
    let tokenizer = train(&prose(200), 300);
    let mut json = serde_json::to_value(&tokenizer.library).unwrap();
    json["model"]["dropout"] = json!(0.5);
    let read = read(&json).unwrap();
    assert_eq!(read.fingerprint(), tokenizer.fingerprint());
    for _ in 0..10 {
        assert_eq!(
            read.encode(&prose(20)).unwrap(),
            tokenizer.encode(&prose(20)).unwrap()
        );
    }
}

#[test]
fn a_fingerprint_is_written_down() {
    // So that a change of its form is seen: neurons of two releases could not tell whether they agree.
    assert_eq!(
        read(&of_words()).unwrap().fingerprint().to_string(),
        "19307ea9d421292a996fc6ede5fda0ffb42a6880daae05d178dce2e068d759cc"
    );
}

#[test]
fn words_are_encoded_whatever_rows_the_file_asks_for() {
    let tokenizer = read(&of_words()).unwrap();
    assert_eq!(tokenizer.vocab_size(), 11);
    assert_eq!(
        tokenizer.encode("A masked sentence, a").unwrap(),
        [5, 8, 9, 10, 1, 5]
    );
    assert_eq!(tokenizer.encode("a").unwrap(), [5]);
    assert_eq!(
        tokenizer.decode(&[2, 5, 8, 9, 10, 3]).unwrap(),
        "a masked sentence"
    );
    assert_eq!(tokenizer.ordinary(), [5, 6, 7, 8, 9, 10]);
}

#[test]
fn what_is_written_is_never_a_special_token() {
    let tokenizer = read(&of_words()).unwrap();
    assert_eq!(tokenizer.special(Special::Mask).unwrap(), 4);
    assert_eq!(tokenizer.encode("a [MASK]").unwrap(), [5, 6, 8, 7]);
    let bytes = train(&prose(200), 300);
    let end = bytes.special(Special::End).unwrap();
    assert!(!bytes.encode("<|endoftext|>").unwrap().contains(&end));
}

#[test]
fn gaps_are_written_by_the_name_of_the_mask() {
    let words = read(&of_words()).unwrap();
    assert_eq!(
        words.encode_with_gaps("a [MASK] sentence").unwrap(),
        [5, 4, 10]
    );
    assert_eq!(words.encode_with_gaps("<mask>[MASK]").unwrap(), [4, 4]);
    assert_eq!(words.encode_with_gaps("a mask").unwrap(), [5, 8]);

    // Bytes: the space before a word is a part of its token, and so missing with it.
    let bytes = train_for(&ALL, &prose(200), 400);
    let mut expected = bytes.encode("Sentence 7 tells of apples.").unwrap();
    expected[4] = bytes.special(Special::Mask).unwrap();
    let gap = bytes
        .encode_with_gaps("Sentence 7 tells of [MASK].")
        .unwrap();
    assert_eq!(gap, expected);

    let maskless = train(&prose(200), 300).encode_with_gaps("a [MASK]");
    assert!(matches!(maskless, Err(TokenizerError::NoSuchToken { .. })));
}

#[test]
fn people_read_tokens_as_text_and_special_ones_by_name() {
    let words = read(&of_words()).unwrap();
    let read = [5, 9, 10, 4, 11].map(|id| words.readable(id));
    let expected = ["a", "##ed", "sentence", "[MASK]"].map(|text| Some(text.to_owned()));
    assert_eq!((&read[..4], &read[4]), (&expected[..], &None));
    let bytes = train(&prose(200), 400);
    let apples = bytes.encode(" apples").unwrap();
    assert_eq!(bytes.readable(apples[0]).as_deref(), Some(" apples"));
}

#[test]
fn a_special_token_that_is_missing_is_named() {
    let error = read(&of_words())
        .unwrap()
        .special(Special::End)
        .unwrap_err();
    assert!(matches!(
        error,
        TokenizerError::NoSuchToken {
            special: Special::End,
            ..
        }
    ));
    assert!(error.to_string().contains("<|endoftext|>"), "{error}");
}

#[test]
fn what_is_no_tokeniser_is_refused() {
    let missing = Tokenizer::load(Path::new("/nowhere/tokenizer.json"));
    assert!(matches!(missing, Err(TokenizerError::Unreadable { .. })));
    for json in [json!({}), json!([]), json!({"model": {"type": "Oracle"}})] {
        assert!(
            matches!(read(&json), Err(TokenizerError::NotUnderstood { .. })),
            "{json}"
        );
    }
}

#[test]
fn training_needs_room_for_bytes_and_special_tokens() {
    let texts = std::iter::empty::<Result<String, TokenizerError>>();
    let small = Tokenizer::train(texts, 260, &ALL).unwrap_err();
    assert!(matches!(
        small,
        TokenizerError::Vocabulary {
            asked: 260,
            least: 261
        }
    ));
}

#[test]
fn training_ends_with_the_first_text_that_cannot_be_read() {
    let unreadable = || TokenizerError::Unreadable {
        path: "a.txt".into(),
        error: std::io::ErrorKind::NotFound.into(),
    };
    let texts = [Ok(prose(10)), Err(unreadable()), Ok(prose(10))];
    let failed = Tokenizer::train(texts.into_iter(), 300, &[]).unwrap_err();
    assert!(
        matches!(failed, TokenizerError::Unreadable { path, .. } if path == Path::new("a.txt"))
    );
}
