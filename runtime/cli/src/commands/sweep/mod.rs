//! `dxgrt sweep`: how the policies fare from short to long round trips and from one stream to many, in the simulator.
//!
//! ```text
//! requests on so many streams × so long a round trip × protocol mode ─▶ simulate each policy ─▶ table, JSON, SVG
//! ```
//!
//! A round trip is half waking up, so a program that sleeps is woken in the time of one. With posted messages that is all
//! that its length changes; without, submissions take it too.

mod svg;

use std::path::PathBuf;

use dxg_runtime::Parameters;
use dxg_runtime::sim::{SimPolicy, Wait, lower_bound, simulate, synthetic};
use serde::Serialize;

use crate::commands::{Outcome, Verdict};
use crate::output::{OutputOptions, Progress, Table};

/// Microseconds.
const ROUND_TRIPS: [u32; 7] = [5, 10, 20, 40, 80, 140, 200];
const STREAMS: [u32; 11] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];
/// Requests of each stream.
const ROUNDS: u32 = 8;
/// Our makespan over the bound may change by no more than this factor from one cell to its neighbour, where streams double
/// or round trips at most double: a doubled load that takes twice the time is no cliff.
const CLIFF: f64 = 2.0;

/// Arguments of `dxgrt sweep`.
#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// Draw the table into this SVG file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Exit with 1 if two neighbouring cells of dxgrt differ by more than a factor of 2
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    output: OutputOptions,
}

/// One round-trip time, one number of streams, one protocol mode, one policy.
#[derive(Clone, Debug, Serialize)]
struct Cell {
    r#async: bool,
    round_trip_us: u32,
    streams: u32,
    policy: String,
    makespan_us: f64,
    lower_bound_us: f64,
    ratio: f64,
    #[serde(skip)]
    ours: bool,
}

impl Arguments {
    /// Runs the subcommand.
    pub fn run(&self) -> Outcome<Verdict> {
        let cells = measure()?;
        if let Some(path) = &self.svg {
            let drawn = svg::draw(&cells).map_err(|error| format!("the sweep cannot be drawn: {error}"))?;
            std::fs::write(path, drawn).map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
        }
        let cliffs = cliffs(&cells);
        self.output.print(&cells, || text(&cells, &cliffs))?;
        Ok(if self.check && !cliffs.is_empty() { Verdict::Broken } else { Verdict::Holds })
    }
}

fn measure() -> Outcome<Vec<Cell>> {
    let progress = Progress::new("simulating", 2 * (ROUND_TRIPS.len() * STREAMS.len()) as u64);
    let mut cells = Vec::with_capacity(2 * ROUND_TRIPS.len() * STREAMS.len() * SimPolicy::ALL.len());
    for posted in [true, false] {
        for streams in STREAMS {
            let mut workload = synthetic::requests(streams, ROUNDS);
            workload.wait = Wait::Sleep;
            for round_trip in ROUND_TRIPS {
                let parameters = Parameters {
                    async_messages: posted,
                    round_trip_us: round_trip.into(),
                    wake_up_us: round_trip.into(),
                    ..Parameters::default()
                };
                let bound = lower_bound(&workload, &parameters);
                for policy in SimPolicy::ALL {
                    let report = simulate(&workload, &parameters, policy, None)?;
                    cells.push(Cell {
                        r#async: posted,
                        round_trip_us: round_trip,
                        streams,
                        policy: policy.to_string(),
                        makespan_us: report.makespan as f64 / 1000.0,
                        lower_bound_us: bound as f64 / 1000.0,
                        ratio: report.makespan as f64 / bound.max(1) as f64,
                        ours: policy == SimPolicy::Dxgrt,
                    });
                }
                progress.advance(1);
            }
        }
    }
    Ok(cells)
}

/// Our ratio, and the best one of the others.
fn ratios(cells: &[Cell], posted: bool, streams: u32, round_trip: u32) -> (f64, f64) {
    let mut ratios = (f64::NAN, f64::INFINITY);
    let here = |cell: &&Cell| (cell.r#async, cell.streams, cell.round_trip_us) == (posted, streams, round_trip);
    for cell in cells.iter().filter(here) {
        match cell.ours {
            true => ratios.0 = cell.ratio,
            false => ratios.1 = ratios.1.min(cell.ratio),
        }
    }
    ratios
}

/// Where our ratio changes by more than [`CLIFF`] from one cell to the next, a sentence each.
fn cliffs(cells: &[Cell]) -> Vec<String> {
    let mut found = Vec::new();
    for posted in [true, false] {
        let mut compare = |one: (u32, u32), other: (u32, u32)| {
            let (a, b) = (ratios(cells, posted, one.0, one.1).0, ratios(cells, posted, other.0, other.1).0);
            let factor = (a / b).max(b / a);
            if factor.is_nan() || factor > CLIFF {
                let mode = if posted { "posted" } else { "round trips" };
                found.push(format!(
                    "{mode}: {factor:.2} × between {} streams at {} µs and {} streams at {} µs",
                    one.0, one.1, other.0, other.1
                ));
            }
        };
        for streams in STREAMS {
            ROUND_TRIPS.windows(2).for_each(|pair| compare((streams, pair[0]), (streams, pair[1])));
        }
        for round_trip in ROUND_TRIPS {
            STREAMS.windows(2).for_each(|pair| compare((pair[0], round_trip), (pair[1], round_trip)));
        }
    }
    found
}

fn text(cells: &[Cell], cliffs: &[String]) -> String {
    let mut text = format!(
        "Modelled: {ROUNDS} requests (copy in, 3 launches, copy out) on each stream, awaited asleep. Makespan over the lower \
         bound:\nof dxgrt, and in brackets of the best other policy.\n"
    );
    for posted in [true, false] {
        text += if posted { "\nPosted messages, by the time of a wake-up\n" } else { "\nRound trips, by their time\n" };
        let heads = ROUND_TRIPS.iter().map(|micros| format!("{micros} µs"));
        let mut table = Table::new(std::iter::once("streams".to_owned()).chain(heads));
        for streams in STREAMS {
            let row = ROUND_TRIPS.iter().map(|&round_trip| {
                let (ours, best) = ratios(cells, posted, streams, round_trip);
                format!("{ours:.2} ({best:.2})")
            });
            table.row(std::iter::once(streams.to_string()).chain(row));
        }
        text += &table.to_string();
    }
    for cliff in cliffs {
        text += &format!("\nA cliff: {cliff}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat() -> Vec<Cell> {
        let mut cells = Vec::new();
        for posted in [true, false] {
            for streams in STREAMS {
                for round_trip_us in ROUND_TRIPS {
                    for ours in [false, true] {
                        let policy = if ours { "dxgrt" } else { "other" }.to_owned();
                        let (makespan_us, lower_bound_us, ratio) = (1.5, 1.0, 1.5);
                        let r#async = posted;
                        cells.push(Cell {
                            r#async,
                            round_trip_us,
                            streams,
                            policy,
                            makespan_us,
                            lower_bound_us,
                            ratio,
                            ours,
                        });
                    }
                }
            }
        }
        cells
    }

    #[test]
    fn a_cliff_is_found_where_it_is() {
        let mut cells = flat();
        assert!(cliffs(&cells).is_empty());
        let steep = cells.iter_mut().find(|cell| cell.ours && cell.streams == 8 && cell.round_trip_us == 40).unwrap();
        steep.ratio = 3.2;
        let found = cliffs(&cells);
        assert_eq!(found.len(), 4, "{found:?}");
        assert!(found[0].starts_with("posted: 2.13 × between 8 streams at 20 µs"), "{found:?}");
        assert!(text(&cells, &found).contains("A cliff: posted"));
    }

    #[test]
    fn the_drawing_is_an_svg_of_both_modes() {
        let drawn = svg::draw(&flat()).unwrap();
        assert!(drawn.starts_with("<svg") && drawn.trim_end().ends_with("</svg>"));
        for label in ["Posted messages", "Round trips", "dxgrt, 5 µs", "the best other, 200 µs"] {
            assert!(drawn.contains(label), "{label}");
        }
    }
}
