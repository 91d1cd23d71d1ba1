//! The host thread's alarm: it sleeps without a timeout while nothing is pending, and is woken only by a deadline that is
//! nearer than the one it sleeps for.
//!
//! A thread that makes something due first makes it visible (under its own lock), then looks at `until`. The host thread
//! first publishes `until`, then looks again for what is due, then sleeps. In whichever order the two meet, one sees the
//! other. Both sides use sequentially consistent accesses, because each stores one thing and loads the other.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;

type Start = Box<dyn FnOnce() -> std::io::Result<JoinHandle<()>> + Send>;

#[derive(Default)]
struct Worker {
    start: Option<Start>,
    handle: Option<JoinHandle<()>>,
}

/// See the module. The thread begins at the first alarm.
pub struct Sleeper {
    /// When the thread wakes by itself; 0 while it is awake.
    until: AtomicU64,
    stop: AtomicBool,
    running: AtomicBool,
    worker: Mutex<Worker>,
    thread: std::sync::OnceLock<Thread>,
}

impl Default for Sleeper {
    fn default() -> Sleeper {
        Sleeper {
            until: AtomicU64::new(0),
            stop: AtomicBool::new(false),
            running: AtomicBool::new(false),
            worker: Mutex::default(),
            thread: std::sync::OnceLock::new(),
        }
    }
}

impl Sleeper {
    /// How the thread is started when it is first needed.
    pub fn install(&self, start: Start) {
        self.lock().start = Some(start);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Worker> {
        self.worker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something is due at `deadline`: the thread is to be awake by then.
    pub fn wake_by(&self, deadline: u64) {
        if !self.running.load(Ordering::SeqCst) {
            self.start();
        }
        if self.until.load(Ordering::SeqCst) > deadline
            && let Some(thread) = self.thread.get()
        {
            thread.unpark();
        }
    }

    fn start(&self) {
        let mut worker = self.lock();
        if let Some(start) = worker.start.take() {
            match start() {
                Ok(handle) => {
                    let _ = self.thread.set(handle.thread().clone());
                    worker.handle = Some(handle);
                    self.running.store(true, Ordering::SeqCst);
                }
                Err(error) => tracing::error!(%error, "the software adapter's host thread cannot be started"),
            }
        }
    }

    /// Whether the thread is to end.
    pub fn stopping(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    /// On the host thread: sleeps until `until` (`u64::MAX`: for good) unless `due_before` finds something earlier.
    pub fn sleep(&self, until: u64, now: u64, due_before: impl FnOnce() -> u64) {
        self.until.store(until.max(1), Ordering::SeqCst);
        if due_before() >= until && !self.stopping() {
            match until {
                u64::MAX => std::thread::park(),
                _ => std::thread::park_timeout(Duration::from_nanos(until.saturating_sub(now))),
            }
        }
        self.until.store(0, Ordering::SeqCst);
    }

    /// Ends the thread and waits for it, unless it is the caller.
    pub fn shut_down(&self) {
        self.stop.store(true, Ordering::SeqCst);
        let handle = {
            let mut worker = self.lock();
            worker.start = None;
            worker.handle.take()
        };
        if let Some(handle) = handle {
            handle.thread().unpark();
            if handle.thread().id() != std::thread::current().id() && handle.join().is_err() {
                tracing::error!("the software adapter's host thread has panicked");
            }
        }
    }
}
