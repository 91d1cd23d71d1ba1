//! `dxgrt draw`: recorded timelines as a drawing for a page, one strip for each run of the file, all at one scale.
//!
//! ```text
//! Perfetto document (`--perfetto`) ─▶ slices by run and group ─▶ a window out of the middle of each run ─▶ SVG
//! ```

use std::collections::BTreeMap;
use std::path::PathBuf;

use plotters::prelude::*;
use serde::Serialize;
use serde_json::Value;

use crate::commands::{Outcome, Verdict, WrongCommandLine};
use crate::output::OutputOptions;

/// Rows of a strip: what the timeline calls its group, what the drawing calls it, its colour.
const ROWS: [(&str, &str, RGBColor); 3] = [
    ("engines", "in flight", RGBColor(0, 158, 115)),
    ("submissions", "submitting", RGBColor(0, 114, 178)),
    ("tasks that wait", "waiting", RGBColor(213, 94, 0)),
];
/// Part of a run that has passed when the window begins: it is warm by then.
const BEGINS_AT: f64 = 0.5;

/// Arguments of `dxgrt draw`.
#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// A file that `--perfetto` of `demo` or `bench` has written
    file: PathBuf,
    /// Where the drawing goes
    #[arg(long, value_name = "FILE")]
    svg: PathBuf,
    /// How much of each run is shown, in µs
    #[arg(long, value_name = "MICROS", default_value_t = 3000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    span: u32,
    #[command(flatten)]
    output: OutputOptions,
}

/// One run of the file. Times are in µs.
#[derive(Debug, Default)]
struct Run {
    /// Begin and end of slices, by row.
    slices: [Vec<(f64, f64)>; ROWS.len()],
    /// When each submission began, and how many operations it carries.
    submissions: Vec<(f64, u64)>,
}

/// What was drawn of one run.
#[derive(Debug, Serialize)]
struct Strip {
    run: String,
    begins_us: f64,
    submissions: usize,
    operations: u64,
}

impl Run {
    fn end(&self) -> f64 {
        self.slices.iter().flatten().fold(0.0, |end: f64, slice| end.max(slice.1))
    }

    /// Slices of a row inside of a window, from its begin on.
    fn window(&self, row: usize, begin: f64, span: f64) -> Vec<(f64, f64)> {
        let inside = self.slices[row].iter().filter(|(from, to)| *to >= begin && *from <= begin + span);
        inside.map(|(from, to)| ((from - begin).max(0.0), (to - begin).min(span))).collect()
    }
}

impl Arguments {
    /// Runs the subcommand.
    pub fn run(&self) -> Outcome<Verdict> {
        let text = std::fs::read(&self.file).map_err(|error| format!("{}: {error}", self.file.display()))?;
        let document: Value = serde_json::from_slice(&text)
            .map_err(|error| WrongCommandLine::new(format!("{} is no timeline: {error}", self.file.display())))?;
        let runs = runs(&document);
        if runs.is_empty() {
            let sentence = format!(
                "{} has no runs that a `--perfetto` of `dxgrt demo` or `dxgrt bench` would have recorded",
                self.file.display()
            );
            return Err(WrongCommandLine::new(sentence).into());
        }
        let span = f64::from(self.span);
        let drawing = draw(&runs, span).map_err(|error| error.to_string())?;
        std::fs::write(&self.svg, drawing)
            .map_err(|error| format!("{} cannot be written: {error}", self.svg.display()))?;
        let strips: Vec<Strip> = runs.iter().map(|(name, run)| strip(name, run, span)).collect();
        self.output.print(&strips, || {
            let lines = strips.iter().map(|strip| {
                format!("  {}: {} operations in {} submissions\n", strip.run, strip.operations, strip.submissions)
            });
            format!("{} µs of each run, in {}:\n{}", self.span, self.svg.display(), lines.collect::<String>())
        })?;
        Ok(Verdict::Holds)
    }
}

fn strip(name: &str, run: &Run, span: f64) -> Strip {
    let begin = run.end() * BEGINS_AT;
    let inside = run.submissions.iter().filter(|(at, _)| (begin..begin + span).contains(at));
    let (submissions, operations) =
        inside.fold((0, 0), |(submissions, operations), (_, more)| (submissions + 1, operations + more));
    Strip { run: name.to_owned(), begins_us: begin, submissions, operations }
}

/// The runs of a document, in the order of their processes.
fn runs(document: &Value) -> Vec<(String, Run)> {
    let events = document["traceEvents"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut groups: BTreeMap<u64, (String, usize)> = BTreeMap::new();
    for event in events.iter().filter(|event| event["name"] == "process_name") {
        let (Some(process), Some(name)) = (event["pid"].as_u64(), event["args"]["name"].as_str()) else { continue };
        let Some((run, group)) = name.split_once(": ") else { continue };
        if let Some(row) = ROWS.iter().position(|(known, ..)| *known == group) {
            groups.insert(process, (run.to_owned(), row));
        }
    }
    let mut runs: Vec<(String, Run)> = Vec::new();
    for (run, _) in groups.values() {
        if !runs.iter().any(|(known, _)| known == run) {
            runs.push((run.clone(), Run::default()));
        }
    }
    for event in events.iter().filter(|event| event["ph"] == "X") {
        let Some((name, row)) = event["pid"].as_u64().and_then(|process| groups.get(&process)) else { continue };
        let (Some(begin), Some(length)) = (event["ts"].as_f64(), event["dur"].as_f64()) else { continue };
        if let Some((_, run)) = runs.iter_mut().find(|(known, _)| known == name) {
            run.slices[*row].push((begin, begin + length));
            if let Some(operations) = event["args"]["operations"].as_u64().filter(|_| ROWS[*row].0 == "submissions") {
                run.submissions.push((begin, operations));
            }
        }
    }
    runs
}

/// An SVG document.
fn draw(runs: &[(String, Run)], span: f64) -> Result<String, DrawingAreaErrorKind<std::io::Error>> {
    let mut document = String::new();
    {
        let height = 150 * runs.len() as u32 + 20;
        let area = SVGBackend::with_string(&mut document, (1000, height)).into_drawing_area();
        area.fill(&WHITE)?;
        for (area, (name, run)) in area.split_evenly((runs.len(), 1)).iter().zip(runs) {
            let found = strip(name, run, span);
            let title = format!(
                "{name}: {} operations in {} submissions within {:.1} ms",
                found.operations,
                found.submissions,
                span / 1000.0
            );
            let mut chart = ChartBuilder::on(area)
                .caption(title, ("sans-serif", 16))
                .margin(8)
                .x_label_area_size(32)
                .y_label_area_size(90)
                .build_cartesian_2d(0.0..span, 0.0..ROWS.len() as f64)?;
            chart.configure_mesh().disable_y_mesh().disable_y_axis().max_light_lines(0).x_desc("µs").draw()?;
            for (row, (_, label, color)) in ROWS.iter().enumerate() {
                let (low, high) = (row as f64 + 0.15, row as f64 + 0.85);
                let slices = run.window(row, found.begins_us, span);
                chart.draw_series(slices.iter().map(|(from, to)| {
                    // What is shorter than a pixel is still there.
                    let to = to.max(from + span / 1000.0);
                    Rectangle::new([(*from, low), (to, high)], color.filled())
                }))?;
                let place = area.strip_coord_spec();
                let (_, y) = chart.backend_coord(&(0.0, row as f64 + 0.5));
                let (_, top) = place.get_base_pixel();
                place.draw(&Text::new(*label, (12, y - top - 7), ("sans-serif", 14).into_font()))?;
            }
        }
        area.present()?;
    }
    Ok(document)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_shows_what_lies_in_it() {
        let mut run = Run { submissions: vec![(10.0, 5), (60.0, 7), (90.0, 9)], ..Run::default() };
        run.slices[1] = vec![(10.0, 55.0), (60.0, 61.0), (90.0, 100.0)];
        assert_eq!(run.window(1, 50.0, 30.0), [(0.0, 5.0), (10.0, 11.0)]);
        let strip = strip("run", &run, 30.0);
        assert_eq!((strip.begins_us, strip.submissions, strip.operations), (50.0, 1, 7));
    }
}
