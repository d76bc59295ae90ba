//! The worker as a process of its own, in folders of its own.

mod module;
mod resume;
mod runs;
