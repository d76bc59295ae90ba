//! `neuron register`, `metagraph`, `network` and `doctor`.

use std::{net::SocketAddr, time::Duration};

use clap::{Args, Subcommand};
use neuron_metagraph::Hyperparameters;
use neuron_wallet::PublicKey;

use super::{TaskName, axon::LISTEN, duration::duration};
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
    /// Create a network; only root may
    ///
    /// Signed by the coldkey, which has to be root: the sudo account of the chain, on a development chain //Alice. The
    /// network has no neurons, and the hyperparameters of another but for those given here; whether they are in range, the
    /// chain decides.
    Create(CreateNetwork),
}

/// `neuron network create`.
#[derive(Debug, Args)]
pub struct CreateNetwork {
    /// What its neurons learn, as they will call it
    #[arg(value_name = "TASK")]
    pub task: TaskName,
    /// Network that the hyperparameters are of
    #[arg(long, value_name = "NETID", default_value_t = 0)]
    pub like: u16,
    /// Account that is paid the owner's cut [default: nobody]
    #[arg(long, value_name = "ADDRESS")]
    pub owner: Option<PublicKey>,
    /// What is to be other than there.
    #[command(flatten)]
    pub overrides: Overrides,
}

/// Hyperparameters of a new network that differ from those of an existing one.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Hyperparameters, if other than those of --like")]
pub struct Overrides {
    /// Blocks between two epochs, 1 to 50400
    #[arg(long, value_name = "BLOCKS")]
    pub tempo: Option<u32>,
    /// Most neurons
    #[arg(long, value_name = "NUMBER")]
    pub max_neurons: Option<u16>,
    /// Most neurons with a validator permit
    #[arg(long, value_name = "NUMBER")]
    pub max_validators: Option<u16>,
    /// Blocks during which a new neuron is not replaced
    #[arg(long, value_name = "BLOCKS")]
    pub immunity_period: Option<u32>,
    /// Blocks between two weight rows of one neuron
    #[arg(long, value_name = "BLOCKS")]
    pub weights_rate_limit: Option<u32>,
    /// Part of what each block mints, relative to that of other networks
    #[arg(long, value_name = "NUMBER")]
    pub emission_share: Option<u16>,
    /// Part of its emission that goes to the owner, in parts per million, up to 500000
    #[arg(long, value_name = "PPM", requires = "owner")]
    pub owner_cut: Option<u32>,
}

impl Overrides {
    /// Puts these in the place of others.
    pub fn apply(&self, to: &mut Hyperparameters) {
        fn put<T: Copy>(value: Option<T>, place: &mut T) {
            *place = value.unwrap_or(*place);
        }
        put(self.tempo, &mut to.tempo);
        put(self.max_neurons, &mut to.max_neurons);
        put(self.max_validators, &mut to.max_validators);
        put(self.immunity_period, &mut to.immunity_period);
        put(self.weights_rate_limit, &mut to.weights_rate_limit);
        put(self.emission_share, &mut to.emission_share);
        put(self.owner_cut, &mut to.owner_cut);
    }
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
