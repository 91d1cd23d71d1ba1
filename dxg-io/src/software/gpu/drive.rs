//! Drives the GPU.
//!
//! Whoever calls [`Shared::run`] takes the one [`Engine`] (scratch memory and the cost model) out of the state, executes
//! what is due on its own thread without holding a lock, and puts it back. Whoever finds it gone returns at once: the
//! thread inside looks for new work, under the lock, before it leaves.
//!
//! | what                  | who touches it                                                              |
//! |-----------------------|-----------------------------------------------------------------------------|
//! | [`State`]             | everybody, under its lock, never while executing or calling out               |
//! | [`Engine`]            | the thread that took it                                                      |
//! | an [`Execution`]      | read by all; its packets are run by the engine or by one launch on the pool   |
//! | memory of a launch    | the launch; what conflicts with one on the pool is not started                |
//! | the watch             | under its lock, which may be taken while the state's is held, not vice versa  |

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};

use super::{
    QueueKey, Shared,
    engine::{Active, Engine, Outcome},
    execution::Execution,
    state::{Event, State, Task},
};

impl Shared {
    #[inline]
    pub(super) fn now(&self) -> u64 {
        (self.clock)()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends what has gathered in the outbox. Takes the guard, so that no lock is held meanwhile.
    pub(super) fn deliver(&self, mut state: MutexGuard<'_, State>) {
        if state.outbox.is_empty() {
            return;
        }
        let events = std::mem::take(&mut state.outbox);
        drop(state);
        for event in events {
            match event {
                Event::Cpu { event, at } => self.events.cpu_event(event, at),
                Event::Lost { device, at } => self.events.device_state_changed(device, at),
            }
        }
    }

    /// Executes what is due on this thread. See [`super::Gpu::run`].
    pub(super) fn run(self: &Arc<Self>, mut now: u64) -> Option<u64> {
        let mut state = self.lock();
        let mut engine = state.engine.take()?;
        let epoch = state.epoch;
        while let Some(task) = state.next_task(now) {
            engine.busy.clear();
            engine.busy.extend(state.running.iter().map(|running| running.ranges.clone()));
            self.deliver(state);
            let (queue, outcome, time) = self.execute(&mut engine, task, now);
            now = now.max(self.now());
            state = self.lock();
            if state.epoch != epoch {
                // The watchdog has given up on this thread's launch and replaced the engine.
                state.forget_running_of(queue);
                self.deliver(state);
                return None;
            }
            if let Outcome::Finished(execution) = &outcome {
                let execution = execution.clone();
                state.settle(queue, outcome, time, now);
                engine.recycle(execution);
            } else if let Some(launch) = state.settle(queue, outcome, time, now) {
                self.pool.start(launch);
            }
        }
        let deadline = state.next_deadline();
        state.engine = Some(engine);
        self.deliver(state);
        deadline
    }

    /// Runs a step of a command buffer, under the watchdog's eyes.
    fn execute(self: &Arc<Self>, engine: &mut Engine, task: Task, now: u64) -> (QueueKey, Outcome, u64) {
        engine.resolver.verify = self.verify.load(Ordering::Relaxed);
        let (active, mut time) = match task {
            Task::Begin(request, time)
                if self.parameters.complete_foreign_commands && request.is_foreign(&mut engine.resolver) =>
            {
                engine.resolver.clear();
                return (request.queue, Outcome::Foreign(request.progress, request.fence_value), time.max(now));
            }
            Task::Begin(request, time) => {
                let (queue, spare) = (request.queue, engine.spare.pop());
                match Execution::begin(request, spare, &mut engine.resolver) {
                    Ok((execution, offset)) => (Active { execution, offset, pooled: None }, time.max(now)),
                    Err(fault) => {
                        engine.resolver.clear();
                        return (queue, Outcome::Fault(fault), time);
                    }
                }
            }
            Task::Resume(active, time) => {
                engine.resolver.begin(active.execution.space.clone());
                (active, time)
            }
        };
        let execution = active.execution.clone();
        self.watch_begin(&execution);
        let outcome = engine.advance(self, active, &mut time, now);
        execution.launch_ended();
        engine.resolver.clear();
        self.watch_end(&execution);
        (execution.queue, outcome, time)
    }

    /// Advances the progress fence inside a command buffer; `false`: its device is gone or lost.
    pub(super) fn progress(&self, execution: &Execution, value: u64, now: u64) -> bool {
        let Some(fence) = execution.progress else { return true };
        let mut state = self.lock();
        if execution.is_abandoned() {
            return false;
        }
        state.signal(fence, value, false, now);
        self.deliver(state);
        true
    }
}
