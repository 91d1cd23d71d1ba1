//! The real device node, `/dev/dxg`.
//!
//! One ioctl becomes one system call. The driver does not report its traffic; what a call sends is worked out from its
//! arguments ([`call::traffic`](crate::call::traffic)), assuming a current host unless told otherwise.

use core::ffi::{CStr, c_void};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::boundary::{Boundary, RawOutcome};
use crate::call::traffic::{Messages, Protocol};
use crate::error::{Error, Result};
use crate::status::Errno;

/// Where the node is.
pub const PATH: &CStr = c"/dev/dxg";

/// An open descriptor of the node. Dropping it closes it: the driver then destroys everything made through it.
///
/// The driver answers only the process that opened it (`ENOTTY` to all others): open again after a fork.
#[derive(Debug)]
pub struct DevDxg {
    node: OwnedFd,
    opener: u32,
    protocol: Protocol,
}

impl DevDxg {
    /// Opens `/dev/dxg`. A process should do so once: two threads that race for the very first open can leave two
    /// process objects at the host.
    pub fn open() -> Result<Self> {
        Self::open_at(PATH)
    }

    /// Opens the node at another path.
    pub fn open_at(path: &CStr) -> Result<Self> {
        let fd = loop {
            // SAFETY: needed to open with exactly the flags of the reference library; `path` is a C string that outlives
            // the call.
            let fd = unsafe { libc::open(path.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) };
            if fd >= 0 {
                break fd;
            }
            // The first open makes the process object at the host, and a signal may come meanwhile.
            let errno = Errno(std::io::Error::last_os_error().raw_os_error().unwrap_or(0));
            if errno.0 != libc::EINTR {
                return Err(Error::Open { path: path.to_string_lossy().into_owned(), errno, advice: advice(errno) });
            }
        };
        // SAFETY: `open` just returned this descriptor, so it is open and nobody else owns it.
        let node = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Self { node, opener: std::process::id(), protocol: Protocol::CURRENT })
    }

    /// The same descriptor, with traffic worked out for another protocol of the host.
    pub fn with_protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// The process that opened the node.
    pub fn opener(&self) -> u32 {
        self.opener
    }
}

impl AsFd for DevDxg {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.node.as_fd()
    }
}

impl Boundary for DevDxg {
    unsafe fn ioctl(&self, request: u32, arg: *mut c_void) -> RawOutcome {
        // Read before the call: it overwrites counts with answers.
        // SAFETY: the caller promises that `arg` points to the initialised argument struct of `request`.
        let messages = unsafe { Messages::of(request, arg) };
        // SAFETY: the caller promises that `arg` and the pointers in it obey the contract of `request`.
        let ret = unsafe { libc::ioctl(self.node.as_raw_fd(), request as _, arg) };
        let outcome = match ret {
            -1 => RawOutcome::failed(std::io::Error::last_os_error().raw_os_error().unwrap_or(0)),
            ret => RawOutcome::returned(ret),
        };
        outcome.with_traffic(messages.traffic(self.protocol, &outcome))
    }

    fn name(&self) -> &str {
        "/dev/dxg"
    }
}

fn advice(errno: Errno) -> &'static str {
    match errno.0 {
        libc::ENOENT | libc::ENXIO | libc::ENOTDIR => {
            "there is no paravirtualized GPU here (it needs WSL 2 with GPU support); the `software` device works anywhere"
        }
        libc::EACCES | libc::EPERM => "this user may not open the node; its mode should be 0666",
        libc::EBADF => "the host refused this process; see its GPU paravirtualization settings",
        libc::EMFILE | libc::ENFILE => "too many files are open; close some or raise the limit",
        _ => "the driver gave no other reason",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Dxg;

    #[test]
    fn a_missing_node_says_where_it_would_be() {
        let error = DevDxg::open_at(c"/nonexistent/dxg").err();
        let error = error.filter(Error::is_unavailable).map(|e| e.to_string()).unwrap_or_default();
        assert!(error.starts_with("cannot open /nonexistent/dxg: ENOENT; there is no paravirtualized GPU"), "{error}");
    }

    #[test]
    fn another_kind_of_node_does_not_know_the_requests() {
        let null = DevDxg::open_at(c"/dev/null").map(Dxg::new);
        let error = null.and_then(|dxg| dxg.enum_adapters2_count()).err();
        assert_eq!(error.and_then(|e| e.errno()), Some(Errno(libc::ENOTTY)));
    }
}
