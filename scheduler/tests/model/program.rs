//! Random programs: what is asked for, the operations and events that become of it, and what each does to memory.

use dxg_scheduler::{Access, CopyKind, CostKey, EventId, Hazard, Work};
use proptest::prelude::*;

pub const STREAMS: usize = 6;
pub const EVENTS: usize = 4;
pub const CELLS: usize = 24;

/// What a random program asks for; cells and streams are taken modulo what there is.
#[derive(Clone, Debug)]
pub enum Step {
    Launch { stream: u8, reads: [u8; 2], write: u8, merge: Option<u8>, cost: u8, declared: bool },
    Copy { stream: u8, src: u8, dst: u8, cells: u8, kind: u8, declared: bool },
    Fill { stream: u8, dst: u8, cells: u8, declared: bool },
    Record { stream: u8, event: u8, timed: bool },
    Wait { stream: u8, event: u8 },
    Marker { stream: u8 },
    Hold { stream: u8 },
    Reset { stream: u8 },
}

pub fn step() -> impl Strategy<Value = Step> {
    let b = any::<u8>;
    let flag = any::<bool>;
    prop_oneof![
        8 => (b(), any::<[u8; 2]>(), b(), prop::option::weighted(0.7, 0..3_u8), 0..5_u8, flag()).prop_map(
            |(stream, reads, write, merge, cost, declared)| Step::Launch { stream, reads, write, merge, cost, declared }
        ),
        5 => (b(), b(), b(), 0..4_u8, 0..3_u8, flag()).prop_map(
            |(stream, src, dst, cells, kind, declared)| Step::Copy { stream, src, dst, cells, kind, declared }
        ),
        2 => (b(), b(), 0..4_u8, flag()).prop_map(|(stream, dst, cells, declared)| Step::Fill { stream, dst, cells, declared }),
        3 => (b(), b(), flag()).prop_map(|(stream, event, timed)| Step::Record { stream, event, timed }),
        3 => (b(), b()).prop_map(|(stream, event)| Step::Wait { stream, event }),
        1 => b().prop_map(|stream| Step::Marker { stream }),
        1 => b().prop_map(|stream| Step::Hold { stream }),
        1 => b().prop_map(|stream| Step::Reset { stream }),
    ]
}
/// An operation of a program, as the model knows it. Tickets are indices + 1.
#[derive(Clone, Debug)]
pub struct Op {
    pub stream: usize,
    pub work: Work,
    pub hazard: Hazard,
    pub reads: Vec<usize>,
    pub writes: Vec<usize>,
    /// For a wait: the record it must mean.
    pub source: Option<usize>,
}

pub fn range(start: usize, cells: usize) -> Vec<usize> {
    (start..(start + cells).min(CELLS)).collect()
}

pub fn accesses(reads: &[usize], writes: &[usize], declared: bool) -> Hazard {
    if !declared {
        return Hazard::Ordered;
    }
    let reads = reads.iter().map(|&cell| Access::read(cell as u64 * 8, 8));
    Hazard::Declared(reads.chain(writes.iter().map(|&cell| Access::write(cell as u64 * 8, 8))).collect())
}

/// Turns steps into operations, with events put in where two streams would race.
#[derive(Default)]
pub struct Writer {
    pub ops: Vec<Op>,
    /// Resets: before which operation, and of which stream.
    pub resets: Vec<(usize, usize)>,
    /// Per stream, per other stream: the last operation of that known to come before (index + 1).
    known: [[usize; STREAMS]; STREAMS],
    events: [Option<(usize, [usize; STREAMS])>; EVENTS],
    /// Per cell: the last write, and per stream the last read (index + 1).
    written: [Option<usize>; CELLS],
    read: [[usize; STREAMS]; CELLS],
}

impl Writer {
    fn push(&mut self, stream: usize, work: Work, hazard: Hazard, reads: Vec<usize>, writes: Vec<usize>) {
        self.order_after_conflicts(stream, &reads, &writes);
        let index = self.ops.len();
        for &cell in &reads {
            self.read[cell][stream] = index + 1;
        }
        for &cell in &writes {
            self.written[cell] = Some(index);
            self.read[cell] = [0; STREAMS];
        }
        self.known[stream][stream] = index + 1;
        self.ops.push(Op { stream, work, hazard, reads, writes, source: None });
    }

    fn order_after_conflicts(&mut self, stream: usize, reads: &[usize], writes: &[usize]) {
        let mut before = Vec::new();
        for &cell in reads.iter().chain(writes) {
            before.extend(self.written[cell].map(|index| (self.ops[index].stream, index + 1)));
        }
        for &cell in writes {
            before.extend(self.read[cell].iter().copied().enumerate());
        }
        for (other, until) in before {
            if other != stream && until > self.known[stream][other] {
                let event = until % EVENTS;
                self.record(other, event, false);
                self.wait(stream, event);
            }
        }
    }

    fn record(&mut self, stream: usize, event: usize, timed: bool) {
        self.push(stream, Work::Record { event: EventId(event as u32), timed }, Hazard::Ordered, vec![], vec![]);
        self.events[event] = Some((self.ops.len() - 1, self.known[stream]));
    }

    fn wait(&mut self, stream: usize, event: usize) {
        let work = Work::Wait { event: EventId(event as u32), source: None };
        self.push(stream, work, Hazard::Ordered, vec![], vec![]);
        if let Some((record, known)) = self.events[event] {
            for (mine, theirs) in self.known[stream].iter_mut().zip(known) {
                *mine = theirs.max(*mine);
            }
            if self.ops[record].stream != stream {
                self.ops.last_mut().expect("just pushed").source = Some(record);
            }
        }
    }

    pub fn step(&mut self, step: &Step) {
        match *step {
            Step::Launch { stream, reads, write, merge, cost, declared } => {
                let reads = reads.map(|cell| usize::from(cell) % CELLS).to_vec();
                let writes = vec![usize::from(write) % CELLS];
                let work = Work::Launch { merge: merge.map(u64::from), blocks: 1, cost: CostKey(u32::from(cost)) };
                let hazard = accesses(&reads, &writes, declared);
                self.push(usize::from(stream) % STREAMS, work, hazard, reads, writes);
            }
            Step::Copy { stream, src, dst, cells, kind, declared } => {
                // Half of the copies lie side by side, so that merging has something to do.
                let (src, dst) = (usize::from(src) % (CELLS / 2), CELLS / 2 + usize::from(dst) % (CELLS / 2));
                let dst = if src % 2 == 0 { CELLS / 2 + src } else { dst };
                let cells = usize::from(cells).min(CELLS / 2 - src).min(CELLS - dst);
                let kind =
                    [CopyKind::HostToDevice, CopyKind::DeviceToHost, CopyKind::DeviceToDevice][usize::from(kind) % 3];
                let (reads, writes) = (range(src, cells), range(dst, cells));
                let hazard = accesses(&reads, &writes, declared);
                let work = Work::Copy { kind, src: src as u64 * 8, dst: dst as u64 * 8, len: cells as u64 * 8 };
                self.push(usize::from(stream) % STREAMS, work, hazard, reads, writes);
            }
            Step::Fill { stream, dst, cells, declared } => {
                let writes = range(usize::from(dst) % CELLS, usize::from(cells));
                let hazard = accesses(&[], &writes, declared);
                let (dst, len) = (u64::from(dst) % CELLS as u64 * 8, writes.len() as u64 * 8);
                let work = Work::Fill { dst, len, pattern_len: 8 };
                self.push(usize::from(stream) % STREAMS, work, hazard, vec![], writes);
            }
            Step::Record { stream, event, timed } => {
                self.record(usize::from(stream) % STREAMS, usize::from(event) % EVENTS, timed);
            }
            Step::Wait { stream, event } => self.wait(usize::from(stream) % STREAMS, usize::from(event) % EVENTS),
            Step::Marker { stream } => {
                self.push(usize::from(stream) % STREAMS, Work::Marker, Hazard::Ordered, vec![], vec![]);
            }
            Step::Hold { stream } => {
                self.push(usize::from(stream) % STREAMS, Work::Hold, Hazard::Ordered, vec![], vec![]);
            }
            Step::Reset { stream } => self.resets.push((self.ops.len(), usize::from(stream) % STREAMS)),
        }
    }
}

/// What one operation does to memory.
pub fn execute(memory: &mut [u64], index: usize, op: &Op) {
    match op.work {
        Work::Launch { .. } => {
            let mut value = index as u64 + 1;
            for &cell in op.reads.iter().chain(&op.writes) {
                value = (value ^ memory[cell]).wrapping_mul(0x0100_0000_01b3).rotate_left(17);
            }
            memory[op.writes[0]] = value;
        }
        Work::Copy { .. } => {
            let read: Vec<u64> = op.reads.iter().map(|&cell| memory[cell]).collect();
            for (&cell, value) in op.writes.iter().zip(read) {
                memory[cell] = value;
            }
        }
        Work::Fill { .. } => op.writes.iter().for_each(|&cell| memory[cell] = index as u64 + 1000),
        Work::Record { .. } | Work::Wait { .. } | Work::Hold | Work::Marker => {}
    }
}
