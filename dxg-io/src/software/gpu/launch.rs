//! One launch: binds an item's arguments for its kernel and runs blocks of it.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
};

use smallvec::SmallVec;

use super::{execution::Failure, ranges::RangeSet, resolver::Resolver};
use crate::software::{
    kernel::{
        KernelContext, KernelError, Workgroup,
        binding::{BindError, BoundArguments, Unresolved},
        registry::{Code, KernelEntry},
    },
    packet::{Access, FailureCode, Item},
};

/// A launch whose arguments are bound; reused from item to item.
#[derive(Debug, Default)]
pub(super) struct BoundLaunch {
    arguments: BoundArguments,
    /// Declared ranges of a native launch: start, bytes, written.
    native: SmallVec<[(usize, usize, bool); 4]>,
    /// The arguments of a native launch with client-chosen addresses translated; empty if none is.
    patched: Vec<u128>,
}

impl BoundLaunch {
    /// Launches of another packet are bound from now on.
    pub(super) fn forget(&mut self) {
        self.arguments.forget();
    }

    /// Binds `item`; memory is held by the resolver.
    #[inline]
    pub(super) fn bind(
        &mut self,
        entry: &KernelEntry,
        item: &Item<'_>,
        resolver: &mut Resolver,
    ) -> Result<(), BindError> {
        match &entry.code {
            Code::Rust(kernel) => {
                let resolve = |index, va, len, write| resolver.resolve_for(index, va, len, write);
                self.arguments.bind(kernel.signature(), item, resolve)
            }
            Code::Native(_) => self.bind_native(item, resolver),
        }
    }

    /// Adds the memory that the launch uses.
    pub(super) fn add_ranges(&self, entry: &KernelEntry, set: &mut RangeSet) {
        match &entry.code {
            Code::Rust(kernel) => {
                self.arguments.for_each_range(kernel.signature(), |start, bytes, write| set.add(start, bytes, write));
            }
            Code::Native(_) => self.native.iter().for_each(|(start, bytes, write)| set.add(*start, *bytes, *write)),
        }
    }

    /// Runs blocks `from..to`, one after another; a kernel that panics has failed.
    ///
    /// # Safety
    /// As [`BoundLaunch::run_unguarded`].
    #[inline]
    pub(super) unsafe fn run(&self, entry: &KernelEntry, item: &Item<'_>, from: u64, to: u64) -> Result<(), Failure> {
        // SAFETY: passed on to the caller.
        let run = || unsafe { self.run_unguarded(entry, item, from, to) };
        // A kernel that panics leaves its buffers half written, which its poisoned stream says.
        match catch_unwind(AssertUnwindSafe(run)) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(returned(entry.name(), &error)),
            Err(payload) => Err(panicked(entry.name(), payload)),
        }
    }

    /// Runs blocks `from..to`, one after another, on a stack that catches panics.
    ///
    /// # Safety
    /// The launch was bound for this entry and item, and the resolver that did still holds the memory. Nothing that runs
    /// at the same time conflicts with the launch's ranges; no block runs twice at the same time, and no two at the same
    /// time if the kernel is sequential.
    #[inline]
    pub(super) unsafe fn run_unguarded(
        &self,
        entry: &KernelEntry,
        item: &Item<'_>,
        from: u64,
        to: u64,
    ) -> Result<(), KernelError> {
        match &entry.code {
            Code::Rust(kernel) => {
                let signature = kernel.signature();
                for block in from..to {
                    let workgroup = Workgroup::nth(block, item.grid, item.block);
                    // SAFETY: passed on to the caller.
                    let context =
                        unsafe { KernelContext::new(signature, item.args, &self.arguments, workgroup, block) };
                    kernel.call(&context)?;
                }
                Ok(())
            }
            Code::Native(native) => {
                let args = if self.patched.is_empty() { item.args.as_ptr() } else { self.patched.as_ptr().cast() };
                // SAFETY: arguments stand 16-byte aligned in the snapshot (packets and items are multiples of 16), those
                // patched in u128 words. That their contents suit the kernel is what the loader of the object vouched for.
                unsafe { native.run(args, item.grid, item.block, from, to) };
                Ok(())
            }
        }
    }

    fn bind_native(&mut self, item: &Item<'_>, resolver: &mut Resolver) -> Result<(), BindError> {
        self.native.clear();
        self.patched.clear();
        for access in item.accesses.iter() {
            if access.len == 0 {
                continue;
            }
            let write = access.flags & Access::WRITE != 0;
            let host = resolver.resolve(access.va, access.len, write).map_err(|error| match error {
                Unresolved::Unmapped { address } => BindError::Unmapped { address },
                other => BindError::Failed(KernelError::Arguments(format!(
                    "{} bytes declared at {:#x} cannot be used: {other:?}",
                    access.len, access.va
                ))),
            })?;
            self.native.push((host.addr(), access.len as usize, write));
            if host.addr() as u64 != access.va {
                self.patch(item.args, access.arg_offset as usize, access.va, host.addr() as u64)?;
            }
        }
        Ok(())
    }

    /// Replaces the address at `offset` by a host address.
    fn patch(&mut self, args: &[u8], offset: usize, va: u64, host: u64) -> Result<(), BindError> {
        let place = offset.checked_add(8).and_then(|end| args.get(offset..end));
        let address = place.and_then(|place| place.try_into().ok()).map(u64::from_le_bytes);
        if address != Some(va) {
            let message = format!("the range declared at {va:#x} is not what the arguments have at offset {offset}");
            return Err(BindError::Failed(KernelError::Arguments(message)));
        }
        if self.patched.is_empty() {
            self.patched.extend(args.chunks(16).map(|chunk| {
                let mut word = [0; 16];
                word[..chunk.len()].copy_from_slice(chunk);
                u128::from_ne_bytes(word)
            }));
        }
        // An address may straddle two words, so byte by byte.
        for (index, byte) in host.to_le_bytes().into_iter().enumerate() {
            let at = offset + index;
            let mut word = self.patched[at / 16].to_ne_bytes();
            word[at % 16] = byte;
            self.patched[at / 16] = u128::from_ne_bytes(word);
        }
        Ok(())
    }
}

/// The failure of a launch that could not be bound.
#[cold]
pub(super) fn unbound(name: &str, error: &KernelError) -> Failure {
    Failure { code: FailureCode::Arguments, message: format!("kernel {name}: {error}") }
}

/// The failure of a launch of a number that no kernel has.
#[cold]
pub(super) fn unknown(kernel: u64) -> Failure {
    Failure { code: FailureCode::UnknownKernel, message: format!("there is no kernel number {kernel}") }
}

#[cold]
pub(super) fn returned(name: &str, error: &KernelError) -> Failure {
    Failure { code: FailureCode::Returned, message: format!("kernel {name}: {error}") }
}

#[cold]
pub(super) fn panicked(name: &str, payload: Box<dyn Any + Send>) -> Failure {
    let message = if let Some(text) = payload.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "without a message".to_owned()
    };
    // A payload whose own drop panics must not take the engine down; forgetting it leaks a few bytes.
    std::mem::forget(payload);
    Failure { code: FailureCode::Panicked, message: format!("kernel {name} panicked: {message}") }
}
