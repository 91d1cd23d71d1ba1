//! Faults, and the watchdog that finds launches that take too long.
//!
//! A launch cannot be stopped: it is code of this process. So the watchdog gives up on it instead: its device is lost,
//! its fences go to the maximum, and if the launch holds the engine, the engine is replaced, so that other devices go on.
//! The memory of the launch stays in the list of running packets until it ends, if it does. The watchdog is a thread that
//! sleeps while nothing runs and looks a few times per limit while something does.

use std::{
    sync::{Arc, MutexGuard, PoisonError, Weak},
    thread::{self, Thread},
    time::Duration,
};

use super::{DeviceKey, Shared, engine::Engine, execution::Execution, ranges::RangeSet, state::Running};
use crate::software::model::slots::Slots;

/// Why a device was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FaultReason {
    /// The command buffer is malformed.
    BadPacket(&'static str),
    /// An address is not mapped, or not for this access.
    BadAddress,
    /// A launch took longer than the limit.
    Timeout,
    /// The adapter was removed or the device marked as failed.
    Removed,
    /// A kernel failed in a command buffer that has nowhere to record it.
    KernelFault,
}

/// The fault that lost a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub reason: FaultReason,
    /// The address at fault, 0 if none is.
    pub address: u64,
    /// Tag of the operation at fault, 0 if not known.
    pub op_tag: u64,
}

/// What the watchdog watches.
#[derive(Default)]
pub(super) struct Watch {
    /// The command buffer in the engine's hands.
    current: Option<Arc<Execution>>,
    /// The watchdog looks; otherwise it sleeps until it is woken.
    looking: bool,
    /// Something began since the last look.
    touched: bool,
    thread: Option<Thread>,
    stopped: bool,
}

impl Shared {
    fn watch(&self) -> MutexGuard<'_, Watch> {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn watch_begin(self: &Arc<Self>, execution: &Arc<Execution>) {
        let mut watch = self.watch();
        watch.current = Some(execution.clone());
        watch.touched = true;
        if !watch.looking && !watch.stopped {
            watch.looking = true;
            match &watch.thread {
                Some(thread) => thread.unpark(),
                None => watch.thread = self.start_watchdog(),
            }
        }
    }

    pub(super) fn watch_end(&self, execution: &Arc<Execution>) {
        let mut watch = self.watch();
        // A thread whose engine was replaced finds somebody else's here.
        if watch.current.as_ref().is_some_and(|current| Arc::ptr_eq(current, execution)) {
            watch.current = None;
        }
    }

    /// Whoever executes for the device (or queue) finds out that it need not go on.
    pub(super) fn abandon_current(&self, matches: impl Fn(&Execution) -> bool) {
        if let Some(current) = self.watch().current.as_ref().filter(|current| matches(current)) {
            current.abandon();
        }
    }

    pub(super) fn stop_watchdog(&self) {
        let mut watch = self.watch();
        watch.stopped = true;
        if let Some(thread) = &watch.thread {
            thread.unpark();
        }
    }

    /// A fresh engine.
    pub(super) fn new_engine(&self) -> Box<Engine> {
        let parameters = &self.parameters;
        Box::new(Engine::new(Slots::new(parameters.launch_ns, parameters.block_slots, parameters.copy_bytes_per_us)))
    }

    #[cfg(test)]
    pub(super) fn is_watching(&self) -> bool {
        self.watch().looking
    }

    fn start_watchdog(self: &Arc<Self>) -> Option<Thread> {
        let period = Duration::from_nanos((self.parameters.tdr_ns / 4).max(1_000_000));
        let shared = Arc::downgrade(self);
        match thread::Builder::new().name("dxgrt-watchdog".to_owned()).spawn(move || look(&shared, period)) {
            Ok(handle) => Some(handle.thread().clone()),
            Err(error) => {
                tracing::warn!(%error, "no thread for the watchdog: launches that hang are not noticed");
                None
            }
        }
    }

    /// Gives up on launches that are over the limit; whether anything runs, or ran since the last look.
    fn check_timeouts(self: &Arc<Self>) -> bool {
        let now = self.now();
        let limit = self.parameters.tdr_ns;
        let overdue = |execution: &Execution| !execution.is_abandoned() && execution.is_overdue(now, limit);
        let mut state = self.lock();
        let pooled: Vec<Arc<Execution>> =
            state.running.iter().map(|running| &running.execution).filter(|e| overdue(e)).cloned().collect();
        for execution in &pooled {
            execution.abandon();
            self.pool.replace_one();
        }
        let hung = {
            let mut watch = self.watch();
            let hung = watch.current.take_if(|current| overdue(current));
            if hung.is_none() && !watch.touched && watch.current.is_none() && state.running.is_empty() {
                watch.looking = false;
            }
            watch.touched = false;
            if hung.is_none() && pooled.is_empty() {
                return watch.looking;
            }
            hung
        };
        if let Some(execution) = &hung {
            execution.abandon();
            let ranges = Arc::new(self.hung_ranges(execution));
            state.running.push(Running { execution: execution.clone(), ranges });
            state.engine = Some(self.new_engine());
            state.epoch += 1;
            self.pool.replace_one();
        }
        for execution in pooled.iter().chain(&hung) {
            let fault = Fault { reason: FaultReason::Timeout, address: 0, op_tag: execution.op_tag() };
            state.lose(execution.device, fault, now);
        }
        self.deliver(state);
        // Not on this thread, which must stay free to look.
        self.pool.drive(self.clone());
        true
    }

    /// The memory of the packet at which an inline launch hangs.
    fn hung_ranges(&self, execution: &Arc<Execution>) -> RangeSet {
        self.new_engine().ranges_of_current(&self.kernels, execution)
    }

    /// Loses a device on demand.
    pub(super) fn lose(&self, device: DeviceKey, fault: Fault, now: u64) {
        let mut state = self.lock();
        state.lose(device, fault, now);
        self.abandon_current(|execution| execution.device == device);
        self.deliver(state);
    }
}

fn look(shared: &Weak<Shared>, period: Duration) {
    let mut looking = true;
    loop {
        if looking {
            thread::park_timeout(period);
        } else {
            thread::park();
        }
        let Some(shared) = shared.upgrade() else { return };
        if shared.watch().stopped {
            return;
        }
        looking = shared.check_timeouts();
    }
}
