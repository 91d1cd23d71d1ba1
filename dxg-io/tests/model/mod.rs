//! What the driver, its host and its GPU should do, as plain data: objects with parents, fences with values, queues of
//! waits, signals and events. No handle tables, no messages, no threads.

use std::collections::VecDeque;

/// Index of an object in the model; objects are never removed.
pub type Id = usize;

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Device,
    Context,
    HwQueue,
    PagingQueue,
    Allocation,
    /// Made by the client.
    Fence,
    /// The fence of a queue: others may wait for it and signal it, but not destroy it.
    QueueFence,
}

/// One object.
#[derive(Debug)]
pub struct Object {
    pub kind: Kind,
    /// It goes with this one: a queue with its context, everything with its device.
    pub parent: Option<Id>,
    pub device: Id,
    pub alive: bool,
    /// Of a fence.
    pub value: u64,
    /// Of a queue: its fence.
    pub fence: Option<Id>,
    /// Of a context or hardware queue.
    pub items: VecDeque<Item>,
    /// Of a device, a context or a queue: it is lost.
    pub lost: bool,
}

/// Work in a queue.
#[derive(Clone, Copy, Debug)]
pub enum Item {
    Wait { fence: Id, value: u64 },
    Signal { fence: Id, value: u64 },
    Event { event: usize },
}

/// A wait of the CPU that has not ended.
#[derive(Debug)]
struct CpuWait {
    device: Id,
    fences: Vec<(Id, u64)>,
    any: bool,
    event: usize,
}

/// The model's answer to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Done,
    /// `EINVAL`.
    Invalid,
}

/// The whole.
#[derive(Debug)]
pub struct Model {
    pub objects: Vec<Object>,
    /// How often each event was raised.
    pub events: Vec<u64>,
    waits: Vec<CpuWait>,
    /// Failures of posted work are not told.
    posted: bool,
}

impl Model {
    pub fn new(posted: bool, events: usize) -> Model {
        Model { objects: Vec::new(), events: vec![0; events], waits: Vec::new(), posted }
    }

    pub fn is(&self, id: Id, kind: Kind) -> bool {
        self.objects.get(id).is_some_and(|object| object.alive && object.kind == kind)
    }

    fn is_fence(&self, id: Id) -> bool {
        self.is(id, Kind::Fence) || self.is(id, Kind::QueueFence)
    }

    /// What posted work answers: the guest checks the anchor, the host the rest.
    fn work(&self, anchor: bool, rest: bool) -> (Answer, bool) {
        match (anchor, rest) {
            (false, _) => (Answer::Invalid, false),
            (true, true) => (Answer::Done, true),
            (true, false) => (if self.posted { Answer::Done } else { Answer::Invalid }, false),
        }
    }

    /// Enters what the driver made.
    pub fn add(&mut self, kind: Kind, parent: Option<Id>, value: u64) -> Id {
        let id = self.objects.len();
        let device = parent.map_or(id, |parent| self.objects[parent].device);
        // A queue of a lost device is lost; a fence shows what it was made with.
        let lost = parent.is_some() && self.objects[device].lost;
        let items = VecDeque::new();
        self.objects.push(Object { kind, parent, device, alive: true, value, fence: None, items, lost });
        id
    }

    /// Destroys an object and what goes with it.
    pub fn destroy(&mut self, id: Id) {
        let mut going = vec![id];
        let mut next = 0;
        while let Some(&id) = going.get(next) {
            next += 1;
            let children = (0..self.objects.len()).filter(|&other| {
                let object = &self.objects[other];
                object.alive
                    && (object.parent == Some(id)
                        || (self.objects[id].kind == Kind::Device && object.device == id && other != id))
            });
            let children: Vec<Id> = children.filter(|child| !going.contains(child)).collect();
            going.extend(children);
            going.extend(self.objects[id].fence.filter(|fence| self.objects[*fence].alive && !going.contains(fence)));
        }
        // Who waits on a device that goes is not told.
        if self.objects[id].kind == Kind::Device {
            self.waits.retain(|wait| wait.device != id);
        }
        for id in going {
            let object = &mut self.objects[id];
            object.alive = false;
            object.items.clear();
        }
        self.run();
    }

    /// The device fails: its fences go to the maximum, its queues drop what they hold and take nothing more.
    pub fn mark_as_error(&mut self, device: Id) -> Answer {
        if !self.is(device, Kind::Device) {
            return Answer::Invalid;
        }
        if !self.objects[device].lost {
            for object in self.objects.iter_mut().filter(|object| object.device == device) {
                object.items.clear();
                match object.kind {
                    Kind::Fence | Kind::QueueFence if object.alive => object.value = u64::MAX,
                    Kind::Device | Kind::Context | Kind::HwQueue => object.lost = true,
                    _ => {}
                }
            }
            self.run();
        }
        Answer::Done
    }

    pub fn signal_cpu(&mut self, device: Id, fence: Id, value: u64) -> Answer {
        let rises = self.is_fence(fence) && value >= self.objects[fence].value;
        let (answer, acts) = self.work(self.is(device, Kind::Device), rises);
        if acts {
            self.objects[fence].value = value;
            self.run();
        }
        answer
    }

    pub fn wait_cpu(&mut self, device: Id, fences: &[(Id, u64)], any: bool, event: usize) -> Answer {
        if !self.is(device, Kind::Device) || fences.iter().any(|(fence, _)| !self.is_fence(*fence)) {
            return Answer::Invalid;
        }
        self.waits.push(CpuWait { device, fences: fences.to_vec(), any, event });
        self.run();
        Answer::Done
    }

    /// Work for a queue of this kind; `named`: the fence that it names is one.
    fn enqueue(&mut self, queue: Id, kind: Kind, named: bool, item: Item) -> Answer {
        let takes = self.is(queue, kind) && !self.objects[queue].lost;
        let (answer, acts) = self.work(self.is(queue, kind), named && takes);
        if acts {
            self.objects[queue].items.push_back(item);
            self.run();
        }
        answer
    }

    pub fn wait_gpu(&mut self, queue: Id, kind: Kind, fence: Id, value: u64) -> Answer {
        // The driver itself looks at the first object of a context's wait.
        if kind == Kind::Context && !self.is_fence(fence) {
            return Answer::Invalid;
        }
        self.enqueue(queue, kind, self.is_fence(fence), Item::Wait { fence, value })
    }

    pub fn signal_gpu(&mut self, queue: Id, kind: Kind, fence: Id, value: u64) -> Answer {
        self.enqueue(queue, kind, self.is_fence(fence), Item::Signal { fence, value })
    }

    pub fn event_gpu(&mut self, context: Id, event: usize) -> Answer {
        self.enqueue(context, Kind::Context, true, Item::Event { event })
    }

    /// A submission without commands: the queue's fence advances in its place.
    pub fn submit(&mut self, queue: Id, value: u64) -> Answer {
        let fence = self.objects.get(queue).and_then(|object| object.fence).unwrap_or(usize::MAX);
        self.enqueue(queue, Kind::HwQueue, true, Item::Signal { fence, value })
    }

    /// A fence that is gone keeps nobody waiting.
    fn reached(&self, fence: Id, value: u64) -> bool {
        !self.objects[fence].alive || self.objects[fence].value >= value
    }

    /// Does what can be done, until nothing more can.
    fn run(&mut self) {
        let mut moved = true;
        while moved {
            moved = false;
            for id in 0..self.objects.len() {
                while let Some(&item) = self.objects[id].items.front() {
                    match item {
                        Item::Wait { fence, value } if !self.reached(fence, value) => break,
                        Item::Wait { .. } => {}
                        Item::Signal { fence, value } => {
                            let fence = &mut self.objects[fence];
                            fence.value = fence.value.max(value);
                        }
                        Item::Event { event } => self.events[event] += 1,
                    }
                    self.objects[id].items.pop_front();
                    moved = true;
                }
            }
            let waits = std::mem::take(&mut self.waits);
            for wait in waits {
                let reached = |(fence, value): &(Id, u64)| self.reached(*fence, *value);
                let over = if wait.any { wait.fences.iter().any(reached) } else { wait.fences.iter().all(reached) };
                if over {
                    self.events[wait.event] += 1;
                } else {
                    self.waits.push(wait);
                }
            }
        }
    }
}
