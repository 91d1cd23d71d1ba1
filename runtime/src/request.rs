//! One validated operation on its way into the queue.
//!
//! Every call of a stream, every [`Command`](crate::Command) and every node of a graph becomes a [`Request`]: all checks are
//! made here, before anything is accepted, so that what enters the queue can only fail on the device.

use std::sync::Arc;

use dxg_io::software::kernel::{Parameter, Signature};
use dxg_io::software::packet::MAX_ACCESSES;
use dxg_scheduler::{Access, AccessList, CopyKind, CostKey, EventId, Hazard, Operation, StreamId, Ticket, Work};

use crate::args::{Args, Slot, access_words, needed_flag};
use crate::backend::LoadedKernel;
use crate::buffer::BufferSlice;
use crate::device::{DeviceTag, cannot_launch};
use crate::error::{Error, Result};
use crate::grid::Grid;
use crate::info::{DeviceInfo, MAX_ARGUMENT_BYTES};
use crate::kernel::Kernel;
use crate::op::{ArgBytes, ArgTag, Blocks, Keep, KeepAlive, Launch, Op, OpKind, Shape};
use crate::pod::Pod;
pub(crate) use crate::ready::{After, Ready};

/// A validated operation without its place in the order.
pub(crate) struct Request {
    pub(crate) work: Work,
    pub(crate) hazard: Hazard,
    bytes: u32,
    kind: OpKind,
}

/// Packet header, the packet's own fields, one entry, and a barrier: upper bounds of the encoding.
const LAUNCH_BYTES: usize = 128;
const ACCESS_BYTES: usize = 24;
const COPY_BYTES: u32 = 72;
const FILL_BYTES: u32 = 72;
const SMALL_BYTES: u32 = 48;

impl Request {
    /// A launch, checked against the device's limits and the kernel's signature.
    pub(crate) fn launch(
        info: &DeviceInfo,
        tag: DeviceTag,
        kernel: &Kernel,
        grid: Grid,
        mut args: Args,
    ) -> Result<Self> {
        Ok(match CheckedLaunch::new(info, tag, kernel, grid, &args)? {
            Some(checked) => checked.request(kernel, &mut args),
            None => Request::empty_launch(&mut args),
        })
    }

    /// A launch of a grid with a zero in it: nothing but a place in the stream.
    pub(crate) fn empty_launch(args: &mut Args) -> Self {
        Request::marker_holding(args.blocks.drain(..).map(Keep::Memory).collect())
    }

    /// A copy of `len` bytes between ranges that were checked. None at all is a marker.
    pub(crate) fn copy(kind: CopyKind, src: u64, dst: u64, len: u64, keep: [Keep; 2]) -> Self {
        if len == 0 {
            return Request::marker();
        }
        Request {
            work: Work::Copy { kind, src, dst, len },
            hazard: Hazard::copy(src, dst, len),
            bytes: COPY_BYTES,
            kind: OpKind::Copy(KeepAlive::from_iter(keep)),
        }
    }

    /// A copy between two ranges of device memory.
    pub(crate) fn copy_between<T: Pod>(tag: DeviceTag, src: &BufferSlice<T>, dst: &BufferSlice<T>) -> Result<Self> {
        tag.check("source buffer", src.tag())?;
        tag.check("destination buffer", dst.tag())?;
        check_lengths(src.len(), dst.len())?;
        let (from, to, len) = (src.device_address(), dst.device_address(), src.byte_len());
        if len > 0 && from < to + len && to < from + len {
            return Err(Error::invalid(format!(
                "source and destination of the copy overlap ({from:#x} and {to:#x}, {len} bytes each); \
                 copy through a third buffer"
            )));
        }
        Ok(Request::copy(CopyKind::DeviceToDevice, from, to, len, [src.keep(), dst.keep()]))
    }

    /// A fill with a value of 1, 2, 4 or 8 bytes.
    pub(crate) fn fill<T: Pod>(tag: DeviceTag, dst: &BufferSlice<T>, value: T) -> Result<Self> {
        tag.check("buffer", dst.tag())?;
        Request::fill_pattern(dst, crate::pod::bytes_of(&[value]))
    }

    /// A fill with a repeated pattern of 1, 2, 4 or 8 bytes, of which a whole number must fit.
    pub(crate) fn fill_pattern<T: Pod>(dst: &BufferSlice<T>, pattern: &[u8]) -> Result<Self> {
        Request::fill_range(dst.device_address(), dst.byte_len(), dst.keep(), pattern)
    }

    /// A fill of `len` bytes at an address that was checked.
    pub(crate) fn fill_range(dst: u64, len: u64, keep: Keep, pattern: &[u8]) -> Result<Self> {
        if !matches!(pattern.len(), 1 | 2 | 4 | 8) {
            return Err(Error::invalid(format!(
                "a fill pattern has 1, 2, 4 or 8 bytes, and this one has {}; use a kernel for longer ones",
                pattern.len()
            )));
        }
        if !len.is_multiple_of(pattern.len() as u64) {
            return Err(Error::invalid(format!(
                "a pattern of {} bytes does not fill {len} bytes evenly; slice the buffer to a multiple",
                pattern.len()
            )));
        }
        if len == 0 {
            return Ok(Request::marker());
        }
        let mut word = [0u8; 8];
        word[..pattern.len()].copy_from_slice(pattern);
        Ok(Request {
            work: Work::Fill { dst, len, pattern_len: pattern.len() as u8 },
            hazard: Hazard::fill(dst, len),
            bytes: FILL_BYTES,
            kind: OpKind::Fill {
                pattern: u64::from_le_bytes(word),
                pattern_len: pattern.len() as u32,
                held: KeepAlive::from_iter([keep]),
            },
        })
    }

    /// The record of an event, with the address its time goes to (0: none).
    pub(crate) fn record(event: EventId, timestamp: u64, keep: KeepAlive) -> Self {
        Request {
            work: Work::Record { event, timed: timestamp != 0 },
            hazard: Hazard::Ordered,
            bytes: SMALL_BYTES,
            kind: OpKind::Record { timestamp, held: keep },
        }
    }

    /// A wait for the latest record of an event.
    pub(crate) fn wait(event: EventId, keep: KeepAlive) -> Self {
        Request {
            work: Work::Wait { event, source: None },
            hazard: Hazard::Ordered,
            bytes: SMALL_BYTES,
            kind: OpKind::Wait(keep),
        }
    }

    /// A place in the stream.
    pub(crate) fn marker() -> Self {
        Request::marker_holding(KeepAlive::new())
    }

    /// A place that nothing of its stream passes: what is behind it runs after what is before it, whatever they declare.
    pub(crate) fn barrier() -> Self {
        Request { hazard: Hazard::Declared(AccessList::new().partial()), ..Request::marker() }
    }

    fn marker_holding(keep: KeepAlive) -> Self {
        let kind = OpKind::Marker(keep);
        Request { work: Work::Marker, hazard: Hazard::Ordered, bytes: SMALL_BYTES, kind }
    }

    /// An operation that exchanges order with foreign objects: in order, and by itself, as a launch that merges with none.
    pub(crate) fn foreign(kind: OpKind) -> Self {
        // No kernel has number 0, whose measured times these are.
        let work = Work::Launch { merge: None, blocks: 1, cost: CostKey(1) };
        Request { work, hazard: Hazard::Ordered, bytes: SMALL_BYTES, kind }
    }

    /// The same operation, ordered by these accesses beside its own.
    pub(crate) fn with_order(mut self, order: impl IntoIterator<Item = Access>) -> Self {
        // What is not declared is promised by whoever gives the order: the builder of a graph.
        let mut list = match self.hazard {
            Hazard::Declared(list) => list.complete(),
            Hazard::Ordered => AccessList::new(),
        };
        list.extend(order);
        self.hazard = Hazard::Declared(list);
        self
    }

    /// The operation at its place in the order.
    pub(crate) fn into_operation(self, stream: StreamId, ticket: u64) -> Operation<Op> {
        Operation {
            stream,
            ticket: Ticket(ticket),
            work: self.work,
            hazard: self.hazard,
            bytes: self.bytes,
            payload: Op { stream, kind: self.kind },
        }
    }
}

/// What a launch is, beside its arguments, once it is checked: the arguments then move straight into the queue.
pub(crate) struct CheckedLaunch {
    shape: Shape,
    blocks: u64,
    cost: CostKey,
    bytes: u32,
    declared: bool,
    merges: bool,
}

impl CheckedLaunch {
    /// Checks a launch; `None` where the grid has a zero in it.
    pub(crate) fn new(
        info: &DeviceInfo,
        tag: DeviceTag,
        kernel: &Kernel,
        grid: Grid,
        args: &Args,
    ) -> Result<Option<Self>> {
        tag.check("kernel", kernel.tag)?;
        if let Some(found) = args.foreign {
            tag.check("buffer", args.device.filter(|first| first.id != tag.id).unwrap_or(found))?;
        }
        if let Some(found) = args.device {
            tag.check("buffer", found)?;
        }
        if !info.can_launch {
            return Err(cannot_launch("kernels cannot be launched", tag));
        }
        let shape = check_grid(info, &kernel.loaded, grid)?;
        check_args(&kernel.loaded, args)?;
        if grid.is_empty() {
            return Ok(None);
        }
        let signed = kernel.loaded.signature.is_some();
        let declared = signed || (!args.maybe_addresses && !args.accesses.is_empty());
        Ok(Some(CheckedLaunch::of(kernel, grid, shape, args.bytes.len(), args.accesses.len(), declared)))
    }

    /// As [`CheckedLaunch::new`], of a kernel that tells no signature, with arguments of a length that a launch takes and with all
    /// of its accesses or none.
    pub(crate) fn unsigned(
        info: &DeviceInfo,
        tag: DeviceTag,
        kernel: &Kernel,
        grid: Grid,
        args: usize,
        accesses: usize,
    ) -> Result<Option<Self>> {
        tag.check("kernel", kernel.tag)?;
        if !info.can_launch {
            return Err(cannot_launch("kernels cannot be launched", tag));
        }
        let shape = check_grid(info, &kernel.loaded, grid)?;
        let checked = || CheckedLaunch::of(kernel, grid, shape, args, accesses, accesses > 0);
        Ok((!grid.is_empty()).then(checked))
    }

    fn of(kernel: &Kernel, grid: Grid, shape: Shape, args: usize, accesses: usize, declared: bool) -> Self {
        let packed = args.next_multiple_of(16) + accesses * ACCESS_BYTES;
        CheckedLaunch {
            shape,
            blocks: grid.block_count(),
            cost: cost_key(&kernel.loaded, grid),
            // At most 4096 bytes of arguments and as many accesses as fit them twice over.
            bytes: u32::try_from(LAUNCH_BYTES + packed).unwrap_or(u32::MAX),
            declared,
            merges: kernel.merges,
        }
    }

    fn request(&self, kernel: &Kernel, args: &mut Args) -> Request {
        let Operation { work, hazard, bytes, payload, .. } = self.operation(kernel, args, StreamId(0), 0);
        Request { work, hazard, bytes, kind: payload.kind }
    }

    /// The operation at its place in the order, with the arguments taken out of `args`.
    #[inline]
    pub(crate) fn operation(&self, kernel: &Kernel, args: &mut Args, stream: StreamId, ticket: u64) -> Operation<Op> {
        let (accesses, bytes) = (args.accesses.take(), args.bytes.take());
        let blocks = std::mem::take(&mut args.blocks);
        self.operation_of(Arc::clone(&kernel.loaded), accesses, bytes, blocks, stream, ticket)
    }

    /// The operation at its place in the order, of its parts.
    #[inline]
    pub(crate) fn operation_of(
        &self,
        kernel: Arc<LoadedKernel>,
        accesses: AccessList,
        args: ArgBytes,
        blocks: Blocks,
        stream: StreamId,
        ticket: u64,
    ) -> Operation<Op> {
        let hazard = if self.declared {
            Hazard::Declared(accesses)
        } else if accesses.is_empty() {
            Hazard::Ordered
        } else {
            Hazard::Declared(accesses.partial())
        };
        let work = Work::Launch { merge: self.merges.then_some(kernel.id), blocks: self.blocks, cost: self.cost };
        let launch = Launch { kernel, shape: self.shape, args, blocks };
        Operation {
            stream,
            ticket: Ticket(ticket),
            work,
            hazard,
            bytes: self.bytes,
            payload: Op { stream, kind: OpKind::Launch(launch) },
        }
    }
}

/// Both sides of a copy must have as many elements.
pub(crate) fn check_lengths(source: usize, destination: usize) -> Result<()> {
    if source == destination {
        return Ok(());
    }
    Err(Error::LengthMismatch { unit: "elements", source_len: source as u64, destination_len: destination as u64 })
}

/// Launches of one kernel with about as many blocks share their measured time.
fn cost_key(kernel: &LoadedKernel, grid: Grid) -> CostKey {
    let size_class = 64 - grid.block_count().leading_zeros();
    // Only an estimate hangs on the key: kernels whose numbers agree in 26 bits share one.
    CostKey((kernel.id as u32) << 6 | (size_class & 63))
}

fn check_grid(info: &DeviceInfo, kernel: &LoadedKernel, grid: Grid) -> Result<Shape> {
    let (blocks, threads) = (grid.blocks(), grid.threads());
    if let ([x, 1, 1], [width, 1, 1]) = (blocks, threads)
        && x <= info.max_blocks[0]
        && width <= info.max_threads[0].min(info.max_threads_per_block).min(kernel.limits.max_threads)
        && u64::from(x) <= info.max_block_count
        && grid.shared() <= info.max_shared_bytes.min(kernel.limits.max_shared_bytes)
        && let Some(shape) = Shape::line(x, width, grid.shared())
    {
        return Ok(shape);
    }
    let within = |sizes: [u32; 3], most: &[u32; 3]| sizes[0] <= most[0] && sizes[1] <= most[1] && sizes[2] <= most[2];
    let fits = within(blocks, &info.max_blocks)
        && within(threads, &info.max_threads)
        && grid.block_count() <= info.max_block_count
        && grid.threads_per_block() <= u64::from(info.max_threads_per_block)
        && grid.threads_per_block() <= u64::from(kernel.limits.max_threads)
        && grid.shared() <= info.max_shared_bytes.min(kernel.limits.max_shared_bytes);
    // Within the limits of the device, so within those of the shape.
    match Shape::new(blocks, threads, grid.shared()) {
        Some(shape) if fits => Ok(shape),
        _ => Err(refuse_grid(info, kernel, grid)),
    }
}

/// Says why a grid is refused.
#[cold]
fn refuse_grid(info: &DeviceInfo, kernel: &LoadedKernel, grid: Grid) -> Error {
    let refuse = |reason: String| Error::GridTooLarge { kernel: kernel.name.clone(), reason: reason.into() };
    for (axis, name) in ["x", "y", "z"].into_iter().enumerate() {
        let (blocks, most) = (grid.blocks()[axis], info.max_blocks[axis]);
        if blocks > most {
            return refuse(format!("{blocks} blocks in {name}; the device takes {most}"));
        }
        let (threads, most) = (grid.threads()[axis], info.max_threads[axis]);
        if threads > most {
            return refuse(format!("{threads} threads in {name}; the device takes {most}"));
        }
    }
    if grid.block_count() > info.max_block_count {
        return refuse(format!("{} blocks; the device takes {}", grid.block_count(), info.max_block_count));
    }
    if grid.threads_per_block() > u64::from(info.max_threads_per_block) {
        return refuse(format!(
            "{} threads in a block; the device takes {}",
            grid.threads_per_block(),
            info.max_threads_per_block
        ));
    }
    if grid.threads_per_block() > u64::from(kernel.limits.max_threads) {
        return refuse(format!(
            "{} threads in a block; with the registers that this kernel needs the device takes {}",
            grid.threads_per_block(),
            kernel.limits.max_threads
        ));
    }
    if grid.shared() > kernel.limits.max_shared_bytes && grid.shared() <= info.max_shared_bytes {
        return refuse(format!(
            "{} bytes of shared memory; beside what the kernel has by itself the device has {}",
            grid.shared(),
            kernel.limits.max_shared_bytes
        ));
    }
    if grid.shared() > info.max_shared_bytes {
        return refuse(format!("{} bytes of shared memory; the device has {}", grid.shared(), info.max_shared_bytes));
    }
    refuse("the device's limits are above those that this version knows of".into())
}

#[inline]
fn check_args(kernel: &LoadedKernel, args: &Args) -> Result<()> {
    let refuse = |reason: String| Err(Error::Arguments { kernel: kernel.name.clone(), reason: reason.into() });
    if args.bytes.len() > MAX_ARGUMENT_BYTES as usize {
        return refuse(format!(
            "{} bytes of arguments; a launch takes {MAX_ARGUMENT_BYTES}: pass large data in a buffer",
            args.bytes.len()
        ));
    }
    if args.accesses.len() > MAX_ACCESSES {
        return refuse(format!(
            "{} buffers; a launch takes {MAX_ACCESSES}: pass further addresses in a buffer",
            args.accesses.len()
        ));
    }
    let Some(signature) = &kernel.signature else {
        return match kernel.limits.args_size {
            Some(size) => check_size(size as usize, args).or_else(refuse),
            None => Ok(()),
        };
    };
    let checked = if args.raw { check_raw(signature, args) } else { check_slots(kernel, signature, &args.slots) };
    match checked {
        Ok(()) => Ok(()),
        Err(reason) => refuse(reason),
    }
}

/// Arguments of a kernel that tells only how many bytes it takes. A structure may have padding at its end.
fn check_size(size: usize, args: &Args) -> Result<(), String> {
    let given = args.bytes.len();
    if given >= size && given <= size.next_multiple_of(16) {
        return Ok(());
    }
    let count = if args.raw { String::new() } else { format!(" in {} arguments", args.slots.len()) };
    Err(format!("{given} bytes{count} given; the kernel takes {size} bytes: check number, types and order"))
}

#[inline]
fn check_slots(kernel: &LoadedKernel, signature: &Signature, slots: &[Slot]) -> Result<(), String> {
    let mut pairs = kernel.wanted.iter().zip(slots);
    if slots.len() == kernel.wanted.len() && pairs.all(|(wanted, slot)| wanted.fits(*slot)) {
        return Ok(());
    }
    Err(refuse_slots(kernel, signature, slots))
}

/// Says which argument does not fit.
#[cold]
fn refuse_slots(kernel: &LoadedKernel, signature: &Signature, slots: &[Slot]) -> String {
    let mut pairs = slots.iter().zip(kernel.wanted.iter()).zip(signature.parameters()).enumerate();
    match pairs.find(|(_, ((slot, wanted), _))| !wanted.fits(**slot)) {
        Some((index, ((slot, _), parameter))) if slots.len() == signature.parameters().len() => {
            format!("argument {index} is {slot}; the kernel takes {}", describe_parameter(parameter))
        }
        _ => format!("{} given; the kernel takes {}", slots.len(), describe(signature)),
    }
}

/// Arguments made from bytes: their length and their declared addresses must fit the signature.
fn check_raw(signature: &Signature, args: &Args) -> Result<(), String> {
    if signature.arg_bytes() != args.bytes.len() {
        let given = args.bytes.len();
        return Err(format!("{given} bytes given; {} take {}", describe(signature), signature.arg_bytes()));
    }
    let buffers = signature.parameters().iter().enumerate().filter(|(_, parameter)| parameter.kind.is_buffer());
    for (index, parameter) in buffers {
        let mut known = args.accesses.iter().copied().filter_map(ArgTag::unpack);
        let declared = known.find(|access| access.arg_offset == parameter.offset);
        if declared.is_none_or(|access| access.flags & needed_flag(parameter) == 0) {
            return Err(format!(
                "argument {index}, at byte {}, is {}; declare its buffer with `with_access`",
                parameter.offset,
                describe_parameter(parameter)
            ));
        }
    }
    Ok(())
}

fn describe(signature: &Signature) -> String {
    let parameters: Vec<String> = signature.parameters().iter().map(describe_parameter).collect();
    match parameters.as_slice() {
        [] => "no arguments".into(),
        all => format!("{}: {}", all.len(), all.join("; ")),
    }
}

fn describe_parameter(parameter: &Parameter) -> String {
    let (element, bytes) = (parameter.element, parameter.element.bytes());
    if parameter.kind.is_buffer() {
        format!("a buffer of {bytes}-byte elements ({element}), {}", access_words(needed_flag(parameter)))
    } else {
        format!("a value of {bytes} bytes ({element})")
    }
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
