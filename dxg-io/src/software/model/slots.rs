//! What launches and copies cost: launch cost, block slots, copy engines.
//!
//! Pure: time is an argument, so that the live adapter and a simulator with a virtual clock drive the same model. A
//! dispatch waits for `min(blocks, slots)` free block slots, holds them while it runs, and is complete no earlier than
//! its launch cost after its start. Copies wait for the one engine of their direction. A queue runs its packets in
//! order: its next packet is ready when the one before is complete.

use std::{cmp::Reverse, collections::BinaryHeap};

/// Which copy engine moves the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From host memory.
    HostToDevice,
    /// To host memory.
    DeviceToHost,
    /// Inside device memory; fills too.
    DeviceToDevice,
}

/// A dispatch that has been given its slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Started {
    /// When it starts.
    pub start: u64,
    /// How many slots it holds.
    pub slots: u32,
}

/// The execution resources of the GPU.
#[derive(Debug)]
pub struct Slots {
    launch_ns: u64,
    total: u32,
    copy_bytes_per_us: u64,
    /// (from when, how many) block slots are free; earliest first.
    free: BinaryHeap<Reverse<(u64, u32)>>,
    /// When each copy engine is free.
    engines: [u64; 3],
    /// While a dispatch is given its slots: when they come back.
    taken: Vec<(u64, u32)>,
}

impl Slots {
    /// Free resources.
    pub fn new(launch_ns: u64, block_slots: u32, copy_bytes_per_us: u64) -> Self {
        let total = block_slots.max(1);
        let free = BinaryHeap::from([Reverse((0, total))]);
        Self { launch_ns, total, copy_bytes_per_us, free, engines: [0; 3], taken: Vec::new() }
    }

    /// Whether nothing costs anything.
    pub fn is_free_of_charge(&self) -> bool {
        self.launch_ns == 0 && self.copy_bytes_per_us == 0
    }

    /// Gives a dispatch of so many blocks, ready at `ready`, the slots that are free first, and its start. Slots come
    /// back with [`Slots::complete`]; those of a launch that never ends stay taken.
    pub fn start(&mut self, ready: u64, blocks: u64) -> Started {
        let wanted = u32::try_from(blocks).unwrap_or(u32::MAX).clamp(1, self.total);
        let (mut start, mut slots) = (ready, 0);
        while slots < wanted {
            // With launches that never end fewer slots than wanted may be left: the dispatch runs in those.
            let Some(Reverse((from, free))) = self.free.pop() else { break };
            let taken = free.min(wanted - slots);
            if taken < free {
                self.free.push(Reverse((from, free - taken)));
            }
            start = start.max(from);
            slots += taken;
        }
        Started { start, slots }
    }

    /// The dispatch has really ended at `end`; answers when it is complete.
    pub fn complete(&mut self, started: Started, end: u64) -> u64 {
        let complete = end.max(started.start.saturating_add(self.launch_ns));
        if started.slots > 0 {
            self.free.push(Reverse((complete, started.slots)));
        }
        complete
    }

    /// Runs a dispatch whose time is known beforehand: each of its blocks starts when a slot is free, and holds it for
    /// `time`. Answers when the last is complete, and how many slots it took.
    pub fn run(&mut self, ready: u64, blocks: u64, time: u64) -> (u64, u32) {
        let wanted = u32::try_from(blocks).unwrap_or(u32::MAX).clamp(1, self.total);
        let (mut end, mut slots) = (ready, 0);
        self.taken.clear();
        while slots < wanted {
            let Some(Reverse((from, free))) = self.free.pop() else { break };
            let count = free.min(wanted - slots);
            if count < free {
                self.free.push(Reverse((from, free - count)));
            }
            end = end.max(ready.max(from).saturating_add(time));
            self.taken.push((ready.max(from).saturating_add(time), count));
            slots += count;
        }
        self.free.extend(self.taken.drain(..).map(Reverse));
        (end, slots)
    }

    /// A copy that is ready at `ready` and keeps the engine of its direction for `time`; answers when it is complete.
    pub fn copy_for(&mut self, direction: Direction, ready: u64, time: u64) -> u64 {
        let engine = &mut self.engines[direction as usize];
        *engine = ready.max(*engine).saturating_add(time);
        *engine
    }

    /// A copy packet ready at `ready` that has really ended at `end`; answers when it is complete.
    pub fn copy(&mut self, direction: Direction, ready: u64, bytes: u64, end: u64) -> u64 {
        let engine = &mut self.engines[direction as usize];
        let start = ready.max(*engine);
        let transfer = match self.copy_bytes_per_us {
            0 => 0,
            speed => (u128::from(bytes) * 1000 / u128::from(speed)).min(u128::from(u64::MAX)) as u64,
        };
        *engine = end.max(start.saturating_add(self.launch_ns).saturating_add(transfer));
        *engine
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dispatch(slots: &mut Slots, ready: u64, blocks: u64, run: u64) -> (u64, u64) {
        let started = slots.start(ready, blocks);
        (started.start, slots.complete(started, started.start + run))
    }

    #[test]
    fn a_dispatch_costs_one_launch_or_its_real_time() {
        let mut slots = Slots::new(580, 1056, 0);
        assert_eq!(dispatch(&mut slots, 1_000, 1, 10), (1_000, 1_580));
        assert_eq!(dispatch(&mut slots, 2_000, 1, 5_000), (2_000, 7_000));
    }

    #[test]
    fn a_queue_of_unmerged_launches_costs_one_launch_each() {
        let mut slots = Slots::new(580, 1056, 0);
        let mut ready = 0;
        for _ in 0..100 {
            ready = dispatch(&mut slots, ready, 4, 0).1;
        }
        assert_eq!(ready, 58_000);
    }

    #[test]
    fn free_slots_run_other_queues() {
        let mut slots = Slots::new(100, 10, 0);
        assert_eq!(dispatch(&mut slots, 0, 6, 1_000), (0, 1_000));
        assert_eq!(dispatch(&mut slots, 0, 4, 500), (0, 500));
        // All ten are taken until 500; six become free at 1000.
        assert_eq!(dispatch(&mut slots, 0, 4, 100), (500, 600));
        assert_eq!(dispatch(&mut slots, 0, 6, 100), (1_000, 1_100));
    }

    #[test]
    fn a_grid_larger_than_the_machine_takes_it_whole() {
        let mut slots = Slots::new(10, 8, 0);
        assert_eq!(dispatch(&mut slots, 0, u64::MAX, 50), (0, 50));
        assert_eq!(dispatch(&mut slots, 0, 1, 50), (50, 100));
        assert_eq!(dispatch(&mut slots, 0, 0, 0), (50, 60));
    }

    #[test]
    fn each_direction_has_one_copy_engine() {
        let mut slots = Slots::new(100, 8, 1_000);
        assert_eq!(slots.copy(Direction::HostToDevice, 0, 2_000, 5), 2_100);
        assert_eq!(slots.copy(Direction::DeviceToHost, 0, 1_000, 5), 1_100);
        assert_eq!(slots.copy(Direction::HostToDevice, 0, 1_000, 5), 3_200);
        assert_eq!(slots.copy(Direction::DeviceToDevice, 10_000, 0, 20_000), 20_000);
    }

    #[test]
    fn without_costs_only_real_time_counts() {
        let mut slots = Slots::new(0, 4, 0);
        assert!(slots.is_free_of_charge());
        assert_eq!(dispatch(&mut slots, 7, 1, 0), (7, 7));
        assert_eq!(slots.copy(Direction::HostToDevice, 7, 1 << 40, 9), 9);
    }
}
