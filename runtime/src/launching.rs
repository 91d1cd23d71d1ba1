//! The future of a launch that is being accepted.
//!
//! Written by hand: an `async fn` would move the arguments from place to place on their way, and they are most of what a launch
//! costs its caller. Here they stay where the future is until they are in the queue.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use crate::args::Args;
use crate::completion::Completion;
use crate::driver::{Entry, Refused, WaitForRoom};
use crate::error::Result;
use crate::grid::Grid;
use crate::kernel::Kernel;
use crate::request::{CheckedLaunch, Request};
use crate::stream::{Stream, StreamCore};

/// A launch until it is accepted; made by [`Stream::launch`]. Ready with the launch's [`Completion`].
///
/// Dropped before it is ready, nothing was launched.
#[must_use = "a launch takes place when this is awaited"]
pub struct Launching<'a> {
    stream: &'a Stream,
    kernel: &'a Kernel,
    grid: Grid,
    args: Args,
    /// The wait for room, where there was none.
    room: Option<WaitForRoom<'a>>,
}

impl<'a> Launching<'a> {
    pub(crate) fn new(stream: &'a Stream, kernel: &'a Kernel, grid: Grid, args: Args) -> Self {
        Launching { stream, kernel, grid, args, room: None }
    }

    /// Launches, in a place that was found for it.
    #[inline]
    fn push(&mut self, checked: Option<CheckedLaunch>, entry: Entry<'_>) -> Completion {
        let core = &self.stream.inner.core;
        let ticket = entry.push(|ticket| match checked {
            Some(checked) => checked.operation(self.kernel, &mut self.args, core.shared.id, ticket),
            None => Request::empty_launch(&mut self.args).into_operation(core.shared.id, ticket),
        });
        Completion::new(Arc::clone(core), ticket)
    }

    #[cold]
    fn poll_for_room(&mut self, checked: Option<CheckedLaunch>, cx: &mut Context<'_>) -> Poll<Result<Completion>> {
        let StreamCore { engine, shared } = &*self.stream.inner.core;
        let room = self.room.get_or_insert_with(|| engine.wait_for_room(shared, 1));
        let permit = ready!(Pin::new(room).poll(cx));
        self.room = None;
        let entry = engine.permitted_entry(shared, permit?);
        Poll::Ready(Ok(self.push(checked, entry)))
    }
}

impl Future for Launching<'_> {
    type Output = Result<Completion>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Completion>> {
        let this = self.get_mut();
        let checked = this.stream.check_launch(this.kernel, this.grid, &this.args)?;
        if this.room.is_none() {
            let StreamCore { engine, shared } = &*this.stream.inner.core;
            match engine.entry(shared) {
                Ok(entry) => return Poll::Ready(Ok(this.push(checked, entry))),
                Err(Refused::Failed(error)) => return Poll::Ready(Err(error)),
                Err(Refused::Full(_)) => {}
            }
        }
        this.poll_for_room(checked, cx)
    }
}

impl std::fmt::Debug for Launching<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Launching({} on {:?})", self.kernel.name(), self.stream)
    }
}
