//! Caller memory as the driver's side of the boundary sees it: argument structs, the arrays they point to, and memory
//! that is imported as an allocation's backing.
//!
//! Everything behind the boundary reaches caller memory through [`UserMemory`] alone, the way a kernel driver goes
//! through `copy_from_user`: an address is checked where it is used, a bad one is a [`Fault`], and nothing is read twice.
//! [`DirectMemory`] serves the typed layer of this crate, whose pointers come from live Rust objects. [`CheckedMemory`]
//! serves foreign callers and tests: it asks the kernel to do each copy, so that no address can crash the process.

use std::io;

/// An address that the caller may not read, or may not write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the caller's memory at {address:#x} ({length} bytes) cannot be accessed")]
pub struct Fault {
    /// Where the access began.
    pub address: u64,
    /// How many bytes were wanted.
    pub length: usize,
}

/// A way to reach the memory of the program that made the call.
///
/// # Safety
/// An implementation reads and writes exactly the bytes it is asked for, and never reports success for a copy it did not
/// make: the boundary builds typed values from the bytes.
pub unsafe trait UserMemory: Send + Sync {
    /// Copies from the caller into `into`.
    ///
    /// # Safety
    /// `address` was given by the caller of an ioctl as readable for `into.len()` bytes. An implementation that checks
    /// addresses itself (see [`CheckedMemory`]) accepts any address.
    unsafe fn read(&self, address: u64, into: &mut [u8]) -> Result<(), Fault>;

    /// Copies `from` to the caller.
    ///
    /// # Safety
    /// `address` was given by the caller of an ioctl as writable for `from.len()` bytes; see [`UserMemory::read`].
    unsafe fn write(&self, address: u64, from: &[u8]) -> Result<(), Fault>;

    /// Makes the pages of a range present and says whether all of them may be read (and written, if `writable`).
    ///
    /// This is what the driver does before it gives the pages to the host. User space cannot pin its own pages; the
    /// contract of the ioctl, that the memory stays mapped as long as the allocation lives, takes the pin's place.
    fn populate(&self, address: u64, length: u64, writable: bool) -> Result<(), Fault> {
        populate(address, length, writable)
    }

    /// Whether it serves callers whose addresses may be wrong. Memory that they import is then looked at again before each
    /// command buffer that uses it: they may have unmapped it, against the contract.
    fn is_checked(&self) -> bool {
        false
    }
}

/// The lowest address a process can map on Linux with the default `vm.mmap_min_addr`: below it lie null pointers and
/// their offsets.
const LOWEST_ADDRESS: u64 = 65_536;

fn plausible(address: u64, length: usize) -> Result<(), Fault> {
    let end = address.checked_add(length as u64);
    if address < LOWEST_ADDRESS || end.is_none_or(|end| end > isize::MAX as u64) {
        return Err(Fault { address, length });
    }
    Ok(())
}

/// Plain copies, for callers whose pointers are right by construction. Null pointers are still refused.
#[derive(Clone, Copy, Debug, Default)]
pub struct DirectMemory;

// SAFETY: both copies move exactly the bytes asked for, or fail before touching any.
unsafe impl UserMemory for DirectMemory {
    unsafe fn read(&self, address: u64, into: &mut [u8]) -> Result<(), Fault> {
        if into.is_empty() {
            return Ok(());
        }
        plausible(address, into.len())?;
        // SAFETY: the caller promises that the source is readable; the destination is a Rust slice, and the two cannot
        // overlap because `into` is exclusively borrowed by us.
        unsafe { std::ptr::copy_nonoverlapping(address as *const u8, into.as_mut_ptr(), into.len()) };
        Ok(())
    }

    unsafe fn write(&self, address: u64, from: &[u8]) -> Result<(), Fault> {
        if from.is_empty() {
            return Ok(());
        }
        plausible(address, from.len())?;
        // SAFETY: the caller promises that the destination is writable and not borrowed by Rust code meanwhile.
        unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), address as *mut u8, from.len()) };
        Ok(())
    }
}

/// Copies made by the kernel (`process_vm_readv`, `process_vm_writev` on the own process): any address may be given.
#[derive(Clone, Copy, Debug)]
pub struct CheckedMemory {
    process: libc::pid_t,
}

impl CheckedMemory {
    /// Memory of this process. Fails where the kernel does not let a process copy from itself.
    pub fn new() -> io::Result<CheckedMemory> {
        // SAFETY: getpid has no preconditions.
        let memory = CheckedMemory { process: unsafe { libc::getpid() } };
        let probe = [0x5au8; 8];
        let mut copy = [0u8; 8];
        // SAFETY: CheckedMemory accepts any address, and this one is a live array.
        let outcome = unsafe { memory.read(probe.as_ptr() as u64, &mut copy) };
        if outcome.is_err() || copy != probe {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "process_vm_readv on the own process is refused here; checked access to caller memory needs it",
            ));
        }
        Ok(memory)
    }
}

// SAFETY: success is reported only when the kernel says that all bytes were copied.
unsafe impl UserMemory for CheckedMemory {
    fn is_checked(&self) -> bool {
        true
    }

    unsafe fn read(&self, address: u64, into: &mut [u8]) -> Result<(), Fault> {
        if into.is_empty() {
            return Ok(());
        }
        plausible(address, into.len())?;
        let local = libc::iovec { iov_base: into.as_mut_ptr().cast(), iov_len: into.len() };
        let remote = libc::iovec { iov_base: address as *mut _, iov_len: into.len() };
        // SAFETY: `local` is a live slice; `remote` is checked by the kernel, which answers EFAULT instead of faulting.
        let copied = unsafe { libc::process_vm_readv(self.process, &local, 1, &remote, 1, 0) };
        if copied == into.len() as isize { Ok(()) } else { Err(Fault { address, length: into.len() }) }
    }

    unsafe fn write(&self, address: u64, from: &[u8]) -> Result<(), Fault> {
        if from.is_empty() {
            return Ok(());
        }
        plausible(address, from.len())?;
        let local = libc::iovec { iov_base: from.as_ptr() as *mut _, iov_len: from.len() };
        let remote = libc::iovec { iov_base: address as *mut _, iov_len: from.len() };
        // SAFETY: the kernel only reads `local`, a live slice; `remote` is checked by the kernel.
        let copied = unsafe { libc::process_vm_writev(self.process, &local, 1, &remote, 1, 0) };
        if copied == from.len() as isize { Ok(()) } else { Err(Fault { address, length: from.len() }) }
    }
}

/// `MADV_POPULATE_READ` (Linux 5.14): fault pages in for reading, without changing them.
const POPULATE_READ: libc::c_int = 22;
/// `MADV_POPULATE_WRITE` (Linux 5.14): fault pages in for writing, without changing them.
const POPULATE_WRITE: libc::c_int = 23;
const PAGE: u64 = 4096;
/// Up to here a look at imported memory goes through its pages; beyond, through its mappings alone.
const THOROUGH_BYTES: u64 = 4 << 20;

/// Whether imported memory is still mapped (and, unless there is much of it, may be accessed).
pub(crate) fn is_still_there(address: u64, length: u64, writable: bool) -> bool {
    if length <= THOROUGH_BYTES {
        return populate(address, length, writable).is_ok();
    }
    // SAFETY: with MS_ASYNC it does nothing but look for the mappings.
    unsafe { libc::msync((address / PAGE * PAGE) as *mut _, (length + address % PAGE) as usize, libc::MS_ASYNC) == 0 }
}

fn populate(address: u64, length: u64, writable: bool) -> Result<(), Fault> {
    let fault = Fault { address, length: length as usize };
    if length == 0 {
        return Ok(());
    }
    plausible(address, length as usize)?;
    let start = address / PAGE * PAGE;
    let end = address.checked_add(length).and_then(|end| end.checked_next_multiple_of(PAGE)).ok_or(fault)?;
    let advice = if writable { POPULATE_WRITE } else { POPULATE_READ };
    // SAFETY: both advices only fault pages in; contents and protection stay as they are, whatever the range is.
    let outcome = unsafe { libc::madvise(start as *mut _, (end - start) as usize, advice) };
    if outcome == 0 {
        return Ok(());
    }
    if io::Error::last_os_error().raw_os_error() == Some(libc::EINVAL) && !populate_supported() {
        return mapped_with(start, end, writable).then_some(()).ok_or(fault);
    }
    Err(fault)
}

/// Whether the kernel knows the two advices: older ones answer EINVAL, as they do for a page that may not be written.
fn populate_supported() -> bool {
    static SUPPORTED: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    *SUPPORTED.get_or_init(|| {
        let probe = 0u8;
        let page = (&raw const probe) as u64 / PAGE * PAGE;
        // SAFETY: the page of a live local variable; the advice changes nothing.
        unsafe { libc::madvise(page as *mut _, PAGE as usize, POPULATE_READ) == 0 }
    })
}

/// The slow way for old kernels: reads the protection of the range from `/proc/self/maps`.
fn mapped_with(start: u64, end: u64, writable: bool) -> bool {
    let Ok(maps) = std::fs::read_to_string("/proc/self/maps") else { return false };
    let mut covered = start;
    for line in maps.lines() {
        let mut fields = line.split_ascii_whitespace();
        let (Some(range), Some(protection)) = (fields.next(), fields.next()) else { continue };
        let Some((from, to)) = range.split_once('-') else { continue };
        let (Ok(from), Ok(to)) = (u64::from_str_radix(from, 16), u64::from_str_radix(to, 16)) else { continue };
        if to <= covered || from > covered {
            continue;
        }
        if !protection.starts_with('r') || (writable && protection.as_bytes().get(1) != Some(&b'w')) {
            return false;
        }
        covered = to;
        if covered >= end {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two pages, and behind them one that nobody may touch: other tests map memory at the same time.
    struct Page(*mut libc::c_void);

    const PAGES: usize = 2 * 4096;
    const WITH_GUARD: usize = PAGES + 4096;

    impl Page {
        fn new(protection: libc::c_int) -> Page {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            // SAFETY: a fresh anonymous mapping.
            let at = unsafe { libc::mmap(std::ptr::null_mut(), WITH_GUARD, libc::PROT_NONE, flags, -1, 0) };
            assert_ne!(at, libc::MAP_FAILED);
            // SAFETY: the first pages of the mapping just made.
            assert_eq!(unsafe { libc::mprotect(at, PAGES, protection) }, 0);
            Page(at)
        }
        fn address(&self) -> u64 {
            self.0 as u64
        }
    }

    impl Drop for Page {
        fn drop(&mut self) {
            // SAFETY: unmaps what `new` mapped.
            unsafe { libc::munmap(self.0, WITH_GUARD) };
        }
    }

    #[test]
    fn checked_memory_copies_and_refuses_bad_addresses() {
        let memory = CheckedMemory::new().unwrap();
        let page = Page::new(libc::PROT_READ | libc::PROT_WRITE);
        let mut back = [0u8; 4];
        // SAFETY: CheckedMemory accepts any address.
        unsafe {
            memory.write(page.address() + 4094, &[1, 2, 3, 4]).unwrap();
            memory.read(page.address() + 4094, &mut back).unwrap();
            assert_eq!(back, [1, 2, 3, 4]);
            assert!(memory.read(0, &mut back).is_err());
            assert!(memory.read(0x1000, &mut back).is_err());
            assert!(memory.read(u64::MAX - 1, &mut back).is_err());
            assert!(memory.write(page.address() + 8190, &[0; 4]).is_err(), "half outside the mapping");
            let read_only = Page::new(libc::PROT_READ);
            assert!(memory.read(read_only.address(), &mut back).is_ok());
            assert!(memory.write(read_only.address(), &back).is_err());
        }
    }

    #[test]
    fn populate_tells_protection() {
        let read_write = Page::new(libc::PROT_READ | libc::PROT_WRITE);
        let read_only = Page::new(libc::PROT_READ);
        let none = Page::new(libc::PROT_NONE);
        assert!(populate(read_write.address(), 8192, true).is_ok());
        assert!(populate(read_only.address(), 8192, true).is_err());
        assert!(populate(read_only.address(), 8192, false).is_ok());
        assert!(populate(none.address(), 4096, false).is_err());
        assert!(populate(0x1000, 4096, false).is_err());
        assert!(populate(u64::MAX - 4096, 8192, false).is_err());
    }

    #[test]
    fn the_slow_way_agrees_with_the_kernel() {
        let read_write = Page::new(libc::PROT_READ | libc::PROT_WRITE);
        let read_only = Page::new(libc::PROT_READ);
        assert!(mapped_with(read_write.address(), read_write.address() + 8192, true));
        assert!(mapped_with(read_only.address(), read_only.address() + 8192, false));
        assert!(!mapped_with(read_only.address(), read_only.address() + 8192, true));
        assert!(!mapped_with(0x1000, 0x2000, false));
    }
}
