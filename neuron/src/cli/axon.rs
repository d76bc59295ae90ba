//! Settings of the axon: where it listens, who may call.

use std::net::SocketAddr;

use clap::Args;
use neuron_proto::Modality;
use neuron_wallet::PublicKey;

use super::MinStake;
use crate::Amount;

/// Where an axon listens unless it is told otherwise.
pub(super) const LISTEN: &str = "0.0.0.0:8091";

/// How peers reach the neuron, and who may call it.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Axon: serving peers")]
pub struct AxonSettings {
    /// Address to listen on
    #[arg(
        long,
        env = "CONNECTOME_LISTEN",
        value_name = "ADDRESS",
        default_value = LISTEN
    )]
    pub listen: SocketAddr,
    /// Address that peers are told, if it is another (behind NAT, for instance)
    ///
    /// Without it, peers are told the address that is listened on, or, if that is every address of the machine, the one
    /// from which the chain is reached.
    #[arg(long, env = "CONNECTOME_ADVERTISE", value_name = "ADDRESS")]
    pub advertise: Option<SocketAddr>,
    /// Stake in CTM that a caller needs, for everything (10) or for one synapse (image=10)
    #[arg(
        long,
        env = "CONNECTOME_MIN_STAKE",
        value_name = "CTM",
        value_delimiter = ','
    )]
    pub min_stake: Vec<MinStake>,
    /// Hotkeys that are not answered
    #[arg(
        long,
        env = "CONNECTOME_DENY",
        value_name = "ADDRESS",
        value_delimiter = ','
    )]
    pub deny: Vec<PublicKey>,
    /// Requests per second that each caller may make
    #[arg(
        long,
        env = "CONNECTOME_RATE",
        value_name = "NUMBER",
        default_value = "100"
    )]
    pub rate: u32,
    /// Requests that a caller who kept silent may make at once
    #[arg(
        long,
        env = "CONNECTOME_BURST",
        value_name = "NUMBER",
        default_value = "200"
    )]
    pub burst: u32,
    /// Development: without TLS, on a loopback address only: serve anybody, and ask peers that announce the same
    #[arg(long, env = "CONNECTOME_PLAINTEXT")]
    pub plaintext: bool,
}

impl AxonSettings {
    /// What a caller of a synapse needs: what is said of it, or of all; the later counts.
    pub fn min_stake(&self, modality: Modality) -> Amount {
        let said = |modality| {
            let mut all = self.min_stake.iter().rev();
            all.find(|minimum| minimum.modality == modality)
                .map(|minimum| minimum.amount)
        };
        said(Some(modality)).or(said(None)).unwrap_or_default()
    }
}
