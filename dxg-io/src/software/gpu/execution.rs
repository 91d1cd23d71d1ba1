//! One command buffer in execution.
//!
//! The engine copies a command buffer out of GPU memory before it decodes it: a guest that scribbles on it meanwhile
//! changes nothing, and arguments are 16-byte aligned and private to the launch. [`Journal`] is where the buffer wants
//! failures recorded. Shared read-only between the thread that executes, worker threads and the watchdog; the
//! atomics are what the watchdog looks at.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
};

use super::{
    DeviceKey, Fault, FaultReason, FenceKey, QueueKey,
    address_space::{AddressSpace, Segment},
    resolver::Resolver,
};
use crate::software::{
    kernel::binding::Unresolved,
    packet::{Commands, FailureCode, FailureRecord, MAGIC, PacketError, STATUS_BLOCK_BYTES, StatusBlock},
};

/// The longest command buffer.
const MAX_BYTES: u32 = 64 << 20;

/// Bytes at a 16-byte aligned address.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    words: Vec<u128>,
    len: usize,
}

impl Snapshot {
    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        // SAFETY: needed to see 16-byte words as bytes. `len` is at most 16 times the number of words, and u128 has no
        // padding.
        unsafe { std::slice::from_raw_parts(self.words.as_ptr().cast(), self.len) }
    }

    /// The buffer, for the next snapshot.
    pub(super) fn into_words(self) -> Vec<u128> {
        self.words
    }

    /// Copies `len` bytes from GPU address `va`; `words` is room to reuse.
    fn fetch(mut words: Vec<u128>, resolver: &mut Resolver, va: u64, len: u32) -> Result<Self, Fault> {
        if len > MAX_BYTES {
            return Err(bad_packet("the command buffer is longer than 64 MiB", va));
        }
        let len = len as usize;
        let count = len.div_ceil(16);
        if words.len() < count {
            words.resize(count, 0);
        }
        let mut done = 0;
        while done < len {
            let extent = resolver.extent(va.wrapping_add(done as u64), false).map_err(|error| bad_address(error, 0))?;
            let part = (len - done).min(usize::try_from(extent.bytes).unwrap_or(usize::MAX));
            // SAFETY: the source is mapped memory that the resolver holds, the destination lies in `words`, which has at
            // least `len` bytes; they are different memory. A guest may write the source at the same time: then the copy
            // holds some mixture of bytes, which the decoder treats as hostile anyway.
            unsafe {
                let destination = words.as_mut_ptr().cast::<u8>().add(done);
                std::ptr::copy_nonoverlapping(extent.host, destination, part);
            }
            done += part;
        }
        Ok(Self { words, len })
    }
}

/// One command buffer in execution.
#[derive(Debug)]
pub(super) struct Execution {
    pub(super) queue: QueueKey,
    pub(super) device: DeviceKey,
    pub(super) progress: Option<FenceKey>,
    pub(super) fence_value: u64,
    pub(super) space: Arc<AddressSpace>,
    pub(super) snapshot: Snapshot,
    pub(super) journal: Journal,
    /// Engine time at which the running launch started, plus one; 0 between launches.
    started: AtomicU64,
    /// Offset of the packet that runs inline.
    packet: AtomicUsize,
    /// Tag of the operation that runs.
    op_tag: AtomicU64,
    /// The device is lost or gone: whoever executes stops where it can, and its results count no more.
    abandoned: AtomicBool,
}

/// What an `Execute` item asks for.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) queue: QueueKey,
    pub(super) device: DeviceKey,
    pub(super) progress: Option<FenceKey>,
    /// What that fence has reached.
    pub(super) reached: Option<u64>,
    pub(super) fence_value: u64,
    pub(super) space: Arc<AddressSpace>,
    pub(super) command_buffer: u64,
    pub(super) length: u32,
}

impl Request {
    /// Whether the command buffer does not begin as this GPU's do: it is in some vendor's format.
    #[cold]
    pub(super) fn is_foreign(&self, resolver: &mut Resolver) -> bool {
        resolver.begin(self.space.clone());
        match resolver.extent(self.command_buffer, false) {
            // SAFETY: the resolver holds this memory, of which four bytes are there; a guest may write it meanwhile, which
            // makes it any number.
            Ok(extent) if extent.bytes >= 4 => unsafe { extent.host.cast::<u32>().read_unaligned() != MAGIC },
            _ => true,
        }
    }
}

impl Execution {
    /// Fetches the command buffer and checks its header; answers with the offset of the first packet. Uses the room of
    /// `spare`, an execution that was finished.
    pub(super) fn begin(
        request: Request,
        mut spare: Option<Arc<Self>>,
        resolver: &mut Resolver,
    ) -> Result<(Arc<Self>, usize), Fault> {
        resolver.begin(request.space.clone());
        let idle = spare.as_mut().and_then(Arc::get_mut);
        let words = idle.map(|idle| std::mem::take(&mut idle.snapshot).into_words()).unwrap_or_default();
        let snapshot = Snapshot::fetch(words, resolver, request.command_buffer, request.length)?;
        let (header, commands) =
            Commands::parse(snapshot.bytes()).map_err(|error| packet_fault(error, request.command_buffer))?;
        if header.after.is_some_and(|after| request.reached.is_some_and(|reached| reached != after)) {
            let what = "a command buffer before this one did not arrive";
            return Err(packet_fault(PacketError { offset: 0, what }, request.command_buffer));
        }
        let offset = commands.offset();
        let journal = Journal::new(&request.space, header.status_va, header.poison_va)?;
        let execution = Self {
            queue: request.queue,
            device: request.device,
            progress: request.progress,
            fence_value: request.fence_value,
            space: request.space,
            snapshot,
            journal,
            started: AtomicU64::new(0),
            packet: AtomicUsize::new(offset),
            op_tag: AtomicU64::new(0),
            abandoned: AtomicBool::new(false),
        };
        let Some(mut spare) = spare else { return Ok((Arc::new(execution), offset)) };
        match Arc::get_mut(&mut spare) {
            Some(place) => *place = execution,
            None => spare = Arc::new(execution),
        }
        Ok((spare, offset))
    }

    /// A finished execution lets go of everything but its room; `false` if somebody still looks at it.
    pub(super) fn let_go(self: &mut Arc<Self>, nowhere: &Arc<AddressSpace>) -> bool {
        let Some(idle) = Arc::get_mut(self) else { return false };
        idle.space = nowhere.clone();
        idle.journal = Journal::none();
        true
    }

    /// The packet at `offset` is next.
    #[inline]
    pub(super) fn packet_starts(&self, offset: usize) {
        self.packet.store(offset, Ordering::Relaxed);
    }

    pub(super) fn packet(&self) -> usize {
        self.packet.load(Ordering::Relaxed)
    }

    /// A launch starts, or has shown that it goes on.
    #[inline]
    pub(super) fn launch_starts(&self, now: u64) {
        self.started.store(now.saturating_add(1), Ordering::Relaxed);
    }

    /// No launch runs.
    #[inline]
    pub(super) fn launch_ended(&self) {
        self.started.store(0, Ordering::Relaxed);
    }

    /// This operation is next: for the status block and for the fault record of a timeout.
    #[inline]
    pub(super) fn operation_starts(&self, op_tag: u64) {
        self.op_tag.store(op_tag, Ordering::Relaxed);
        self.journal.breadcrumb(op_tag);
    }

    pub(super) fn op_tag(&self) -> u64 {
        self.op_tag.load(Ordering::Relaxed)
    }

    /// Whether a launch has been running for longer than `limit`.
    pub(super) fn is_overdue(&self, now: u64, limit: u64) -> bool {
        match self.started.load(Ordering::Relaxed) {
            0 => false,
            started => now.saturating_sub(started - 1) > limit,
        }
    }

    pub(super) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Release);
    }

    #[inline]
    pub(super) fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Acquire)
    }
}

/// The status block and the poison array of a command buffer. Holds their memory.
#[derive(Debug)]
pub(super) struct Journal {
    status: Option<*mut u8>,
    poison: *mut u64,
    /// Stream slots of the poison array; without one, none.
    streams: u64,
    poison_va: u64,
    _held: [Option<Segment>; 2],
}

// SAFETY: needed because of the raw pointers; they point into memory that `_held` keeps and are only used through atomics
// and, for the failure record, under a lock.
unsafe impl Send for Journal {}
// SAFETY: as above.
unsafe impl Sync for Journal {}

impl Journal {
    /// Nowhere to record anything.
    const fn none() -> Self {
        Self { status: None, poison: std::ptr::null_mut(), streams: 0, poison_va: 0, _held: [None, None] }
    }

    fn new(space: &AddressSpace, status_va: u64, poison_va: u64) -> Result<Self, Fault> {
        let find = |va: u64, bytes: u64| -> Result<Option<(Segment, *mut u8)>, Fault> {
            if va == 0 {
                return Ok(None);
            }
            let segment = space.find(va).filter(|segment| segment.writable && segment.end - va >= bytes);
            let segment = segment.ok_or(Fault { reason: FaultReason::BadAddress, address: va, op_tag: 0 })?;
            let host = segment.host.wrapping_add((va - segment.start) as usize);
            Ok(Some((segment, host)))
        };
        let status = find(status_va, STATUS_BLOCK_BYTES as u64)?;
        let poison = find(poison_va, 8)?;
        let streams = poison.as_ref().map_or(0, |(segment, _)| (segment.end - poison_va) / 8);
        let pointer = poison.as_ref().map_or(std::ptr::null_mut(), |(_, host)| host.cast());
        Ok(Self {
            status: status.as_ref().map(|(_, host)| *host),
            poison: pointer,
            streams,
            poison_va,
            _held: [status.map(|(segment, _)| segment), poison.map(|(segment, _)| segment)],
        })
    }

    #[inline]
    fn breadcrumb(&self, op_tag: u64) {
        if let Some(status) = self.status {
            // SAFETY: the status block is mapped, held and 8-byte aligned (its address is, and segments are page
            // aligned); breadcrumb is its first field.
            unsafe { AtomicU64::from_ptr(status.cast()) }.store(op_tag, Ordering::Relaxed);
        }
    }

    #[inline]
    fn slot(&self, stream: u32) -> Result<Option<&AtomicU64>, Fault> {
        if self.poison_va == 0 {
            return Ok(None);
        }
        if u64::from(stream) >= self.streams {
            let address = self.poison_va.saturating_add(u64::from(stream) * 8);
            return Err(Fault { reason: FaultReason::BadAddress, address, op_tag: 0 });
        }
        // SAFETY: the slot lies inside the held, mapped, 8-byte aligned poison array.
        Ok(Some(unsafe { AtomicU64::from_ptr(self.poison.add(stream as usize)) }))
    }

    /// Tag of the operation that poisoned the stream, 0 for none.
    #[inline]
    pub(super) fn poison_of(&self, stream: u32) -> Result<u64, Fault> {
        Ok(self.slot(stream)?.map_or(0, |slot| slot.load(Ordering::Relaxed)))
    }

    /// Whether an operation is not to be run, because one before it on its stream failed. Operations of one wave run in any
    /// order: one that comes before the failed one on its stream still runs after it here.
    #[inline]
    pub(super) fn skips(&self, stream: u32, op_tag: u64) -> Result<bool, Fault> {
        let poison = self.poison_of(stream)?;
        Ok(poison != 0 && poison <= op_tag)
    }

    /// Passes a failure of `src` on to `dst`, where it begins with the operation that depends.
    pub(super) fn depend(&self, dst: u32, dst_tag: u64, src: u32, src_tag: u64) -> Result<(), Fault> {
        self.slot(dst)?;
        let poison = self.poison_of(src)?;
        if poison != 0 && poison <= src_tag {
            self.poison(dst, dst_tag)?;
        }
        Ok(())
    }

    fn poison(&self, stream: u32, op_tag: u64) -> Result<(), Fault> {
        if let Some(slot) = self.slot(stream)? {
            // The first failure stays: first on the stream, whichever was found first.
            let earlier = |now: u64| (now == 0 || op_tag < now).then_some(op_tag);
            let _stays = slot.fetch_update(Ordering::Relaxed, Ordering::Relaxed, earlier);
        }
        Ok(())
    }

    /// Records a failed operation and poisons its stream. Without a poison array there is nowhere to say so: a fault.
    #[cold]
    pub(super) fn fail(&self, op_tag: u64, stream: u32, failure: &Failure) -> Result<(), Fault> {
        // Command buffers of several queues may share a status block.
        static RECORDING: Mutex<()> = Mutex::new(());
        if let Some(status) = self.status {
            let _recording = RECORDING.lock().unwrap_or_else(PoisonError::into_inner);
            let status = status.cast::<StatusBlock>();
            let mut message = [0; FailureRecord::MESSAGE_BYTES];
            let mut end = failure.message.len().min(message.len() - 1);
            while !failure.message.is_char_boundary(end) {
                end -= 1;
            }
            message[..end].copy_from_slice(&failure.message.as_bytes()[..end]);
            // SAFETY: the status block is mapped, held and aligned; one thread at a time records failures. The
            // counter is stored last, with release.
            unsafe {
                let failures = std::sync::atomic::AtomicU32::from_ptr(&raw mut (*status).failures);
                if failures.load(Ordering::Relaxed) == 0 {
                    let record = FailureRecord { op_tag, stream, code: failure.code as u32, message };
                    (&raw mut (*status).first).write(record);
                }
                failures.fetch_add(1, Ordering::Release);
            }
        }
        if self.poison_va == 0 {
            return Err(Fault { reason: FaultReason::KernelFault, address: 0, op_tag });
        }
        self.poison(stream, op_tag)
    }
}

/// Why an operation failed.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) code: FailureCode,
    pub(super) message: String,
}

/// A malformed command buffer; the address is that of the bad bytes as far as it is known.
#[cold]
pub(super) fn packet_fault(error: PacketError, command_buffer: u64) -> Fault {
    bad_packet(error.what, command_buffer.wrapping_add(error.offset as u64))
}

fn bad_packet(what: &'static str, address: u64) -> Fault {
    Fault { reason: FaultReason::BadPacket(what), address, op_tag: 0 }
}

/// An access that is not possible.
#[cold]
pub(super) fn bad_address(error: Unresolved, op_tag: u64) -> Fault {
    let address = match error {
        Unresolved::Unmapped { address } | Unresolved::Leaves { address } | Unresolved::ReadOnly { address } => address,
    };
    Fault { reason: FaultReason::BadAddress, address, op_tag }
}
