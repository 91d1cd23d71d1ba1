//! Commands: from the caller's structures to checked operations.
//!
//! The same steps serve the calls for single commands, `dxgrt_submit` and graphs. What a graph keeps is an [`Owned`] command, of
//! which every launch makes an operation anew.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use dxg_runtime::raw::{self, Prepared, RawAccess};
use dxg_runtime::{Grid, Kernel, MAX_ARGUMENT_BYTES};
use smallvec::SmallVec;

use crate::context::count;
use crate::guard::{Failure, Outcome};
use crate::handle::{self, Found};
use crate::sized::{self, Sized32};
use crate::stream::StreamEntry;
use crate::types::*;

/// The parameters of a launch, checked as far as they can be without the kernel.
pub(crate) struct Launch<'a> {
    grid: Grid,
    pub(crate) args: &'a [u8],
    accesses: &'a [dxgrt_access],
    unmerged: bool,
}

impl<'a> Launch<'a> {
    /// # Safety
    ///
    /// The pointers in `params` are NULL, or point to as much as the sizes beside them say, for as long as the result lives.
    #[inline]
    pub(crate) unsafe fn new(params: &dxgrt_launch_params) -> Outcome<Self> {
        if params.flags & !DXGRT_LAUNCH_UNMERGED != 0 || params.reserved != 0 {
            return Err(Failure::invalid("`flags` of a launch are DXGRT_LAUNCH_*, and `reserved` is 0"));
        }
        if params.args_size > MAX_ARGUMENT_BYTES {
            return Err(Failure::invalid(format!(
                "{} bytes of arguments; a launch takes {MAX_ARGUMENT_BYTES}: pass large data in memory",
                params.args_size
            )));
        }
        // SAFETY: needed to read the caller's memory; there is as much as the caller said.
        let args = unsafe { array(params.args.cast::<u8>(), params.args_size, "arguments")? };
        // SAFETY: as above.
        let accesses = unsafe { array(params.accesses, params.access_count, "accesses")? };
        for access in accesses {
            check_access(access, params.args_size)?;
        }
        let grid = Grid::new(params.grid, params.block).shared_bytes(params.shared_bytes);
        Ok(Launch { grid, args, accesses, unmerged: params.flags & DXGRT_LAUNCH_UNMERGED != 0 })
    }

    /// Makes an operation of it.
    pub(crate) fn prepare(&self, stream: &StreamEntry, kernel: &Kernel) -> Outcome<Prepared> {
        let alone = self.unmerged.then(|| kernel.unmerged());
        let kernel = alone.as_ref().unwrap_or(kernel);
        // SAFETY: needed because kernels are foreign code; whoever loaded the module vouched for its launches.
        Ok(unsafe { raw::launch(&stream.stream, kernel, self.grid, self.args, self.told()) }?)
    }

    /// Enqueues it.
    #[inline]
    pub(crate) fn enqueue(&self, stream: &StreamEntry, kernel: &Kernel) -> Outcome<dxgrt_fence> {
        let blocks = stream.context.blocks;
        if self.unmerged {
            return stream.enqueue(self.prepare(stream, kernel)?);
        }
        // SAFETY: as above.
        let ticket = unsafe { raw::enqueue_launch(&stream.stream, kernel, self.grid, self.args, self.told(), blocks) }?;
        Ok(stream.fence(ticket))
    }

    #[inline]
    fn told(&self) -> impl Iterator<Item = RawAccess> + use<'a> {
        self.accesses.iter().map(|access| RawAccess {
            address: access.addr,
            len: access.size,
            writes: access.flags & DXGRT_ACCESS_WRITE != 0,
            arg_offset: access.arg_offset,
        })
    }
}

/// What can never be right; whether the memory is there is seen when the launch is run.
#[inline]
fn check_access(access: &dxgrt_access, args_size: u32) -> Outcome {
    let dxgrt_access { addr, size, flags, arg_offset } = *access;
    let placed = arg_offset == DXGRT_ACCESS_NO_ARG || arg_offset.checked_add(8).is_some_and(|end| end <= args_size);
    let known = flags & !(DXGRT_ACCESS_READ | DXGRT_ACCESS_WRITE) == 0 && flags != 0;
    if placed && known && addr.checked_add(size).is_some() {
        return Ok(());
    }
    Err(wrong_access(access, args_size))
}

#[cold]
fn wrong_access(access: &dxgrt_access, args_size: u32) -> Failure {
    let dxgrt_access { addr, size, flags, arg_offset } = *access;
    Failure::invalid(format!(
        "an access of {size} bytes at {addr:#x}, flags {flags:#x}, argument offset {arg_offset}: it needs a range that does not \
         wrap around, flags DXGRT_ACCESS_READ, _WRITE or both, and its address in the {args_size} bytes of arguments or \
         DXGRT_ACCESS_NO_ARG"
    ))
}

/// The most accesses of one launch: as many as its arguments have room for addresses, twice over.
const ACCESSES_MAX: u32 = MAX_ARGUMENT_BYTES / 4;

/// An array of the caller, read in place.
///
/// # Safety
///
/// `at` points to `n` values for as long as the result is used, or `n` is 0, or `at` is NULL.
#[inline]
unsafe fn array<'a, T>(at: *const T, n: u32, what: &str) -> Outcome<&'a [T]> {
    if n == 0 {
        return Ok(&[]);
    }
    if at.is_null() || !at.is_aligned() {
        let alignment = align_of::<T>();
        return Err(Failure::invalid(format!(
            "{n} {what} are said to be at {at:p}; pass where they are, at a multiple of {alignment}"
        )));
    }
    if n > MAX_ARGUMENT_BYTES || (size_of::<T>() > 1 && n > ACCESSES_MAX) {
        return Err(Failure::invalid(format!("{n} {what}; a launch takes {ACCESSES_MAX} at most")));
    }
    // SAFETY: needed to read the caller's memory; it is not NULL and aligned, and the caller says that `n` values are there.
    Ok(unsafe { std::slice::from_raw_parts(at, n as usize) })
}

/// The bytes of a copy from the host.
///
/// # Safety
///
/// `at` points to `size` readable bytes for as long as the result is used, or `size` is 0.
pub(crate) unsafe fn bytes<'a>(at: *const std::ffi::c_void, size: u64, what: &str) -> Outcome<&'a [u8]> {
    if size == 0 {
        return Ok(&[]);
    }
    let Some(len) = usize::try_from(size).ok().filter(|len| isize::try_from(*len).is_ok()) else {
        return Err(Failure::invalid(format!("no memory has {size} bytes")));
    };
    if at.is_null() {
        return Err(Failure::invalid(format!("{what} of {size} bytes is NULL")));
    }
    // SAFETY: needed to read the caller's memory, of which there are `size` bytes.
    Ok(unsafe { std::slice::from_raw_parts(at.cast::<u8>(), len) })
}

/// A copy to the host.
///
/// # Safety
///
/// `size` bytes at `dst` may be written until the copy's fence is done.
pub(crate) unsafe fn copy_d2h(
    stream: &StreamEntry,
    dst: *mut std::ffi::c_void,
    src: u64,
    size: u64,
) -> Outcome<Prepared> {
    let from = stream.context.range(src, size)?;
    if size > 0 && dst.is_null() {
        return Err(Failure::invalid(format!("the destination of {size} bytes is NULL")));
    }
    if let Some(to) = stream.context.host_range(dst.addr(), size)? {
        return Ok(raw::copy(&stream.stream, &from, &to)?);
    }
    // SAFETY: passed on to the caller.
    stream.staged(|| unsafe { raw::copy_out(&stream.stream, &from, dst.cast(), stream.context.landings()) })
}

/// A copy of data from the host, which is taken now.
pub(crate) fn copy_h2d(stream: &StreamEntry, dst: u64, data: &[u8]) -> Outcome<Prepared> {
    let to = stream.context.range(dst, data.len() as u64)?;
    stream.staged(|| raw::copy_in(&stream.stream, &to, data))
}

/// A copy on the device.
pub(crate) fn copy_d2d(stream: &StreamEntry, dst: u64, src: u64, size: u64) -> Outcome<Prepared> {
    let (from, to) = (stream.context.range(src, size)?, stream.context.range(dst, size)?);
    Ok(raw::copy(&stream.stream, &from, &to)?)
}

/// A fill.
pub(crate) fn fill(stream: &StreamEntry, dst: u64, size: u64, pattern: &[u8]) -> Outcome<Prepared> {
    let to = stream.context.range(dst, size)?;
    Ok(raw::fill(&stream.stream, &to, pattern)?)
}

/// The bytes of a pattern in a structure.
fn pattern(fill: &dxgrt_cmd_fill) -> Outcome<&[u8]> {
    fill.pattern
        .get(..fill.pattern_size as usize)
        .ok_or_else(|| Failure::invalid(format!("a pattern of {} bytes; use one of 1, 2, 4 or 8", fill.pattern_size)))
}

fn unknown(kind: u32) -> Failure {
    Failure::invalid(format!("command kind {kind} is none; use DXGRT_CMD_*"))
}

/// A nested structure: no larger than the one it lies in has room for.
#[inline]
fn nested(params: dxgrt_launch_params) -> Outcome<dxgrt_launch_params> {
    if params.struct_size as usize == size_of::<dxgrt_launch_params>() {
        return Ok(params);
    }
    if params.struct_size as usize > size_of::<dxgrt_launch_params>() {
        return Err(Failure::invalid(format!(
            "struct_size of {} in a command is {}, and there it has room for {}",
            dxgrt_launch_params::NAME,
            params.struct_size,
            size_of::<dxgrt_launch_params>()
        )));
    }
    // SAFETY: needed because reading by size is unsafe; the structure is whole, and its size is smaller.
    unsafe { sized::read(&params) }
}

/// The kernel of the last launch: the next one is likely to have the same.
pub(crate) type LastKernel = Option<(*mut dxgrt_kernel, Found<dxgrt_kernel>)>;

/// Adds the operation of a command to a batch.
///
/// # Safety
///
/// The pointers in `cmd` are what the rules page says of its kind, as long as the batch lives.
#[inline]
pub(crate) unsafe fn add(
    stream: &StreamEntry,
    cmd: &dxgrt_cmd,
    batch: &mut raw::Batch<'_>,
    last: &mut LastKernel,
) -> Outcome<()> {
    if cmd.kind != DXGRT_CMD_LAUNCH {
        // SAFETY: passed on to the caller.
        batch.push(unsafe { prepare(stream, cmd) }?);
        return Ok(());
    }
    // SAFETY: needed to read the union; the kind says that it is a launch.
    let dxgrt_cmd_launch { kernel: handle, params } = unsafe { cmd.u.launch };
    let params = nested(params)?;
    let kernel = match last.take() {
        Some((known, kernel)) if known == handle => kernel,
        _ => handle::find(handle)?,
    };
    let (_, kernel) = last.insert((handle, kernel));
    // SAFETY: passed on to the caller.
    let launch = unsafe { Launch::new(&params) }?;
    // SAFETY: needed because kernels are foreign code; whoever loaded the module vouched for its launches.
    unsafe { batch.launch(&stream.stream, kernel, launch.grid, launch.args, launch.told()) }?;
    Ok(())
}

/// Makes an operation of a command that is no launch.
///
/// # Safety
///
/// The pointers in `cmd` are what the rules page says of its kind.
unsafe fn prepare(stream: &StreamEntry, cmd: &dxgrt_cmd) -> Outcome<Prepared> {
    // SAFETY: needed to read the union; every field is plain data for which any bytes are a value, and the kind says which is
    // meant. The pointers are the caller's.
    unsafe {
        match cmd.kind {
            DXGRT_CMD_MARKER => Ok(raw::marker()),
            DXGRT_CMD_COPY_H2D => {
                let dxgrt_cmd_h2d { dst, src, size } = cmd.u.h2d;
                copy_h2d(stream, dst, bytes(src, size, "the source")?)
            }
            DXGRT_CMD_COPY_D2H => {
                let dxgrt_cmd_d2h { dst, src, size } = cmd.u.d2h;
                copy_d2h(stream, dst, src, size)
            }
            DXGRT_CMD_COPY_D2D => {
                let dxgrt_cmd_d2d { dst, src, size } = cmd.u.d2d;
                copy_d2d(stream, dst, src, size)
            }
            DXGRT_CMD_FILL => {
                let command = cmd.u.fill;
                fill(stream, command.dst, command.size, pattern(&command)?)
            }
            other => Err(unknown(other)),
        }
    }
}

/// Counts the bytes of a command that was accepted.
pub(crate) fn count_bytes(stream: &StreamEntry, kind: u32, size: u64) {
    let counters = &stream.context.counters;
    let counter: &AtomicU64 = match kind {
        DXGRT_CMD_COPY_H2D => &counters.bytes_h2d,
        DXGRT_CMD_COPY_D2H => &counters.bytes_d2h,
        DXGRT_CMD_COPY_D2D => &counters.bytes_d2d,
        _ => return,
    };
    count(counter, size);
}

/// How many bytes a command copies.
#[inline]
pub(crate) fn copied(cmd: &dxgrt_cmd) -> u64 {
    // SAFETY: needed to read the union; as in `prepare`.
    unsafe {
        match cmd.kind {
            DXGRT_CMD_COPY_H2D => cmd.u.h2d.size,
            DXGRT_CMD_COPY_D2H => cmd.u.d2h.size,
            DXGRT_CMD_COPY_D2D => cmd.u.d2d.size,
            _ => 0,
        }
    }
}

/// A command that a graph keeps.
#[derive(Clone)]
pub(crate) enum Owned {
    Marker,
    Launch {
        kernel: Kernel,
        grid: [u32; 3],
        block: [u32; 3],
        shared: u32,
        args: SmallVec<[u8; 64]>,
        accesses: SmallVec<[dxgrt_access; 2]>,
    },
    H2d {
        dst: u64,
        data: Arc<[u8]>,
    },
    D2h {
        dst: usize,
        src: u64,
        size: u64,
    },
    D2d {
        dst: u64,
        src: u64,
        size: u64,
    },
    Fill {
        dst: u64,
        size: u64,
        pattern: [u8; 8],
        pattern_size: u32,
    },
}

impl Owned {
    /// Takes a command over.
    ///
    /// # Safety
    ///
    /// As [`prepare`]; destinations on the host stay valid as long as the graph is launched.
    pub(crate) unsafe fn new(cmd: &dxgrt_cmd) -> Outcome<Self> {
        // SAFETY: needed to read the union and the caller's memory; as in `prepare`.
        unsafe {
            Ok(match cmd.kind {
                DXGRT_CMD_MARKER => Owned::Marker,
                DXGRT_CMD_LAUNCH => {
                    let params = nested(cmd.u.launch.params)?;
                    let kernel = handle::find(cmd.u.launch.kernel)?;
                    let launch = Launch::new(&params)?;
                    let (args, accesses) = (launch.args.into(), launch.accesses.into());
                    let dxgrt_launch_params { grid, block, shared_bytes: shared, .. } = params;
                    let kernel = if launch.unmerged { kernel.unmerged() } else { Kernel::clone(&kernel) };
                    Owned::Launch { kernel, grid, block, shared, args, accesses }
                }
                DXGRT_CMD_COPY_H2D => {
                    let dxgrt_cmd_h2d { dst, src, size } = cmd.u.h2d;
                    Owned::H2d { dst, data: bytes(src, size, "the source")?.into() }
                }
                DXGRT_CMD_COPY_D2H => {
                    let dxgrt_cmd_d2h { dst, src, size } = cmd.u.d2h;
                    Owned::D2h { dst: dst.expose_provenance(), src, size }
                }
                DXGRT_CMD_COPY_D2D => {
                    let dxgrt_cmd_d2d { dst, src, size } = cmd.u.d2d;
                    Owned::D2d { dst, src, size }
                }
                DXGRT_CMD_FILL => {
                    let dxgrt_cmd_fill { dst, size, pattern: bytes, pattern_size, .. } = cmd.u.fill;
                    pattern(&cmd.u.fill)?;
                    Owned::Fill { dst, size, pattern: bytes, pattern_size }
                }
                other => return Err(unknown(other)),
            })
        }
    }

    /// Makes an operation of it.
    ///
    /// # Safety
    ///
    /// That of [`Owned::new`].
    pub(crate) unsafe fn prepare(&self, stream: &StreamEntry) -> Outcome<Prepared> {
        match self {
            Owned::Marker => Ok(raw::marker()),
            Owned::Launch { kernel, grid, block, shared, args, accesses } => {
                let grid = Grid::new(*grid, *block).shared_bytes(*shared);
                Launch { grid, args, accesses, unmerged: false }.prepare(stream, kernel)
            }
            Owned::H2d { dst, data } => copy_h2d(stream, *dst, data),
            // SAFETY: passed on to the caller.
            Owned::D2h { dst, src, size } => unsafe {
                copy_d2h(stream, std::ptr::with_exposed_provenance_mut(*dst), *src, *size)
            },
            Owned::D2d { dst, src, size } => copy_d2d(stream, *dst, *src, *size),
            Owned::Fill { dst, size, pattern, pattern_size } => {
                fill(stream, *dst, *size, &pattern[..*pattern_size as usize])
            }
        }
    }

    /// Its kind, and how many bytes it copies.
    pub(crate) fn copied(&self) -> (u32, u64) {
        match self {
            Owned::H2d { data, .. } => (DXGRT_CMD_COPY_H2D, data.len() as u64),
            Owned::D2h { size, .. } => (DXGRT_CMD_COPY_D2H, *size),
            Owned::D2d { size, .. } => (DXGRT_CMD_COPY_D2D, *size),
            Owned::Launch { .. } => (DXGRT_CMD_LAUNCH, 0),
            Owned::Fill { .. } => (DXGRT_CMD_FILL, 0),
            Owned::Marker => (DXGRT_CMD_MARKER, 0),
        }
    }
}
