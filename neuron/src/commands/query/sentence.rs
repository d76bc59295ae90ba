//! The text that is asked about, and what becomes of it for each peer.
//!
//! ```text
//! prediction shape   the peer                is sent                  is asked for
//! [vocab]            goes on with texts      the text                 the next token
//! [0, vocab]         fills gaps              [CLS] the text [SEP]     what is at each [MASK]
//! ```
//!
//! Only token ids travel, with the fingerprint of the tokeniser that made them.

use std::path::Path;

use neuron_proto::{Code, DType, Fingerprint, Tensor, v1};
use neuron_text::{Special, Tokenizer, TokenizerError};

use super::{
    Absence,
    answer::{Answer, Distribution, Guess, likeliest},
    subject::Question,
};
use crate::exit::UsageError;

/// Tokens that are shown of each place.
const SHOWN: usize = 5;

/// By how much a model may have more classes than its tokeniser has tokens: some are padded, to a size that computes faster.
/// What a peer says of itself must not decide how much is read from it.
const MAX_PADDING: u32 = 1024;

/// A text, in the tokens of peers.
#[derive(Debug)]
pub(super) struct Sentence {
    tokenizer: Tokenizer,
    /// For a model that goes on with it.
    whole: Vec<i64>,
    /// For a model that fills gaps.
    gapped: Result<Gapped, TokenizerError>,
}

/// A row as such models learn from.
#[derive(Debug)]
struct Gapped {
    tokens: Vec<i64>,
    /// Where gaps are.
    places: Vec<usize>,
}

impl Sentence {
    /// # Errors
    ///
    /// If there is no text, or no tokeniser at `path`, which may be a folder that holds a `tokenizer.json`.
    pub(super) fn open(text: &str, path: &Path) -> Result<Sentence, UsageError> {
        let file = match path.is_dir() {
            true => path.join("tokenizer.json"),
            false => path.to_owned(),
        };
        let tokenizer = Tokenizer::load(&file).map_err(|error| UsageError(error.to_string()))?;
        let whole = tokenizer
            .encode(text)
            .map_err(|error| UsageError(error.to_string()))?;
        if whole.is_empty() {
            return Err(UsageError(format!(
                "expected a --text of words, got {text:?}"
            )));
        }
        Ok(Sentence {
            whole: whole.into_iter().map(i64::from).collect(),
            gapped: Gapped::new(&tokenizer, text),
            tokenizer,
        })
    }

    /// Of the tokeniser.
    pub(super) fn fingerprint(&self) -> Fingerprint {
        self.tokenizer.fingerprint()
    }

    pub(super) fn question(&self, synapse: &v1::SynapseDescription) -> Result<Question, Absence> {
        self.check_tokenizer(synapse)?;
        let (tokens, row_shape) = match synapse.prediction_shape[..] {
            [] => {
                let message = "it offers encodings only, no predictions";
                return Err(Absence::new(Code::NotImplemented, message));
            }
            [vocab] => (&self.whole, vec![self.check_vocab(vocab)?]),
            [0, vocab] => {
                let tokens = &self.gaps()?.tokens;
                (tokens, vec![count(tokens)?, self.check_vocab(vocab)?])
            }
            ref other => {
                let message = format!("expected predictions of tokens, it offers {other:?}");
                return Err(Absence::new(Code::ResponseShapeException, message));
            }
        };
        Ok(Question {
            inputs: inputs(synapse, tokens)?,
            row_shape,
        })
    }

    /// Where a prediction of this shape answers: at the gaps, or in its only place.
    pub(super) fn places(&self, row_shape: &[u32]) -> &[usize] {
        match (&self.gapped, row_shape) {
            (Ok(gapped), [_, _]) => &gapped.places,
            _ => &[0],
        }
    }

    /// The likeliest tokens of each place. Classes that are no token are left out.
    pub(super) fn read(&self, distributions: &[Distribution]) -> Answer {
        let place = |distribution: &Distribution| {
            let guesses = likeliest(distribution).into_iter();
            let guesses = guesses.filter_map(|(class, probability)| {
                let id = u32::try_from(class).ok()?;
                let token = self.tokenizer.readable(id)?;
                Some(Guess {
                    token,
                    id,
                    probability,
                })
            });
            guesses.take(SHOWN).collect()
        };
        Answer::Tokens {
            places: distributions.iter().map(place).collect(),
        }
    }

    /// The text with its gaps, for a peer that fills them.
    fn gaps(&self) -> Result<&Gapped, Absence> {
        let absence = |message: String| Absence::new(Code::InvalidRequest, message);
        let gapped = self
            .gapped
            .as_ref()
            .map_err(|error| absence(error.to_string()))?;
        if gapped.places.is_empty() {
            return Err(absence(
                "it fills gaps, and the text has none: write [MASK] where a word is missing"
                    .to_owned(),
            ));
        }
        Ok(gapped)
    }

    /// Whether the peer's ids are ours, as far as it says whose they are.
    fn check_tokenizer(&self, synapse: &v1::SynapseDescription) -> Result<(), Absence> {
        let theirs = Fingerprint::read(&synapse.tokenizer)
            .map_err(|error| Absence::new(Code::InvalidResponse, error.to_string()))?;
        match theirs {
            Some(theirs) if theirs != self.fingerprint() => {
                let ours = self.fingerprint();
                let message = format!(
                    "its tokeniser is {theirs}, this one {ours}: name the tokenizer.json of its model with --tokenizer"
                );
                Err(Absence::new(Code::TokenizerMismatch, message))
            }
            _ => Ok(()),
        }
    }

    fn check_vocab(&self, vocab: u32) -> Result<u32, Absence> {
        let own = u32::try_from(self.tokenizer.vocab_size()).unwrap_or(u32::MAX);
        let most = own.saturating_add(MAX_PADDING);
        if (own..=most).contains(&vocab) {
            return Ok(vocab);
        }
        let message = format!("expected predictions of {own} to {most} tokens, it offers {vocab}");
        Err(Absence::new(Code::ResponseShapeException, message))
    }
}

impl Gapped {
    fn new(tokenizer: &Tokenizer, text: &str) -> Result<Gapped, TokenizerError> {
        let [class, separator, mask] = [Special::Class, Special::Separator, Special::Mask]
            .map(|special| tokenizer.special(special));
        let (class, separator, mask) = (class?, separator?, mask?);
        let text = tokenizer.encode_with_gaps(text)?;
        let tokens = [&[class], &text[..], &[separator]].concat();
        let is_gap = |(place, &id): (usize, &u32)| (id == mask).then_some(place);
        Ok(Gapped {
            places: tokens.iter().enumerate().filter_map(is_gap).collect(),
            tokens: tokens.into_iter().map(i64::from).collect(),
        })
    }
}

/// One row of these tokens, if the peer takes such rows.
fn inputs(synapse: &v1::SynapseDescription, tokens: &[i64]) -> Result<Tensor, Absence> {
    let unfit = |message: String| Absence::new(Code::RequestShapeException, message);
    if !synapse.input_dtypes.contains(&DType::I64.into()) {
        return Err(unfit("it takes no token ids".to_owned()));
    }
    let n_tokens = count(tokens)?;
    match synapse.input_shape[..] {
        [0] => {}
        [length] if length == n_tokens => {}
        ref other => {
            let message = format!("{n_tokens} tokens are sent, it takes rows of {other:?}");
            return Err(unfit(message));
        }
    }
    Tensor::from_i64(&[1, n_tokens], tokens).map_err(|error| unfit(error.to_string()))
}

fn count(tokens: &[i64]) -> Result<u32, Absence> {
    u32::try_from(tokens.len()).map_err(|_| {
        let message = format!("{} tokens are more than a row can have", tokens.len());
        Absence::new(Code::RequestShapeException, message)
    })
}

#[cfg(test)]
pub(super) mod tests {
    use neuron_proto::Modality;
    use tempfile::TempDir;

    use super::*;

    const SPECIALS: [Special; 3] = [Special::Class, Special::Separator, Special::Mask];

    /// A tokeniser of bytes with these special tokens, in a folder of its own.
    pub(in crate::commands::query) fn tokenizer(specials: &[Special]) -> (TempDir, Tokenizer) {
        let folder = tempfile::tempdir().unwrap();
        let nothing = std::iter::empty::<Result<String, TokenizerError>>();
        let tokenizer = Tokenizer::train(nothing, 256 + specials.len(), specials).unwrap();
        tokenizer
            .save(&folder.path().join("tokenizer.json"))
            .unwrap();
        (folder, tokenizer)
    }

    fn sentence(text: &str) -> (Sentence, Tokenizer) {
        let (folder, tokenizer) = tokenizer(&SPECIALS);
        (Sentence::open(text, folder.path()).unwrap(), tokenizer)
    }

    fn synapse(prediction_shape: &[u32]) -> v1::SynapseDescription {
        v1::SynapseDescription {
            modality: Modality::Text.into(),
            input_dtypes: vec![DType::I64.into()],
            input_shape: vec![0],
            prediction_shape: prediction_shape.to_vec(),
            ..Default::default()
        }
    }

    fn ids(tokens: &[u32]) -> Vec<i64> {
        tokens.iter().copied().map(i64::from).collect()
    }

    #[test]
    fn a_model_that_goes_on_is_sent_the_text() {
        let (sentence, tokenizer) = sentence("so [MASK]");
        let question = sentence.question(&synapse(&[259])).unwrap();
        // What somebody wrote is text to it.
        let text = tokenizer.encode("so [MASK]").unwrap();
        let expected = Tensor::from_i64(&[1, 9], &ids(&text)).unwrap();
        assert_eq!((question.inputs, question.row_shape), (expected, vec![259]));
        assert_eq!(sentence.places(&[259]), [0]);
    }

    #[test]
    fn a_model_that_fills_gaps_is_sent_a_row_as_it_learnt_from() {
        let (sentence, tokenizer) = sentence("a [MASK][MASK].");
        let question = sentence.question(&synapse(&[0, 259])).unwrap();
        let [class, separator, mask] = SPECIALS.map(|it| tokenizer.special(it).unwrap());
        let [a, dot] = ["a", "."].map(|text| tokenizer.encode(text).unwrap()[0]);
        let expected = ids(&[class, a, mask, mask, dot, separator]);
        assert_eq!(
            question.inputs,
            Tensor::from_i64(&[1, 6], &expected).unwrap()
        );
        assert_eq!(question.row_shape, [6, 259]);
        assert_eq!(sentence.places(&[6, 259]), [2, 3]);
    }

    #[test]
    fn the_likeliest_tokens_are_said_as_people_read_them() {
        let (sentence, tokenizer) = sentence("so");
        let mut distribution = vec![0.0; 259 + 5];
        for (text, probability) in [(" ", 0.1), ("b", 0.4), ("a", 0.2)] {
            distribution[tokenizer.encode(text).unwrap()[0] as usize] = probability;
        }
        // The likeliest of all is a class that is no token.
        distribution[260] = 0.9;
        let Answer::Tokens { places } = sentence.read(&[distribution]) else {
            panic!("a text has tokens");
        };
        assert_eq!((places.len(), places[0].len()), (1, SHOWN));
        let read: Vec<_> = places[0]
            .iter()
            .take(3)
            .map(|guess| (&guess.token[..], guess.probability))
            .collect();
        assert_eq!(read, [("b", 0.4), ("a", 0.2), (" ", 0.1)]);
    }

    #[test]
    fn a_peer_of_another_tokeniser_is_told_from_one_of_the_same() {
        let (sentence, _) = sentence("so");
        let of = |tokenizer: Vec<u8>| {
            sentence.question(&v1::SynapseDescription {
                tokenizer: tokenizer.into(),
                ..synapse(&[259])
            })
        };
        assert!(of(sentence.fingerprint().0.to_vec()).is_ok());
        assert!(of(Vec::new()).is_ok(), "it takes ids of any");
        let absence = of(vec![7; 32]).unwrap_err();
        assert_eq!(absence.code, Code::TokenizerMismatch);
        assert!(
            absence.message.contains("with --tokenizer"),
            "{}",
            absence.message
        );
        assert_eq!(of(vec![7; 31]).unwrap_err().code, Code::InvalidResponse);
    }

    #[test]
    fn a_peer_that_cannot_help_says_why() {
        let (gapless, _) = sentence("so");
        let why = |synapse: v1::SynapseDescription| gapless.question(&synapse).unwrap_err();
        assert_eq!(why(synapse(&[])).code, Code::NotImplemented);
        for shape in [&[258][..], &[u32::MAX], &[5, 259], &[0, 0, 259]] {
            assert_eq!(
                why(synapse(shape)).code,
                Code::ResponseShapeException,
                "{shape:?}"
            );
        }
        let absence = why(synapse(&[0, 259]));
        assert_eq!(absence.code, Code::InvalidRequest);
        assert!(
            absence.message.contains("write [MASK]"),
            "{}",
            absence.message
        );
        for (input_shape, input_dtypes) in [
            (vec![3], vec![DType::I64.into()]),
            (vec![0, 2], vec![DType::I64.into()]),
            (vec![0], vec![DType::F32.into()]),
        ] {
            let other = v1::SynapseDescription {
                input_shape,
                input_dtypes,
                ..synapse(&[259])
            };
            assert_eq!(why(other).code, Code::RequestShapeException);
        }
    }

    #[test]
    fn a_tokeniser_without_a_mask_serves_models_that_go_on() {
        let (folder, _) = tokenizer(&[Special::End]);
        let sentence = Sentence::open("a [MASK]", &folder.path().join("tokenizer.json")).unwrap();
        assert!(sentence.question(&synapse(&[257])).is_ok());
        let absence = sentence.question(&synapse(&[0, 257])).unwrap_err();
        assert_eq!(absence.code, Code::InvalidRequest);
        assert!(
            absence.message.contains("no token that"),
            "{}",
            absence.message
        );
    }

    #[test]
    fn a_text_needs_words_and_a_tokeniser() {
        let (folder, _) = tokenizer(&SPECIALS);
        let empty = Sentence::open("", folder.path()).unwrap_err();
        assert!(empty.to_string().contains("--text"));
        let nowhere = Sentence::open("so", &folder.path().join("nowhere")).unwrap_err();
        assert!(nowhere.to_string().contains("nowhere"));
    }
}
