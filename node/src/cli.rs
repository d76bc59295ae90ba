//! The command line: run a node, or one of the commands that look after it.

use sc_cli::RunCmd;

/// The arguments of `connectome-node`.
#[derive(Debug, clap::Parser)]
pub(crate) struct Cli {
    /// A command; without one, the node runs.
    #[command(subcommand)]
    pub(crate) subcommand: Option<Subcommand>,

    /// How the node runs.
    #[command(flatten)]
    pub(crate) run: RunCmd,
}

/// The commands that do something else than run a node.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Subcommand {
    /// Generate, inspect and insert keys, sign and verify with them.
    #[command(subcommand)]
    Key(sc_cli::KeySubcommand),

    /// Write a chain specification, to be edited or made raw. `export-chain-spec` does it better.
    BuildSpec(sc_cli::BuildSpecCmd),

    /// Write the specification of a chain as JSON, plain or raw.
    ExportChainSpec(sc_cli::ExportChainSpecCmd),

    /// Import a block that is already there again, to check it.
    CheckBlock(sc_cli::CheckBlockCmd),

    /// Write blocks to a file.
    ExportBlocks(sc_cli::ExportBlocksCmd),

    /// Write the state after a block as a chain specification.
    ExportState(sc_cli::ExportStateCmd),

    /// Import blocks from a file.
    ImportBlocks(sc_cli::ImportBlocksCmd),

    /// Remove the whole database of a chain.
    PurgeChain(sc_cli::PurgeChainCmd),

    /// Take back blocks that are not final yet.
    Revert(sc_cli::RevertCmd),

    /// Show the database's best, finalised and pruned blocks.
    ChainInfo(sc_cli::ChainInfoCmd),

    /// Measure dispatch weights, of a runtime that was built with `runtime-benchmarks`.
    #[cfg(feature = "benchmark")]
    #[command(subcommand)]
    Benchmark(frame_benchmarking_cli::BenchmarkCmd),
}
