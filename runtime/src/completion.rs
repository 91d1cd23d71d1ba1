//! Futures of accepted operations.
//!
//! A [`Completion`] is a stream and a ticket: it asks the stream's timeline whether the ticket is done. Dropping it cancels
//! nothing and frees nothing that the device may touch; asking again later gives the same answer.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures::Stream as FutureStream;
use futures::stream::FuturesUnordered;

use crate::driver::Waiting;
use crate::error::Result;
use crate::stream::StreamCore;

/// The outcome of an accepted operation: a future, and a blocking wait.
///
/// It completes when everything up to the operation is done in its stream. It runs on any executor; where nobody drives the
/// device, polling and waiting do. Dropping it does not cancel the operation.
pub struct Completion {
    stream: Arc<StreamCore>,
    ticket: u64,
    waiting: Waiting,
}

impl Completion {
    pub(crate) fn new(stream: Arc<StreamCore>, ticket: u64) -> Self {
        Completion { stream, ticket, waiting: Waiting::default() }
    }

    /// Number of the stream.
    pub fn stream_id(&self) -> u32 {
        self.stream.id().0
    }

    /// Sequence number of the operation: its place in the order of acceptance, growing within its stream (and within its
    /// [shard](crate::Limits::shards)).
    pub fn ticket(&self) -> u64 {
        self.ticket
    }

    /// The outcome, if there is one. Never blocks; lets the operation go out if it was held back, so that asking again and
    /// again always comes to an end.
    pub fn outcome(&self) -> Option<Result<()>> {
        self.stream.outcome(self.ticket)
    }

    /// Whether there is an outcome; see [`Completion::outcome`].
    pub fn is_done(&self) -> bool {
        self.outcome().is_some()
    }

    /// Blocks the thread until there is an outcome.
    ///
    /// Not for use inside async tasks: await the completion there.
    pub fn wait(&self) -> Result<()> {
        loop {
            // Without a deadline there is an outcome always.
            if let Some(outcome) = self.stream.wait_until(self.ticket, None) {
                return outcome;
            }
        }
    }

    /// As [`Completion::wait`], but no longer than `limit`: `None` then, and the operation goes on.
    pub fn wait_timeout(&self, limit: Duration) -> Option<Result<()>> {
        match Instant::now().checked_add(limit) {
            Some(deadline) => self.stream.wait_until(self.ticket, Some(deadline)),
            // Further away than time can tell.
            None => Some(self.wait()),
        }
    }
}

impl Future for Completion {
    type Output = Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        this.stream.poll(this.ticket, &mut this.waiting, cx)
    }
}

impl Drop for Completion {
    fn drop(&mut self) {
        if self.waiting.has_promised() {
            self.stream.engine.end_wait(&mut self.waiting);
        }
    }
}

impl Clone for Completion {
    fn clone(&self) -> Self {
        Completion::new(Arc::clone(&self.stream), self.ticket)
    }
}

impl std::fmt::Debug for Completion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Completion(stream {}, operation {})", self.stream_id(), self.ticket)
    }
}

/// What a [`CompletionStream`] yields.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Completed {
    /// Number of the stream.
    pub stream: u32,
    /// Sequence number of the operation.
    pub ticket: u64,
    /// Its outcome.
    pub outcome: Result<()>,
}

/// Many completions as one stream that yields them as they complete, failed ones too; it ends when none is left.
///
/// ```
/// use dxg_runtime::{CompletionStream, Device};
/// use futures::StreamExt;
/// let device = Device::open("software")?;
/// let (stream, x) = (device.stream()?, device.alloc::<u32>(64)?);
/// futures::executor::block_on(async {
///     let mut all = CompletionStream::new();
///     for value in 0..4 {
///         all.push(stream.fill(&x, value).await?);
///     }
///     while let Some(done) = all.next().await {
///         done.outcome?;
///     }
///     Ok::<(), dxg_runtime::Error>(())
/// })?;
/// # Ok::<(), dxg_runtime::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct CompletionStream {
    waiting: FuturesUnordered<Tagged>,
}

impl CompletionStream {
    /// An empty stream.
    pub fn new() -> Self {
        CompletionStream::default()
    }

    /// Adds a completion.
    pub fn push(&mut self, completion: Completion) {
        self.waiting.push(Tagged(completion));
    }

    /// How many have not been yielded.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether all have been yielded.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

impl Extend<Completion> for CompletionStream {
    fn extend<I: IntoIterator<Item = Completion>>(&mut self, completions: I) {
        completions.into_iter().for_each(|completion| self.push(completion));
    }
}

impl FromIterator<Completion> for CompletionStream {
    fn from_iter<I: IntoIterator<Item = Completion>>(completions: I) -> Self {
        let mut all = CompletionStream::new();
        all.extend(completions);
        all
    }
}

impl FutureStream for CompletionStream {
    type Item = Completed;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.get_mut().waiting).poll_next(cx)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.waiting.len(), Some(self.waiting.len()))
    }
}

#[derive(Debug)]
struct Tagged(Completion);

impl Future for Tagged {
    type Output = Completed;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Completed> {
        Pin::new(&mut self.0).poll(cx).map(|outcome| Completed {
            stream: self.0.stream_id(),
            ticket: self.0.ticket(),
            outcome,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn completions_can_go_anywhere() {
        fn anywhere<T: Send + Unpin + 'static>() {}
        anywhere::<Completion>();
        anywhere::<CompletionStream>();
    }
}
