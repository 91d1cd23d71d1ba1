//! What travels between guest and host: requests, work, answers, and the record of a message.
//!
//! The bytes of a message are counted, not built: guest and host share a process, so a message carries typed values. Work
//! (submissions, signals, GPU waits) is the hot part: it is posted when asynchronous messages are on and allocates
//! nothing for up to four objects. Everything else is a request that waits for its answer.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::software::descriptor::PrivateFd;
use crate::software::host::{Mappable, Parts};
use crate::status::NtStatus;

/// The host's number of a guest process.
pub type ProcessKey = u32;
/// Sync-object handles with the value to wait for or to signal.
pub type FenceList = SmallVec<[(u32, u64); 4]>;

/// Where a message is addressed to, which decides its ring when asynchronous messages are off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The virtual GPU.
    VirtualGpu,
    /// The virtual machine's own channel.
    Global,
}

/// The outside of a message.
#[derive(Clone, Copy, Debug)]
pub struct Envelope {
    /// The protocol's name of the command, without prefix.
    pub command: &'static str,
    /// Where it goes.
    pub target: Target,
    /// Payload bytes, without the routing prefix.
    pub payload: u32,
}

/// Submissions, signals and GPU waits.
#[derive(Clone, Debug)]
pub enum Work {
    /// Run a command buffer on a context or a hardware queue.
    Submit {
        /// A context, or a hardware queue if `fence` is given.
        queue: u32,
        /// Where the command buffer lies in the GPU's address space.
        command_buffer: u64,
        /// Its length in bytes.
        length: u32,
        /// The value the queue's progress fence takes afterwards.
        fence: Option<u64>,
    },
    /// Signal objects after what the queues hold, or at once if no queue is named.
    Signal {
        /// Contexts or hardware queues.
        queues: SmallVec<[u32; 2]>,
        /// Objects with their values.
        objects: FenceList,
        /// Whether a lower value is allowed.
        allow_rewind: bool,
        /// The guest event to raise instead.
        event: Option<u64>,
    },
    /// Hold a queue until every object has reached its value.
    Wait {
        /// A context or a hardware queue.
        queue: u32,
        /// Objects with their values.
        objects: FenceList,
    },
}

/// One allocation of a creation request.
#[derive(Clone, Debug, Default)]
pub struct NewAllocation {
    /// The driver's private data of it.
    pub private_data: Vec<u8>,
    /// The size a standard allocation asks for.
    pub standard_size: Option<u64>,
    /// The backing comes from the caller with a later message.
    pub existing_memory: bool,
}

/// What a sync object is created as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncKind {
    /// A fence in a page of IO space.
    MonitoredFence,
    /// Raises a guest event whenever it is signalled.
    CpuNotification(u64),
    /// A fence without a page.
    LegacyFence,
    /// Mutexes, semaphores, whatever else.
    Other,
}

/// One step of an address-space update.
#[derive(Clone, Copy, Debug)]
pub enum VaUpdate {
    /// Map `allocation` at `base`.
    Map {
        /// GPU virtual address.
        base: u64,
        /// Bytes.
        size: u64,
        /// The allocation.
        allocation: u32,
        /// Byte offset into it.
        offset: u64,
        /// Protection bits.
        protection: u64,
    },
    /// Unmap a range.
    Unmap {
        /// GPU virtual address.
        base: u64,
        /// Bytes.
        size: u64,
    },
    /// Map at `destination` what is mapped at `source`.
    Copy {
        /// GPU virtual address.
        source: u64,
        /// Bytes.
        size: u64,
        /// GPU virtual address.
        destination: u64,
    },
}

/// Requests that wait for an answer.
#[derive(Debug)]
#[allow(missing_docs, reason = "the variants carry the arguments of the protocol's commands of the same name")]
pub enum Request {
    CreateProcess,
    DestroyProcess,
    CreateDevice,
    DestroyDevice {
        device: u32,
    },
    FlushDevice {
        device: u32,
    },
    DeviceState {
        device: u32,
        kind: u32,
    },
    MarkDeviceAsError {
        device: u32,
    },
    CreateContext {
        device: u32,
        node: u32,
    },
    DestroyContext {
        context: u32,
    },
    SetContextPriority {
        context: u32,
        in_process: bool,
        priority: i32,
    },
    GetContextPriority {
        context: u32,
        in_process: bool,
    },
    CreateHwQueue {
        context: u32,
    },
    DestroyHwQueue {
        queue: u32,
    },
    CreatePagingQueue {
        device: u32,
    },
    DestroyPagingQueue {
        queue: u32,
    },
    StandardAllocationData {
        size: u64,
    },
    CreateAllocations {
        device: u32,
        resource: Option<u32>,
        create_resource: bool,
        shared: bool,
        allocations: Vec<NewAllocation>,
    },
    DestroyAllocations {
        device: u32,
        resource: u32,
        allocations: Vec<u32>,
    },
    SetExistingMemory {
        allocation: u32,
        address: u64,
        length: u64,
        writable: bool,
    },
    OpenResource {
        parts: Arc<Parts>,
        device: u32,
    },
    Lock {
        allocation: u32,
    },
    Unlock {
        allocation: u32,
    },
    MakeResident {
        paging_queue: u32,
        allocations: Vec<u32>,
    },
    Evict {
        device: u32,
        allocations: Vec<u32>,
    },
    OfferOrReclaim {
        paging_queue: Option<u32>,
        allocations: Vec<u32>,
    },
    UpdateAllocationProperty {
        paging_queue: u32,
        allocation: u32,
    },
    QueryResidency {
        allocations: Vec<u32>,
    },
    SetAllocationPriority {
        allocations: Vec<(u32, u32)>,
    },
    GetAllocationPriority {
        allocations: Vec<u32>,
    },
    MapVa {
        paging_queue: u32,
        base: u64,
        minimum: u64,
        maximum: u64,
        allocation: u32,
        offset_pages: u64,
        pages: u64,
        protection: u64,
    },
    ReserveVa {
        base: u64,
        minimum: u64,
        maximum: u64,
        size: u64,
    },
    FreeVa {
        base: u64,
        size: u64,
    },
    UpdateVa {
        device: u32,
        updates: Vec<VaUpdate>,
    },
    CreateSync {
        device: u32,
        kind: SyncKind,
        initial: u64,
        shared: bool,
        no_max_on_tdr: bool,
    },
    DestroySync {
        object: u32,
    },
    ShareNt {
        object: u32,
    },
    /// By number; where the fence is another process's, or gone from this one, by the file of its page.
    OpenSync {
        device: u32,
        shared: u32,
        file: Option<PrivateFd>,
    },
    ShareWithHost {
        object: u32,
    },
    WaitCpu {
        objects: FenceList,
        any: bool,
        event: u64,
    },
    Work(Work),
    AdapterInfo {
        kind: u32,
        data: Vec<u8>,
    },
    VideoMemory {
        local: bool,
    },
    ClockCalibration,
    /// Accepted without effect: escapes, reservations, heap flushes, statistics.
    Nothing,
}

/// What the host answers. Fields that a command's answer does not have stay zero.
pub struct Reply {
    /// The status in the answer; success for answers that carry none.
    pub status: NtStatus,
    /// The answer is shorter than the command's answer struct.
    pub short: bool,
    /// The main handle.
    pub handle: u32,
    /// A second handle: the fence of a queue, the shared handle of an object.
    pub second: u32,
    /// The main value: paging fence, address, device state, budget.
    pub value: u64,
    /// The second value: bytes to trim, GPU address, usage.
    pub other: u64,
    /// A page for the guest to map: a fence or an allocation's memory.
    pub memory: Option<Mappable>,
    /// What a shared resource consists of.
    pub parts: Option<Arc<Parts>>,
    /// Handle and byte size of each allocation created or opened.
    pub allocations: Vec<(u32, u64)>,
    /// Anything else.
    pub bytes: Vec<u8>,
}

impl Default for Reply {
    fn default() -> Reply {
        Reply {
            status: NtStatus::SUCCESS,
            short: false,
            handle: 0,
            second: 0,
            value: 0,
            other: 0,
            memory: None,
            parts: None,
            allocations: Vec::new(),
            bytes: Vec::new(),
        }
    }
}

impl Reply {
    /// An answer that is nothing but a status.
    pub fn status(status: NtStatus) -> Reply {
        Reply { status, ..Reply::default() }
    }

    /// Success with the main handle.
    pub fn handle(handle: u32) -> Reply {
        Reply { handle, ..Reply::default() }
    }
}

/// An answer given in the host's place, once: for tests of what the driver makes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostAnswer {
    /// The command is not carried out; its answer carries this status.
    Status(NtStatus),
    /// The command is not carried out; its answer is all zero, whatever the status says.
    Zeroes {
        /// What the message log shows.
        status: NtStatus,
    },
    /// The command is not carried out; only the four bytes of this status are answered.
    FourBytes(NtStatus),
}

/// A message as the log keeps it, in the order of handling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedMessage {
    /// The protocol's name of the command, without prefix.
    pub command: &'static str,
    /// Posted, not a round trip.
    pub posted: bool,
    /// The host's status.
    pub status: NtStatus,
    /// Payload bytes with the routing prefix.
    pub payload_bytes: u32,
    /// Bytes it took in the ring.
    pub ring_bytes: u32,
}

/// Whether the answer to a command is longer than the four bytes of a status or handle, as the protocol's structs say.
pub fn answer_is_long(command: &str) -> bool {
    matches!(
        command,
        "MAKERESIDENT"
            | "EVICT"
            | "MAPGPUVIRTUALADDRESS"
            | "RESERVEGPUVIRTUALADDRESS"
            | "CREATEALLOCATION"
            | "LOCK2"
            | "GETDEVICESTATE"
            | "CREATESYNCOBJECT"
            | "CREATECONTEXTVIRTUAL"
            | "CREATEHWQUEUE"
            | "CREATEPAGINGQUEUE"
            | "QUERYADAPTERINFO"
            | "QUERYVIDEOMEMORYINFO"
            | "QUERYSTATISTICS"
            | "QUERYCLOCKCALIBRATION"
            | "RECLAIMALLOCATIONS"
            | "UPDATEALLOCATIONPROPERTY"
            | "QUERYALLOCATIONRESIDENCY"
            | "GETALLOCATIONPRIORITY"
            | "GETCONTEXTSCHEDULINGPRIORITY"
            | "OPENSYNCOBJECT"
            | "OPENRESOURCE"
            | "SHAREOBJECTWITHHOST"
            | "DDIGETSTANDARDALLOCATIONDRIVERDATA"
    )
}
