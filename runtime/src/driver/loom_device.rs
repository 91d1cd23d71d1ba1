//! A device for models of the engine: it executes batches at once or on a thread of the model, and notifies as it is told to.
//!
//! The engine is the one that ships, down to its queues, its admission and its scheduler; only the descriptors that the
//! attendant sleeps on are replaced, by a [`Signal`].

use std::collections::BTreeSet;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool as StdBool;
use std::time::Duration;

use dxg_scheduler::{Batch, Hazard, Operation, Priority, QueueId, StreamId, Ticket, Work};

use super::attend::{Attendant, Nap, Rest};
use super::common::Common;
use super::{Engine, Refused, StreamShared};
use crate::backend::{
    ArmKind, Backend, BackendMemory, BackendModule, Delivery, DeviceChunk, HostChunk, KernelFailure, ModuleImage,
    SubmissionCosts, SubmitError, Submitted, Traffic,
};
use crate::error::{Error, LostCause, LostReason, Result};
use crate::info::DeviceInfo;
use crate::limits::{Bound, Limits, Settings};
use crate::op::{Keep, KeepAlive, Op, OpKind};
use crate::selector::{DeviceKind, Selector};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Arc, Condvar, Mutex, block_on, thread};

/// Somebody woke the attendant.
pub(super) const WORK: u8 = 1;
/// The device's notification.
pub(super) const DEVICE: u8 = 2;
/// Bounded sleeps are over, from now on all of them.
pub(super) const LIMIT: u8 = 4;

/// What ends sleeps of the attendant: descriptors in small.
#[derive(Debug)]
pub(crate) struct Signal {
    bits: Mutex<u8>,
    changed: Condvar,
}

impl Signal {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Signal { bits: Mutex::new(0), changed: Condvar::new() })
    }

    pub(super) fn set(&self, bit: u8) {
        *self.bits.lock() |= bit;
        self.changed.notify_one();
    }

    /// Whether the bit was set.
    pub(super) fn clear(&self, bit: u8) -> bool {
        let mut bits = self.bits.lock();
        let was = *bits & bit != 0;
        *bits &= !bit;
        was
    }

    /// As `sleep_on` in `driver::thread`: whether a descriptor ended the sleep.
    fn sleep(&self, nap: &Nap) -> bool {
        let ends = if nap.on_device() { WORK | DEVICE } else { WORK };
        let is_bounded = nap.limit.is_some();
        if nap.limit.is_some_and(|limit| limit < Duration::from_millis(10)) {
            // A nap ends by itself: the others go on, then this thread does.
            thread::yield_now();
            return *self.bits.lock() & ends != 0;
        }
        let mut bits = self.bits.lock();
        while *bits & (ends | if is_bounded { LIMIT } else { 0 }) == 0 {
            bits = self.changed.wait(bits);
        }
        *bits & ends != 0
    }
}

/// How the device tells that a fence has moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notify {
    /// There is no notification: batches are complete when they are submitted.
    AtOnce,
    /// Once, if it was armed when the fence moved.
    Once,
    /// As `Once`, but twice.
    Twice,
    /// Also before the fence moves.
    Early,
    /// Never: only the limit ends an armed sleep.
    Never,
    /// The fence never moves and nobody is woken: the device is lost, and only its state says so.
    Lost,
}

/// The device.
pub(super) struct Device {
    info: DeviceInfo,
    notify: Notify,
    fences: Box<[AtomicU64]>,
    inner: Mutex<Inner>,
    changed: Condvar,
    signal: OnceLock<Arc<Signal>>,
    /// Lost from the first submission on.
    pub(super) loses_first: bool,
    lost: StdBool,
    closed: StdBool,
    facts: std::sync::Mutex<Facts>,
}

#[derive(Default)]
struct Inner {
    /// The last fence submitted, by queue; and how far the device is.
    submitted: u64,
    done: u64,
    armed: u64,
    closed: bool,
    /// Tickets by fence, not executed yet.
    waiting: Vec<(u64, Vec<u64>)>,
}

/// What happened, for the model's assertions; no part of what loom explores.
#[derive(Default)]
pub(super) struct Facts {
    pub(super) executed: BTreeSet<u64>,
    pub(super) submitted_after_close: bool,
    pub(super) freed_early: bool,
    pub(super) freed: usize,
}

impl Device {
    pub(super) fn new(notify: Notify, queues: u16, loses_first: bool) -> std::sync::Arc<Self> {
        let info = DeviceInfo {
            selector: Selector::new(DeviceKind::Software, 0),
            name: "model".into(),
            luid: 0,
            architecture: "model".into(),
            can_launch: true,
            memory_bytes: 0,
            buffer_alignment: 256,
            max_argument_bytes: 4096,
            max_blocks: [1; 3],
            max_block_count: 1,
            max_threads: [1; 3],
            max_threads_per_block: 1,
            max_shared_bytes: 0,
            block_slots: 1,
            hardware_queues: queues,
            async_messages: true,
            posted_wake_up: true,
        };
        std::sync::Arc::new(Device {
            info,
            notify,
            fences: (0..queues).map(|_| AtomicU64::new(0)).collect(),
            inner: Mutex::new(Inner::default()),
            changed: Condvar::new(),
            signal: OnceLock::new(),
            loses_first,
            lost: StdBool::new(false),
            closed: StdBool::new(false),
            facts: std::sync::Mutex::default(),
        })
    }

    /// Asks for the facts. The standard lock: nothing of loom happens under it.
    pub(super) fn facts<R>(&self, f: impl FnOnce(&mut Facts) -> R) -> R {
        f(&mut self.facts.lock().expect("no model panics under this lock"))
    }

    fn signal(&self) -> &Signal {
        self.signal.get().expect("the rig has set it")
    }

    /// The device's thread, of the models in which it is not done at once. One queue.
    pub(super) fn run(&self) {
        let mut inner = self.inner.lock();
        loop {
            while inner.submitted == inner.done && !inner.closed {
                inner = self.changed.wait(inner);
            }
            let value = inner.submitted;
            if value == inner.done {
                return;
            }
            inner.done = value;
            let executed: Vec<_> = inner.waiting.extract_if(.., |batch| batch.0 <= value).collect();
            drop(inner);
            if self.notify == Notify::Early {
                self.signal().set(DEVICE);
            }
            if self.notify == Notify::Lost {
                self.lost.store(true, Ordering::Relaxed);
                self.signal().set(LIMIT);
                inner = self.inner.lock();
                continue;
            }
            self.facts(|facts| facts.executed.extend(executed.into_iter().flat_map(|batch| batch.1)));
            self.fences[0].store(value, Ordering::Release);
            inner = self.inner.lock();
            let is_armed = inner.armed != 0 && inner.armed <= value;
            if is_armed {
                inner.armed = 0;
            }
            drop(inner);
            match self.notify {
                Notify::Never => self.signal().set(LIMIT),
                _ if !is_armed => {}
                Notify::Twice => {
                    self.signal().set(DEVICE);
                    self.signal().set(DEVICE);
                }
                _ => self.signal().set(DEVICE),
            }
            inner = self.inner.lock();
        }
    }

    fn lost_cause(&self) -> LostCause {
        LostCause::new(LostReason::Removed, "the model's device is gone".to_owned())
    }
}

impl Backend for Device {
    fn info(&self) -> &DeviceInfo {
        &self.info
    }

    fn queues(&self) -> u16 {
        self.info.hardware_queues
    }

    fn costs(&self) -> SubmissionCosts {
        SubmissionCosts::default()
    }

    fn submit(&self, batch: &Batch<Op>) -> Result<Submitted, SubmitError> {
        if self.closed.load(Ordering::Relaxed) {
            self.facts(|facts| facts.submitted_after_close = true);
            return Err(SubmitError::Failed(Error::ShutDown));
        }
        if self.loses_first {
            self.lost.store(true, Ordering::Relaxed);
            return Err(SubmitError::Lost(self.lost_cause()));
        }
        let tickets: Vec<_> = batch.operations.iter().map(|operation| operation.ticket.0).collect();
        if self.notify == Notify::AtOnce {
            self.facts(|facts| facts.executed.extend(tickets));
            self.fences[usize::from(batch.queue.0)].store(batch.fence, Ordering::Release);
        } else {
            let mut inner = self.inner.lock();
            inner.submitted = batch.fence;
            inner.waiting.push((batch.fence, tickets));
            drop(inner);
            self.changed.notify_one();
        }
        Ok(Submitted::default())
    }

    fn prepare(&self, _batch: &Batch<Op>) -> Result<Delivery, SubmitError> {
        unreachable!("messages are posted")
    }

    fn deliver(&self, _delivery: &mut Delivery) -> Result<Submitted, SubmitError> {
        unreachable!("messages are posted")
    }

    fn progress(&self, queue: QueueId) -> u64 {
        self.fences[usize::from(queue.0)].load(Ordering::Acquire)
    }

    fn arm(&self, _queue: QueueId, value: u64) -> Result<ArmKind> {
        // A fence that is there already raises nothing: the worst that a device may do.
        self.inner.lock().armed = value;
        Ok(ArmKind::Posted)
    }

    fn event_fd(&self) -> BorrowedFd<'_> {
        static NULL: OnceLock<std::fs::File> = OnceLock::new();
        NULL.get_or_init(|| std::fs::File::open("/dev/null").expect("a system has it")).as_fd()
    }

    fn drain_event(&self) -> bool {
        self.signal().clear(DEVICE)
    }

    fn wait_blocking(&self, _queue: QueueId, _value: u64, _spin: bool) -> Result<()> {
        unreachable!("the policy is not one by one")
    }

    fn health(&self) -> Result<(), LostCause> {
        if self.lost.load(Ordering::Relaxed) { Err(self.lost_cause()) } else { Ok(()) }
    }

    fn take_failure(&self, _queue: QueueId) -> Option<KernelFailure> {
        None
    }

    fn stream_poisoned(&self, _stream: StreamId) -> Option<Ticket> {
        None
    }

    fn clear_poison(&self, _stream: StreamId) {}

    fn allocate_device(&self, _bytes: u64) -> Result<DeviceChunk> {
        Err(Error::unsupported("the model has no memory"))
    }

    fn allocate_host(&self, _bytes: usize) -> Result<HostChunk> {
        Err(Error::unsupported("the model has no memory"))
    }

    fn load(&self, _images: &[ModuleImage]) -> Result<BackendModule> {
        Err(Error::unsupported("the model runs no kernels"))
    }

    fn traffic(&self) -> Traffic {
        Traffic::default()
    }

    fn memory_usage(&self) -> BackendMemory {
        BackendMemory::default()
    }

    fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        self.inner.lock().closed = true;
        self.changed.notify_one();
    }
}

/// An engine over a device.
#[derive(Clone)]
pub(super) struct Rig {
    pub(super) engine: std::sync::Arc<Engine>,
    pub(super) device: std::sync::Arc<Device>,
}

/// What an operation keeps alive: notes whether it is freed before the device is through.
struct Kept {
    ticket: u64,
    device: std::sync::Arc<Device>,
}

impl Drop for Kept {
    fn drop(&mut self) {
        let lost = self.device.lost.load(Ordering::Relaxed);
        self.device.facts(|facts| {
            facts.freed += 1;
            facts.freed_early |= !lost && !facts.executed.contains(&self.ticket);
        });
    }
}

impl Rig {
    /// An engine that lets `high` operations in, in all and in each stream.
    pub(super) fn new(device: std::sync::Arc<Device>, high: u32) -> Self {
        let bound = Bound::new(high, high - 1);
        let limits = Limits { device_operations: bound, stream_operations: bound, ..Limits::default() };
        let settings = Settings { limits, ..Settings::default() };
        let engine = Engine::new(device.clone(), settings, Common::new(&settings), 0).expect("an engine");
        assert!(device.signal.set(engine.wake.signal.clone()).is_ok(), "one engine for each device");
        Rig { engine: std::sync::Arc::new(engine), device }
    }

    pub(super) fn stream(&self) -> std::sync::Arc<StreamShared> {
        self.engine.add_stream(Priority::Normal, true).expect("the engine is open")
    }

    /// As `stream`, where the device may be lost.
    pub(super) fn stream_or_lost(&self) -> Option<std::sync::Arc<StreamShared>> {
        match self.engine.add_stream(Priority::Normal, true) {
            Ok(stream) => Some(stream),
            Err(error) => {
                assert!(error.is_device_lost(), "{error}");
                None
            }
        }
    }

    fn operation(&self, stream: StreamId, ticket: u64, work: Work) -> Operation<Op> {
        let kept = Kept { ticket, device: self.device.clone() };
        let held = KeepAlive::from_iter([Keep::Shared(std::sync::Arc::new(kept))]);
        let kind = OpKind::Marker(held);
        Operation {
            stream,
            ticket: Ticket(ticket),
            work,
            hazard: Hazard::Ordered,
            bytes: 48,
            payload: Op { stream, kind },
        }
    }

    /// As `Stream::try_launch`.
    pub(super) fn try_enqueue(&self, stream: &StreamShared, work: Work) -> Result<u64, Refused> {
        let make = |ticket, _| self.operation(stream.id, ticket, work);
        self.engine.enqueue(stream, 1, make).map(|tickets| tickets.start)
    }

    /// As `Stream::launch`, on a thread.
    pub(super) fn enqueue(&self, stream: &StreamShared, work: Work) -> Result<u64> {
        let mut tickets = self.try_enqueue(stream, work);
        loop {
            match tickets {
                Ok(ticket) => return Ok(ticket),
                Err(Refused::Failed(error)) => return Err(error),
                Err(Refused::Full(_)) => {}
            }
            let permit = block_on(self.engine.room(stream, 1))?;
            let make = |ticket, _| self.operation(stream.id, ticket, work);
            tickets = self.engine.enqueue_permitted(stream, permit, make).map(|tickets| tickets.start);
        }
    }

    /// As `Completion::wait`.
    pub(super) fn wait(&self, stream: &StreamShared, ticket: u64) -> Result<()> {
        self.engine.wait_until(stream, ticket, None).expect("without a deadline there is an outcome")
    }

    /// Starts `run` on a thread of the model.
    pub(super) fn spawn(&self, run: impl FnOnce(Rig) + 'static) -> thread::JoinHandle<()> {
        let rig = self.clone();
        thread::spawn(move || run(rig))
    }

    /// The attendant, as `driver::thread` runs it.
    pub(super) fn attend(self) {
        let engine = &*self.engine;
        let mut attendant = Attendant::on_thread(engine);
        loop {
            match attendant.attend(engine) {
                Rest::Again => thread::yield_now(),
                Rest::Asleep(nap) => {
                    let mut readable = false;
                    if attendant.fall_asleep(engine, &nap) {
                        readable = engine.wake.signal.sleep(&nap);
                    } else {
                        // A slot may be claimed and not published: its producer has to go on.
                        thread::yield_now();
                    }
                    attendant.wake_up(engine, &nap, readable);
                }
                Rest::End => return,
            }
        }
    }

    /// What holds whatever happened: nothing is in, nothing was freed early, and nothing was kept.
    pub(super) fn check_end(&self, accepted: usize) {
        assert_eq!(self.engine.common.admission.in_use(), 0, "room was kept");
        self.device.facts(|facts| {
            assert!(!facts.submitted_after_close, "submitted to a closed device");
            assert!(!facts.freed_early, "freed under the device");
            assert_eq!(facts.freed, accepted, "what operations keep alive was freed a wrong number of times");
        });
    }
}
