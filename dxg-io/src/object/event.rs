//! File descriptors that tell of completion: eventfds, which the host counts up, and sync files.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// An eventfd, non-blocking and closed on exec. Several waits may share one: its count is the number that fired.
#[derive(Debug)]
pub struct EventFd {
    fd: OwnedFd,
}

impl EventFd {
    /// A new one with count 0.
    pub fn new() -> Result<Self> {
        // SAFETY: needed to create the descriptor; the call has no pointers.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if fd < 0 {
            return Err(Error::system("eventfd"));
        }
        // SAFETY: `eventfd` just returned this descriptor, so it is open and nobody else owns it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        if fd.as_raw_fd() != 0 {
            return Ok(Self { fd });
        }
        // Number 0 means "no event" to the driver: move up.
        Ok(Self { fd: fd.try_clone().map_err(|_| Error::system("fcntl"))? })
    }

    /// Takes the count, which becomes 0. Returns 0 when nothing fired.
    pub fn take(&self) -> Result<u64> {
        let mut count = 0u64;
        // SAFETY: needed to read the descriptor; the buffer has the 8 bytes asked for.
        let read = unsafe { libc::read(self.fd.as_raw_fd(), (&raw mut count).cast(), 8) };
        if read == 8 {
            return Ok(count);
        }
        match std::io::Error::last_os_error().raw_os_error() {
            Some(libc::EAGAIN | libc::EINTR) => Ok(0),
            _ => Err(Error::system("read")),
        }
    }

    /// Counts up, as the host would: wakes who waits.
    pub fn fire(&self) -> Result<()> {
        let one = 1u64;
        // SAFETY: needed to write the descriptor; the buffer has the 8 bytes given.
        let written = unsafe { libc::write(self.fd.as_raw_fd(), (&raw const one).cast(), 8) };
        // Full means that it already fired 2⁶⁴ − 2 times: whoever waits is awake.
        if written == 8 || std::io::Error::last_os_error().raw_os_error() == Some(libc::EAGAIN) {
            return Ok(());
        }
        Err(Error::system("write"))
    }

    /// Waits until it fires or `timeout` is over, and takes the count. 0 means that it did not fire.
    pub fn wait(&self, timeout: Duration) -> Result<u64> {
        match poll(self.as_fd(), timeout)? {
            true => self.take(),
            false => Ok(0),
        }
    }
}

impl AsFd for EventFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// A descriptor that becomes readable when a fence reaches a value.
#[derive(Debug)]
pub struct SyncFile {
    fd: OwnedFd,
}

impl SyncFile {
    pub(super) fn new(fd: OwnedFd) -> Self {
        Self { fd }
    }

    /// Waits until the fence got there; `false` when `timeout` was over first.
    pub fn wait(&self, timeout: Duration) -> Result<bool> {
        poll(self.as_fd(), timeout)
    }

    /// The descriptor, to be passed to another process.
    pub fn into_fd(self) -> OwnedFd {
        self.fd
    }
}

impl AsFd for SyncFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Whether the descriptor became readable within `timeout`.
fn poll(fd: BorrowedFd<'_>, timeout: Duration) -> Result<bool> {
    let began = Instant::now();
    loop {
        let left = timeout.saturating_sub(began.elapsed());
        let spec = libc::timespec {
            tv_sec: libc::time_t::try_from(left.as_secs()).unwrap_or(libc::time_t::MAX),
            tv_nsec: left.subsec_nanos() as _,
        };
        let mut entry = libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: needed to wait on a descriptor; one entry is given, time and entry outlive the call, the mask is null.
        match unsafe { libc::ppoll(&raw mut entry, 1, &raw const spec, core::ptr::null()) } {
            1.. => return Ok(true),
            0 => return Ok(false),
            _ if std::io::Error::last_os_error().raw_os_error() == Some(libc::EINTR) => {}
            _ => return Err(Error::system("ppoll")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_counts_and_is_taken_once() -> Result<()> {
        let event = EventFd::new()?;
        assert!(event.as_fd().as_raw_fd() > 0);
        assert_eq!(event.take()?, 0);
        assert_eq!(event.wait(Duration::from_millis(1))?, 0);
        event.fire()?;
        event.fire()?;
        assert_eq!(event.wait(Duration::from_secs(1))?, 2);
        assert_eq!(event.take()?, 0);
        Ok(())
    }
}
