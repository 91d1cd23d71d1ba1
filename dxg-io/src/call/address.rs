//! Calls on GPU virtual addresses.

use super::{Dxg, Residency, address, count};
use crate::error::{Error, Object, ObjectKind, Result};
use crate::sys::*;

/// Operations that one update can carry: 2,048 are allowed, fewer fit the message.
const MAX_UPDATES: usize = 2_046;

impl Dxg {
    /// Maps an allocation; returns the address and when it can be used. `LX_DXMAPGPUVIRTUALADDRESS`.
    pub fn map_gpu_virtual_address(&self, template: &d3dddi_mapgpuvirtualaddress) -> Result<(u64, Residency)> {
        let mut args = d3dddi_mapgpuvirtualaddress { virtual_address: 0, ..*template };
        let object = Object::new(ObjectKind::PagingQueue, template.paging_queue);
        // SAFETY: the struct holds no pointers of this process.
        let success = unsafe { self.call(&mut args, object)? };
        if args.virtual_address == 0 {
            let call = d3dddi_mapgpuvirtualaddress::IOCTL.name;
            return Err(Error::NoAnswer { call, object, output: "virtual address" });
        }
        let residency = Residency { success, fence_value: args.paging_fence_value, bytes_to_trim: 0 };
        Ok((args.virtual_address, residency))
    }

    /// Reserves a range of addresses and returns its beginning. `LX_DXRESERVEGPUVIRTUALADDRESS`. The host's status is not
    /// part of the answer: a refusal is an address of 0.
    pub fn reserve_gpu_virtual_address(&self, template: &d3dddi_reservegpuvirtualaddress) -> Result<u64> {
        let mut args = d3dddi_reservegpuvirtualaddress { virtual_address: 0, ..*template };
        let object = Object::new(ObjectKind::Adapter, template.adapter);
        // SAFETY: the struct holds no pointers of this process.
        let _ = unsafe { self.call(&mut args, object)? };
        if args.virtual_address == 0 {
            let call = d3dddi_reservegpuvirtualaddress::IOCTL.name;
            return Err(Error::NoAnswer { call, object, output: "virtual address" });
        }
        Ok(args.virtual_address)
    }

    /// Frees a reserved or mapped range. `LX_DXFREEGPUVIRTUALADDRESS`.
    pub fn free_gpu_virtual_address(&self, adapter: d3dkmthandle, base_address: u64, size: u64) -> Result<()> {
        let mut args = d3dkmt_freegpuvirtualaddress { adapter, base_address, size, ..Default::default() };
        // SAFETY: the struct holds no pointers of this process.
        unsafe { self.call(&mut args, Object::new(ObjectKind::Adapter, adapter)) }.map(drop)
    }

    /// Changes many mappings of reserved ranges at once. `LX_DXUPDATEGPUVIRTUALADDRESS`. `template` names device, context,
    /// fence and value.
    pub fn update_gpu_virtual_address(
        &self,
        template: &d3dkmt_updategpuvirtualaddress,
        operations: &[d3dddi_updategpuvirtualaddress_operation],
    ) -> Result<()> {
        let mut args = d3dkmt_updategpuvirtualaddress {
            num_operations: count(
                d3dkmt_updategpuvirtualaddress::IOCTL,
                "operations",
                operations.len(),
                1,
                MAX_UPDATES,
            )?,
            operations: address(operations),
            ..*template
        };
        // SAFETY: `operations` points to `num_operations` entries.
        unsafe { self.call(&mut args, Object::new(ObjectKind::Device, template.device)) }.map(drop)
    }
}
