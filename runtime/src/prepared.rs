//! Launches that are checked and packed once, and enqueued as often as wanted.
//!
//! An operation of a prepared launch holds one reference, to the launch, where one of [`Stream::launch`] holds its kernel and
//! every buffer: nothing is packed, checked or counted again.

use std::sync::Arc;

use dxg_scheduler::{Hazard, Operation, StreamId, Ticket, Work};

use crate::args::Args;
use crate::completion::Completion;
use crate::device::{Device, DeviceTag};
use crate::error::{Result, TryError};
use crate::grid::Grid;
use crate::kernel::Kernel;
use crate::op::{Launch, Op, OpKind};
use crate::request::{CheckedLaunch, Request};
use crate::stream::Stream;

/// A launch with its kernel, grid and arguments; made by [`Device::prepare`], enqueued by [`Stream::enqueue`]. Clones are the same
/// launch.
///
/// ```
/// use dxg_runtime::{Device, ModuleSource, RustKernel, args};
/// let device = Device::open("software")?;
/// let bump = RustKernel::new("bump").write::<u32>().body(|cx| Ok(cx.write::<u32>(0)?.iter_mut().for_each(|x| *x += 1)));
/// let kernel = device.load(&ModuleSource::new().rust([bump]))?.kernel("bump")?;
/// let (stream, x) = (device.stream()?, device.alloc::<u32>(64)?);
/// let bump = device.prepare(&kernel, 1, args![x.read_write()])?;
/// futures::executor::block_on(async {
///     stream.fill(&x, 0u32).await?;
///     for _ in 0..100 {
///         stream.enqueue(&bump).await?;
///     }
///     assert_eq!(stream.copy_out(&x).await?.await?, [100; 64]);
///     Ok::<(), dxg_runtime::Error>(())
/// })?;
/// # Ok::<(), dxg_runtime::Error>(())
/// ```
pub struct PreparedLaunch {
    /// Of this handle alone, so that tasks do not contend for the count of its users. `None`: the grid has a zero in it, and
    /// nothing is run.
    launch: Option<Arc<Prepared>>,
    kernel: Arc<str>,
    tag: DeviceTag,
}

impl Clone for PreparedLaunch {
    fn clone(&self) -> Self {
        let launch = self.launch.as_deref().map(|launch| Arc::new(launch.clone()));
        PreparedLaunch { launch, kernel: Arc::clone(&self.kernel), tag: self.tag }
    }
}

/// What all operations of it share.
#[derive(Clone)]
pub(crate) struct Prepared {
    pub(crate) launch: Launch,
    work: Work,
    hazard: Hazard,
    bytes: u32,
}

impl Prepared {
    #[inline]
    fn operation(self: &Arc<Self>, stream: StreamId, ticket: u64) -> Operation<Op> {
        Operation {
            stream,
            ticket: Ticket(ticket),
            work: self.work,
            hazard: self.hazard.clone(),
            bytes: self.bytes,
            payload: Op { stream, kind: OpKind::Prepared(Arc::clone(self)) },
        }
    }
}

impl Device {
    /// Checks and packs a launch, for being enqueued again and again. What [`Stream::launch`] would refuse is refused here.
    pub fn prepare(&self, kernel: &Kernel, grid: impl Into<Grid>, mut args: Args) -> Result<PreparedLaunch> {
        let tag = self.shared().tag;
        let checked = CheckedLaunch::new(self.info(), tag, kernel, grid.into(), &args)?;
        let launch = checked.and_then(|checked| {
            let Operation { work, hazard, bytes, payload, .. } = checked.operation(kernel, &mut args, StreamId(0), 0);
            let OpKind::Launch(launch) = payload.kind else { return None };
            Some(Arc::new(Prepared { launch, work, hazard, bytes }))
        });
        Ok(PreparedLaunch { launch, kernel: Arc::clone(&kernel.loaded.name), tag })
    }
}

impl Stream {
    /// Enqueues a prepared launch; waits for room if need be. As [`Stream::launch`] in everything else.
    pub async fn enqueue(&self, prepared: &PreparedLaunch) -> Result<Completion> {
        self.tag().check("prepared launch", prepared.tag)?;
        match &prepared.launch {
            Some(launch) => self.accept_with(|stream, ticket| launch.operation(stream, ticket)).await,
            None => self.accept(Request::marker()).await,
        }
    }

    /// Enqueues a prepared launch if there is room.
    pub fn try_enqueue(&self, prepared: &PreparedLaunch) -> Result<Completion, TryError> {
        self.tag().check("prepared launch", prepared.tag)?;
        match &prepared.launch {
            Some(launch) => self.try_accept_with(|stream, ticket| launch.operation(stream, ticket)),
            None => self.try_accept(Request::marker()),
        }
    }
}

impl std::fmt::Debug for PreparedLaunch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PreparedLaunch({} on {})", self.kernel, self.tag)
    }
}
