//! `neuron register`, `metagraph`, `network` and `doctor`.

use std::{net::SocketAddr, time::Duration};

use clap::{Args, Subcommand};

use super::{axon::LISTEN, duration::duration};
use crate::Amount;

/// `neuron register`.
#[derive(Debug, Args)]
pub struct Register {
    /// Highest price in CTM to pay; what is asked is paid [default: what is asked now]
    #[arg(long, value_name = "CTM")]
    pub max_price: Option<Amount>,
}

/// `neuron metagraph`.
#[derive(Debug, Args)]
pub struct MetagraphCommand {
    /// Show it again with each block, until Ctrl-C
    #[arg(long)]
    pub watch: bool,
    /// Show what is final, not what the best block says
    #[arg(long, conflicts_with = "watch")]
    pub finalised: bool,
    /// Show only neurons that serve
    #[arg(long)]
    pub serving: bool,
}

/// `neuron network`.
#[derive(Debug, Subcommand)]
pub enum NetworkCommand {
    /// List all networks of the chain
    List,
    /// Show one network and its hyperparameters
    Show,
}

/// `neuron doctor`.
#[derive(Debug, Args)]
pub struct Doctor {
    /// Address to listen on
    ///
    /// Where the chain says that the neuron is somewhere and it answers there, nothing is left to test, unless this option or
    /// --advertise is given. Otherwise it is tried whether the address is free here, and whether what peers are told leads to
    /// it.
    #[arg(
        long,
        env = "CONNECTOME_LISTEN",
        value_name = "ADDRESS",
        default_value = LISTEN
    )]
    pub listen: SocketAddr,
    /// Address that peers are told, if it is another (behind NAT, for instance)
    #[arg(long, env = "CONNECTOME_ADVERTISE", value_name = "ADDRESS")]
    pub advertise: Option<SocketAddr>,
    /// How long each test may take
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration)]
    pub patience: Duration,
}
