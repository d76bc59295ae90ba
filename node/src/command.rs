//! Carries out what the command line says.

use crate::{
    chain_spec,
    cli::{Cli, Subcommand},
    service,
};
use connectome_runtime::opaque::{Block, Hash};
use sc_cli::SubstrateCli;
use sc_network::{Litep2pNetworkBackend, NetworkWorker, config::NetworkBackendType};
use sc_service::PartialComponents;
use std::path::PathBuf;

impl SubstrateCli for Cli {
    fn impl_name() -> String {
        "Connectome Node".into()
    }

    fn impl_version() -> String {
        env!("SUBSTRATE_CLI_IMPL_VERSION").into()
    }

    fn description() -> String {
        env!("CARGO_PKG_DESCRIPTION").into()
    }

    fn author() -> String {
        env!("CARGO_PKG_AUTHORS").into()
    }

    fn support_url() -> String {
        "see README.md of the project you built this from".into()
    }

    fn copyright_start_year() -> i32 {
        2026
    }

    fn load_spec(&self, id: &str) -> Result<Box<dyn sc_service::ChainSpec>, String> {
        Ok(Box::new(match id {
            "dev" => chain_spec::development()?,
            "" | "local" => chain_spec::local_testnet()?,
            path => chain_spec::ChainSpec::from_json_file(PathBuf::from(path))?,
        }))
    }
}

/// Parses the command line and does what it says.
///
/// # Errors
///
/// What the command or the node ended with. A node that is told to stop (SIGINT, SIGTERM) ends well.
pub(crate) fn run() -> sc_cli::Result<()> {
    let cli = Cli::from_args();

    match &cli.subcommand {
        None => run_node(&cli),
        Some(Subcommand::Key(cmd)) => cmd.run(&cli),
        Some(Subcommand::BuildSpec(cmd)) => {
            let runner = cli.create_runner(cmd)?;
            runner.sync_run(|config| cmd.run(config.chain_spec, config.network))
        }
        Some(Subcommand::ExportChainSpec(cmd)) => cmd.run(cli.load_spec(&cmd.chain)?),
        Some(Subcommand::CheckBlock(cmd)) => {
            let runner = cli.create_runner(cmd)?;
            runner.async_run(|config| {
                let PartialComponents {
                    client,
                    task_manager,
                    import_queue,
                    ..
                } = service::new_partial(&config)?;
                Ok((cmd.run(client, import_queue), task_manager))
            })
        }
        Some(Subcommand::ExportBlocks(cmd)) => {
            let runner = cli.create_runner(cmd)?;
            runner.async_run(|config| {
                let PartialComponents {
                    client,
                    task_manager,
                    ..
                } = service::new_partial(&config)?;
                Ok((cmd.run(client, config.database), task_manager))
            })
        }
        Some(Subcommand::ExportState(cmd)) => {
            let runner = cli.create_runner(cmd)?;
            runner.async_run(|config| {
                let PartialComponents {
                    client,
                    task_manager,
                    ..
                } = service::new_partial(&config)?;
                Ok((cmd.run(client, config.chain_spec), task_manager))
            })
        }
        Some(Subcommand::ImportBlocks(cmd)) => {
            let runner = cli.create_runner(cmd)?;
            runner.async_run(|config| {
                let PartialComponents {
                    client,
                    task_manager,
                    import_queue,
                    ..
                } = service::new_partial(&config)?;
                Ok((cmd.run(client, import_queue), task_manager))
            })
        }
        Some(Subcommand::PurgeChain(cmd)) => {
            let runner = cli.create_runner(cmd)?;
            runner.sync_run(|config| cmd.run(config.database))
        }
        Some(Subcommand::Revert(cmd)) => {
            let runner = cli.create_runner(cmd)?;
            runner.async_run(|config| {
                let PartialComponents {
                    client,
                    task_manager,
                    backend,
                    ..
                } = service::new_partial(&config)?;
                let revert_grandpa = Box::new(|client, _, n_blocks| {
                    sc_consensus_grandpa::revert(client, n_blocks)?;
                    Ok(())
                });
                Ok((cmd.run(client, backend, Some(revert_grandpa)), task_manager))
            })
        }
        Some(Subcommand::ChainInfo(cmd)) => {
            let runner = cli.create_runner(cmd)?;
            runner.sync_run(|config| cmd.run::<Block>(&config))
        }
        #[cfg(feature = "benchmark")]
        Some(Subcommand::Benchmark(cmd)) => benchmark(&cli, cmd),
    }
}

/// Runs the node until it fails or is told to stop.
fn run_node(cli: &Cli) -> sc_cli::Result<()> {
    let runner = cli.create_runner(&cli.run)?;
    runner.run_node_until_exit(|config| async move {
        match config.network.network_backend {
            NetworkBackendType::Libp2p => service::new_full::<NetworkWorker<Block, Hash>>(config),
            NetworkBackendType::Litep2p => service::new_full::<Litep2pNetworkBackend>(config),
        }
        .map_err(sc_cli::Error::Service)
    })
}

/// Measures weights. What is measured is the runtime given with `--runtime` or with `--chain`, so the
/// node itself needs no feature of the runtime.
#[cfg(feature = "benchmark")]
fn benchmark(cli: &Cli, cmd: &frame_benchmarking_cli::BenchmarkCmd) -> sc_cli::Result<()> {
    use frame_benchmarking_cli::{BenchmarkCmd, OpaqueBlock, SUBSTRATE_REFERENCE_HARDWARE};
    use sp_runtime::traits::HashingFor;

    let runner = cli.create_runner(cmd)?;
    runner.sync_run(|config| match cmd {
        // The command refuses a chain beside a runtime, and the configuration always has a chain.
        BenchmarkCmd::Pallet(cmd) => cmd.run_with_spec::<HashingFor<Block>, ()>(
            cmd.runtime.is_none().then_some(config.chain_spec),
        ),
        BenchmarkCmd::Overhead(cmd) => cmd.run_with_default_builder_and_spec::<OpaqueBlock, ()>(
            cmd.params.runtime.is_none().then_some(config.chain_spec),
        ),
        BenchmarkCmd::Block(cmd) => cmd.run(service::new_partial(&config)?.client),
        BenchmarkCmd::Machine(cmd) => cmd.run(&config, SUBSTRATE_REFERENCE_HARDWARE.clone()),
        BenchmarkCmd::Storage(_) | BenchmarkCmd::Extrinsic(_) => Err(
            "this node measures `pallet`, `overhead`, `block` and `machine`; database weights are \
             those of ParityDB that come with FRAME"
                .into(),
        ),
    })
}
