//! The end of a device: lost by its own doing, or given up because the driver panicked.
//!
//! Either way every future resolves with one cause, nothing more is accepted, and the device can be opened again.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use dxg_scheduler::Operation;

use super::Engine;
use super::state::State;
use crate::core::admission::Bound;
use crate::error::{Error, Failure, LostCause, LostReason};
use crate::host_memory::GivingBack;
use crate::op::{Keep, Op, OpKind};
use crate::sync::{Mutation, mutated};

impl State {
    /// The device is gone: everything in flight and everything gathered fails with one cause.
    pub(super) fn lose(&mut self, engine: &Engine, cause: LostCause) {
        if self.lost {
            return;
        }
        self.lost = true;
        let first = engine.common.lose(&cause);
        if first {
            tracing::error!(%cause, "the device is lost");
        }
        let failure = Arc::new(Failure::of_device(Error::DeviceLost { cause: Arc::new(cause) }));
        engine.set_refusal(failure.error.clone());
        let mut abandoned = self.scheduler.handle_device_lost();
        abandoned.extend(self.batch.operations.drain(..).map(|operation| operation.payload));
        self.unsent = false;
        while let Some((_, operation)) = self.operations.pop() {
            // Its stream may never have been taken in before: who waits for room on it is let go all the same.
            if !mutated(Mutation::LossForgetsNewStreams) {
                self.meet_stream(engine, operation.stream);
            }
            abandoned.push(operation.payload);
        }
        engine.for_each_stream(|stream| stream.timeline.lost(failure.clone()));
        for payload in &abandoned {
            if let Some(shared) = self.stream(payload.stream) {
                shared.gate.leave(1);
            }
        }
        // A kernel that ran into the time limit may still be running, and a host that was silent may go on. Neither hurts:
        // memory is given back by calls that the driver answers only when nothing uses it any more, and where it refuses, the
        // memory stays (see `backend::dxg::memory`). To keep the payloads instead would keep the whole device for good.
        drop_payloads(&mut abandoned);
        if first {
            engine.tell_others();
        }
    }

    /// A step panicked half way: the scheduler's books may be wrong, so nothing of them is used again. What they hold
    /// stays alive until the engine is dropped, because the device may still be at it.
    pub(super) fn break_down(&mut self, engine: &Engine, message: &str) {
        self.broken = true;
        self.lost = true;
        let message = format!("the runtime's driver panicked, which is a defect of dxgrt: {message}");
        tracing::error!(message, "the device is given up");
        let cause = LostCause::new(LostReason::Driver, message);
        // Before it lets others in: they do not count on this shard any more.
        engine.common.break_down();
        let first = engine.common.lose(&cause);
        let failure = Arc::new(Failure::of_device(Error::DeviceLost { cause: Arc::new(cause) }));
        engine.set_refusal(failure.error.clone());
        // Who waits for room is let in, and then told that nothing is accepted.
        let open = Bound { high: u32::MAX, low: u32::MAX - 1 };
        engine.common.admission.set_bound(open);
        engine.for_each_stream(|stream| {
            stream.timeline.lost(failure.clone());
            stream.gate.set_bound(open);
        });
        self.discard();
        if first {
            engine.tell_others();
        }
    }

    /// Empties the queues of a broken state. What is in them was never handed over; its timelines have the cause.
    pub(super) fn discard(&mut self) {
        while let Some((_, operation)) = self.operations.pop() {
            drop_payloads(&mut vec![operation.payload]);
        }
        while self.controls.pop().is_some() {}
    }
}

impl Engine {
    /// The other shards learn that the device is lost, in a step of theirs.
    fn tell_others(&self) {
        self.common.others(self.shard).for_each(|other| other.drive());
    }
}

/// Drops what operations kept alive. Some of it is the user's (what a kernel captured), and may panic when it is dropped:
/// the driver goes on.
pub(super) fn drop_payloads<T>(payloads: &mut Vec<T>) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| payloads.clear())) {
        tell_of(&*panic);
    }
}

fn tell_of(panic: &(dyn Any + Send)) {
    let message = panic_message(panic);
    tracing::error!(message, "something that an operation kept alive panicked when it was dropped");
}

/// So many operations are worth it to be let go of by others; each lets go of half as many at a time, which takes it some 20 µs.
pub(super) const MANY: usize = 1024;

/// As [`drop_operations`], for somebody who is on his way elsewhere: the last of them.
pub(super) fn drop_some_operations(operations: &mut Vec<Operation<Op>>) {
    let first = operations.len().saturating_sub(MANY / 2);
    give_back_staging(&mut operations[first..]);
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| operations.truncate(first))) {
        tell_of(&*panic);
    }
}

/// As [`drop_payloads`], for operations that are complete: their staging memory goes back in few steps.
pub(super) fn drop_operations(operations: &mut Vec<Operation<Op>>) {
    give_back_staging(operations);
    drop_payloads(operations);
}

fn give_back_staging(operations: &mut [Operation<Op>]) {
    let mut giving_back = GivingBack::default();
    for operation in operations.iter_mut() {
        if let OpKind::Copy(kept) = &mut operation.payload.kind {
            for kept in kept {
                if let Keep::Staged(bytes) = kept {
                    giving_back.add(bytes);
                }
            }
        }
    }
}

/// What a panic said.
pub(super) fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message").to_owned()
}

#[cfg(test)]
mod tests {
    use crate::args;
    use crate::{Device, Error, ModuleSource, Parameters, RustKernel};

    #[test]
    fn a_panic_of_the_driver_ends_the_device_and_no_wait_hangs() {
        let device = Device::builder().selector("software").parameters(Parameters::zero()).open().unwrap();
        let (stream, x) = (device.stream().unwrap(), device.alloc::<u32>(16).unwrap());
        let done = stream.try_fill(&x, 1).unwrap();
        done.wait().unwrap();
        let pending = stream.try_fill(&x, 2).unwrap();
        let engine = &device.shared().engine;
        while !engine.role.try_drive(|state| state.break_down(engine, "on purpose")) {
            std::thread::yield_now();
        }
        // The second may have been complete before.
        if let Err(error) = pending.wait() {
            assert!(error.to_string().contains("on purpose"), "{error}");
        }
        done.wait().unwrap();
        let refused = stream.try_fill(&x, 3).unwrap_err();
        assert!(refused.to_string().contains("on purpose"), "{refused}");
        assert!(matches!(device.stream(), Err(Error::DeviceLost { .. })));
        drop((stream, x, device));
        Device::open("software").unwrap();
    }

    #[test]
    fn a_wait_for_memory_ends_with_the_device() {
        let device = Device::open("software").unwrap();
        let engine = &device.shared().engine;
        std::thread::scope(|scope| {
            let wait = || futures::executor::block_on(engine.until_memory(|| Ok(None::<()>)));
            let waiting = scope.spawn(wait);
            while !engine.role.try_drive(|state| state.break_down(engine, "on purpose")) {
                std::thread::yield_now();
            }
            let told = waiting.join().unwrap().unwrap_err();
            assert!(told.to_string().contains("on purpose"), "{told}");
            assert!(wait().is_err(), "and who comes later");
        });
    }

    #[test]
    fn what_a_kernel_captured_may_panic_when_it_is_dropped() {
        struct Grudge;
        impl Drop for Grudge {
            fn drop(&mut self) {
                panic!("a captured value panics");
            }
        }
        let device = Device::builder().selector("software").open().unwrap();
        let (stream, x) = (device.stream().unwrap(), device.alloc::<u32>(16).unwrap());
        let grudge = Grudge;
        let kernel = RustKernel::new("keeps").write::<u32>().body(move |block| {
            let _kept = &grudge;
            block.write::<u32>(0)?.fill(7);
            Ok(())
        });
        let module = device.load(&ModuleSource::new().rust([kernel])).unwrap();
        let kernel = module.kernel("keeps").unwrap();
        let done = stream.try_launch(&kernel, 1, args![x.write()]).unwrap();
        // The launch holds the last reference now, unless it is through already; then this thread meets the panic.
        let _met_here = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop((module, kernel))));
        done.wait().unwrap();
        let out = futures::executor::block_on(async { stream.copy_out(&x).await?.await }).unwrap();
        assert_eq!(out, [7; 16]);
    }
}
