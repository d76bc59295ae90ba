//! One trainer to a folder: two would write over each other's checkpoints.
//!
//! The claim is a lock of the system on a file of the folder, so that it ends with the program, however that ends.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

/// The file that is locked. It stays when the claim ends.
const FILE: &str = "lock";

/// The right to train in a folder, until it is dropped.
#[derive(Debug)]
pub(crate) struct Claim {
    _locked: File,
}

/// Why there is no training in a folder.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClaimError {
    /// Somebody else does that.
    #[error(
        "another neuron trains in {}: stop it first, or choose another folder with --run",
        folder.display()
    )]
    Taken {
        /// The folder.
        folder: PathBuf,
    },
    /// Nobody can.
    #[error("cannot write to {}: {error}; choose another folder with --run", folder.display())]
    Unwritable {
        /// The folder.
        folder: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl Claim {
    /// Claims a folder, which is made if it is not there.
    ///
    /// # Errors
    ///
    /// [`ClaimError::Taken`] as long as another claim to it lives, in this program or another, and
    /// [`ClaimError::Unwritable`].
    pub(crate) fn to(folder: &Path) -> Result<Claim, ClaimError> {
        let folder = folder.to_owned();
        let made = fs::create_dir_all(&folder).and_then(|()| File::create(folder.join(FILE)));
        let file = match made {
            Ok(file) => file,
            Err(error) => return Err(ClaimError::Unwritable { folder, error }),
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(ClaimError::Taken { folder }),
            // Of a file system without locks, such as some networks'.
            Err(TryLockError::Error(error)) => {
                tracing::warn!(%error, folder = %folder.display(), "cannot keep others from training here");
            }
        }
        Ok(Claim { _locked: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_claimed_once_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("runs/one");
        let claim = Claim::to(&folder).unwrap();
        let error = Claim::to(&folder).unwrap_err();
        assert!(matches!(error, ClaimError::Taken { .. }), "{error}");
        assert!(error.to_string().contains("--run"), "{error}");
        drop(claim);
        assert!(Claim::to(&folder).is_ok());
    }

    #[test]
    fn what_is_no_folder_cannot_be_claimed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let error = Claim::to(&file).unwrap_err();
        assert!(matches!(error, ClaimError::Unwritable { .. }), "{error}");
    }
}
