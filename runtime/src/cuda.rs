//! Inside of an existing CUDA program: its memory as buffers, its streams and events in the order of ours.
//!
//! Everything here wants a `cuda` device. Handles are the driver's (`CUstream`, `CUevent`); those of the CUDA runtime, of cudarc,
//! CuPy and PyTorch are the same objects. They must belong to the device's context, which for all of those is the GPU's primary
//! context, the one that `Device::open("cuda")` uses too.

use std::any::Any;
use std::ffi::c_void;
use std::sync::Arc;
use std::time::Duration;

use crate::backend::cuda::{CudaBackend, ForeignOrder, ForeignStep};
use crate::buffer::{Buffer, Memory};
use crate::completion::Completion;
use crate::device::{Device, DeviceShared, byte_len};
use crate::error::{Error, Result, TryError};
use crate::op::OpKind;
use crate::pod::Pod;
use crate::request::Request;
use crate::stream::Stream;

/// How often it is looked whether a submission has taken place.
const LOOK: Duration = Duration::from_micros(20);

fn backend(device: &DeviceShared) -> Result<&CudaBackend> {
    device.engine.backend.cuda().ok_or_else(|| {
        Error::unsupported(format!("foreign CUDA objects on {}, which is no device of CUDA; open `cuda`", device.tag))
    })
}

impl Device {
    /// The `CUcontext` of a `cuda` device, for other users of it.
    pub fn cuda_context(&self) -> Result<*mut c_void> {
        Ok(std::ptr::with_exposed_provenance_mut(backend(self.shared())?.context_handle()))
    }

    /// Memory of the program's own as a buffer of `len` elements. `owner` is dropped when the buffer is gone and no operation in
    /// flight uses the memory: it keeps the memory alive, or gives it back.
    ///
    /// dxgrt orders its own operations. What the program's own streams do with the memory is ordered by
    /// [`Stream::wait_for_cuda_stream`] and [`Stream::let_cuda_stream_wait`].
    ///
    /// # Safety
    ///
    /// The memory stays allocated until `owner` is dropped.
    pub unsafe fn import_cuda<T: Pod>(
        &self,
        address: u64,
        len: usize,
        owner: impl Any + Send + Sync,
    ) -> Result<Buffer<T>> {
        let shared = self.shared();
        shared.engine.check_open()?;
        let bytes = byte_len::<T>(len, "device memory")? as u64;
        if !address.is_multiple_of(align_of::<T>() as u64) {
            let align = align_of::<T>();
            return Err(Error::invalid(format!("{address:#x} is no multiple of {align}, as the elements ask for")));
        }
        backend(shared)?.check_foreign_memory(address, bytes)?;
        let block = shared.adopt(address, bytes, Box::new(owner))?;
        Ok(Buffer::new(Memory::new(Arc::clone(shared), block), len))
    }
}

impl Stream {
    /// Lets everything enqueued from now on run after everything that `stream`, a `CUstream`, holds now. The GPU waits; nobody
    /// else does.
    ///
    /// # Safety
    ///
    /// `stream` is a stream of the device's context; NULL is its default stream.
    pub unsafe fn wait_for_cuda_stream(&self, stream: *mut c_void) -> Result<Completion> {
        Ok(self.foreign(ForeignOrder::AfterStream(stream.expose_provenance()))?.1)
    }

    /// Lets everything enqueued from now on run after what `event`, a `CUevent`, was last recorded behind. Returns when the GPU
    /// has been told, so that the event may be used again: work of this stream that still gathers is handed over.
    ///
    /// # Safety
    ///
    /// `event` is an event of the device's context, alive during the call.
    pub unsafe fn wait_for_cuda_event(&self, event: *mut c_void) -> Result<Completion> {
        let (step, completion) = self.foreign(ForeignOrder::AfterEvent(event.expose_provenance()))?;
        self.until_made(&step, &completion)?;
        Ok(completion)
    }

    /// Records `event`, a `CUevent`, behind everything enqueued so far. Returns when the record is in place, so that others may
    /// wait for it.
    ///
    /// # Safety
    ///
    /// `event` is an event of the device's context, alive during the call.
    pub unsafe fn record_cuda_event(&self, event: *mut c_void) -> Result<Completion> {
        let (step, completion) = self.foreign(ForeignOrder::Record(event.expose_provenance()))?;
        self.until_made(&step, &completion)?;
        Ok(completion)
    }

    /// Lets everything that the program puts into `stream`, a `CUstream`, from now on run after everything enqueued here so far.
    /// Returns when the GPU has been told; the work itself is not waited for.
    ///
    /// # Safety
    ///
    /// `stream` is a stream of the device's context, alive during the call; NULL is its default stream.
    pub unsafe fn let_cuda_stream_wait(&self, stream: *mut c_void) -> Result<Completion> {
        let (step, completion) = self.foreign(ForeignOrder::BeforeStream(stream.expose_provenance()))?;
        self.until_made(&step, &completion)?;
        Ok(completion)
    }

    fn foreign(&self, order: ForeignOrder) -> Result<(Arc<ForeignStep>, Completion)> {
        let step = Arc::new(backend(&self.inner.device)?.foreign_step(order)?);
        loop {
            match self.try_accept(Request::foreign(OpKind::Foreign(step.clone()))) {
                Ok(completion) => return Ok((step, completion)),
                Err(TryError::Failed(error)) => return Err(error),
                Err(TryError::Full { .. }) => {
                    // Foreign programs call from plain threads: room is waited for here.
                    self.inner.core.engine.flush_everything();
                    std::thread::sleep(LOOK);
                }
            }
        }
    }

    fn until_made(&self, step: &ForeignStep, completion: &Completion) -> Result<()> {
        while !step.is_made() {
            if let Some(outcome) = completion.outcome() {
                return outcome;
            }
            self.flush();
            if !step.is_made() {
                std::thread::sleep(LOOK);
            }
        }
        Ok(())
    }
}
