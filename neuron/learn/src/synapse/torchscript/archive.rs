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

use std::io::{Cursor, Read, Write};

use zip::{CompressionMethod, ZipArchive, ZipWriter, result::ZipResult, write::FileOptions};

/// Begins what a class declares as its parameters, and as its buffers.
const PARAMETERS: &str = "  __parameters__ = [";
const BUFFERS: &str = "  __buffers__ = [";

/// Types of attributes that may be declared parameters.
const TENSORS: [&str; 2] = ["Tensor", "Optional[Tensor]"];

/// The same archive, with every tensor of a module declared a parameter.
///
/// # Errors
///
/// If it is no archive.
pub(super) fn name_all_tensors(file: &[u8]) -> ZipResult<Vec<u8>> {
    let mut archive = ZipArchive::new(Cursor::new(file))?;
    let mut renamed = ZipWriter::new(Cursor::new(Vec::with_capacity(file.len())));
    for place in 0..archive.len() {
        let is_code = is_code(archive.by_index_raw(place)?.name());
        if !is_code {
            renamed.raw_copy_file(archive.by_index_raw(place)?)?;
            continue;
        }
        let mut entry = archive.by_index(place)?;
        let mut code = String::new();
        entry.read_to_string(&mut code)?;
        let options = FileOptions::default().compression_method(CompressionMethod::Stored);
        renamed.start_file(entry.name(), options)?;
        renamed.write_all(declared(&code).as_bytes())?;
    }
    Ok(renamed.finish()?.into_inner())
}

/// `<name of the archive>/code/<path>.py`
fn is_code(name: &str) -> bool {
    let below = name.split_once('/').map_or("", |(_, below)| below);
    below.starts_with("code/") && below.strip_suffix(".py").is_some()
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

/// The names of all tensors of a class that goes on with these lines, each in quotes and followed by a comma.
fn tensors(class: &[&str]) -> String {
    let is_over = |line: &str| line.starts_with("  def ") || line.starts_with("class ");
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

    #[test]
    fn every_tensor_of_a_class_becomes_a_parameter_and_nothing_else_changes() {
        let code = "\
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
        let expected = code
            .replace(
                "[\"weight\", ]",
                "[\"loose\", \"mean\", \"none\", \"weight\", ]",
            )
            .replace("[\"mean\", \"none\", ]", "[]");
        assert_eq!(declared(code), expected);
    }

    #[test]
    fn only_code_is_read() {
        assert!(is_code("model/code/__torch__/torch/nn/modules/conv.py"));
        assert!(!is_code("model/code/__torch__.py.debug_pkl"));
        assert!(!is_code("model/data/0") && !is_code("code/x.py"));
        assert!(name_all_tensors(b"{}").is_err());
    }
}
