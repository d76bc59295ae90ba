//! Whether stored tensors are those of a model.

use std::{fmt, path::Path};

use tch::Tensor;

use super::HuggingFaceError;
use crate::parameters::{self, Parameters, ParametersError};

/// Which stored tensors are not those of the model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Misfit {
    /// The model has them, and they are not stored.
    pub missing: Vec<String>,
    /// They are stored, and the model has no place for them.
    pub extra: Vec<String>,
    /// The model has them in another shape.
    pub misshapen: Vec<Misshapen>,
}

/// A stored tensor of another shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misshapen {
    /// Its name.
    pub name: String,
    /// Its shape in the model.
    pub expected: Vec<i64>,
    /// Its stored shape.
    pub arrived: Vec<i64>,
}

/// Copies what is stored into a model, and gives the names of what was not stored and may be lacking: those keep the values
/// that they have. Nothing is changed unless everything fits.
///
/// # Errors
///
/// [`HuggingFaceError::Misfit`], with every tensor that does not fit.
pub(crate) fn adopt(
    own: &Parameters,
    stored: &Parameters,
    may_lack: impl Fn(&str) -> bool,
    folder: &Path,
) -> Result<Vec<String>, HuggingFaceError> {
    let (mut misfit, mut lacking, mut found) = (Misfit::default(), Vec::new(), Parameters::new());
    for (name, parameter) in own {
        match stored.get(name) {
            None if may_lack(name) => lacking.push(name.clone()),
            None => misfit.missing.push(name.clone()),
            Some(value) if value.size() != parameter.size() => misfit.misshapen.push(Misshapen {
                name: name.clone(),
                expected: parameter.size(),
                arrived: value.size(),
            }),
            Some(_) => {
                found.insert(name.clone(), parameter.shallow_clone());
            }
        }
    }
    let strangers = stored.keys().filter(|name| !own.contains_key(*name));
    misfit.extra.extend(strangers.cloned());
    if misfit != Misfit::default() {
        return Err(HuggingFaceError::Misfit {
            folder: folder.to_owned(),
            misfit,
        });
    }
    match parameters::load(&found, stored) {
        Err(ParametersError::Torch(error)) => Err(error.into()),
        outcome => {
            outcome.expect("names and shapes were compared above");
            Ok(lacking)
        }
    }
}

/// Refuses tensors of other shapes than a model of this configuration has, before one is made: a configuration that is wrong
/// may ask for more memory than there is. A few tensors tell all widths.
///
/// # Errors
///
/// [`HuggingFaceError::Misfit`], with every one of `shapes` that is not stored so.
pub(crate) fn expect_shapes(
    stored: &Parameters,
    shapes: impl IntoIterator<Item = (String, Vec<i64>)>,
    folder: &Path,
) -> Result<(), HuggingFaceError> {
    let mut misfit = Misfit::default();
    for (name, expected) in shapes {
        match stored.get(&name).map(Tensor::size) {
            None => misfit.missing.push(name),
            Some(arrived) if arrived != expected => misfit.misshapen.push(Misshapen {
                name,
                expected,
                arrived,
            }),
            Some(_) => {}
        }
    }
    if misfit == Misfit::default() {
        return Ok(());
    }
    Err(HuggingFaceError::Misfit {
        folder: folder.to_owned(),
        misfit,
    })
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// More are counted only.
        const NAMED: usize = 5;
        let misshapen: Vec<String> = self.misshapen.iter().map(Misshapen::to_string).collect();
        let mut kinds = 0;
        for (kind, names) in [
            ("missing", &self.missing),
            ("extra", &self.extra),
            ("of another shape", &misshapen),
        ] {
            if names.is_empty() {
                continue;
            }
            let separator = if kinds > 0 { "; " } else { "" };
            kinds += 1;
            let named = &names[..names.len().min(NAMED)];
            write!(f, "{separator}{kind}: {}", named.join(", "))?;
            if names.len() > NAMED {
                write!(f, " and {} more", names.len() - NAMED)?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Misshapen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Misshapen {
            name,
            expected,
            arrived,
        } = self;
        write!(f, "{name} (expected {expected:?}, got {arrived:?})")
    }
}
