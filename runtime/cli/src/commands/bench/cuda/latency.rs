//! One operation at a time: beside launch + synchronize, beside large work, and large work itself.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::ours::Ours;
use super::plain::Plain;
use super::report::{LatencyRow, Side, Table};
use super::{Choice, timed};
use crate::commands::Outcome;
use crate::commands::bench::statistics::median;

/// Rows and columns of the large products.
const LARGE: u32 = 2048;

/// Awaited launches that one side makes before it is the other's turn: a core's clock and its neighbours change within
/// milliseconds, and all sides are to see the same.
const TURN: usize = 50;

/// An awaited launch on an idle GPU: in each round the median of single ones, the sides in turn.
pub fn awaited(choice: &Choice, plain: &mut Plain, ours: &Ours) -> Outcome<Table> {
    let turns = if choice.quick { 2 } else { 40 };
    let mut found: [Vec<f64>; 3] = Default::default();
    for round in 0..=choice.rounds {
        let mut each: [Vec<f64>; 3] = Default::default();
        for _ in 0..turns {
            let [by_hand, awaited, blocking] = &mut each;
            singly(by_hand, || plain.touch())?;
            singly(awaited, || ours.touch())?;
            singly(blocking, || ours.touch_blocking())?;
        }
        if round > 0 {
            found.iter_mut().zip(&each).for_each(|(found, each)| found.push(median(each)));
        }
    }
    plain.check_launches()?;
    let names = ["launch + synchronize", "dxgrt, awaited", "dxgrt, waited for by the thread"];
    Ok(table("one launch on an idle GPU, median", &names, &found))
}

/// One turn: how long each takes, in ns.
fn singly(each: &mut Vec<f64>, mut work: impl FnMut() -> Outcome<()>) -> Outcome<()> {
    for _ in 0..TURN {
        each.push(timed(1, &mut work)?);
    }
    Ok(())
}

/// Products of 2048 × 2048 matrices, one after another.
pub fn products(choice: &Choice, plain: &Plain, ours: &Ours) -> Outcome<Table> {
    // Long enough that the one wait at the end, with the wake-up of a thread, is no part of a product's cost.
    let count = if choice.quick { 3 } else { 100 };
    let memory = || plain.peer.allocate(u64::from(LARGE).pow(2) * 4);
    let (a, b, c) = (memory()?, memory()?, memory()?);
    let multiplier = ours.multiplier(LARGE)?;
    let mut found: [Vec<f64>; 2] = Default::default();
    for round in 0..=choice.rounds.min(7) {
        let by_hand = timed(count, || {
            (0..count).try_for_each(|_| plain.multiply(0, LARGE, &a, &b, &c))?;
            Ok(plain.peer.synchronize(0)?)
        })?;
        let through = timed(count, || {
            for _ in 0..count {
                multiplier.multiply()?;
            }
            Ok(multiplier.stream.last().wait()?)
        })?;
        if round > 0 {
            found[0].push(by_hand);
            found[1].push(through);
        }
    }
    multiplier.check()?;
    Ok(table("products of 2048 × 2048 matrices", &["plain launches", "dxgrt"], &found))
}

fn table(name: &str, names: &[&str], found: &[Vec<f64>]) -> Table {
    let sides = names.iter().zip(found);
    let sides = sides.map(|(way, all)| Side { way: (*way).into(), ns: median(all), all: all.clone() });
    Table { name: name.into(), sides: sides.collect() }
}

/// How long an awaited launch takes while another stream multiplies, and while none does.
pub fn beside_large_work(choice: &Choice, plain: &mut Plain, ours: &Ours) -> Outcome<Vec<LatencyRow>> {
    let count = if choice.quick { 50 } else { 1_000 };
    let mut rows = vec![
        row("launch + synchronize", "idle", count, || plain.touch())?,
        row("dxgrt, awaited", "idle", count, || ours.touch())?,
    ];
    {
        let memory = || plain.peer.allocate(u64::from(LARGE).pow(2) * 4);
        let (a, b, c) = (memory()?, memory()?, memory()?);
        // Products are put in by the same thread, some ahead: the driver's calls are not to wait for each other.
        let mut ahead = 0;
        rows.push(row("launch + synchronize", "2048³ products", count, || {
            if ahead % 8 == 0 {
                plain.multiply(1, LARGE, &a, &b, &c)?;
            }
            ahead += 1;
            plain.touch()
        })?);
        plain.peer.synchronize_all()?;
    }
    let multiplier = ours.multiplier(LARGE)?;
    let ends = AtomicBool::new(false);
    let during = std::thread::scope(|scope| {
        let busy = scope.spawn(|| {
            let mut last = multiplier.multiply()?;
            while !ends.load(Ordering::Relaxed) {
                let next = multiplier.multiply()?;
                last.wait()?;
                last = next;
            }
            Outcome::Ok(last.wait()?)
        });
        std::thread::sleep(Duration::from_millis(20));
        let measured = row("dxgrt, awaited", "2048³ products", count, || ours.touch());
        ends.store(true, Ordering::Relaxed);
        match busy.join() {
            Ok(outcome) => outcome.and(measured),
            Err(_) => Err("the thread that multiplies panicked".into()),
        }
    })?;
    rows.push(during);
    multiplier.check()?;
    plain.check_launches()?;
    Ok(rows)
}

fn row(way: &str, beside: &str, count: usize, mut work: impl FnMut() -> Outcome<()>) -> Outcome<LatencyRow> {
    let mut micros = Vec::with_capacity(count);
    for _ in 0..count {
        let begun = Instant::now();
        work()?;
        micros.push(begun.elapsed().as_nanos() as f64 / 1e3);
    }
    micros.sort_by(f64::total_cmp);
    let at = |part: f64| micros[((micros.len() - 1) as f64 * part) as usize];
    Ok(LatencyRow { way: way.into(), beside: beside.into(), p50_us: at(0.5), p99_us: at(0.99), max_us: at(1.0) })
}
