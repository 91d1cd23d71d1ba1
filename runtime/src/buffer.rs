//! Typed device memory.
//!
//! A buffer is a piece of the device's pool. Every operation keeps the pieces it uses alive, so dropping a buffer never takes
//! memory from the device: it is freed when the last operation that uses it is done. Where an address was handed out
//! ([`Buffer::address`]), operations may use memory that they do not name; such memory is freed when everything accepted
//! before the drop is done, on all streams.

use std::marker::PhantomData;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::args::BufferArg;
use crate::device::{DeviceShared, DeviceTag, Retired};
use crate::error::{Error, Result};
use crate::memory::PoolBlock;
use crate::op::{ArgAccess, Keep};
use crate::pod::Pod;

/// A piece of device memory, as all handles on it have it, with whoever must know of its end.
struct Root {
    device: Arc<DeviceShared>,
    block: Arc<PoolBlock>,
    /// The address was handed out: operations may use it without naming the buffer.
    exposed: AtomicBool,
}

impl Drop for Root {
    fn drop(&mut self) {
        if *self.exposed.get_mut() {
            self.device.retire(Retired::Device(Arc::clone(&self.block)));
        }
    }
}

/// A piece of device memory, as one handle and its slices have it. Every operation counts as a user of it, on the thread that
/// enqueues it and on the one that retires it: with a count for each handle, tasks do not contend for one.
pub(crate) struct Memory {
    root: Arc<Root>,
    /// What operations hold.
    block: Arc<PoolBlock>,
    tag: DeviceTag,
}

impl Memory {
    pub(crate) fn new(device: Arc<DeviceShared>, block: Arc<PoolBlock>) -> Arc<Self> {
        let tag = device.tag;
        let root = Arc::new(Root { device, block: Arc::clone(&block), exposed: AtomicBool::new(false) });
        Arc::new(Memory { root, block, tag })
    }

    /// The same memory with a count of its own.
    fn another(&self) -> Arc<Self> {
        Arc::new(Memory { root: Arc::clone(&self.root), block: PoolBlock::share(&self.root.block), tag: self.tag })
    }
}

/// Device memory for `len` elements of `T`; freed when dropped and no longer used by accepted work.
///
/// Clones are handles on the same memory, and each counts the operations that use it by itself: tasks on several threads that
/// use a buffer together do best with a clone each. A buffer of no elements is allowed: it has an address of its own, and
/// copies, fills and reads of it do nothing.
pub struct Buffer<T> {
    whole: BufferSlice<T>,
}

/// A range of a [`Buffer`]; keeps the memory alive by itself.
pub struct BufferSlice<T> {
    memory: Arc<Memory>,
    start: usize,
    len: usize,
    element: PhantomData<fn() -> T>,
}

impl<T> Clone for Buffer<T> {
    fn clone(&self) -> Self {
        Buffer { whole: self.whole.clone() }
    }
}

impl<T> Clone for BufferSlice<T> {
    fn clone(&self) -> Self {
        BufferSlice { memory: self.memory.another(), start: self.start, len: self.len, element: PhantomData }
    }
}

impl<T: Pod> Buffer<T> {
    pub(crate) fn new(memory: Arc<Memory>, len: usize) -> Self {
        Buffer { whole: BufferSlice { memory, start: 0, len, element: PhantomData } }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.whole.len
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.whole.len == 0
    }

    /// The device address of the first element; never 0.
    pub fn address(&self) -> u64 {
        self.whole.address()
    }

    /// A range of elements, for example `x.slice(10..20)?`.
    pub fn slice(&self, range: impl RangeBounds<usize>) -> Result<BufferSlice<T>> {
        self.whole.slice(range)
    }

    /// The whole buffer as a slice.
    pub fn as_slice(&self) -> &BufferSlice<T> {
        &self.whole
    }

    /// The buffer's device and memory, for a free that is ordered by whoever takes them.
    pub(crate) fn into_unexposed(self) -> (Arc<DeviceShared>, Arc<PoolBlock>) {
        let root = &self.whole.memory.root;
        // Relaxed: the drop that reads it comes after, through the last reference.
        root.exposed.store(false, Ordering::Relaxed);
        (Arc::clone(&root.device), Arc::clone(&root.block))
    }

    /// As a launch argument that the kernel only reads.
    pub fn read(&self) -> BufferArg {
        self.whole.read()
    }

    /// As a launch argument that the kernel writes (a typed kernel may read it too).
    pub fn write(&self) -> BufferArg {
        self.whole.write()
    }

    /// As a launch argument that the kernel reads and writes.
    pub fn read_write(&self) -> BufferArg {
        self.whole.read_write()
    }
}

impl<T: Pod> BufferSlice<T> {
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The address is known outside of the runtime from now on.
    pub(crate) fn expose(&self) {
        // Relaxed: the drop that reads it comes after, through the last reference.
        self.memory.root.exposed.store(true, Ordering::Relaxed);
    }

    /// The device address of the first element.
    pub fn address(&self) -> u64 {
        self.expose();
        self.device_address()
    }

    /// A range of elements of this slice.
    pub fn slice(&self, range: impl RangeBounds<usize>) -> Result<BufferSlice<T>> {
        let start = match range.start_bound() {
            Bound::Included(&start) => start,
            Bound::Excluded(&before) => before.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(&last) => last.saturating_add(1),
            Bound::Excluded(&end) => end,
            Bound::Unbounded => self.len,
        };
        if start > end || end > self.len {
            return Err(Error::OutOfRange {
                what: "elements",
                start: start as u64,
                end: end as u64,
                len: self.len as u64,
            });
        }
        Ok(BufferSlice {
            memory: Arc::clone(&self.memory),
            start: self.start + start,
            len: end - start,
            element: PhantomData,
        })
    }

    /// The same bytes as elements of another type; fails where the length does not divide.
    pub fn cast<U: Pod>(&self) -> Result<BufferSlice<U>> {
        let bytes = self.len * size_of::<T>();
        let start = self.start * size_of::<T>();
        let size = size_of::<U>();
        let fits = if size == 0 { bytes == 0 } else { bytes.is_multiple_of(size) && start.is_multiple_of(size) };
        if !fits {
            return Err(Error::invalid(format!(
                "{bytes} bytes at offset {start} are not a whole number of {size}-byte elements"
            )));
        }
        let count = |bytes: usize| bytes.checked_div(size).unwrap_or(0);
        Ok(BufferSlice {
            memory: Arc::clone(&self.memory),
            start: count(start),
            len: count(bytes),
            element: PhantomData,
        })
    }

    /// The same range as bytes.
    pub fn bytes(&self) -> BufferSlice<u8> {
        BufferSlice {
            memory: Arc::clone(&self.memory),
            start: self.start * size_of::<T>(),
            len: self.len * size_of::<T>(),
            element: PhantomData,
        }
    }

    /// As a launch argument that the kernel only reads.
    pub fn read(&self) -> BufferArg {
        self.argument(ArgAccess::READ)
    }

    /// As a launch argument that the kernel writes (a typed kernel may read it too).
    pub fn write(&self) -> BufferArg {
        self.argument(ArgAccess::WRITE)
    }

    /// As a launch argument that the kernel reads and writes.
    pub fn read_write(&self) -> BufferArg {
        self.argument(ArgAccess::READ | ArgAccess::WRITE)
    }

    fn argument(&self, flags: u32) -> BufferArg {
        BufferArg {
            address: self.device_address(),
            len: self.byte_len(),
            element: u32::try_from(size_of::<T>()).unwrap_or(u32::MAX),
            flags,
            block: Arc::clone(&self.memory.block),
            tag: self.tag(),
        }
    }

    /// The address, for operations that keep the memory alive themselves.
    pub(crate) fn device_address(&self) -> u64 {
        self.memory.block.address() + (self.start * size_of::<T>()) as u64
    }

    pub(crate) fn byte_len(&self) -> u64 {
        (self.len * size_of::<T>()) as u64
    }

    pub(crate) fn keep(&self) -> Keep {
        Keep::Memory(Arc::clone(&self.memory.block))
    }

    pub(crate) fn tag(&self) -> DeviceTag {
        self.memory.tag
    }
}

impl<T> From<&Buffer<T>> for BufferSlice<T> {
    fn from(buffer: &Buffer<T>) -> Self {
        (&buffer.whole).into()
    }
}

impl<T> From<&BufferSlice<T>> for BufferSlice<T> {
    /// For an operation of the one who has the slice: the count is the slice's.
    fn from(slice: &BufferSlice<T>) -> Self {
        let BufferSlice { ref memory, start, len, element } = *slice;
        BufferSlice { memory: Arc::clone(memory), start, len, element }
    }
}

impl<T> std::fmt::Debug for Buffer<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.whole.fmt(f)
    }
}

impl<T> std::fmt::Debug for BufferSlice<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let start = self.memory.block.address() + (self.start * size_of::<T>()) as u64;
        write!(f, "{} elements of {} at {start:#x}", self.len, std::any::type_name::<T>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Device;

    #[test]
    fn clones_count_by_themselves_and_what_one_operation_names_does_not() {
        let buffer = Device::open("software").unwrap().alloc::<u32>(8).unwrap();
        let (clone, named, slice) = (buffer.clone(), BufferSlice::from(&buffer), buffer.slice(2..4).unwrap());
        assert!(!Arc::ptr_eq(&buffer.whole.memory, &clone.whole.memory));
        assert!(Arc::ptr_eq(&buffer.whole.memory, &named.memory) && Arc::ptr_eq(&buffer.whole.memory, &slice.memory));
        assert_eq!(clone.address(), buffer.address());
    }
}
