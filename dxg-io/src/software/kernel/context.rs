//! What a Rust kernel sees of its launch: one block, its scalars, its slices of device memory.
//!
//! # Why the slices are sound
//! A context is made only by the engine, from arguments that [`super::binding`] has bound. Binding guarantees, for every
//! buffer parameter: the range is mapped and held until the launch has ended, aligned for its element type, and no
//! written range overlaps any other range of the launch. Between launches the engine guarantees that none runs beside
//! another with a conflicting range. Blocks of one launch that may run at the same time get disjoint chunks of a `write`
//! parameter; a kernel with a `write_whole` parameter runs its blocks one after another. Within one block a written
//! slice is handed out once (`taken`), so two `&mut` to the same memory never exist. Slices borrow the context and so
//! end with the call. What remains is the client of the boundary: as on real hardware, a program that touches device
//! memory through its own mapping while a launch uses it races with the device; the typed layers above do not.

use std::{cell::Cell, marker::PhantomData};

use super::{
    Element, KernelError, Parameter, ParameterKind, Signature, Workgroup,
    binding::{Bound, BoundArguments},
};

/// One block of a launch, as a Rust kernel sees it.
#[derive(Debug)]
pub struct KernelContext<'a> {
    workgroup: Workgroup,
    block: u64,
    signature: &'a Signature,
    args: &'a [u8],
    bound: &'a [Bound],
    /// One bit for each written parameter already handed out in this block.
    taken: Cell<u64>,
    // The context refers to memory that the engine holds for 'a.
    memory: PhantomData<&'a mut [u8]>,
}

impl<'a> KernelContext<'a> {
    /// The context of one block.
    ///
    /// # Safety
    /// `arguments` were bound by `signature` for this launch and their memory stays held, and free of conflicting
    /// launches, for `'a`; no other context for the same block exists, and none for another block at the same time if
    /// the signature is sequential.
    #[inline]
    pub(crate) unsafe fn new(
        signature: &'a Signature,
        args: &'a [u8],
        arguments: &'a BoundArguments,
        workgroup: Workgroup,
        block: u64,
    ) -> Self {
        Self { workgroup, block, signature, args, bound: arguments.bound(), taken: Cell::new(0), memory: PhantomData }
    }

    /// This block's place in the grid.
    #[inline]
    pub fn group(&self) -> [u32; 3] {
        self.workgroup.group
    }

    /// Blocks of the launch in each dimension.
    #[inline]
    pub fn groups(&self) -> [u32; 3] {
        self.workgroup.groups
    }

    /// Threads of a block, as the launch said; this call does the work of them all.
    #[inline]
    pub fn local(&self) -> [u32; 3] {
        self.workgroup.local
    }

    /// This block's number, x fastest.
    #[inline]
    pub fn block(&self) -> u64 {
        self.block
    }

    /// The scalar argument `index`.
    #[inline]
    pub fn scalar<T: Element>(&self, index: usize) -> Result<T, KernelError> {
        let parameter = self.parameter::<T>(index)?;
        if parameter.kind != ParameterKind::Scalar {
            return Err(misuse(index, "is a buffer, not a scalar"));
        }
        self.args
            .get(parameter.offset as usize..)
            .and_then(T::from_bytes)
            .ok_or_else(|| misuse(index, "lies outside the arguments"))
    }

    /// All of the read buffer `index`.
    #[inline]
    pub fn read<T: Element>(&self, index: usize) -> Result<&[T], KernelError> {
        let parameter = self.parameter::<T>(index)?;
        if parameter.kind != ParameterKind::Read {
            return Err(misuse(index, "is not declared with read()"));
        }
        let bound = self.bound(index)?;
        // SAFETY: needed to turn device memory into a slice. The binding has checked that `len` elements of this type
        // are mapped and aligned at `pointer`; the engine lets nothing write them while this context lives.
        Ok(unsafe { std::slice::from_raw_parts(bound.pointer.cast::<T>(), bound.len) })
    }

    /// The elements of buffer `index` that this block may write (and read): the range is split into chunks of
    /// ceil(len / blocks) elements in block order (`write`), or all of it (`write_whole`). Once per block.
    #[inline]
    #[allow(clippy::mut_from_ref, reason = "`taken` makes sure that each slice is handed out once")]
    pub fn write<T: Element>(&self, index: usize) -> Result<&mut [T], KernelError> {
        let parameter = self.parameter::<T>(index)?;
        let bound = self.bound(index)?;
        let (start, end) = self.range(parameter, bound, index)?;
        if index >= 64 {
            return Err(misuse(index, "only the first 64 parameters can be written"));
        }
        let bit = 1 << index;
        if self.taken.get() & bit != 0 {
            return Err(misuse(index, "was taken before in this block; take it once and pass the slice on"));
        }
        self.taken.set(self.taken.get() | bit);
        // SAFETY: needed to turn device memory into a slice. The binding has checked that all `len` elements are mapped
        // and aligned, and start <= end <= len. The chunk belongs to this block alone, and `taken` has just made sure
        // that it is handed out once.
        Ok(unsafe { std::slice::from_raw_parts_mut(bound.pointer.cast::<T>().add(start), end - start) })
    }

    /// Index in the whole buffer of the first element that [`KernelContext::write`] gives.
    #[inline]
    pub fn chunk_start(&self, index: usize) -> Result<usize, KernelError> {
        let parameter = self.signature.parameters().get(index).ok_or_else(|| self.no_parameter(index))?;
        Ok(self.range(parameter, self.bound(index)?, index)?.0)
    }

    /// Elements of the whole buffer `index`.
    #[inline]
    pub fn len(&self, index: usize) -> Result<usize, KernelError> {
        let parameter = self.signature.parameters().get(index).ok_or_else(|| self.no_parameter(index))?;
        if !parameter.kind.is_buffer() {
            return Err(misuse(index, "is a scalar, not a buffer"));
        }
        Ok(self.bound(index)?.len)
    }

    #[inline]
    fn range(&self, parameter: &Parameter, bound: &Bound, index: usize) -> Result<(usize, usize), KernelError> {
        match parameter.kind {
            ParameterKind::Write => {
                let start = usize::try_from(self.block).unwrap_or(usize::MAX).saturating_mul(bound.chunk);
                let start = start.min(bound.len);
                Ok((start, start.saturating_add(bound.chunk).min(bound.len)))
            }
            ParameterKind::WriteWhole => Ok((0, bound.len)),
            _ => Err(misuse(index, "is not declared with write() or write_whole()")),
        }
    }

    #[inline]
    fn parameter<T: Element>(&self, index: usize) -> Result<&Parameter, KernelError> {
        let parameter = self.signature.parameters().get(index).ok_or_else(|| self.no_parameter(index))?;
        if parameter.element != T::TYPE {
            return Err(misuse(index, &format!("is of type {}, not {}", parameter.element, T::TYPE)));
        }
        Ok(parameter)
    }

    #[inline]
    fn bound(&self, index: usize) -> Result<&Bound, KernelError> {
        self.bound.get(index).ok_or_else(|| self.no_parameter(index))
    }

    #[cold]
    fn no_parameter(&self, index: usize) -> KernelError {
        misuse(index, &format!("the kernel has {} parameters", self.signature.parameters().len()))
    }
}

#[cold]
fn misuse(index: usize, what: &str) -> KernelError {
    KernelError::Parameter { index, what: what.to_owned() }
}
