//! What a command says on standard output: a table for people, or JSON for scripts. Nothing else is written there.

use std::io::{self, Write};

use comfy_table::{Table, TableComponent, presets};
use serde::Serialize;

use crate::cli::Global;

/// Standard output, in the form that was asked for.
#[derive(Copy, Clone, Debug)]
pub struct Output {
    is_json: bool,
}

impl Output {
    /// The form that `--json` asks for or not.
    pub fn new(global: &Global) -> Output {
        Output {
            is_json: global.json,
        }
    }

    /// Whether scripts read it.
    pub fn is_json(self) -> bool {
        self.is_json
    }

    /// Writes a value as JSON, or as `people` puts it.
    ///
    /// # Errors
    ///
    /// If standard output is closed. A command hands the error on; the program then ends without a word.
    pub fn show<T: Serialize>(
        self,
        value: &T,
        people: impl FnOnce(&T) -> String,
    ) -> io::Result<()> {
        let text = match self.is_json {
            true => serde_json::to_string_pretty(value)?,
            false => people(value),
        };
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{text}")?;
        stdout.flush()
    }
}

/// A table in the style of all tables here, with a line below its header.
pub fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_style(TableComponent::HeaderLines, '─')
        .set_header(header);
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_have_a_line_below_their_header() {
        let mut table = table(["uid", "stake"]);
        table.add_row(["0", "1.5"]);
        assert_eq!(table.trim_fmt(), " uid  stake\n────────────\n 0    1.5");
    }
}
