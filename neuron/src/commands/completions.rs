//! `neuron completions`.

use std::io::{self, Write};

use clap_complete::{Shell, generate};

use crate::cli::Cli;

pub(super) fn run(shell: Shell) -> anyhow::Result<()> {
    // First into memory: the generator panics where it cannot write.
    let mut script = Vec::new();
    generate(shell, &mut Cli::definition(), "neuron", &mut script);
    io::stdout().lock().write_all(&script)?;
    Ok(())
}
