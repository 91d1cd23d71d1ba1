//! What can go wrong at the boundary: which call, on which object, with which status in both languages.

use core::fmt;

use crate::status::{Errno, NtStatus};
use crate::sys::d3dkmthandle;

/// A result of this crate.
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// What a handle names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ObjectKind {
    /// The open descriptor itself.
    Node,
    /// An adapter.
    Adapter,
    /// A device.
    Device,
    /// A context.
    Context,
    /// A hardware queue.
    HwQueue,
    /// A paging queue.
    PagingQueue,
    /// An allocation.
    Allocation,
    /// A resource.
    Resource,
    /// A synchronization object.
    SyncObject,
    /// A file descriptor.
    File,
}

/// The object that a call was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Object {
    /// What it is.
    pub kind: ObjectKind,
    /// Its handle (a descriptor's number for [`ObjectKind::File`]).
    pub handle: u32,
}

impl Object {
    /// The descriptor itself.
    pub const NODE: Self = Self { kind: ObjectKind::Node, handle: 0 };

    /// The object that a handle names.
    pub const fn new(kind: ObjectKind, handle: d3dkmthandle) -> Self {
        Self { kind, handle: handle.v }
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.kind {
            ObjectKind::Node => return f.write_str("the device node"),
            ObjectKind::File => return write!(f, "file descriptor {}", self.handle as i32),
            ObjectKind::Adapter => "adapter",
            ObjectKind::Device => "device",
            ObjectKind::Context => "context",
            ObjectKind::HwQueue => "hardware queue",
            ObjectKind::PagingQueue => "paging queue",
            ObjectKind::Allocation => "allocation",
            ObjectKind::Resource => "resource",
            ObjectKind::SyncObject => "synchronization object",
        };
        write!(f, "{word} {:#010x}", self.handle)
    }
}

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The driver or the host refused.
    #[error("{call} on {object} failed: {status}{}{}", in_errno(*.errno), hint(*.status, *.errno))]
    Failed {
        /// The request, by its C name.
        call: &'static str,
        /// The object that it was about.
        object: Object,
        /// The failure as NTSTATUS.
        status: NtStatus,
        /// The failure as errno; `None` when the driver returned the NTSTATUS unmapped.
        errno: Option<Errno>,
    },
    /// The call reported success but left an output that success must set.
    #[error("{call} on {object} reported success but gave no {output}: the host refused it and said no more")]
    NoAnswer {
        /// The request.
        call: &'static str,
        /// The object that it was about.
        object: Object,
        /// What is missing.
        output: &'static str,
    },
    /// An argument was refused before the call, because the driver would misbehave or answer without a reason.
    #[error("{call} was not made: {reason}")]
    Invalid {
        /// The request.
        call: &'static str,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// This driver does not have the request.
    #[error("{call} is not known to this driver (an optional request of newer ones)")]
    Unsupported {
        /// The request.
        call: &'static str,
    },
    /// The descriptor was opened by another process.
    #[error(
        "{call} used a descriptor that process {opener} opened, in process {caller}: after fork, open the device again"
    )]
    Forked {
        /// The request.
        call: &'static str,
        /// The process that opened the descriptor.
        opener: u32,
        /// The process that made the call.
        caller: u32,
    },
    /// The device node could not be opened.
    #[error("cannot open {path}: {errno}; {advice}")]
    Open {
        /// The path.
        path: String,
        /// Why.
        errno: Errno,
        /// What to do about it.
        advice: &'static str,
    },
    /// Too many kernel objects are alive.
    #[error(
        "{live} kernel objects are alive and {wanted} more would pass the limit of {limit}; suballocate, or drop some"
    )]
    TooManyObjects {
        /// Objects alive.
        live: u32,
        /// Objects asked for.
        wanted: u32,
        /// The limit of this library, below that at which the guest driver crashes.
        limit: u32,
    },
    /// A system call beside the device node failed (an eventfd, a poll).
    #[error("{call} failed: {errno}")]
    System {
        /// The system call.
        call: &'static str,
        /// Why.
        errno: Errno,
    },
    /// A wait reached its deadline.
    #[error("{what} did not happen within {millis} ms")]
    TimedOut {
        /// What was waited for.
        what: &'static str,
        /// The limit.
        millis: u64,
    },
    /// A fence went to its maximum: the host's sign that the device was reset.
    #[error("{what} was answered with the maximum fence value: the device is lost")]
    DeviceLost {
        /// What was waited for.
        what: &'static str,
    },
}

fn in_errno(errno: Option<Errno>) -> String {
    match errno {
        Some(errno) => format!(" ({errno})"),
        None => " (not mapped to an errno by the driver)".into(),
    }
}

/// What a failure usually means, for those whose name misleads.
fn hint(status: NtStatus, errno: Option<Errno>) -> &'static str {
    match errno.map(|e| e.0) {
        Some(libc::EAGAIN) => ": the message ring to the host stayed full",
        Some(libc::ENODEV) => ": the adapter is gone or the device is destroyed",
        Some(libc::ENOTTY) => ": the driver does not know this request",
        Some(libc::EINVAL) => ": a handle, a count or an argument is wrong, or the host gave a reason without an errno",
        None if status == NtStatus::INVALID_PARAMETER => ": an argument of the standard allocation is wrong",
        _ => "",
    }
}

impl Error {
    /// An [`Error::Invalid`].
    pub fn invalid(call: &'static str, reason: impl Into<String>) -> Self {
        Self::Invalid { call, reason: reason.into() }
    }

    /// The last error of the C library, as that of `call`.
    pub fn system(call: &'static str) -> Self {
        Self::System { call, errno: Errno(std::io::Error::last_os_error().raw_os_error().unwrap_or(0)) }
    }

    /// The request or system call that failed, when there is one.
    pub fn call(&self) -> Option<&'static str> {
        match self {
            Self::Failed { call, .. }
            | Self::NoAnswer { call, .. }
            | Self::Invalid { call, .. }
            | Self::Unsupported { call }
            | Self::Forked { call, .. }
            | Self::System { call, .. } => Some(call),
            _ => None,
        }
    }

    /// The failure as NTSTATUS.
    pub fn status(&self) -> NtStatus {
        match self {
            Self::Failed { status, .. } => *status,
            Self::NoAnswer { .. } => NtStatus::UNSUCCESSFUL,
            Self::Invalid { .. } => NtStatus::INVALID_PARAMETER,
            Self::Unsupported { .. } => NtStatus::NOT_SUPPORTED,
            Self::Forked { .. } => NtStatus::INVALID_HANDLE,
            Self::Open { errno, .. } | Self::System { errno, .. } => errno.to_status(),
            Self::TooManyObjects { .. } => NtStatus::NO_MEMORY,
            Self::TimedOut { .. } => NtStatus::TIMEOUT,
            Self::DeviceLost { .. } => NtStatus::DEVICE_REMOVED,
        }
    }

    /// The failure as errno, when it came as one.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Failed { errno, .. } => *errno,
            Self::Open { errno, .. } | Self::System { errno, .. } => Some(*errno),
            _ => None,
        }
    }

    /// The object that the call was about.
    pub fn object(&self) -> Option<Object> {
        match self {
            Self::Failed { object, .. } | Self::NoAnswer { object, .. } => Some(*object),
            _ => None,
        }
    }

    /// The adapter was removed or the device is lost: open it again.
    pub fn is_device_lost(&self) -> bool {
        match self {
            Self::DeviceLost { .. } => true,
            Self::Failed { status, errno, .. } => {
                *status == NtStatus::DEVICE_REMOVED || *errno == Some(Errno(libc::ENODEV))
            }
            _ => false,
        }
    }

    /// The ring to the host stayed full: the same call may succeed later.
    pub fn is_throttled(&self) -> bool {
        matches!(self, Self::Failed { errno: Some(Errno(libc::EAGAIN)), .. })
    }

    /// Memory is short, at the host or in the guest.
    pub fn is_out_of_memory(&self) -> bool {
        matches!(self.status(), NtStatus::NO_MEMORY | NtStatus::GRAPHICS_NO_VIDEO_MEMORY)
    }

    /// A signal ended a blocking call.
    pub fn is_interrupted(&self) -> bool {
        self.errno() == Some(Errno(libc::EINTR))
    }

    /// The driver or the host does not support the request.
    pub fn is_unsupported(&self) -> bool {
        matches!(self.status(), NtStatus::NOT_SUPPORTED) || self.errno() == Some(Errno(libc::ENOTTY))
    }

    /// There is no device node, or no right to open it.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Open { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(errno: i32) -> Error {
        Error::Failed {
            call: "LX_DXLOCK2",
            object: Object::new(ObjectKind::Allocation, d3dkmthandle { v: 0x4000_0040 }),
            status: Errno(errno).to_status(),
            errno: Some(Errno(errno)),
        }
    }

    #[test]
    fn a_failure_names_call_object_and_status_in_both_languages() {
        assert_eq!(
            failed(libc::ENODEV).to_string(),
            "LX_DXLOCK2 on allocation 0x40000040 failed: STATUS_DEVICE_REMOVED (0xc00002b6) (ENODEV): \
             the adapter is gone or the device is destroyed"
        );
    }

    #[test]
    fn predicates_tell_the_cases_apart() {
        assert!(failed(libc::ENODEV).is_device_lost());
        assert!(!failed(libc::EINVAL).is_device_lost());
        assert!(failed(libc::EAGAIN).is_throttled());
        assert!(!failed(libc::ENOMEM).is_throttled());
        assert!(failed(libc::ENOMEM).is_out_of_memory());
        assert!(failed(libc::EINTR).is_interrupted());
        assert!(failed(libc::ENOTTY).is_unsupported());
        assert!(failed(libc::EPERM).is_unsupported());
        assert!(Error::DeviceLost { what: "a fence" }.is_device_lost());
    }
}
