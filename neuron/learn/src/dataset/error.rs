//! What can be wrong with a dataset.

use std::path::PathBuf;

use super::ImageShape;

/// Why there is no dataset.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// A file of MNIST is not there.
    #[error(
        "no {name} or {name}.gz in {}: MNIST (Y. LeCun, C. Cortes, C. Burges) is four files, \
         {{train,t10k}}-{{images-idx3,labels-idx1}}-ubyte.gz; PyTorch mirrors them at \
         https://ossci-datasets.s3.amazonaws.com/mnist/. Put them into that folder, or train on `digits`, which needs \
         no download", folder.display()
    )]
    Missing {
        /// Where it was looked for.
        folder: PathBuf,
        /// The file.
        name: &'static str,
    },
    /// A file of CIFAR-10 is not there.
    #[error(
        "no {name} in {}: CIFAR-10 (A. Krizhevsky) in its binary version is six files, data_batch_{{1..5}}.bin and \
         test_batch.bin, from cifar-10-binary.tar.gz at https://www.cs.toronto.edu/~kriz/cifar.html. Unpack it and name \
         the folder in it, or train on `synthetic`, which needs no download", folder.display()
    )]
    MissingCifar {
        /// Where it was looked for.
        folder: PathBuf,
        /// The file.
        name: &'static str,
    },
    /// A file cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A file is not in the format it should be in.
    #[error("{} is not the file it should be: {problem}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What was expected and what is there.
        problem: String,
    },
    /// Images and labels do not belong together.
    #[error(
        "expected images of [n, {expected}] and n labels, got images of {images:?} and labels of {labels:?}"
    )]
    Shape {
        /// Shape that one image should have.
        expected: ImageShape,
        /// Shape of the images.
        images: Vec<i64>,
        /// Shape of the labels.
        labels: Vec<i64>,
    },
    /// A label that is not of a class.
    #[error("expected labels from 0 to 9, got {0}")]
    Label(i64),
    /// A shard that is none.
    #[error(
        "there is no shard {index} of {of}: shards are numbered from 0, and there is at least one"
    )]
    NoSuchShard {
        /// Which was asked for.
        index: u32,
        /// Of how many.
        of: u32,
    },
    /// A shard that cannot be parsed.
    #[error("expected a shard as INDEX/OF, such as 0/5 for the first of five, got {0:?}")]
    ShardSyntax(String),
    /// More neurons than examples.
    #[error(
        "a batch of {batch} examples cannot be drawn from {examples}: use a smaller batch or fewer shards"
    )]
    TooFew {
        /// Examples there are.
        examples: usize,
        /// Examples that a batch needs at least.
        batch: usize,
    },
}
