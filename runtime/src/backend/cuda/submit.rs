//! Handing a batch over: tables, waits for other queues, calls, and the fence value at the end. Nothing here allocates.
//!
//! A call that is refused (a kernel that needs more than the device has, an address that it does not know) fails its
//! operation, and its stream; the rest of the batch goes on, planned anew without what depends on it. A sticky error loses the
//! device.

use std::ffi::c_void;
use std::ops::Range;
use std::ptr;
use std::sync::atomic::Ordering;

use dxg_scheduler::{Batch, QueueId, Work};

use super::execution::{Execution, FenceMode};
use super::library::Refusal;
use super::plan::{Full, Step, Tables, launch_of};
use super::queue::{Queue, QueueState};
use super::sys::{self, status};
use crate::backend::ring::Stretch;
use crate::backend::{DeviceChunk, HostChunk, SubmitError, Submitted};
use crate::error::Error;
use crate::op::{Launch, Op, OpKind};

/// Tables larger than the ring grow to this.
const OVERSIZE_MAX: usize = 256 << 20;

/// Table memory for one batch that is larger than the ring, kept for the next such batch.
pub(super) struct Oversize {
    host: HostChunk,
    device: DeviceChunk,
    /// The device is through with it when the queue reaches this value.
    fence: u64,
}

/// Where the tables of a batch lie.
#[derive(Clone, Copy)]
struct Memory {
    bytes: *mut u8,
    len: usize,
    host_address: u64,
    device_address: u64,
    /// `None`: in the oversize memory.
    stretch: Option<Stretch>,
}

impl Execution {
    /// Hands a batch over. Role holder only; a lock per queue makes a mistake there harmless.
    pub fn submit(&self, batch: &Batch<Op>) -> Result<Submitted, SubmitError> {
        self.alive().map_err(SubmitError::Lost)?;
        let queue = self.queue(batch.queue).map_err(SubmitError::Failed)?;
        let _entered = self.context.enter().map_err(|refusal| self.refused("cuCtxPushCurrent", refusal))?;
        let completed = self.reached(queue);
        let mut state = queue.state();
        state.ring.reclaim(completed);
        let mut memory = self.plan(batch, &mut state, completed)?;
        self.wait_for_others(queue, &batch.waits)?;
        // Before the first call: a value up to this one counts as progress from the moment it can appear.
        queue.submitted.store(batch.fence, Ordering::Release);
        let mut begin = 0;
        while let Some(next) = self.make_calls(batch, queue, &state, &memory)? {
            // Something was refused in a wave before this one: what depends on it must not run.
            begin = next.max(begin + 1);
            // SAFETY: as in `plan`: the memory is free beyond what was written, and the lock makes this the only user.
            let bytes = unsafe { std::slice::from_raw_parts_mut(memory.bytes, memory.len) };
            let (host_address, device_address) = (memory.host_address, memory.device_address);
            let mut tables = Tables { bytes, host_address, device_address };
            let at = state.plan.len;
            if let Err(Full) = state.plan.make(batch, begin, &mut tables, at, &self.poison, self.large_blocks) {
                let message = "no table memory was left after a refused operation; lower limit `batch_operations`";
                return Err(SubmitError::Failed(Error::invalid(message)));
            }
        }
        memory.len = state.plan.len;
        state.commit(&memory, batch.fence);
        drop(state);
        self.write_fence(queue, batch.fence)?;
        // Behind the calls: the device is at it meanwhile.
        queue.marks().reclaim(&self.context, completed);
        if self.context.driver.wsl {
            // The driver may hold launches back until it is called again.
            // SAFETY: needed to call the driver; the stream is alive.
            let found = unsafe { (self.context.driver.api.stream_query)(queue.stream) };
            if found != status::NOT_READY {
                self.context.check(found).map_err(|refusal| self.refused("cuStreamQuery", refusal))?;
            }
        }
        Ok(Submitted::default())
    }

    /// Plans the batch where there is room for its tables; `Busy` leaves everything as it was.
    fn plan(&self, batch: &Batch<Op>, state: &mut QueueState, completed: u64) -> Result<Memory, SubmitError> {
        for stretch in state.ring.free() {
            let memory = Memory {
                // SAFETY: needed to find the stretch in the ring, of which it is a part.
                bytes: unsafe { state.host.ptr.as_ptr().add(stretch.start) },
                len: stretch.len,
                host_address: state.host.device_address + stretch.start as u64,
                device_address: state.device.address + stretch.start as u64,
                stretch: Some(stretch),
            };
            if self.plan_in(batch, state, &memory).is_ok() {
                return Ok(memory);
            }
        }
        if !state.ring.is_empty() || state.oversize.as_ref().is_some_and(|oversize| oversize.fence > completed) {
            return Err(SubmitError::Busy);
        }
        // The whole ring is free and too small.
        let mut size = 2 * state.host.len;
        loop {
            if state.oversize.as_ref().is_none_or(|oversize| oversize.host.len < size) {
                state.oversize = None;
                let host = self.memory.allocate_host(size).map_err(SubmitError::Failed)?;
                let device = self.memory.allocate_device(size as u64).map_err(SubmitError::Failed)?;
                state.oversize = Some(Oversize { host, device, fence: 0 });
            }
            let Some(oversize) = &state.oversize else { return Err(SubmitError::Busy) };
            let memory = Memory {
                bytes: oversize.host.ptr.as_ptr(),
                len: oversize.host.len,
                host_address: oversize.host.device_address,
                device_address: oversize.device.address,
                stretch: None,
            };
            if self.plan_in(batch, state, &memory).is_ok() {
                return Ok(memory);
            }
            size = 2 * memory.len;
            if size > OVERSIZE_MAX {
                let message = "the tables of a batch are larger than 256 MiB; lower limit `batch_operations`";
                return Err(SubmitError::Failed(Error::invalid(message)));
            }
        }
    }

    fn plan_in(&self, batch: &Batch<Op>, state: &mut QueueState, memory: &Memory) -> Result<(), Full> {
        // SAFETY: needed because the memory is shared with the device. It is free, so the device does not read it, and the
        // queue's lock, which the caller holds, makes this the only reference.
        let bytes = unsafe { std::slice::from_raw_parts_mut(memory.bytes, memory.len) };
        let (host_address, device_address) = (memory.host_address, memory.device_address);
        let mut tables = Tables { bytes, host_address, device_address };
        state.plan.make(batch, 0, &mut tables, 0, &self.poison, self.large_blocks)
    }

    /// Lets a queue wait for values of others.
    fn wait_for_others(&self, queue: &Queue, waits: &[(QueueId, u64)]) -> Result<(), SubmitError> {
        for (other, value) in waits {
            let Ok(other) = self.queue(*other) else { continue };
            // What is reached needs no call. Batches are submitted in order, so what is waited for is in its stream.
            if other.completed() >= *value {
                continue;
            }
            let mut marks = other.marks();
            let found = marks.event_for(&self.context, other.stream, *value);
            let Some(event) = found.map_err(|refusal| self.refused("cuEventRecord", refusal))? else { continue };
            // SAFETY: needed to call the driver; stream and event are alive, and the lock keeps the event from being used
            // again before the call.
            let found = unsafe { (self.context.driver.api.stream_wait_event)(queue.stream, event, 0) };
            drop(marks);
            self.context.check(found).map_err(|refusal| self.refused("cuStreamWaitEvent", refusal))?;
        }
        Ok(())
    }

    /// Makes the calls of a plan, up to the end of a wave in which something was refused: the wave to go on with.
    fn make_calls(
        &self,
        batch: &Batch<Op>,
        queue: &Queue,
        state: &QueueState,
        memory: &Memory,
    ) -> Result<Option<usize>, SubmitError> {
        let (context, kernels, stream) = (&*self.context, &self.kernels, queue.stream);
        let api = &context.driver.api;
        let host = |table: usize| memory.host_address + table as u64;
        let mut refused = false;
        for step in &state.plan.steps {
            let (found, operation) = match *step {
                Step::Copies { table, count, first } => (kernels.copy(context, stream, host(table), count), first),
                Step::Dma { src, dst, len, first, count } => {
                    // SAFETY: needed to call the driver; the operations hold both ranges until their fence value.
                    let found = unsafe { (api.copy)(dst, src, len as usize, stream) };
                    if found != status::SUCCESS && count > 1 && context.driver.refusal(found).lost().is_none() {
                        // Ranges that follow each other may lie in two allocations, which the driver takes in no one copy; and
                        // if it is something else, this tells whose.
                        refused |= self.copy_singly(batch, first..first + count, stream)?;
                        continue;
                    }
                    (found, first)
                }
                Step::Fills { table, count, first } => (kernels.fill(context, stream, host(table), count), first),
                Step::Fill { dst, len, pattern, pattern_len, first } => {
                    let count = (len / u64::from(pattern_len.max(1))) as usize;
                    // SAFETY: needed to call the driver; the operation holds the range until its fence value.
                    let found = unsafe {
                        match pattern_len {
                            1 => (api.fill_8)(dst, pattern as u8, count, stream),
                            2 => (api.fill_16)(dst, pattern as u16, count, stream),
                            _ => (api.fill_32)(dst, pattern as u32, count, stream),
                        }
                    };
                    (found, first)
                }
                Step::Times { table, count, first } => (kernels.time(context, stream, host(table), count), first),
                Step::Single { operation } => (self.launch_single(batch, operation, stream), operation),
                Step::Merged { first, count, grid, args } => {
                    let order = &state.plan.order[first as usize..][..count as usize];
                    let found = self.launch_merged(batch, order, stream, grid, args);
                    if found != status::SUCCESS && context.driver.refusal(found).lost().is_none() {
                        // Which of them it is, or whether it is the twin, shows when they go one by one.
                        for &operation in order {
                            let found = self.launch_single(batch, operation, stream);
                            refused |= self.outcome(batch, operation, found)?;
                        }
                        continue;
                    }
                    (found, order.first().copied().unwrap_or(0))
                }
                Step::Foreign { operation } => match &batch.operations[operation as usize].payload.kind {
                    OpKind::Foreign(step) => (step.make(stream), operation),
                    _ => continue,
                },
                Step::Progress { value } => {
                    self.write_fence(queue, value)?;
                    continue;
                }
                Step::Barrier { next } => {
                    if refused {
                        return Ok(Some(next as usize));
                    }
                    continue;
                }
            };
            refused |= self.outcome(batch, operation, found)?;
        }
        Ok(None)
    }

    /// Copies one by one what was refused as a whole; whether any of it was refused again.
    fn copy_singly(&self, batch: &Batch<Op>, operations: Range<u32>, stream: sys::Stream) -> Result<bool, SubmitError> {
        let mut refused = false;
        for index in operations {
            let Some(Work::Copy { src, dst, len, .. }) = batch.operations.get(index as usize).map(|copy| copy.work)
            else {
                continue;
            };
            // SAFETY: as for the whole.
            let found = unsafe { (self.context.driver.api.copy)(dst, src, len as usize, stream) };
            refused |= self.outcome(batch, index, found)?;
        }
        Ok(refused)
    }

    /// Whether a call was refused; its operation has failed then.
    #[inline]
    fn outcome(&self, batch: &Batch<Op>, operation: u32, found: sys::Status) -> Result<bool, SubmitError> {
        if found == status::SUCCESS {
            return Ok(false);
        }
        let Err(refusal) = self.context.check(found) else { return Ok(false) };
        if let Some(cause) = refusal.lost() {
            return Err(SubmitError::Lost(cause));
        }
        if let Some(operation) = batch.operations.get(operation as usize) {
            self.poison.fail(operation, refusal.to_string());
        }
        Ok(true)
    }

    fn launch_single(&self, batch: &Batch<Op>, operation: u32, stream: sys::Stream) -> sys::Status {
        let Some((launch, kernel)) = launch_of(&batch.operations[operation as usize]) else { return status::SUCCESS };
        // A structure's padding at its end is no part of the parameters.
        let size = kernel.args_size.map_or(launch.args.len(), |size| (size as usize).min(launch.args.len()));
        self.launch(kernel.function, launch.shape.blocks(), launch, &launch.args[..size], stream)
    }

    fn launch_merged(
        &self,
        batch: &Batch<Op>,
        order: &[u32],
        stream: sys::Stream,
        grid: [u32; 3],
        args: super::merge::TwinArgs,
    ) -> sys::Status {
        let first = order.first().and_then(|index| launch_of(&batch.operations[*index as usize]));
        let Some((launch, kernel)) = first else { return status::SUCCESS };
        let Some(twin) = kernel.twin else { return status::INVALID_VALUE };
        self.launch(twin.function, grid, launch, &args, stream)
    }

    fn launch(
        &self,
        function: sys::Function,
        [x, y, z]: [u32; 3],
        launch: &Launch,
        args: &[u8],
        stream: sys::Stream,
    ) -> sys::Status {
        let [threads_x, threads_y, threads_z] = launch.shape.threads();
        let mut size = args.len();
        let mut extra: [*mut c_void; 5] = [
            sys::LAUNCH_ARGUMENTS,
            args.as_ptr().cast_mut().cast(),
            sys::LAUNCH_ARGUMENTS_SIZE,
            (&raw mut size).cast(),
            ptr::null_mut(),
        ];
        let extra = if args.is_empty() { ptr::null_mut() } else { extra.as_mut_ptr() };
        if let (Some(priority), Some(launch_ex)) = (self.low_priority, self.context.driver.api.launch_ex)
            && u64::from(x) * u64::from(y) * u64::from(z) >= self.large_blocks
        {
            let value = sys::LaunchAttributeValue { priority, rest: [0; 60] };
            let low = sys::LaunchAttribute { id: sys::LAUNCH_ATTRIBUTE_PRIORITY, padding: [0; 4], value };
            let config = sys::LaunchConfig {
                grid: [x, y, z],
                block: launch.shape.threads(),
                shared: launch.shape.shared(),
                stream,
                attributes: &raw const low,
                attribute_count: 1,
            };
            // SAFETY: as below; the attribute outlives the call.
            return unsafe { launch_ex(&raw const config, function, ptr::null_mut(), extra) };
        }
        // SAFETY: needed to call the driver; the kernel is loaded as long as the operation lives, and the arguments are read
        // during the call. What the kernel does with them is what its module's loader has vouched for.
        unsafe {
            (self.context.driver.api.launch)(
                function,
                x,
                y,
                z,
                threads_x,
                threads_y,
                threads_z,
                launch.shape.shared(),
                stream,
                ptr::null_mut(),
                extra,
            )
        }
    }

    /// Lets the queue reach `value` when everything before it is done.
    fn write_fence(&self, queue: &Queue, value: u64) -> Result<(), SubmitError> {
        let (context, address) = (&*self.context, queue.fence_address);
        let (call, found) = match self.fence_mode {
            // SAFETY: needed to call the driver; the fence page outlives the stream.
            FenceMode::WriteValue(write) => ("cuStreamWriteValue64", unsafe { write(queue.stream, address, value, 0) }),
            FenceMode::Kernel => ("cuLaunchKernel", self.kernels.fence(context, queue.stream, address, value)),
            FenceMode::Event => ("", status::SUCCESS),
        };
        context.check(found).map_err(|refusal| self.refused(call, refusal))?;
        let mut marks = queue.marks();
        marks.note(value);
        if self.asks_events() {
            // Now, so that it covers no more than it must.
            let recorded = marks.event_for(context, queue.stream, value);
            recorded.map_err(|refusal| self.refused("cuEventRecord", refusal))?;
        }
        Ok(())
    }

    /// What a refused call of a submission means.
    pub fn refused(&self, call: &'static str, refusal: Refusal) -> SubmitError {
        match refusal.lost() {
            Some(cause) => {
                self.context.lose(cause.clone());
                SubmitError::Lost(cause)
            }
            None => SubmitError::Failed(refusal.of(call)),
        }
    }
}

impl QueueState {
    /// What was written is in flight until the queue reaches `fence`.
    fn commit(&mut self, memory: &Memory, fence: u64) {
        match (memory.stretch, &mut self.oversize) {
            (Some(stretch), _) if memory.len > 0 => self.ring.commit(stretch, memory.len, fence),
            (Some(_), _) => {}
            (None, Some(oversize)) => oversize.fence = fence,
            (None, None) => debug_assert!(false, "tables in memory that is not there"),
        }
    }
}
