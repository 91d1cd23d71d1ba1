//! Submissions of command buffers.

use super::{Dxg, Success, address, count};
use crate::error::{Error, Object, ObjectKind, Result};
use crate::sys::*;

/// Driver data that fits one submission to a hardware queue.
const MAX_QUEUE_DATA: usize = 130_976;
/// Driver data that fits one submission to contexts.
const MAX_CONTEXT_DATA: usize = 130_648;
const MAX_PRIMARIES: usize = D3DDDI_MAX_WRITTEN_PRIMARIES as usize;
const MAX_HISTORY: usize = 1_024;

/// One command buffer, and what travels with it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Submission<'a> {
    /// GPU virtual address of the commands.
    pub command_buffer: u64,
    /// Bytes of commands.
    pub command_length: u32,
    /// Data for the adapter's driver.
    pub data: &'a [u8],
    /// Allocations that the commands write and a display shows.
    pub primaries: &'a [d3dkmthandle],
}

impl Dxg {
    /// Submits to a hardware queue; its progress fence reaches `fence_value` when the commands are done.
    /// `LX_DXSUBMITCOMMANDTOHWQUEUE`. Posted where the host has asynchronous messages: a refusal then shows only as a
    /// fence that does not move.
    pub fn submit_command_to_hw_queue(
        &self,
        queue: d3dkmthandle,
        fence_value: u64,
        submission: &Submission<'_>,
    ) -> Result<Success> {
        let call = d3dkmt_submitcommandtohwqueue::IOCTL;
        let mut args = d3dkmt_submitcommandtohwqueue {
            hwqueue: queue,
            hwqueue_progress_fence_id: fence_value,
            command_buffer: submission.command_buffer,
            command_length: submission.command_length,
            priv_drv_data_size: count(call, "bytes of driver data", submission.data.len(), 0, MAX_QUEUE_DATA)?,
            priv_drv_data: address(submission.data),
            num_primaries: count(call, "written primaries", submission.primaries.len(), 0, MAX_PRIMARIES)?,
            written_primaries: address(submission.primaries),
            ..Default::default()
        };
        // SAFETY: both pointers are null or have as many bytes or entries as the size or count beside them says.
        unsafe { self.call(&mut args, Object::new(ObjectKind::HwQueue, queue)) }
    }

    /// Submits to contexts, which all run the same commands. `LX_DXSUBMITCOMMAND`.
    pub fn submit_command(
        &self,
        contexts: &[d3dkmthandle],
        flags: d3dkmt_submitcommandflags,
        submission: &Submission<'_>,
        history: &[d3dkmthandle],
    ) -> Result<Success> {
        let call = d3dkmt_submitcommand::IOCTL;
        let mut args = d3dkmt_submitcommand {
            command_buffer: submission.command_buffer,
            command_length: submission.command_length,
            flags,
            broadcast_context_count: count(call, "contexts", contexts.len(), 1, D3DDDI_MAX_BROADCAST_CONTEXT as usize)?,
            priv_drv_data: address(submission.data),
            priv_drv_data_size: count(call, "bytes of driver data", submission.data.len(), 0, MAX_CONTEXT_DATA)?,
            num_primaries: count(call, "written primaries", submission.primaries.len(), 0, MAX_PRIMARIES)?,
            num_history_buffers: count(call, "history buffers", history.len(), 0, MAX_HISTORY)?,
            history_buffer_array: address(history),
            ..Default::default()
        };
        if submission.data.len() + 4 * history.len() > MAX_CONTEXT_DATA {
            return Err(Error::invalid(call.name, "driver data and history buffers together do not fit one message"));
        }
        args.broadcast_context[..contexts.len()].copy_from_slice(contexts);
        args.written_primaries[..submission.primaries.len()].copy_from_slice(submission.primaries);
        // SAFETY: both pointers are null or have as many bytes or entries as the size or count beside them says.
        unsafe { self.call(&mut args, Object::new(ObjectKind::Context, contexts[0])) }
    }
}
