//! Operations of a binding that are enqueued side by side, as one entry.

use std::sync::Arc;

use dxg_scheduler::AccessList;

use super::{Prepared, RawAccess, Timeline, launch, marker, push, told};
use crate::backend::LoadedKernel;
use crate::error::{Result, TryError};
use crate::grid::Grid;
use crate::info::MAX_ARGUMENT_BYTES;
use crate::kernel::Kernel;
use crate::op::{ArgBytes, Blocks};
use crate::request::{After, CheckedLaunch};
use crate::stream::Stream;

/// Operations that are enqueued as one entry. Launches borrow their arguments until they move into the queue.
#[derive(Default)]
pub struct Batch<'a> {
    entries: Vec<Entry<'a>>,
    others: Vec<Option<Prepared>>,
}

/// Small beside an operation: the array of them is written and read once.
enum Entry<'a> {
    Launch {
        checked: CheckedLaunch,
        kernel: Arc<LoadedKernel>,
        args: &'a [u8],
        accesses: AccessList,
    },
    /// By its place.
    Other(usize),
}

impl<'a> Batch<'a> {
    /// None yet; room for so many.
    pub fn with_capacity(n: usize) -> Self {
        Batch { entries: Vec::with_capacity(n), others: Vec::new() }
    }

    /// Adds an operation.
    pub fn push(&mut self, prepared: Prepared) {
        self.entries.push(Entry::Other(self.others.len()));
        self.others.push(Some(prepared));
    }

    /// Adds a launch, as [`launch`] makes it.
    ///
    /// # Safety
    ///
    /// That of [`launch`].
    #[inline]
    pub unsafe fn launch(
        &mut self,
        stream: &Stream,
        kernel: &Kernel,
        grid: Grid,
        args: &'a [u8],
        accesses: impl IntoIterator<Item = RawAccess>,
    ) -> Result<()> {
        let device = &stream.inner.device;
        let other_size = kernel.loaded.limits.args_size.is_some_and(|size| size as usize != args.len());
        if kernel.loaded.signature.is_some() || other_size || args.len() > MAX_ARGUMENT_BYTES as usize {
            // SAFETY: passed on to the caller.
            self.push(unsafe { launch(stream, kernel, grid, args, accesses) }?);
            return Ok(());
        }
        let accesses = told(accesses);
        let (len, told) = (args.len(), accesses.len());
        match CheckedLaunch::unsigned(device.info(), device.tag, kernel, grid, len, told)? {
            Some(checked) => {
                let kernel = Arc::clone(&kernel.loaded);
                self.entries.push(Entry::Launch { checked, kernel, args, accesses });
            }
            None => self.push(marker()),
        }
        Ok(())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// Enqueues operations side by side, all or none, and gives the sequence number of the first; the others follow it. Where
/// there is no room: waits for it, or says so. None at all is a marker.
pub fn enqueue_all(stream: &Stream, mut batch: Batch<'_>, wait: bool) -> Result<u64, TryError> {
    if batch.is_empty() {
        batch.push(marker());
    }
    let core = &stream.inner.core;
    let mut afters = Vec::new();
    let (n, Batch { entries, mut others }) = (batch.len(), batch);
    for other in others.iter_mut().flatten() {
        other.ready.place(core);
    }
    // The queue makes each operation of an entry once, in their order.
    let mut entries = entries.into_iter();
    let first = push(core, n, wait, |ticket, _| {
        let other = match entries.next() {
            Some(Entry::Launch { checked, kernel, args, accesses }) => {
                let (args, blocks) = (ArgBytes::from_slice(args), Blocks::new());
                return checked.operation_of(kernel, accesses, args, blocks, core.shared.id, ticket);
            }
            Some(Entry::Other(place)) => others[place].take(),
            None => None,
        };
        let Prepared { ready, landing } = other.unwrap_or_else(marker);
        if let Some(landing) = landing {
            landing.accepted(Timeline(Arc::clone(core)), ticket);
        }
        if !matches!(ready.after, After::Nobody) {
            afters.push((ticket, ready.after));
        }
        ready.request.into_operation(core.shared.id, ticket)
    })?;
    for (ticket, after) in afters {
        after.accepted(core, ticket);
    }
    Ok(first)
}
