//! `neuron config`.

use std::path::PathBuf;

use serde::Serialize;

use crate::{
    Output,
    cli::{ConfigCommand, Global},
    config::{Config, Setting},
    exit::UsageError,
    table,
};

pub(super) fn run(global: &Global, config: &Config, command: ConfigCommand) -> anyhow::Result<()> {
    match command {
        ConfigCommand::Show => show(global, config),
        ConfigCommand::Path => path(global, config),
    }
}

fn show(global: &Global, config: &Config) -> anyhow::Result<()> {
    Output::new(global).show(&config.settings()?, |settings| settings_table(settings))?;
    Ok(())
}

fn settings_table(settings: &[Setting]) -> String {
    let mut table = table(["setting", "value", "from"]);
    for group in settings.chunk_by(|one, next| one.group == next.group) {
        table.add_row([
            format!("# {}", group[0].group),
            String::new(),
            String::new(),
        ]);
        for setting in group {
            let value = setting.value.as_deref().unwrap_or("-");
            let source = match &setting.overruled_by {
                Some(other) => format!("{}; {other} counts instead", setting.source),
                None => setting.source.to_string(),
            };
            table.add_row([&setting.name, value, &source]);
        }
    }
    table.trim_fmt()
}

#[derive(Serialize)]
struct ConfigPath {
    path: PathBuf,
    exists: bool,
}

fn path(global: &Global, config: &Config) -> anyhow::Result<()> {
    let path = config.expected_path().ok_or_else(|| {
        UsageError("you have no home folder; name a file: --config FILE".to_owned())
    })?;
    let exists = path.exists();
    Output::new(global).show(&ConfigPath { path, exists }, |found| {
        let note = if found.exists { "" } else { " (not there)" };
        format!("{}{note}", found.path.display())
    })?;
    Ok(())
}
