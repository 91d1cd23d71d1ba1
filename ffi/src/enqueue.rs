//! The calls that enqueue commands: copies, fills, launches, and many at once.

use std::ffi::c_void;
use std::sync::Arc;

use dxg_runtime::raw;

use crate::command::{self, Launch, copied, count_bytes};
use crate::context::maybe_output;
use crate::guard::{Failure, guard};
use crate::handle;
use crate::sized;
use crate::status::dxgrt_status;
use crate::stream::{StreamEntry, wait_for_ticket};
use crate::types::*;

/// Copies `size` bytes from the host to the device address `dst`. `mode` is DXGRT_COPY_SNAPSHOT (the source may change when the
/// call returns) or DXGRT_COPY_BORROW (when `src_released` is done). Each fence may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dxgrt_copy_h2d(
    stream: *mut dxgrt_stream,
    dst: u64,
    src: *const c_void,
    size: u64,
    mode: u32,
    src_released: *mut dxgrt_fence,
    done: *mut dxgrt_fence,
) -> dxgrt_status {
    guard(|| {
        let entry = handle::find(stream)?;
        if mode > DXGRT_COPY_BORROW {
            return Err(Failure::invalid(format!("copy mode {mode} is none; use DXGRT_COPY_*")));
        }
        // SAFETY: needed to read the caller's memory, of which there are `size` bytes.
        let data = unsafe { command::bytes(src, size, "the source")? };
        let borrowed = if mode == DXGRT_COPY_BORROW { entry.context.host_range(src.addr(), size)? } else { None };
        let (fence, released) = match borrowed {
            Some(from) => {
                let to = entry.context.range(dst, size)?;
                let fence = entry.enqueue(raw::copy(&entry.stream, &from, &to)?)?;
                (fence, fence)
            }
            None => (entry.enqueue(command::copy_h2d(&entry, dst, data)?)?, dxgrt_fence::default()),
        };
        count_bytes(&entry, DXGRT_CMD_COPY_H2D, size);
        maybe_output(src_released, released);
        maybe_output(done, fence);
        Ok(())
    })
}

/// Copies `size` bytes from the device address `src` to the host. The destination may be written until `done` (or NULL) is done.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dxgrt_copy_d2h(
    stream: *mut dxgrt_stream,
    dst: *mut c_void,
    src: u64,
    size: u64,
    done: *mut dxgrt_fence,
) -> dxgrt_status {
    guard(|| {
        let entry = handle::find(stream)?;
        // SAFETY: needed because the destination is the caller's; by the rules page it stays until the fence is done.
        let prepared = unsafe { command::copy_d2h(&entry, dst, src, size)? };
        let fence = entry.enqueue(prepared)?;
        count_bytes(&entry, DXGRT_CMD_COPY_D2H, size);
        maybe_output(done, fence);
        Ok(())
    })
}

/// Copies `size` bytes on the device. The ranges must not overlap. `done` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dxgrt_copy_d2d(
    stream: *mut dxgrt_stream,
    dst: u64,
    src: u64,
    size: u64,
    done: *mut dxgrt_fence,
) -> dxgrt_status {
    guard(|| {
        let entry = handle::find(stream)?;
        let fence = entry.enqueue(command::copy_d2d(&entry, dst, src, size)?)?;
        count_bytes(&entry, DXGRT_CMD_COPY_D2D, size);
        maybe_output(done, fence);
        Ok(())
    })
}

/// Copies `size` bytes from `src`, after all that `src_stream` has accepted so far, to `dst`, in `dst_stream`. The streams may
/// belong to different contexts; then the data goes through the host, and the call waits for `src_stream`: devices cannot wait
/// for each other. `done` (or NULL) is a fence of `dst_stream`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dxgrt_copy_peer(
    dst_stream: *mut dxgrt_stream,
    dst: u64,
    src_stream: *mut dxgrt_stream,
    src: u64,
    size: u64,
    done: *mut dxgrt_fence,
) -> dxgrt_status {
    guard(|| {
        let (to, from) = (handle::find(dst_stream)?, handle::find(src_stream)?);
        let fence = if Arc::ptr_eq(&to.context, &from.context) {
            let prepared = command::copy_d2d(&to, dst, src, size)?;
            if to.number != from.number {
                to.wait_for(&from)?;
            }
            to.enqueue(prepared)?
        } else {
            // Checked before anything is copied.
            to.context.range(dst, size)?;
            let data = through_host(&from, src, size)?;
            to.enqueue(command::copy_h2d(&to, dst, &data)?)?
        };
        count_bytes(&to, DXGRT_CMD_COPY_D2D, size);
        maybe_output(done, fence);
        Ok(())
    })
}

/// The bytes at `src`, once everything before is done.
fn through_host(from: &StreamEntry, src: u64, size: u64) -> crate::guard::Outcome<Vec<u8>> {
    from.context.range(src, size)?;
    let mut data = Vec::new();
    data.try_reserve_exact(size as usize).map_err(|_| {
        Failure::new(
            dxgrt_status::DXGRT_NO_MEMORY,
            format!("{size} bytes on their way do not fit in host memory; copy parts"),
        )
    })?;
    data.resize(size as usize, 0);
    // SAFETY: needed because the destination is written later; it lives until the wait below is over, which is without limit.
    let prepared = unsafe { command::copy_d2h(from, data.as_mut_ptr().cast(), src, size)? };
    let landing = prepared.landing();
    let fence = from.enqueue(prepared)?;
    let done = wait_for_ticket(&from.context, &from.timeline, fence.value, DXGRT_FOREVER);
    if let Some(landing) = landing {
        // SAFETY: needed because of the contract of `finish`: it delivers what is complete. Afterwards nobody writes `data`.
        unsafe { landing.finish(done.is_ok()) };
    }
    done?;
    Ok(data)
}

/// Fills `size` bytes at `dst` with a pattern of 1, 2, 4 or 8 bytes, of which a whole number must fit. `done` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dxgrt_fill(
    stream: *mut dxgrt_stream,
    dst: u64,
    size: u64,
    pattern: *const c_void,
    pattern_size: u32,
    done: *mut dxgrt_fence,
) -> dxgrt_status {
    guard(|| {
        let entry = handle::find(stream)?;
        if !matches!(pattern_size, 1 | 2 | 4 | 8) {
            return Err(Failure::invalid(format!("a pattern of {pattern_size} bytes; use one of 1, 2, 4 or 8")));
        }
        // SAFETY: needed to read the caller's memory, of which there are `pattern_size` bytes.
        let pattern = unsafe { command::bytes(pattern, pattern_size.into(), "the pattern")? };
        let fence = entry.enqueue(command::fill(&entry, dst, size, pattern)?)?;
        maybe_output(done, fence);
        Ok(())
    })
}

/// Launches a kernel. `done` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dxgrt_launch(
    stream: *mut dxgrt_stream,
    kernel: *mut dxgrt_kernel,
    params: *const dxgrt_launch_params,
    done: *mut dxgrt_fence,
) -> dxgrt_status {
    guard(|| {
        let (entry, kernel) = (handle::find(stream)?, handle::find(kernel)?);
        if params.is_null() {
            return Err(Failure::invalid("`params` is NULL; a launch needs its grid"));
        }
        // SAFETY: needed to read the caller's memory; by the rules page it is what the sizes in it say.
        let params = unsafe { sized::read(params)? };
        // SAFETY: as above.
        let fence = unsafe { Launch::new(&params)? }.enqueue(&entry, &kernel)?;
        maybe_output(done, fence);
        Ok(())
    })
}

/// Enqueues `n` commands as one entry: all of them, in this order, with nothing of this stream between them, or none. All are
/// checked before any is accepted, and copied during the call. They go out in one batch unless a cap splits it. `done` (or NULL)
/// is the fence of the last.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dxgrt_submit(
    stream: *mut dxgrt_stream,
    cmds: *const dxgrt_cmd,
    n: u32,
    done: *mut dxgrt_fence,
) -> dxgrt_status {
    guard(|| {
        let entry = handle::find(stream)?;
        check_count(&entry, n)?;
        let mut all = raw::Batch::with_capacity(n as usize);
        let (mut copies, mut kernel) = (Vec::new(), None);
        // SAFETY: needed to read the caller's memory; by the rules page there are `n` commands.
        for cmd in unsafe { sized::each(cmds, n)? } {
            let cmd = cmd?;
            // SAFETY: needed because the pointers in the command are the caller's; they are what the rules page says.
            unsafe { command::add(&entry, &cmd, &mut all, &mut kernel)? };
            if copied(&cmd) > 0 {
                copies.push((cmd.kind, copied(&cmd)));
            }
        }
        let first = raw::enqueue_all(&entry.stream, all, entry.context.blocks)?;
        for (kind, size) in copies {
            count_bytes(&entry, kind, size);
        }
        maybe_output(done, entry.fence(first + u64::from(n.max(1)) - 1));
        Ok(())
    })
}

/// More commands than ever fit are refused before they are read.
pub(crate) fn check_count(entry: &StreamEntry, n: u32) -> crate::guard::Outcome {
    let limits = entry.context.device.limits();
    let most = limits.stream_operations.high.min(limits.device_operations.high);
    if n > most {
        return Err(Failure::invalid(format!(
            "{n} commands in one entry, and the context takes {most}; raise `stream_commands` and `device_commands` when it is \
             opened, or split the list"
        )));
    }
    Ok(())
}
