//! Devices and contexts: what there is, opening, closing, figures.

use std::ffi::{CStr, c_char};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use dxg_runtime::{Bound, Device, DeviceInfo, DeviceKind, Limits, Parameters, Policy};

use crate::context::{Context, context, output, refuse_in_callback};
use crate::cuda::Owning;
use crate::guard::{Failure, Outcome, guard, watch_forks};
use crate::handle;
use crate::sized;
use crate::status::dxgrt_status;
use crate::stream::left_of;
use crate::types::*;

/// The devices found by the last `dxgrt_device_count`.
static FOUND: Mutex<Vec<DeviceInfo>> = Mutex::new(Vec::new());

/// Looks for devices, and answers how many there are. Those that can be opened but not launch on are counted.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dxgrt_device_count(out: *mut u32) -> dxgrt_status {
    guard(|| {
        let out = output(out, "out")?;
        watch_forks();
        let found = Device::enumerate();
        let count = found.len() as u32;
        *FOUND.lock().unwrap_or_else(PoisonError::into_inner) = found;
        out.set(count);
        Ok(())
    })
}

/// Describes a device that `dxgrt_device_count` found.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dxgrt_device_info_get(index: u32, out: *mut dxgrt_device_info) -> dxgrt_status {
    guard(|| {
        output(out, "out")?;
        let found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(info) = found.get(index as usize) else {
            return Err(Failure::invalid(format!(
                "there is no device {index}: dxgrt_device_count found {}",
                found.len()
            )));
        };
        // SAFETY: needed to write the caller's memory; it is not NULL, and by the rules page it is what its size says.
        unsafe { sized::write(out, &describe(info)) }
    })
}

/// Describes the device of a context.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dxgrt_info(ctx: *mut dxgrt_ctx, out: *mut dxgrt_device_info) -> dxgrt_status {
    guard(|| {
        output(out, "out")?;
        let info = describe(context(ctx)?.device.info());
        // SAFETY: as above.
        unsafe { sized::write(out, &info) }
    })
}

fn describe(info: &DeviceInfo) -> dxgrt_device_info {
    let (kind, images) = match info.kind() {
        DeviceKind::Software => (DXGRT_DEVICE_SOFTWARE, 1 << DXGRT_IMAGE_ELF),
        DeviceKind::Cuda => (DXGRT_DEVICE_CUDA, 1 << DXGRT_IMAGE_PTX | 1 << DXGRT_IMAGE_CUBIN),
        _ => (DXGRT_DEVICE_DXG, 0),
    };
    let mut described: dxgrt_device_info = sized::zeroed();
    described.kind = kind;
    described.selector = text(&info.selector.to_string());
    described.name = text(&info.name);
    described.architecture = text(&info.architecture);
    described.image_formats = images;
    described.features = if info.can_launch { DXGRT_FEATURE_LAUNCH } else { 0 }
        | if info.async_messages { DXGRT_FEATURE_ASYNC_MESSAGES } else { 0 };
    described.memory_bytes = info.memory_bytes;
    described.memory_alignment = info.buffer_alignment;
    described.max_args_size = info.max_argument_bytes;
    described.max_grid = info.max_blocks;
    described.max_block = info.max_threads;
    described.max_block_count = info.max_block_count;
    described.max_threads_per_block = info.max_threads_per_block;
    described.max_shared_bytes = info.max_shared_bytes;
    described.block_slots = info.block_slots;
    described.hardware_queues = info.hardware_queues.into();
    described
}

/// Text in an array, cut where it is too long, with a NUL at the end.
fn text<const N: usize>(text: &str) -> [c_char; N] {
    let mut array = [0; N];
    let mut len = text.len().min(N - 1);
    while !text.is_char_boundary(len) {
        len -= 1;
    }
    for (to, from) in array.iter_mut().zip(&text.as_bytes()[..len]) {
        *to = *from as c_char;
    }
    array
}

/// Opens a device. `selector` is `software[:n]`, `dxg[:n]` or `cuda[:n]`; NULL: the GPU of a `cuda_context` in `options`, else what
/// the variable DXGRT_DEVICE says, else cuda if it is usable, else software. `options` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dxgrt_open(
    selector: *const c_char,
    options: *const dxgrt_open_options,
    out: *mut *mut dxgrt_ctx,
) -> dxgrt_status {
    guard(|| {
        let out = output(out, "out")?;
        // SAFETY: needed to read the caller's memory; by the rules page it is what its size says.
        let options = if options.is_null() { sized::zeroed() } else { unsafe { sized::read(options) }? };
        let mut builder = Device::builder();
        let mut software = false;
        if !selector.is_null() {
            // SAFETY: needed to read the caller's memory; by the rules page it ends with a NUL.
            let selector = unsafe { CStr::from_ptr(selector) }.to_string_lossy();
            software = selector.trim_start().to_ascii_lowercase().starts_with("software");
            builder = builder.selector(selector);
        }
        let policy = match options.policy {
            DXGRT_POLICY_DEFAULT => None,
            DXGRT_POLICY_ADAPTIVE => Some(Policy::Adaptive),
            DXGRT_POLICY_ONE_BY_ONE => Some(Policy::OneByOne),
            other => return Err(Failure::invalid(format!("policy {other} is none; use DXGRT_POLICY_*"))),
        };
        if let Some(policy) = policy {
            builder = builder.policy(policy);
        }
        match options.latency {
            DXGRT_LATENCY_MODELLED => {}
            DXGRT_LATENCY_ZERO if software => builder = builder.parameters(Parameters::zero()),
            DXGRT_LATENCY_ZERO => {}
            other => return Err(Failure::invalid(format!("latency {other} is none; use DXGRT_LATENCY_*"))),
        }
        let blocks = match options.backpressure {
            DXGRT_BACKPRESSURE_BLOCK => true,
            DXGRT_BACKPRESSURE_ERROR => false,
            other => return Err(Failure::invalid(format!("backpressure {other} is none; use DXGRT_BACKPRESSURE_*"))),
        };
        watch_forks();
        let owner = Owning::default();
        if !options.cuda_context.is_null() {
            // SAFETY: needed because the context is the caller's; by the header it exists until it is released.
            builder = unsafe { builder.cuda_context(options.cuda_context, owner.clone()) };
        }
        let device = builder.limits(limits(&options)).open()?;
        let handle = handle::insert(Context::new(device, blocks))?;
        if !options.cuda_context.is_null() {
            owner.take_over(options.cuda_release, options.cuda_user);
        }
        out.set(handle);
        Ok(())
    })
}

fn limits(options: &dxgrt_open_options) -> Limits {
    let mut limits = Limits::default();
    let set = |limit: &mut u32, value: u32| {
        if value != 0 {
            *limit = value;
        }
    };
    let bound = |bound: &mut Bound, high: u32| {
        if high != 0 {
            *bound = Bound::new(high, high - high.div_ceil(4));
        }
    };
    set(&mut limits.batch_operations, options.batch_commands);
    set(&mut limits.batch_bytes, options.batch_bytes);
    bound(&mut limits.stream_operations, options.stream_commands);
    bound(&mut limits.device_operations, options.device_commands);
    if options.gather_ns != 0 {
        limits.gather_time = Duration::from_nanos(options.gather_ns);
    }
    if options.pinned_bytes != 0 {
        limits.pinned_bytes = options.pinned_bytes;
    }
    if options.staging_bytes != 0 {
        limits.staging_bytes = options.staging_bytes;
    }
    limits
}

/// Closes a context: accepts nothing more, completes what was accepted (a lost device abandons it), calls the callbacks that
/// are left, and ends the context's threads. Blocks until then; not to be called from a callback. What was made with the context
/// stays valid as handles, answers DXGRT_SHUTDOWN, and is freed by its own calls; the device itself (its memory, and a sleeping
/// thread of the software adapter) goes with the last of them. Closing again is DXGRT_OK, and waits for who closes just now.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dxgrt_close(ctx: *mut dxgrt_ctx) -> dxgrt_status {
    guard(|| {
        let context = match handle::find(ctx) {
            Ok(context) => context.share(),
            Err(_) if handle::judge(ctx) == handle::Stale::Freed => return Ok(()),
            Err(failure) => return Err(failure),
        };
        refuse_in_callback(&context, "dxgrt_close")?;
        let closed = context.close();
        // Of those who close at the same time, one takes the handle.
        let _context = handle::remove(ctx);
        if closed {
            return Ok(());
        }
        Err(Failure::new(
            dxgrt_status::DXGRT_TIMEOUT,
            "work in flight did not end in time; the context is closed all the same, and its threads end with the work",
        ))
    })
}

/// Hands over everything enqueued so far, on all streams, without waiting for it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dxgrt_flush(ctx: *mut dxgrt_ctx) -> dxgrt_status {
    guard(|| {
        context(ctx)?.device.flush();
        Ok(())
    })
}

/// Waits until everything enqueued so far is done, on all streams, for `timeout_ns` at most. Answers the first failure it finds,
/// and waits for the rest nevertheless.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dxgrt_sync(ctx: *mut dxgrt_ctx, timeout_ns: u64) -> dxgrt_status {
    guard(|| {
        let context = context(ctx)?.share();
        let begun = Instant::now();
        refuse_in_callback(&context, "dxgrt_sync")?;
        let points = dxg_runtime::raw::accepted(&context.device);
        let wait = |_| -> Outcome {
            let mut first = Ok(());
            for (timeline, ticket) in &points {
                let deadline = crate::context::deadline(Instant::now(), left_of(begun, timeout_ns));
                let outcome = match timeline.wait_until(*ticket, deadline) {
                    Some(outcome) => outcome.map_err(Failure::from),
                    None => Err(Failure::quiet(dxgrt_status::DXGRT_TIMEOUT)),
                };
                first = first.and(outcome);
            }
            first
        };
        let outcome = context.waiting(timeout_ns, wait);
        context.settle();
        outcome
    })
}

/// What the context has done so far.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dxgrt_stats_get(ctx: *mut dxgrt_ctx, out: *mut dxgrt_stats) -> dxgrt_status {
    guard(|| {
        output(out, "out")?;
        let context = context(ctx)?;
        let (device, own) = (context.device.stats(), &context.counters);
        let figure = |counter: &std::sync::atomic::AtomicU64| counter.load(std::sync::atomic::Ordering::Relaxed);
        let stats = dxgrt_stats {
            struct_size: 0,
            reserved: 0,
            commands: device.operations,
            launches: device.launches,
            copies: device.copies,
            fills: device.fills,
            batches: device.submissions,
            waves: device.waves,
            dispatches: device.dispatches,
            failures: device.failures,
            posted_messages: device.posted_messages,
            round_trips: device.round_trips,
            doorbells: device.doorbells,
            message_bytes: device.payload_bytes,
            bytes_h2d: figure(&own.bytes_h2d),
            bytes_d2h: figure(&own.bytes_d2h),
            bytes_d2d: figure(&own.bytes_d2d),
            waits: figure(&own.waits),
            wait_ns: figure(&own.wait_ns),
            allocations: figure(&own.allocations),
            frees: figure(&own.frees),
            graph_launches: figure(&own.graph_launches),
            flush_waiter: device.flushes.waiter,
            flush_idle: device.flushes.idle,
            flush_gathered: device.flushes.gathered,
            flush_commands: device.flushes.operations,
            flush_bytes: device.flushes.bytes,
            flush_device_time: device.flushes.device_time,
            flush_deadline: device.flushes.deadline,
            flush_requested: device.flushes.requested,
            flush_other: device.flushes.other,
        };
        // SAFETY: needed to write the caller's memory; it is not NULL, and by the rules page it is what its size says.
        unsafe { sized::write(out, &stats) }
    })
}
