//! Whether this is still the process that something was made in: the driver's tgid check, without a system call.
//!
//! A page that the kernel wipes in the child of a fork holds one. Reading it tells parent and child apart; asking for the
//! process id on every ioctl would cost as much as the rest of the call.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};

const PAGE: usize = 4096;

/// A mark that a forked child does not inherit.
pub struct Home {
    page: *const AtomicU32,
    /// Where the kernel does not wipe pages (before Linux 4.14) the process id is asked for.
    process: Option<u32>,
}

// SAFETY: needed because of the pointer; it refers to an atomic in a mapping that lives as long as the mark.
unsafe impl Send for Home {}
// SAFETY: as above; shared access is one atomic load.
unsafe impl Sync for Home {}

impl Home {
    /// Marks this process.
    pub fn new() -> io::Result<Home> {
        let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a fresh anonymous mapping.
        let page = unsafe { libc::mmap(std::ptr::null_mut(), PAGE, protection, flags, -1, 0) };
        if page == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the page was just mapped; the advice only says what becomes of it in a child.
        let wiped = unsafe { libc::madvise(page, PAGE, libc::MADV_WIPEONFORK) } == 0;
        let page = page.cast::<AtomicU32>().cast_const();
        // SAFETY: zeroed, aligned and ours, hence a valid atomic.
        unsafe { (*page).store(1, Ordering::Relaxed) };
        Ok(Home { page, process: (!wiped).then(std::process::id) })
    }

    /// Whether this is the process that [`Home::new`] was called in.
    #[inline]
    pub fn is_here(&self) -> bool {
        if let Some(process) = self.process {
            return process == std::process::id();
        }
        // SAFETY: the mapping lives as long as `self`.
        unsafe { (*self.page).load(Ordering::Relaxed) == 1 }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // SAFETY: unmaps what `new` mapped; nobody can refer to it any more.
        unsafe { libc::munmap(self.page.cast_mut().cast(), PAGE) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forked_child_is_elsewhere() {
        let home = Home::new().unwrap();
        assert!(home.is_here());
        // SAFETY: the child only reads memory and ends at once.
        let child = unsafe { libc::fork() };
        if child == 0 {
            // SAFETY: ends the child without running anything of the parent's.
            unsafe { libc::_exit(i32::from(home.is_here())) };
        }
        let mut status = 0;
        // SAFETY: waits for our own child.
        unsafe { libc::waitpid(child, &mut status, 0) };
        assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0);
        assert!(home.is_here());
    }
}
