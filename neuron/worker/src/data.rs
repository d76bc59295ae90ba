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
    text::{CausalBatches, Corpus, MaskedBatches},
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
    let augmentation = Augmentation {
        flips: is_colour(name),
        ..Augmentation::COLOUR_32
    };
    let size = settings.batch_size(name);
    let train = train.shard(shard(settings)?).to_device(device);
    let train = Batches::new(train, size, LastBatch::Keep, seed)?;
    let train = match augments(settings, name) {
        Some(true) => train.augmented(augmentation),
        _ => train,
    };
    let held_out = Batches::new(test.to_device(device), size, LastBatch::Keep, seed)?;
    Ok(Data {
        train: Box::new(train),
        held_out: Box::new(held_out),
    })
}

fn is_colour(name: DatasetName) -> bool {
    matches!(name, DatasetName::Cifar | DatasetName::Synthetic)
}

/// Whether images of this data are changed at random; none if it has no images.
pub(crate) fn augments(settings: &DataSettings, name: DatasetName) -> Option<bool> {
    let has_images = name != DatasetName::Text;
    has_images.then(|| settings.augment.unwrap_or(is_colour(name)))
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
        let [of_train, of_held_out] = [(); 2].map(|()| self.tokenizer.clone());
        Ok(match synapse {
            SynapseName::Bert => Data {
                train: Box::new(MaskedBatches::new(train, of_train, shape, seed)?),
                held_out: Box::new(MaskedBatches::held_out(held_out, of_held_out, shape)?),
            },
            _ => Data {
                train: Box::new(CausalBatches::new(train, of_train, shape, seed)?),
                held_out: Box::new(CausalBatches::held_out(held_out, of_held_out, shape)?),
            },
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

#[cfg(test)]
mod tests {
    use neuron::{cli::Command, config};
    use neuron_learn::{source::Batch, synapse::Labels};
    use tempfile::TempDir;

    use super::*;

    fn settings(arguments: &[&str]) -> DataSettings {
        let arguments = ["neuron", "train"].iter().chain(arguments);
        let (cli, _) = config::parse(arguments.map(Into::into)).unwrap();
        match cli.command {
            Command::Train(train) => train.data,
            other => panic!("{other:?}"),
        }
    }

    /// A folder with 20 KB of text.
    fn short() -> TempDir {
        let fruit = ["apples", "pears", "a quince", "seven plums"];
        let tell = |n: usize| format!("Sentence {n} of these tells of {}. ", fruit[n * n % 7 % 4]);
        let paragraphs = (0..100).map(|n| (0..5).map(|part| tell(5 * n + part)).collect());
        let prose = paragraphs.collect::<Vec<String>>().join("\n\n");
        assert!((18_000..22_000).contains(&prose.len()), "{}", prose.len());
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("prose.txt"), prose).unwrap();
        folder
    }

    fn held_out(text: &TempDir, synapse: SynapseName, seed: u64) -> Vec<Vec<i64>> {
        let data = format!("--data={}", text.path().display());
        let settings = settings(&["--config=/dev/null", &data]);
        let text = Text::open(&settings, None, None).unwrap();
        let data = text.batches(&settings, synapse, seed).unwrap();
        let numbers = |batch: Batch| {
            let Labels { targets, .. } = batch.labels;
            [batch.inputs, targets].map(|tensor| Vec::try_from(tensor.reshape(-1)).unwrap())
        };
        let batches = data.held_out.in_order();
        batches.flat_map(|batch| numbers(batch.unwrap())).collect()
    }

    #[test]
    fn of_a_short_text_something_is_held_out_for_every_seed_the_same() {
        let text = short();
        for synapse in [SynapseName::Bert, SynapseName::Gpt] {
            let measured_by = held_out(&text, synapse, 1);
            assert!(!measured_by.is_empty());
            assert_eq!(measured_by, held_out(&text, synapse, 2));
        }
    }
}
