//! The memory of the GPU: page arenas, each over one memfd that is mapped whole into this process.
//!
//! The host side and the engine use that one mapping, for the life of the arena. What a guest gets ([`GuestMapping`]) is
//! another mapping of the same pages, so that whatever a guest does to its own never hurts the host. Pages are handed
//! out zeroed and return to the arena when the last [`Pages`] handle is dropped, which a running launch may hold.

use std::{
    collections::BTreeMap,
    fmt, io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    sync::{Arc, Mutex, PoisonError},
};

/// Bytes of a page.
pub(crate) const PAGE_BYTES: u64 = 4096;

/// From this size on pages are zeroed by giving them back to the kernel.
const PUNCH_BYTES: usize = 64 << 10;

/// Pages of one kind of memory. Clones share it.
#[derive(Clone)]
pub(crate) struct PageArena {
    inner: Arc<Inner>,
}

struct Inner {
    file: OwnedFd,
    base: *mut u8,
    bytes: usize,
    /// Free extents, first page → pages; neighbours are merged.
    free: Mutex<Free>,
}

struct Free {
    extents: BTreeMap<u64, u64>,
    pages: u64,
}

// SAFETY: needed because of the raw base pointer; it is the address of a shared mapping that lives as long as Inner and
// is not tied to a thread.
unsafe impl Send for Inner {}
// SAFETY: as above; all bookkeeping is behind the mutex.
unsafe impl Sync for Inner {}

impl fmt::Debug for PageArena {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("PageArena").field("bytes", &self.inner.bytes).field("used", &self.used_bytes()).finish()
    }
}

impl PageArena {
    /// An arena of `bytes` (rounded up to a page); memory is taken from the system only as it is touched.
    pub(crate) fn new(name: &std::ffi::CStr, bytes: u64) -> io::Result<Self> {
        let bytes = usize::try_from(bytes.max(1).next_multiple_of(PAGE_BYTES))
            .map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
        // SAFETY: a system call with a valid string; the result is checked.
        let file = unsafe { libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC) };
        if file < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor is new and ours.
        let file = unsafe { OwnedFd::from_raw_fd(file) };
        let size = libc::off_t::try_from(bytes).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
        // SAFETY: a system call on our own descriptor.
        if unsafe { libc::ftruncate(file.as_raw_fd(), size) } != 0 {
            return Err(io::Error::last_os_error());
        }
        let base = map(&file, 0, bytes)?;
        let pages = bytes as u64 / PAGE_BYTES;
        let free = Mutex::new(Free { extents: BTreeMap::from([(0, pages)]), pages });
        Ok(Self { inner: Arc::new(Inner { file, base, bytes, free }) })
    }

    /// Zeroed pages; `None` if no extent is long enough, or for 0 pages.
    pub(crate) fn allocate(&self, pages: u64) -> Option<Arc<Pages>> {
        if pages == 0 {
            return None;
        }
        let first = {
            let mut free = self.inner.free.lock().unwrap_or_else(PoisonError::into_inner);
            // The smallest extent that fits keeps the long ones for large allocations.
            let (&first, &length) =
                free.extents.iter().filter(|(_, length)| **length >= pages).min_by_key(|(_, length)| **length)?;
            free.extents.remove(&first);
            if length > pages {
                free.extents.insert(first + pages, length - pages);
            }
            free.pages -= pages;
            first
        };
        let pages =
            Pages { arena: self.clone(), offset: (first * PAGE_BYTES) as usize, len: (pages * PAGE_BYTES) as usize };
        pages.zero();
        Some(Arc::new(pages))
    }

    /// Bytes of the whole arena.
    pub(crate) fn total_bytes(&self) -> u64 {
        self.inner.bytes as u64
    }

    /// Bytes handed out.
    pub(crate) fn used_bytes(&self) -> u64 {
        let free = self.inner.free.lock().unwrap_or_else(PoisonError::into_inner);
        self.inner.bytes as u64 - free.pages * PAGE_BYTES
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by PageArena::new with this length; every Pages keeps the arena alive, so nothing
        // refers to it any more.
        unsafe { libc::munmap(self.base.cast(), self.bytes) };
    }
}

/// Consecutive pages of an arena; they return to it when this is dropped.
#[derive(Debug)]
pub(crate) struct Pages {
    arena: PageArena,
    offset: usize,
    len: usize,
}

impl Pages {
    /// Where the host sees them.
    pub(crate) fn host_ptr(&self) -> *mut u8 {
        // SAFETY: offset lies inside the arena's mapping.
        unsafe { self.arena.inner.base.add(self.offset) }
    }

    /// Bytes.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Maps them a second time, for a guest, readable and writable.
    pub(crate) fn map_to_guest(self: &Arc<Self>) -> io::Result<GuestMapping> {
        let address = map(&self.arena.inner.file, self.offset, self.len)?;
        Ok(GuestMapping { address, len: self.len, _pages: self.clone() })
    }

    fn zero(&self) {
        if self.len >= PUNCH_BYTES && self.punch() {
            return;
        }
        // SAFETY: the pages are ours alone (just allocated), inside the arena's mapping.
        unsafe { self.host_ptr().write_bytes(0, self.len) };
    }

    /// Gives the memory behind the pages back to the system; they read as zero afterwards.
    fn punch(&self) -> bool {
        let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
        let (offset, len) = (self.offset as libc::off_t, self.len as libc::off_t);
        // SAFETY: a system call on our own descriptor, inside its size.
        unsafe { libc::fallocate(self.arena.inner.file.as_raw_fd(), mode, offset, len) == 0 }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        if self.len >= PUNCH_BYTES {
            self.punch();
        }
        let (mut first, mut length) = (self.offset as u64 / PAGE_BYTES, self.len as u64 / PAGE_BYTES);
        let mut free = self.arena.inner.free.lock().unwrap_or_else(PoisonError::into_inner);
        free.pages += length;
        if let Some(next) = free.extents.remove(&(first + length)) {
            length += next;
        }
        if let Some((&before, &before_length)) = free.extents.range(..first).next_back()
            && before + before_length == first
        {
            first = before;
            length += before_length;
        }
        free.extents.insert(first, length);
    }
}

/// A guest's mapping of pages; unmapped when dropped.
#[derive(Debug)]
pub(crate) struct GuestMapping {
    address: *mut u8,
    len: usize,
    _pages: Arc<Pages>,
}

// SAFETY: needed because of the raw pointer; a mapping is not tied to a thread.
unsafe impl Send for GuestMapping {}
// SAFETY: as above; the methods only read the address.
unsafe impl Sync for GuestMapping {}

impl GuestMapping {
    /// Where the guest sees the pages.
    pub(crate) fn address(&self) -> *mut u8 {
        self.address
    }
}

impl Drop for GuestMapping {
    fn drop(&mut self) {
        // As the guest driver does: whatever is mapped there now goes.
        // SAFETY: we made this mapping at an address of the system's choice, and its owner is done with it.
        unsafe { libc::munmap(self.address.cast(), self.len) };
    }
}

fn map(file: &OwnedFd, offset: usize, len: usize) -> io::Result<*mut u8> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_SHARED | libc::MAP_NORESERVE;
    // SAFETY: a new mapping at an address the system chooses disturbs nothing; the result is checked.
    let address =
        unsafe { libc::mmap(std::ptr::null_mut(), len, protection, flags, file.as_raw_fd(), offset as libc::off_t) };
    if address == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(address.cast()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pages: &Pages, at: usize) -> u8 {
        assert!(at < pages.len());
        // SAFETY: inside the pages, which the test holds.
        unsafe { pages.host_ptr().add(at).read() }
    }

    fn write(pages: &Pages, at: usize, value: u8) {
        assert!(at < pages.len());
        // SAFETY: inside the pages, which the test holds.
        unsafe { pages.host_ptr().add(at).write(value) }
    }

    #[test]
    fn freed_pages_come_back_zeroed() {
        for pages in [1, 16, 64] {
            let arena = PageArena::new(c"test", pages * PAGE_BYTES).expect("memory");
            let first = arena.allocate(pages).expect("room");
            let address = first.host_ptr();
            for at in [0, 4095, first.len() - 1] {
                write(&first, at, 0xAA);
            }
            assert!(arena.allocate(1).is_none());
            drop(first);
            assert_eq!(arena.used_bytes(), 0);
            let second = arena.allocate(pages).expect("room");
            assert_eq!(second.host_ptr(), address);
            assert!((0..second.len()).all(|at| read(&second, at) == 0));
        }
    }

    #[test]
    fn freed_neighbours_merge() {
        let arena = PageArena::new(c"test", 8 * PAGE_BYTES).expect("memory");
        let mut held: Vec<_> = (0..8).map(|_| arena.allocate(1).expect("room")).collect();
        assert!(arena.allocate(1).is_none());
        for index in [6, 1, 2, 4] {
            held.remove(index);
        }
        held.clear();
        assert_eq!(arena.used_bytes(), 0);
        assert_eq!(arena.allocate(8).expect("one extent").len(), 8 * PAGE_BYTES as usize);
        assert!(arena.allocate(0).is_none());
        assert!(arena.allocate(9).is_none());
    }

    #[test]
    fn a_guest_mapping_shows_the_same_bytes_and_ends_alone() {
        let arena = PageArena::new(c"test", 4 * PAGE_BYTES).expect("memory");
        let pages = arena.allocate(2).expect("room");
        let guest = pages.map_to_guest().expect("a mapping");
        assert_ne!(guest.address(), pages.host_ptr());
        write(&pages, 5000, 7);
        // SAFETY: the mapping has two pages.
        assert_eq!(unsafe { guest.address().add(5000).read() }, 7);
        drop(guest);
        assert_eq!(read(&pages, 5000), 7);
        assert_eq!(Arc::strong_count(&pages), 1);
    }
}
