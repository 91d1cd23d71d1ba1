//! Sleeping until a queue reaches a value: a thread for each queue that is slept on, blocked in the driver.
//!
//! ```text
//! attendant: arm(queue, event) ─▶ lane ─▶ thread: cuEventSynchronize (blocked, no CPU) ─▶ drives; eventfd ─▶ attendant
//! ```
//!
//! The driver cannot raise a descriptor by itself, and a host callback costs tens of microseconds and runs on a thread that
//! must not call the driver. A thread is made when its queue is slept on for the first time; it blocks on an event that
//! covers all waiters. It drives itself when it wakes: who waits is told without the attendant's wake-up in between. Arming again
//! while a thread is blocked on an earlier value adds nothing: it will look again.
//!
//! | part | who may touch it |
//! |---|---|
//! | `Lane::job` | the attendant puts one in; the lane's thread takes it out; behind the lane's lock |
//! | the event of a job | alive until the queues are dropped, which is after the threads have ended |

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;

use dxg_io::object::EventFd;

use super::context::Context;
use super::sys;
use crate::error::{Error, Result};

/// The threads of one device, and the descriptor that they raise.
pub(super) struct Sleeper {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

struct Shared {
    context: Arc<Context>,
    event: EventFd,
    lanes: Box<[Lane]>,
    /// Set once, when the engine starts.
    drive: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

#[derive(Default)]
struct Lane {
    content: Mutex<Content>,
    changed: Condvar,
}

#[derive(Default)]
struct Content {
    job: Option<Job>,
    has_thread: bool,
    closing: bool,
}

struct Job(sys::Event);

// SAFETY: needed because of the handle. Events may be waited for from any thread inside their context.
unsafe impl Send for Job {}

impl Sleeper {
    pub fn new(context: Arc<Context>, queues: usize) -> Result<Self> {
        let event = EventFd::new().map_err(|error| Error::driver("eventfd", error))?;
        let lanes = (0..queues).map(|_| Lane::default()).collect();
        Ok(Sleeper {
            shared: Arc::new(Shared { context, event, lanes, drive: OnceLock::new() }),
            threads: Mutex::default(),
        })
    }

    /// Raises the descriptor when the event of a queue is complete; `None`: at once.
    pub fn arm(&self, queue: usize, event: Option<sys::Event>) -> Result<()> {
        let (Some(event), Some(lane)) = (event, self.shared.lanes.get(queue)) else {
            return self.raise();
        };
        let mut content = lane.lock();
        content.job = Some(Job(event));
        if !content.has_thread && !content.closing {
            let shared = self.shared.clone();
            let run = move || shared.run(queue);
            let named = std::thread::Builder::new().name(format!("dxgrt-cuda-{queue}"));
            let thread = named.spawn(run).map_err(|error| Error::driver("starting a thread that sleeps", error))?;
            content.has_thread = true;
            self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        }
        drop(content);
        lane.changed.notify_one();
        Ok(())
    }

    /// What a thread does first when it wakes.
    pub fn call(&self, drive: Box<dyn Fn() + Send + Sync>) {
        // The engine starts once.
        let _set_once = self.shared.drive.set(drive);
    }

    pub fn raise(&self) -> Result<()> {
        self.shared.event.fire().map_err(|error| Error::driver("raising an eventfd", error))
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.shared.event.as_fd()
    }

    /// Makes the descriptor silent; whether it was readable.
    pub fn drain(&self) -> bool {
        self.shared.event.take().is_ok_and(|count| count > 0)
    }
}

impl Shared {
    fn run(&self, queue: usize) {
        let Some(lane) = self.lanes.get(queue) else { return };
        while let Some(Job(event)) = lane.next() {
            if let Ok(_entered) = self.context.enter() {
                // SAFETY: needed to call the driver; the event lives longer than this thread. Used again for a later value
                // it is waited for until then, and whoever sleeps looks by time too.
                let found = unsafe { (self.context.driver.api.event_synchronize)(event) };
                // A fault is remembered, and found by whoever is woken.
                let _remembered = self.context.check(found);
            }
            if let Some(drive) = self.drive.get() {
                drive();
            }
            if let Err(error) = self.event.fire() {
                tracing::warn!(%error, "an eventfd could not be raised; sleepers wake by time");
            }
        }
    }
}

impl Lane {
    fn lock(&self) -> MutexGuard<'_, Content> {
        // Every step leaves the content consistent: a poisoned lock is as good.
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> Option<Job> {
        let mut content = self.lock();
        loop {
            if let Some(job) = content.job.take() {
                return Some(job);
            }
            if content.closing {
                return None;
            }
            content = self.changed.wait(content).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        for lane in &self.shared.lanes {
            let mut content = lane.lock();
            content.closing = true;
            content.job = None;
            drop(content);
            lane.changed.notify_one();
        }
        let threads = std::mem::take(self.threads.get_mut().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // The last owner of the device may be what such a thread keeps; it ends after this.
            if thread.thread().id() != std::thread::current().id() && thread.join().is_err() {
                tracing::error!("a thread that sleeps for a device panicked");
            }
        }
    }
}
