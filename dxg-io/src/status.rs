//! The two languages of failure: NTSTATUS (the host) and errno (the guest), and what a return value means.
//!
//! The guest driver maps the host's negative statuses to errno and passes everything else through. So an ioctl returns
//! one of four things, and [`Classified::of`] tells them apart:
//!
//! | returned | meaning |
//! |---|---|
//! | 0 | success |
//! | > 0 | an informative NTSTATUS, such as `STATUS_PENDING` |
//! | -1 | errno |
//! | other negative | a raw NTSTATUS that the driver did not map (argument checks of standard allocations) |

use core::fmt;

use crate::boundary::RawOutcome;

/// A status code of the host: negative values are failures.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NtStatus(pub i32);

macro_rules! statuses {
    ($($(#[$doc:meta])* $name:ident = $value:literal;)*) => {
        impl NtStatus {
            $($(#[$doc])* pub const $name: Self = Self($value as u32 as i32);)*

            /// The name of this status, without the `STATUS_` prefix, when it is one that this crate knows.
            pub const fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$name => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }
    };
}

statuses! {
    /// Success.
    SUCCESS = 0;
    /// A wait ran out of time. Not negative: it travels as an informative success.
    TIMEOUT = 0x102u32;
    /// The request was accepted and completes when a paging fence reaches a value.
    PENDING = 0x103u32;
    /// Failed for no stated reason; also what an errno without a counterpart means.
    UNSUCCESSFUL = 0xC000_0001u32;
    /// Not implemented by the host.
    NOT_IMPLEMENTED = 0xC000_0002u32;
    /// The host does not know this handle.
    INVALID_HANDLE = 0xC000_0008u32;
    /// An argument is wrong.
    INVALID_PARAMETER = 0xC000_000Du32;
    /// The command stream held an instruction that does not exist.
    ILLEGAL_INSTRUCTION = 0xC000_001Du32;
    /// Out of memory.
    NO_MEMORY = 0xC000_0017u32;
    /// Not allowed.
    ACCESS_DENIED = 0xC000_0022u32;
    /// The buffer given cannot hold the answer.
    BUFFER_TOO_SMALL = 0xC000_0023u32;
    /// The handle names an object of another type.
    OBJECT_TYPE_MISMATCH = 0xC000_0024u32;
    /// The name is not well formed.
    OBJECT_NAME_INVALID = 0xC000_0033u32;
    /// Nothing has this name.
    OBJECT_NAME_NOT_FOUND = 0xC000_0034u32;
    /// Something has this name already.
    OBJECT_NAME_COLLISION = 0xC000_0035u32;
    /// The host does not support this request.
    NOT_SUPPORTED = 0xC000_00BBu32;
    /// The adapter is gone.
    DEVICE_REMOVED = 0xC000_02B6u32;
    /// Video memory is exhausted.
    GRAPHICS_NO_VIDEO_MEMORY = 0xC01E_0100u32;
    /// The allocation is in use.
    GRAPHICS_ALLOCATION_BUSY = 0xC01E_0102u32;
}

impl NtStatus {
    /// Success or information (not negative).
    pub const fn is_success(self) -> bool {
        self.0 >= 0
    }

    /// The errno into which the driver turns this status; `None` for statuses that it passes through.
    /// Every negative status that it does not list becomes `EINVAL`.
    pub const fn to_errno(self) -> Option<Errno> {
        if self.is_success() {
            return None;
        }
        Some(Errno(match self {
            Self::OBJECT_NAME_COLLISION => libc::EEXIST,
            Self::NO_MEMORY => libc::ENOMEM,
            Self::OBJECT_NAME_INVALID | Self::OBJECT_NAME_NOT_FOUND => libc::ENOENT,
            Self::BUFFER_TOO_SMALL => libc::EOVERFLOW,
            Self::DEVICE_REMOVED => libc::ENODEV,
            Self::ACCESS_DENIED => libc::EACCES,
            Self::NOT_SUPPORTED | Self::NOT_IMPLEMENTED => libc::EPERM,
            Self::ILLEGAL_INSTRUCTION => libc::EOPNOTSUPP,
            Self::INVALID_HANDLE => libc::EBADF,
            Self::GRAPHICS_ALLOCATION_BUSY => libc::EINPROGRESS,
            Self::OBJECT_TYPE_MISMATCH => libc::EPROTOTYPE,
            _ => libc::EINVAL,
        }))
    }

    /// What the driver's ioctl returns for this status of the host: success and information unchanged, failures as errno.
    pub const fn to_outcome(self) -> RawOutcome {
        match self.to_errno() {
            None => RawOutcome::returned(self.0),
            Some(errno) => RawOutcome::failed(errno.0),
        }
    }
}

impl fmt::Display for NtStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "STATUS_{name} ({:#010x})", self.0),
            None => write!(f, "NTSTATUS {:#010x}", self.0),
        }
    }
}

impl fmt::Debug for NtStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An error number of the guest.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Errno(pub i32);

impl Errno {
    /// The status that user-mode code sees for this errno (the way back in Microsoft's own library). An errno without a
    /// counterpart is `STATUS_UNSUCCESSFUL`.
    pub const fn to_status(self) -> NtStatus {
        match self.0 {
            0 => NtStatus::SUCCESS,
            libc::EEXIST => NtStatus::OBJECT_NAME_COLLISION,
            libc::ENOMEM => NtStatus::NO_MEMORY,
            libc::EINVAL => NtStatus::INVALID_PARAMETER,
            libc::ENOENT => NtStatus::OBJECT_NAME_INVALID,
            libc::EAGAIN => NtStatus::TIMEOUT,
            libc::EOVERFLOW => NtStatus::BUFFER_TOO_SMALL,
            libc::ENODEV => NtStatus::DEVICE_REMOVED,
            libc::EACCES => NtStatus::ACCESS_DENIED,
            libc::EPERM | libc::ENOSYS => NtStatus::NOT_SUPPORTED,
            libc::EOPNOTSUPP => NtStatus::ILLEGAL_INSTRUCTION,
            libc::EBADF => NtStatus::INVALID_HANDLE,
            libc::EINPROGRESS => NtStatus::GRAPHICS_ALLOCATION_BUSY,
            libc::EPROTOTYPE => NtStatus::OBJECT_TYPE_MISMATCH,
            _ => NtStatus::UNSUCCESSFUL,
        }
    }

    /// The symbolic name, for the numbers that this boundary can produce.
    pub const fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            libc::EPERM => "EPERM",
            libc::ENOENT => "ENOENT",
            libc::EINTR => "EINTR",
            libc::EBADF => "EBADF",
            libc::EAGAIN => "EAGAIN",
            libc::ENOMEM => "ENOMEM",
            libc::EACCES => "EACCES",
            libc::EFAULT => "EFAULT",
            libc::EEXIST => "EEXIST",
            libc::ENODEV => "ENODEV",
            libc::EINVAL => "EINVAL",
            libc::EMFILE => "EMFILE",
            libc::ENOTTY => "ENOTTY",
            libc::ENOSYS => "ENOSYS",
            libc::EOVERFLOW => "EOVERFLOW",
            libc::EPROTOTYPE => "EPROTOTYPE",
            libc::EOPNOTSUPP => "EOPNOTSUPP",
            libc::EINPROGRESS => "EINPROGRESS",
            libc::ENOTRECOVERABLE => "ENOTRECOVERABLE",
            libc::ERESTART => "ERESTART",
            _ => return None,
        })
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "errno {}", self.0),
        }
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The four kinds of return value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Classified {
    /// 0.
    Success,
    /// A positive NTSTATUS: success with something to say.
    Informative(NtStatus),
    /// -1 with an error number.
    Errno(Errno),
    /// A negative NTSTATUS that the driver returned without mapping it.
    RawStatus(NtStatus),
}

impl Classified {
    /// Tells what an outcome means.
    pub const fn of(outcome: &RawOutcome) -> Self {
        match outcome.ret {
            0 => Self::Success,
            -1 => Self::Errno(Errno(outcome.errno)),
            ret if ret > 0 => Self::Informative(NtStatus(ret)),
            ret => Self::RawStatus(NtStatus(ret)),
        }
    }

    /// Whether the call did what it was asked to.
    pub const fn is_success(self) -> bool {
        matches!(self, Self::Success | Self::Informative(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_four_kinds_are_told_apart() {
        assert_eq!(Classified::of(&RawOutcome::success()), Classified::Success);
        assert_eq!(Classified::of(&RawOutcome::returned(0x103)), Classified::Informative(NtStatus::PENDING));
        assert_eq!(Classified::of(&RawOutcome::failed(libc::EAGAIN)), Classified::Errno(Errno(libc::EAGAIN)));
        let raw = NtStatus::INVALID_PARAMETER;
        assert_eq!(Classified::of(&RawOutcome::returned(raw.0)), Classified::RawStatus(raw));
        assert!(Classified::Informative(NtStatus::TIMEOUT).is_success());
        assert!(!Classified::RawStatus(raw).is_success());
    }

    #[test]
    fn mapping_there_and_back_keeps_the_status_except_where_two_share_an_errno() {
        let same = [
            NtStatus::OBJECT_NAME_COLLISION,
            NtStatus::NO_MEMORY,
            NtStatus::INVALID_PARAMETER,
            NtStatus::OBJECT_NAME_INVALID,
            NtStatus::BUFFER_TOO_SMALL,
            NtStatus::DEVICE_REMOVED,
            NtStatus::ACCESS_DENIED,
            NtStatus::NOT_SUPPORTED,
            NtStatus::ILLEGAL_INSTRUCTION,
            NtStatus::INVALID_HANDLE,
            NtStatus::GRAPHICS_ALLOCATION_BUSY,
            NtStatus::OBJECT_TYPE_MISMATCH,
        ];
        for status in same {
            assert_eq!(status.to_errno().map(Errno::to_status), Some(status));
        }
        let shared = [
            (NtStatus::OBJECT_NAME_NOT_FOUND, NtStatus::OBJECT_NAME_INVALID),
            (NtStatus::NOT_IMPLEMENTED, NtStatus::NOT_SUPPORTED),
            (NtStatus(0xC000_1234_u32 as i32), NtStatus::INVALID_PARAMETER),
        ];
        for (status, back) in shared {
            assert_eq!(status.to_errno().map(Errno::to_status), Some(back));
        }
    }

    #[test]
    fn positive_statuses_pass_and_odd_errnos_are_unsuccessful() {
        assert_eq!(NtStatus::PENDING.to_errno(), None);
        assert_eq!(NtStatus::PENDING.to_outcome(), RawOutcome::returned(0x103));
        assert_eq!(NtStatus::DEVICE_REMOVED.to_outcome(), RawOutcome::failed(libc::ENODEV));
        for errno in [libc::EFAULT, libc::ENOTTY, libc::EINTR, libc::ENOTRECOVERABLE] {
            assert_eq!(Errno(errno).to_status(), NtStatus::UNSUCCESSFUL);
        }
        assert_eq!(Errno(libc::EAGAIN).to_status(), NtStatus::TIMEOUT);
        assert_eq!(Errno(libc::ENOSYS).to_status(), NtStatus::NOT_SUPPORTED);
    }

    #[test]
    fn both_languages_read_well() {
        assert_eq!(NtStatus::NO_MEMORY.to_string(), "STATUS_NO_MEMORY (0xc0000017)");
        assert_eq!(NtStatus(0x4000_0001).to_string(), "NTSTATUS 0x40000001");
        assert_eq!(Errno(libc::ENODEV).to_string(), "ENODEV");
        assert_eq!(Errno(4242).to_string(), "errno 4242");
    }
}
