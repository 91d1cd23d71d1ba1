//! What the driver thread sleeps on: an eventfd of its own, and the device's.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// An eventfd that ends a sleep of the driver thread.
#[derive(Debug)]
pub(crate) struct WakeFd {
    fd: OwnedFd,
    /// What the attendant of a model sleeps on in the descriptor's stead.
    #[cfg(all(test, dxg_loom))]
    pub(super) signal: crate::sync::Arc<super::loom_device::Signal>,
}

impl WakeFd {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: needed because eventfd is a foreign function; it takes two plain integers and no memory.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: needed to take ownership of the number; it is a fresh descriptor that nobody else knows.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        #[cfg(all(test, dxg_loom))]
        return Ok(WakeFd { fd, signal: super::loom_device::Signal::new() });
        #[cfg(not(all(test, dxg_loom)))]
        Ok(WakeFd { fd })
    }

    /// Makes the descriptor readable. A full counter already is, so every outcome leaves it readable.
    pub(crate) fn wake(&self) {
        #[cfg(all(test, dxg_loom))]
        self.signal.set(super::loom_device::WORK);
        let one = 1u64.to_ne_bytes();
        // SAFETY: needed because write is a foreign function; it reads the eight bytes of `one`, which outlive the call.
        let _full_counter_is_readable = unsafe { libc::write(self.fd.as_raw_fd(), one.as_ptr().cast(), one.len()) };
    }

    /// Makes the descriptor silent again.
    pub(crate) fn drain(&self) {
        #[cfg(all(test, dxg_loom))]
        self.signal.clear(super::loom_device::WORK);
        let mut count = [0u8; 8];
        // SAFETY: needed because read is a foreign function; it writes at most the eight bytes of `count`.
        let _nothing_to_read_is_fine = unsafe { libc::read(self.fd.as_raw_fd(), count.as_mut_ptr().cast(), 8) };
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Sleeps until one of the descriptors is readable or the time is over; `None` sleeps without a limit. Signals and
/// errors end the sleep early; `false`: the time is over. The caller looks at the state of the world after every sleep anyway.
pub(crate) fn sleep_on(fds: &[BorrowedFd<'_>], limit: Option<Duration>) -> bool {
    let mut polled = [libc::pollfd { fd: -1, events: libc::POLLIN, revents: 0 }; 4];
    let count = fds.len().min(polled.len());
    for (slot, fd) in polled.iter_mut().zip(fds) {
        slot.fd = fd.as_raw_fd();
    }
    let limit = limit.map(|limit| libc::timespec {
        tv_sec: limit.as_secs().try_into().unwrap_or(libc::time_t::MAX),
        tv_nsec: limit.subsec_nanos().into(),
    });
    let limit_pointer = limit.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: needed because ppoll is a foreign function; it reads and writes the first `count` entries of `polled`,
    // reads `limit` where given, and both outlive the call.
    let ready = unsafe { libc::ppoll(polled.as_mut_ptr(), count as libc::nfds_t, limit_pointer, std::ptr::null()) };
    ready != 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn a_wake_up_ends_the_sleep_once() {
        let wake = WakeFd::new().unwrap();
        wake.wake();
        wake.wake();
        assert!(sleep_on(&[wake.as_fd()], None));
        wake.drain();
        let begun = Instant::now();
        assert!(!sleep_on(&[wake.as_fd()], Some(Duration::from_millis(5))));
        assert!(begun.elapsed() >= Duration::from_millis(4), "the second wake-up was counted twice");
    }
}
