//! Questions: what the adapter is, how much memory is in use, what became of a device.

use super::Host;
use crate::software::bus::message::{ProcessKey, Reply};
use crate::software::gpu::{Fault, FaultReason};
use crate::status::NtStatus;
use crate::sys;

/// `KMTQAITYPE_GETSEGMENTSIZE`: three sizes in bytes.
const SEGMENT_SIZE: u32 = 3;
/// `KMTQAITYPE_ADAPTERREGISTRYINFO`: four strings of 260 UTF-16 units.
const REGISTRY_INFO: u32 = 8;
/// `KMTQAITYPE_DRIVERVERSION`: a WDDM version.
const DRIVER_VERSION: u32 = 13;
/// `KMTQAITYPE_DRIVER_DESCRIPTION`: one string of 4,096 UTF-16 units.
const DRIVER_DESCRIPTION: u32 = 65;
/// `KMTQAITYPE_WDDM_2_7_CAPS`: bits for hardware scheduling.
const WDDM_2_7_CAPS: u32 = 70;
/// Hardware scheduling is supported, and on.
const HARDWARE_SCHEDULING: u32 = 0b11;
/// WDDM 2.7, the first with hardware scheduling.
const WDDM_2_7: u32 = 2700;
/// Bits of the adapter type: renders, software device not set, hybrid discrete; the guest adds "paravirtualized".
const ADAPTER_TYPE: u32 = 0x1 | 0x10;
/// What the adapter calls itself.
const DESCRIPTION: &str = "dxgrt software adapter";

fn utf16(text: &str) -> impl Iterator<Item = u8> + '_ {
    text.encode_utf16().flat_map(u16::to_le_bytes)
}

impl Host {
    pub(super) fn adapter_info(&self, kind: u32, size: u32) -> Reply {
        let mut bytes: Vec<u8> = match kind {
            k if k == sys::_KMTQAITYPE_ADAPTERTYPE || k == sys::_KMTQAITYPE_ADAPTERTYPE_RENDER => {
                ADAPTER_TYPE.to_le_bytes().to_vec()
            }
            SEGMENT_SIZE => {
                let memory = self.gpu.memory_usage().video_total;
                [memory, 0, memory].iter().flat_map(|size| size.to_le_bytes()).collect()
            }
            REGISTRY_INFO | DRIVER_DESCRIPTION => utf16(DESCRIPTION).collect(),
            WDDM_2_7_CAPS => HARDWARE_SCHEDULING.to_le_bytes().to_vec(),
            DRIVER_VERSION => WDDM_2_7.to_le_bytes().to_vec(),
            _ => Vec::new(),
        };
        bytes.resize(size as usize, 0);
        Reply { bytes, ..Reply::default() }
    }

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
