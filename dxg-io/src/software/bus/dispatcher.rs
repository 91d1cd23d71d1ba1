//! What happens at a later time without a message: events on their way to a sleeper, paging fences, the GPU's deadlines.
//!
//! The GPU reports here ([`GpuEvents`]); the host thread and every thread that waits for a round trip fire what is due.
//!
//! | field | written by | read by |
//! |---|---|---|
//! | `timers` | whoever schedules, under its lock | whoever fires, under its lock |
//! | `gpu_deadline` | the GPU (`wake`), the pump | the pump, the host thread |
//! | `state_counter` | the GPU, when a device's state changes | ioctls |

use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::events::Events;
use super::sleeper::Sleeper;
use crate::software::clock::Clock;
use crate::software::gpu::{DeviceKey, FenceKey, GpuEvents};

/// Something that is to happen at its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Due {
    /// Raise a guest event.
    Event(u64),
    /// Signal a paging fence.
    PagingFence(FenceKey, u64),
}

#[derive(Default)]
struct Timers {
    heap: BinaryHeap<Reverse<(u64, u64, Due)>>,
    /// Keeps things of one time in the order in which they were scheduled.
    sequence: u64,
}

/// See the module.
pub struct Dispatcher {
    clock: Clock,
    wake_up: u64,
    /// The guest events.
    pub events: Events,
    timers: Mutex<Timers>,
    gpu_deadline: AtomicU64,
    /// The VM-wide count of device-state changes that the host has pushed.
    state_counter: AtomicU64,
    /// The host thread's alarm.
    pub sleeper: Sleeper,
}

thread_local! {
    /// This thread is driving the host: whatever becomes due meanwhile it sees by itself.
    static DRIVING: Cell<bool> = const { Cell::new(false) };
}

/// Marks the current thread as driving; undone on drop.
pub struct Driving(bool);

impl Driving {
    /// From here on the thread drives.
    pub fn begin() -> Driving {
        Driving(DRIVING.replace(true))
    }
}

impl Drop for Driving {
    fn drop(&mut self) {
        DRIVING.set(self.0);
    }
}

impl Dispatcher {
    /// Nothing is due. `wake_up` nanoseconds pass from an event to the sleeper.
    pub fn new(clock: Clock, wake_up: u64) -> Dispatcher {
        Dispatcher {
            clock,
            wake_up,
            events: Events::default(),
            timers: Mutex::default(),
            gpu_deadline: AtomicU64::new(u64::MAX),
            state_counter: AtomicU64::new(0),
            sleeper: Sleeper::default(),
        }
    }

    fn timers(&self) -> MutexGuard<'_, Timers> {
        self.timers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets `due` happen at `at`.
    pub fn schedule(&self, at: u64, due: Due) {
        let mut timers = self.timers();
        timers.sequence += 1;
        let sequence = timers.sequence;
        timers.heap.push(Reverse((at, sequence, due)));
        drop(timers);
        self.alarm(at);
    }

    fn alarm(&self, at: u64) {
        if !DRIVING.get() {
            self.sleeper.wake_by(at);
        }
    }

    /// The next thing that is due by `now`.
    pub fn take_due(&self, now: u64) -> Option<Due> {
        let mut timers = self.timers();
        match timers.heap.peek() {
            Some(Reverse((at, ..))) if *at <= now => timers.heap.pop().map(|Reverse((.., due))| due),
            _ => None,
        }
    }

    /// Whether the GPU has something to do by `now`; the answer yes takes the deadline with it.
    pub fn take_gpu_deadline(&self, now: u64) -> bool {
        self.gpu_deadline.load(Ordering::SeqCst) <= now && self.gpu_deadline.swap(u64::MAX, Ordering::SeqCst) <= now
    }

    /// The GPU wants to be run at this time.
    pub fn gpu_due(&self, at: u64) {
        self.gpu_deadline.fetch_min(at, Ordering::SeqCst);
    }

    /// The earliest time at which something is due, `u64::MAX` for never.
    pub fn next_deadline(&self) -> u64 {
        let timer = self.timers().heap.peek().map_or(u64::MAX, |Reverse((at, ..))| *at);
        timer.min(self.gpu_deadline.load(Ordering::SeqCst))
    }

    /// How often the host has pushed a change of a device's state.
    pub fn state_counter(&self) -> u64 {
        self.state_counter.load(Ordering::Acquire)
    }

    /// The host pushes a change of a device's state.
    pub fn push_state_change(&self) {
        self.state_counter.fetch_add(1, Ordering::AcqRel);
    }
}

impl GpuEvents for Dispatcher {
    fn cpu_event(&self, event: u64, at: u64) {
        let at = at.saturating_add(self.wake_up);
        if at <= self.clock.now() {
            self.events.deliver(event);
        } else {
            self.schedule(at, Due::Event(event));
        }
    }

    fn device_state_changed(&self, _device: DeviceKey, _at: u64) {
        self.push_state_change();
    }

    fn wake(&self, deadline: u64) {
        self.gpu_due(deadline);
        self.alarm(deadline);
    }
}
