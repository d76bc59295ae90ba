//! Figures for people: tables that can be put into a README as they are.

use comfy_table::{CellAlignment, Table, presets::ASCII_MARKDOWN};

/// A table whose first `n_names` columns are names, and whose others are numbers.
pub fn table<const N: usize>(
    headers: [&str; N],
    n_names: usize,
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table.load_preset(ASCII_MARKDOWN).set_header(headers);
    table.add_rows(rows);
    for column in table.column_iter_mut().skip(n_names) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

/// What is said of a goal.
pub fn met(is_met: bool) -> &'static str {
    if is_met { "met" } else { "missed" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_to_the_right() {
        let rows = [["a".to_owned(), "1".to_owned()]];
        assert_eq!(
            table(["name", "number"], 1, rows),
            "| name | number |\n|------|--------|\n| a    |      1 |"
        );
    }
}
