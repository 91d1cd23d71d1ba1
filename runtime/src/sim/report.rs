//! What a simulation answers.

use std::fmt;
use std::str::FromStr;

/// Who decides when gathered operations become a submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SimPolicy {
    /// A client submits each operation and waits for it before it goes on.
    OneByOne,
    /// A client submits each operation by itself and waits at its syncs only.
    SubmitEach,
    /// A client submits when so many operations have gathered, and at its syncs.
    Fixed(u32),
    /// A client gathers everything until a sync.
    AtSync,
    /// The scheduler of this crate.
    Dxgrt,
}

impl SimPolicy {
    /// Every policy that is compared, ours last.
    pub const ALL: [SimPolicy; 5] =
        [SimPolicy::OneByOne, SimPolicy::SubmitEach, SimPolicy::Fixed(32), SimPolicy::AtSync, SimPolicy::Dxgrt];
}

impl fmt::Display for SimPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SimPolicy::OneByOne => f.pad("one-by-one"),
            SimPolicy::SubmitEach => f.pad("submit-each"),
            SimPolicy::Fixed(count) => f.pad(&format!("fixed-{count}")),
            SimPolicy::AtSync => f.pad("at-sync"),
            SimPolicy::Dxgrt => f.pad("dxgrt"),
        }
    }
}

/// A name that no policy has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no policy is called {0:?}; there are one-by-one, submit-each, fixed-N (such as fixed-32), at-sync and dxgrt")]
pub struct UnknownPolicy(String);

impl FromStr for SimPolicy {
    type Err = UnknownPolicy;

    fn from_str(name: &str) -> Result<Self, UnknownPolicy> {
        Ok(match name {
            "one-by-one" => SimPolicy::OneByOne,
            "submit-each" => SimPolicy::SubmitEach,
            "at-sync" => SimPolicy::AtSync,
            "dxgrt" => SimPolicy::Dxgrt,
            _ => {
                let count = name.strip_prefix("fixed-").and_then(|count| count.parse().ok()).filter(|&count| count > 0);
                SimPolicy::Fixed(count.ok_or_else(|| UnknownPolicy(name.to_owned()))?)
            }
        })
    }
}

/// Nanoseconds from the enqueueing of an operation to the fence value that shows it complete.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latencies {
    /// Half of the operations were no slower.
    pub p50: u64,
    /// 99 of 100 were no slower.
    pub p99: u64,
    /// The slowest.
    pub max: u64,
}

/// The figures of one simulation. Times in nanoseconds of virtual time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// From 0 until the last client is done.
    pub makespan: u64,
    /// Operations completed.
    pub operations: u64,
    /// Submissions.
    pub submissions: u64,
    /// Messages posted, submissions included.
    pub posted_messages: u64,
    /// Messages that waited for the host's answer.
    pub round_trips: u64,
    /// The most bytes that were in a ring at one time.
    pub ring_high_water: u32,
    /// How often a sender found the ring full and slept.
    pub full_ring_sleeps: u64,
    /// Which part of the block slots' time until the makespan was used.
    pub gpu_busy: f64,
    /// Latencies of operations.
    pub latencies: Latencies,
    /// Latencies of each client's operations, in the order of clients.
    pub client_latencies: Vec<Latencies>,
}

impl Latencies {
    /// The percentiles of a set, by nearest rank; zeros of none.
    pub(super) fn of(latencies: &mut [u64]) -> Latencies {
        latencies.sort_unstable();
        let rank = |part: f64| {
            let at = (latencies.len() as f64 * part).ceil() as usize;
            latencies.get(at.saturating_sub(1)).copied().unwrap_or_default()
        };
        Latencies { p50: rank(0.5), p99: rank(0.99), max: rank(1.0) }
    }
}
