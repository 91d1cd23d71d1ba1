//! What is simulated: clients, each a thread of its own that enqueues operations and waits for them.

/// Operation streams of one or more clients.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Workload {
    /// Each runs beside the others, as if on a core of its own.
    pub clients: Vec<Client>,
    /// How a client waits at a sync.
    pub wait: Wait,
}

/// How a client learns that what it waits for is complete.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wait {
    /// It reads the fence in a loop: it goes on when the fence moves.
    #[default]
    Poll,
    /// It sleeps: it goes on one wake-up ([`Parameters::wake_up_us`](crate::Parameters)) after the fence has moved.
    Sleep,
}

/// One client: a host thread.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Client {
    /// Nanoseconds after which it begins.
    pub start: u64,
    /// How many streams it has; its operations name them 0 to `streams` - 1. No stream is shared between clients.
    pub streams: u32,
    /// What it does, in order. After the last action it waits for whatever is left.
    pub actions: Vec<Action>,
}

/// One step of a client.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Action {
    /// It computes for so many nanoseconds.
    Think(u64),
    /// It enqueues an operation, which takes it [`ENQUEUE_NS`](super::ENQUEUE_NS).
    Enqueue(SimOperation),
    /// It waits until everything it has enqueued is complete.
    Sync,
}

/// One operation. It runs after everything before it in its stream.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SimOperation {
    /// The client's own number of the stream, from 0.
    pub stream: u32,
    /// What it does.
    pub work: SimWork,
    /// Nanoseconds it runs on the GPU, its launch cost not included.
    pub gpu: u64,
    /// Operations of one wave with the same value may run as one; usually the line of the trace.
    pub merge: Option<u64>,
    /// Which kernel it is, as far as measured times go: small and dense numbers. Unused by copies and fills.
    pub kernel: u32,
}

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SimWork {
    /// A launch of so many blocks.
    Launch {
        /// Blocks of its grid.
        blocks: u64,
    },
    /// A copy of so many bytes, on the copy engine of its direction.
    Copy {
        /// The direction.
        kind: SimCopy,
        /// Bytes.
        bytes: u64,
    },
    /// A fill of so many bytes, on the engine of copies inside the device.
    Fill {
        /// Bytes.
        bytes: u64,
    },
}

/// The direction of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SimCopy {
    /// Host to device.
    HostToDevice,
    /// Device to host.
    DeviceToHost,
    /// Inside the device.
    DeviceToDevice,
}

impl Workload {
    /// Operations of all clients.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.clients
            .iter()
            .flat_map(|client| &client.actions)
            .filter(|action| matches!(action, Action::Enqueue(_)))
            .count() as u64
    }
}
