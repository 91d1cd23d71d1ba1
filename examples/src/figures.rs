//! What a piece of work cost: the difference of two readings of a device's statistics, and the time between them.

use std::time::Instant;

use dxg_runtime::{Device, Stats};
use serde::Serialize;

/// Cost of a piece of work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// Launches, copies and fills.
    pub operations: u64,
    /// Submissions to the device.
    pub submissions: u64,
    /// Messages that nobody waited for.
    pub posted_messages: u64,
    /// Messages that waited for the host's answer.
    pub round_trips: u64,
    /// Bytes in the VM's message ring.
    pub ring_bytes: u64,
    /// Milliseconds on the clock.
    pub wall_ms: f64,
}

/// A reading to measure from.
pub struct Reading {
    stats: Stats,
    at: Instant,
}

impl Figures {
    /// Begins to measure.
    pub fn begin(device: &Device) -> Reading {
        Reading { stats: device.stats(), at: Instant::now() }
    }
}

impl Reading {
    /// What happened since.
    pub fn end(&self, device: &Device) -> Figures {
        let wall_ms = self.at.elapsed().as_secs_f64() * 1e3;
        let passed = device.stats().since(&self.stats);
        Figures {
            operations: passed.operations,
            submissions: passed.submissions,
            posted_messages: passed.posted_messages,
            round_trips: passed.round_trips,
            ring_bytes: passed.ring_bytes,
            wall_ms,
        }
    }
}
