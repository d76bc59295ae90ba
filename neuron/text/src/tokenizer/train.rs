//! A tokeniser of the user's own text, for those who have none: byte-level BPE, as GPT-2's.
//!
//! Text is cut into words by GPT-2's pattern, words into bytes; then the most frequent pair of neighbours becomes a token,
//! over and over. (R. Sennrich, B. Haddow and A. Birch, *Neural Machine Translation of Rare Words with Subword Units*, 2016;
//! A. Radford and others, *Language Models are Unsupervised Multitask Learners*, 2019, 2.2.) Every byte is a token, so no
//! text is beyond it.
//!
//! The same text gives the same tokeniser: of pairs that are equally frequent, the one of the lower ids comes first.

use tokenizers::{
    AddedToken,
    models::{
        TrainerWrapper,
        bpe::{BPE, BpeTrainer},
    },
    pre_tokenizers::byte_level::ByteLevel,
};

use super::{Special, Tokenizer, library};
use crate::TokenizerError;

/// A pair is no token before it was seen so often. The library's own default for tokenisers of bytes.
const LEAST_FREQUENCY: u64 = 2;

/// One token for each byte.
const BYTES: usize = 256;

impl Tokenizer {
    /// Trains a tokeniser of at most `vocab_size` tokens on these texts, with special tokens for these parts.
    ///
    /// # Errors
    ///
    /// The first error of `texts`; [`TokenizerError::Vocabulary`] unless there is room for each byte and each special token.
    pub fn train<E: From<TokenizerError> + Send>(
        texts: impl Iterator<Item = Result<String, E>> + Send,
        vocab_size: usize,
        specials: &[Special],
    ) -> Result<Tokenizer, E> {
        let least = BYTES + specials.len();
        if vocab_size < least {
            return Err(E::from(TokenizerError::Vocabulary {
                asked: vocab_size,
                least,
            }));
        }
        let specials = specials
            .iter()
            .map(|special| AddedToken::from(special.names()[0], true))
            .collect();
        let trainer = BpeTrainer::builder()
            .vocab_size(vocab_size)
            .min_frequency(LEAST_FREQUENCY)
            .special_tokens(specials)
            .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
            .show_progress(false)
            .build();
        let bytes = ByteLevel::default().add_prefix_space(false);
        let mut untrained = tokenizers::Tokenizer::new(BPE::default());
        untrained
            .with_pre_tokenizer(Some(bytes))
            .with_post_processor(Some(bytes.trim_offsets(false)))
            .with_decoder(Some(bytes));

        // The library takes texts, not results: it is given those before the first error.
        let mut failed = None;
        let texts = texts.map_while(|text| text.map_err(|error| failed = Some(error)).ok());
        untrained
            .train(&mut TrainerWrapper::from(trainer), texts)
            .map_err(library)?;
        match failed {
            Some(error) => Err(error),
            None => Ok(Tokenizer::new(untrained)),
        }
    }
}
