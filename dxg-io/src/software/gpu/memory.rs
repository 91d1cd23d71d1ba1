//! The memory of the GPU: page arenas, each one shared mapping of a memfd in this process.
//!
//! The host side and the engine use that one mapping, for the life of the arena. What a guest gets ([`GuestMapping`]) is
//! another mapping of the same pages, so that whatever a guest does to its own never hurts the host. Pages are handed
//! out zeroed and return to the arena when the last [`Pages`] handle is dropped, which a running launch may hold.
//!
//! No descriptor stays open: mapping again and giving pages back go by address (`mremap`, `MADV_REMOVE`). A program that
//! closes descriptors it does not know hurts nothing here. The exceptions are pages that other processes may map
//! ([`PageArena::shareable`]), whose file is what is passed to them, and systems that do not map again by address
//! (valgrind). Such a file is sealed against shrinking: whoever gets it could otherwise take the memory away from under
//! everybody else, who would end with SIGBUS. What is shared is never zeroed when it is freed here: others may use it.

use std::{
    collections::BTreeMap,
    ffi::CStr,
    fmt, io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::software::descriptor::PrivateFd;

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
    /// Of an arena that other processes may map, or where mapping again goes by file alone.
    file: Option<PrivateFd>,
    shareable: bool,
    base: *mut u8,
    bytes: usize,
    /// Where the bytes of this arena are counted while it lives.
    counted: Option<Arc<AtomicU64>>,
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
    pub(crate) fn new(name: &CStr, bytes: u64) -> io::Result<Self> {
        let bytes = usize::try_from(bytes.max(1).next_multiple_of(PAGE_BYTES))
            .map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
        let file = memory_file(name, bytes)?;
        let base = map(file.as_fd(), 0, bytes)?;
        let by_address = map_again(base, PAGE_BYTES as usize).inspect(|again| {
            // SAFETY: mapped just now, and used by nobody.
            unsafe { libc::munmap(again.cast(), PAGE_BYTES as usize) };
        });
        let file = if by_address.is_ok() { None } else { Some(PrivateFd::new(file)) };
        Ok(Self::over(base, bytes, file, false, None))
    }

    /// An arena of so many pages with a file of its own, which another process can map: see [`Pages::file`]. Its bytes are
    /// added to `counted` for as long as it lives.
    pub(crate) fn shareable(name: &CStr, pages: u64, counted: Option<Arc<AtomicU64>>) -> io::Result<Self> {
        let bytes = pages.max(1).checked_mul(PAGE_BYTES).and_then(|bytes| usize::try_from(bytes).ok());
        let bytes = bytes.ok_or_else(|| io::Error::from(io::ErrorKind::OutOfMemory))?;
        let file = memory_file(name, bytes)?;
        let seals = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_SEAL;
        // SAFETY: a system call on our own descriptor.
        if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) } != 0 {
            return Err(io::Error::last_os_error());
        }
        let base = map(file.as_fd(), 0, bytes)?;
        Ok(Self::over(base, bytes, Some(PrivateFd::new(file)), true, counted))
    }

    /// What another process has shared: all of it, as it is; [`PageArena::part`] gives its pages.
    pub(crate) fn import(file: PrivateFd) -> io::Result<Self> {
        let bytes = sealed_length(file.as_fd())
            .filter(|&bytes| bytes > 0 && bytes.is_multiple_of(PAGE_BYTES))
            .and_then(|bytes| usize::try_from(bytes).ok())
            .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
        Ok(Self::over(map(file.as_fd(), 0, bytes)?, bytes, Some(file), true, None))
    }

    /// Pages of an imported arena, if there are so many.
    pub(crate) fn part(&self, offset: u64, bytes: u64) -> Option<Arc<Pages>> {
        let inside = offset.checked_add(bytes).is_some_and(|end| end <= self.inner.bytes as u64);
        let whole = offset.is_multiple_of(PAGE_BYTES) && bytes.is_multiple_of(PAGE_BYTES) && bytes > 0;
        (inside && whole).then(|| Arc::new(Pages { arena: self.clone(), offset: offset as usize, len: bytes as usize }))
    }

    fn over(
        base: *mut u8,
        bytes: usize,
        file: Option<PrivateFd>,
        shareable: bool,
        counted: Option<Arc<AtomicU64>>,
    ) -> Self {
        if let Some(counted) = &counted {
            counted.fetch_add(bytes as u64, Ordering::Relaxed);
        }
        let pages = bytes as u64 / PAGE_BYTES;
        let free = Mutex::new(Free { extents: BTreeMap::from([(0, pages)]), pages });
        Self { inner: Arc::new(Inner { file, shareable, base, bytes, counted, free }) }
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
        // SAFETY: the mapping was made with this length; every Pages keeps the arena alive, so nothing
        // refers to it any more.
        unsafe { libc::munmap(self.base.cast(), self.bytes) };
        if let Some(counted) = &self.counted {
            counted.fetch_sub(self.bytes as u64, Ordering::Relaxed);
        }
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

    /// The file that another process can map them by, if they were made for that.
    pub(crate) fn file(&self) -> Option<BorrowedFd<'_>> {
        let inner = &self.arena.inner;
        inner.file.as_ref().filter(|_| inner.shareable).map(PrivateFd::as_fd)
    }

    /// Where they begin in their file.
    pub(crate) fn offset(&self) -> u64 {
        self.offset as u64
    }

    /// Maps them a second time, for a guest, readable and writable.
    pub(crate) fn map_to_guest(self: &Arc<Self>) -> io::Result<GuestMapping> {
        let address = match &self.arena.inner.file {
            Some(file) => map(file.as_fd(), self.offset, self.len)?,
            None => map_again(self.host_ptr(), self.len)?,
        };
        Ok(GuestMapping { address, len: self.len, pages: self.clone() })
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
        // SAFETY: pages of the arena's own shared mapping, which nobody else uses now.
        unsafe { libc::madvise(self.host_ptr().cast(), self.len, libc::MADV_REMOVE) == 0 }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        if self.arena.inner.shareable {
            // Others may use them; the memory goes with the last who has the file. Such an arena hands out nothing twice.
            return;
        }
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
    pages: Arc<Pages>,
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

    /// The pages.
    pub(crate) fn pages(&self) -> &Arc<Pages> {
        &self.pages
    }
}

impl Drop for GuestMapping {
    fn drop(&mut self) {
        // As the guest driver does: whatever is mapped there now goes.
        // SAFETY: we made this mapping at an address of the system's choice, and its owner is done with it.
        unsafe { libc::munmap(self.address.cast(), self.len) };
    }
}

fn memory_file(name: &CStr, bytes: usize) -> io::Result<OwnedFd> {
    // SAFETY: a system call with a valid string; the result is checked.
    let file = unsafe { libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING) };
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
    Ok(file)
}

/// Length of a memory file that nobody can make shorter; `None` for any other.
pub(crate) fn sealed_length(file: BorrowedFd<'_>) -> Option<u64> {
    // SAFETY: asks; any descriptor may be named.
    let seals = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GET_SEALS) };
    if seals < 0 || seals & libc::F_SEAL_SHRINK == 0 {
        return None;
    }
    let mut stat = std::mem::MaybeUninit::<libc::stat>::zeroed();
    // SAFETY: fills the struct if it succeeds.
    let stat = unsafe { (libc::fstat(file.as_raw_fd(), stat.as_mut_ptr()) == 0).then(|| stat.assume_init()) }?;
    u64::try_from(stat.st_size).ok()
}

/// Maps pages of a shared mapping once more.
fn map_again(pages: *mut u8, len: usize) -> io::Result<*mut u8> {
    // SAFETY: an old length of 0 leaves the old mapping, which is shared and ours, as it is, and maps the same pages once
    // more at an address the system chooses. The result is checked.
    let address = unsafe { libc::mremap(pages.cast(), 0, len, libc::MREMAP_MAYMOVE) };
    if address == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(address.cast()) }
}

fn map(file: BorrowedFd<'_>, offset: usize, len: usize) -> io::Result<*mut u8> {
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

    fn imported(pages: &Pages) -> PageArena {
        let number = pages.file().expect("a file").as_raw_fd();
        PageArena::import(PrivateFd::copy_of(number).expect("a copy")).expect("a mapping")
    }

    #[test]
    fn an_imported_page_is_the_same_page() {
        let page = PageArena::shareable(c"test", 1, None).expect("memory").allocate(1).expect("room");
        let other = imported(&page).part(0, PAGE_BYTES).expect("a page");
        write(&page, 9, 5);
        assert_eq!(read(&other, 9), 5);
        drop(page);
        assert_eq!(read(&other, 9), 5);
        assert!(PageArena::new(c"test", 1).expect("memory").allocate(1).expect("room").file().is_none());
    }

    #[test]
    fn what_is_shared_outlives_each_side_and_is_counted_while_it_lives() {
        let counted = Arc::new(AtomicU64::new(0));
        let arena = PageArena::shareable(c"test", 48, Some(counted.clone())).expect("memory");
        assert_eq!(counted.load(Ordering::Relaxed), 48 * PAGE_BYTES);
        let (first, second) = (arena.allocate(16).expect("room"), arena.allocate(32).expect("room"));
        drop(arena);
        let theirs = imported(&second);
        let same = theirs.part(second.offset(), second.len() as u64).expect("inside");
        write(&second, 100, 7);
        // Whoever goes first takes nothing from the other: these are long enough to be zeroed when they are freed.
        drop(theirs.part(second.offset(), second.len() as u64));
        assert_eq!((read(&second, 100), read(&same, 100)), (7, 7));
        drop((first, second));
        assert_eq!((counted.load(Ordering::Relaxed), read(&same, 100)), (0, 7));
        for (offset, bytes) in
            [(0, 0), (1, 4096), (0, 4095), (0, 49 * 4096), (48 * 4096, 4096), (u64::MAX - 4095, 8192)]
        {
            assert!(theirs.part(offset, bytes).is_none(), "{offset} {bytes}");
        }
    }

    #[test]
    fn a_file_that_can_shrink_is_not_mapped() {
        let shared = PageArena::shareable(c"test", 2, None).expect("memory").allocate(2).expect("room");
        let file = shared.file().expect("a file");
        // SAFETY: a system call on our own descriptor, which is refused.
        assert_eq!(unsafe { libc::ftruncate(file.as_raw_fd(), 0) }, -1);
        assert_eq!(sealed_length(file), Some(8192));
        let open = PrivateFd::new(memory_file(c"test", 4096).expect("memory"));
        assert_eq!(sealed_length(open.as_fd()), None);
        assert!(PageArena::import(open).is_err());
    }
}
