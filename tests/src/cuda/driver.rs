//! The driver as another program of the process uses it: by hand, on handles that dxgrt did not make.

use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::path::Path;
use std::ptr;

use libloading::Library;

use super::{KERNELS, Outcome};

/// A `CUcontext`, `CUstream`, `CUevent` or `CUfunction`.
pub type Handle = *mut c_void;

/// Where it looks, as dxgrt does.
const WSL_LIBRARY: &str = "/usr/lib/wsl/lib/libcuda.so.1";

/// The driver's library.
pub struct Driver {
    library: Library,
}

/// A context that is current on the thread that made it, with what it is used for. One thread uses it.
pub struct Program<'a> {
    driver: &'a Driver,
    /// Its `CUcontext`.
    pub context: Handle,
    streams: Vec<Handle>,
    events: Vec<Handle>,
    memory: Vec<u64>,
    primary: Option<c_int>,
    ended: bool,
}

macro_rules! call {
    ($driver:expr, $name:literal ($($argument:expr => $kind:ty),*)) => {{
        // SAFETY: needed because symbols have no types; these are cuda.h's, and the arguments are those of the call: numbers,
        // handles that the driver gave, and pointers to locals for results.
        let status = unsafe {
            let symbol = $driver.library.get::<unsafe extern "C" fn($($kind),*) -> c_int>(concat!($name, "\0").as_bytes())?;
            symbol($($argument),*)
        };
        $driver.check($name, status)
    }};
}

impl Driver {
    /// Loads the library that dxgrt would load, or this one.
    pub fn load(library: Option<&Path>) -> Outcome<Driver> {
        let (named, wsl) =
            (std::env::var_os("DXGRT_CUDA_LIBRARY").filter(|path| !path.is_empty()), Path::new(WSL_LIBRARY));
        let path = match library.or(named.as_deref().map(Path::new)) {
            Some(path) => path,
            None if wsl.exists() => wsl,
            None => Path::new("libcuda.so.1"),
        };
        // SAFETY: needed because loading a library runs its initialisers: this is the driver that the device is opened with.
        let library = unsafe { Library::new(path) }?;
        let driver = Driver { library };
        call!(driver, "cuInit"(0 => c_uint))?;
        Ok(driver)
    }

    fn check(&self, call: &str, status: c_int) -> Outcome {
        if status == 0 {
            return Ok(());
        }
        let mut name: *const c_char = ptr::null();
        // SAFETY: needed because symbols have no types; the driver gives a static string, or NULL.
        let name = unsafe {
            self.library.get::<unsafe extern "C" fn(c_int, *mut *const c_char) -> c_int>(b"cuGetErrorName\0")?(
                status, &mut name,
            );
            if name.is_null() { "no error that it knows".into() } else { CStr::from_ptr(name).to_string_lossy() }
        };
        Err(format!("{call} answers {status} ({name})").into())
    }

    /// GPUs there are.
    pub fn gpus(&self) -> Outcome<u32> {
        let mut count = 0;
        call!(self, "cuDeviceGetCount"(&mut count => *mut c_int))?;
        Ok(u32::try_from(count)?)
    }

    /// The context that is current on this thread.
    pub fn current(&self) -> Outcome<Handle> {
        let mut context = ptr::null_mut();
        call!(self, "cuCtxGetCurrent"(&mut context => *mut Handle))?;
        Ok(context)
    }

    /// Takes the current context off this thread.
    pub fn pop(&self) -> Outcome {
        let mut context = ptr::null_mut();
        call!(self, "cuCtxPopCurrent_v2"(&mut context => *mut Handle))
    }

    fn push(&self, context: Handle) -> Outcome {
        call!(self, "cuCtxPushCurrent_v2"(context => Handle))
    }

    /// A context of one's own on a GPU.
    pub fn own(&self, gpu: u32) -> Outcome<Program<'_>> {
        let mut context = ptr::null_mut();
        call!(self, "cuCtxCreate_v2"(&mut context => *mut Handle, 0 => c_uint, gpu as c_int => c_int))?;
        Ok(Program::new(self, context, None))
    }

    /// The primary context of a GPU, as the CUDA runtime, cudarc and PyTorch use it.
    pub fn primary(&self, gpu: u32) -> Outcome<Program<'_>> {
        let (mut context, gpu) = (ptr::null_mut(), gpu as c_int);
        call!(self, "cuDevicePrimaryCtxRetain"(&mut context => *mut Handle, gpu => c_int))?;
        self.push(context)?;
        Ok(Program::new(self, context, Some(gpu)))
    }
}

impl<'a> Program<'a> {
    fn new(driver: &'a Driver, context: Handle, primary: Option<c_int>) -> Self {
        Program { driver, context, streams: Vec::new(), events: Vec::new(), memory: Vec::new(), primary, ended: false }
    }

    /// A stream that waits for no other by itself.
    pub fn stream(&mut self) -> Outcome<Handle> {
        let mut stream = ptr::null_mut();
        call!(self.driver, "cuStreamCreateWithPriority"(&mut stream => *mut Handle, 1 => c_uint, 0 => c_int))?;
        self.streams.push(stream);
        Ok(stream)
    }

    /// An event without time.
    pub fn event(&mut self) -> Outcome<Handle> {
        let mut event = ptr::null_mut();
        call!(self.driver, "cuEventCreate"(&mut event => *mut Handle, 2 => c_uint))?;
        self.events.push(event);
        Ok(event)
    }

    /// Device memory, until the program is dropped.
    pub fn memory(&mut self, bytes: usize) -> Outcome<u64> {
        let mut address = 0;
        call!(self.driver, "cuMemAlloc_v2"(&mut address => *mut u64, bytes => usize))?;
        self.memory.push(address);
        Ok(address)
    }

    /// Fills words of device memory, in a stream.
    pub fn fill(&self, stream: Handle, address: u64, word: u32, count: usize) -> Outcome {
        call!(self.driver, "cuMemsetD32Async"(address => u64, word => c_uint, count => usize, stream => Handle))
    }

    /// Reads words of device memory, behind what the stream holds.
    pub fn read(&self, stream: Handle, address: u64, count: usize) -> Outcome<Vec<u32>> {
        let mut words = vec![0u32; count];
        let to = words.as_mut_ptr().cast::<c_void>();
        call!(self.driver, "cuMemcpyDtoHAsync_v2"(to => Handle, address => u64, count * 4 => usize, stream => Handle))?;
        self.synchronize(stream)?;
        Ok(words)
    }

    /// Records an event in a stream.
    pub fn record(&self, event: Handle, stream: Handle) -> Outcome {
        call!(self.driver, "cuEventRecord"(event => Handle, stream => Handle))
    }

    /// Lets a stream wait for an event.
    pub fn wait(&self, stream: Handle, event: Handle) -> Outcome {
        call!(self.driver, "cuStreamWaitEvent"(stream => Handle, event => Handle, 0 => c_uint))
    }

    /// Waits for a stream.
    pub fn synchronize(&self, stream: Handle) -> Outcome {
        call!(self.driver, "cuStreamSynchronize"(stream => Handle))
    }

    /// A kernel of the checks, loaded by the program itself. It stays loaded as long as the context.
    pub fn kernel(&self, name: &str) -> Outcome<Handle> {
        let (text, name) = (CString::new(KERNELS)?, CString::new(name)?);
        let (mut module, mut function) = (ptr::null_mut(), ptr::null_mut());
        call!(self.driver, "cuModuleLoadData"(&mut module => *mut Handle, text.as_ptr() => *const c_char))?;
        call!(self.driver, "cuModuleGetFunction"(&mut function => *mut Handle, module => Handle, name.as_ptr() => *const c_char))?;
        Ok(function)
    }

    /// Launches `axpy(a, x, y, n)` in a stream.
    pub fn axpy(&self, stream: Handle, axpy: Handle, mut a: f32, mut x: u64, mut y: u64, mut n: u32) -> Outcome {
        let mut arguments: [Handle; 4] =
            [(&raw mut a).cast(), (&raw mut x).cast(), (&raw mut y).cast(), (&raw mut n).cast()];
        let (blocks, none) = (n.div_ceil(128), ptr::null_mut::<Handle>());
        call!(self.driver, "cuLaunchKernel"(
            axpy => Handle, blocks => c_uint, 1 => c_uint, 1 => c_uint, 128 => c_uint, 1 => c_uint, 1 => c_uint,
            0 => c_uint, stream => Handle, arguments.as_mut_ptr() => *mut Handle, none => *mut Handle
        ))
    }

    /// Gives everything back, the context last.
    pub fn end(mut self) -> Outcome {
        self.ended = true;
        self.free()
    }

    fn free(&mut self) -> Outcome {
        for stream in self.streams.drain(..) {
            call!(self.driver, "cuStreamSynchronize"(stream => Handle))?;
            call!(self.driver, "cuStreamDestroy_v2"(stream => Handle))?;
        }
        for event in self.events.drain(..) {
            call!(self.driver, "cuEventDestroy_v2"(event => Handle))?;
        }
        for address in self.memory.drain(..) {
            call!(self.driver, "cuMemFree_v2"(address => u64))?;
        }
        match self.primary {
            Some(gpu) => {
                self.driver.pop()?;
                call!(self.driver, "cuDevicePrimaryCtxRelease_v2"(gpu => c_int))
            }
            None => call!(self.driver, "cuCtxDestroy_v2"(self.context => Handle)),
        }
    }
}

impl Drop for Program<'_> {
    fn drop(&mut self) {
        // Where a check has failed already; what it has to say goes first.
        if !self.ended
            && let Err(error) = self.free()
        {
            eprintln!("giving the program's CUDA objects back: {error}");
        }
    }
}
