//! Binds the arguments of one launch to memory, by the kernel's signature and the ranges that the item declares.
//!
//! The work of every merged item, so it allocates nothing while the launch is good: bound arguments are kept in the
//! engine's scratch and reused. Most launches declare their ranges in the order of their arguments and are right: those are
//! bound in one pass without a division. Whatever that pass does not take is bound again with care, which also finds the
//! words for what is wrong.

use smallvec::SmallVec;

use super::{KernelError, Parameter, ParameterKind, Signature};
use crate::software::packet::{Access, Item};

/// One parameter of a launch, bound. Scalars have an entry too, so that indices agree.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bound {
    /// First element; dangling but aligned for an empty buffer.
    pub pointer: *mut u8,
    /// Elements.
    pub len: usize,
    /// Elements of one block's chunk.
    pub chunk: usize,
    /// Bytes of all elements.
    pub bytes: usize,
}

impl Bound {
    /// What stands for a scalar.
    const SCALAR: Self = Self { pointer: std::ptr::null_mut(), len: 0, chunk: 0, bytes: 0 };
}

/// The bound parameters of one launch.
#[derive(Debug, Default)]
pub(crate) struct BoundArguments {
    bound: SmallVec<[Bound; 8]>,
    /// What each parameter was bound to, by one kernel in one command buffer: merged launches share most of it.
    last: [Last; REMEMBERED],
    /// Blocks of that launch.
    last_blocks: u64,
}

/// Parameters that are remembered from launch to launch.
const REMEMBERED: usize = 8;

/// A range that a parameter was bound to; none if it is empty.
#[derive(Clone, Copy, Debug, Default)]
struct Last {
    va: u64,
    len: u64,
}

// SAFETY: needed because of the raw pointers; they are only turned into slices by `KernelContext`, under the guarantees
// stated there, which hold on whatever thread a block runs.
unsafe impl Send for BoundArguments {}
// SAFETY: as above; sharing the pointers gives no access by itself.
unsafe impl Sync for BoundArguments {}

/// Why a launch cannot be bound.
#[derive(Debug)]
pub(crate) enum BindError {
    /// The launch fails.
    Failed(KernelError),
    /// The address is not mapped at all: the device faults.
    Unmapped { address: u64 },
}

/// A range that could not be resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unresolved {
    /// Its first byte is not mapped.
    Unmapped { address: u64 },
    /// It begins in mapped memory but leaves it.
    Leaves { address: u64 },
    /// It may not be written.
    ReadOnly { address: u64 },
}

impl BoundArguments {
    #[inline]
    pub(crate) fn bound(&self) -> &[Bound] {
        &self.bound
    }

    /// The kernel is another from now on, or what holds the memory.
    pub(crate) fn forget(&mut self) {
        self.last = [Last::default(); REMEMBERED];
    }

    /// Binds `item`; `resolve(index, va, len, write)` gives the host address of the range of parameter `index` and holds it.
    #[inline]
    pub(crate) fn bind(
        &mut self,
        signature: &Signature,
        item: &Item<'_>,
        mut resolve: impl FnMut(usize, u64, u64, bool) -> Result<*mut u8, Unresolved>,
    ) -> Result<(), BindError> {
        if self.bind_plain(signature, item, &mut resolve) {
            return Ok(());
        }
        self.forget();
        self.bind_any(signature, item, &mut resolve)
    }

    /// Binds a launch whose ranges are all declared in the order of its parameters, none of them empty; `false` where the
    /// launch is not like that, or not right.
    #[inline]
    fn bind_plain(
        &mut self,
        signature: &Signature,
        item: &Item<'_>,
        resolve: &mut impl FnMut(usize, u64, u64, bool) -> Result<*mut u8, Unresolved>,
    ) -> bool {
        let (buffers, accesses) = (signature.buffers(), item.accesses.iter());
        if item.args.len() != signature.arg_bytes() || accesses.len() < buffers.len() {
            return false;
        }
        // Of the same length from one launch of a kernel to the next; scalars keep what stands for them, and where a buffer's
        // entry is left from another kernel, nobody looks at a scalar's.
        let count = signature.parameters().len();
        if self.bound.len() != count {
            self.bound.resize(count, Bound::SCALAR);
        }
        let bound = self.bound.as_mut_slice();
        let blocks = item.blocks();
        if blocks != self.last_blocks {
            self.last = [Last::default(); REMEMBERED];
            self.last_blocks = blocks;
        }
        let mut moved = false;
        for (place, (buffer, access)) in buffers.iter().zip(accesses).enumerate() {
            let Access { arg_offset, flags, va, len } = access;
            let is_declared = arg_offset == buffer.offset
                && va == address_at(item.args, buffer.offset)
                && flags & buffer.flag != 0
                && len != 0;
            if !is_declared {
                return false;
            }
            let last = &mut self.last[place % REMEMBERED];
            if last.va == va && last.len == len && place < REMEMBERED {
                if !moved {
                    continue;
                }
            } else {
                let Ok(pointer) = resolve(place, va, len, buffer.writes) else { return false };
                if (pointer.addr() as u64 | len) & ((1u64 << buffer.shift) - 1) != 0 {
                    return false;
                }
                let elements = (len >> buffer.shift) as usize;
                let is_cut = buffer.is_cut && blocks > 1;
                let chunk = if is_cut { (elements as u64).div_ceil(blocks) as usize } else { elements };
                bound[buffer.index as usize] = Bound { pointer, len: elements, chunk, bytes: len as usize };
                *last = Last { va, len };
                moved = true;
            }
            let (start, end) = extent(&bound[buffer.index as usize]);
            for before in &buffers[..place] {
                let (other, other_end) = extent(&bound[before.index as usize]);
                if start < other_end && other < end && (buffer.writes || before.writes) {
                    return false;
                }
            }
        }
        true
    }

    /// Binds any launch, or says why it cannot be bound.
    #[cold]
    #[inline(never)]
    fn bind_any(
        &mut self,
        signature: &Signature,
        item: &Item<'_>,
        resolve: &mut impl FnMut(usize, u64, u64, bool) -> Result<*mut u8, Unresolved>,
    ) -> Result<(), BindError> {
        self.bound.clear();
        if item.args.len() != signature.arg_bytes() {
            return Err(wrong_size(item.args.len(), signature.arg_bytes()));
        }
        let blocks = item.blocks();
        let mut declared = 0;
        for (index, parameter) in signature.parameters().iter().enumerate() {
            if !parameter.kind.is_buffer() {
                self.bound.push(Bound::SCALAR);
                continue;
            }
            let address = address_at(item.args, parameter.offset);
            let access = find(item, &mut declared, parameter.offset)
                .ok_or_else(|| fail(index, format!("no range is declared for the address {address:#x}")))?;
            let bytes = parameter.element.bytes();
            check_access(index, parameter, &access, address, bytes)?;
            let pointer = if access.len == 0 {
                std::ptr::without_provenance_mut(bytes)
            } else {
                resolve(index, access.va, access.len, parameter.kind.writes())
                    .map_err(|error| unresolved(index, &access, error))?
            };
            if !pointer.addr().is_multiple_of(bytes) {
                return Err(fail(index, format!("{address:#x} is not aligned for {}", parameter.element)));
            }
            let len = (access.len / bytes as u64) as usize;
            let chunk = if parameter.kind == ParameterKind::Write && blocks > 1 {
                (len as u64).div_ceil(blocks) as usize
            } else {
                len
            };
            self.bound.push(Bound { pointer, len, chunk, bytes: access.len as usize });
        }
        self.check_overlaps(signature)
    }

    /// Calls `visit(start, bytes, writes)` for each bound range.
    pub(crate) fn for_each_range(&self, signature: &Signature, mut visit: impl FnMut(usize, usize, bool)) {
        for (parameter, bound) in signature.parameters().iter().zip(&self.bound) {
            if parameter.kind.is_buffer() && bound.len > 0 {
                visit(bound.pointer.addr(), bound.bytes, parameter.kind.writes());
            }
        }
    }

    #[cold]
    fn check_overlaps(&self, signature: &Signature) -> Result<(), BindError> {
        let parameters = signature.parameters();
        for (i, (parameter, bound)) in parameters.iter().zip(&self.bound).enumerate() {
            if !parameter.kind.writes() || bound.len == 0 {
                continue;
            }
            let (start, end) = extent(bound);
            for (j, (other, other_bound)) in parameters.iter().zip(&self.bound).enumerate() {
                // Two written ranges meet once, at the later one.
                if !other.kind.is_buffer() || other_bound.len == 0 || j == i || (other.kind.writes() && j > i) {
                    continue;
                }
                let (other_start, other_end) = extent(other_bound);
                if start < other_end && other_start < end {
                    return Err(fail(i, format!("the written range overlaps that of parameter {j}")));
                }
            }
        }
        Ok(())
    }
}

#[inline]
fn extent(bound: &Bound) -> (usize, usize) {
    let start = bound.pointer.addr();
    (start, start + bound.bytes)
}

#[inline]
fn address_at(args: &[u8], offset: u32) -> u64 {
    args.get(offset as usize..).and_then(|args| args.first_chunk()).map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// Accesses usually stand in the order of the arguments: `next` is where the search begins.
#[inline]
fn find(item: &Item<'_>, next: &mut usize, offset: u32) -> Option<Access> {
    if let Some(access) = item.accesses.get(*next)
        && access.arg_offset == offset
    {
        *next += 1;
        return Some(access);
    }
    item.accesses.iter().find(|access| access.arg_offset == offset)
}

#[inline]
fn check_access(
    index: usize,
    parameter: &Parameter,
    access: &Access,
    address: u64,
    element_bytes: usize,
) -> Result<(), BindError> {
    if access.va != address {
        return Err(fail(index, format!("the address is {address:#x}, its declared range begins at {:#x}", access.va)));
    }
    if !access.len.is_multiple_of(element_bytes as u64) {
        let element = parameter.element;
        return Err(fail(index, format!("the range of {} bytes is no whole number of {element}", access.len)));
    }
    let needed = if parameter.kind.writes() { Access::WRITE } else { Access::READ };
    if access.flags & needed == 0 {
        let verb = if parameter.kind.writes() { "writes" } else { "reads" };
        return Err(fail(index, format!("the kernel {verb} the range, which is not declared so")));
    }
    Ok(())
}

#[cold]
fn fail(index: usize, what: String) -> BindError {
    BindError::Failed(KernelError::Parameter { index, what })
}

#[cold]
fn wrong_size(got: usize, wanted: usize) -> BindError {
    BindError::Failed(KernelError::Arguments(format!(
        "the launch has {got} bytes of arguments, the kernel takes {wanted}"
    )))
}

#[cold]
fn unresolved(index: usize, access: &Access, error: Unresolved) -> BindError {
    match error {
        Unresolved::Unmapped { address } => BindError::Unmapped { address },
        Unresolved::Leaves { address } => {
            fail(index, format!("{} bytes at {:#x} leave mapped memory at {address:#x}", access.len, access.va))
        }
        Unresolved::ReadOnly { address } => fail(index, format!("{address:#x} is mapped read-only")),
    }
}
