//! Tokens that stand for no text, by the part that they play.

use std::fmt;

/// The part of a special token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Special {
    /// Fills rows up to the length of the longest.
    Pad,
    /// Begins a row; what is said about all of it is read here.
    Class,
    /// Ends a sentence.
    Separator,
    /// Stands for a token that is to be guessed.
    Mask,
    /// Ends a text.
    End,
}

impl Special {
    /// What the field calls a token of this part: BERT's name, RoBERTa's, or GPT-2's. A tokeniser trained here uses the
    /// first.
    pub(super) fn names(self) -> &'static [&'static str] {
        match self {
            Special::Pad => &["[PAD]", "<pad>", "<|pad|>"],
            Special::Class => &["[CLS]", "<s>"],
            Special::Separator => &["[SEP]", "</s>"],
            Special::Mask => &["[MASK]", "<mask>"],
            Special::End => &["<|endoftext|>", "</s>", "<|end_of_text|>"],
        }
    }
}

impl fmt::Display for Special {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Special::Pad => "fills rows",
            Special::Class => "begins a row",
            Special::Separator => "ends a sentence",
            Special::Mask => "masks",
            Special::End => "ends a text",
        })
    }
}
