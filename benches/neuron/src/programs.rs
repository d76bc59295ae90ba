//! The other programs of the project, as they were built together with the measurement.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};

/// The program that the user named, or else the one of this name in the folder of the running program.
///
/// # Errors
///
/// If it is not there; the error says how to build it.
pub fn find(named: Option<&Path>, name: &str) -> Result<PathBuf> {
    let path = match named {
        Some(path) => path.to_owned(),
        None => env::current_exe()?
            .parent()
            .context("a program lies in a folder")?
            .join(name),
    };
    ensure!(
        path.is_file(),
        "there is no {name} at {}; build it: cargo build --release --locked --workspace --bin {name}",
        path.display(),
    );
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_that_is_named_is_the_one() {
        let own = env::current_exe().unwrap();
        assert_eq!(find(Some(&own), "neuron").unwrap(), own);
    }

    #[test]
    fn a_program_that_is_missing_says_how_to_build_it() {
        let error = find(None, "no-such-program").unwrap_err().to_string();
        assert!(error.contains("--bin no-such-program"), "{error}");
    }
}
