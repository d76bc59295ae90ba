//! What `torch.jit.save` writes, with a door to what a module keeps besides its parameters.
//!
//! libtorch's C interface names the parameters of a module and none of its buffers. But which of a module's tensors are
//! parameters says the code that is stored with it, a class for each kind of layer:
//!
//! ```text
//! class BatchNorm2d(Module):                         class BatchNorm2d(Module):
//!   __parameters__ = ["weight", "bias", ]              __parameters__ = ["weight", "bias", "running_mean", ]
//!   __buffers__ = ["running_mean", ]            →      __buffers__ = []
//!   running_mean : Tensor                              running_mean : Tensor
//! ```
//!
//! Read from an archive in which every tensor is declared a parameter, a module computes the same, and all its tensors have
//! names. Whether one is learned is stored with the tensor and stays as it is. Tensors are moved as they lie, unread.
//!
//! The archive that libtorch writes of such a module declares them so too. It has the classes of the first in files of the same
//! paths, and so they can be declared again [as they were](declare_as).

use std::{
    collections::HashMap,
    io::{Cursor, Read, Write},
};

use zip::{
    CompressionMethod, DateTime, ZipArchive, ZipWriter, result::ZipResult, write::FileOptions,
};

/// Begins what a class declares as its parameters, and as its buffers.
const PARAMETERS: &str = "  __parameters__ = [";
const BUFFERS: &str = "  __buffers__ = [";

/// Begins a class.
const CLASS: &str = "class ";

/// Types of attributes that may be declared parameters.
const TENSORS: [&str; 2] = ["Tensor", "Optional[Tensor]"];

/// The same archive, with every tensor of a module declared a parameter.
///
/// # Errors
///
/// If it is no archive.
pub(super) fn name_all_tensors(file: &[u8]) -> ZipResult<Vec<u8>> {
    rewritten(file, |_, code| declared(code))
}

/// The same archive, whose classes declare what those of `original` do: parameters as parameters, buffers as buffers, and what
/// is neither as neither.
///
/// # Errors
///
/// If either is no archive.
pub(super) fn declare_as(file: &[u8], original: &[u8]) -> ZipResult<Vec<u8>> {
    let mut originals = HashMap::new();
    let mut archive = ZipArchive::new(Cursor::new(original))?;
    for place in 0..archive.len() {
        let mut entry = archive.by_index(place)?;
        if let Some(path) = path_of_code(entry.name()) {
            let path = path.to_owned();
            let mut code = String::new();
            entry.read_to_string(&mut code)?;
            originals.insert(path, code);
        }
    }
    rewritten(file, |path, code| match originals.get(path) {
        Some(original) => declared_as(code, original),
        None => code.to_owned(),
    })
}

/// The same archive with other code, made of the path of each file of it and of what is in it.
fn rewritten(file: &[u8], rewrite: impl Fn(&str, &str) -> String) -> ZipResult<Vec<u8>> {
    let mut archive = ZipArchive::new(Cursor::new(file))?;
    let mut rewritten = ZipWriter::new(Cursor::new(Vec::with_capacity(file.len())));
    for place in 0..archive.len() {
        let name = archive.by_index_raw(place)?.name().to_owned();
        let Some(path) = path_of_code(&name) else {
            rewritten.raw_copy_file(archive.by_index_raw(place)?)?;
            continue;
        };
        let mut code = String::new();
        archive.by_index(place)?.read_to_string(&mut code)?;
        // The same module gives the same archive, whenever it is written.
        let options = FileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .last_modified_time(DateTime::default());
        rewritten.start_file(name.as_str(), options)?;
        rewritten.write_all(rewrite(path, &code).as_bytes())?;
    }
    Ok(rewritten.finish()?.into_inner())
}

/// `code/<path>.py` of `<name of the archive>/code/<path>.py`; none for what is no code.
fn path_of_code(name: &str) -> Option<&str> {
    let (_, below) = name.split_once('/')?;
    let is_code = below.starts_with("code/") && below.strip_suffix(".py").is_some();
    is_code.then_some(below)
}

/// Code whose classes declare all their tensors as parameters.
fn declared(code: &str) -> String {
    let lines: Vec<&str> = code.lines().collect();
    let mut declared = String::with_capacity(code.len());
    for (place, line) in lines.iter().enumerate() {
        let line = match () {
            () if line.starts_with(PARAMETERS) => {
                format!("{PARAMETERS}{}]", tensors(&lines[place..]))
            }
            () if line.starts_with(BUFFERS) => format!("{BUFFERS}]"),
            () => (*line).to_owned(),
        };
        declared.push_str(&line);
        declared.push('\n');
    }
    declared
}

/// Code whose classes declare what those of their names in `original` do.
fn declared_as(code: &str, original: &str) -> String {
    let mut class = "";
    let lines = code.lines().map(|line| {
        if line.starts_with(CLASS) {
            class = line;
        }
        let list = [PARAMETERS, BUFFERS]
            .into_iter()
            .find(|list| line.starts_with(list));
        list.and_then(|list| declaration(original, class, list))
            .unwrap_or(line)
    });
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// The line by which a class of this code, which begins with the line `class`, declares its parameters or its buffers.
fn declaration<'code>(code: &'code str, class: &str, list: &str) -> Option<&'code str> {
    let body = code.lines().skip_while(|line| *line != class).skip(1);
    body.take_while(|line| !line.starts_with(CLASS))
        .find(|line| line.starts_with(list))
}

/// The names of all tensors of a class that goes on with these lines, each in quotes and followed by a comma.
fn tensors(class: &[&str]) -> String {
    let is_over = |line: &str| line.starts_with("  def ") || line.starts_with(CLASS);
    let attributes = class.iter().take_while(|line| !is_over(line));
    let mut names: Vec<String> = Vec::new();
    for line in attributes {
        let listed = [PARAMETERS, BUFFERS]
            .into_iter()
            .find_map(|list| line.strip_prefix(list)?.strip_suffix(']'));
        match (listed, line.trim_start().split_once(" : ")) {
            (Some(listed), _) => names.extend(listed.split(", ").map(str::to_owned)),
            (None, Some((name, of))) if TENSORS.contains(&of) => names.push(format!("\"{name}\"")),
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names.sort_unstable();
    names.dedup();
    names.iter().map(|name| format!("{name}, ")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "\
class Norm(Module):
  __parameters__ = [\"weight\", ]
  __buffers__ = [\"mean\", \"none\", ]
  weight : Tensor
  mean : Tensor
  none : NoneType
  loose : Optional[Tensor]
  training : bool
  eps : Final[float] = 1.0
  def forward(self: __torch__.Norm,
    x: Tensor) -> Tensor:
    y : Tensor = x
    return y
class Empty(Module):
  __parameters__ = []
  __buffers__ = []
";

    #[test]
    fn every_tensor_of_a_class_becomes_a_parameter_and_nothing_else_changes() {
        let expected = CODE
            .replace(
                "[\"weight\", ]",
                "[\"loose\", \"mean\", \"none\", \"weight\", ]",
            )
            .replace("[\"mean\", \"none\", ]", "[]");
        assert_eq!(declared(CODE), expected);
    }

    #[test]
    fn classes_are_declared_again_as_they_were() {
        assert_eq!(declared_as(&declared(CODE), CODE), CODE);
        // The order of classes is free; one that is not known stays as it is.
        let other = CODE.replace("class Norm", "class Other");
        assert_eq!(declared_as(&declared(CODE), &other), declared(CODE));
        let (norm, empty) = CODE.split_at(CODE.find("class Empty").unwrap());
        let reversed = [empty, norm].concat();
        assert_eq!(declared_as(&declared(CODE), &reversed), CODE);
    }

    #[test]
    fn only_code_is_read() {
        let path = "code/__torch__/torch/nn/modules/conv.py";
        assert_eq!(path_of_code(&format!("model/{path}")), Some(path));
        for other in [
            "model/code/__torch__.py.debug_pkl",
            "model/data/0",
            "code/x.py",
        ] {
            assert_eq!(path_of_code(other), None);
        }
        assert!(name_all_tensors(b"{}").is_err());
    }
}
