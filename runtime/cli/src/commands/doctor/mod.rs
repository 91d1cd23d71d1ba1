//! `dxgrt doctor`: why a GPU is not usable or slow here, and what to do about it.
//!
//! ```text
//! files of this machine, or of a folder ─▶ place ─▶ machine, libraries ─▶ findings ─▶ text or JSON
//! /dev/dxg, where it opens              ─▶ gpu ───────────────────────────▲
//! ```
//!
//! With a folder nothing of this machine is looked at: what a GPU that answers could tell is then left out.

mod finding;
mod gpu;
mod libraries;
mod machine;
mod place;
pub mod root;

use std::path::PathBuf;

use serde::Serialize;

use self::finding::{Finding, Level, NOTHING};
use self::place::Place;
use self::root::Root;
use crate::commands::{Outcome, Verdict, WrongCommandLine};
use crate::output::{OutputOptions, Progress};

const AFTER_HELP: &str = "Exit codes:
  0  nothing stands in the way of a GPU; there may be warnings
  1  a GPU is not usable, and at least one finding of level `problem` says why
  2  the command line was wrong";

/// Arguments of `dxgrt doctor`.
#[derive(clap::Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub struct Arguments {
    /// Look at the files in this folder as if it were `/`: those of another machine, or of a container's image
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    #[command(flatten)]
    output: OutputOptions,
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Document {
    findings: Vec<Finding>,
}

impl Arguments {
    /// Runs the subcommand.
    pub fn run(&self) -> Outcome<Verdict> {
        let root = match &self.root {
            None => Root::live(),
            Some(folder) => match Root::fault(folder) {
                None => Root::at(folder),
                Some(why) => {
                    return Err(WrongCommandLine::new(format!("--root {}: {why}", folder.display())).into());
                }
            },
        };
        let findings = examine(&root);
        let broken = findings.iter().any(|finding| finding.level == Level::Problem);
        let document = Document { findings };
        self.output.print(&document, || text(&document.findings))?;
        Ok(if broken { Verdict::Broken } else { Verdict::Holds })
    }
}

fn examine(root: &Root) -> Vec<Finding> {
    let progress = Progress::new("looking", 4);
    let place = Place::of(root);
    let mut findings = place.findings();
    progress.advance(1);
    findings.extend(machine::findings(root, &place));
    progress.advance(1);
    findings.extend(libraries::findings(root, &place));
    progress.advance(1);
    if root.live {
        findings.extend(gpu::node().map(gpu::findings).unwrap_or_default());
        findings.push(gpu::devices());
    }
    progress.advance(1);
    findings.extend(unreadable(&root.unreadable()));
    findings
}

/// What could not be looked at: nothing of it may be taken for missing in silence.
fn unreadable(what: &[String]) -> Option<Finding> {
    let meaning = "the findings take this for missing or silent";
    let action =
        "look again as a user who may read it (`sudo dxgrt doctor`); what is of another kind than expected, put right";
    let looked_at = counted(what.len(), "path");
    (!what.is_empty())
        .then(|| Finding::fine("unreadable", looked_at, what.join("; "), meaning).but(Level::Warning, action))
}

/// For people: what matters first, and what is in order in one line each.
fn text(findings: &[Finding]) -> String {
    let mut sorted: Vec<&Finding> = findings.iter().collect();
    sorted.sort_by_key(|finding| std::cmp::Reverse(finding.level));
    let width = sorted.iter().map(|finding| finding.id.len()).max().unwrap_or(0);
    let mut text = String::new();
    for finding in sorted {
        let (label, style) = finding.level.label();
        text += &format!("{style}{label}{style:#}  {:width$}  {}\n", finding.id, finding.found);
        if finding.level == Level::Ok {
            continue;
        }
        let indent = " ".repeat(label.len() + 2 + width + 2);
        text += &format!("{indent}{} ({})\n", finding.meaning, finding.looked_at);
        if finding.action != NOTHING {
            text += &format!("{indent}\u{2192} {}\n", finding.action);
        }
    }
    let count = |level| findings.iter().filter(|finding| finding.level == level).count();
    let verdict = match (count(Level::Problem), count(Level::Warning)) {
        (0, 0) => "Nothing stands in the way of a GPU here.".to_owned(),
        (0, warnings) => {
            format!("A GPU is usable here, as far as can be seen; {} to look at.", counted(warnings, "warning"))
        }
        (problems, _) => {
            format!("No GPU is usable here: {}. The device `software` works anywhere.", counted(problems, "problem"))
        }
    };
    format!("{text}\n{verdict}")
}

fn counted(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
