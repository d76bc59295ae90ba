//! Measurements of the wire, the router and training, with fixed seeds.
//!
//! Each program in `bin` measures one thing and says in its first lines what, and how. Here is what they share.

pub mod consultation;
pub mod neurons;
pub mod programs;
pub mod served;
pub mod statistics;
pub mod table;
