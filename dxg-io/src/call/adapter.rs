//! Calls on adapters: enumeration, opening, information, budgets, statistics.

use super::{Dxg, Success, address_mut, count, data_size, given};
use crate::error::{Error, Object, ObjectKind, Result};
use crate::sys::*;

fn on(adapter: d3dkmthandle) -> Object {
    Object::new(ObjectKind::Adapter, adapter)
}

impl Dxg {
    /// How many adapters there are. `LX_DXENUMADAPTERS2` without a list, which opens nothing.
    pub fn enum_adapters2_count(&self) -> Result<usize> {
        let mut args = d3dkmt_enumadapters2::default();
        // SAFETY: the only pointer is null.
        let _ = unsafe { self.call(&mut args, Object::NODE)? };
        Ok(args.num_adapters as usize)
    }

    /// Opens every adapter. `LX_DXENUMADAPTERS2`. Each entry holds a handle of its own that must be closed.
    pub fn enum_adapters2(&self) -> Result<Vec<d3dkmt_adapterinfo>> {
        let mut list = vec![d3dkmt_adapterinfo::default(); D3DKMT_ADAPTERS_MAX as usize];
        let mut args = d3dkmt_enumadapters2 {
            num_adapters: D3DKMT_ADAPTERS_MAX,
            adapters: address_mut(&mut list),
            ..Default::default()
        };
        // SAFETY: `adapters` points to as many entries as `num_adapters` says.
        let _ = unsafe { self.call(&mut args, Object::NODE)? };
        // After a removal the driver counts adapters that it does not list.
        list.truncate(args.num_adapters as usize);
        list.retain(|a| !a.adapter_handle.is_null());
        Ok(list)
    }

    /// How many adapters pass the filter. `LX_DXENUMADAPTERS3` without a list, which opens nothing.
    pub fn enum_adapters3_count(&self, filter: d3dkmt_enumadapters_filter) -> Result<usize> {
        let mut args = d3dkmt_enumadapters3 { filter, ..Default::default() };
        // SAFETY: the only pointer is null.
        let _ = unsafe { self.call(&mut args, Object::NODE)? };
        Ok(args.adapter_count as usize)
    }

    /// Opens every adapter that passes the filter. `LX_DXENUMADAPTERS3`. Each entry holds a handle of its own that must
    /// be closed. The driver checks the length of the list only after filling it, so this never gives a short one.
    pub fn enum_adapters3(&self, filter: d3dkmt_enumadapters_filter) -> Result<Vec<d3dkmt_adapterinfo>> {
        let room = self.enum_adapters3_count(filter)? + D3DKMT_ADAPTERS_MAX as usize;
        let mut list = vec![d3dkmt_adapterinfo::default(); room];
        let mut args = d3dkmt_enumadapters3 {
            filter,
            adapter_count: count(d3dkmt_enumadapters3::IOCTL, "adapters", room, 1, 0xffff)?,
            adapters: address_mut(&mut list),
            ..Default::default()
        };
        // SAFETY: `adapters` points to as many entries as `adapter_count` says, 64 more than there were just now.
        let _ = unsafe { self.call(&mut args, Object::NODE)? };
        list.truncate(args.adapter_count as usize);
        list.retain(|a| !a.adapter_handle.is_null());
        Ok(list)
    }

    /// Opens the adapter with this LUID (from an enumeration). `LX_DXOPENADAPTERFROMLUID`.
    pub fn open_adapter_from_luid(&self, luid: winluid) -> Result<d3dkmthandle> {
        // The handle goes in as 0: with anything else the driver calls an unknown LUID a success.
        let mut args = d3dkmt_openadapterfromluid { adapter_luid: luid, ..Default::default() };
        // SAFETY: the struct holds no pointers.
        let _ = unsafe { self.call(&mut args, Object::NODE)? };
        given(d3dkmt_openadapterfromluid::IOCTL, Object::NODE, "adapter", args.adapter_handle)
    }

    /// Closes one handle of an adapter. `LX_DXCLOSEADAPTER`. Closing the last one destroys the process's devices on it.
    ///
    /// # Safety
    /// Unless it is not the last handle, nobody uses memory that is mapped through the adapter's devices any more.
    pub unsafe fn close_adapter(&self, adapter: d3dkmthandle) -> Result<()> {
        let mut args = d3dkmt_closeadapter { adapter_handle: adapter };
        // SAFETY: the struct holds no pointers; what is unmapped is the caller's promise.
        unsafe { self.call(&mut args, on(adapter)) }.map(drop)
    }

    /// Asks for information of one type; `data` goes in and comes back. `LX_DXQUERYADAPTERINFO`.
    pub fn query_adapter_info(
        &self,
        adapter: d3dkmthandle,
        kind: kmtqueryadapterinfotype,
        data: &mut [u8],
    ) -> Result<()> {
        let mut args = d3dkmt_queryadapterinfo {
            adapter,
            r#type: kind,
            private_data_size: count(d3dkmt_queryadapterinfo::IOCTL, "bytes of room", data.len(), 1, 131_072)?,
            private_data: address_mut(data),
            ..Default::default()
        };
        // SAFETY: `private_data` points to `private_data_size` bytes that may be written.
        unsafe { self.call(&mut args, on(adapter)) }.map(drop)
    }

    /// What kind of adapter it is. `LX_DXQUERYADAPTERINFO` with `KMTQAITYPE_ADAPTERTYPE`.
    pub fn adapter_type(&self, adapter: d3dkmthandle) -> Result<d3dkmt_adaptertype> {
        let mut kind = d3dkmt_adaptertype::default();
        self.query_adapter_info(adapter, _KMTQAITYPE_ADAPTERTYPE, kind.as_bytes_mut())?;
        Ok(kind)
    }

    /// Passes data to the adapter's driver and back. `LX_DXESCAPE`. `template` gives type, flags, device and context;
    /// what the bytes mean is between the caller and the driver. The host's status is not part of the answer.
    pub fn escape(&self, template: &d3dkmt_escape, data: &mut [u8]) -> Result<()> {
        let mut args = d3dkmt_escape {
            priv_drv_data_size: data_size(d3dkmt_escape::IOCTL, data.len())?,
            priv_drv_data: address_mut(data),
            ..*template
        };
        // SAFETY: `priv_drv_data` points to `priv_drv_data_size` bytes that may be written.
        unsafe { self.call(&mut args, on(template.adapter)) }.map(drop)
    }

    /// Budget and use of a memory segment group. `LX_DXQUERYVIDEOMEMORYINFO`.
    pub fn query_video_memory_info(
        &self,
        adapter: d3dkmthandle,
        group: d3dkmt_memory_segment_group,
        physical_adapter_index: u32,
    ) -> Result<d3dkmt_queryvideomemoryinfo> {
        let mut args = d3dkmt_queryvideomemoryinfo {
            adapter,
            memory_segment_group: group,
            physical_adapter_index,
            ..Default::default()
        };
        // SAFETY: the struct holds no pointers.
        let _ = unsafe { self.call(&mut args, on(adapter))? };
        Ok(args)
    }

    /// Reserves part of the budget. `LX_DXCHANGEVIDEOMEMORYRESERVATION`.
    pub fn change_video_memory_reservation(
        &self,
        adapter: d3dkmthandle,
        group: d3dkmt_memory_segment_group,
        bytes: u64,
        physical_adapter_index: u32,
    ) -> Result<()> {
        let mut args = d3dkmt_changevideomemoryreservation {
            adapter,
            memory_segment_group: group,
            reservation: bytes,
            physical_adapter_index,
            ..Default::default()
        };
        // SAFETY: the struct holds no pointers.
        unsafe { self.call(&mut args, on(adapter)) }.map(drop)
    }

    /// Statistics of one kind. `LX_DXQUERYSTATISTICS`. `selector` picks the node or segment, where the kind has several.
    /// The driver calls an unknown LUID a success and writes nothing; here that is an error.
    pub fn query_statistics(
        &self,
        kind: d3dkmt_querystatistics_type,
        luid: winluid,
        selector: u32,
    ) -> Result<d3dkmt_querystatistics_result> {
        const UNTOUCHED: u8 = 0xa5;
        const SELECTOR_AT: usize = 800;
        let mut args = d3dkmt_querystatistics { r#type: kind, adapter_luid: luid, ..Default::default() };
        args.result.size.fill(UNTOUCHED);
        args.as_bytes_mut()[SELECTOR_AT..SELECTOR_AT + 4].copy_from_slice(&selector.to_ne_bytes());
        // SAFETY: the struct holds no pointers.
        let _ = unsafe { self.call(&mut args, Object::NODE)? };
        let result = args.result;
        if result.size.iter().all(|b| *b == UNTOUCHED) {
            let call = d3dkmt_querystatistics::IOCTL.name;
            return Err(Error::NoAnswer {
                call,
                object: Object::NODE,
                output: "statistics (is the LUID an adapter's?)",
            });
        }
        Ok(result)
    }

    /// GPU and CPU clocks at one moment. `LX_DXQUERYCLOCKCALIBRATION`. Older drivers overwrite the answer with the
    /// question; then every value is 0.
    pub fn query_clock_calibration(
        &self,
        adapter: d3dkmthandle,
        node_ordinal: u32,
        physical_adapter_index: u32,
    ) -> Result<dxgk_gpuclockdata> {
        let mut args =
            d3dkmt_queryclockcalibration { adapter, node_ordinal, physical_adapter_index, ..Default::default() };
        // SAFETY: the struct holds no pointers. The driver replaces its adapter field: it is not used again.
        let _ = unsafe { self.call(&mut args, on(adapter))? };
        Ok(args.clock_data)
    }

    /// Flushes heap transitions. `LX_DXFLUSHHEAPTRANSITIONS`.
    pub fn flush_heap_transitions(&self, adapter: d3dkmthandle) -> Result<()> {
        let mut args = d3dkmt_flushheaptransitions { adapter };
        // SAFETY: the struct holds no pointers. The driver replaces its adapter field: it is not used again.
        unsafe { self.call(&mut args, on(adapter)) }.map(drop)
    }

    /// Process ids that use the adapter; returns how many `out` holds. `LX_DXENUMPROCESSES`, optional.
    pub fn enum_processes(&self, luid: winluid, out: &mut [u32]) -> Result<usize> {
        let mut args =
            d3dkmt_enumprocesses { adapter_luid: luid, buffer: address_mut(out), buffer_count: out.len() as u64 };
        // SAFETY: `buffer` points to `buffer_count` numbers that may be written.
        let _ = unsafe { self.call(&mut args, Object::NODE)? };
        Ok(usize::try_from(args.buffer_count).unwrap_or(usize::MAX).min(out.len()))
    }

    /// Version and state of a feature. `LX_ISFEATUREENABLED`, optional.
    pub fn is_feature_enabled(&self, adapter: d3dkmthandle, feature: u32) -> Result<d3dkmt_isfeatureenabled_result> {
        let mut args = d3dkmt_isfeatureenabled { adapter, feature_id: feature, ..Default::default() };
        // SAFETY: the struct holds no pointers.
        let _: Success = unsafe { self.call(&mut args, on(adapter))? };
        Ok(args.result)
    }
}
