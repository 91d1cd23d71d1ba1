//! Memory: allocations of the device, and host memory that the device reaches.

use std::ffi::c_void;
use std::sync::{Arc, Mutex, PoisonError};

use dxg_runtime::raw::{self, Range};
use dxg_runtime::{Buffer, HostBuffer, Stream};

use crate::context::{Context, context, count, maybe_output, output};
use crate::guard::{Failure, Outcome, check_fork, guard, guard_value};
use crate::handle::{self, opaque};
use crate::sized;
use crate::status::dxgrt_status::{self, *};
use crate::stream::{StreamEntry, default_stream, wait_for_ticket};
use crate::types::*;

opaque!(dxgrt_mem, Allocation, 0xC2, "allocation");

/// One allocation.
pub(crate) struct Allocation {
    context: Arc<Context>,
    pub(crate) size: u64,
    address: u64,
    /// What is given back at the end.
    memory: Mutex<Option<Buffer<u8>>>,
    host: Option<HostBuffer<u8>>,
    /// Streams beside the one it is freed after, which use it too.
    users: Mutex<Vec<Arc<StreamEntry>>>,
}

impl Allocation {
    pub(crate) fn is_host(&self) -> bool {
        self.host.is_some()
    }

    pub(crate) fn host(&self) -> Option<&HostBuffer<u8>> {
        self.host.as_ref()
    }
}

/// Allocates `size` bytes. `alignment` is a power of two up to the device's `memory_alignment`, or 0. `flags` are DXGRT_MEM_*. A
/// size of 0 is allowed: the allocation has an address of its own. May wait for memory that work in flight gives back, and, with
/// DXGRT_MEM_ZERO, for the fill.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dxgrt_mem_alloc(
    ctx: *mut dxgrt_ctx,
    size: u64,
    alignment: u64,
    flags: u32,
    out: *mut *mut dxgrt_mem,
) -> dxgrt_status {
    guard(|| {
        let out = output(out, "out")?;
        let context = context(ctx)?.share();
        let offered = u64::from(context.device.info().buffer_alignment);
        if alignment > offered || (alignment != 0 && !alignment.is_power_of_two()) {
            return Err(Failure::invalid(format!(
                "an alignment of {alignment} bytes is not to be had; use a power of two up to {offered}, or 0"
            )));
        }
        if flags & !(DXGRT_MEM_HOST | DXGRT_MEM_ZERO) != 0 {
            return Err(Failure::invalid(format!("{flags:#x} has bits that are no DXGRT_MEM_* flag")));
        }
        let bytes = usize::try_from(size)
            .ok()
            .filter(|bytes| isize::try_from(*bytes).is_ok())
            .ok_or_else(|| Failure::new(DXGRT_NO_MEMORY, format!("no memory has {size} bytes; ask for less")))?;
        let allocation = if flags & DXGRT_MEM_HOST != 0 {
            let host = context.device.host_buffer::<u8>(bytes)?;
            let (address, host) = (host.address(), Some(host));
            Allocation::new(&context, size, address, None, host)
        } else {
            let buffer = context.device.alloc::<u8>(bytes)?;
            let address = buffer.address();
            if flags & DXGRT_MEM_ZERO != 0 && size > 0 {
                zero(&context, address, size)?;
            }
            Allocation::new(&context, size, address, Some(buffer), None)
        };
        let allocation = Arc::new(allocation);
        let handle = handle::insert(Arc::clone(&allocation))?;
        context.place(allocation.address, handle, allocation);
        count(&context.counters.allocations, 1);
        out.set(handle);
        Ok(())
    })
}

impl Allocation {
    fn new(
        context: &Arc<Context>,
        size: u64,
        address: u64,
        memory: Option<Buffer<u8>>,
        host: Option<HostBuffer<u8>>,
    ) -> Self {
        let (memory, users) = (Mutex::new(memory), Mutex::default());
        Allocation { context: Arc::clone(context), size, address, memory, host, users }
    }

    /// Device memory at its address.
    pub(crate) fn of_device(context: &Arc<Context>, size: u64, address: u64, buffer: Buffer<u8>) -> Self {
        Allocation::new(context, size, address, Some(buffer), None)
    }

    /// Gives the memory back when `after`, and whoever uses it besides, is through; `None`: all streams.
    fn free(&self, after: Option<&StreamEntry>) {
        let memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner).take();
        let users = std::mem::take(&mut *self.users.lock().unwrap_or_else(PoisonError::into_inner));
        let mut streams: Vec<&Stream> = after.iter().map(|after| &after.stream).collect();
        if after.is_some() {
            streams.extend(users.iter().map(|user| &user.stream));
        }
        if let Some(host) = &self.host {
            raw::free_host_after(&self.context.device, host.clone(), &streams);
        }
        match memory {
            Some(buffer) if after.is_some() => raw::free_after(buffer, &streams),
            // Dropped, it waits for all streams.
            _ => {}
        }
    }
}

fn zero(context: &Arc<Context>, address: u64, size: u64) -> Outcome {
    let stream = handle::find(default_stream(context)?)?.share();
    let range = Range::of_device(&context.device, address, size)?;
    let fence = stream.enqueue(raw::fill(&stream.stream, &range, &[0])?)?;
    wait_for_ticket(context, &stream.timeline, fence.value, DXGRT_FOREVER)
}

/// The device address of the first byte; 0 for a handle that is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dxgrt_mem_addr(mem: *const dxgrt_mem) -> u64 {
    guard_value(0, || {
        check_fork()?;
        Ok(handle::find(mem)?.address)
    })
}

/// How many bytes were asked for; 0 for a handle that is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dxgrt_mem_size(mem: *const dxgrt_mem) -> u64 {
    guard_value(0, || {
        check_fork()?;
        Ok(handle::find(mem)?.size)
    })
}

/// Where the process sees the memory; NULL where it does not (device memory), and for a handle that is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dxgrt_mem_host_ptr(mem: *const dxgrt_mem) -> *mut c_void {
    guard_value(std::ptr::null_mut(), || {
        check_fork()?;
        let allocation = handle::find(mem)?;
        Ok(allocation.host().map_or(std::ptr::null_mut(), |host| host.as_ptr().cast()))
    })
}

/// Frees an allocation when `after`, and the streams named by `dxgrt_mem_use`, are through with what they have accepted so far;
/// NULL: all streams. Never blocks. Any thread, also after the context was closed (DXGRT_SHUTDOWN: freed all the same).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dxgrt_mem_free(mem: *mut dxgrt_mem, after: *mut dxgrt_stream) -> dxgrt_status {
    guard(|| {
        let context = Arc::clone(&handle::find(mem)?.context);
        let after = if after.is_null() || context.is_closed() { None } else { Some(handle::find(after)?.share()) };
        if after.as_ref().is_some_and(|after| !Arc::ptr_eq(&after.context, &context)) {
            return Err(Failure::invalid("the stream belongs to another context than the allocation"));
        }
        let allocation = handle::remove(mem)?;
        context.displace(allocation.address);
        allocation.free(after.as_deref());
        count(&context.counters.frees, 1);
        drop(allocation);
        context.check_open()
    })
}

/// Tells that a stream uses the allocation: a free after another stream waits for this one too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dxgrt_mem_use(mem: *mut dxgrt_mem, stream: *mut dxgrt_stream) -> dxgrt_status {
    guard(|| {
        let (allocation, stream) = (handle::find(mem)?, handle::find(stream)?.share());
        if !Arc::ptr_eq(&allocation.context, &stream.context) {
            return Err(Failure::invalid("the stream belongs to another context than the allocation"));
        }
        allocation.context.check_open()?;
        let mut users = allocation.users.lock().unwrap_or_else(PoisonError::into_inner);
        if !users.iter().any(|user| Arc::ptr_eq(user, &stream)) {
            users.push(stream);
        }
        Ok(())
    })
}

/// The allocation that a device address lies in, and the address's offset in it; DXGRT_NOT_FOUND where there is none. Each output
/// may be NULL. The handle is the one that `dxgrt_mem_alloc` gave: nothing more to free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dxgrt_mem_find(
    ctx: *mut dxgrt_ctx,
    addr: u64,
    mem: *mut *mut dxgrt_mem,
    offset: *mut u64,
) -> dxgrt_status {
    guard(|| {
        let context = context(ctx)?;
        let Some((handle, _, at)) = context.find_memory(addr) else {
            return Err(Failure::new(DXGRT_NOT_FOUND, format!("no allocation of this context contains {addr:#x}")));
        };
        maybe_output(mem, handle);
        maybe_output(offset, at);
        Ok(())
    })
}

/// What memory the context holds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dxgrt_mem_usage(ctx: *mut dxgrt_ctx, out: *mut dxgrt_mem_stats) -> dxgrt_status {
    guard(|| {
        output(out, "out")?;
        let info = context(ctx)?.device.memory_info();
        let stats = dxgrt_mem_stats {
            struct_size: 0,
            reserved: 0,
            total: info.total,
            held: info.reserved,
            used: info.used,
            retiring: info.retiring,
            peak_used: info.peak_used,
            allocations: info.buffers,
            host: info.host_buffers,
            staging_total: info.staging_total,
            staging_used: info.staging_used,
        };
        // SAFETY: needed to write the caller's memory; it is not NULL, and by the rules page it is what its size says.
        unsafe { sized::write(out, &stats) }
    })
}
