//! The VMBus as a state machine: two rings towards the host, and the one host that empties them.
//!
//! Time is an argument, so the live adapter drives it with its clock and a simulator with a virtual one. A message goes
//! through four steps: the sender inserts it ([`Bus::send`]); the host reads it, which frees its ring bytes; the host
//! handles it, one message at a time in ring order; it is handed over ([`Bus::take`]) with the time it was done at.
//!
//! Times of a message sent at `t` (`posted`, `doorbell` and so on as in [`Parameters`]):
//!
//! | | posted | round trip |
//! |---|---|---|
//! | the sender goes on at | t + posted (+ doorbell) | done + round trip / 2 |
//! | the host reads it at | when idle, not before the sender goes on | when idle, not before t + round trip / 2 − message |
//! | … a submission | the same | when idle, not before t + round trip / 2 |
//! | done | read + message (+ submission) | read + message |

use std::collections::VecDeque;

use crate::software::params::{Parameters, nanos};

/// Bytes a message of `payload` bytes takes in a ring: a 16-byte descriptor, padding to 8, and an 8-byte trailer.
#[inline]
pub const fn ring_cost(payload: u32) -> u32 {
    (16 + payload).next_multiple_of(8) + 8
}

/// The two rings to the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RingName {
    /// The channel of the virtual machine; with asynchronous messages on, everything goes here.
    Global = 0,
    /// The channel of the virtual GPU, in use when asynchronous messages are off.
    VirtualGpu = 1,
}

/// What the model must know of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// The ring it is written to.
    pub ring: RingName,
    /// Payload bytes, header and routing prefix included.
    pub payload: u32,
    /// Whether the sender waits for the host's answer.
    pub round_trip: bool,
    /// Whether it submits work, which costs the host a scheduling pass.
    pub submission: bool,
}

/// What sending a message came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The ring bytes it took.
    pub ring_bytes: u32,
    /// Whether the doorbell was rung: the ring was empty and the host idle.
    pub doorbell: bool,
    /// When a posting sender goes on. (The sender of a round trip goes on half a round trip after it is handled.)
    pub sender_resumes: u64,
}

/// A message that the host has handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handled<T> {
    /// What was sent with it.
    pub payload: T,
    /// When the host was done with it.
    pub at: u64,
}

struct Entry<T> {
    payload: T,
    ring_bytes: u32,
    /// The earliest time the host can read it.
    arrival: u64,
    service: u64,
}

struct Ring<T> {
    entries: VecDeque<Entry<T>>,
    used: u32,
}

/// Costs in nanoseconds, out of [`Parameters`].
#[derive(Clone, Copy, Debug)]
struct Costs {
    posted: u64,
    doorbell: u64,
    half_round_trip: u64,
    host_message: u64,
    host_submission: u64,
}

/// The rings and the host; `T` travels with each message.
pub struct Bus<T> {
    costs: Costs,
    usable: u32,
    rings: [Ring<T>; 2],
    /// Read and being handled: the host works on one message at a time.
    in_service: Option<Handled<T>>,
    handled: VecDeque<Handled<T>>,
    /// When the host is done with everything it has read.
    busy_until: u64,
    stalled: bool,
    full_ring: FullRing,
}

/// How a sender behaves that finds the ring full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FullRing {
    /// How often a posted send tries again. A round trip does not: it fails at once.
    pub tries: u32,
    /// Nanoseconds of the shortest sleep between two tries.
    pub sleep_min: u64,
    /// Nanoseconds of the longest sleep between two tries.
    pub sleep_max: u64,
}

impl FullRing {
    /// The sleep before try `attempt`, spread evenly over the allowed range and the same in every run.
    pub fn sleep(&self, attempt: u32) -> u64 {
        // Multiples of the golden ratio's fraction fill an interval evenly, whatever their number.
        let fraction = (f64::from(attempt) * 0.618_033_988_749_895).fract();
        self.sleep_min + ((self.sleep_max - self.sleep_min) as f64 * fraction) as u64
    }
}

impl<T> Bus<T> {
    /// Empty rings and an idle host.
    pub fn new(parameters: &Parameters) -> Bus<T> {
        let ring = || Ring { entries: VecDeque::with_capacity(64), used: 0 };
        Bus {
            costs: Costs {
                posted: nanos(parameters.posted_us),
                doorbell: nanos(parameters.doorbell_us),
                half_round_trip: nanos(parameters.round_trip_us / 2.0),
                host_message: nanos(parameters.host_message_us),
                host_submission: nanos(parameters.host_submission_us),
            },
            usable: parameters.ring_usable_bytes(),
            rings: [ring(), ring()],
            in_service: None,
            handled: VecDeque::with_capacity(64),
            busy_until: 0,
            stalled: false,
            full_ring: FullRing {
                tries: parameters.full_ring_tries,
                sleep_min: nanos(parameters.full_ring_sleep_min_us),
                sleep_max: nanos(parameters.full_ring_sleep_max_us),
            },
        }
    }

    /// What to do when a message does not fit.
    pub fn full_ring(&self) -> FullRing {
        self.full_ring
    }

    /// Half of a round trip: from the host's answer to the sender going on.
    pub fn half_round_trip(&self) -> u64 {
        self.costs.half_round_trip
    }

    /// Whether a message of this payload fits now: a ring must stay strictly freer than what is written.
    pub fn fits(&mut self, now: u64, ring: RingName, payload: u32) -> bool {
        self.read_until(now);
        self.usable - self.rings[ring as usize].used > ring_cost(payload)
    }

    /// Writes a message for which [`Bus::fits`] has just said yes.
    pub fn send(&mut self, now: u64, message: Message, payload: T) -> Sent {
        self.read_until(now);
        let idle = self.in_service.is_none() && self.busy_until <= now;
        let costs = self.costs;
        let ring = &mut self.rings[message.ring as usize];
        let doorbell = ring.entries.is_empty() && idle;
        let ring_bytes = ring_cost(message.payload);
        let sender_resumes = now + costs.posted + if doorbell { costs.doorbell } else { 0 };
        let arrival = match message.round_trip {
            // A plain round trip's cost is that of a whole exchange, the host's handling included. A submission's
            // host work comes on top of it, whole.
            true if message.submission => now + costs.half_round_trip,
            true => now + costs.half_round_trip.saturating_sub(costs.host_message),
            false => sender_resumes,
        };
        let service = costs.host_message + if message.submission { costs.host_submission } else { 0 };
        ring.used += ring_bytes;
        ring.entries.push_back(Entry { payload, ring_bytes, arrival, service });
        Sent { ring_bytes, doorbell, sender_resumes }
    }

    /// Lets the host read and handle whatever it can begin by `now`.
    fn read_until(&mut self, now: u64) {
        loop {
            if let Some(current) = self.in_service.take_if(|current| current.at <= now) {
                self.handled.push_back(current);
            }
            if self.in_service.is_some() || self.stalled {
                return;
            }
            let Some((ring, start)) = self.next_read() else { return };
            if start > now {
                return;
            }
            let ring = &mut self.rings[ring];
            let Some(entry) = ring.entries.pop_front() else { return };
            ring.used -= entry.ring_bytes;
            self.busy_until = start + entry.service;
            self.in_service = Some(Handled { payload: entry.payload, at: self.busy_until });
        }
    }

    /// The ring whose head is next, and when the host reads it.
    fn next_read(&self) -> Option<(usize, u64)> {
        let head =
            |ring: usize| self.rings[ring].entries.front().map(|entry| (ring, entry.arrival.max(self.busy_until)));
        match (head(0), head(1)) {
            (Some(global), Some(gpu)) => Some(if gpu.1 < global.1 { gpu } else { global }),
            (global, gpu) => global.or(gpu),
        }
    }

    /// The next message that is handled by `now`, in the order of handling.
    pub fn take(&mut self, now: u64) -> Option<Handled<T>> {
        self.read_until(now);
        self.handled.pop_front()
    }

    /// When [`Bus::take`] will have something, if nothing else is sent; `None` while nothing can become ready.
    pub fn next_due(&self) -> Option<u64> {
        if let Some(handled) = self.handled.front() {
            return Some(handled.at);
        }
        if let Some(current) = &self.in_service {
            return Some(current.at);
        }
        if self.stalled {
            return None;
        }
        let (ring, start) = self.next_read()?;
        self.rings[ring].entries.front().map(|entry| start + entry.service)
    }

    /// A stalled host reads nothing more. What it has read it still handles.
    pub fn stall(&mut self, now: u64, stalled: bool) {
        self.read_until(now);
        if self.stalled && !stalled {
            // The time of the stall does not count as idle time in which messages could have been read.
            self.busy_until = self.busy_until.max(now);
        }
        self.stalled = stalled;
    }

    /// Bytes in a ring that the host has not read.
    pub fn used(&self, ring: RingName) -> u32 {
        self.rings[ring as usize].used
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBMIT: Message = Message { ring: RingName::Global, payload: 96, round_trip: false, submission: true };
    const SIGNAL: Message = Message { ring: RingName::Global, payload: 84, round_trip: false, submission: false };
    const QUERY: Message = Message { ring: RingName::Global, payload: 56, round_trip: true, submission: false };

    fn us(ns: u64) -> f64 {
        ns as f64 / 1000.0
    }

    #[test]
    fn ring_costs_are_those_of_the_driver() {
        assert_eq!(ring_cost(84), 112);
        assert_eq!(ring_cost(80 + 16 + 256), 376);
        assert_eq!(ring_cost(126_992), 127_016);
    }

    #[test]
    fn capacities_are_those_of_the_driver() {
        let capacity = |payload| {
            let mut bus = Bus::new(&Parameters::default());
            bus.stall(0, true);
            let message = Message { payload, ..SIGNAL };
            let mut count = 0;
            while bus.fits(0, RingName::Global, payload) {
                bus.send(0, message, ());
                count += 1;
            }
            count
        };
        assert_eq!(capacity(84), 2303);
        assert_eq!(capacity(16 + 80 + 256), 686);
        assert_eq!(capacity(16 + 80), 2150);
        assert_eq!(capacity(126_992), 2);
    }

    #[test]
    fn the_doorbell_rings_only_for_an_idle_host_and_an_empty_ring() {
        let mut bus = Bus::new(&Parameters::default());
        assert!(bus.send(0, SIGNAL, ()).doorbell);
        assert!(!bus.send(100, SIGNAL, ()).doorbell, "the first is still unread");
        assert!(!bus.send(3_500, SIGNAL, ()).doorbell, "the host is at work");
        while bus.take(1_000_000).is_some() {}
        assert!(bus.send(1_000_000, SIGNAL, ()).doorbell);
        bus.stall(2_000_000, true);
        assert!(bus.send(2_000_000, SIGNAL, ()).doorbell);
        assert!(!bus.send(9_000_000, SIGNAL, ()).doorbell, "stalled: the ring stays non-empty");
    }

    #[test]
    fn a_round_trip_costs_what_it_says_and_keeps_ring_order() {
        let mut bus = Bus::new(&Parameters::default());
        let posted = bus.send(0, SIGNAL, "posted");
        assert_eq!(us(posted.sender_resumes), 3.0);
        bus.send(posted.sender_resumes, QUERY, "query");
        bus.send(posted.sender_resumes, SIGNAL, "late");
        assert_eq!(bus.take(5_000).map(|handled| (handled.payload, us(handled.at))), Some(("posted", 5.0)));
        assert_eq!(bus.take(22_999), None);
        let query = bus.take(23_000).unwrap();
        assert_eq!((query.payload, us(query.at + bus.half_round_trip())), ("query", 43.0));
        assert_eq!(bus.take(25_000).unwrap().payload, "late");
        assert_eq!(bus.next_due(), None);
    }

    #[test]
    fn a_submission_by_round_trip_costs_its_host_work_on_top() {
        let mut bus = Bus::new(&Parameters::default());
        bus.send(0, Message { round_trip: true, ..SUBMIT }, ());
        assert_eq!(us(bus.take(1_000_000).unwrap().at), 26.3);
    }

    #[test]
    fn round_trips_of_several_threads_overlap() {
        let mut bus = Bus::new(&Parameters::default());
        for thread in 0..4 {
            bus.send(0, QUERY, thread);
        }
        let times: Vec<f64> = std::iter::from_fn(|| bus.take(1_000_000)).map(|handled| us(handled.at)).collect();
        assert_eq!(times, [20.0, 22.0, 24.0, 26.0]);
    }

    #[test]
    fn two_rings_are_read_in_order_of_arrival() {
        let mut bus = Bus::new(&Parameters::default());
        bus.send(0, Message { ring: RingName::VirtualGpu, ..SIGNAL }, "gpu");
        bus.send(500, SIGNAL, "global");
        let order: Vec<_> = std::iter::from_fn(|| bus.take(1_000_000)).map(|handled| handled.payload).collect();
        assert_eq!(order, ["gpu", "global"]);
        assert_eq!(bus.used(RingName::Global), 0);
    }

    #[test]
    fn a_stalled_host_reads_nothing_and_goes_on_later() {
        let mut bus = Bus::new(&Parameters::default());
        bus.stall(0, true);
        bus.send(0, SIGNAL, 1);
        bus.send(0, SIGNAL, 2);
        assert_eq!(bus.take(1_000_000), None);
        assert_eq!(bus.next_due(), None);
        bus.stall(1_000_000, false);
        assert_eq!(bus.next_due(), Some(1_002_000));
        assert_eq!(bus.take(1_002_000).unwrap().payload, 1);
        assert_eq!(bus.take(1_004_000).unwrap().payload, 2);
    }

    #[test]
    fn free_messages_are_handled_when_they_are_sent() {
        let mut bus = Bus::new(&Parameters::zero());
        assert_eq!(bus.send(7, QUERY, ()).sender_resumes, 7);
        assert_eq!(bus.take(7).unwrap().at, 7);
    }

    /// The GPU's part of the calibration: launches of one queue run one after another.
    fn run_launches(submissions: impl Iterator<Item = u64>, launches: u64, launch_ns: u64) -> u64 {
        submissions.fold(0, |gpu_free: u64, submitted| gpu_free.max(submitted) + launches * launch_ns)
    }

    #[test]
    fn calibration_submit_each_costs_what_wsl_measured() {
        let parameters = Parameters::default();
        let launch = nanos(parameters.launch_us);
        let mut bus = Bus::new(&parameters);
        let count = 1000;
        let mut now = 0;
        let mut done = Vec::new();
        for index in 0..count {
            assert!(bus.fits(now, RingName::Global, SUBMIT.payload));
            now = bus.send(now, SUBMIT, index).sender_resumes;
            while let Some(handled) = bus.take(now) {
                done.push(handled.at);
            }
        }
        while let Some(due) = bus.next_due() {
            done.extend(bus.take(due).map(|handled| handled.at));
        }
        assert_eq!(done.len(), count);
        let each = us(run_launches(done.into_iter(), 1, launch)) / count as f64;
        assert!((6.3..=7.5).contains(&each), "{each} µs per launch");

        // One alone, from the call to the end of the launch, without waking anybody.
        let alone = us(parameters_alone(&parameters));
        assert!((6.3..=10.0).contains(&alone), "{alone} µs for one launch");
    }

    fn parameters_alone(parameters: &Parameters) -> u64 {
        let mut bus = Bus::new(parameters);
        bus.send(0, SUBMIT, ());
        let due = bus.next_due().unwrap();
        due + nanos(parameters.launch_us)
    }

    #[test]
    fn calibration_a_batch_costs_one_submission_and_its_launches() {
        let parameters = Parameters::default();
        for launches in [1u64, 32, 1000] {
            let mut bus = Bus::new(&parameters);
            bus.send(0, SUBMIT, ());
            let due = bus.next_due().unwrap();
            let end = us(run_launches(std::iter::once(due), launches, nanos(parameters.launch_us)));
            assert!(end <= 15.0 + 0.58 * launches as f64, "{end} µs for {launches} launches");
        }
    }

    #[test]
    fn sleeps_on_a_full_ring_stay_in_their_range() {
        let full = Bus::<()>::new(&Parameters::default()).full_ring();
        let sleeps: Vec<u64> = (0..1000).map(|attempt| full.sleep(attempt)).collect();
        assert!(sleeps.iter().all(|sleep| (1_000_000..=2_000_000).contains(sleep)));
        let mean = sleeps.iter().sum::<u64>() / 1000;
        assert!((1_450_000..=1_550_000).contains(&mean), "{mean}");
    }
}
