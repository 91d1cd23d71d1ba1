//! The one error type of the runtime, cheap to clone because a failure is seen by every operation that depends on it.
//!
//! An error found before an operation is accepted (wrong argument, wrong device, no memory) is returned at once and nothing
//! has happened. An error found later travels through the operation's future: the operation that failed reports what went
//! wrong, those behind it on its stream, and on streams that wait for it, report [`Error::DependencyFailed`] with the same
//! cause until the stream is reset. A lost device fails everything in flight with one [`Error::DeviceLost`].

use std::sync::Arc;

/// Result with the runtime's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, and what would be right.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No device answers to the selector.
    #[error("no device for selector `{selector}`: {reason}")]
    NoDevice {
        /// The selector as it was given or chosen.
        selector: Arc<str>,
        /// Why there is none, and what to do.
        reason: Arc<str>,
    },
    /// The selector is not one of the known words.
    #[error(
        "`{selector}` is not a device selector; use `software`, `dxg` or `cuda`, optionally with a number, as in `software:0`"
    )]
    BadSelector {
        /// The text that was given.
        selector: Arc<str>,
    },
    /// A setting (an environment variable, a limit, a parameter) has a value that means nothing.
    #[error("{name} is `{value}`; {expected}")]
    BadSetting {
        /// Which setting.
        name: Arc<str>,
        /// The value found.
        value: Arc<str>,
        /// What would be right.
        expected: Arc<str>,
    },
    /// A module image cannot be loaded.
    #[error("the {format} image cannot be loaded: {reason}")]
    BadImage {
        /// Which kind of image: "native", "PTX", "Rust", …
        format: &'static str,
        /// What is wrong with it.
        reason: Arc<str>,
    },
    /// The module has no kernel of this name.
    #[error("the module has no kernel `{name}`; it has {available}")]
    KernelNotFound {
        /// The name asked for.
        name: Arc<str>,
        /// The names there are, or a sentence when they are not known.
        available: Arc<str>,
    },
    /// The arguments of a launch do not fit the kernel.
    #[error("wrong arguments for kernel `{kernel}`: {reason}")]
    Arguments {
        /// The kernel.
        kernel: Arc<str>,
        /// Which argument, what it is and what it should be.
        reason: Arc<str>,
    },
    /// The grid of a launch is beyond what the device can run.
    #[error("the grid of kernel `{kernel}` is too large: {reason}")]
    GridTooLarge {
        /// The kernel.
        kernel: Arc<str>,
        /// Which number, and the limit.
        reason: Arc<str>,
    },
    /// A range leaves the buffer it refers to.
    #[error("{what} {start}..{end} is out of range: there are {len}")]
    OutOfRange {
        /// What the range counts, for example "elements".
        what: &'static str,
        /// First index asked for.
        start: u64,
        /// Index behind the last one asked for.
        end: u64,
        /// How many there are.
        len: u64,
    },
    /// The two sides of a copy have different lengths.
    #[error(
        "the source of the copy has {source_len} {unit} and the destination {destination_len}; slice the longer one"
    )]
    LengthMismatch {
        /// What is counted, "elements" or "bytes".
        unit: &'static str,
        /// Length of the source.
        source_len: u64,
        /// Length of the destination.
        destination_len: u64,
    },
    /// Memory is used up.
    #[error("out of {what}: {requested} bytes asked for, {available} available in one piece at most")]
    OutOfMemory {
        /// Which memory: "device memory", "staging memory", "host memory".
        what: &'static str,
        /// Bytes asked for.
        requested: u64,
        /// Bytes free (an upper bound of the largest piece).
        available: u64,
    },
    /// A launch failed on the device; the device goes on.
    #[error("kernel `{kernel}` failed (stream {stream}, operation {ticket}): {message}")]
    LaunchFailed {
        /// The kernel.
        kernel: Arc<str>,
        /// Number of its stream.
        stream: u32,
        /// Sequence number of the operation.
        ticket: u64,
        /// What the kernel or the engine said.
        message: Arc<str>,
    },
    /// The operation was not run because one before it failed.
    #[error("not run, because an operation before it failed: {cause}; reset the stream to use it again")]
    DependencyFailed {
        /// The first failure.
        cause: Arc<Error>,
    },
    /// The device is lost; everything in flight on it has failed. It can be opened again, by a new process if
    /// [`LostCause::needs_new_process`].
    #[error("the device is lost: {cause}; {}", cause.way_out())]
    DeviceLost {
        /// Why.
        cause: Arc<LostCause>,
    },
    /// An object belongs to another device than the one it is used with.
    #[error("the {what} belongs to {found}, but is used on {expected}; objects cannot be shared between devices")]
    WrongDevice {
        /// "buffer", "stream", "kernel", …
        what: &'static str,
        /// The device of the operation.
        expected: Arc<str>,
        /// The device of the object.
        found: Arc<str>,
    },
    /// A host buffer is in use.
    #[error("the host buffer is in use: {reason}")]
    Busy {
        /// By whom, and what to wait for.
        reason: Arc<str>,
    },
    /// The answer is not known yet.
    #[error("not ready yet: {what}")]
    NotReady {
        /// What is still missing.
        what: Arc<str>,
    },
    /// A value that can never be right.
    #[error("{reason}")]
    Invalid {
        /// What was wrong, and what would be right.
        reason: Arc<str>,
    },
    /// The device cannot do this.
    #[error("not supported: {reason}")]
    Unsupported {
        /// What, and what to use in its place.
        reason: Arc<str>,
    },
    /// The device was shut down.
    #[error("the device was shut down; open it again")]
    ShutDown,
    /// A call of the driver or of the operating system failed.
    #[error("{call} failed: {source}")]
    Driver {
        /// The call.
        call: &'static str,
        /// What it answered.
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
}

impl Error {
    /// An [`Error::Invalid`] with this sentence.
    pub(crate) fn invalid(reason: impl Into<Arc<str>>) -> Self {
        Error::Invalid { reason: reason.into() }
    }

    /// An [`Error::Unsupported`] with this sentence.
    pub(crate) fn unsupported(reason: impl Into<Arc<str>>) -> Self {
        Error::Unsupported { reason: reason.into() }
    }

    /// An [`Error::Driver`] around what a driver or system call answered.
    pub(crate) fn driver(call: &'static str, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Error::Driver { call, source: Arc::new(source) }
    }

    /// The error of an operation that was skipped because of this one.
    pub(crate) fn as_dependency(&self) -> Error {
        match self {
            // Lost and shut down are states of the whole device: every operation reports them as they are.
            Error::DeviceLost { .. } | Error::ShutDown | Error::DependencyFailed { .. } => self.clone(),
            other => Error::DependencyFailed { cause: Arc::new(other.clone()) },
        }
    }

    /// The first failure behind this error: the error itself, or the cause of a failed dependency.
    pub fn root_cause(&self) -> &Error {
        let mut error = self;
        while let Error::DependencyFailed { cause } = error {
            error = cause;
        }
        error
    }

    /// Whether the device is lost (opening it again may help; resetting the stream does not).
    pub fn is_device_lost(&self) -> bool {
        matches!(self.root_cause(), Error::DeviceLost { .. })
    }
}

/// Why a device was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LostReason {
    /// An operation used an address that is not mapped.
    PageFault {
        /// The address.
        address: u64,
    },
    /// The device refused a command, or failed in another way.
    Fault,
    /// Work ran longer than the timeout of the driver (TDR, 2 s by default).
    Timeout,
    /// The adapter was removed, or its driver restarted.
    Removed,
    /// Work in flight made no progress for [`Limits::silence_time`](crate::Limits::silence_time), and nothing says why: the
    /// host does not answer, or a submission never reached it.
    Silent,
    /// The driver refuses calls in a way that leaves the state unknown.
    Driver,
}

/// The cause of a lost device, the same for everything that was in flight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostCause {
    /// What kind of loss.
    pub reason: LostReason,
    /// What the driver says.
    pub message: String,
    /// Sequence number of the operation that was running, where the device tells it.
    pub operation: Option<u64>,
    /// Number of its stream, where known.
    pub stream: Option<u32>,
    /// The device cannot be opened again in this process: a CUDA context does not survive a fault, and a process has one.
    pub needs_new_process: bool,
}

impl LostCause {
    /// A cause that names no operation.
    pub(crate) fn new(reason: LostReason, message: impl Into<String>) -> Self {
        LostCause { reason, message: message.into(), operation: None, stream: None, needs_new_process: false }
    }

    fn way_out(&self) -> &'static str {
        match self.needs_new_process {
            true => "CUDA gives this process no other context: start a new process to go on",
            false => "open it again to go on",
        }
    }

    /// The cause where nothing moves and nothing says why.
    pub(crate) fn silent(time: std::time::Duration) -> Self {
        let message = format!("work in flight made no progress for {time:?}, and the device says that it is well");
        LostCause::new(LostReason::Silent, message)
    }
}

impl std::fmt::Display for LostCause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.reason {
            LostReason::PageFault { address } => write!(f, "a fault at address {address:#x}")?,
            LostReason::Fault => f.write_str("a fault")?,
            LostReason::Timeout => f.write_str("work ran over the time limit")?,
            LostReason::Removed => f.write_str("the adapter was removed")?,
            LostReason::Silent => f.write_str("the host does not answer")?,
            LostReason::Driver => f.write_str("the driver failed")?,
        }
        write!(f, " ({})", self.message)?;
        if let Some(operation) = self.operation {
            write!(f, ", in operation {operation}")?;
        }
        if let Some(stream) = self.stream {
            write!(f, " of stream {stream}")?;
        }
        Ok(())
    }
}

impl std::error::Error for LostCause {}

/// Which bound has no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Full {
    /// The stream holds as many unfinished operations as it may.
    Stream,
    /// The device holds as many unfinished operations as it may, over all streams.
    Device,
    /// The staging memory for host data is in use.
    Staging,
}

impl std::fmt::Display for Full {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Full::Stream => "the stream holds as many unfinished operations as it may",
            Full::Device => "the device holds as many unfinished operations as it may",
            Full::Staging => "the staging memory for host data is in use",
        })
    }
}

/// Why a `try_` call was not accepted. Nothing has happened in either case.
///
/// `R` is what the call gives back for another attempt (the data of a copy, for example).
#[derive(Clone, Debug, thiserror::Error)]
pub enum TryError<R = ()> {
    /// There is no room now; the same call may succeed later.
    #[error("no room: {bound}; wait for a completion, or use the awaiting form of the call")]
    Full {
        /// Which bound is reached.
        bound: Full,
        /// What the call had taken.
        returned: R,
    },
    /// The call itself is wrong, or the device or stream cannot take it.
    #[error(transparent)]
    Failed(#[from] Error),
}

impl<R> TryError<R> {
    /// Whether trying again later may succeed.
    pub fn is_full(&self) -> bool {
        matches!(self, TryError::Full { .. })
    }

    /// The same refusal, giving back something else.
    pub(crate) fn returning<S>(self, returned: S) -> TryError<S> {
        match self {
            TryError::Full { bound, .. } => TryError::Full { bound, returned },
            TryError::Failed(error) => TryError::Failed(error),
        }
    }
}

/// The failure of a stream, kept by its timeline: what broke, and at which operation.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The operation that failed; `None` where the whole device did.
    pub(crate) ticket: Option<u64>,
    /// What that operation reports.
    pub(crate) error: Error,
}

impl Failure {
    /// The failure of one operation.
    pub(crate) fn of_operation(ticket: u64, error: Error) -> Self {
        Failure { ticket: Some(ticket), error }
    }

    /// The failure of the whole device: every operation reports the same.
    pub(crate) fn of_device(error: Error) -> Self {
        Failure { ticket: None, error }
    }

    /// What the operation `ticket` of the failed stream reports.
    pub(crate) fn seen_by(&self, ticket: u64) -> Error {
        match self.ticket {
            Some(failed) if failed != ticket => self.error.as_dependency(),
            _ => self.error.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launch_failed() -> Error {
        Error::LaunchFailed { kernel: "saxpy".into(), stream: 3, ticket: 7, message: "panicked".into() }
    }

    #[test]
    fn errors_stay_small() {
        // They travel in every Result of the hot path.
        assert!(size_of::<Error>() <= 64, "{}", size_of::<Error>());
    }

    #[test]
    fn the_failing_operation_and_its_followers_see_different_errors() {
        let failure = Failure::of_operation(7, launch_failed());
        assert!(matches!(failure.seen_by(7), Error::LaunchFailed { .. }));
        let follower = failure.seen_by(8);
        assert!(matches!(follower, Error::DependencyFailed { .. }));
        assert!(matches!(follower.root_cause(), Error::LaunchFailed { .. }));
        assert!(follower.to_string().contains("saxpy"));
    }

    #[test]
    fn a_dependency_of_a_dependency_names_the_first_cause() {
        let first = launch_failed().as_dependency();
        let second = first.as_dependency();
        let Error::DependencyFailed { cause } = second else {
            panic!("{second}");
        };
        assert!(matches!(*cause, Error::LaunchFailed { .. }));
    }

    #[test]
    fn a_lost_device_is_reported_unchanged_to_everybody() {
        let lost = Error::DeviceLost {
            cause: Arc::new(LostCause { operation: Some(9), ..LostCause::new(LostReason::Timeout, "2000 ms passed") }),
        };
        let failure = Failure::of_device(lost);
        for ticket in [1, 9, 10] {
            let seen = failure.seen_by(ticket);
            assert!(seen.is_device_lost());
            assert!(seen.to_string().contains("operation 9"), "{seen}");
        }
    }
}
