//! What a program does with the driver by hand: the peers of `dxgrt bench --device cuda`. No part of the API.
//!
//! Plain calls on the primary context, beside which the runtime lives. One thread uses a peer.

use std::ffi::{CString, c_int, c_uint, c_void};
use std::path::PathBuf;
use std::ptr;
use std::sync::Arc;

use super::context::{Context, Place};
use super::library::Refusal;
use super::memory::MemorySource;
use super::module::{Image, load_image};
use super::sys::{self, status};
use crate::backend::{DeviceChunk, HostChunk};
use crate::error::{Error, Result};
use crate::selector::{DeviceKind, Selector};

type Graph = *mut c_void;

/// Entry points that only peers use.
struct GraphCalls {
    begin: unsafe extern "C" fn(sys::Stream, c_int) -> sys::Status,
    end: unsafe extern "C" fn(sys::Stream, *mut Graph) -> sys::Status,
    instantiate: unsafe extern "C" fn(*mut Graph, Graph, u64) -> sys::Status,
    launch: unsafe extern "C" fn(Graph, sys::Stream) -> sys::Status,
    destroy: unsafe extern "C" fn(Graph) -> sys::Status,
    destroy_exec: unsafe extern "C" fn(Graph) -> sys::Status,
}

/// The driver, used by hand.
pub struct Peer {
    graphs: Option<GraphCalls>,
    streams: Vec<sys::Stream>,
    image: Image,
    memory: MemorySource,
    context: Arc<Context>,
}

/// A kernel of the peer.
#[derive(Clone, Copy)]
pub struct PeerKernel(sys::Function);

/// Some device memory.
pub struct PeerMemory {
    chunk: DeviceChunk,
}

/// Some pinned host memory.
pub struct PeerHost {
    chunk: HostChunk,
}

/// Launches captured once.
pub struct PeerGraph<'a> {
    peer: &'a Peer,
    graph: Graph,
    exec: Graph,
}

impl PeerMemory {
    /// Its first byte.
    pub fn address(&self) -> u64 {
        self.chunk.address
    }
}

impl PeerHost {
    /// Its first byte, as the device sees it.
    pub fn address(&self) -> u64 {
        self.chunk.device_address
    }

    /// Its bytes. Only when the device does not use them.
    pub fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: needed because the memory is known by its address; the chunk owns `len` bytes, which are initialised, and is
        // borrowed. That the device is through with them is what callers wait for.
        unsafe { std::slice::from_raw_parts_mut(self.chunk.ptr.as_ptr(), self.chunk.len) }
    }
}

impl Peer {
    /// Opens the GPU with this number, with so many streams and the kernels of a PTX text.
    pub fn open(index: u32, library: Option<PathBuf>, streams: usize, ptx: &str) -> Result<Peer> {
        let context = Arc::new(Context::open(Selector::new(DeviceKind::Cuda, index), &Place::Primary(index), library)?);
        let memory = MemorySource::new(context.clone(), 1 << 32);
        let image = load_image(&context, ptx.as_bytes()).map_err(|error| error.of("PTX"))?;
        let api = &context.driver.api;
        // SAFETY: needed because symbols have no types; these are cuda.h's.
        let graphs = unsafe {
            (|| {
                Some(GraphCalls {
                    begin: api.symbol(b"cuStreamBeginCapture_v2\0")?,
                    end: api.symbol(b"cuStreamEndCapture\0")?,
                    instantiate: api.symbol(b"cuGraphInstantiateWithFlags\0")?,
                    launch: api.symbol(b"cuGraphLaunch\0")?,
                    destroy: api.symbol(b"cuGraphDestroy\0")?,
                    destroy_exec: api.symbol(b"cuGraphExecDestroy\0")?,
                })
            })()
        };
        let mut peer = Peer { graphs, streams: Vec::new(), image, memory, context };
        peer.enter()?;
        for _ in 0..streams.max(1) {
            let mut stream = ptr::null_mut();
            // SAFETY: needed to call the driver; it writes one handle.
            let found = unsafe { (peer.context.driver.api.stream_create)(&mut stream, sys::STREAM_NON_BLOCKING, 0) };
            peer.check("cuStreamCreateWithPriority", found)?;
            peer.streams.push(stream);
        }
        Ok(peer)
    }

    /// Makes the context that of this thread, and leaves it so, as programs do.
    pub fn enter(&self) -> Result<()> {
        std::mem::forget(self.context.enter().map_err(|refusal| refusal.of("cuCtxPushCurrent"))?);
        Ok(())
    }

    fn check(&self, call: &'static str, found: sys::Status) -> Result<()> {
        self.context.check(found).map_err(|refusal: Refusal| refusal.of(call))
    }

    /// Streams there are.
    pub fn streams(&self) -> usize {
        self.streams.len()
    }

    /// A kernel by its name.
    pub fn kernel(&self, name: &str) -> Result<PeerKernel> {
        let _valid = CString::new(name).map_err(|_| Error::invalid("a kernel's name has no NUL"))?;
        self.image.function(name).map(PeerKernel).map_err(|refusal| refusal.of("cuModuleGetFunction"))
    }

    /// Device memory.
    pub fn allocate(&self, bytes: u64) -> Result<PeerMemory> {
        Ok(PeerMemory { chunk: self.memory.allocate_device(bytes)? })
    }

    /// Pinned host memory.
    pub fn host(&self, bytes: usize) -> Result<PeerHost> {
        Ok(PeerHost { chunk: self.memory.allocate_host(bytes)? })
    }

    /// Launches, with arguments by pointers, as compilers write it.
    ///
    /// # Safety
    ///
    /// The arguments are those of the kernel, and what they point to is alive until the stream is through.
    #[inline]
    pub unsafe fn launch(
        &self,
        stream: usize,
        kernel: PeerKernel,
        grid: [u32; 3],
        block: [u32; 3],
        arguments: &mut [*mut c_void],
    ) -> Result<()> {
        // SAFETY: needed to call the driver; by the caller's promise.
        let found = unsafe {
            (self.context.driver.api.launch)(
                kernel.0,
                grid[0],
                grid[1],
                grid[2],
                block[0],
                block[1],
                block[2],
                0 as c_uint,
                self.streams[stream],
                arguments.as_mut_ptr(),
                ptr::null_mut(),
            )
        };
        if found == status::SUCCESS { Ok(()) } else { self.check("cuLaunchKernel", found) }
    }

    /// Copies between pinned and device memory.
    ///
    /// # Safety
    ///
    /// Both ranges are alive until the stream is through.
    #[inline]
    pub unsafe fn copy(&self, stream: usize, to: u64, from: u64, bytes: usize) -> Result<()> {
        // SAFETY: needed to call the driver; by the caller's promise.
        let found = unsafe { (self.context.driver.api.copy)(to, from, bytes, self.streams[stream]) };
        if found == status::SUCCESS { Ok(()) } else { self.check("cuMemcpyAsync", found) }
    }

    /// Waits for a stream.
    pub fn synchronize(&self, stream: usize) -> Result<()> {
        // SAFETY: needed to call the driver; the stream is alive.
        let found = unsafe { (self.context.driver.api.stream_synchronize)(self.streams[stream]) };
        self.check("cuStreamSynchronize", found)
    }

    /// Waits for all streams.
    pub fn synchronize_all(&self) -> Result<()> {
        (0..self.streams.len()).try_for_each(|stream| self.synchronize(stream))
    }

    /// Captures what `work` puts into stream 0.
    pub fn capture(&self, work: impl FnOnce() -> Result<()>) -> Result<PeerGraph<'_>> {
        let calls = self.graphs.as_ref().ok_or_else(|| Error::unsupported("this driver has no graphs"))?;
        let (mut graph, mut exec) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: needed to call the driver; 2 is the relaxed mode, and the calls write one handle each.
        unsafe {
            self.check("cuStreamBeginCapture", (calls.begin)(self.streams[0], 2))?;
            let worked = work();
            self.check("cuStreamEndCapture", (calls.end)(self.streams[0], &mut graph))?;
            worked?;
            self.check("cuGraphInstantiate", (calls.instantiate)(&mut exec, graph, 0))?;
        }
        Ok(PeerGraph { peer: self, graph, exec })
    }
}

impl PeerGraph<'_> {
    /// Launches it into stream 0.
    pub fn launch(&self) -> Result<()> {
        let Some(calls) = &self.peer.graphs else { return Ok(()) };
        // SAFETY: needed to call the driver; the graph is instantiated.
        let found = unsafe { (calls.launch)(self.exec, self.peer.streams[0]) };
        self.peer.check("cuGraphLaunch", found)
    }
}

impl Drop for PeerGraph<'_> {
    fn drop(&mut self) {
        if let Some(calls) = &self.peer.graphs {
            // SAFETY: needed to call the driver; both are alive, and not used after this.
            unsafe {
                let _destroyed = (calls.destroy_exec)(self.exec);
                let _destroyed = (calls.destroy)(self.graph);
            }
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        for &stream in &self.streams {
            // SAFETY: needed to call the driver; the stream is alive, and not used after this.
            let _destroyed = unsafe { (self.context.driver.api.stream_destroy)(stream) };
        }
    }
}
