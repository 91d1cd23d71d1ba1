//! The GPU of the simulation: hardware queues that run packets in order, over the adapter's model of slots and engines.
//!
//! A packet is one dispatch (merged or not) or one copy. It is ready when the packet before it in its queue is complete
//! and the host has handled its submission; it is launched, which takes its queue one launch cost, then holds its block
//! slots or its copy engine for its GPU time.

use std::collections::VecDeque;

use dxg_io::software::model::slots::{Direction, Slots};
use dxg_io::software::params::{Parameters, nanos};

use super::workload::{SimCopy, SimOperation, SimWork};

/// What a packet occupies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Engine {
    Blocks(u64),
    Copy(Direction),
}

/// One dispatch or copy.
#[derive(Debug)]
pub(super) struct Packet {
    engine: Engine,
    /// The longest of its operations, and the time that all of them would take on all slots together.
    longest: u64,
    slot_time: u128,
    bytes: u64,
    pub(super) operations: u32,
    pub(super) merge: Option<u64>,
    /// The queue's fence takes this value when it is complete.
    pub(super) fence: Option<u64>,
    pub(super) submission: u64,
}

impl Packet {
    pub(super) fn new(operation: &SimOperation, submission: u64, capacity: &Capacity) -> Packet {
        let mut packet = Packet {
            engine: match operation.work {
                SimWork::Launch { .. } => Engine::Blocks(0),
                SimWork::Copy { kind: SimCopy::HostToDevice, .. } => Engine::Copy(Direction::HostToDevice),
                SimWork::Copy { kind: SimCopy::DeviceToHost, .. } => Engine::Copy(Direction::DeviceToHost),
                SimWork::Copy { kind: SimCopy::DeviceToDevice, .. } | SimWork::Fill { .. } => {
                    Engine::Copy(Direction::DeviceToDevice)
                }
            },
            longest: 0,
            slot_time: 0,
            bytes: 0,
            operations: 0,
            merge: operation.merge,
            fence: None,
            submission,
        };
        packet.add(operation, capacity);
        packet
    }

    /// Carries out one more operation, of the same kind.
    pub(super) fn add(&mut self, operation: &SimOperation, capacity: &Capacity) {
        match operation.work {
            SimWork::Launch { blocks: more } => {
                if let Engine::Blocks(blocks) = &mut self.engine {
                    *blocks = blocks.saturating_add(more);
                }
                self.slot_time += u128::from(operation.gpu) * u128::from(more.clamp(1, capacity.slots));
            }
            SimWork::Copy { bytes, .. } | SimWork::Fill { bytes } => {
                // Beyond the first, an operation of a merged copy adds what its bytes take.
                if self.operations > 0 {
                    self.bytes = self.bytes.saturating_add(bytes);
                }
            }
        }
        self.longest = self.longest.max(operation.gpu);
        self.operations += 1;
    }

    /// How long it runs.
    fn time(&self, capacity: &Capacity) -> u64 {
        match self.engine {
            Engine::Blocks(_) => {
                let shared = self.slot_time.div_ceil(u128::from(capacity.slots));
                self.longest.max(u64::try_from(shared).unwrap_or(u64::MAX))
            }
            Engine::Copy(_) => self.longest.saturating_add(match capacity.copy_bytes_per_us {
                0 => 0,
                speed => self.bytes.saturating_mul(1000) / speed,
            }),
        }
    }
}

/// What the GPU can do at one time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Capacity {
    pub(super) slots: u64,
    copy_bytes_per_us: u64,
    launch: u64,
}

impl Capacity {
    pub(super) fn new(parameters: &Parameters) -> Capacity {
        Capacity {
            slots: u64::from(parameters.block_slots.max(1)),
            copy_bytes_per_us: (parameters.copy_gbps * 1000.0) as u64,
            launch: nanos(parameters.launch_us),
        }
    }
}

/// What a queue comes to next.
#[derive(Debug)]
enum Entry {
    Packet(Packet),
    /// The fence of another queue must have this value.
    Wait(usize, u64),
}

#[derive(Debug, Default)]
struct HardwareQueue {
    entries: VecDeque<Entry>,
    running: Option<Packet>,
    /// The value of its fence.
    fence: u64,
}

/// A packet that was started.
pub(super) struct Launched {
    pub(super) begin: u64,
    pub(super) end: u64,
}

/// The GPU.
pub(super) struct Gpu {
    pub(super) capacity: Capacity,
    slots: Slots,
    queues: Vec<HardwareQueue>,
    /// Slot-nanoseconds used.
    used: u128,
}

impl Gpu {
    pub(super) fn new(parameters: &Parameters, queues: usize) -> Gpu {
        let capacity = Capacity::new(parameters);
        Gpu {
            slots: Slots::new(0, parameters.block_slots, 0),
            capacity,
            queues: std::iter::repeat_with(HardwareQueue::default).take(queues).collect(),
            used: 0,
        }
    }

    /// The host hands packets to a queue.
    pub(super) fn deliver(&mut self, queue: usize, packets: Vec<Packet>) {
        self.queues[queue].entries.extend(packets.into_iter().map(Entry::Packet));
    }

    /// The host lets a queue wait for the fences of others.
    pub(super) fn deliver_waits(&mut self, queue: usize, waits: Vec<(usize, u64)>) {
        self.queues[queue].entries.extend(waits.into_iter().map(|(other, value)| Entry::Wait(other, value)));
    }

    /// The fence of a queue takes a value.
    pub(super) fn signal(&mut self, queue: usize, value: u64) {
        self.queues[queue].fence = value;
    }

    /// Queues whose next entry waits for another queue.
    pub(super) fn waiting(&self) -> impl Iterator<Item = usize> + '_ {
        let waits =
            |state: &HardwareQueue| state.running.is_none() && matches!(state.entries.front(), Some(Entry::Wait(..)));
        self.queues.iter().enumerate().filter(move |(_, state)| waits(state)).map(|(queue, _)| queue)
    }

    /// Starts the queue's next packet, if it has one and runs none. It runs until the time returned.
    pub(super) fn start(&mut self, queue: usize, now: u64) -> Option<Launched> {
        if self.queues[queue].running.is_some() {
            return None;
        }
        while let Some(&Entry::Wait(other, value)) = self.queues[queue].entries.front() {
            if self.queues[other].fence < value {
                return None;
            }
            self.queues[queue].entries.pop_front();
        }
        let Some(Entry::Packet(packet)) = self.queues[queue].entries.pop_front() else { return None };
        let launched = now.saturating_add(self.capacity.launch);
        let time = packet.time(&self.capacity);
        let end = match packet.engine {
            Engine::Blocks(blocks) => {
                let (end, slots) = self.slots.run(launched, blocks, time);
                self.used += u128::from(time) * u128::from(slots);
                end
            }
            Engine::Copy(direction) => self.slots.copy_for(direction, launched, time),
        };
        self.queues[queue].running = Some(packet);
        Some(Launched { begin: now, end })
    }

    /// The packet that the queue runs is complete.
    pub(super) fn finish(&mut self, queue: usize) -> Option<Packet> {
        self.queues[queue].running.take()
    }

    /// The packet that the queue runs.
    pub(super) fn running(&self, queue: usize) -> Option<&Packet> {
        self.queues[queue].running.as_ref()
    }

    /// The part of all slots' time until `end` that was used.
    pub(super) fn busy(&self, end: u64) -> f64 {
        if end == 0 {
            return 0.0;
        }
        self.used as f64 / (self.capacity.slots as f64 * end as f64)
    }
}
