//! The command as its users have it: a process with arguments, an environment, files and exit codes.

#![expect(clippy::unwrap_used, reason = "what goes wrong in a test fails it")]

mod config;
mod failure;
mod help;
mod network;
mod neuron;
mod query;
mod wallet;
mod worker;
