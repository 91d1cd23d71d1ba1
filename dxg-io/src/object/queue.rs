//! Hardware queues.

use std::sync::Arc;

use super::context::Context;
use super::fence::{FenceView, Page};
use super::{FencePoint, split};
use crate::call::{ObjectSlots, Submission};
use crate::error::{Object, ObjectKind, Result};
use crate::sys::*;

/// A hardware queue with its progress fence. Destroyed when the last clone, and the last view of its fence, is dropped.
#[derive(Clone, Debug)]
pub struct HwQueue {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    context: Context,
    handle: d3dkmthandle,
    fence: d3dkmthandle,
    page: Page,
    gpu_address: u64,
    slots: Option<ObjectSlots>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        let handle = self.handle;
        self.context.device().release(self.slots.take(), |dxg| {
            // SAFETY: views of the fence hold this, so none is left.
            unsafe { dxg.destroy_hw_queue(handle) }
        });
    }
}

impl Context {
    /// Creates a hardware queue; `data` is the driver's, in and out.
    pub fn create_hw_queue(&self, data: &mut [u8]) -> Result<HwQueue> {
        let dxg = self.device().dxg();
        // The queue and its fence.
        let slots = dxg.reserve_objects(2)?;
        let made = dxg.create_hw_queue(self.handle(), Default::default(), data)?;
        let object = Object::new(ObjectKind::HwQueue, made.queue);
        let page =
            Page::at(made.queue_progress_fence_cpu_va, d3dkmt_createhwqueue::IOCTL, object).inspect_err(|_| {
                // SAFETY: no page came with the queue, so nobody reads one.
                let destroyed = unsafe { dxg.destroy_hw_queue(made.queue) };
                destroyed.unwrap_or_else(|error| dxg.note_failed_teardown(&error));
            })?;
        let inner = Inner {
            context: self.clone(),
            handle: made.queue,
            fence: made.queue_progress_fence,
            page,
            gpu_address: made.queue_progress_fence_gpu_va,
            slots: Some(slots),
        };
        Ok(HwQueue { inner: Arc::new(inner) })
    }
}

impl HwQueue {
    /// The handle, for calls that this layer does not make.
    pub fn handle(&self) -> d3dkmthandle {
        self.inner.handle
    }

    /// The context it is on.
    pub fn context(&self) -> &Context {
        &self.inner.context
    }

    /// The progress fence, for waits of others. (It cannot be shared or given a sync file.)
    pub fn progress_handle(&self) -> d3dkmthandle {
        self.inner.fence
    }

    /// Where the GPU sees the progress fence.
    pub fn progress_gpu_address(&self) -> u64 {
        self.inner.gpu_address
    }

    /// The value of the progress fence now.
    pub fn progress_value(&self) -> u64 {
        self.inner.page.load()
    }

    /// The progress fence; the view keeps the queue alive.
    pub fn progress(&self) -> FenceView {
        FenceView::new(self.inner.page, self.inner.clone())
    }

    /// Submits a command buffer; the progress fence reaches `fence_value` when it is done. Posted: a refusal of the host
    /// shows only as a fence that does not move, or as the state of the device.
    pub fn submit(&self, command_buffer: u64, length: u32, fence_value: u64, data: &[u8]) -> Result<()> {
        let submission = Submission { command_buffer, command_length: length, data, primaries: &[] };
        self.dxg().submit_command_to_hw_queue(self.handle(), fence_value, &submission).map(drop)
    }

    /// What comes after waits for these fences. Posted.
    pub fn wait(&self, points: &[FencePoint]) -> Result<()> {
        let (fences, values) = split(points);
        self.dxg().submit_wait_to_hw_queue(self.handle(), &fences, &values).map(drop)
    }

    /// Sets fences after what came before. Posted.
    pub fn signal(&self, points: &[FencePoint]) -> Result<()> {
        let (fences, values) = split(points);
        self.dxg().submit_signal_to_hw_queues(&[self.handle()], &fences, &values, Default::default()).map(drop)
    }

    fn dxg(&self) -> &crate::call::Dxg {
        self.inner.context.device().dxg()
    }
}
