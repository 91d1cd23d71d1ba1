//! What the programs print: tables and ratios for people, JSON for programs, a progress bar on stderr.

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::{Figures, Mode, Outcome};

/// Printed under every figure of the software adapter.
pub const MODEL_NOTE: &str = concat!(
    "These figures come from the embedded software adapter: the work is really done, but the latencies of bus, host and\n",
    "GPU are those of a model with stated assumptions (each parameter names its source). At zero latencies nothing is\n",
    "modelled: those figures are what the code itself costs on this machine.",
);

/// Columns of text, right-aligned but for the first.
#[derive(Clone, Debug, Default)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these column heads.
    pub fn new(heads: &[&str]) -> Self {
        Table { rows: vec![heads.iter().map(|head| (*head).to_owned()).collect()] }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width =
            |column: usize| self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
        let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
        for row in &self.rows {
            let mut line = String::new();
            for (i, (cell, width)) in row.iter().zip(&widths).enumerate() {
                match i {
                    0 => line.push_str(&format!("  {cell:<width$}")),
                    _ => line.push_str(&format!("  {cell:>width$}")),
                }
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// `a` over `b` for people: "12.3 ×"; a dash where `b` is 0.
pub fn ratio(a: f64, b: f64) -> String {
    match b {
        0.0 => "–".into(),
        _ => format!("{:.1} ×", a / b),
    }
}

/// The sentence below a table: how much longer the first mode took than the last.
pub fn wall_time_ratio(first: (Mode, &Figures), last: (Mode, &Figures)) -> String {
    let times = ratio(first.1.wall_ms, last.1.wall_ms);
    format!("  {} over {}: {times} the wall time\n", first.0.name(), last.0.name())
}

/// Prints one JSON document to stdout.
pub fn print_json(document: &impl Serialize) -> Outcome<()> {
    println!("{}", serde_json::to_string_pretty(document)?);
    Ok(())
}

/// A bar on stderr, which shows nothing where stderr is no terminal.
pub fn progress_bar(what: &str, steps: u64) -> ProgressBar {
    let bar = ProgressBar::new(steps);
    if let Ok(style) = ProgressStyle::with_template("{msg:40} {bar:40} {pos}/{len} {elapsed}") {
        bar.set_style(style);
    }
    bar.set_message(what.to_owned());
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut table = Table::new(&["mode", "ms"]);
        table.row(vec!["batched".into(), "1.5".into()]);
        table.row(vec!["one".into(), "120.0".into()]);
        assert_eq!(table.to_string(), "  mode        ms\n  batched    1.5\n  one      120.0\n");
    }

    #[test]
    fn ratios_survive_zero() {
        assert_eq!(ratio(25.0, 2.0), "12.5 ×");
        assert_eq!(ratio(1.0, 0.0), "–");
    }
}
