//! The messages that each ioctl causes in the guest driver: which kind, and how many bytes.
//!
//! The driver does not report its traffic, so for the device node it is worked out here from the arguments, as the driver
//! builds its messages. What only the driver knows is taken at its usual value: a lock is counted as a first one, the
//! cached execution state as a hit, a destroyed device without allocations, a share as a first one. Lists that the
//! arguments point to are not looked at: the driver data of each new allocation, and the messages that existing system
//! memory adds, are not counted.

use crate::boundary::{RawOutcome, Traffic};
use crate::sys::*;

/// Bytes that one message can carry.
pub const MAX_MESSAGE: usize = 131_072;

/// The prefix that routes a message to a virtual GPU, since version 40 of the interface.
pub const ROUTING_PREFIX: u64 = 16;

/// How the negotiated interface sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protocol {
    /// Submissions, signals and waits by the GPU are posted; otherwise every message is a round trip.
    pub asynchronous: bool,
    /// Bytes before each message.
    pub prefix: u64,
}

impl Protocol {
    /// Current hosts: interface 40 with asynchronous messages.
    pub const CURRENT: Self = Self { asynchronous: true, prefix: ROUTING_PREFIX };
    /// Interface 27 without asynchronous messages.
    pub const SYNCHRONOUS: Self = Self { asynchronous: false, prefix: 0 };
}

/// What a call will send, read from its arguments before it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Messages {
    /// None.
    None,
    /// One that is posted in asynchronous mode, with this payload (without prefix).
    Posted(u64),
    /// One round trip with this payload.
    RoundTrip(u64),
    /// Two round trips and one posted message.
    TwoAndPosted([u64; 3]),
    /// Three round trips.
    Three([u64; 3]),
}

impl Messages {
    /// What the call with these arguments sends when it succeeds.
    ///
    /// # Safety
    /// `arg` points to the argument struct of `request`, with all bytes initialised.
    pub unsafe fn of(request: u32, arg: *const core::ffi::c_void) -> Self {
        /// Reads the argument struct of the request at hand.
        macro_rules! args {
            ($t:ident) => {
                // SAFETY: every use is in the match arm of the request whose argument struct is `$t`, and the caller
                // promises that `arg` points to that struct. The read asks for no alignment.
                unsafe { arg.cast::<$t>().read_unaligned() }
            };
        }
        let n = u64::from;
        match request {
            LX_DXSUBMITCOMMAND => {
                let a = args!(d3dkmt_submitcommand);
                Self::Posted(408 + 4 * n(a.num_history_buffers) + n(a.priv_drv_data_size))
            }
            LX_DXSUBMITCOMMANDTOHWQUEUE => {
                let a = args!(d3dkmt_submitcommandtohwqueue);
                Self::Posted(80 + 4 * n(a.num_primaries) + n(a.priv_drv_data_size))
            }
            LX_DXSIGNALSYNCHRONIZATIONOBJECT => {
                let a = args!(d3dkmt_signalsynchronizationobject2);
                // The context itself is one more of the list.
                Self::Posted(60 + 4 * n(a.object_count) + 4 * (n(a.context_count) + 1))
            }
            LX_DXSIGNALSYNCHRONIZATIONOBJECTFROMCPU => {
                Self::Posted(56 + 12 * n(args!(d3dkmt_signalsynchronizationobjectfromcpu).object_count))
            }
            LX_DXSIGNALSYNCHRONIZATIONOBJECTFROMGPU => {
                Self::Posted(60 + 12 * n(args!(d3dkmt_signalsynchronizationobjectfromgpu).object_count))
            }
            LX_DXSIGNALSYNCHRONIZATIONOBJECTFROMGPU2 => {
                let a = args!(d3dkmt_signalsynchronizationobjectfromgpu2);
                let objects = if a.flags.enqueue_cpu_event() { 0 } else { 12 * n(a.object_count) };
                Self::Posted(56 + objects + 4 * n(a.context_count))
            }
            LX_DXSUBMITSIGNALSYNCOBJECTSTOHWQUEUE => {
                let a = args!(d3dkmt_submitsignalsyncobjectstohwqueue);
                Self::Posted(56 + 12 * n(a.object_count) + 4 * n(a.hwqueue_count))
            }
            LX_DXWAITFORSYNCHRONIZATIONOBJECT => {
                Self::Posted(40 + 12 * n(args!(d3dkmt_waitforsynchronizationobject2).object_count))
            }
            LX_DXWAITFORSYNCHRONIZATIONOBJECTFROMGPU => {
                Self::Posted(40 + 12 * n(args!(d3dkmt_waitforsynchronizationobjectfromgpu).object_count))
            }
            LX_DXSUBMITWAITFORSYNCOBJECTSTOHWQUEUE => {
                Self::Posted(40 + 12 * n(args!(d3dkmt_submitwaitforsyncobjectstohwqueue).object_count))
            }
            LX_DXWAITFORSYNCHRONIZATIONOBJECTFROMCPU => {
                Self::RoundTrip(56 + 12 * n(args!(d3dkmt_waitforsynchronizationobjectfromcpu).object_count))
            }
            LX_DXMAKERESIDENT => Self::RoundTrip(44 + 4 * n(args!(d3dddi_makeresident).alloc_count)),
            LX_DXEVICT => Self::RoundTrip(36 + 4 * n(args!(d3dkmt_evict).alloc_count)),
            LX_DXMAPGPUVIRTUALADDRESS => Self::RoundTrip(136),
            LX_DXRESERVEGPUVIRTUALADDRESS => Self::RoundTrip(96),
            LX_DXFREEGPUVIRTUALADDRESS => Self::RoundTrip(48),
            LX_DXUPDATEGPUVIRTUALADDRESS => {
                Self::RoundTrip(56 + 64 * n(args!(d3dkmt_updategpuvirtualaddress).num_operations))
            }
            LX_DXCREATEALLOCATION => {
                let a = args!(d3dkmt_createallocation);
                let entries = 12 * n(a.alloc_count) + n(a.private_runtime_data_size);
                if a.flags.standard_allocation() {
                    // Sizes of the driver's data, then the data, then the creation.
                    Self::Three([64, 64, 64 + entries])
                } else {
                    Self::RoundTrip(64 + entries + n(a.priv_drv_data_size))
                }
            }
            LX_DXDESTROYALLOCATION2 => Self::RoundTrip(48 + 4 * n(args!(d3dkmt_destroyallocation2).alloc_count)),
            LX_DXLOCK2 => Self::RoundTrip(64),
            LX_DXUNLOCK2 => Self::RoundTrip(40),
            LX_DXGETDEVICESTATE => match args!(d3dkmt_getdevicestate).state_type {
                _D3DKMT_DEVICESTATE_EXECUTION => Self::None,
                _ => Self::RoundTrip(80),
            },
            LX_DXCREATESYNCHRONIZATIONOBJECT => Self::RoundTrip(128),
            LX_DXDESTROYSYNCHRONIZATIONOBJECT => Self::RoundTrip(32),
            LX_DXCREATEDEVICE => Self::RoundTrip(40),
            LX_DXDESTROYDEVICE => Self::RoundTrip(32),
            LX_DXCREATECONTEXTVIRTUAL => Self::RoundTrip(55 + n(args!(d3dkmt_createcontextvirtual).priv_drv_data_size)),
            LX_DXCREATEHWQUEUE => match args!(d3dkmt_createhwqueue).priv_drv_data_size {
                0 => Self::RoundTrip(72),
                p => Self::RoundTrip(71 + n(p)),
            },
            LX_DXDESTROYCONTEXT | LX_DXDESTROYHWQUEUE | LX_DXDESTROYPAGINGQUEUE | LX_DXMARKDEVICEASERROR => {
                Self::RoundTrip(32)
            }
            LX_DXCREATEPAGINGQUEUE => Self::RoundTrip(56),
            LX_DXQUERYADAPTERINFO => Self::RoundTrip(39 + n(args!(d3dkmt_queryadapterinfo).private_data_size)),
            LX_DXQUERYVIDEOMEMORYINFO => Self::RoundTrip(40),
            LX_DXQUERYSTATISTICS => Self::RoundTrip(832),
            LX_DXQUERYCLOCKCALIBRATION => Self::RoundTrip(64),
            LX_DXESCAPE => Self::RoundTrip(55 + n(args!(d3dkmt_escape).priv_drv_data_size)),
            LX_DXOFFERALLOCATIONS => Self::RoundTrip(44 + 4 * n(args!(d3dkmt_offerallocations).allocation_count)),
            LX_DXRECLAIMALLOCATIONS2 => Self::RoundTrip(44 + 4 * n(args!(d3dkmt_reclaimallocations2).allocation_count)),
            LX_DXUPDATEALLOCPROPERTY => Self::RoundTrip(64),
            LX_DXQUERYALLOCATIONRESIDENCY => {
                Self::RoundTrip(56 + 4 * n(args!(d3dkmt_queryallocationresidency).allocation_count))
            }
            LX_DXSETALLOCATIONPRIORITY => {
                Self::RoundTrip(40 + 8 * n(args!(d3dkmt_setallocationpriority).allocation_count))
            }
            LX_DXGETALLOCATIONPRIORITY => {
                Self::RoundTrip(40 + 4 * n(args!(d3dkmt_getallocationpriority).allocation_count))
            }
            LX_DXGETCONTEXTSCHEDULINGPRIORITY | LX_DXGETCONTEXTINPROCESSSCHEDULINGPRIORITY => Self::RoundTrip(32),
            LX_DXSETCONTEXTSCHEDULINGPRIORITY | LX_DXSETCONTEXTINPROCESSSCHEDULINGPRIORITY => Self::RoundTrip(40),
            LX_DXCHANGEVIDEOMEMORYRESERVATION => Self::RoundTrip(56),
            LX_DXFLUSHHEAPTRANSITIONS => Self::RoundTrip(24),
            LX_DXSHAREOBJECTS => Self::RoundTrip(32),
            LX_DXOPENSYNCOBJECTFROMNTHANDLE2 | LX_DXOPENSYNCOBJECTFROMSYNCFILE => Self::RoundTrip(40),
            LX_DXOPENRESOURCEFROMNTHANDLE => Self::RoundTrip(48),
            LX_DXSHAREOBJECTWITHHOST => Self::RoundTrip(40),
            LX_DXCREATESYNCFILE => Self::RoundTrip(56 + 12),
            // Open and destroy of the fence, and one wait of the context between them.
            LX_DXWAITSYNCFILE => Self::TwoAndPosted([40, 32, 40 + 12]),
            LX_DXINVALIDATECACHE => Self::RoundTrip(56),
            // Not known to this interface's description: one round trip of the smallest message.
            LX_ISFEATUREENABLED => Self::RoundTrip(32),
            _ => Self::None,
        }
    }

    /// The traffic of the call, now that its outcome is known. Refusals of the guest itself send nothing; they cannot be
    /// told from refusals of the host, except where only the guest has the error.
    pub fn traffic(&self, protocol: Protocol, outcome: &RawOutcome) -> Traffic {
        if outcome.ret == -1 && matches!(outcome.errno, libc::EFAULT | libc::ENOTTY | libc::EAGAIN) {
            return Traffic::NONE;
        }
        let round_trip = |payload: u64| Traffic::round_trip(payload + protocol.prefix);
        let posted = |payload: u64| match protocol.asynchronous {
            true => Traffic::posted(payload + protocol.prefix),
            false => round_trip(payload),
        };
        match *self {
            Self::None => Traffic::NONE,
            Self::Posted(payload) => posted(payload),
            Self::RoundTrip(payload) => round_trip(payload),
            Self::TwoAndPosted([a, b, c]) => round_trip(a) + round_trip(b) + posted(c),
            Self::Three([a, b, c]) => round_trip(a) + round_trip(b) + round_trip(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages<A: Argument>(args: &A) -> Messages {
        // SAFETY: `args` is the argument struct of its own request, and plain.
        unsafe { Messages::of(A::IOCTL.request, (args as *const A).cast()) }
    }

    #[test]
    fn submissions_are_posted_in_asynchronous_mode_only() {
        let args = d3dkmt_submitcommandtohwqueue { priv_drv_data_size: 256, ..Default::default() };
        let m = messages(&args);
        let sent = m.traffic(Protocol::CURRENT, &RawOutcome::success());
        assert_eq!((sent.posted, sent.round_trips, sent.ring_bytes), (1, 0, 376));
        let sent = m.traffic(Protocol::SYNCHRONOUS, &RawOutcome::success());
        assert_eq!((sent.posted, sent.round_trips, sent.payload_bytes), (0, 1, 336));
    }

    #[test]
    fn an_idle_ring_holds_as_many_messages_as_were_measured() {
        const USABLE: u64 = 258_048;
        let capacity = |m: Messages| USABLE / m.traffic(Protocol::CURRENT, &RawOutcome::success()).ring_bytes;
        let submit = d3dkmt_submitcommandtohwqueue::default();
        assert_eq!(capacity(messages(&submit)), 2_150);
        let signal = d3dkmt_signalsynchronizationobjectfromcpu { object_count: 1, ..Default::default() };
        assert_eq!(capacity(messages(&signal)), 2_304);
        let wait = d3dkmt_waitforsynchronizationobjectfromgpu { object_count: 1, ..Default::default() };
        assert_eq!(capacity(messages(&wait)), 2_688);
        let legacy = d3dkmt_submitcommand::default();
        assert_eq!(capacity(messages(&legacy)), 576);
    }

    #[test]
    fn local_calls_send_nothing_and_guest_refusals_neither() {
        assert_eq!(messages(&d3dkmt_enumadapters2::default()), Messages::None);
        let state = d3dkmt_getdevicestate { state_type: _D3DKMT_DEVICESTATE_EXECUTION, ..Default::default() };
        assert_eq!(messages(&state), Messages::None);
        let m = messages(&d3dkmt_lock2::default());
        assert_eq!(m.traffic(Protocol::CURRENT, &RawOutcome::failed(libc::ENOTTY)), Traffic::NONE);
        assert_eq!(m.traffic(Protocol::CURRENT, &RawOutcome::success()), Traffic::round_trip(80));
    }

    #[test]
    fn every_ioctl_that_is_not_local_has_messages() {
        let local = [
            LX_DXENUMADAPTERS2,
            LX_DXENUMADAPTERS3,
            LX_DXOPENADAPTERFROMLUID,
            LX_DXCLOSEADAPTER,
            LX_DXQUERYRESOURCEINFOFROMNTHANDLE,
        ];
        for ioctl in IOCTLS {
            let zeros = [0u64; 128];
            // SAFETY: the buffer is larger than every argument struct, all zero, which is a valid one.
            let m = unsafe { Messages::of(ioctl.request, zeros.as_ptr().cast()) };
            assert_eq!(m == Messages::None, local.contains(&ioctl.request), "{}", ioctl.name);
        }
    }
}
