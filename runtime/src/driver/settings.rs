//! What the scheduler is told of the user's settings.

use dxg_scheduler::{Bound, Config, Limits, Nanos};

use crate::backend::SubmissionCosts;
use crate::limits::{Policy, Settings};

/// The scheduler's configuration for these settings on a device with that many hardware queues and these costs.
pub(super) fn scheduler_config(settings: &Settings, queues: u16, costs: &SubmissionCosts) -> Config {
    let limits = &settings.limits;
    // Admission bounds what is accepted, before an operation has a ticket; the scheduler must take all of it.
    let unbounded = Bound::new(u32::MAX, u32::MAX - 1);
    Config {
        policy: match settings.policy {
            Policy::Adaptive => dxg_scheduler::Policy::Adaptive,
            Policy::Fixed(operations) => dxg_scheduler::Policy::Fixed(operations),
            Policy::OneByOne | Policy::OneByOneSpin => dxg_scheduler::Policy::OneByOne,
        },
        limits: Limits {
            operations: limits.batch_operations,
            bytes: limits.batch_bytes,
            gpu_time: Nanos::try_from(limits.batch_device_time.as_nanos()).unwrap_or(Nanos::MAX),
        },
        queues,
        in_flight_max: limits.in_flight,
        stream_bound: unbounded,
        device_bound: unbounded,
        ring_budget_bytes: limits.ring_bytes,
        host_interval: costs.interval,
        queue_interval: costs.queue_interval,
        host_reach: costs.reach,
        device_blocks: costs.device_blocks,
        gather_max: Nanos::try_from(limits.gather_time.as_nanos()).unwrap_or(Nanos::MAX),
        ..Config::default()
    }
}
