//! Host memory that the device copies from and to without a staging copy between.
//!
//! The device uses the memory while operations are in flight, so the host gets at it through guards that are refused as long
//! as that would be a race. The state behind it is a few counts and the operations in flight, under one lock; a copy takes it
//! when it is enqueued, never while the device runs.

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use smallvec::SmallVec;

use crate::device::DeviceTag;
use crate::error::{Error, Result};
use crate::host_memory::HostPiece;
use crate::op::Keep;
use crate::pod::Pod;
use crate::stream::StreamCore;

/// Host memory for `len` elements that the device reaches directly; made by
/// [`Device::host_buffer`](crate::Device::host_buffer). Clones are handles on the same memory.
pub struct HostBuffer<T> {
    shared: Arc<Shared>,
    len: usize,
    element: PhantomData<fn() -> T>,
}

struct Shared {
    piece: Arc<HostPiece>,
    tag: DeviceTag,
    usage: Mutex<Usage>,
}

/// Who uses the memory now.
#[derive(Default)]
struct Usage {
    host_readers: u32,
    host_writer: bool,
    /// Copies that are being enqueued.
    reserved_reads: u32,
    reserved_writes: u32,
    /// Copies in flight (and some that are over and not yet swept).
    in_flight: SmallVec<[InFlight; 2]>,
}

struct InFlight {
    stream: Arc<StreamCore>,
    ticket: u64,
    writes: bool,
}

impl Usage {
    fn sweep(&mut self) {
        self.in_flight.retain(|copy| !copy.stream.shared.timeline.is_done(copy.ticket));
    }

    fn device_reads(&self) -> bool {
        self.reserved_reads > 0 || self.in_flight.iter().any(|copy| !copy.writes)
    }

    fn device_writes(&self) -> bool {
        self.reserved_writes > 0 || self.in_flight.iter().any(|copy| copy.writes)
    }
}

impl Shared {
    fn usage(&self) -> MutexGuard<'_, Usage> {
        // The lock guards plain counts whose steps do not panic: a poisoned one is as good.
        self.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn busy(reason: &str) -> Error {
    Error::Busy { reason: reason.into() }
}

impl<T: Pod> HostBuffer<T> {
    pub(crate) fn new(mut piece: HostPiece, len: usize, tag: DeviceTag) -> Self {
        piece.write(&vec![0; piece.len()]);
        let shared = Shared { piece: Arc::new(piece), tag, usage: Mutex::default() };
        HostBuffer { shared: Arc::new(shared), len, element: PhantomData }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The contents; refused while a copy into the buffer is in flight, or a [`HostBuffer::write`] guard is alive.
    pub fn read(&self) -> Result<HostRead<'_, T>> {
        let mut usage = self.shared.usage();
        usage.sweep();
        if usage.host_writer {
            return Err(busy("a write guard is alive; drop it first"));
        }
        if usage.device_writes() {
            return Err(busy("a copy into it is in flight; await its completion first"));
        }
        usage.host_readers += 1;
        Ok(HostRead { buffer: self })
    }

    /// The contents, to be changed; refused while any copy that uses the buffer is in flight, or another guard is alive.
    pub fn write(&self) -> Result<HostWrite<'_, T>> {
        let mut usage = self.shared.usage();
        usage.sweep();
        if usage.host_writer || usage.host_readers > 0 {
            return Err(busy("another guard is alive; drop it first"));
        }
        if usage.device_writes() || usage.device_reads() {
            return Err(busy("a copy that uses it is in flight; await its completion first"));
        }
        usage.host_writer = true;
        Ok(HostWrite { buffer: self })
    }

    /// Where the memory is, for foreign code. Whoever uses it must keep to the rules of [`HostBuffer::read`] and
    /// [`HostBuffer::write`].
    pub fn as_ptr(&self) -> *mut T {
        self.shared.piece.ptr().cast()
    }

    /// Where the device sees it.
    pub fn address(&self) -> u64 {
        self.shared.piece.address()
    }

    /// The same memory as bytes.
    pub fn bytes(&self) -> HostBuffer<u8> {
        HostBuffer { shared: Arc::clone(&self.shared), len: self.len * size_of::<T>(), element: PhantomData }
    }

    pub(crate) fn tag(&self) -> DeviceTag {
        self.shared.tag
    }

    /// The memory itself, for a free that is ordered by whoever takes it.
    pub(crate) fn piece(&self) -> Arc<HostPiece> {
        Arc::clone(&self.shared.piece)
    }

    pub(crate) fn keep(&self) -> Keep {
        Keep::Shared(Arc::clone(&self.shared.piece) as _)
    }

    /// Announces a copy that will be enqueued; while it is, the host is kept away.
    pub(crate) fn reserve(&self, writes: bool) -> Result<Reservation> {
        let mut usage = self.shared.usage();
        usage.sweep();
        if usage.host_writer || (writes && usage.host_readers > 0) {
            return Err(busy("a guard is alive; drop it before the copy"));
        }
        if writes {
            usage.reserved_writes += 1;
        } else {
            usage.reserved_reads += 1;
        }
        drop(usage);
        Ok(Reservation { shared: Arc::clone(&self.shared), writes })
    }
}

/// A copy that is being enqueued; dropping it means that it was not.
pub(crate) struct Reservation {
    shared: Arc<Shared>,
    writes: bool,
}

impl Reservation {
    /// The copy was accepted.
    pub(crate) fn accepted(self, stream: &Arc<StreamCore>, ticket: u64) {
        let copy = InFlight { stream: Arc::clone(stream), ticket, writes: self.writes };
        // Noted before the reservation ends, so that there is no moment without either.
        self.shared.usage().in_flight.push(copy);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut usage = self.shared.usage();
        if self.writes {
            usage.reserved_writes -= 1;
        } else {
            usage.reserved_reads -= 1;
        }
    }
}

impl<T> Clone for HostBuffer<T> {
    fn clone(&self) -> Self {
        HostBuffer { shared: Arc::clone(&self.shared), len: self.len, element: PhantomData }
    }
}

impl<T> std::fmt::Debug for HostBuffer<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HostBuffer({} elements of {})", self.len, std::any::type_name::<T>())
    }
}

/// Read access of the host to a [`HostBuffer`].
pub struct HostRead<'a, T> {
    buffer: &'a HostBuffer<T>,
}

/// Write access of the host to a [`HostBuffer`].
pub struct HostWrite<'a, T> {
    buffer: &'a HostBuffer<T>,
}

impl<T> Deref for HostRead<'_, T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: needed because the memory is shared with the device. The piece holds `len` elements (checked when the
        // buffer was made), is aligned to 64 bytes, was zeroed, and any bytes are a value of a `Pod`; while this guard lives,
        // write guards and copies into the buffer are refused, and there were none when it was made.
        unsafe { std::slice::from_raw_parts(self.buffer.shared.piece.ptr().cast(), self.buffer.len) }
    }
}

impl<T> Deref for HostWrite<'_, T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: as for `HostRead`; this guard excludes all others and all copies.
        unsafe { std::slice::from_raw_parts(self.buffer.shared.piece.ptr().cast(), self.buffer.len) }
    }
}

impl<T> DerefMut for HostWrite<'_, T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as for `HostRead`; this guard excludes all others and all copies, and is borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.buffer.shared.piece.ptr().cast(), self.buffer.len) }
    }
}

impl<T> Drop for HostRead<'_, T> {
    fn drop(&mut self) {
        self.buffer.shared.usage().host_readers -= 1;
    }
}

impl<T> Drop for HostWrite<'_, T> {
    fn drop(&mut self) {
        self.buffer.shared.usage().host_writer = false;
    }
}
