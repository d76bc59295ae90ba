//! Settings of training: optimiser, router, what is told to peers and the chain.

use std::num::{NonZeroU32, NonZeroU64};

use clap::{Args, ValueEnum};

/// How it is learned.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Training")]
pub struct TrainingSettings {
    /// Stop after this many steps [default: go on]
    #[arg(long, env = "CONNECTOME_STEPS", value_name = "NUMBER")]
    pub steps: Option<NonZeroU64>,
    /// Stop after this many passes through the data [default: go on]
    #[arg(long, env = "CONNECTOME_EPOCHS", value_name = "NUMBER")]
    pub epochs: Option<NonZeroU64>,
    /// Steps between two evaluations; the best model so far is saved and served [default: a pass through the data]
    #[arg(long, env = "CONNECTOME_EPOCH_STEPS", value_name = "NUMBER")]
    pub epoch_steps: Option<NonZeroU64>,
    /// Learning rate of stochastic gradient descent
    #[arg(long, env = "CONNECTOME_LEARNING_RATE", value_name = "NUMBER", default_value = "0.01", value_parser = not_negative)]
    pub learning_rate: f64,
    /// How much faster the router learns than the model: a factor on the learning rate
    #[arg(long, env = "CONNECTOME_ROUTER_RATE", value_name = "FACTOR", default_value = "10", value_parser = not_negative)]
    pub router_rate: f64,
    /// Momentum, at least 0 and below 1
    #[arg(long, env = "CONNECTOME_MOMENTUM", value_name = "NUMBER", default_value = "0.9", value_parser = below_one)]
    pub momentum: f64,
    /// Length that gradients are cut to; 0 leaves them
    #[arg(long, env = "CONNECTOME_CLIP", value_name = "NUMBER", default_value = "1", value_parser = not_negative)]
    pub clip: f64,
    /// How the learning rate changes with time
    #[arg(
        long,
        env = "CONNECTOME_SCHEDULE",
        value_name = "KIND",
        value_enum,
        default_value = "constant"
    )]
    pub schedule: ScheduleName,
    /// Steps in which the cosine schedule rises; steps after which the step schedule falls
    #[arg(
        long,
        env = "CONNECTOME_SCHEDULE_STEPS",
        value_name = "NUMBER",
        default_value = "100"
    )]
    pub schedule_steps: NonZeroU64,
    /// What the step schedule multiplies the learning rate by
    #[arg(long, env = "CONNECTOME_GAMMA", value_name = "NUMBER", default_value = "0.1", value_parser = not_negative)]
    pub gamma: f64,
    /// Peers that each example is sent to
    #[arg(
        long,
        env = "CONNECTOME_TOPK",
        value_name = "NUMBER",
        default_value = "10"
    )]
    pub topk: NonZeroU32,
    /// Length of the key that the router learns of each peer
    #[arg(
        long,
        env = "CONNECTOME_KEY_DIM",
        value_name = "NUMBER",
        default_value = "100"
    )]
    pub key_dim: NonZeroU32,
    /// Learn without chain and peers, to compare with
    #[arg(long, env = "CONNECTOME_ALONE")]
    pub alone: bool,
    /// Go on from the last checkpoint of the run, by its settings where nothing else is said
    ///
    /// What makes it another run, such as another model, seed, shard or batch size, is refused. When to stop, and how it is
    /// reached, are not kept with a run.
    #[arg(long, env = "CONNECTOME_RESUME")]
    pub resume: bool,
    /// Set weights on the chain, once in each of its epochs
    ///
    /// In the second half of each epoch of the chain (its tempo: see `neuron network show`), if the neuron has a validator
    /// permit. Neither --epochs nor --epoch-steps changes that.
    #[arg(
        long,
        env = "CONNECTOME_SET_WEIGHTS",
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        action = clap::ArgAction::Set,
        value_parser = clap::builder::BoolishValueParser::new(),
        default_value = "true",
        default_missing_value = "true",
        hide_possible_values = true
    )]
    pub set_weights: bool,
    /// Set no weights, whatever is said elsewhere: short for --set-weights=false
    // To Clap, neither conflicts with the other nor overrides it: either would refuse this beside a CONNECTOME_SET_WEIGHTS in
    // the environment, which options come before.
    #[arg(long)]
    pub no_set_weights: bool,
    /// What is learned of peers [default: predictions]
    ///
    /// Of predictions, peers are asked for the probability of each class or, where those of a batch are longer than 16 MiB, of the
    /// 64 likeliest at each place.
    #[arg(long, env = "CONNECTOME_LEARN_FROM", value_name = "WHAT", value_enum)]
    pub learn_from: Option<LearnFrom>,
    /// How much of what is learned may be what peers predict, and not labels: 0 to 1. It is as much of that as the neuron learns
    /// its own examples by heart, as seen on held-out ones
    #[arg(long, env = "CONNECTOME_IMITATION", value_name = "SHARE", default_value = "0.5", value_parser = share)]
    pub imitation: f64,
    /// Send peers the gradients of what they answered, which are encodings then
    #[arg(long, env = "CONNECTOME_SEND_GRADIENTS")]
    pub send_gradients: bool,
    /// Learn from the gradients that peers send
    #[arg(long, env = "CONNECTOME_APPLY_GRADIENTS")]
    pub apply_gradients: bool,
}

impl TrainingSettings {
    /// Whether weights are to be set on the chain.
    pub fn sets_weights(&self) -> bool {
        self.set_weights && !self.no_set_weights
    }
}

/// What is learned of peers.
#[derive(Copy, Clone, Debug, PartialEq, Eq, ValueEnum)]
pub enum LearnFrom {
    /// What they predict: it is imitated, beside the labels
    Predictions,
    /// How they encode the inputs: context of the own encoding, imitated by the student
    Encodings,
}

/// How the learning rate changes with time.
#[derive(Copy, Clone, Debug, PartialEq, Eq, ValueEnum)]
pub enum ScheduleName {
    /// Not at all
    Constant,
    /// Times --gamma every --schedule-steps
    Step,
    /// Up for --schedule-steps, then down along a cosine to 0 at --steps
    Cosine,
}

fn number(text: &str, fits: impl Fn(f64) -> bool, expected: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number| fits(*number));
    number.ok_or_else(|| format!("expected {expected}"))
}

fn not_negative(text: &str) -> Result<f64, String> {
    number(
        text,
        |number| number.is_finite() && number >= 0.0,
        "a number of at least 0",
    )
}

fn share(text: &str) -> Result<f64, String> {
    number(
        text,
        |number| (0.0..=1.0).contains(&number),
        "a number from 0 to 1",
    )
}

pub(super) fn below_one(text: &str) -> Result<f64, String> {
    number(
        text,
        |number| (0.0..1.0).contains(&number),
        "a number of at least 0 and below 1",
    )
}

#[cfg(test)]
mod tests {
    use clap::{Args, Command, FromArgMatches};

    use super::*;

    fn settings(args: &[&str]) -> Result<TrainingSettings, clap::Error> {
        let command = TrainingSettings::augment_args(Command::new("train").no_binary_name(true));
        TrainingSettings::from_arg_matches(&command.try_get_matches_from(args)?)
    }

    #[test]
    fn weights_are_set_unless_somebody_says_no() {
        for (args, expected) in [
            (&[][..], true),
            (&["--set-weights"], true),
            (&["--set-weights=no"], false),
            (&["--no-set-weights"], false),
            (&["--set-weights", "--no-set-weights"], false),
            (&["--no-set-weights", "--set-weights"], false),
        ] {
            assert_eq!(settings(args).unwrap().sets_weights(), expected, "{args:?}");
        }
    }

    #[test]
    fn numbers_that_make_no_sense_are_refused() {
        for (option, value) in [
            ("--learning-rate", "nan"),
            ("--learning-rate", "-1"),
            ("--momentum", "1"),
            ("--clip", "inf"),
            ("--imitation", "1.5"),
            ("--steps", "0"),
        ] {
            assert!(
                settings(&[&format!("{option}={value}")]).is_err(),
                "{option} {value}"
            );
        }
    }
}
