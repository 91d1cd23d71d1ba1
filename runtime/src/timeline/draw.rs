//! Draws a recording: tasks that wait, streams, the scheduler's decisions, submissions with the ring, hardware queues with
//! their fences, engines.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};

use dxg_scheduler::Nanos;

use super::TimelineSummary;
use super::record::{BatchRecord, Load, Part, Record, Recorder, Unit};
use crate::perfetto::{Perfetto, Track, Value};

/// Groups of rows, in the order in which they are shown.
const TASKS: u32 = 0;
const STREAMS: u32 = 1;
const SCHEDULER: u32 = 2;
const SUBMISSIONS: u32 = 3;
const QUEUES: u32 = 4;
const ENGINES: u32 = 5;
const NAMES: [&str; 6] =
    ["tasks that wait", "streams", "scheduler", "submissions", "hardware queues and their fences", "engines"];
/// Rows that slices of one stream or queue may need where they overlap; more go into the last.
const LANES: u32 = 64;
/// Kernels that a slice of an engine names.
const NAMED: usize = 8;

/// A batch with what it carries.
struct Drawn {
    batch: BatchRecord,
    parts: Vec<Part>,
    loads: Vec<Load>,
    /// When its queue came to it, and when its fence showed its end.
    start: Nanos,
    end: Option<Nanos>,
}

/// Rows of one group, made when they are first used.
struct Rows {
    process: u32,
    /// Ends of the last slices, by what the row is for and its lane.
    ends: BTreeMap<(u32, u32), Nanos>,
    tracks: HashMap<(u32, u32), Track>,
}

impl Rows {
    fn new(process: u32) -> Self {
        Rows { process, ends: BTreeMap::new(), tracks: HashMap::new() }
    }

    /// The row for a slice: the first of `subject` that is free at its begin.
    fn row<W: Write>(
        &mut self,
        perfetto: &mut Perfetto<W>,
        subject: u32,
        name: &dyn Fn() -> String,
        (begin, end): (Nanos, Nanos),
    ) -> io::Result<Track> {
        let free = |lane: &u32| self.ends.get(&(subject, *lane)).is_none_or(|end| *end <= begin);
        let key = (subject, (0..LANES).find(free).unwrap_or(LANES - 1));
        self.ends.insert(key, end.max(begin));
        if let Some(&track) = self.tracks.get(&key) {
            return Ok(track);
        }
        let track = perfetto.track(self.process, subject.saturating_mul(LANES) + key.1 + 1, &name())?;
        self.tracks.insert(key, track);
        Ok(track)
    }
}

/// When things happened, as the records tell.
struct Clock<'a> {
    /// Values of each queue's fence and when they were seen, ascending.
    fences: HashMap<u16, Vec<(u64, Nanos)>>,
    /// Tickets up to which operations were taken in, and when, ascending.
    taken: Vec<(u64, Nanos)>,
    recorder: &'a Recorder,
    now: Nanos,
}

impl Clock<'_> {
    fn seen(&self, queue: u16, value: u64) -> Option<Nanos> {
        let fences = self.fences.get(&queue)?;
        fences.get(fences.partition_point(|(seen, _)| *seen < value)).map(|(_, at)| *at)
    }

    fn taken_in(&self, ticket: u64) -> Option<Nanos> {
        let place = self.taken.partition_point(|(last, _)| *last < ticket);
        self.taken.get(place).map(|(_, at)| *at)
    }

    /// From the begin of the recording on.
    fn at(&self, time: Nanos) -> u64 {
        time.saturating_sub(self.recorder.begun)
    }
}

pub(super) fn draw<W: Write>(
    recorder: &Recorder,
    now: Nanos,
    perfetto: &mut Perfetto<W>,
    first: u32,
    label: &str,
) -> io::Result<TimelineSummary> {
    for (process, name) in (first..).zip(NAMES) {
        let name = if label.is_empty() { name.to_owned() } else { format!("{label}: {name}") };
        perfetto.process(process, &name)?;
    }
    let mut clock = Clock { fences: HashMap::new(), taken: Vec::new(), recorder, now };
    for record in &recorder.records {
        match *record {
            Record::Fence { at, queue, value } => clock.fences.entry(queue).or_default().push((value, at)),
            Record::TakenIn { at, last, .. } => clock.taken.push((last, at)),
            _ => {}
        }
    }
    let batches = batches(recorder, &clock);
    waits(recorder, &clock, &batches, perfetto, first + TASKS)?;
    streams(&clock, &batches, perfetto, first + STREAMS)?;
    decisions(recorder, &clock, perfetto, first + SCHEDULER)?;
    submissions(&clock, &batches, perfetto, first)?;
    fences(&clock, perfetto, first + QUEUES)?;
    engines(&clock, &batches, perfetto, first + ENGINES)?;
    Ok(TimelineSummary {
        batches: batches.len() as u64,
        operations: batches.iter().map(|drawn| u64::from(drawn.batch.operations)).sum(),
        dropped: recorder.dropped,
    })
}

fn batches(recorder: &Recorder, clock: &Clock<'_>) -> Vec<Drawn> {
    let mut batches: Vec<Drawn> = Vec::new();
    let mut free: HashMap<u16, Nanos> = HashMap::new();
    for record in &recorder.records {
        match *record {
            Record::Batch(batch) => {
                let end = clock.seen(batch.queue, batch.fence);
                let start = free.get(&batch.queue).copied().unwrap_or(0).max(batch.begun);
                free.insert(batch.queue, end.unwrap_or(clock.now));
                batches.push(Drawn { batch, parts: Vec::new(), loads: Vec::new(), start, end });
            }
            Record::Part(part) => batches.last_mut().into_iter().for_each(|drawn| drawn.parts.push(part)),
            Record::Load(load) => batches.last_mut().into_iter().for_each(|drawn| drawn.loads.push(load)),
            _ => {}
        }
    }
    batches
}

fn waits<W: Write>(
    recorder: &Recorder,
    clock: &Clock<'_>,
    batches: &[Drawn],
    perfetto: &mut Perfetto<W>,
    process: u32,
) -> io::Result<()> {
    // By stream, the last ticket of each batch and when it was seen to be complete.
    let mut ends: HashMap<u32, Vec<(u64, Nanos)>> = HashMap::new();
    for drawn in batches {
        for part in &drawn.parts {
            if let Some(end) = clock.seen(drawn.batch.queue, part.value) {
                ends.entry(part.stream).or_default().push((part.last, end));
            }
        }
    }
    ends.values_mut().for_each(|ends| ends.sort_unstable());
    let mut rows = Rows::new(process);
    for record in &recorder.records {
        let Record::Waiter { at, stream, ticket } = *record else { continue };
        let end = ends.get(&stream).and_then(|ends| ends.get(ends.partition_point(|(last, _)| *last < ticket)));
        // Who asks for what is done already does not wait.
        let end = end.map_or(clock.now, |(_, end)| *end);
        if end < at {
            continue;
        }
        let (begin, end) = (clock.at(at), clock.at(end));
        let row = rows.row(perfetto, stream, &|| format!("on stream {stream}"), (begin, end))?;
        perfetto.slice(row, "waits", begin, end, &[("operation", Value::Number(ticket))])?;
    }
    Ok(())
}

fn streams<W: Write>(clock: &Clock<'_>, batches: &[Drawn], perfetto: &mut Perfetto<W>, process: u32) -> io::Result<()> {
    let mut rows = Rows::new(process);
    for Drawn { batch, parts, .. } in batches {
        for part in parts {
            let taken = clock.taken_in(part.first).unwrap_or(batch.begun).min(batch.begun);
            let begin = clock.at(taken.max(clock.recorder.begun));
            let end = clock.at(clock.seen(batch.queue, part.value).unwrap_or(clock.now));
            let stream = part.stream;
            let row = rows.row(perfetto, stream, &|| format!("stream {stream}"), (begin, end))?;
            let name = if part.count == 1 { "1 operation".to_owned() } else { format!("{} operations", part.count) };
            let values = [
                ("batch", Value::Number(batch.id)),
                ("first", Value::Number(part.first)),
                ("last", Value::Number(part.last)),
            ];
            perfetto.slice(row, &name, begin, end, &values)?;
            let submitted = clock.at(batch.begun);
            if submitted > begin {
                perfetto.slice(row, "gathered", begin, submitted, &[])?;
            }
        }
    }
    Ok(())
}

fn decisions<W: Write>(
    recorder: &Recorder,
    clock: &Clock<'_>,
    perfetto: &mut Perfetto<W>,
    process: u32,
) -> io::Result<()> {
    let row = perfetto.track(process, 1, "decisions")?;
    let mut waiting = 0u64;
    for record in &recorder.records {
        match *record {
            Record::TakenIn { at, count, .. } => {
                waiting += u64::from(count);
                perfetto.counter(process, "operations that wait for a batch", clock.at(at), waiting)?;
            }
            Record::Batch(batch) => {
                waiting = waiting.saturating_sub(batch.operations.into());
                let at = clock.at(batch.begun);
                let values = [
                    ("batch", Value::Number(batch.id)),
                    ("operations", Value::Number(batch.operations.into())),
                    ("queue", Value::Number(batch.queue.into())),
                    ("reason", Value::Text(batch.reason.name())),
                ];
                perfetto.instant(row, &format!("flush: {}", batch.reason.name()), at, &values)?;
                perfetto.counter(process, "operations that wait for a batch", at, waiting)?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Submissions, the ring, and the batches on their queues, with arrows in between.
fn submissions<W: Write>(
    clock: &Clock<'_>,
    batches: &[Drawn],
    perfetto: &mut Perfetto<W>,
    first: u32,
) -> io::Result<()> {
    let (process, queues) = (first + SUBMISSIONS, first + QUEUES);
    let mut calls = Rows::new(process);
    let mut rows = Rows::new(queues);
    // Bytes and batches that come and go, by time.
    let mut changes: Vec<(u64, i64, i64)> = Vec::new();
    for Drawn { batch, start, end, .. } in batches {
        let (begun, done) = (clock.at(batch.begun), clock.at(batch.done));
        let row = calls.row(perfetto, 0, &|| "submitting".into(), (begun, done))?;
        let values = [
            ("queue", Value::Number(batch.queue.into())),
            ("operations", Value::Number(batch.operations.into())),
            ("waves", Value::Number(batch.waves.into())),
            ("command bytes", Value::Number(batch.bytes.into())),
            ("ring bytes", Value::Number(batch.ring_bytes.into())),
            ("fence", Value::Number(batch.fence)),
            ("reason", Value::Text(batch.reason.name())),
        ];
        perfetto.slice(row, &format!("batch {}", batch.id), begun, done, &values)?;
        let (from, to) = (clock.at(*start), clock.at(end.unwrap_or(clock.now)));
        let queue = batch.queue;
        // Behind the row of the queue's fence.
        let subject = u32::from(queue) * 2 + 1;
        let on_queue = rows.row(perfetto, subject, &|| format!("queue {queue}"), (from, to))?;
        let name = match end {
            Some(_) => format!("batch {}: {} operations", batch.id, batch.operations),
            None => format!("batch {}: not complete when the recording ended", batch.id),
        };
        perfetto.slice(on_queue, &name, from, to, &values)?;
        // Arrows between different recordings of one document keep different numbers.
        perfetto.flow(u64::from(first) << 48 | batch.id, "carried by", (row, begun), (on_queue, from))?;
        changes.push((begun, batch.ring_bytes.into(), 1));
        if end.is_some() {
            changes.push((to, -i64::from(batch.ring_bytes), -1));
        }
    }
    changes.sort_unstable();
    let (mut bytes, mut in_flight) = (0i64, 0i64);
    for (at, more, batches) in changes {
        bytes += more;
        in_flight += batches;
        perfetto.counter(process, "bytes of the ring, at most", at, bytes.max(0) as u64)?;
        perfetto.counter(process, "batches in flight", at, in_flight.max(0) as u64)?;
    }
    Ok(())
}

fn fences<W: Write>(clock: &Clock<'_>, perfetto: &mut Perfetto<W>, process: u32) -> io::Result<()> {
    let mut queues: Vec<_> = clock.fences.iter().collect();
    queues.sort_unstable_by_key(|(queue, _)| **queue);
    for (queue, fences) in queues {
        let row = perfetto.track(process, u32::from(*queue) * 2 * LANES + 1, &format!("queue {queue}: fence"))?;
        for (value, at) in fences {
            perfetto.instant(row, &format!("fence {value}"), clock.at(*at), &[("value", Value::Number(*value))])?;
        }
    }
    Ok(())
}

/// What a batch gave the engines to do, from the time its queue came to it until the fence showed its end.
fn engines<W: Write>(clock: &Clock<'_>, batches: &[Drawn], perfetto: &mut Perfetto<W>, process: u32) -> io::Result<()> {
    let mut rows = Rows::new(process);
    for Drawn { batch, loads, start, .. } in batches {
        for unit in Unit::ALL {
            let mut values: Vec<u64> = loads.iter().filter(|load| load.unit == unit).map(|load| load.value).collect();
            values.sort_unstable();
            values.dedup();
            let mut from = *start;
            for value in values {
                let mine: Vec<&Load> = loads.iter().filter(|load| load.unit == unit && load.value == value).collect();
                let seen = clock.seen(batch.queue, value).unwrap_or(clock.now);
                let (begin, end) = (clock.at(from), clock.at(seen));
                from = seen;
                let queue = batch.queue;
                let subject = u32::from(queue) * Unit::ALL.len() as u32 + unit as u32;
                let row = rows.row(perfetto, subject, &|| format!("{}, queue {queue}", unit.name()), (begin, end))?;
                let operations: u64 = mine.iter().map(|load| u64::from(load.operations)).sum();
                let packets: u64 = mine.iter().map(|load| u64::from(load.dispatches)).sum();
                let mut values = vec![
                    ("batch", Value::Number(batch.id)),
                    ("operations", Value::Number(operations)),
                    ("packets", Value::Number(packets)),
                ];
                let names = mine.iter().filter_map(|load| {
                    let name = clock.recorder.names.get(load.name as usize)?;
                    Some((&**name, Value::Number(load.operations.into())))
                });
                values.extend(names.take(NAMED));
                let name = match (unit, mine.as_slice()) {
                    (Unit::Compute, [only]) => match clock.recorder.names.get(only.name as usize) {
                        Some(name) => format!("{name} × {operations}"),
                        None => format!("{operations} launches"),
                    },
                    (Unit::Compute, kernels) => format!("{operations} launches of {} kernels", kernels.len()),
                    _ => format!("{} × {operations}", unit.name()),
                };
                perfetto.slice(row, &name, begin, end, &values)?;
            }
        }
    }
    Ok(())
}
