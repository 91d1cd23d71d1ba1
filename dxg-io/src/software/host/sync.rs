//! Synchronization objects and sharing.

use std::sync::Arc;

use super::objects::{HostFence, Object, Parts};
use super::{Host, refused};
use crate::software::bus::message::{ProcessKey, Reply, SyncKind};
use crate::software::descriptor::PrivateFd;
use crate::software::gpu::{FenceKey, FenceRequest};
use crate::status::NtStatus;

/// What the host side of a share looks like to a guest: an opaque number.
const VAIL_HANDLE_BASE: u64 = 0x1f4;

impl Host {
    pub(super) fn create_sync(
        &mut self,
        key: ProcessKey,
        device: u32,
        kind: SyncKind,
        initial: u64,
        shared: bool,
        no_max_on_tdr: bool,
    ) -> Result<Reply, NtStatus> {
        let device_key = self.device(key, device)?.key;
        let monitored = match kind {
            SyncKind::CpuNotification(event) => {
                return Ok(Reply::handle(self.process(key)?.objects.insert(Object::Notification(event))));
            }
            SyncKind::Other => return Ok(Reply::handle(self.process(key)?.objects.insert(Object::Legacy))),
            SyncKind::MonitoredFence => true,
            SyncKind::LegacyFence => false,
        };
        let request = FenceRequest { initial, device: device_key, keep_value_on_loss: no_max_on_tdr };
        // What others may open has memory of its own, so that not all fences go with it to another process.
        let across = shared && monitored;
        let made = if across { self.gpu.create_shareable_fence(request) } else { self.gpu.create_fence(request) };
        let fence = made.map_err(refused)?;
        let number = shared.then(|| self.new_shared_fence(fence));
        let object = HostFence { device: monitored.then_some(device), key: fence, shared: number, owned: false };
        // A share without memory of its own counts as a handle: the fence outlives the one it was made with.
        self.fence_handles.insert(fence, if shared && !across { 2 } else { 1 });
        let handle = self.process(key)?.objects.insert(Object::Fence(object));
        let mut reply = Reply { handle, second: number.unwrap_or(0), ..Reply::default() };
        if monitored {
            reply.memory = self.gpu.fence_pages(fence);
            reply.other = reply.memory.as_ref().map_or(0, |pages| pages.host_ptr() as u64);
        }
        Ok(reply)
    }

    /// A number for a shared object. Global handles look unlike local ones: unique 3, as the recorded host gives them out.
    fn new_shared(&mut self) -> u32 {
        self.last_shared += 1;
        0xc000_0000 | (self.last_shared << 6)
    }

    fn new_shared_fence(&mut self, fence: FenceKey) -> u32 {
        let number = self.new_shared();
        self.shared.insert(number, fence);
        number
    }

    /// Lets go of other processes' fences that are open here no more, and that nothing waits for. Until then they stay: a
    /// queue that waits for one must not go on because the handle was closed (the owner still has the fence).
    pub(super) fn release_foreign(&mut self, at: u64) {
        let idle = |fence: &FenceKey| self.fence_handles.get(fence) == Some(&1) && !self.gpu.is_waited_for(*fence);
        let (idle, kept) = self.foreign.iter().copied().partition(idle);
        self.foreign = kept;
        let idle: Vec<FenceKey> = idle;
        idle.into_iter().for_each(|fence| self.release_fence(fence, at));
    }

    /// One handle of a fence less; the last one takes the fence with it, and lets waiters go.
    pub(super) fn release_fence(&mut self, fence: FenceKey, at: u64) {
        if let Some(count) = self.fence_handles.get_mut(&fence) {
            *count -= 1;
            if *count == 0 {
                self.fence_handles.remove(&fence);
                self.shared.retain(|_, shared| *shared != fence);
                self.gpu.destroy_fence(fence, at);
            }
        }
    }

    pub(super) fn destroy_sync(&mut self, key: ProcessKey, object: u32, at: u64) -> Result<Reply, NtStatus> {
        let objects = &mut self.process(key)?.objects;
        match objects.get(object) {
            Some(Object::Fence(fence)) if fence.owned => Err(NtStatus::INVALID_PARAMETER),
            Some(Object::Fence(_) | Object::Notification(_) | Object::Legacy) => {
                if let Some(Object::Fence(fence)) = objects.remove(object) {
                    self.release_fence(fence.key, at);
                }
                Ok(Reply::default())
            }
            _ => Err(NtStatus::INVALID_PARAMETER),
        }
    }

    /// Gives a shared object its NT handle: the number is the one that other processes will open.
    pub(super) fn share(&mut self, key: ProcessKey, object: u32) -> Result<Reply, NtStatus> {
        let (shared, parts) = match self.process(key)?.objects.get(object) {
            Some(Object::Fence(HostFence { shared: Some(shared), key, .. })) => {
                let (fence, shared) = (*key, *shared);
                self.gpu.watch_fence(fence);
                (shared, None)
            }
            Some(Object::Resource { allocations, .. }) => {
                let members = allocations.clone();
                let mut parts: Parts = Vec::with_capacity(members.len());
                for member in members {
                    let allocation = self.allocation(key, member)?;
                    parts.push((allocation.size, allocation.storage.clone()));
                }
                (self.new_shared(), Some(Arc::new(parts)))
            }
            _ => return Err(NtStatus::INVALID_PARAMETER),
        };
        Ok(Reply { handle: shared, parts, ..Reply::default() })
    }

    pub(super) fn open_sync(
        &mut self,
        key: ProcessKey,
        device: u32,
        shared: u32,
        file: Option<PrivateFd>,
        at: u64,
    ) -> Result<Reply, NtStatus> {
        let (fence, shared) = match (self.shared.get(&shared), file) {
            (Some(fence), _) => (*fence, shared),
            (_, Some(file)) => {
                let device = self.device(key, device)?.key;
                self.release_foreign(at);
                let fence = self.gpu.import_fence(file, device).map_err(refused)?;
                // Being kept among the foreign ones counts as a handle.
                self.foreign.push(fence);
                self.fence_handles.insert(fence, 1);
                (fence, self.new_shared_fence(fence))
            }
            _ => return Err(NtStatus::INVALID_PARAMETER),
        };
        *self.fence_handles.entry(fence).or_insert(0) += 1;
        let object = HostFence { device: None, key: fence, shared: Some(shared), owned: false };
        let handle = self.process(key)?.objects.insert(Object::Fence(object));
        let memory = self.gpu.fence_pages(fence);
        let gpu_address = memory.as_ref().map_or(0, |pages| pages.host_ptr() as u64);
        Ok(Reply { handle, second: shared, other: gpu_address, memory, ..Reply::default() })
    }

    pub(super) fn share_with_host(&mut self, key: ProcessKey, object: u32) -> Result<Reply, NtStatus> {
        match self.process(key)?.objects.get(object) {
            Some(Object::Fence(_) | Object::Allocation(_) | Object::Resource { .. }) => {
                Ok(Reply { value: VAIL_HANDLE_BASE + u64::from(object >> 6 & 0xff_ffff), ..Reply::default() })
            }
            _ => Err(NtStatus::INVALID_PARAMETER),
        }
    }
}
