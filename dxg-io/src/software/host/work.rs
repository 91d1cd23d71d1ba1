//! Queues and the work put into them.

use smallvec::SmallVec;

use super::objects::{HostContext, HostFence, HostHwQueue, HostPagingQueue, HostQueue, Object};
use super::{Host, refused};
use crate::software::bus::message::{ProcessKey, Reply, Work};
use crate::software::gpu::{EngineKind, FenceKey, FenceRequest, GpuEvents, QueueItem, QueueKey};
use crate::status::NtStatus;

/// The only engine there is.
const COMPUTE_NODE: u32 = 0;
/// Nodes a context may name: compute and copy.
const NODES: u32 = 2;
/// Scheduling priorities range from minus to plus this.
const HIGHEST_PRIORITY: i32 = 7;

impl Host {
    pub(super) fn create_context(&mut self, key: ProcessKey, device: u32, node: u32) -> Result<Reply, NtStatus> {
        if node >= NODES {
            return Err(NtStatus::INVALID_PARAMETER);
        }
        let engine = if node == COMPUTE_NODE { EngineKind::Compute } else { EngineKind::Copy };
        let device_key = self.device(key, device)?.key;
        let queue = self.gpu.create_queue(device_key, None, engine).map_err(refused)?;
        let queue = HostQueue { key: queue, join: None };
        let context = HostContext { device, queue, priority: 0, in_process_priority: 0 };
        Ok(Reply::handle(self.process(key)?.objects.insert(Object::Context(context))))
    }

    fn context(&mut self, key: ProcessKey, context: u32) -> Result<&mut HostContext, NtStatus> {
        match self.process(key)?.objects.get_mut(context) {
            Some(Object::Context(context)) => Ok(context),
            _ => Err(NtStatus::INVALID_PARAMETER),
        }
    }

    pub(super) fn destroy_context(&mut self, key: ProcessKey, context: u32, at: u64) -> Result<Reply, NtStatus> {
        self.context(key, context)?;
        let queues = self
            .process(key)?
            .objects
            .handles_where(|object| matches!(object, Object::HwQueue(queue) if queue.context == context));
        for queue in queues {
            self.destroy_hw_queue(key, queue, at)?;
        }
        if let Some(Object::Context(context)) = self.process(key)?.objects.remove(context) {
            self.drop_queue(context.queue, at);
        }
        Ok(Reply::default())
    }

    fn drop_queue(&mut self, queue: HostQueue, at: u64) {
        self.gpu.destroy_queue(queue.key);
        if let Some((fence, _)) = queue.join {
            self.gpu.destroy_fence(fence, at);
        }
    }

    pub(super) fn set_context_priority(
        &mut self,
        key: ProcessKey,
        context: u32,
        in_process: bool,
        priority: i32,
    ) -> Result<Reply, NtStatus> {
        let context = self.context(key, context)?;
        if !(-HIGHEST_PRIORITY..=HIGHEST_PRIORITY).contains(&priority) {
            return Err(NtStatus::INVALID_PARAMETER);
        }
        let slot = if in_process { &mut context.in_process_priority } else { &mut context.priority };
        *slot = priority;
        Ok(Reply::default())
    }

    pub(super) fn context_priority(
        &mut self,
        key: ProcessKey,
        context: u32,
        in_process: bool,
    ) -> Result<Reply, NtStatus> {
        let context = self.context(key, context)?;
        let priority = if in_process { context.in_process_priority } else { context.priority };
        Ok(Reply { value: u64::from(priority as u32), ..Reply::default() })
    }

    /// A fence that belongs to a queue: its key and handle, with the page for the guest in the answer.
    fn queue_fence(&mut self, key: ProcessKey, device: u32) -> Result<(FenceKey, u32), NtStatus> {
        let request = FenceRequest { initial: 0, device: self.device(key, device)?.key, keep_value_on_loss: false };
        let fence = self.gpu.create_fence(request).map_err(refused)?;
        self.fence_handles.insert(fence, 1);
        let object = HostFence { device: Some(device), key: fence, shared: None, owned: true };
        Ok((fence, self.process(key)?.objects.insert(Object::Fence(object))))
    }

    fn queue_reply(&self, handle: u32, fence: FenceKey, fence_handle: u32) -> Reply {
        let memory = self.gpu.fence_pages(fence);
        let gpu_address = memory.as_ref().map_or(0, |pages| pages.host_ptr() as u64);
        Reply { handle, second: fence_handle, other: gpu_address, memory, ..Reply::default() }
    }

    pub(super) fn create_hw_queue(&mut self, key: ProcessKey, context: u32) -> Result<Reply, NtStatus> {
        let device = self.context(key, context)?.device;
        let device_key = self.device(key, device)?.key;
        let (fence_key, fence) = self.queue_fence(key, device)?;
        let queue = match self.gpu.create_queue(device_key, Some(fence_key), EngineKind::Compute) {
            Ok(queue) => HostQueue { key: queue, join: None },
            Err(error) => {
                self.process(key)?.objects.remove(fence);
                self.release_fence(fence_key, 0);
                return Err(refused(error));
            }
        };
        let queue = HostHwQueue { device, context, queue, fence };
        let handle = self.process(key)?.objects.insert(Object::HwQueue(queue));
        Ok(self.queue_reply(handle, fence_key, fence))
    }

    pub(super) fn destroy_hw_queue(&mut self, key: ProcessKey, queue: u32, at: u64) -> Result<Reply, NtStatus> {
        let objects = &mut self.process(key)?.objects;
        if !matches!(objects.get(queue), Some(Object::HwQueue(_))) {
            return Err(NtStatus::INVALID_PARAMETER);
        }
        if let Some(Object::HwQueue(queue)) = objects.remove(queue) {
            let fence = objects.remove(queue.fence);
            self.drop_queue(queue.queue, at);
            if let Some(Object::Fence(fence)) = fence {
                self.release_fence(fence.key, at);
            }
        }
        Ok(Reply::default())
    }

    pub(super) fn create_paging_queue(&mut self, key: ProcessKey, device: u32) -> Result<Reply, NtStatus> {
        let (fence, fence_handle) = self.queue_fence(key, device)?;
        let queue = HostPagingQueue { device, fence, fence_handle, value: 0 };
        let handle = self.process(key)?.objects.insert(Object::PagingQueue(queue));
        Ok(self.queue_reply(handle, fence, fence_handle))
    }

    pub(super) fn destroy_paging_queue(&mut self, key: ProcessKey, queue: u32, at: u64) -> Result<Reply, NtStatus> {
        let objects = &mut self.process(key)?.objects;
        if !matches!(objects.get(queue), Some(Object::PagingQueue(_))) {
            return Err(NtStatus::INVALID_PARAMETER);
        }
        if let Some(Object::PagingQueue(queue)) = objects.remove(queue) {
            objects.remove(queue.fence_handle);
            self.release_fence(queue.fence, at);
        }
        Ok(Reply::default())
    }

    fn queue(&mut self, key: ProcessKey, handle: u32) -> Result<&mut HostQueue, NtStatus> {
        match self.process(key)?.objects.get_mut(handle) {
            Some(Object::Context(context)) => Ok(&mut context.queue),
            Some(Object::HwQueue(queue)) => Ok(&mut queue.queue),
            _ => Err(NtStatus::INVALID_PARAMETER),
        }
    }

    pub(super) fn do_work(&mut self, key: ProcessKey, work: Work, at: u64) -> Result<(), NtStatus> {
        match work {
            Work::Submit { queue, command_buffer, length, fence } => {
                let item = match (length, fence) {
                    (0, None) => QueueItem::Signal { fences: SmallVec::new(), allow_rewind: false },
                    // No commands: the queue's progress fence advances, in order, and that is all.
                    (0, Some(value)) => {
                        let fences = SmallVec::from_iter([(self.progress_of(key, queue)?, value)]);
                        QueueItem::Signal { fences, allow_rewind: false }
                    }
                    _ => QueueItem::Execute { command_buffer, length, fence_value: fence.unwrap_or(0) },
                };
                let queue = self.queue(key, queue)?.key;
                self.gpu.enqueue(queue, item, at).map_err(refused)
            }
            Work::Wait { queue, objects } => {
                let queue = self.queue(key, queue)?.key;
                self.resolve(key, &objects)?;
                let fences = std::mem::take(&mut self.fences);
                if fences.is_empty() {
                    return Ok(());
                }
                self.gpu.enqueue(queue, QueueItem::Wait { fences }, at).map_err(refused)
            }
            Work::Signal { queues, objects, allow_rewind, event } => {
                let events = self.resolve(key, &objects)?;
                let fences = std::mem::take(&mut self.fences);
                let events = events.into_iter().chain(event);
                if queues.is_empty() {
                    for (fence, value) in fences {
                        self.gpu.signal_from_cpu(fence, value, allow_rewind, at).map_err(refused)?;
                    }
                    events.for_each(|event| self.dispatcher.cpu_event(event, at));
                    return Ok(());
                }
                let first = self.join_queues(key, &queues, at)?;
                if !fences.is_empty() {
                    self.gpu.enqueue(first, QueueItem::Signal { fences, allow_rewind }, at).map_err(refused)?;
                }
                for event in events {
                    self.gpu.enqueue(first, QueueItem::CpuEvent { event }, at).map_err(refused)?;
                }
                Ok(())
            }
        }
    }

    fn progress_of(&mut self, key: ProcessKey, queue: u32) -> Result<FenceKey, NtStatus> {
        let objects = &self.process(key)?.objects;
        let Some(Object::HwQueue(queue)) = objects.get(queue) else { return Err(NtStatus::INVALID_PARAMETER) };
        match objects.get(queue.fence) {
            Some(Object::Fence(fence)) => Ok(fence.key),
            _ => Err(NtStatus::INVALID_PARAMETER),
        }
    }

    /// Looks all objects up: fences go to `self.fences`, the events of CPU-notification objects are answered.
    fn resolve(&mut self, key: ProcessKey, objects: &[(u32, u64)]) -> Result<SmallVec<[u64; 2]>, NtStatus> {
        let mut fences = std::mem::take(&mut self.fences);
        fences.clear();
        let mut events = SmallVec::new();
        let process = self.process(key)?;
        for &(handle, value) in objects {
            match process.objects.get(handle) {
                Some(Object::Fence(fence)) => fences.push((fence.key, value)),
                Some(Object::Notification(event)) => events.push(*event),
                Some(Object::Legacy) => {}
                _ => return Err(NtStatus::INVALID_PARAMETER),
            }
        }
        self.fences = fences;
        Ok(events)
    }

    /// Makes the first queue wait for all others, so that what follows on it comes after what they hold now.
    fn join_queues(&mut self, key: ProcessKey, queues: &[u32], at: u64) -> Result<QueueKey, NtStatus> {
        for &queue in queues {
            self.queue(key, queue)?;
        }
        let (&first, others) = queues.split_first().ok_or(NtStatus::INVALID_PARAMETER)?;
        let first = self.queue(key, first)?.key;
        for &other in others {
            let device = self.process(key)?.objects.get(other).and_then(Object::device);
            let device = self.device(key, device.ok_or(NtStatus::INVALID_PARAMETER)?)?.key;
            let gpu = self.gpu.clone();
            let queue = self.queue(key, other)?;
            let (fence, value) = match queue.join {
                Some((fence, value)) => (fence, value + 1),
                None => {
                    let request = FenceRequest { initial: 0, device, keep_value_on_loss: false };
                    (gpu.create_fence(request).map_err(refused)?, 1)
                }
            };
            queue.join = Some((fence, value));
            let fences: SmallVec<[(FenceKey, u64); 4]> = SmallVec::from_iter([(fence, value)]);
            let signal = QueueItem::Signal { fences: fences.clone(), allow_rewind: false };
            gpu.enqueue(queue.key, signal, at).map_err(refused)?;
            gpu.enqueue(first, QueueItem::Wait { fences }, at).map_err(refused)?;
        }
        Ok(first)
    }

    pub(super) fn wait_cpu(
        &mut self,
        key: ProcessKey,
        objects: &[(u32, u64)],
        any: bool,
        event: u64,
        at: u64,
    ) -> Result<Reply, NtStatus> {
        self.resolve(key, objects)?;
        let fences = std::mem::take(&mut self.fences);
        self.gpu.wait_from_cpu(&fences, any, event, at).map_err(refused)?;
        self.fences = fences;
        Ok(Reply::default())
    }
}
