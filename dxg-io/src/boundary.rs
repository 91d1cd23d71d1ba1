//! The boundary: one ioctl with its argument struct.
//!
//! Everything above (typed calls, owning objects, the runtime) reaches a GPU only through [`Boundary::ioctl`].
//! Behind it stands the device node ([`DevDxg`](crate::dev::DevDxg)), the software adapter, or a middleware that wraps
//! another boundary. A call returns what libc would report, plus the bus traffic it caused, so that cost can be counted
//! without asking the other side.

use core::ffi::c_void;
use core::ops::{Add, AddAssign};
use std::sync::Arc;

/// What one ioctl returned, exactly as libc would report it, and what it sent over the bus.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RawOutcome {
    /// The return value: 0, a positive NTSTATUS, -1, or a raw negative NTSTATUS.
    pub ret: i32,
    /// The error number, meaningful when `ret == -1`.
    pub errno: i32,
    /// The messages that the call caused.
    pub traffic: Traffic,
}

impl RawOutcome {
    /// Success without any message.
    pub const fn success() -> Self {
        Self::returned(0)
    }

    /// A return value passed through unchanged (0, a positive status or a raw negative one).
    pub const fn returned(ret: i32) -> Self {
        Self { ret, errno: 0, traffic: Traffic::NONE }
    }

    /// Failure with an error number.
    pub const fn failed(errno: i32) -> Self {
        Self { ret: -1, errno, traffic: Traffic::NONE }
    }

    /// The same outcome with this traffic.
    pub const fn with_traffic(mut self, traffic: Traffic) -> Self {
        self.traffic = traffic;
        self
    }
}

/// Messages caused by one call, or summed over many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Messages written to the ring without asking for a completion.
    pub posted: u32,
    /// Messages whose sender slept until the host's completion came.
    pub round_trips: u32,
    /// Bytes of message payload sent to the host.
    pub payload_bytes: u64,
    /// Ring bytes that the payload took, with descriptors and padding.
    pub ring_bytes: u64,
    /// Times the host had to be interrupted because the ring was empty.
    pub doorbells: u32,
    /// Times the sender slept because the ring was full.
    pub full_ring_sleeps: u32,
}

impl Traffic {
    /// No message at all.
    pub const NONE: Self =
        Self { posted: 0, round_trips: 0, payload_bytes: 0, ring_bytes: 0, doorbells: 0, full_ring_sleeps: 0 };

    /// Ring bytes of a message with `payload` bytes: a 16-byte descriptor, padding to 8, an 8-byte trailer.
    pub const fn ring_cost(payload: u64) -> u64 {
        ((16 + payload + 7) & !7) + 8
    }

    /// One posted message.
    pub const fn posted(payload: u64) -> Self {
        Self { posted: 1, payload_bytes: payload, ring_bytes: Self::ring_cost(payload), ..Self::NONE }
    }

    /// One round trip.
    pub const fn round_trip(payload: u64) -> Self {
        Self { round_trips: 1, payload_bytes: payload, ring_bytes: Self::ring_cost(payload), ..Self::NONE }
    }

    /// Messages of both kinds.
    pub const fn messages(&self) -> u64 {
        self.posted as u64 + self.round_trips as u64
    }
}

impl AddAssign for Traffic {
    /// Counts saturate: a sum over a very long run must not wrap round to a small number.
    fn add_assign(&mut self, other: Self) {
        self.posted = self.posted.saturating_add(other.posted);
        self.round_trips = self.round_trips.saturating_add(other.round_trips);
        self.payload_bytes = self.payload_bytes.saturating_add(other.payload_bytes);
        self.ring_bytes = self.ring_bytes.saturating_add(other.ring_bytes);
        self.doorbells = self.doorbells.saturating_add(other.doorbells);
        self.full_ring_sleeps = self.full_ring_sleeps.saturating_add(other.full_ring_sleeps);
    }
}

impl Add for Traffic {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        self += other;
        self
    }
}

/// An open descriptor of `/dev/dxg`, or something that behaves like one.
///
/// The life of the object is the life of the descriptor: dropping it closes it, which destroys every kernel object that
/// was made through it.
///
/// What an implementation answers must be true: where a success reports an address of this process (the page of a fence,
/// a locked allocation), that memory is mapped, and stays so until the object it belongs to is destroyed. The owning
/// objects read there.
pub trait Boundary: Send + Sync {
    /// Issues one ioctl. Unknown request numbers are answered `ENOTTY`, as the driver does.
    ///
    /// # Safety
    /// `arg` points to the argument struct of `request`: readable, writable, all its bytes initialised, and not accessed
    /// by anyone else during the call. Pointers inside it obey the contract of the ioctl: each is null or points to as
    /// many readable (outputs: writable) bytes as the counts beside it say. Memory that the call hands to the device for
    /// longer (existing system memory) stays valid until the allocation is destroyed.
    unsafe fn ioctl(&self, request: u32, arg: *mut c_void) -> RawOutcome;

    /// What stands behind the boundary: `"/dev/dxg"` or `"software"`.
    fn name(&self) -> &str;
}

impl<B: Boundary + ?Sized> Boundary for Arc<B> {
    unsafe fn ioctl(&self, request: u32, arg: *mut c_void) -> RawOutcome {
        // SAFETY: forwarded unchanged; the caller's promise is the one that the inner call asks for.
        unsafe { (**self).ioctl(request, arg) }
    }

    fn name(&self) -> &str {
        (**self).name()
    }
}

impl<B: Boundary + ?Sized> Boundary for Box<B> {
    unsafe fn ioctl(&self, request: u32, arg: *mut c_void) -> RawOutcome {
        // SAFETY: forwarded unchanged; the caller's promise is the one that the inner call asks for.
        unsafe { (**self).ioctl(request, arg) }
    }

    fn name(&self) -> &str {
        (**self).name()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ring_cost_is_descriptor_payload_padding_and_trailer() {
        assert_eq!(Traffic::ring_cost(0), 24);
        assert_eq!(Traffic::ring_cost(1), 32);
        assert_eq!(Traffic::ring_cost(8), 32);
        // A hardware-queue submission with 256 private bytes and the routing prefix: 16 + 80 + 256.
        assert_eq!(Traffic::ring_cost(16 + 80 + 256), 376);
        // One message of existing system memory pages, always sent at full size.
        assert_eq!(Traffic::ring_cost(126_992), 127_016);
    }

    #[test]
    fn traffic_adds_up_and_saturates() {
        let mut sum = Traffic::posted(8);
        sum += Traffic::round_trip(9);
        assert_eq!(sum, Traffic { posted: 1, round_trips: 1, payload_bytes: 17, ring_bytes: 32 + 40, ..Traffic::NONE });
        assert_eq!(sum.messages(), 2);
        let full = Traffic { posted: u32::MAX, ..Traffic::NONE };
        assert_eq!((full + sum).posted, u32::MAX);
    }
}
