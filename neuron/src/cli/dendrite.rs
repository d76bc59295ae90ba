//! Settings of the dendrite: how peers are asked.

use std::{num::NonZeroUsize, time::Duration};

use clap::{Args, ValueEnum};
use neuron_peer::dendrite::{DendriteConfig, Finish, Precision};

use super::duration::duration;

/// How peers are asked.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Dendrite: asking peers")]
pub struct DendriteSettings {
    /// How long peers have to answer
    #[arg(
        long,
        env = "CONNECTOME_DEADLINE",
        value_name = "DURATION",
        default_value = "2s",
        value_parser = duration
    )]
    pub deadline: Duration,
    /// Go on when this many peers have answered and --grace has passed [default: wait for all]
    #[arg(long, env = "CONNECTOME_FIRST", value_name = "NUMBER")]
    pub first: Option<NonZeroUsize>,
    /// How long the other peers have once --first have answered
    #[arg(
        long,
        env = "CONNECTOME_GRACE",
        value_name = "DURATION",
        default_value = "50ms",
        value_parser = duration
    )]
    pub grace: Duration,
    /// Precision of tensors on the wire; f16 and bf16 halve the bytes
    #[arg(
        long,
        env = "CONNECTOME_WIRE",
        value_name = "TYPE",
        value_enum,
        default_value = "f32"
    )]
    pub wire: Wire,
}

impl DendriteSettings {
    /// How a dendrite asks, by these settings.
    ///
    /// `plaintext`: whether peers may be asked without TLS, for development.
    pub fn config(&self, plaintext: bool) -> DendriteConfig {
        DendriteConfig {
            precision: match self.wire {
                Wire::F32 => Precision::F32,
                Wire::F16 => Precision::F16,
                Wire::Bf16 => Precision::Bf16,
            },
            allow_plaintext: plaintext,
            ..DendriteConfig::default()
        }
    }

    /// For how many peers it waits.
    pub fn finish(&self) -> Finish {
        match self.first {
            Some(first) => Finish::FirstThenGrace {
                first: first.get(),
                grace: self.grace,
            },
            None => Finish::All,
        }
    }
}

/// Precision of tensors on the wire.
#[derive(Copy, Clone, Debug, PartialEq, Eq, ValueEnum)]
pub enum Wire {
    /// As computed
    F32,
    /// Half precision
    F16,
    /// Half precision with the range of f32
    Bf16,
}
