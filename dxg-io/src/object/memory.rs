//! System memory that the device can be given.

use core::ptr::NonNull;

use crate::error::{Error, Result};

/// Hosts may round the size of an allocation up; the driver then wants the pages behind it too.
const GRANULE: usize = 64 * 1024;

/// Page-aligned, zeroed memory of this process. Reached by pointer only: CPU and device both change it.
#[derive(Debug)]
pub struct SystemMemory {
    begin: NonNull<u8>,
    len: usize,
}

// SAFETY: the memory is owned by this value alone and reached through raw pointers, whose users answer for their accesses.
unsafe impl Send for SystemMemory {}
// SAFETY: as above; nothing here is changed through a shared reference.
unsafe impl Sync for SystemMemory {}

impl SystemMemory {
    /// At least `len` bytes, rounded up to 64 KiB.
    pub fn new(len: usize) -> Result<Self> {
        let len = len.max(1).checked_next_multiple_of(GRANULE).ok_or_else(too_large)?;
        // SAFETY: needed to get page-aligned memory; a new private mapping without a wished address disturbs no other.
        let begin = unsafe {
            libc::mmap(
                core::ptr::null_mut(),
                len,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if begin == libc::MAP_FAILED {
            return Err(Error::system("mmap"));
        }
        let begin = NonNull::new(begin.cast()).ok_or_else(|| Error::system("mmap"))?;
        Ok(Self { begin, len })
    }

    /// Where it begins.
    pub fn as_ptr(&self) -> NonNull<u8> {
        self.begin
    }

    /// Bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Never: there is always at least one granule.
    pub fn is_empty(&self) -> bool {
        false
    }
}

fn too_large() -> Error {
    Error::invalid("mmap", "the size is larger than the address space")
}

impl Drop for SystemMemory {
    fn drop(&mut self) {
        // SAFETY: the mapping was made in `new` with this address and length, and is unmapped only here. Allocations made
        // from it hold it, so the device has let go of it.
        unsafe { libc::munmap(self.begin.as_ptr().cast(), self.len) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_aligned_zeroed_and_rounded_up() -> Result<()> {
        let memory = SystemMemory::new(5)?;
        assert_eq!((memory.len(), memory.as_ptr().as_ptr() as usize % 4096), (GRANULE, 0));
        // SAFETY: the memory was just made and nobody else has it.
        assert_eq!(unsafe { memory.as_ptr().add(GRANULE - 1).read() }, 0);
        assert!(SystemMemory::new(usize::MAX).is_err());
        Ok(())
    }
}
