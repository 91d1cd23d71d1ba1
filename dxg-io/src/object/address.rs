//! Ranges of GPU virtual addresses.

use std::sync::Arc;

use super::allocation::Allocation;
use super::device::Device;
use crate::error::{Error, Result};
use crate::sys::*;

const PAGE: u64 = 4096;

/// What to map, and where.
#[derive(Clone, Copy, Debug, Default)]
pub struct MapRequest {
    /// The address to use; `None` leaves it to the adapter.
    pub base: Option<u64>,
    /// The lowest address to choose; 0 for no limit.
    pub minimum: u64,
    /// The highest address to choose; 0 for no limit.
    pub maximum: u64,
    /// Where in the allocation to begin, in bytes.
    pub offset: u64,
    /// Bytes; 0 for the rest of the allocation.
    pub size: u64,
    /// The GPU may only read.
    pub read_only: bool,
}

impl MapRequest {
    /// The driver's arguments, and the bytes that will be mapped.
    pub(super) fn arguments(
        &self,
        paging_queue: d3dkmthandle,
        allocation: &Allocation,
    ) -> Result<(d3dddi_mapgpuvirtualaddress, u64)> {
        let call = d3dddi_mapgpuvirtualaddress::IOCTL.name;
        let whole = allocation.size().next_multiple_of(PAGE);
        let size = if self.size == 0 { whole.saturating_sub(self.offset) } else { self.size };
        if size == 0 || !size.is_multiple_of(PAGE) || !self.offset.is_multiple_of(PAGE) {
            let reason = format!("offset {} and size {size} must be multiples of {PAGE}, size not 0", self.offset);
            return Err(Error::invalid(call, reason));
        }
        if self.offset.checked_add(size).is_none_or(|end| end > whole) {
            let reason = format!("bytes from {} on, {size} of them, are not all in the {whole} allocated", self.offset);
            return Err(Error::invalid(call, reason));
        }
        let mut args = d3dddi_mapgpuvirtualaddress {
            paging_queue,
            base_address: self.base.unwrap_or(0),
            minimum_address: self.minimum,
            maximum_address: self.maximum,
            allocation: allocation.handle(),
            offset_in_pages: self.offset / PAGE,
            size_in_pages: size / PAGE,
            ..Default::default()
        };
        args.protection.set_write(!self.read_only);
        Ok((args, size))
    }
}

/// A range of GPU addresses; freed when the last clone is dropped. A mapped one holds its allocation.
#[derive(Clone, Debug)]
pub struct GpuVaRange {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    device: Device,
    base: u64,
    size: u64,
    allocation: Option<Allocation>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Freed even when the device goes: addresses belong to the process.
        let (dxg, adapter) = (self.device.dxg(), self.device.adapter().handle());
        let freed = dxg.free_gpu_virtual_address(adapter, self.base, self.size);
        freed.unwrap_or_else(|error| dxg.note_failed_teardown(&error));
    }
}

/// A range to reserve without mapping anything.
#[derive(Clone, Copy, Debug)]
pub struct Reservation {
    /// The address to use; `None` leaves it to the adapter.
    pub base: Option<u64>,
    /// The lowest address to choose; 0 for no limit.
    pub minimum: u64,
    /// The highest address to choose; 0 for no limit.
    pub maximum: u64,
    /// Bytes, a multiple of 4096.
    pub size: u64,
    /// What an access to a place without mapping does.
    pub kind: d3dddigpuva_reservation_type,
}

impl GpuVaRange {
    pub(super) fn mapped(allocation: &Allocation, base: u64, size: u64) -> Self {
        let device = allocation.device().clone();
        Self { inner: Arc::new(Inner { device, base, size, allocation: Some(allocation.clone()) }) }
    }

    /// Reserves addresses without mapping anything.
    pub fn reserve(device: &Device, wish: &Reservation) -> Result<Self> {
        if wish.size == 0 || !wish.size.is_multiple_of(PAGE) {
            let reason = format!("{} bytes were asked for; reserve a multiple of {PAGE}, not 0", wish.size);
            return Err(Error::invalid(d3dddi_reservegpuvirtualaddress::IOCTL.name, reason));
        }
        let base = device.dxg().reserve_gpu_virtual_address(&d3dddi_reservegpuvirtualaddress {
            adapter: device.adapter().handle(),
            base_address: wish.base.unwrap_or(0),
            minimum_address: wish.minimum,
            maximum_address: wish.maximum,
            size: wish.size,
            reservation_type: wish.kind,
            ..Default::default()
        })?;
        Ok(Self { inner: Arc::new(Inner { device: device.clone(), base, size: wish.size, allocation: None }) })
    }

    /// Where it begins.
    pub fn base(&self) -> u64 {
        self.inner.base
    }

    /// Bytes.
    pub fn size(&self) -> u64 {
        self.inner.size
    }

    /// What is mapped there.
    pub fn allocation(&self) -> Option<&Allocation> {
        self.inner.allocation.as_ref()
    }
}
