//! Models of the field, as others have them: names, shapes and numbers are those of their checkpoints.
//!
//! A synapse is made of one by adding a student and a place for what the network says.

pub mod bert;
pub mod gpt2;
mod tokens;
