//! What is kept while a timeline is recorded: plain records in a list of fixed room.

use std::collections::HashMap;
use std::sync::Arc;

use dxg_scheduler::{Batch, CopyKind, FlushReason, GroupKind, Nanos, QueueId, StreamId, Ticket};

use crate::op::{Op, OpKind};

/// Records there is room for: some 15 MB, taken from the system as they are written.
const ROOM: usize = 1 << 18;

/// What a group of operations runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Unit {
    Compute,
    CopyIn,
    CopyOut,
    CopyWithin,
    Fill,
}

impl Unit {
    pub(super) const ALL: [Unit; 5] = [Unit::Compute, Unit::CopyIn, Unit::CopyOut, Unit::CopyWithin, Unit::Fill];

    pub(super) fn name(self) -> &'static str {
        match self {
            Unit::Compute => "compute",
            Unit::CopyIn => "copy in",
            Unit::CopyOut => "copy out",
            Unit::CopyWithin => "copy within",
            Unit::Fill => "fill",
        }
    }
}

/// The head of a batch's records.
#[derive(Clone, Copy, Debug)]
pub(super) struct BatchRecord {
    pub(super) id: u64,
    pub(super) begun: Nanos,
    pub(super) done: Nanos,
    pub(super) fence: u64,
    pub(super) operations: u32,
    pub(super) waves: u32,
    pub(super) bytes: u32,
    pub(super) ring_bytes: u32,
    pub(super) queue: u16,
    pub(super) reason: FlushReason,
}

/// The operations of one stream in a batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) stream: u32,
    pub(super) count: u32,
    pub(super) first: u64,
    pub(super) last: u64,
    /// The fence's value at which all of them are complete.
    pub(super) value: u64,
}

/// Operations of one name in a batch that are complete at one value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub(super) unit: Unit,
    pub(super) name: u32,
    pub(super) operations: u32,
    pub(super) dispatches: u32,
    pub(super) value: u64,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Record {
    TakenIn {
        at: Nanos,
        last: u64,
        count: u32,
    },
    Waiter {
        at: Nanos,
        stream: u32,
        ticket: u64,
    },
    /// Its parts and loads follow.
    Batch(BatchRecord),
    Part(Part),
    Load(Load),
    Fence {
        at: Nanos,
        queue: u16,
        value: u64,
    },
}

/// Keeps records as they come. Written by the holder of the driver role.
#[derive(Debug)]
pub(crate) struct Recorder {
    pub(crate) begun: Nanos,
    pub(super) records: Vec<Record>,
    pub(super) names: Vec<Arc<str>>,
    pub(super) dropped: u64,
    /// Places in `names`, by the kernel's number.
    numbers: HashMap<u64, u32>,
    /// Of the batch at hand; empty between two.
    parts: Vec<Part>,
    loads: Vec<Load>,
    /// By stream, one more than the place in `parts`; 0 where there is none.
    places: Vec<u32>,
}

impl Recorder {
    pub(crate) fn new(begun: Nanos) -> Self {
        Recorder {
            begun,
            records: Vec::with_capacity(ROOM),
            names: Vec::new(),
            dropped: 0,
            numbers: HashMap::new(),
            parts: Vec::new(),
            loads: Vec::new(),
            places: Vec::new(),
        }
    }

    fn push(&mut self, record: Record) {
        match self.records.len() < ROOM {
            true => self.records.push(record),
            false => self.dropped += 1,
        }
    }

    pub(crate) fn taken_in(&mut self, at: Nanos, last: u64, count: usize) {
        self.push(Record::TakenIn { at, last, count: count as u32 });
    }

    pub(crate) fn waiter(&mut self, at: Nanos, stream: StreamId, ticket: Ticket) {
        self.push(Record::Waiter { at, stream: stream.0, ticket: ticket.0 });
    }

    pub(crate) fn fence(&mut self, at: Nanos, queue: QueueId, value: u64) {
        self.push(Record::Fence { at, queue: queue.0, value });
    }

    pub(crate) fn submitted(&mut self, batch: &Batch<Op>, begun: Nanos, done: Nanos, ring_bytes: u32) {
        // From the end, for an operation is known to be complete at the next value after it.
        let mut value = batch.fence;
        for wave in batch.waves.iter().rev() {
            value = wave.progress.unwrap_or(value);
            for group in batch.wave_groups(wave) {
                for operation in batch.group_operations(group) {
                    self.count(operation.stream.0, operation.ticket.0, value);
                }
                let dispatches = if group.kind == GroupKind::Launch { 1 } else { group.extents.len() as u32 };
                let Some(first) = batch.group_operations(group).first() else { continue };
                if let Some((unit, name)) = self.name(group.kind, &first.payload.kind) {
                    self.add(unit, name, group.range.len() as u32, dispatches.max(1), value);
                }
            }
        }
        for part in &self.parts {
            self.places[part.stream as usize] = 0;
        }
        let whole = 1 + self.parts.len() + self.loads.len();
        if self.records.len() + whole > ROOM {
            // A batch is kept whole or not at all.
            self.dropped += 1;
            self.parts.clear();
            self.loads.clear();
            return;
        }
        self.records.push(Record::Batch(BatchRecord {
            id: batch.id.0,
            begun,
            done,
            fence: batch.fence,
            operations: batch.operations.len() as u32,
            waves: batch.waves.len() as u32,
            bytes: batch.bytes,
            ring_bytes,
            queue: batch.queue.0,
            reason: batch.reason,
        }));
        self.records.extend(self.parts.drain(..).map(Record::Part));
        self.records.extend(self.loads.drain(..).map(Record::Load));
    }

    fn count(&mut self, stream: u32, ticket: u64, value: u64) {
        let index = stream as usize;
        if self.places.len() <= index {
            self.places.resize(index + 1, 0);
        }
        match self.places[index].checked_sub(1) {
            Some(place) => {
                let part = &mut self.parts[place as usize];
                part.count += 1;
                part.first = part.first.min(ticket);
                part.last = part.last.max(ticket);
                part.value = part.value.max(value);
            }
            None => {
                self.parts.push(Part { stream, count: 1, first: ticket, last: ticket, value });
                self.places[index] = self.parts.len() as u32;
            }
        }
    }

    fn name(&mut self, group: GroupKind, kind: &OpKind) -> Option<(Unit, u32)> {
        let unit = match group {
            GroupKind::Launch => Unit::Compute,
            GroupKind::Copy(CopyKind::HostToDevice) => Unit::CopyIn,
            GroupKind::Copy(CopyKind::DeviceToHost) => Unit::CopyOut,
            GroupKind::Copy(CopyKind::DeviceToDevice) => Unit::CopyWithin,
            GroupKind::Fill => Unit::Fill,
            GroupKind::Depend | GroupKind::Timestamp | GroupKind::None => return None,
        };
        let Some(launch) = kind.launch() else { return Some((unit, u32::MAX)) };
        let next = self.names.len() as u32;
        let number = *self.numbers.entry(launch.kernel.id).or_insert(next);
        if number == next {
            self.names.push(Arc::clone(&launch.kernel.name));
        }
        Some((unit, number))
    }

    fn add(&mut self, unit: Unit, name: u32, operations: u32, dispatches: u32, value: u64) {
        let same = |load: &&mut Load| load.value == value && load.name == name && load.unit == unit;
        match self.loads.iter_mut().rev().find(same) {
            Some(load) => {
                load.operations += operations;
                load.dispatches += dispatches;
            }
            None => self.loads.push(Load { unit, name, operations, dispatches, value }),
        }
    }
}
