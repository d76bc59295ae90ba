//! What a neuron learns from, put together from what the user set.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use neuron::{
    cli::{DataSettings, DatasetName, SynapseName},
    exit::UsageError,
};
use neuron_learn::{
    dataset::{self, Augmentation, Batches, Dataset, LastBatch, Shard, Synthetic},
    source::Source,
    text::{CausalBatches, Corpus, MaskedBatches, TextError},
};
use neuron_text::{Special, Tokenizer};
use tch::Device;

/// A tokeniser in a folder.
pub(crate) const TOKENIZER: &str = "tokenizer.json";

/// Special tokens of a tokeniser that is trained here: all that either kind of text model needs, so that one serves both.
const SPECIALS: [Special; 5] = [
    Special::Pad,
    Special::Class,
    Special::Separator,
    Special::Mask,
    Special::End,
];

/// What is learned from, and what one is measured by.
pub(crate) struct Data {
    /// To learn from: the shard's.
    pub(crate) train: Box<dyn Source>,
    /// Held out, in batches of the same size.
    pub(crate) held_out: Box<dyn Source>,
}

/// Text before it is cut into batches: what a model of text is made for.
pub(crate) struct Text {
    corpus: Corpus,
    /// What its token ids are of.
    pub(crate) tokenizer: Arc<Tokenizer>,
}

/// Whether a model can learn from this data.
///
/// # Errors
///
/// [`UsageError`] if it cannot.
pub(crate) fn check(synapse: SynapseName, dataset: DatasetName) -> Result<(), UsageError> {
    let fits = match synapse {
        SynapseName::Mnist => matches!(dataset, DatasetName::Digits | DatasetName::Mnist),
        SynapseName::Cifar => matches!(dataset, DatasetName::Cifar | DatasetName::Synthetic),
        SynapseName::Bert | SynapseName::Gpt => dataset == DatasetName::Text,
        // Whether it does is seen by the shapes that are declared.
        SynapseName::Torchscript => true,
    };
    if fits {
        return Ok(());
    }
    let (synapse, dataset) = (synapse.name(), dataset.name());
    Err(UsageError(format!(
        "{synapse} cannot learn from {dataset}: leave --dataset out, or choose another --synapse"
    )))
}

/// Images in batches.
pub(crate) fn images(
    settings: &DataSettings,
    name: DatasetName,
    seed: u64,
    device: Device,
) -> anyhow::Result<Data> {
    let folder = || settings.data.as_deref().unwrap_or(".".as_ref());
    let Dataset { train, test, .. } = match name {
        DatasetName::Digits => dataset::digits()?,
        DatasetName::Mnist => dataset::mnist(folder())?,
        DatasetName::Cifar => dataset::cifar(folder())?,
        DatasetName::Synthetic => Synthetic::default().draw(),
        DatasetName::Text => unreachable!("text is no image: `check` has refused it"),
    };
    let is_colour = matches!(name, DatasetName::Cifar | DatasetName::Synthetic);
    let augmentation = Augmentation {
        flips: is_colour,
        ..Augmentation::COLOUR_32
    };
    let size = settings.batch_size(name);
    let train = train.shard(shard(settings)?).to_device(device);
    let train = Batches::new(train, size, LastBatch::Keep, seed)?;
    let train = match settings.augment.unwrap_or(is_colour) {
        true => train.augmented(augmentation),
        false => train,
    };
    let held_out = Batches::new(test.to_device(device), size, LastBatch::Keep, seed)?;
    Ok(Data {
        train: Box::new(train),
        held_out: Box::new(held_out),
    })
}

fn shard(settings: &DataSettings) -> anyhow::Result<Shard> {
    Ok(Shard::new(settings.shard.index, settings.shard.of)?)
}

impl Text {
    /// Reads the folder of --data, and the tokeniser: that of --tokenizer, of --pretrained, or of the run that is `resumed`, in
    /// this order; if there is none, one is trained on all that is not held out, whatever the shard. Writes nothing.
    pub(crate) fn open(
        settings: &DataSettings,
        pretrained: Option<&Path>,
        resumed: Option<&Path>,
    ) -> anyhow::Result<Text> {
        let Some(folder) = &settings.data else {
            let message = "there is no text to learn from: --data names a folder of it, any UTF-8 files, such as \
                           --data /usr/share/common-licenses";
            return Err(UsageError(message.to_owned()).into());
        };
        if settings.augment == Some(true) {
            let message = "--augment changes images, and there are none: leave it out";
            return Err(UsageError(message.to_owned()).into());
        }
        let corpus = Corpus::open(folder)?;
        let given = settings.tokenizer.as_deref().or(pretrained).map(in_folder);
        let kept = resumed.map(|run| run.join(TOKENIZER));
        let tokenizer = match given.or(kept.filter(|kept| kept.exists())) {
            Some(path) => Tokenizer::load(&path)?,
            None => {
                let vocabulary = usize::try_from(settings.vocabulary.get()).unwrap_or(usize::MAX);
                tracing::info!(
                    folder = %folder.display(),
                    vocabulary,
                    "training a tokeniser on the text"
                );
                Tokenizer::train(corpus.train.texts(), vocabulary, &SPECIALS)?
            }
        };
        let tokenizer = Arc::new(tokenizer);
        Ok(Text { corpus, tokenizer })
    }

    /// The text in batches, as this model learns from it.
    pub(crate) fn batches(
        self,
        settings: &DataSettings,
        synapse: SynapseName,
        seed: u64,
    ) -> anyhow::Result<Data> {
        let sequence = usize::try_from(settings.sequence.get()).unwrap_or(usize::MAX);
        let shape = [settings.batch_size(DatasetName::Text), sequence];
        let Corpus {
            train, held_out, ..
        } = self.corpus;
        let train = train.shard(shard(settings)?);
        let of = |passages| -> Result<Box<dyn Source>, TextError> {
            let tokenizer = self.tokenizer.clone();
            Ok(match synapse {
                SynapseName::Bert => {
                    Box::new(MaskedBatches::new(passages, tokenizer, shape, seed)?)
                }
                _ => Box::new(CausalBatches::new(passages, tokenizer, shape, seed)?),
            })
        };
        Ok(Data {
            train: of(train)?,
            held_out: of(held_out)?,
        })
    }
}

/// The tokeniser in a folder, or the file itself.
pub(crate) fn in_folder(path: &Path) -> PathBuf {
    match path.is_dir() {
        true => path.join(TOKENIZER),
        false => path.to_owned(),
    }
}
