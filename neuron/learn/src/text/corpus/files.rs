//! The files of a folder.

use std::path::{Path, PathBuf};

use super::TextError;

/// Every file in the folder and below, in the order of their paths. Hidden files and links are left out: what is behind a
/// link may be in the folder already, or be the folder.
pub(super) fn of(folder: &Path) -> Result<Vec<PathBuf>, TextError> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let unreadable = |error| TextError::Unreadable {
            path: folder.clone(),
            error,
        };
        for entry in std::fs::read_dir(&folder).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let kind = entry.file_type().map_err(unreadable)?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                files.push(entry.path());
            }
        }
    }
    files.sort_unstable();
    Ok(files)
}
