//! The worker as a process of its own, in folders of its own.

mod exactness;
mod export;
mod module;
mod resume;
mod runs;
mod transformers;
