//! Copies into, out of and between buffers, and fills.
//!
//! Host data on its way in is copied into device-visible memory when the operation is enqueued (from then on the caller may
//! do with its own what it likes); only a [`HostBuffer`] is read by the device in place. Data on its way out lands in
//! device-visible memory and is moved to the caller by the [`ReadBack`]. Few unread results may stay there; one of more, or a large
//! one, that nobody has asked for when its copy retires moves its data aside, so that they never hold up the copies of others.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use dxg_scheduler::CopyKind;

use crate::buffer::BufferSlice;
use crate::completion::Completion;
use crate::error::{Error, Full, Result, TryError};
use crate::host_buffer::HostBuffer;
use crate::host_memory::{HostMemory, HostPiece, LingeringPiece};
use crate::op::Keep;
use crate::pod::{Pod, bytes_of, bytes_of_mut, zeroed};
use crate::request::{After, Ready, Request, check_lengths};
use crate::stream::Stream;

/// Where the data of a [`HostSource`] is.
#[derive(Debug)]
pub enum HostView<'a, T> {
    /// Elements.
    Slice(&'a [T]),
    /// Bytes, of which a whole number of elements is made.
    Bytes(&'a [u8]),
    /// Memory that the device reads in place.
    Registered(&'a HostBuffer<T>),
}

/// Host data that can be copied into a buffer of `T`: slices, arrays, vectors, [`Bytes`], and [`HostBuffer`]s.
pub trait HostSource<T: Pod> {
    /// The data.
    fn view(&self) -> HostView<'_, T>;
}

impl<T: Pod> HostSource<T> for &[T] {
    fn view(&self) -> HostView<'_, T> {
        HostView::Slice(self)
    }
}

impl<T: Pod> HostSource<T> for Vec<T> {
    fn view(&self) -> HostView<'_, T> {
        HostView::Slice(self)
    }
}

impl<T: Pod> HostSource<T> for &Vec<T> {
    fn view(&self) -> HostView<'_, T> {
        HostView::Slice(self)
    }
}

impl<T: Pod, const N: usize> HostSource<T> for &[T; N] {
    fn view(&self) -> HostView<'_, T> {
        HostView::Slice(*self)
    }
}

impl<T: Pod, const N: usize> HostSource<T> for [T; N] {
    fn view(&self) -> HostView<'_, T> {
        HostView::Slice(self)
    }
}

impl<T: Pod> HostSource<T> for Bytes {
    fn view(&self) -> HostView<'_, T> {
        HostView::Bytes(self)
    }
}

impl<T: Pod> HostSource<T> for &HostBuffer<T> {
    fn view(&self) -> HostView<'_, T> {
        HostView::Registered(self)
    }
}

impl<T: Pod> HostSource<T> for HostBuffer<T> {
    fn view(&self) -> HostView<'_, T> {
        HostView::Registered(self)
    }
}

impl Stream {
    /// Copies host data into a buffer; waits for room if need be.
    ///
    /// The data is taken when the copy is accepted: a slice may be changed after that, a vector is given away. Source and
    /// destination have as many elements; with none, the operation completes in its place and copies nothing.
    pub async fn copy_in<T: Pod>(
        &self,
        destination: impl Into<BufferSlice<T>>,
        source: impl HostSource<T>,
    ) -> Result<Completion> {
        let destination = destination.into();
        let engine = &self.inner.core.engine;
        let ready = engine.until_memory(|| self.ready_copy_in(&destination, &source)).await?;
        self.accept(ready).await
    }

    /// Copies host data into a buffer if there is room; gives the source back if there is none.
    pub fn try_copy_in<T: Pod, S: HostSource<T>>(
        &self,
        destination: impl Into<BufferSlice<T>>,
        source: S,
    ) -> Result<Completion, TryError<S>> {
        let ready = match self.ready_copy_in(&destination.into(), &source) {
            Ok(Some(ready)) => ready,
            Ok(None) => return Err(TryError::Full { bound: Full::Staging, returned: source }),
            Err(error) => return Err(TryError::Failed(error)),
        };
        self.try_accept(ready).map_err(|refused| refused.returning(source))
    }

    /// Checks the copy and takes the data; `None` where there is no staging memory now.
    fn ready_copy_in<T: Pod>(
        &self,
        destination: &BufferSlice<T>,
        source: &impl HostSource<T>,
    ) -> Result<Option<Ready>> {
        self.tag().check("buffer", destination.tag())?;
        let data = match source.view() {
            HostView::Slice(values) => {
                check_lengths(values.len(), destination.len())?;
                bytes_of(values)
            }
            HostView::Bytes(bytes) => {
                let (source_len, destination_len) = (bytes.len() as u64, destination.byte_len());
                if source_len != destination_len {
                    return Err(Error::LengthMismatch { unit: "bytes", source_len, destination_len });
                }
                bytes
            }
            HostView::Registered(buffer) => {
                self.tag().check("host buffer", buffer.tag())?;
                check_lengths(buffer.len(), destination.len())?;
                let after = After::Host(buffer.reserve(false)?);
                let (to, len) = (destination.device_address(), destination.byte_len());
                let keep = [buffer.keep(), destination.keep()];
                let request = Request::copy(CopyKind::HostToDevice, buffer.address(), to, len, keep);
                return Ok(Some(Ready { request, after }));
            }
        };
        if data.is_empty() {
            return Ok(Some(Request::marker().into()));
        }
        Ok(snapshot(&self.inner.host, data, destination)?.map(Ready::from))
    }

    /// Copies a buffer to the host; waits for room if need be. Await the [`ReadBack`] for the data.
    pub async fn copy_out<T: Pod>(&self, source: impl Into<BufferSlice<T>>) -> Result<ReadBack<T>> {
        let source = source.into();
        self.tag().check("buffer", source.tag())?;
        let host = &self.inner.host;
        let (landing, request) = self.inner.core.engine.until_memory(|| landing_for(host, &source)).await?;
        let completion = self.accept(request).await?;
        Ok(ReadBack { completion, landing, len: source.len(), element: PhantomData })
    }

    /// Copies a buffer to the host if there is room.
    pub fn try_copy_out<T: Pod>(&self, source: impl Into<BufferSlice<T>>) -> Result<ReadBack<T>, TryError> {
        let source = source.into();
        self.tag().check("buffer", source.tag())?;
        let Some((landing, request)) = landing_for(&self.inner.host, &source)? else {
            return Err(TryError::Full { bound: Full::Staging, returned: () });
        };
        let completion = self.try_accept(request)?;
        Ok(ReadBack { completion, landing, len: source.len(), element: PhantomData })
    }

    /// Copies a buffer into host memory that the device reaches, without a copy between; waits for room if need be.
    pub async fn copy_out_into<T: Pod>(
        &self,
        source: impl Into<BufferSlice<T>>,
        destination: &HostBuffer<T>,
    ) -> Result<Completion> {
        let ready = self.ready_copy_out_into(&source.into(), destination)?;
        self.accept(ready).await
    }

    /// As [`Stream::copy_out_into`], if there is room.
    pub fn try_copy_out_into<T: Pod>(
        &self,
        source: impl Into<BufferSlice<T>>,
        destination: &HostBuffer<T>,
    ) -> Result<Completion, TryError> {
        let ready = self.ready_copy_out_into(&source.into(), destination)?;
        self.try_accept(ready)
    }

    fn ready_copy_out_into<T: Pod>(&self, source: &BufferSlice<T>, destination: &HostBuffer<T>) -> Result<Ready> {
        let request = copy_out_request(self, source, destination)?;
        Ok(Ready { request, after: After::Host(destination.reserve(true)?) })
    }

    /// Copies one range of device memory to another; waits for room if need be.
    ///
    /// Both have as many elements and do not overlap; with none, the operation completes in its place.
    pub async fn copy<T: Pod>(
        &self,
        source: impl Into<BufferSlice<T>>,
        destination: impl Into<BufferSlice<T>>,
    ) -> Result<Completion> {
        let request = Request::copy_between(self.tag(), &source.into(), &destination.into())?;
        self.accept(request).await
    }

    /// As [`Stream::copy`], if there is room.
    pub fn try_copy<T: Pod>(
        &self,
        source: impl Into<BufferSlice<T>>,
        destination: impl Into<BufferSlice<T>>,
    ) -> Result<Completion, TryError> {
        let request = Request::copy_between(self.tag(), &source.into(), &destination.into())?;
        self.try_accept(request)
    }

    /// Sets every element to `value`, which has 1, 2, 4 or 8 bytes; waits for room if need be.
    pub async fn fill<T: Pod>(&self, destination: impl Into<BufferSlice<T>>, value: T) -> Result<Completion> {
        let request = Request::fill(self.tag(), &destination.into(), value)?;
        self.accept(request).await
    }

    /// As [`Stream::fill`], if there is room.
    pub fn try_fill<T: Pod>(&self, destination: impl Into<BufferSlice<T>>, value: T) -> Result<Completion, TryError> {
        let request = Request::fill(self.tag(), &destination.into(), value)?;
        self.try_accept(request)
    }
}

/// A copy of `data`, taken now, into the destination; `None` where there is no memory for it now.
pub(crate) fn snapshot<T: Pod>(
    host: &Arc<HostMemory>,
    data: &[u8],
    destination: &BufferSlice<T>,
) -> Result<Option<Request>> {
    let Some(mut piece) = host.allocate(data.len())? else {
        return Ok(None);
    };
    piece.write(data);
    let address = piece.address();
    let keep = [piece.into_keep(), destination.keep()];
    let (to, len) = (destination.device_address(), destination.byte_len());
    Ok(Some(Request::copy(CopyKind::HostToDevice, address, to, len, keep)))
}

/// The copy of a buffer into a host buffer.
pub(crate) fn copy_out_request<T: Pod>(
    stream: &Stream,
    source: &BufferSlice<T>,
    destination: &HostBuffer<T>,
) -> Result<Request> {
    stream.tag().check("buffer", source.tag())?;
    stream.tag().check("host buffer", destination.tag())?;
    check_lengths(source.len(), destination.len())?;
    let (from, len) = (source.device_address(), source.byte_len());
    let keep = [source.keep(), destination.keep()];
    Ok(Request::copy(CopyKind::DeviceToHost, from, destination.address(), len, keep))
}

/// Where data on its way out is.
struct Landing {
    state: Mutex<Landed>,
}

enum Landed {
    /// In device-visible memory, where it may stay: valid once the copy is complete.
    Lingering(LingeringPiece),
    /// In device-visible memory until the copy retires: valid once the copy is complete.
    Staged(HostPiece),
    /// The copy has retired, and the data was moved aside.
    Aside(Vec<u8>),
    /// Taken, or nothing to take.
    Gone,
}

impl Landing {
    fn state(&self) -> MutexGuard<'_, Landed> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the operation holds of a landing whose data may not stay: dropped when the copy retires, it frees the device-visible memory.
struct LandingGuard(Arc<Landing>);

impl Drop for LandingGuard {
    fn drop(&mut self) {
        // The read-back holds the other reference; without it nobody will ask.
        let wanted = Arc::strong_count(&self.0) > 1;
        let mut state = self.0.state();
        let staged = std::mem::replace(&mut *state, Landed::Gone);
        if let (Landed::Staged(piece), true) = (&staged, wanted) {
            let mut aside = vec![0; piece.len()];
            // SAFETY: needed because the device wrote the memory; the operation has retired, so it does no more.
            unsafe { piece.read(&mut aside) };
            *state = Landed::Aside(aside);
        } else if let Landed::Aside(_) = staged {
            *state = staged;
            return;
        }
        drop(state);
        // Announces room, outside the lock.
        drop(staged);
    }
}

fn landing_for<T: Pod>(host: &Arc<HostMemory>, source: &BufferSlice<T>) -> Result<Option<(Arc<Landing>, Request)>> {
    if source.byte_len() == 0 {
        let landing = Arc::new(Landing { state: Mutex::new(Landed::Gone) });
        return Ok(Some((landing, Request::marker())));
    }
    let len = source.byte_len();
    let Some(piece) = host.allocate(len as usize)? else {
        return Ok(None);
    };
    let address = piece.address();
    let landing = |landed| Arc::new(Landing { state: Mutex::new(landed) });
    let (landing, guard) = match LingeringPiece::of(piece) {
        // The operation keeps the memory as long as the read-back does.
        Ok(piece) => {
            let landing = landing(Landed::Lingering(piece));
            (Arc::clone(&landing), Keep::Shared(landing))
        }
        Err(piece) => {
            let landing = landing(Landed::Staged(piece));
            (Arc::clone(&landing), Keep::Shared(Arc::new(LandingGuard(landing))))
        }
    };
    let from = source.device_address();
    let request = Request::copy(CopyKind::DeviceToHost, from, address, len, [source.keep(), guard]);
    Ok(Some((landing, request)))
}

/// Data on its way from the device: a future of the elements.
///
/// Dropping it drops the data, not the copy.
#[must_use = "the data is in the read-back"]
pub struct ReadBack<T> {
    completion: Completion,
    landing: Arc<Landing>,
    len: usize,
    element: PhantomData<fn() -> T>,
}

impl<T: Pod> ReadBack<T> {
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The completion of the copy.
    pub fn completion(&self) -> &Completion {
        &self.completion
    }

    /// Blocks the thread until the data is there.
    pub fn wait(self) -> Result<Vec<T>> {
        self.completion.wait()?;
        let mut values = zeroed(self.len);
        self.take(&mut values)?;
        Ok(values)
    }

    /// Blocks the thread until the data is there, and writes it to `out`, which has as many elements.
    pub fn wait_into(self, out: &mut [T]) -> Result<()> {
        check_lengths(self.len, out.len())?;
        self.completion.wait()?;
        self.take(out)
    }

    /// Waits for the data and writes it to `out`, which has as many elements.
    pub async fn read_into(mut self, out: &mut [T]) -> Result<()> {
        check_lengths(self.len, out.len())?;
        (&mut self.completion).await?;
        self.take(out)
    }

    /// Moves the data; once, after completion.
    fn take(&self, out: &mut [T]) -> Result<()> {
        let state = std::mem::replace(&mut *self.landing.state(), Landed::Gone);
        match &state {
            // SAFETY: needed because the device wrote the memory; its copy is complete.
            Landed::Lingering(piece) => unsafe { piece.read(bytes_of_mut(out)) },
            // SAFETY: as above.
            Landed::Staged(piece) => unsafe { piece.read(bytes_of_mut(out)) },
            Landed::Aside(aside) => bytes_of_mut(out).copy_from_slice(aside),
            Landed::Gone if out.is_empty() || size_of::<T>() == 0 => {}
            Landed::Gone => return Err(Error::invalid("the data of this read-back has been taken already")),
        }
        Ok(())
    }
}

impl<T: Pod> Future for ReadBack<T> {
    type Output = Result<Vec<T>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        Pin::new(&mut this.completion).poll(cx).map(|outcome| {
            outcome?;
            let mut values = zeroed(this.len);
            this.take(&mut values)?;
            Ok(values)
        })
    }
}

impl<T> std::fmt::Debug for ReadBack<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ReadBack({} elements, {:?})", self.len, self.completion)
    }
}

#[cfg(test)]
mod tests {
    use crate::{Device, Limits, Parameters};

    #[test]
    fn unread_results_leave_half_of_the_staging_memory_and_keep_their_data() {
        const STAGING: u64 = 1 << 20;
        let limits = Limits { staging_bytes: STAGING, ..Limits::default() };
        let device =
            Device::builder().selector("software").parameters(Parameters::zero()).limits(limits).open().unwrap();
        let (stream, x) = (device.stream().unwrap(), device.alloc::<u32>(1 << 14).unwrap());
        let host = &stream.inner.host;
        for lap in 0..3 {
            // 64 KiB each, four times what there is.
            let unread: Vec<_> = (0..64)
                .map(|value| {
                    stream.try_fill(&x, lap << 8 | value).unwrap();
                    let read = stream.try_copy_out(&x).unwrap();
                    read.completion().wait().unwrap();
                    read
                })
                .collect();
            futures::executor::block_on(device.synchronize()).unwrap();
            let used = host.staging_usage().1;
            assert!(used > 0, "some stay where they are");
            assert!(used <= STAGING / 2, "{used} bytes are held");
            for (read, value) in unread.into_iter().zip(0..).skip(1) {
                assert_eq!(read.wait().unwrap(), vec![lap << 8 | value; 1 << 14]);
            }
            assert_eq!(host.staging_usage().1, 0, "read or dropped, they give it back");
        }
    }
}
