//! Contexts: ordered streams of submissions, waits and signals.

use std::os::fd::AsFd;
use std::sync::Arc;

use super::device::Device;
use super::event::EventFd;
use super::{FencePoint, split};
use crate::call::{ObjectSlots, Submission};
use crate::error::Result;
use crate::sys::*;

/// How to create a context.
#[derive(Debug, Default)]
pub struct ContextOptions<'a> {
    /// The node (kind of engine).
    pub node_ordinal: u32,
    /// Which engines of the node; 0 leaves it to the host.
    pub engine_affinity: u32,
    /// It is made for hardware queues.
    pub hw_queues: bool,
    /// It only waits and signals.
    pub synchronization_only: bool,
    /// Driver data, in and out.
    pub data: &'a mut [u8],
}

/// A context. Destroyed when the last clone, and the last queue on it, is dropped.
#[derive(Clone, Debug)]
pub struct Context {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    device: Device,
    handle: d3dkmthandle,
    slots: Option<ObjectSlots>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        let handle = self.handle;
        self.device.release(self.slots.take(), |dxg| {
            // SAFETY: queues hold their context, so none is left whose fence could be read.
            unsafe { dxg.destroy_context(handle) }
        });
    }
}

impl Device {
    /// Creates a context.
    pub fn create_context(&self, options: ContextOptions<'_>) -> Result<Context> {
        let slots = self.dxg().reserve_objects(1)?;
        let mut flags = d3dddi_createcontextflags::default();
        flags.set_hw_queue_supported(options.hw_queues);
        flags.set_synchronization_only(options.synchronization_only);
        let handle = self.dxg().create_context_virtual(
            self.handle(),
            options.node_ordinal,
            options.engine_affinity,
            flags,
            0,
            options.data,
        )?;
        Ok(Context { inner: Arc::new(Inner { device: self.clone(), handle, slots: Some(slots) }) })
    }
}

impl Context {
    /// The handle, for calls that this layer does not make.
    pub fn handle(&self) -> d3dkmthandle {
        self.inner.handle
    }

    /// The device it is on.
    pub fn device(&self) -> &Device {
        &self.inner.device
    }

    /// What comes after waits for these fences. Posted.
    pub fn wait(&self, points: &[FencePoint]) -> Result<()> {
        let (fences, values) = split(points);
        self.device().dxg().wait_from_gpu(self.handle(), &fences, &values).map(drop)
    }

    /// Sets fences after what came before. Posted.
    pub fn signal(&self, points: &[FencePoint]) -> Result<()> {
        let (fences, values) = split(points);
        let contexts = [self.handle()];
        self.device().dxg().signal_from_gpu2(&contexts, &fences, &values, Default::default()).map(drop)
    }

    /// Counts an event up, once, after what came before. Posted: with [`wait`](Self::wait) this arms a sleep without a
    /// round trip.
    pub fn signal_with_event(&self, event: &EventFd) -> Result<()> {
        self.device().dxg().signal_event_from_gpu2(&[self.handle()], event.as_fd()).map(drop)
    }

    /// Submits a command buffer. Posted.
    pub fn submit(&self, command_buffer: u64, length: u32, data: &[u8]) -> Result<()> {
        let submission = Submission { command_buffer, command_length: length, data, primaries: &[] };
        self.device().dxg().submit_command(&[self.handle()], Default::default(), &submission, &[]).map(drop)
    }
}
