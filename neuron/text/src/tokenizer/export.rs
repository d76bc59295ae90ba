//! A tokeniser for `transformers`, which puts special tokens around a text by itself.
//!
//! ```text
//! rows of sentences   [CLS] first [SEP]              [CLS] first [SEP] second [SEP]
//! rows of text        first                          first second
//! ```
//!
//! Here who makes rows puts those in, so that a tokeniser need not know of them; there `tokenizer.json` has to, and
//! `tokenizer_config.json` which token plays which part. Which ids stand for a text stays the same, and so does the fingerprint.

use serde_json::{Value, json};
use tokenizers::{
    PostProcessorWrapper,
    processors::{sequence::Sequence, template::TemplateProcessing},
};

use super::{Special, Tokenizer};
use crate::TokenizerError;

/// What a model's rows are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// One sentence or two, between special tokens; the second is a segment of its own.
    Sentences,
    /// Text alone.
    Text,
}

/// A tokeniser in a folder.
const TOKENIZER: &str = "tokenizer.json";

/// What is known of it besides.
const CONFIG: &str = "tokenizer_config.json";

impl Tokenizer {
    /// The tokeniser as it is, as a file by its name.
    pub fn export(&self) -> [(&'static str, Vec<u8>); 1] {
        [(TOKENIZER, self.to_json())]
    }

    /// The files of which `AutoTokenizer` makes a tokeniser that gives rows as a model learned them. One that has rules of its own
    /// for what it puts around a text keeps them.
    ///
    /// `longest`: tokens of the longest row
    ///
    /// # Errors
    ///
    /// [`TokenizerError::NoSuchToken`] if rows need a token that it does not have.
    pub fn export_for_transformers(
        &self,
        rows: Rows,
        longest: i64,
    ) -> Result<[(&'static str, Vec<u8>); 2], TokenizerError> {
        let framed = match (rows, self.library.get_post_processor()) {
            (Rows::Text, _) => self.clone(),
            (Rows::Sentences, None) => self.framed(Vec::new())?,
            (Rows::Sentences, Some(bytes @ PostProcessorWrapper::ByteLevel(_))) => {
                self.framed(vec![bytes.clone()])?
            }
            (Rows::Sentences, Some(_)) => self.clone(),
        };
        let config = serde_json::to_vec_pretty(&self.parts(rows, longest));
        let config = config.expect("its keys are strings");
        Ok([(TOKENIZER, framed.to_json()), (CONFIG, config)])
    }

    /// The same, with special tokens around sentences.
    ///
    /// `before`: what is done before they are put in
    fn framed(&self, mut before: Vec<PostProcessorWrapper>) -> Result<Tokenizer, TokenizerError> {
        let class = self.named(Special::Class)?;
        let separator = self.named(Special::Separator)?;
        let special_tokens = vec![class, separator];
        let ((class, _), (separator, _)) = (class, separator);
        let template = TemplateProcessing::builder()
            .try_single(format!("{class} $A {separator}"))
            .and_then(|template| {
                template.try_pair(format!("{class} $A {separator} $B:1 {separator}:1"))
            })
            .expect("the names of special tokens have neither spaces nor colons")
            .special_tokens(special_tokens)
            .build()
            .expect("both special tokens are given");
        before.push(template.into());
        let mut framed = self.clone();
        framed
            .library
            .with_post_processor(Some(Sequence::new(before)));
        Ok(framed)
    }

    /// As `tokenizer_config.json` has it.
    fn parts(&self, rows: Rows, longest: i64) -> Value {
        let inputs = match rows {
            Rows::Sentences => &["input_ids", "token_type_ids", "attention_mask"][..],
            Rows::Text => &["input_ids", "attention_mask"],
        };
        let mut config = json!({
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": longest,
            "model_input_names": inputs,
            "clean_up_tokenization_spaces": false,
            // Whoever asks for what is missing writes a gap by its name. Elsewhere, a special token's name is text as any other.
            "split_special_tokens": rows == Rows::Text,
        });
        for (part, special) in [
            ("pad_token", Special::Pad),
            ("cls_token", Special::Class),
            ("sep_token", Special::Separator),
            ("eos_token", Special::End),
        ] {
            if let Ok((name, _)) = self.named(special) {
                config[part] = name.into();
            }
        }
        if let Ok((name, id)) = self.named(Special::Mask) {
            config["mask_token"] = name.into();
            // Whitespace before a gap belongs to the word that is missing. By its id, which is how a token that `tokenizer.json` has
            // too is told anew; there, it would change the fingerprint.
            let mask = json!({
                "content": name, "lstrip": true, "rstrip": false, "normalized": false, "single_word": false,
                "special": true,
            });
            config["added_tokens_decoder"] = json!({ id.to_string(): mask });
        }
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Special; 5] = [
        Special::Pad,
        Special::Class,
        Special::Separator,
        Special::Mask,
        Special::End,
    ];

    fn trained(specials: &[Special]) -> Tokenizer {
        let texts = [Ok::<_, TokenizerError>(
            "some text, and some more text".to_owned(),
        )];
        Tokenizer::train(texts.into_iter(), 300, specials).unwrap()
    }

    /// What `transformers` makes of it: the library's own tokeniser, with special tokens.
    fn read(exported: &[(&str, Vec<u8>)]) -> (tokenizers::Tokenizer, Value) {
        let [(TOKENIZER, tokenizer), (CONFIG, config)] = exported else {
            panic!("{exported:?}");
        };
        (
            tokenizers::Tokenizer::from_bytes(tokenizer).unwrap(),
            serde_json::from_slice(config).unwrap(),
        )
    }

    #[test]
    fn sentences_are_put_between_special_tokens() {
        let own = trained(&ALL);
        let exported = own.export_for_transformers(Rows::Sentences, 16).unwrap();
        let (library, config) = read(&exported);
        let [class, separator] =
            [Special::Class, Special::Separator].map(|special| own.special(special).unwrap());
        let [first, second] = ["some text", "more"].map(|text| own.encode(text).unwrap());

        let single = library.encode("some text", true).unwrap();
        let expected = [&[class], &first[..], &[separator]].concat();
        assert_eq!(single.get_ids(), expected);

        let pair = library.encode(("some text", "more"), true).unwrap();
        let expected = [&expected, &second[..], &[separator]].concat();
        assert_eq!(pair.get_ids(), expected);
        let of_second = second.len() + 1;
        let segments = [vec![0; expected.len() - of_second], vec![1; of_second]].concat();
        assert_eq!(pair.get_type_ids(), segments);

        assert_eq!(config["model_max_length"], 16);
        assert_eq!(config["cls_token"], "[CLS]");
        let mask = own.special(Special::Mask).unwrap().to_string();
        assert_eq!(config["added_tokens_decoder"][mask]["lstrip"], true);
        assert_eq!(config["model_input_names"][1], "token_type_ids");
    }

    #[test]
    fn text_alone_stays_alone() {
        let own = trained(&[Special::End]);
        let exported = own.export_for_transformers(Rows::Text, 16).unwrap();
        let (library, config) = read(&exported);
        let ids = library.encode("some text", true).unwrap();
        assert_eq!(ids.get_ids(), own.encode("some text").unwrap());
        assert_eq!(config["eos_token"], "<|endoftext|>");
        assert_eq!(config["split_special_tokens"], true);
        assert_eq!(config.get("mask_token"), None);
    }

    #[test]
    fn it_is_the_same_tokeniser() {
        let own = trained(&ALL);
        let framed = own.export_for_transformers(Rows::Sentences, 16).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(TOKENIZER);
        for json in [&framed[0].1, &own.export()[0].1] {
            std::fs::write(&path, json).unwrap();
            let read = Tokenizer::load(&path).unwrap();
            assert_eq!(read.fingerprint(), own.fingerprint());
            let text = "some [CLS] text";
            assert_eq!(read.encode(text).unwrap(), own.encode(text).unwrap());
            // And what was put around its texts stays as it is.
            let again = read.export_for_transformers(Rows::Sentences, 16).unwrap();
            assert_eq!(again[0].1, framed[0].1);
        }
    }

    #[test]
    fn sentences_need_tokens_around_them() {
        let refused = trained(&[Special::End]).export_for_transformers(Rows::Sentences, 16);
        assert!(matches!(
            refused,
            Err(TokenizerError::NoSuchToken {
                special: Special::Class,
                ..
            })
        ));
    }
}
