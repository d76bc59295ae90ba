//! A model for other programs: files of a folder.
//!
//! What a model [becomes](crate::synapse::Synapse::export) is what programs of its kind read: a folder of Hugging Face, tensors under
//! the names of a `state_dict` of PyTorch, or a module of TorchScript. Everything is made in memory first, so that nothing is
//! written of a model that cannot be.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use neuron_text::atomic;
use tch::TchError;

/// Files by name, in the order in which they are written. The last is what a model is known by: without it, there is none.
#[derive(Debug)]
pub struct Exported {
    files: Vec<(&'static str, Vec<u8>)>,
}

impl Exported {
    pub(crate) fn new<const N: usize>(files: [(&'static str, Vec<u8>); N]) -> Exported {
        Exported {
            files: files.into(),
        }
    }

    /// The same, with what the model cannot be used without, such as its tokeniser.
    pub fn with<const N: usize>(mut self, files: [(&'static str, Vec<u8>); N]) -> Exported {
        self.files.splice(0..0, files);
        self
    }

    /// Each file by its name, and what is in it.
    pub fn files(&self) -> impl Iterator<Item = (&'static str, &[u8])> {
        self.files.iter().map(|(name, bytes)| (*name, &bytes[..]))
    }

    /// Writes the files to the folder, which is made if it is not there, in place of those of their names.
    ///
    /// Each takes the place of an old one at once. What an old model is known by is taken away first: whatever interrupts the
    /// writing, no mixture of two passes for a model.
    ///
    /// # Errors
    ///
    /// [`ExportError::Write`].
    pub fn write(&self, folder: &Path) -> Result<(), ExportError> {
        let refused = |path: &Path, error| ExportError::Write {
            path: path.to_owned(),
            error,
        };
        fs::create_dir_all(folder).map_err(|error| refused(folder, error))?;
        if let Some((last, _)) = self.files.last() {
            let path = folder.join(last);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(refused(&path, error));
                }
                _ => {}
            }
        }
        for (name, bytes) in &self.files {
            let path = folder.join(name);
            atomic::write(&path, bytes).map_err(|error| refused(&path, error))?;
        }
        Ok(())
    }
}

/// Why a model is not exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A file cannot be written.
    #[error("cannot write {}: {error}", path.display())]
    Write {
        /// The file, or its folder.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A module of TorchScript cannot be put together again.
    #[error("the module cannot be written again: {0}")]
    Module(String),
    /// libtorch refused a tensor.
    #[error(transparent)]
    Torch(#[from] TchError),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn export(bytes: u8) -> Exported {
        let file = |n| vec![bytes; n];
        Exported::new([("model", file(3)), ("config", file(2))]).with([("words", file(1))])
    }

    #[test]
    fn files_are_written_in_order_with_what_is_needed_first() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("new/model");
        let written = export(7);
        let names: Vec<_> = written.files().map(|(name, _)| name).collect();
        assert_eq!(names, ["words", "model", "config"]);
        written.write(&folder).unwrap();
        for (name, bytes) in written.files() {
            assert_eq!(fs::read(folder.join(name)).unwrap(), bytes);
        }
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 3);
    }

    #[test]
    fn an_interrupted_export_leaves_no_mixture() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        export(1).write(folder).unwrap();
        fs::write(folder.join("other"), "of somebody else").unwrap();
        // A file cannot take the place of a folder: that is where it stops.
        fs::remove_file(folder.join("model")).unwrap();
        fs::create_dir(folder.join("model")).unwrap();
        let error = export(2).write(folder).unwrap_err();
        assert!(
            matches!(&error, ExportError::Write { path, .. } if path.ends_with("model")),
            "{error}"
        );
        assert!(!folder.join("config").exists());
        assert!(folder.join("other").exists());
    }

    #[test]
    fn a_folder_that_cannot_be_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let error = export(1).write(&file).unwrap_err();
        assert!(error.to_string().contains("file"), "{error}");
    }
}
