//! Measurements of the wire, of reading the chain and of the command line, with fixed seeds.
//!
//! Each program in `bin` measures one thing and says in its first lines what, and how. Here is what they share. None of it names
//! libtorch, whose memory and loading would be measured too; what is measured with a model is in `learn`.

pub mod neurons;
pub mod programs;
pub mod statistics;
pub mod table;
