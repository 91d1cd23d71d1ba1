//! Questions: how much memory is in use, what became of a device.

use super::Host;
use crate::software::bus::message::{ProcessKey, Reply};
use crate::software::gpu::{Fault, FaultReason};
use crate::status::NtStatus;
use crate::sys;

impl Host {
    pub(super) fn video_memory(&self, local: bool) -> Reply {
        let usage = self.gpu.memory_usage();
        match local {
            true => Reply { value: usage.video_total, other: usage.video_used, ..Reply::default() },
            false => Reply { value: usage.video_total, other: 0, ..Reply::default() },
        }
    }

    fn execution_state(&mut self, key: ProcessKey, device: u32) -> Result<u32, NtStatus> {
        let device = self.device(key, device)?;
        let (device, marked) = (device.key, device.marked);
        if marked {
            return Ok(sys::_D3DKMT_DEVICEEXECUTION_RESET);
        }
        let state = match self.gpu.device_fault(device).map(|fault| fault.reason) {
            None => sys::_D3DKMT_DEVICEEXECUTION_ACTIVE,
            Some(FaultReason::BadAddress) => sys::_D3DKMT_DEVICEEXECUTION_ERROR_DMAPAGEFAULT,
            Some(FaultReason::BadPacket(_) | FaultReason::KernelFault) => sys::_D3DKMT_DEVICEEXECUTION_ERROR_DMAFAULT,
            Some(FaultReason::Timeout) => sys::_D3DKMT_DEVICEEXECUTION_HUNG,
            Some(FaultReason::Removed) => sys::_D3DKMT_DEVICEEXECUTION_STOPPED,
        };
        Ok(state)
    }

    /// Answers the 48 bytes of state that a guest asks for.
    pub(super) fn device_state(&mut self, key: ProcessKey, device: u32, kind: u32) -> Result<Reply, NtStatus> {
        let device_key = self.device(key, device)?.key;
        let mut bytes = vec![0u8; 48];
        if kind == sys::_D3DKMT_DEVICESTATE_EXECUTION {
            bytes[..4].copy_from_slice(&self.execution_state(key, device)?.to_le_bytes());
        } else if kind == sys::_D3DKMT_DEVICESTATE_PAGE_FAULT
            && let Some(Fault { address, op_tag, reason }) = self.gpu.device_fault(device_key)
        {
            let general_error = match reason {
                FaultReason::BadPacket(_) => sys::_DXGK_GENERAL_ERROR_INVALID_INSTRUCTION,
                _ => sys::_DXGK_GENERAL_ERROR_PAGE_FAULT,
            };
            bytes[0..8].copy_from_slice(&op_tag.to_le_bytes());
            bytes[20..24].copy_from_slice(&(general_error << 1).to_le_bytes());
            bytes[24..32].copy_from_slice(&address.to_le_bytes());
        }
        Ok(Reply { bytes, ..Reply::default() })
    }
}
