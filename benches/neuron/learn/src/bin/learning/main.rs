//! Whether neurons that ask each other learn more than neurons that do not.
//!
//! ```sh
//! make bench BENCH=learning    # a table; ARGS=--json for scripts
//! ```
//!
//! Neurons in one process, each with a shard of its own of the training examples; a peer answers from the copy that it
//! serves, without a wire. Everything else is as `neuron train` does it: perceive, route, ask, join, conclude, backward, clip,
//! SGD on model and router; after each evaluation, a neuron serves the best copy of itself so far. One seed gives the same
//! models, shards and batches in all arms:
//!
//! * *alone*: on its shard, without others.
//! * *longer*: the same, with more steps: no less than what a neuron among others computes for itself.
//! * *smoothed*: alone, with smoothed labels: what soft targets do without anything that anybody knows.
//! * *asking*: learns alone, and asks the others when it is measured: what many know together, before anybody learned from it.
//! * *encodings*: learns from how the others encode; *local* and *network* branch.
//! * *predictions*: learns from what the others predict, which is the default; both branches.
//! * *likeliest*: the same, but the others tell the 16 likeliest classes of each prediction only, as where there are very many.
//! * *always*: as *predictions*, but as much from the first step to the last, whether it is needed or not.
//! * *itself*: as *predictions*, but each asks the copy that it serves, and nobody else: what imitation does without others.
//! * *all data*: alone with all shards: what more data would do.
//!
//! Held-out examples are in two halves: by one it is chosen which evaluation counts, by the other that is measured. Figures
//! are means and standard deviations over neurons and seeds; *less alone* is of the differences from the same neuron alone.
//! One thread computes, so a run repeats to the last bit on one machine; times do not.

mod arms;
mod neuron;
mod processor;
mod report;
mod task;

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::{Parser, ValueEnum};

use crate::{
    arms::Extent,
    report::Report,
    task::{Name, Task},
};

#[derive(Parser)]
#[command(about = "Compares neurons that ask each other with neurons that do not")]
struct Arguments {
    /// What is learned.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Name::Digits, Name::Synthetic, Name::Text, Name::LittleText, Name::MaskedText])]
    tasks: Vec<Name>,
    /// How many seeds.
    #[arg(long, default_value_t = 3)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 1)]
    first_seed: u64,
    /// Neurons that share the examples.
    #[arg(long, default_value_t = 4)]
    neurons: u32,
    /// Steps of each neuron; as the task has it if not given.
    #[arg(long)]
    steps: Option<u64>,
    /// Steps between two evaluations, after which copies are served.
    #[arg(long, default_value_t = 50)]
    every: u64,
    /// How many times as many steps the arm `longer` makes.
    #[arg(long, default_value_t = 2)]
    longer: u64,
    /// Learning rate of the models; as the task has it if not given.
    #[arg(long)]
    learning_rate: Option<f64>,
    /// Folder whose text is learned.
    #[arg(long, default_value = "/usr/share/common-licenses")]
    text: PathBuf,
    /// How neurons learn that are compared with those alone.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = arms::Name::value_variants().to_vec())]
    ways: Vec<arms::Name>,
    /// Print one JSON object per line instead of a table.
    #[arg(long)]
    json: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    ensure!(
        arguments.neurons > 1 && arguments.seeds > 0,
        "a comparison takes two neurons and a seed"
    );
    tch::set_num_threads(1);
    let mut reports = Vec::new();
    for &name in &arguments.tasks {
        let report = compare(name, &arguments)?;
        if arguments.json {
            report::lines(&report).for_each(|line| println!("{line}"));
        }
        reports.push(report);
    }
    if !arguments.json {
        println!("{}", report::in_a_table(&reports));
    }
    Ok(())
}

fn compare(name: Name, arguments: &Arguments) -> Result<Report> {
    let mut task = Task::new(name, &arguments.text)?;
    task.learning_rate = arguments.learning_rate.unwrap_or(task.learning_rate);
    let extent = Extent {
        neurons: arguments.neurons,
        steps: arguments.steps.unwrap_or(task.steps),
        longer: arguments.longer.max(1),
        every: arguments.every,
        ways: arguments.ways.clone(),
    };
    ensure!(
        extent.every > 0 && extent.steps >= extent.every,
        "--steps must reach the first evaluation, after --every"
    );
    let mut outcomes = Vec::new();
    let first = arguments.first_seed;
    for seed in first..first.saturating_add(arguments.seeds) {
        outcomes.push(arms::run(&task, &extent, seed)?);
        eprintln!("{}: seed {seed} is done", task.name);
    }
    Ok(Report::new(task.name, &outcomes))
}
