//! Measurements of the router, of models and of learning, with fixed seeds: those that need libtorch.
//!
//! Each program in `bin` measures one thing and says in its first lines what, and how. Here is what they share, beside what
//! they have in common with those that need none (`neuron_benches`).

pub mod consultation;
pub mod served;
