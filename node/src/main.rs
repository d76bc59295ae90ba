//! The node of a Connectome chain: makes blocks, votes on them, and answers clients.

#![expect(
    clippy::result_large_err,
    reason = "the errors are those of the SDK, and one of them ends the process"
)]

mod chain_spec;
mod cli;
mod command;
mod rpc;
mod service;

fn main() -> sc_cli::Result<()> {
    command::run()
}
