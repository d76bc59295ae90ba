//! The node of a Connectome chain: makes blocks, votes on them, and answers clients.

mod chain_spec;
mod cli;
mod command;
mod rpc;
mod service;

fn main() -> sc_cli::Result<()> {
    command::run()
}
