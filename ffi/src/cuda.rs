//! Inside of an existing CUDA program: its memory, its streams, its events.

use std::ffi::c_void;
use std::sync::{Arc, Mutex, PoisonError};

use crate::context::{context, count, maybe_output, output};
use crate::guard::{Failure, guard};
use crate::handle;
use crate::memory::Allocation;
use crate::status::dxgrt_status;
use crate::types::*;

/// What is told when something of the program's own is no longer used.
struct Owner {
    release: dxgrt_release,
    user: *mut c_void,
}

/// An owner that tells nobody yet: what fails before it takes over is not released.
#[derive(Clone, Default)]
pub(crate) struct Owning(Arc<Mutex<Option<Owner>>>);

impl Owning {
    pub(crate) fn take_over(&self, release: dxgrt_release, user: *mut c_void) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Owner { release, user });
    }
}

// SAFETY: needed because of the pointer, which is only passed back; by the rules page callbacks may come from any thread.
unsafe impl Send for Owner {}
// SAFETY: as above.
unsafe impl Sync for Owner {}

impl Drop for Owner {
    fn drop(&mut self) {
        if let Some(release) = self.release {
            // SAFETY: needed to call foreign code; by the rules page it may be called, once, from any thread.
            unsafe { release(self.user) };
        }
    }
}

/// Memory of the program's own (cuMemAlloc, cudaMalloc, a framework's) as an allocation of the context, which is one of CUDA.
/// Commands may use it as any other. `release` (or NULL) is called with `user` once the allocation was freed and no command in
/// flight uses the memory, which must stay allocated until then; on failure it is not called.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dxgrt_mem_import(
    ctx: *mut dxgrt_ctx,
    addr: u64,
    size: u64,
    release: dxgrt_release,
    user: *mut c_void,
    out: *mut *mut dxgrt_mem,
) -> dxgrt_status {
    guard(|| {
        let out = output(out, "out")?;
        let context = context(ctx)?.share();
        let bytes = usize::try_from(size).map_err(|_| Failure::invalid(format!("no memory has {size} bytes")))?;
        let owner = Owning::default();
        // SAFETY: needed because the memory is the caller's; by this function's contract it stays until it is released.
        let buffer = unsafe { context.device.import_cuda::<u8>(addr, bytes, owner.clone())? };
        let allocation = Arc::new(Allocation::of_device(&context, size, addr, buffer));
        let handle = handle::insert(Arc::clone(&allocation))?;
        owner.take_over(release, user);
        context.place(addr, handle, allocation);
        count(&context.counters.allocations, 1);
        out.set(handle);
        Ok(())
    })
}

/// The `CUcontext` of a context of CUDA.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dxgrt_cuda_context(ctx: *mut dxgrt_ctx, out: *mut *mut c_void) -> dxgrt_status {
    guard(|| {
        let out = output(out, "out")?;
        out.set(context(ctx)?.device.cuda_context()?);
        Ok(())
    })
}

/// Lets everything enqueued from now on run after what `cuda_stream`, a `CUstream` of the same context (NULL: its default
/// stream), holds now. Only the device waits. `done` (or NULL) is done when that is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dxgrt_stream_wait_cuda(
    stream: *mut dxgrt_stream,
    cuda_stream: *mut c_void,
    done: *mut dxgrt_fence,
) -> dxgrt_status {
    guard(|| {
        let entry = handle::find(stream)?;
        entry.context.check_open()?;
        // SAFETY: needed because the stream is the caller's; by this function's contract it is one of the same context.
        let completion = unsafe { entry.stream.wait_for_cuda_stream(cuda_stream)? };
        maybe_output(done, entry.fence(completion.ticket()));
        Ok(())
    })
}

/// Lets everything that is put into `cuda_stream`, a `CUstream` of the same context (NULL: its default stream), from now on run
/// after everything enqueued here so far. Returns when the device has been told; the work itself is not waited for.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dxgrt_cuda_wait_stream(cuda_stream: *mut c_void, stream: *mut dxgrt_stream) -> dxgrt_status {
    guard(|| {
        let entry = handle::find(stream)?;
        entry.context.check_open()?;
        // SAFETY: as above.
        unsafe { entry.stream.let_cuda_stream_wait(cuda_stream)? };
        Ok(())
    })
}

/// Lets everything enqueued from now on run after what `cuda_event`, a `CUevent` of the same context, was last recorded behind.
/// Returns when the device has been told: the event may then be used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dxgrt_stream_wait_cuda_event(
    stream: *mut dxgrt_stream,
    cuda_event: *mut c_void,
) -> dxgrt_status {
    guard(|| {
        let entry = handle::find(stream)?;
        not_null(cuda_event)?;
        entry.context.check_open()?;
        // SAFETY: needed because the event is the caller's; by this function's contract it is one of the same context.
        unsafe { entry.stream.wait_for_cuda_event(cuda_event)? };
        Ok(())
    })
}

/// Records `cuda_event`, a `CUevent` of the same context, behind everything enqueued so far. Returns when the record is in place.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dxgrt_stream_record_cuda_event(
    stream: *mut dxgrt_stream,
    cuda_event: *mut c_void,
) -> dxgrt_status {
    guard(|| {
        let entry = handle::find(stream)?;
        not_null(cuda_event)?;
        entry.context.check_open()?;
        // SAFETY: as above.
        unsafe { entry.stream.record_cuda_event(cuda_event)? };
        Ok(())
    })
}

fn not_null(event: *mut c_void) -> crate::guard::Outcome {
    if event.is_null() {
        Err(Failure::invalid("the CUevent is NULL; pass one that cuEventCreate made"))
    } else {
        Ok(())
    }
}
