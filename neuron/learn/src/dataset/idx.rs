//! `mnist`: the files of MNIST, as its authors published them, from a folder.
//!
//! Four files, each plain or compressed with gzip: `{train,t10k}-images-idx3-ubyte` and `{train,t10k}-labels-idx1-ubyte`.
//! An idx file is a magic number, the size of each axis, then the values, numbers in big-endian order:
//!
//! ```text
//! images   00 00 08 03   n   28   28   n·28·28 bytes, 0 black to 255 white (as ink: background 0)
//! labels   00 00 08 01   n             n bytes, 0 to 9
//! ```
//!
//! Every size is checked against the format before anything of that size is allocated, and a file that is shorter or
//! longer than its header says is refused.

use std::{
    fs::File,
    io::{BufReader, ErrorKind, Read},
    path::{Path, PathBuf},
};

use flate2::read::GzDecoder;
use tch::{Kind, Tensor};

use super::{DIGITS, Dataset, DatasetError, Examples, ImageShape};

/// Examples in the largest file that is read: MNIST has 60,000; its extensions up to 814,255.
const MAX_EXAMPLES: u32 = 1_000_000;

/// MNIST from a folder, with its own split: 60,000 to learn from and 10,000 held out, if it is whole.
///
/// # Errors
///
/// [`DatasetError::Missing`] says where the files come from; [`DatasetError::Malformed`] what is wrong with one.
pub fn mnist(folder: &Path) -> Result<Dataset, DatasetError> {
    Ok(Dataset {
        name: "mnist",
        classes: DIGITS,
        train: examples(folder, "train-images-idx3-ubyte", "train-labels-idx1-ubyte")?,
        test: examples(folder, "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")?,
    })
}

fn examples(
    folder: &Path,
    images: &'static str,
    labels: &'static str,
) -> Result<Examples, DatasetError> {
    let images = Idx::read(folder, images, &[28, 28])?;
    let labels = Idx::read(folder, labels, &[])?;
    if images.n != labels.n {
        return Err(labels.malformed(format!(
            "it has {} labels for {} images",
            labels.n, images.n
        )));
    }
    if let Some((example, label)) = labels
        .values
        .iter()
        .enumerate()
        .find(|(_, label)| **label > 9)
    {
        return Err(labels.malformed(format!("label {example} is {label}, expected 0 to 9")));
    }
    let shape = ImageShape::GREY_28;
    let pixels = Tensor::from_slice(&images.values).view([-1, 1, shape.side, shape.side]);
    Examples::new(
        shape,
        pixels.to_kind(Kind::Float) / 255.0,
        Tensor::from_slice(&labels.values).to_kind(Kind::Int64),
    )
}

/// An idx file of unsigned bytes.
struct Idx {
    path: PathBuf,
    /// Size of the first axis.
    n: u32,
    values: Vec<u8>,
}

impl Idx {
    /// Reads `name` or `name.gz`, whose axes after the first must be `shape`.
    fn read(folder: &Path, name: &'static str, shape: &[u32]) -> Result<Self, DatasetError> {
        let (path, mut file) = open(folder, name)?;
        let mut idx = Self {
            path,
            n: 0,
            values: Vec::new(),
        };
        let n_axes = u32::try_from(shape.len()).expect("an image has two axes") + 1;
        let magic = idx.number(&mut file, "the magic number")?;
        // Two zeros, the type (8 is an unsigned byte), the number of axes.
        let expected = 0x0800 + n_axes;
        if magic != expected {
            return Err(idx.malformed(format!(
                "it begins with {magic:#010x}, expected {expected:#010x}"
            )));
        }
        idx.n = idx.number(&mut file, "the number of examples")?;
        if idx.n > MAX_EXAMPLES {
            return Err(idx.malformed(format!(
                "it says {} examples; at most {MAX_EXAMPLES} are read",
                idx.n
            )));
        }
        let mut length = u64::from(idx.n);
        for &expected in shape {
            let size = idx.number(&mut file, "the size of an image")?;
            if size != expected {
                return Err(idx.malformed(format!(
                    "its images have a side of {size}, expected {expected}"
                )));
            }
            length *= u64::from(size);
        }
        idx.fill(file, length)?;
        Ok(idx)
    }

    /// One number of the header.
    fn number(&self, file: &mut impl Read, what: &str) -> Result<u32, DatasetError> {
        let mut bytes = [0; 4];
        file.read_exact(&mut bytes)
            .map_err(|error| match error.kind() {
                ErrorKind::UnexpectedEof => self.malformed(format!("it ends before {what}")),
                _ => self.unreadable(error),
            })?;
        Ok(u32::from_be_bytes(bytes))
    }

    /// Everything after the header, which must be `length` bytes.
    fn fill(&mut self, file: impl Read, length: u64) -> Result<(), DatasetError> {
        // One more than there should be, to see whether there is.
        let mut values = Vec::new();
        if let Err(error) = file.take(length + 1).read_to_end(&mut values) {
            return Err(self.unreadable(error));
        }
        if values.len() as u64 != length {
            let more = if values.len() as u64 > length {
                "more"
            } else {
                "fewer"
            };
            return Err(self.malformed(format!(
                "it holds {more} than the {length} bytes that its header says"
            )));
        }
        self.values = values;
        Ok(())
    }

    fn malformed(&self, problem: String) -> DatasetError {
        DatasetError::Malformed {
            path: self.path.clone(),
            problem,
        }
    }

    fn unreadable(&self, error: std::io::Error) -> DatasetError {
        DatasetError::Unreadable {
            path: self.path.clone(),
            error,
        }
    }
}

/// Opens `name`, or `name.gz` and decompresses it.
fn open(folder: &Path, name: &'static str) -> Result<(PathBuf, Box<dyn Read>), DatasetError> {
    for (path, compressed) in [
        (folder.join(name), false),
        (folder.join(format!("{name}.gz")), true),
    ] {
        match File::open(&path) {
            Ok(file) if compressed => {
                return Ok((path, Box::new(GzDecoder::new(BufReader::new(file)))));
            }
            Ok(file) => return Ok((path, Box::new(BufReader::new(file)))),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(DatasetError::Unreadable { path, error }),
        }
    }
    Err(DatasetError::Missing {
        folder: folder.to_owned(),
        name,
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// An idx file: magic number, axes, values.
    fn idx(axes: &[u32], values: &[u8]) -> Vec<u8> {
        let magic = 0x0800 + u32::try_from(axes.len()).unwrap();
        let header = std::iter::once(&magic)
            .chain(axes)
            .flat_map(|number| number.to_be_bytes());
        header.chain(values.iter().copied()).collect()
    }

    /// A folder with two images to train on, white and black, labelled 7 and 0, and one held out, grey, labelled 9.
    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
        let white_and_black = [[255; 784], [0; 784]].concat();
        write(
            "train-images-idx3-ubyte",
            &idx(&[2, 28, 28], &white_and_black),
        );
        write("train-labels-idx1-ubyte", &idx(&[2], &[7, 0]));
        write(
            "t10k-images-idx3-ubyte.gz",
            &gzip(&idx(&[1, 28, 28], &[51; 784])),
        );
        write("t10k-labels-idx1-ubyte.gz", &gzip(&idx(&[1], &[9])));
        folder
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn labels(examples: &Examples) -> Vec<i64> {
        examples.label_values()
    }

    /// What reading says after one file was replaced.
    fn error_with(name: &str, bytes: &[u8]) -> String {
        let folder = folder();
        std::fs::write(folder.path().join(name), bytes).unwrap();
        let message = mnist(folder.path()).unwrap_err().to_string();
        message.split_once(": ").unwrap().1.to_owned()
    }

    #[test]
    fn plain_and_compressed_files_are_read() {
        let folder = folder();
        let mnist = mnist(folder.path()).unwrap();
        assert_eq!(
            (labels(&mnist.train), labels(&mnist.test)),
            (vec![7, 0], vec![9])
        );
        assert_eq!(mnist.train.images().size(), [2, 1, 28, 28]);
        assert_eq!(mnist.train.images().get(0).min().double_value(&[]), 1.0);
        assert_eq!(mnist.train.images().get(1).max().double_value(&[]), 0.0);
        // 51 / 255 = 0.2
        assert!((mnist.test.images().mean(Kind::Double).double_value(&[]) - 0.2).abs() < 1e-6);
    }

    #[test]
    fn missing_files_say_where_they_come_from() {
        let folder = tempfile::tempdir().unwrap();
        let error = mnist(folder.path()).unwrap_err();
        assert!(matches!(
            error,
            DatasetError::Missing {
                name: "train-images-idx3-ubyte",
                ..
            }
        ));
        let message = error.to_string();
        assert!(message.contains("ossci-datasets"), "{message}");
        assert!(message.contains("`digits`"), "{message}");
    }

    #[test]
    fn malformed_files_say_what_is_wrong() {
        let images = "train-images-idx3-ubyte";
        let label_file = "train-labels-idx1-ubyte";
        assert_eq!(
            error_with(images, &idx(&[2], &[1, 2])),
            "it begins with 0x00000801, expected 0x00000803"
        );
        assert_eq!(
            error_with(images, &[0, 0]),
            "it ends before the magic number"
        );
        assert_eq!(
            error_with(images, &idx(&[2, 28, 28], &[])[..10]),
            "it ends before the size of an image"
        );
        assert_eq!(
            error_with(images, &idx(&[2, 32, 32], &[0; 2048])),
            "its images have a side of 32, expected 28"
        );
        assert_eq!(
            error_with(images, &idx(&[2, 28, 28], &[0; 1567])),
            "it holds fewer than the 1568 bytes that its header says"
        );
        assert_eq!(
            error_with(images, &idx(&[2, 28, 28], &[0; 1569])),
            "it holds more than the 1568 bytes that its header says"
        );
        assert_eq!(
            error_with(images, &idx(&[u32::MAX, 28, 28], &[])),
            "it says 4294967295 examples; at most 1000000 are read"
        );
        assert_eq!(
            error_with(label_file, &idx(&[1], &[1])),
            "it has 1 labels for 2 images"
        );
        assert_eq!(
            error_with(label_file, &idx(&[2], &[1, 10])),
            "label 1 is 10, expected 0 to 9"
        );
    }

    #[test]
    fn a_damaged_compressed_file_is_an_error() {
        let folder = folder();
        let path = folder.path().join("t10k-images-idx3-ubyte.gz");
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        assert!(matches!(
            mnist(folder.path()),
            Err(DatasetError::Unreadable { .. } | DatasetError::Malformed { .. })
        ));
    }
}
