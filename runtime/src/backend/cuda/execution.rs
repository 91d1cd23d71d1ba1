//! Everything needed to run batches: queues, fence page, kernels of our own, the way to sleep, what was refused.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use dxg_scheduler::QueueId;

use super::context::{Context, Place, opening};
use super::kernels::Kernels;
use super::memory::MemorySource;
use super::plan::TABLE_BYTES_OF_AN_OPERATION;
use super::poison::Poison;
use super::queue::{FENCE_STRIDE, Queue};
use super::sleep::Sleeper;
use super::sys::{self, attribute};
use crate::error::{Error, LostCause, Result};
use crate::selector::Selector;

/// How often a thread that spins for one value asks whether the device is alive.
const SPINS_BETWEEN_LOOKS: u32 = 1 << 14;
/// A fence word that lags behind its event for this long is not to be trusted.
const WORD_LAG: Duration = Duration::from_millis(2);

/// How a fence value is written.
#[derive(Clone, Copy)]
pub(super) enum FenceMode {
    /// By the stream itself, after everything before it.
    WriteValue(unsafe extern "C" fn(sys::Stream, sys::Address, u64, std::ffi::c_uint) -> sys::Status),
    /// By a kernel of one thread.
    Kernel,
    /// Not at all: the events are asked.
    Event,
}

/// How to open a device.
#[derive(Clone)]
pub(crate) struct CudaOptions {
    /// The selector the user gave, for information and errors.
    pub selector: Selector,
    /// Which context.
    pub place: Place,
    /// The driver library, where it is not the usual one.
    pub library: Option<PathBuf>,
    /// Hardware queues asked for.
    pub queues: u16,
    /// The largest batch.
    pub batch_operations: usize,
    pub batch_bytes: usize,
    /// What may be pinned.
    pub pinned_bytes: u64,
    /// The way in which fences are written, for tests and comparisons.
    pub fence: FenceChoice,
}

/// Which way of writing fence values to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum FenceChoice {
    /// The first that the device has, in the order of the others.
    #[default]
    Best,
    /// Stream memory writes.
    WriteValue,
    /// The one-thread kernel.
    Kernel,
    /// Events.
    Event,
}

/// The queues of a device and what they share.
///
/// Fields are dropped in order: threads that sleep before the queues whose events they wait for, queues before the memory
/// they use, everything before the context.
pub(super) struct Execution {
    pub sleeper: Sleeper,
    queues: Box<[Queue]>,
    pub kernels: Kernels,
    pub memory: MemorySource,
    pub poison: Poison,
    pub fence_mode: FenceMode,
    /// Fence words were found to lag: events are asked in their place.
    by_events: AtomicBool,
    /// A launch of so many blocks fills the device by itself.
    pub large_blocks: u64,
    /// Of launches that large, where the driver takes one: what is small comes first then, whatever else runs.
    pub low_priority: Option<i32>,
    pub context: Arc<Context>,
}

impl Execution {
    pub fn open(options: &CudaOptions) -> Result<Self> {
        let context = Arc::new(Context::open(options.selector, &options.place, options.library.clone())?);
        let memory = MemorySource::new(context.clone(), options.pinned_bytes);
        Self::inside(&context, memory, options).map_err(|error| opening(options.selector, error))
    }

    /// Queues and all that belongs to them once more, in the same context and under the same bound of pinned memory.
    pub fn another(&self, options: &CudaOptions) -> Result<Self> {
        Self::inside(&self.context, self.memory.clone(), options)
    }

    fn inside(context: &Arc<Context>, memory: MemorySource, options: &CudaOptions) -> Result<Self> {
        let refuse =
            |reason: String| Error::NoDevice { selector: options.selector.to_string().into(), reason: reason.into() };
        if context.attribute(attribute::UNIFIED_ADDRESSING) == 0 {
            return Err(refuse(
                "the GPU has no unified address space, which dxgrt needs (64-bit Linux, Kepler or later)".into(),
            ));
        }
        let _entered = context.enter().map_err(|refusal| refusal.of("cuCtxPushCurrent"))?;
        let kernels = Kernels::load(context)?;
        let count = usize::from(options.queues.max(1));
        let fences = Arc::new(memory.allocate_host(count * FENCE_STRIDE)?);
        // The most that a batch can need, of large copies only: room for several as they are.
        let most = options.batch_bytes + options.batch_operations * TABLE_BYTES_OF_AN_OPERATION;
        let tables = most.next_multiple_of(4096);
        let (least, greatest) = priorities(context);
        let queues = (0..count).map(|index| Queue::new(context, &memory, &fences, index, tables, greatest));
        let queues = queues.collect::<Result<_>>()?;
        let sleeper = Sleeper::new(context.clone(), count)?;
        let processors = u64::from(context.attribute(attribute::MULTIPROCESSORS).max(1));
        let api = &context.driver.api;
        let write = if context.attribute(attribute::WRITE_VALUE_64_V2) != 0 && api.write_value_64_v2.is_some() {
            api.write_value_64_v2
        } else if context.attribute(attribute::WRITE_VALUE_64_V1) != 0 {
            api.write_value_64
        } else {
            None
        };
        let fence_mode = match (options.fence, write) {
            (FenceChoice::Best | FenceChoice::WriteValue, Some(write)) => FenceMode::WriteValue(write),
            (FenceChoice::WriteValue, None) => return Err(refuse("its driver has no stream memory writes".into())),
            (FenceChoice::Best | FenceChoice::Kernel, _) => FenceMode::Kernel,
            (FenceChoice::Event, _) => FenceMode::Event,
        };
        let by_events = AtomicBool::new(matches!(fence_mode, FenceMode::Event));
        Ok(Execution {
            sleeper,
            queues,
            kernels,
            memory,
            poison: Poison::default(),
            fence_mode,
            by_events,
            // Two blocks a processor keep it busy; what is larger gains nothing by company.
            large_blocks: 2 * processors,
            low_priority: (least != greatest).then_some(least),
            context: context.clone(),
        })
    }

    pub fn queue_count(&self) -> usize {
        self.queues.len()
    }

    pub fn queue(&self, queue: QueueId) -> Result<&Queue> {
        self.queues.get(usize::from(queue.0)).ok_or_else(|| {
            Error::invalid(format!("there is no hardware queue {}; the device has {}", queue.0, self.queues.len()))
        })
    }

    /// The cause, if the device is known to be lost.
    pub fn alive(&self) -> Result<(), LostCause> {
        self.context.lost().map_or(Ok(()), |cause| Err(cause.clone()))
    }

    /// Whether events are asked in place of fence words.
    pub fn asks_events(&self) -> bool {
        // Relaxed: it is set once, and being late by a look costs nothing.
        self.by_events.load(Ordering::Relaxed)
    }

    /// How far a queue has come, by whatever tells the truth here. 0 where that cannot be asked.
    pub fn reached(&self, queue: &Queue) -> u64 {
        let by_memory = queue.completed();
        if !self.asks_events() || queue.is_idle() {
            return by_memory;
        }
        let Ok(_entered) = self.context.enter() else { return by_memory };
        queue.look_at_events().map_or(by_memory, |by_event| by_event.max(by_memory))
    }

    /// What the driver sees of a queue: the maximum once the device is lost.
    pub fn progress(&self, queue: &Queue) -> u64 {
        if self.context.lost().is_some() { u64::MAX } else { self.reached(queue) }
    }

    /// Makes the descriptor readable once a queue reaches a value.
    pub fn arm(&self, queue: QueueId, value: u64) -> Result<()> {
        let place = self.queue(queue)?;
        let _entered = self.context.enter().map_err(|refusal| refusal.of("cuCtxPushCurrent"))?;
        let event = place.event_for(value).map_err(|refusal| refusal.of("cuEventRecord"))?;
        self.sleeper.arm(usize::from(queue.0), event)
    }

    /// Blocks until a queue reaches a value.
    pub fn wait_blocking(&self, queue: QueueId, value: u64, spin: bool) -> Result<()> {
        let queue = self.queue(queue)?;
        let lost = |cause: LostCause| Error::DeviceLost { cause: Arc::new(cause) };
        let mut spins = 0u32;
        while self.reached(queue) < value {
            self.alive().map_err(lost)?;
            if spin {
                std::hint::spin_loop();
                spins += 1;
                if spins.is_multiple_of(SPINS_BETWEEN_LOOKS) {
                    self.health().map_err(lost)?;
                }
                continue;
            }
            let _entered = self.context.enter().map_err(|refusal| refusal.of("cuCtxPushCurrent"))?;
            let found = queue.event_for(value).map_err(|refusal| refusal.of("cuEventRecord"))?;
            let Some(event) = found else {
                self.health().map_err(lost)?;
                std::thread::yield_now();
                continue;
            };
            // SAFETY: needed to call the driver; the event is alive as long as the queue. The role holder, who calls this, is
            // the one who would use it again.
            let found = unsafe { (self.context.driver.api.event_synchronize)(event) };
            self.context.check(found).map_err(|refusal| refusal.of("cuEventSynchronize"))?;
            let _reached = queue.look_at_events().map_err(|refusal| refusal.of("cuEventQuery"))?;
        }
        Ok(())
    }

    /// Whether the device is alive, asked of the driver; also finds out whether fence words tell the truth.
    pub fn health(&self) -> Result<(), LostCause> {
        self.alive()?;
        let asked = self.context.enter().and_then(|_entered| {
            for queue in self.queues.iter().filter(|queue| !queue.is_idle()) {
                let reached = queue.look_at_events()?;
                if !self.by_events.load(Ordering::Relaxed) && lags(queue, reached) {
                    self.by_events.store(true, Ordering::Relaxed);
                    tracing::warn!("fence values do not show up in memory; asking the driver's events from here on");
                }
            }
            Ok(())
        });
        match asked {
            Ok(()) => Ok(()),
            Err(refusal) => match refusal.lost() {
                Some(cause) => {
                    self.context.lose(cause.clone());
                    Err(cause)
                }
                // What the driver refuses for another reason says nothing of the device.
                None => Ok(()),
            },
        }
    }
}

/// The least and the greatest priority that streams can have; the same where launches cannot have one of their own.
fn priorities(context: &Context) -> (i32, i32) {
    let api = &context.driver.api;
    let (mut least, mut greatest) = (0, 0);
    // SAFETY: needed to call the driver; it writes two numbers.
    let found = unsafe { (api.priority_range)(&mut least, &mut greatest) };
    if found != sys::status::SUCCESS || api.launch_ex.is_none() { (0, 0) } else { (least, greatest) }
}

/// Whether the fence word stays behind what an event has shown. The event comes after the word in its stream.
fn lags(queue: &Queue, reached: u64) -> bool {
    let begun = Instant::now();
    while queue.word() < reached {
        if begun.elapsed() > WORD_LAG {
            return true;
        }
        std::hint::spin_loop();
    }
    false
}
