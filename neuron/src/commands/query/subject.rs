//! What is asked about: an image, or a text. What it asks of peers, and how their answers read.

use std::num::NonZeroU32;

use neuron_metagraph::Synapses;
use neuron_peer::dendrite::Entry;
use neuron_proto::{Classes, Modality, Tensor, Wanted, v1};

use super::{
    Absence,
    answer::{Answer, Distribution},
    picture::Picture,
    sentence::Sentence,
};
use crate::{cli::Query, exit::UsageError};

/// Of how many tokens each peer tells at a place: what people are shown of all answers together is among these.
const LIKELIEST: NonZeroU32 = NonZeroU32::new(64).expect("it is not zero");

/// What is asked about.
#[derive(Debug)]
pub(super) enum Subject {
    /// What does it show?
    Picture(Picture),
    /// How does it go on, or what is in its gaps?
    Sentence(Box<Sentence>),
}

/// What is sent to a peer, and what it answers.
#[derive(Clone, Debug)]
pub(super) struct Question {
    /// One row.
    pub(super) inputs: Tensor,
    /// Shape of the prediction. The last axis counts classes.
    pub(super) row_shape: Vec<u32>,
}

impl Subject {
    /// Reads what the command line names.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub(super) fn open(query: &Query) -> Result<Subject, UsageError> {
        match (&query.image, &query.text, &query.tokenizer) {
            (Some(image), _, _) => Ok(Subject::Picture(Picture::open(image, query.invert)?)),
            (None, Some(text), Some(tokenizer)) => {
                let sentence = Sentence::open(text, tokenizer)?;
                Ok(Subject::Sentence(Box::new(sentence)))
            }
            _ => Err(UsageError(
                "expected an image, or a --text and its --tokenizer".to_owned(),
            )),
        }
    }

    /// Which entry point of peers is asked.
    pub(super) fn entry(&self) -> Entry {
        match self {
            Subject::Picture(_) => Modality::Image.into(),
            Subject::Sentence(sentence) => Entry {
                modality: Modality::Text,
                tokenizer: Some(sentence.fingerprint()),
            },
        }
    }

    /// What peers have to serve, for people.
    pub(super) fn served(&self) -> &'static str {
        match self {
            Subject::Picture(_) => "images",
            Subject::Sentence(_) => "text",
        }
    }

    /// Whether a neuron that announces these is asked.
    pub(super) fn is_served(&self, synapses: Synapses) -> bool {
        match self {
            Subject::Picture(_) => synapses.image,
            Subject::Sentence(_) => synapses.text,
        }
    }

    /// What a peer that describes its synapse so is sent.
    ///
    /// # Errors
    ///
    /// Why it is of no use here.
    pub(super) fn question(&self, synapse: &v1::SynapseDescription) -> Result<Question, Absence> {
        match self {
            Subject::Picture(picture) => picture.question(synapse),
            Subject::Sentence(sentence) => sentence.question(synapse),
        }
    }

    /// What is asked of peers whose predictions are of this shape: there may be very many tokens, and few are shown.
    pub(super) fn wanted(&self, row_shape: &[u32]) -> Wanted {
        let n_classes = row_shape.last().copied().and_then(NonZeroU32::new);
        match (self, n_classes) {
            (Subject::Sentence(_), Some(n_classes)) => {
                Wanted::Prediction(Classes::Likeliest(LIKELIEST.min(n_classes)))
            }
            _ => Wanted::Prediction(Classes::All),
        }
    }

    /// Which places of a prediction of this shape are answers, in order.
    pub(super) fn places(&self, row_shape: &[u32]) -> &[usize] {
        match self {
            Subject::Picture(_) => &[0],
            Subject::Sentence(sentence) => sentence.places(row_shape),
        }
    }

    /// What is said by these distributions, one for each place.
    pub(super) fn read(&self, distributions: &[Distribution]) -> Answer {
        match self {
            Subject::Picture(_) => Answer::of_classes(distributions),
            Subject::Sentence(sentence) => sentence.read(distributions),
        }
    }
}
