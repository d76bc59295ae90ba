//! What two tokenisers have in common that give the same ids to every text.
//!
//! ```text
//! fingerprint = BLAKE2b-256(canonical(added tokens, normaliser, pre-tokeniser, model))
//! ```
//!
//! Those four parts of `tokenizer.json` decide which ids stand for a text; padding, truncation, the special tokens put around
//! a text and the way back to text do not, and are left out.
//!
//! The canonical form is the same however the file was written: fields in the order of their names, each value with its kind
//! and length before it. What is null, false or empty is left out, so that a field that a later version of the format adds,
//! and that a tokeniser does not use, changes nothing.

use blake2::{Blake2b, Digest, digest::consts::U32};
use neuron_proto::Fingerprint;
use serde_json::Value;

/// The parts of a tokeniser that decide.
const PARTS: [&str; 4] = ["added_tokens", "model", "normalizer", "pre_tokenizer"];

/// What tells this tokeniser apart.
pub(super) fn of(library: &tokenizers::Tokenizer) -> Fingerprint {
    let json = serde_json::to_value(library).expect("a tokeniser is read from JSON");
    let mut hash = Blake2b::<U32>::new();
    for part in PARTS {
        hash.update(part);
        feed(&json[part], &mut hash);
    }
    Fingerprint(hash.finalize().into())
}

/// Hashes a value in its canonical form.
fn feed(value: &Value, hash: &mut Blake2b<U32>) {
    match value {
        Value::Null => hash.update(b"n"),
        Value::Bool(value) => hash.update(if *value { b"t" } else { b"f" }),
        Value::Number(number) => text(b'#', &number.to_string(), hash),
        Value::String(string) => text(b'"', string, hash),
        Value::Array(values) => {
            length(b'[', values.len(), hash);
            values.iter().for_each(|value| feed(value, hash));
        }
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().filter(|(_, value)| says(value)).collect();
            fields.sort_unstable_by_key(|(name, _)| *name);
            length(b'{', fields.len(), hash);
            for (name, value) in fields {
                text(b'"', name, hash);
                feed(value, hash);
            }
        }
    }
}

fn text(kind: u8, text: &str, hash: &mut Blake2b<U32>) {
    length(kind, text.len(), hash);
    hash.update(text);
}

fn length(kind: u8, length: usize, hash: &mut Blake2b<U32>) {
    hash.update([kind]);
    hash.update((length as u64).to_le_bytes());
}

/// Whether a field says anything.
fn says(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(string) => !string.is_empty(),
        Value::Array(values) => !values.is_empty(),
        _ => true,
    }
}
