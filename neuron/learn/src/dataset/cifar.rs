//! `cifar`: CIFAR-10 in its binary version, as its authors published it, from a folder.
//!
//! Six files, `data_batch_1.bin` to `data_batch_5.bin` and `test_batch.bin`, of 10,000 records each, one after the other:
//!
//! ```text
//! label     1 byte, 0 to 9
//! pixels    3 · 32 · 32 bytes, red, then green, then blue, each row by row
//! ```
//!
//! (A. Krizhevsky, *Learning Multiple Layers of Features from Tiny Images*, 2009.) A file that does not end with a record is
//! refused, and so is one that is much larger than it should be, before it is read.

use std::{
    fs::File,
    io::{ErrorKind, Read},
    path::Path,
};

use tch::{Kind, Tensor};

use super::{Dataset, DatasetError, Examples, ImageShape, N_CLASSES};

/// What is trained on, in this order.
const TRAIN: [&str; 5] = [
    "data_batch_1.bin",
    "data_batch_2.bin",
    "data_batch_3.bin",
    "data_batch_4.bin",
    "data_batch_5.bin",
];

/// What is held out.
const TEST: &str = "test_batch.bin";

/// What the labels stand for.
const CLASSES: [&str; N_CLASSES] = [
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
];

/// Bytes of a record.
const RECORD: usize = 1 + 3 * 32 * 32;

/// Records in the largest file that is read: those of CIFAR-10 have 10,000.
const MAX_RECORDS: u64 = 100_000;

/// CIFAR-10 from a folder, with its own split: 50,000 to learn from and 10,000 held out, if it is whole.
///
/// # Errors
///
/// [`DatasetError::MissingCifar`] says where the files come from; [`DatasetError::Malformed`] what is wrong with one.
pub fn cifar(folder: &Path) -> Result<Dataset, DatasetError> {
    let train = TRAIN
        .into_iter()
        .map(|name| records(folder, name))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Dataset {
        name: "cifar",
        classes: CLASSES,
        train: examples(&train.concat())?,
        test: examples(&records(folder, TEST)?)?,
    })
}

/// The records of one file, whole and with labels of classes.
fn records(folder: &Path, name: &'static str) -> Result<Vec<u8>, DatasetError> {
    let path = folder.join(name);
    let unreadable = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => DatasetError::MissingCifar {
            folder: folder.to_owned(),
            name,
        },
        _ => DatasetError::Unreadable {
            path: path.clone(),
            error,
        },
    };
    let malformed = |problem: String| DatasetError::Malformed {
        path: path.clone(),
        problem,
    };
    let file = File::open(&path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    let n_records = length / RECORD as u64;
    if n_records > MAX_RECORDS {
        return Err(malformed(format!(
            "it holds {n_records} records; at most {MAX_RECORDS} are read"
        )));
    }
    let mut records = Vec::new();
    file.take(length)
        .read_to_end(&mut records)
        .map_err(unreadable)?;
    if records.is_empty() || records.len() % RECORD != 0 {
        return Err(malformed(format!(
            "it holds {} bytes, expected records of {RECORD}",
            records.len()
        )));
    }
    let labels = records.iter().step_by(RECORD);
    match labels
        .enumerate()
        .find(|&(_, label)| usize::from(*label) >= N_CLASSES)
    {
        Some((record, label)) => Err(malformed(format!(
            "record {record} has the label {label}, expected 0 to 9"
        ))),
        None => Ok(records),
    }
}

fn examples(records: &[u8]) -> Result<Examples, DatasetError> {
    let shape = ImageShape::COLOUR_32;
    let records = Tensor::from_slice(records).view([-1, RECORD as i64]);
    let labels = records.select(1, 0).to_kind(Kind::Int64);
    let pixels = records.narrow(1, 1, RECORD as i64 - 1);
    let mut images = pixels
        .to_kind(Kind::Float)
        .view([-1, shape.channels, shape.side, shape.side]);
    // In place: there are 600 MB of them.
    images /= 255.0;
    Examples::new(shape, images, labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record of one colour.
    fn record(label: u8, [red, green, blue]: [u8; 3]) -> Vec<u8> {
        [&[label][..], &[red; 1024], &[green; 1024], &[blue; 1024]].concat()
    }

    /// A folder with two images in the first file, one in each other, and one held out.
    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let write = |name, bytes| std::fs::write(folder.path().join(name), bytes).unwrap();
        for (name, label) in TRAIN.into_iter().zip(1..) {
            write(name, record(label, [label, 0, 255]));
        }
        let two = [record(9, [255, 51, 0]), record(0, [0, 0, 0])].concat();
        write(TRAIN[0], two);
        write(TEST, record(7, [1, 2, 3]));
        folder
    }

    #[test]
    fn records_are_read_in_the_order_of_their_files() {
        let folder = folder();
        let cifar = cifar(folder.path()).unwrap();
        assert_eq!(cifar.train.label_values(), [9, 0, 2, 3, 4, 5]);
        assert_eq!(cifar.test.label_values(), [7]);
        assert_eq!(cifar.train.images().size(), [6, 3, 32, 32]);
        assert_eq!(cifar.train.images().kind(), Kind::Float);
        let orange = cifar.train.images().get(0);
        for (channel, value) in [(0, 1.0), (1, 0.2), (2, 0.0)] {
            let plane = orange.get(channel);
            let (lowest, highest) = (plane.min().double_value(&[]), plane.max().double_value(&[]));
            assert!(lowest == highest && (lowest - value).abs() < 1e-6);
        }
        assert_eq!(cifar.classes[9], "truck");
    }

    #[test]
    fn pixels_are_planes_row_by_row() {
        let folder = folder();
        let mut counted = record(7, [0; 3]);
        counted[1..]
            .iter_mut()
            .zip((0..=255).cycle())
            .for_each(|(pixel, value)| *pixel = value);
        std::fs::write(folder.path().join(TEST), counted).unwrap();
        let image = cifar(folder.path()).unwrap().test.images().get(0) * 255.0;
        // Byte 1024·1 + 32·2 + 5 of the pixels is green, in the third row and the sixth column: 1093 mod 256 = 69.
        assert!((image.double_value(&[1, 2, 5]) - 69.0).abs() < 1e-3);
    }

    #[test]
    fn missing_files_say_where_they_come_from() {
        let folder = folder();
        std::fs::remove_file(folder.path().join(TRAIN[3])).unwrap();
        let error = cifar(folder.path()).unwrap_err();
        assert!(matches!(
            error,
            DatasetError::MissingCifar {
                name: "data_batch_4.bin",
                ..
            }
        ));
        let message = error.to_string();
        assert!(message.contains("cifar-10-binary.tar.gz"), "{message}");
        assert!(message.contains("`synthetic`"), "{message}");
    }

    /// What reading says after one file was replaced.
    fn error_with(bytes: &[u8]) -> String {
        let folder = folder();
        std::fs::write(folder.path().join(TRAIN[1]), bytes).unwrap();
        let message = cifar(folder.path()).unwrap_err().to_string();
        message.split_once(": ").unwrap().1.to_owned()
    }

    #[test]
    fn malformed_files_say_what_is_wrong() {
        let whole = [record(1, [0; 3]), record(2, [0; 3])].concat();
        assert_eq!(
            error_with(&whole[..6145]),
            "it holds 6145 bytes, expected records of 3073"
        );
        assert_eq!(
            error_with(&[]),
            "it holds 0 bytes, expected records of 3073"
        );
        let strange = [record(1, [0; 3]), record(10, [0; 3])].concat();
        assert_eq!(
            error_with(&strange),
            "record 1 has the label 10, expected 0 to 9"
        );
    }

    #[test]
    fn a_file_that_is_far_too_large_is_not_read() {
        let folder = folder();
        let file = File::create(folder.path().join(TRAIN[1])).unwrap();
        // Sparse: it takes no room.
        file.set_len((MAX_RECORDS + 1) * RECORD as u64).unwrap();
        let message = cifar(folder.path()).unwrap_err().to_string();
        assert!(message.contains("it holds 100001 records"), "{message}");
    }

    #[test]
    fn a_folder_in_the_place_of_a_file_is_unreadable() {
        let folder = folder();
        std::fs::remove_file(folder.path().join(TEST)).unwrap();
        std::fs::create_dir(folder.path().join(TEST)).unwrap();
        let error = cifar(folder.path()).unwrap_err();
        assert!(matches!(error, DatasetError::Unreadable { .. }), "{error}");
    }
}
