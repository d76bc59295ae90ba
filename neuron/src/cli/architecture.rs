//! Settings of a model that is made anew: how wide and deep it is.

use std::num::NonZeroU32;

use clap::{Args, ValueEnum};

/// How wide and deep a new model is. One that is read, from --pretrained or a checkpoint, says that itself; a module of
/// --torchscript is as it was exported, and none of these is said of it.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "New models")]
pub struct ArchitectureSettings {
    /// Network of cifar
    #[arg(
        long,
        env = "CONNECTOME_DPN",
        value_name = "NAME",
        value_enum,
        default_value = "26",
        conflicts_with = "torchscript"
    )]
    pub dpn: DpnName,
    /// Width of bert and gpt [default: 256 and 512, as the origin's]
    #[arg(
        long,
        env = "CONNECTOME_WIDTH",
        value_name = "NUMBER",
        conflicts_with = "torchscript"
    )]
    pub width: Option<NonZeroU32>,
    /// Layers of bert and gpt [default: 2 and 3]
    #[arg(
        long,
        env = "CONNECTOME_LAYERS",
        value_name = "NUMBER",
        conflicts_with = "torchscript"
    )]
    pub layers: Option<NonZeroU32>,
    /// Heads of attention of bert and gpt, a divisor of the width
    #[arg(
        long,
        env = "CONNECTOME_HEADS",
        value_name = "NUMBER",
        default_value = "2",
        conflicts_with = "torchscript"
    )]
    pub heads: NonZeroU32,
    /// Share of numbers that bert and gpt drop at random while they learn, below 1
    #[arg(
        long,
        env = "CONNECTOME_DROPOUT",
        value_name = "SHARE",
        default_value = "0.1",
        value_parser = super::training::below_one,
        conflicts_with = "torchscript"
    )]
    pub dropout: f64,
}

/// A dual path network that there is.
#[derive(Copy, Clone, Debug, PartialEq, Eq, ValueEnum)]
pub enum DpnName {
    /// A narrow one of as many blocks as DPN-26, quick on a processor
    Narrow,
    /// DPN-26
    #[value(name = "26")]
    Dpn26,
    /// DPN-92
    #[value(name = "92")]
    Dpn92,
    /// DPN-98
    #[value(name = "98")]
    Dpn98,
}
