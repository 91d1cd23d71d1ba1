//! Threads that submit where each submission is a round trip to the host.
//!
//! Where messages are not posted, the caller of a submission is held for tens of microseconds. So each hardware queue in use
//! has a thread that makes the calls, and whoever holds the driver role only writes commands:
//!
//! ```text
//! role holder ── prepare ─▶ hand_over(delivery) ─▶ lane ─▶ thread: deliver, tens of µs
//!      ▲                                                        │
//!      └─ take_back: the queue takes the next batch ◀── drive ──┘
//! ```
//!
//! A lane holds one delivery: from `hand_over` until `take_back` its queue is busy, and the scheduler makes no batch for it. The
//! thread drives when it is back, so under load it hands itself the next batch and never sleeps. The order across queues is free
//! (see [`Backend::deliver`]), so lanes know nothing of each other. What a delivery completes may be complete before the thread
//! is back: the fence moves half a round trip earlier.
//!
//! | part | who may touch it |
//! |---|---|
//! | `lanes` | see [`core::lane`](crate::core::lane), where the hand-over is; no lock is held during a call |
//! | `threads` | who starts one: the holder of the driver role; who closes the engine takes all |

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use dxg_scheduler::QueueId;

use super::{Engine, loss};
use crate::backend::{Backend, Delivery, SubmitError};
use crate::core::lane;
use crate::error::Error;
use crate::sync::atomic::AtomicBool;

/// A full message ring is tried again after this: the shortest sleep of the guest driver where it sleeps itself.
const FULL_RING_SLEEP: Duration = Duration::from_millis(1);

/// The threads of one engine; none where messages are posted.
pub(super) struct Submitters {
    lanes: Box<[Arc<Lane>]>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    engine: OnceLock<Weak<Engine>>,
    /// How long a thread that is back looks for its next delivery before it sleeps.
    spin: Duration,
    /// One thread spins at a time: the others' turns would be taken from those who bring the work.
    spinning: Arc<AtomicBool>,
}

/// What has become of the last delivery of a lane.
pub(super) type Outcome = Result<(), SubmitError>;

type Lane = lane::Lane<Delivery, Outcome>;

impl Submitters {
    /// For the queues of a device, if its submissions are round trips. No thread is started yet.
    pub(super) fn new(backend: &dyn Backend) -> Self {
        let info = backend.info();
        let by_round_trip = info.can_launch && !info.async_messages;
        let lanes = if by_round_trip { backend.queues() } else { 0 };
        // On one core a spinning thread keeps away the one that would bring it something.
        let spin = match std::thread::available_parallelism() {
            Ok(cores) if cores.get() > 1 => Duration::from_nanos(2 * backend.costs().queue_interval),
            _ => Duration::ZERO,
        };
        Submitters {
            lanes: (0..lanes).map(|_| Arc::new(Lane::new())).collect(),
            threads: Mutex::default(),
            engine: OnceLock::new(),
            spin,
            spinning: Arc::new(AtomicBool::new(false)),
        }
    }

    /// Whom the threads report to.
    pub(super) fn report_to(&self, engine: &Arc<Engine>) {
        // Called once, by whoever starts the engine.
        let _set_once = self.engine.set(Arc::downgrade(engine));
    }

    /// Whether submissions go through here.
    pub(super) fn are_used(&self) -> bool {
        !self.lanes.is_empty()
    }

    /// Gives a delivery to its queue's thread, whose last one was taken back. Role holder only.
    ///
    /// `Some`: there is no such thread, the delivery was made here and now.
    pub(super) fn hand_over(&self, backend: &Arc<dyn Backend>, delivery: Delivery) -> Option<Outcome> {
        let index = usize::from(delivery.queue.0);
        let Some(lane) = self.lanes.get(index) else {
            let mut delivery = delivery;
            return Some(deliver(&**backend, &mut delivery, || false));
        };
        let start = || match self.start(index, lane, backend) {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(queue = index, %error, "no thread to submit with; submitting takes the driver's time");
                false
            }
        };
        let mut refused = lane.hand_over(delivery, start).err()?;
        Some(deliver(&**backend, &mut refused, || lane.is_closing()))
    }

    /// What has become of the delivery of a queue, if its thread is back. Role holder only.
    pub(super) fn take_back(&self, queue: QueueId) -> Option<Outcome> {
        self.lanes.get(usize::from(queue.0))?.take_back()
    }

    fn start(&self, index: usize, lane: &Arc<Lane>, backend: &Arc<dyn Backend>) -> std::io::Result<()> {
        let (lane, backend, spinning) = (lane.clone(), backend.clone(), self.spinning.clone());
        let (spin, engine) = (self.spin, self.engine.get().cloned().unwrap_or_default());
        let run = move || {
            while let Some(mut delivery) = lane.next(spin, &spinning) {
                lane.give_back(deliver(&*backend, &mut delivery, || lane.is_closing()));
                if let Some(engine) = engine.upgrade() {
                    engine.drive();
                }
            }
        };
        let thread = std::thread::Builder::new().name(format!("dxgrt-submit-{index}")).spawn(run)?;
        self.threads().push(thread);
        Ok(())
    }

    fn threads(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the threads, after what was handed to them; blocks until they have ended.
    pub(super) fn close(&self) {
        for lane in &self.lanes {
            lane.close();
        }
        let threads = std::mem::take(&mut *self.threads());
        for thread in threads {
            // The engine's last owner may be one of the threads, which ends after this.
            if thread.thread().id() != std::thread::current().id() && thread.join().is_err() {
                tracing::error!("a thread that submits panicked");
            }
        }
    }
}

impl Drop for Submitters {
    fn drop(&mut self) {
        self.close();
    }
}

/// Makes the calls. While the message ring is full it waits for room, as long as the device lives and nobody `gives_up`.
fn deliver(backend: &dyn Backend, delivery: &mut Delivery, gives_up: impl Fn() -> bool) -> Outcome {
    let tried = catch_unwind(AssertUnwindSafe(|| {
        loop {
            match backend.deliver(delivery) {
                Ok(_submitted) => return Ok(()),
                Err(SubmitError::Throttled) if gives_up() => return Err(SubmitError::Failed(Error::ShutDown)),
                Err(SubmitError::Throttled) => {
                    backend.health().map_err(SubmitError::Lost)?;
                    std::thread::sleep(FULL_RING_SLEEP);
                }
                Err(other) => return Err(other),
            }
        }
    }));
    tried.unwrap_or_else(|panic| {
        let message = format!("submitting panicked, which is a defect of dxgrt: {}", loss::panic_message(&*panic));
        Err(SubmitError::Failed(Error::invalid(message)))
    })
}
