//! What every subcommand prints, and where: results to stdout, everything else to stderr.
//!
//! Colours are for terminals: [`print_line`] takes them out elsewhere, and where `NO_COLOR` asks for none.
//!
//! With `--json` stdout gets exactly one document. A progress bar is drawn only where stderr is a terminal, and only once
//! something has taken a second. Whoever reads stdout may close it early: that ends the output and is no error.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::commands::Outcome;

/// What takes longer than this is shown a progress bar for.
const PATIENCE: Duration = Duration::from_secs(1);

/// How a subcommand prints its result.
#[derive(clap::Args, Clone, Copy, Debug)]
pub struct OutputOptions {
    /// Print one JSON document to stdout, and nothing else there
    #[arg(long)]
    pub json: bool,
}

impl OutputOptions {
    /// Prints the result: as JSON, or as text for people.
    pub fn print(self, document: &impl Serialize, text: impl FnOnce() -> String) -> Outcome<()> {
        match self.json {
            true => print_line(&serde_json::to_string_pretty(document)?),
            false => print_line(text().trim_end_matches('\n')),
        }
    }
}

/// Writes text and a line end to stdout. Colours in it reach terminals only, and none where `NO_COLOR` is set.
pub fn print_line(text: &str) -> Outcome<()> {
    print_text(format!("{text}\n").as_bytes())
}

/// Writes bytes of text to stdout, as they are.
pub fn print_text(text: &[u8]) -> Outcome<()> {
    let mut stdout = anstream::stdout().lock();
    match stdout.write_all(text).and_then(|()| stdout.flush()) {
        // The reader has seen enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}

/// Writes an error's sentence to stderr.
pub fn complain(sentence: &str) {
    // Where nobody listens to errors, there is nobody to tell that to.
    let _unheard = writeln!(io::stderr(), "error: {sentence}");
}

/// Writes a warning's sentence to stderr.
pub fn warn(sentence: &str) {
    // As above.
    let _unheard = writeln!(io::stderr(), "warning: {sentence}");
}

/// How far a subcommand has come: a bar on stderr, where that is a terminal and it takes long enough.
#[derive(Clone, Debug)]
pub struct Progress {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    bar: ProgressBar,
    begun: Instant,
    shown: AtomicBool,
}

impl Progress {
    /// Of so many steps.
    pub fn new(what: &str, steps: u64) -> Self {
        let bar = ProgressBar::with_draw_target(Some(steps), ProgressDrawTarget::hidden());
        if let Ok(style) = ProgressStyle::with_template("{msg:32} {bar:40} {pos}/{len} {elapsed}") {
            bar.set_style(style);
        }
        bar.set_message(what.to_owned());
        Progress { shared: Arc::new(Shared { bar, begun: Instant::now(), shown: AtomicBool::new(false) }) }
    }

    /// So many steps more are done.
    pub fn advance(&self, steps: u64) {
        let Shared { bar, begun, shown } = &*self.shared;
        if begun.elapsed() >= PATIENCE && !shown.swap(true, Ordering::Relaxed) {
            // Draws nothing where stderr is no terminal.
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        bar.inc(steps);
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Columns of text: the first to the left, the others to the right.
#[derive(Clone, Debug, Default)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these column heads.
    pub fn new<H: Display>(heads: impl IntoIterator<Item = H>) -> Self {
        let mut table = Table::default();
        table.row(heads);
        table
    }

    /// Adds a row.
    pub fn row<C: Display>(&mut self, cells: impl IntoIterator<Item = C>) {
        self.rows.push(cells.into_iter().map(|cell| cell.to_string()).collect());
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for row in &self.rows {
            let mut line = String::new();
            for (column, (cell, &width)) in row.iter().zip(&widths).enumerate() {
                line += &match column {
                    0 => format!("  {cell:<width$}"),
                    _ => format!("  {cell:>width$}"),
                };
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut table = Table::new(["peer", "µs"]);
        table.row(["dxgrt", "1.5"]);
        table.row(["µ", "120.0"]);
        assert_eq!(table.to_string(), "  peer      µs\n  dxgrt    1.5\n  µ      120.0\n");
    }
}
