//! `dxgrt bench --device cuda`: what small work costs on an NVIDIA GPU, by hand and through dxgrt, side by side in one process.
//!
//! In each round every side takes its turn; ratios are taken inside each round, medians are told; every result is checked.

mod latency;
mod ours;
mod plain;
mod report;
mod torch;
mod work;

use std::time::Instant;

use dxg_runtime::{Bound, Device, Limits, Selector};

use self::ours::{Ours, Work};
use self::plain::{MERGED, Plain};
use self::report::{Report, Side, Table};
use super::statistics::median;
use crate::commands::{Outcome, Verdict};
use crate::output::{OutputOptions, Progress};

/// The kernels of all sides.
const KERNELS: &str = include_str!("kernels.ptx");
/// Tasks and operations in flight of each, for dxgrt.
const CROWDS: [(usize, usize); 6] = [(1, 1), (1, 64), (64, 1), (64, 64), (1024, 1), (1024, 64)];

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Choice {
    pub selector: Selector,
    pub quick: bool,
    pub rounds: usize,
    /// Threads of the executor that runs dxgrt's tasks.
    pub workers: usize,
    pub check: bool,
}

/// Measures, and prints what was found.
pub fn run(choice: Choice, output: OutputOptions) -> Outcome<Verdict> {
    let report = measure(choice)?;
    output.print(&report, || report.text())?;
    Ok(if choice.check && !report.holds() { Verdict::Broken } else { Verdict::Holds })
}

fn measure(choice: Choice) -> Outcome<Report> {
    let device = Device::builder().selector(choice.selector.to_string()).limits(limits()).open()?;
    let info = device.info().clone();
    let mut report = Report {
        about: "Measured: ns for an operation (request), on the wall. Medians over rounds in which all sides took their turn; \
                ratios are taken inside each round. Every result was checked."
            .into(),
        device: info.name.to_string(),
        architecture: info.architecture.to_string(),
        system: system(),
        quick: choice.quick,
        rounds: choice.rounds,
        workers: choice.workers,
        tables: Vec::new(),
        latency: Vec::new(),
        batches: Vec::new(),
        left_out: Vec::new(),
        goals: Vec::new(),
    };
    let mut plain = Plain::open(choice.selector.index(), None)?;
    let mut ours = Ours::open(device, 1024, choice.workers)?;
    let launches = launches(&choice, &mut plain, &mut ours)?;
    let copies = copies(&choice, &mut plain, &mut ours)?;
    let mut requests = requests(&choice, &mut plain, &mut ours)?;
    match torch::requests(choice.quick) {
        Ok(sides) => requests.sides.extend(sides),
        Err(reason) => report.left_out.push(format!("PyTorch's eager loop: {reason}")),
    }
    let (awaited, products) =
        (latency::awaited(&choice, &mut plain, &ours)?, latency::products(&choice, &plain, &ours)?);
    report.latency = latency::beside_large_work(&choice, &mut plain, &ours)?;
    report.tables = vec![launches, copies, requests, awaited, products];
    report.batches = ours.batches;
    report.set_goals();
    Ok(report)
}

/// Room for what 1,024 tasks have in flight: 65,536 operations, each with 1 KiB on its way.
fn limits() -> Limits {
    Limits { device_operations: Bound::new(1 << 18, 1 << 17), staging_bytes: 256 << 20, ..Limits::default() }
}

fn system() -> String {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("Linux {}, {cores} cores", kernel.trim())
}

/// One way of doing the work: ns for an operation.
type Way<'a> = (String, Box<dyn FnMut(&mut Plain, &mut Ours) -> Outcome<f64> + 'a>);

/// Lets all ways take their turn, in each round.
fn rounds(choice: &Choice, name: &str, plain: &mut Plain, ours: &mut Ours, ways: Vec<Way<'_>>) -> Outcome<Table> {
    let (mut names, mut ways): (Vec<_>, Vec<_>) = ways.into_iter().unzip();
    let mut found: Vec<Vec<f64>> = vec![Vec::new(); ways.len()];
    let progress = Progress::new(name, (choice.rounds * ways.len()) as u64);
    for round in 0..=choice.rounds {
        for (way, found) in ways.iter_mut().zip(&mut found) {
            let nanos = way(plain, ours)?;
            // The first round warms up.
            if round > 0 {
                found.push(nanos);
                progress.advance(1);
            }
        }
    }
    let sides = names.drain(..).zip(&found).map(|(way, nanos)| Side { way, ns: median(nanos), all: nanos.clone() });
    Ok(Table { name: name.into(), sides: sides.collect() })
}

/// ns for each of `count`.
fn timed(count: usize, work: impl FnOnce() -> Outcome<()>) -> Outcome<f64> {
    let begun = Instant::now();
    work()?;
    Ok(begun.elapsed().as_nanos() as f64 / count as f64)
}

/// How many operations a measurement has, for so many tasks.
fn count(choice: &Choice, tasks: usize, in_flight: usize) -> usize {
    let most: usize = match tasks * in_flight {
        1 => 2_000,
        2..=64 => 20_000,
        65..=2048 => 65_536,
        _ => 262_144,
    };
    if choice.quick { most.div_ceil(16).max(tasks) } else { most }
}

fn crowds<'a>(choice: &'a Choice, work: Work) -> impl Iterator<Item = Way<'a>> {
    CROWDS.into_iter().map(move |(tasks, in_flight)| {
        let per_operation = if work == Work::Requests { 5 } else { 1 };
        let operations = count(choice, tasks, in_flight).div_ceil(per_operation);
        let run = move |_: &mut Plain, ours: &mut Ours| {
            let (spent, done) = ours.run(work, tasks, in_flight, operations)?;
            Ok(spent.as_nanos() as f64 / done as f64)
        };
        (report::crowd(work, tasks, in_flight), Box::new(run) as _)
    })
}

fn launches(choice: &Choice, plain: &mut Plain, ours: &mut Ours) -> Outcome<Table> {
    let (many, few) = (count(choice, 64, 64), count(choice, 1, 1));
    let mut ways: Vec<Way<'_>> = vec![
        ("launch + synchronize each".into(), Box::new(move |plain, _| timed(few, || plain.launch_and_wait(few)))),
        (report::ONE_STREAM.into(), Box::new(move |plain, _| timed(many, || plain.launches(1, many)))),
        (report::STREAMS_16.into(), Box::new(move |plain, _| timed(many, || plain.launches(16, many)))),
        ("graph of 256, captured by hand".into(), Box::new(move |plain, _| plain.graph(many))),
        (
            format!("merged by hand, {MERGED}, table built and uploaded"),
            Box::new(move |plain, _| {
                let spent = timed(many, || plain.merged(many))?;
                plain.check_launches()?;
                Ok(spent)
            }),
        ),
    ];
    ways.extend(crowds(choice, Work::Launches));
    ways.extend(crowds(choice, Work::Prepared));
    rounds(choice, "launches of 256 values", plain, ours, ways)
}

fn copies(choice: &Choice, plain: &mut Plain, ours: &mut Ours) -> Outcome<Table> {
    let (many, few) = (count(choice, 64, 64), count(choice, 1, 1));
    let mut ways: Vec<Way<'_>> = vec![
        (
            "copy + synchronize each".into(),
            Box::new(move |plain, _| timed(few, || (0..few).try_for_each(|_| plain.copies(1, 1)))),
        ),
        (report::ONE_STREAM.into(), Box::new(move |plain, _| timed(many, || plain.copies(1, many)))),
        (
            report::STREAMS_16.into(),
            Box::new(move |plain, _| {
                let spent = timed(many, || plain.copies(16, many))?;
                plain.check_copies(many)?;
                Ok(spent)
            }),
        ),
    ];
    ways.extend(crowds(choice, Work::Copies));
    rounds(choice, "copies of 1 KiB to the device", plain, ours, ways)
}

fn requests(choice: &Choice, plain: &mut Plain, ours: &mut Ours) -> Outcome<Table> {
    let (many, few) = (count(choice, 64, 64) / 5, count(choice, 1, 1) / 5);
    let side = |streams: usize, count: usize, each: bool| {
        move |plain: &mut Plain, _: &mut Ours| {
            let spent = timed(count, || plain.requests(streams, count, each))?;
            plain.check_requests(count)?;
            Ok(spent)
        }
    };
    let mut ways: Vec<Way<'_>> = vec![
        ("one stream, wait each".into(), Box::new(side(1, few, true))),
        (report::ONE_STREAM.into(), Box::new(side(1, many, false))),
        (report::STREAMS_16.into(), Box::new(side(16, many, false))),
    ];
    ways.extend(crowds(choice, Work::Requests));
    rounds(choice, "requests: copy in, 3 launches, copy out", plain, ours, ways)
}
