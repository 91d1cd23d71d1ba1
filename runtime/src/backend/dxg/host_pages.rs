//! Anonymous pages of this process: what host chunks are made of before the device imports them.

use std::io;
use std::ptr::NonNull;

/// The host may round an import up and then references pages behind the end: whole multiples of this are safe.
const GRANULE: usize = 64 << 10;

/// Zeroed, page-aligned memory; unmapped when dropped.
pub(super) struct HostPages {
    ptr: NonNull<u8>,
    len: usize,
}

// SAFETY: needed because of the pointer. It owns the mapping, as a `Vec` owns its memory, and gives no access by itself.
unsafe impl Send for HostPages {}
// SAFETY: as above; `&HostPages` tells only where the memory is.
unsafe impl Sync for HostPages {}

impl HostPages {
    /// At least `bytes` bytes, rounded up to 64 KiB.
    pub fn new(bytes: usize) -> io::Result<Self> {
        let len = bytes
            .max(1)
            .checked_next_multiple_of(GRANULE)
            .ok_or_else(|| io::Error::from(io::ErrorKind::OutOfMemory))?;
        // SAFETY: needed because Rust has no page allocator. A fresh anonymous private mapping at an address that the
        // kernel chooses touches no existing memory; the result is checked.
        let address = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                len,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        match NonNull::new(address.cast()) {
            Some(ptr) => Ok(Self { ptr, len }),
            None => Err(io::Error::from(io::ErrorKind::OutOfMemory)),
        }
    }

    /// Where it begins.
    pub fn ptr(&self) -> NonNull<u8> {
        self.ptr
    }

    /// Its length.
    pub fn len(&self) -> usize {
        self.len
    }
}

impl Drop for HostPages {
    fn drop(&mut self) {
        // SAFETY: needed to give the mapping back. It is ours, whole, and nothing refers to it any more: whoever uses
        // the memory keeps this object alive.
        let result = unsafe { libc::munmap(self.ptr.as_ptr().cast(), self.len) };
        debug_assert_eq!(result, 0, "unmapping an owned mapping cannot fail");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_zeroed_and_rounded_up() {
        let pages = HostPages::new(70_000).expect("memory");
        assert_eq!(pages.len(), 128 << 10);
        // SAFETY: the mapping has `len` readable bytes and nobody writes them.
        let bytes = unsafe { std::slice::from_raw_parts(pages.ptr().as_ptr(), pages.len()) };
        assert!(bytes.iter().all(|byte| *byte == 0));
        assert!(pages.ptr().as_ptr().addr().is_multiple_of(4096));
    }

    #[test]
    fn absurd_sizes_are_refused() {
        assert!(HostPages::new(usize::MAX).is_err());
        assert!(HostPages::new(1 << 60).is_err());
    }
}
