//! What the GPU knows, all under one lock: devices, queues, fences, and who waits for what.
//!
//! A queue's items run in order. At every moment a queue is in one [`Phase`]; the engine asks for the next [`Task`], runs
//! it without the lock and brings back how it ended ([`State::settle`]).
//!
//! | phase      | leaves it when                                    | by                         |
//! |------------|---------------------------------------------------|----------------------------|
//! | Idle       | an item is added                                  | `enqueue`                  |
//! | Ready      | the engine takes it                               | `next_task`                |
//! | Waiting    | a fence that its front item names changes         | `follow`                   |
//! | Timed      | the modelled time of its work has come            | `next_task`                |
//! | Running    | the engine brings its task back                   | `settle`                   |
//! | Pooled     | a worker brings its packet back                   | `pool_ended`               |
//! | Conflicted | any pooled packet ends                            | `pool_ended`               |

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use super::{
    DeviceKey, Fault, FenceKey, GpuError, ProcessKey, QueueItem, QueueKey,
    address_space::AddressSpace,
    engine::{Active, Engine, Outcome},
    execution::{Execution, Request},
    fence::{Consequences, Fences, LOOK_NS},
    pool::PoolLaunch,
    ranges::RangeSet,
    slab::Slab,
};

#[derive(Debug)]
pub(super) struct Device {
    space: Arc<AddressSpace>,
    queues: Vec<QueueKey>,
    pub(super) fault: Option<Fault>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Idle,
    Ready,
    Waiting,
    Timed,
    Running,
    Pooled,
    Conflicted,
}

#[derive(Debug)]
struct Queue {
    device: DeviceKey,
    progress: Option<FenceKey>,
    space: Arc<AddressSpace>,
    items: VecDeque<QueueItem>,
    /// A command buffer that is not finished and not in the hands of the engine or a worker.
    active: Option<Active>,
    phase: Phase,
    /// Modelled time up to which the queue is busy.
    time: u64,
    lost: bool,
}

/// Something to tell the host side, once the lock is released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Cpu { event: u64, at: u64 },
    Lost { device: DeviceKey, at: u64 },
}

/// Work for the engine.
#[derive(Debug)]
pub(super) enum Task {
    Begin(Request, u64),
    Resume(Active, u64),
}

/// A packet on the worker pool (or a hung launch), and the memory it uses.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) execution: Arc<Execution>,
    pub(super) ranges: Arc<RangeSet>,
}

#[derive(Default)]
pub(super) struct State {
    devices: HashMap<DeviceKey, Device>,
    processes: HashMap<ProcessKey, Arc<AddressSpace>>,
    queues: Slab<Queue>,
    pub(super) fences: Fences,
    ready: VecDeque<QueueKey>,
    timed: Vec<(u64, QueueKey)>,
    conflicted: Vec<QueueKey>,
    pub(super) running: Vec<Running>,
    /// Packets that have ended, now and when the engine took its task.
    ended: (u64, u64),
    /// The engine, unless a thread is inside `run` with it.
    pub(super) engine: Option<Box<Engine>>,
    /// Counts engines: a thread whose engine was replaced, because its launch hung, finds out by this.
    pub(super) epoch: u64,
    pub(super) outbox: Vec<Event>,
    consequences: Consequences,
    /// When fences that other processes may signal are looked at next.
    next_look: Option<u64>,
}

impl State {
    pub(super) fn space(&mut self, process: ProcessKey) -> Arc<AddressSpace> {
        self.processes.entry(process).or_default().clone()
    }

    pub(super) fn remove_space(&mut self, process: ProcessKey) -> Option<Arc<AddressSpace>> {
        self.processes.remove(&process)
    }

    pub(super) fn create_device(&mut self, key: DeviceKey, process: ProcessKey) {
        let space = self.space(process);
        self.devices.insert(key, Device { space, queues: Vec::new(), fault: None });
    }

    pub(super) fn destroy_device(&mut self, key: DeviceKey) {
        let Some(device) = self.devices.remove(&key) else { return };
        for queue in device.queues {
            self.queues.remove(queue.0);
        }
        self.running.iter().filter(|running| running.execution.device == key).for_each(|r| r.execution.abandon());
    }

    /// Drops all devices with their work.
    pub(super) fn clear(&mut self) {
        let devices: Vec<DeviceKey> = self.devices.keys().copied().collect();
        devices.into_iter().for_each(|device| self.destroy_device(device));
    }

    pub(super) fn device(&self, key: DeviceKey) -> Option<&Device> {
        self.devices.get(&key)
    }

    pub(super) fn create_queue(&mut self, device: DeviceKey, progress: Option<FenceKey>) -> Result<QueueKey, GpuError> {
        let owner = self.devices.get_mut(&device).ok_or(GpuError::InvalidHandle)?;
        let key = QueueKey(self.queues.insert(Queue {
            device,
            progress,
            space: owner.space.clone(),
            items: VecDeque::new(),
            active: None,
            phase: Phase::Idle,
            time: 0,
            lost: owner.fault.is_some(),
        }));
        owner.queues.push(key);
        Ok(key)
    }

    pub(super) fn destroy_queue(&mut self, key: QueueKey) {
        if let Some(queue) = self.queues.remove(key.0)
            && let Some(device) = self.devices.get_mut(&queue.device)
        {
            device.queues.retain(|other| *other != key);
        }
        self.running.iter().filter(|running| running.execution.queue == key).for_each(|r| r.execution.abandon());
    }

    pub(super) fn enqueue(&mut self, key: QueueKey, item: QueueItem, now: u64) -> Result<(), GpuError> {
        let queue = self.queues.get_mut(key.0).ok_or(GpuError::InvalidHandle)?;
        if queue.lost {
            return Err(GpuError::DeviceLost);
        }
        queue.items.push_back(item);
        if queue.phase == Phase::Idle {
            queue.time = queue.time.max(now);
            self.make_ready(key);
        }
        Ok(())
    }

    /// Sets a fence and lets go on who waited for it. Whether it was set.
    pub(super) fn signal(&mut self, key: FenceKey, value: u64, allow_rewind: bool, at: u64) -> bool {
        let set = self.fences.signal(key, value, allow_rewind, &mut self.consequences);
        self.follow(at);
        set
    }

    pub(super) fn destroy_fence(&mut self, key: FenceKey, at: u64) {
        self.fences.destroy(key, &mut self.consequences);
        self.follow(at);
    }

    /// Whether somebody waits for a fence, or will once a queue has come that far.
    pub(super) fn is_waited_for(&self, key: FenceKey) -> bool {
        let names = |item: &QueueItem| match item {
            QueueItem::Wait { fences } => fences.iter().any(|(fence, _)| *fence == key),
            _ => false,
        };
        self.fences.has_cpu_waits(key) || self.queues.values().any(|queue| queue.items.iter().any(names))
    }

    pub(super) fn wait_from_cpu(&mut self, fences: &[(FenceKey, u64)], any: bool, event: u64, at: u64) {
        self.fences.wait_from_cpu(fences, any, event, &mut self.consequences);
        self.follow(at);
    }

    fn follow(&mut self, at: u64) {
        while let Some(queue) = self.consequences.queues.pop() {
            if self.queues.get(queue.0).is_some_and(|queue| queue.phase == Phase::Waiting) {
                self.make_ready(queue);
            }
        }
        self.outbox.extend(self.consequences.events.drain(..).map(|event| Event::Cpu { event, at }));
    }

    fn make_ready(&mut self, key: QueueKey) {
        if let Some(queue) = self.queues.get_mut(key.0) {
            queue.phase = Phase::Ready;
            self.ready.push_back(key);
        }
    }

    /// When a queue that waits for its modelled time, or a look at what other processes signal, is due first.
    pub(super) fn next_deadline(&self) -> Option<u64> {
        self.timed.iter().map(|(deadline, _)| *deadline).chain(self.next_look).min()
    }

    /// Looks at fences that other processes may have signalled.
    fn look_at_others(&mut self, now: u64) {
        let waited_for = self.fences.look(&mut self.consequences);
        self.follow(now);
        self.next_look = waited_for.then(|| now + LOOK_NS);
    }

    /// The next command buffer to work on; handles all other items on the way.
    pub(super) fn next_task(&mut self, now: u64) -> Option<Task> {
        // Also once the last such fence is gone: the next look that was planned for it must not stay a deadline.
        if self.fences.any_watched() || self.next_look.is_some() {
            self.look_at_others(now);
        }
        let mut index = 0;
        while let Some((deadline, queue)) = self.timed.get(index).copied() {
            if deadline > now {
                index += 1;
                continue;
            }
            self.timed.swap_remove(index);
            if self.queues.get(queue.0).is_some_and(|queue| queue.phase == Phase::Timed) {
                self.make_ready(queue);
            }
        }
        while let Some(key) = self.ready.pop_front() {
            if let Some(task) = self.step(key, now) {
                self.ended.1 = self.ended.0;
                return Some(task);
            }
        }
        None
    }

    /// Handles the items of one queue up to the next command buffer.
    fn step(&mut self, key: QueueKey, now: u64) -> Option<Task> {
        loop {
            let queue = self.queues.get_mut(key.0).filter(|queue| queue.phase == Phase::Ready)?;
            if let Some(active) = queue.active.take() {
                queue.phase = Phase::Running;
                return Some(Task::Resume(active, queue.time));
            }
            let Some(item) = queue.items.pop_front() else {
                queue.phase = Phase::Idle;
                return None;
            };
            match item {
                QueueItem::Execute { command_buffer, length, fence_value } => {
                    queue.phase = Phase::Running;
                    let request = Request {
                        queue: key,
                        device: queue.device,
                        progress: queue.progress,
                        reached: queue.progress.and_then(|progress| self.fences.value(progress)),
                        fence_value,
                        space: queue.space.clone(),
                        command_buffer,
                        length,
                    };
                    return Some(Task::Begin(request, queue.time));
                }
                QueueItem::Wait { fences } => {
                    let unreached = |(fence, value): &&(FenceKey, u64)| !self.fences.reached(*fence, *value);
                    // One unreached fence is enough to wait for; the others are looked at when it has moved.
                    if let Some((fence, _)) = fences.iter().find(unreached).copied() {
                        queue.phase = Phase::Waiting;
                        queue.items.push_front(QueueItem::Wait { fences });
                        self.fences.wait_from_queue(fence, key);
                        return None;
                    }
                    queue.time = queue.time.max(now);
                }
                // What others can see happens at its modelled time.
                item if queue.time > now => {
                    queue.items.push_front(item);
                    self.wait_until(key, queue_time(self.queues.get(key.0)));
                    return None;
                }
                QueueItem::Signal { fences, allow_rewind } => {
                    for (fence, value) in fences {
                        self.signal(fence, value, allow_rewind, now);
                    }
                }
                QueueItem::CpuEvent { event } => self.outbox.push(Event::Cpu { event, at: now }),
            }
        }
    }

    fn wait_until(&mut self, key: QueueKey, deadline: u64) {
        if let Some(queue) = self.queues.get_mut(key.0) {
            queue.phase = Phase::Timed;
            self.timed.push((deadline, key));
        }
    }

    /// Takes back what the engine did for a queue; answers with a packet for the worker pool.
    pub(super) fn settle(&mut self, key: QueueKey, outcome: Outcome, time: u64, now: u64) -> Option<Box<PoolLaunch>> {
        let queue = self.queues.get_mut(key.0).filter(|queue| queue.phase == Phase::Running)?;
        queue.time = time;
        match outcome {
            Outcome::Finished(execution) => {
                if let Some(progress) = execution.progress {
                    self.signal(progress, execution.fence_value, false, now);
                }
                self.make_ready(key);
            }
            Outcome::Waiting(active, deadline) => {
                queue.active = Some(active);
                self.wait_until(key, deadline);
            }
            Outcome::Conflicted(active) => {
                queue.active = Some(active);
                queue.phase = Phase::Conflicted;
                self.conflicted.push(key);
                if self.ended.0 != self.ended.1 {
                    // What it conflicted with may have ended meanwhile.
                    self.release_conflicted();
                }
            }
            Outcome::Pooled(launch) => {
                queue.phase = Phase::Pooled;
                self.running.push(Running { execution: launch.execution().clone(), ranges: launch.ranges().clone() });
                return Some(launch);
            }
            Outcome::Fault(fault) => {
                let device = queue.device;
                self.lose(device, fault, now);
            }
            Outcome::Abandoned => queue.phase = Phase::Idle,
            Outcome::Foreign(progress, value) => {
                if let Some(progress) = progress {
                    self.signal(progress, value, false, now);
                }
                self.make_ready(key);
            }
        }
        None
    }

    /// A worker brings a packet back.
    pub(super) fn pool_ended(&mut self, active: Active, fault: Option<Fault>, now: u64) {
        let execution = active.execution.clone();
        self.forget_running(&execution);
        if execution.is_abandoned() {
            return;
        }
        let Some(queue) = self.queues.get_mut(execution.queue.0).filter(|queue| queue.phase == Phase::Pooled) else {
            return;
        };
        if let Some(fault) = fault {
            let device = queue.device;
            self.lose(device, fault, now);
        } else {
            queue.active = Some(active);
            self.make_ready(execution.queue);
        }
    }

    /// A packet does not use its memory any more.
    pub(super) fn forget_running(&mut self, execution: &Arc<Execution>) {
        self.running.retain(|running| !Arc::ptr_eq(&running.execution, execution));
        self.release_conflicted();
    }

    /// The queue's launch, which was given up, has ended after all.
    pub(super) fn forget_running_of(&mut self, queue: QueueKey) {
        self.running.retain(|running| running.execution.queue != queue);
        self.release_conflicted();
    }

    fn release_conflicted(&mut self) {
        self.ended.0 += 1;
        for queue in std::mem::take(&mut self.conflicted) {
            if self.queues.get(queue.0).is_some_and(|queue| queue.phase == Phase::Conflicted) {
                self.make_ready(queue);
            }
        }
    }

    /// Loses a device: its work is dropped, its fences go to the maximum. The first fault stays.
    pub(super) fn lose(&mut self, key: DeviceKey, fault: Fault, now: u64) {
        let Some(device) = self.devices.get_mut(&key) else { return };
        if device.fault.is_some() {
            return;
        }
        device.fault = Some(fault);
        for queue in &device.queues {
            if let Some(queue) = self.queues.get_mut(queue.0) {
                queue.lost = true;
                queue.items.clear();
                queue.active = None;
                queue.phase = Phase::Idle;
            }
        }
        self.running.iter().filter(|running| running.execution.device == key).for_each(|r| r.execution.abandon());
        self.fences.lose(key, &mut self.consequences);
        self.follow(now);
        self.outbox.push(Event::Lost { device: key, at: now });
    }
}

fn queue_time(queue: Option<&Queue>) -> u64 {
    queue.map_or(0, |queue| queue.time)
}
