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

    /// For memory whose device never said that it was through with it: forgets what is in it, so that it costs the system nothing
    /// more, and keeps its addresses for good, so that a late access harms nobody else. What a driver has pinned stays with the
    /// driver until its descriptor is closed.
    pub fn abandon(&self) {
        // SAFETY: needed to give pages back that cannot be unmapped. The mapping is private, anonymous and this value's; from
        // here on it reads as zeros, which the device's loss has made as good as anything.
        unsafe { libc::madvise(self.begin.as_ptr().cast(), self.len, libc::MADV_DONTNEED) };
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

    #[test]
    fn abandoned_memory_keeps_its_addresses_and_nothing_else() -> Result<()> {
        let memory = SystemMemory::new(GRANULE)?;
        let byte = memory.as_ptr().as_ptr();
        // SAFETY: the memory was just made and nobody else has it.
        unsafe { byte.write(7) };
        memory.abandon();
        // SAFETY: as above; it is still mapped.
        assert_eq!(unsafe { byte.read() }, 0);
        Ok(())
    }
}
