//! What a submission costs on this device, found out when it is opened.
//!
//! ```text
//! posted:      submit one, idle ─▶ its fence                        = reach
//!              submit 16 back to back over the queues ─▶ last fence = reach + 15 × interval
//! round trip:  a CPU wait for a value that is reached               = the round trip
//!              submit one                                           = the round trip + the host's time for it
//! ```
//!
//! What is submitted is empty command buffers. The shortest of a few tries counts: whatever disturbs only adds. The values of
//! the fences then begin again, so that nobody after this needs to know of it.
//!
//! Opening takes at most [`BUDGET`] and one try longer for it; at the latencies of the adapter's default it is half a
//! millisecond. It never fails: what cannot be measured counts as 0, with a warning.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use dxg_io::object::EventFd;
use dxg_io::software::packet::{CommandWriter, Header};
use dxg_scheduler::Nanos;

use super::execution::Queue;
use super::link::DeviceLink;
use crate::backend::SubmissionCosts;
use crate::backend::ring::Stretch;

/// Submissions of a burst: enough that its length is that of the host's work, few enough for every ring.
const BURST: u32 = 16;
/// Submissions by themselves, and as many round trips.
const SINGLE_TRIES: u32 = 5;
const BURST_TRIES: u32 = 3;
/// No further try begins after this.
const BUDGET: Duration = Duration::from_millis(2);
/// A try whose fence does not come in this time is given up, and with it the probe.
const TRY_LIMIT: Duration = Duration::from_millis(10);
/// Fence reads between two looks at the clock.
const SPINS: u32 = 64;
/// Room for an empty command buffer, at the start of the ring.
const COMMAND: Stretch = Stretch { start: 0, len: 4096 };

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Driver(#[from] dxg_io::error::Error),
    #[error("an empty command buffer cannot be written: {0}")]
    Commands(#[from] dxg_io::software::packet::Full),
    #[error("the fence of an empty command buffer did not move within {TRY_LIMIT:?}")]
    Silent,
    #[error("no eventfd: {0}")]
    EventFd(#[from] std::io::Error),
}

/// Measures on queues that nothing was submitted to yet.
pub(super) fn measure(device: &DeviceLink, queues: &mut [Queue]) -> SubmissionCosts {
    // Everything sent so far is a round trip on every host, but for the probe of the way to sleep.
    let posted = device.traffic().posted > 0;
    let mut probe = Probe { queues, submitted: 0, command_bytes: 0, begun: Instant::now() };
    let measured = probe.prepare().and_then(|()| if posted { probe.posted() } else { probe.round_trips(device) });
    for queue in &mut *probe.queues {
        queue.link.rebase(queue.submitted.swap(0, Ordering::Relaxed));
    }
    match measured {
        Ok(costs) => {
            tracing::debug!(device = device.name(), posted, ?costs, "what a submission costs");
            costs
        }
        Err(trouble) => {
            tracing::warn!(device = device.name(), %trouble, "the cost of submissions could not be measured");
            SubmissionCosts::default()
        }
    }
}

struct Probe<'a> {
    queues: &'a mut [Queue],
    /// How many were submitted, to all queues in turn.
    submitted: usize,
    /// The length of the empty command buffer in each ring.
    command_bytes: u32,
    begun: Instant,
}

impl Probe<'_> {
    /// Writes the command buffers, once: the device only reads them from then on.
    fn prepare(&mut self) -> Result<(), Trouble> {
        for queue in &mut *self.queues {
            // SAFETY: needed because the ring is memory that the device reads. Nothing was submitted to this queue, and it is
            // borrowed exclusively, so this is the only reference.
            let bytes = unsafe { queue.ring_memory.stretch(COMMAND) };
            self.command_bytes = CommandWriter::new(bytes, Header::default())?.len() as u32;
        }
        Ok(())
    }

    fn posted(&mut self) -> Result<SubmissionCosts, Trouble> {
        let (mut reach, mut burst) = (Duration::MAX, Duration::MAX);
        // A device that is through when the call returns has no host that one could wait for.
        let mut at_once = true;
        for _ in self.tries(SINGLE_TRIES) {
            if self.has_time() {
                let (time, over) = self.run(1)?;
                reach = reach.min(time);
                at_once &= over;
            }
        }
        for _ in self.tries(BURST_TRIES) {
            if self.has_time() {
                burst = burst.min(self.run(BURST)?.0);
            }
        }
        let known = burst != Duration::MAX && !at_once;
        let interval = if known { burst.saturating_sub(reach) / (BURST - 1) } else { Duration::ZERO };
        Ok(SubmissionCosts { interval: nanos(interval), reach: nanos(reach), queue_interval: 0, ..Default::default() })
    }

    fn round_trips(&mut self, device: &DeviceLink) -> Result<SubmissionCosts, Trouble> {
        let (mut round_trip, mut submission) = (Duration::MAX, Duration::MAX);
        let event = EventFd::new()?;
        for _ in self.tries(SINGLE_TRIES) {
            if !self.has_time() {
                break;
            }
            let Some(queue) = self.queues.first() else { break };
            let begun = Instant::now();
            device.wait_from_cpu(queue.link.point(0), &event)?;
            round_trip = round_trip.min(begun.elapsed());
            let begun = Instant::now();
            let (index, value) = self.submit()?;
            submission = submission.min(begun.elapsed());
            self.await_fence(index, value)?;
        }
        let interval = submission.saturating_sub(round_trip);
        Ok(SubmissionCosts {
            interval: nanos(interval),
            reach: nanos(round_trip / 2 + interval),
            queue_interval: nanos(submission),
            ..Default::default()
        })
    }

    /// None without queues.
    fn tries(&self, count: u32) -> std::ops::Range<u32> {
        0..if self.queues.is_empty() { 0 } else { count }
    }

    /// The first try is always made.
    fn has_time(&self) -> bool {
        self.submitted == 0 || self.begun.elapsed() < BUDGET
    }

    /// Submits that many back to back and waits for all: the time of it, and whether all were through when the last
    /// call returned.
    fn run(&mut self, count: u32) -> Result<(Duration, bool), Trouble> {
        let begun = Instant::now();
        for _ in 0..count {
            self.submit()?;
        }
        let over = self.queues.iter().all(|queue| queue.progress() >= queue.submitted.load(Ordering::Relaxed));
        for index in 0..self.queues.len() {
            self.await_fence(index, self.queues[index].submitted.load(Ordering::Relaxed))?;
        }
        Ok((begun.elapsed(), over))
    }

    /// Submits an empty command buffer to the next queue: which, and the value of its fence.
    fn submit(&mut self) -> Result<(usize, u64), Trouble> {
        let index = self.submitted % self.queues.len();
        let queue = &self.queues[index];
        self.submitted += 1;
        let value = queue.submitted.fetch_add(1, Ordering::Relaxed) + 1;
        queue.link.submit(queue.ring_memory.address(COMMAND.start), self.command_bytes, value)?;
        Ok((index, value))
    }

    fn await_fence(&self, index: usize, value: u64) -> Result<(), Trouble> {
        let begun = Instant::now();
        loop {
            for _ in 0..SPINS {
                if self.queues[index].progress() >= value {
                    return Ok(());
                }
                std::hint::spin_loop();
            }
            if begun.elapsed() >= TRY_LIMIT {
                return Err(Trouble::Silent);
            }
            // On one core the device's own threads wait for this one.
            std::thread::yield_now();
        }
    }
}

fn nanos(time: Duration) -> Nanos {
    if time == Duration::MAX { 0 } else { Nanos::try_from(time.as_nanos()).unwrap_or(0) }
}
