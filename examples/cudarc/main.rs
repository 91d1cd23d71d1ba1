//! A program that computes with cudarc, and hands its many small launches to dxgrt: one context, and memory, streams and events
//! that pass to and fro without a copy and without a wait of the host. Every result is checked.
//!
//!     cargo run --release -p dxg-examples --features cudarc --example cudarc
//!     cargo run --release -p dxg-examples --features cudarc --example cudarc -- --gpu 1
//!
//! Both look for libcuda by themselves, dxgrt in WSL's folder first, and must find the same one: cudarc asks the loader
//! (`LD_LIBRARY_PATH`), dxgrt also takes the variable `DXGRT_CUDA_LIBRARY`.

use std::ffi::c_void;
use std::mem::ManuallyDrop;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use cudarc::driver::{CudaContext, CudaFunction, CudaSlice, CudaStream, DevicePtr, LaunchConfig, PushKernelArg};
use cudarc::nvrtc::Ptx;
use dxg_examples::{Outcome, block_on, finish};
use dxg_runtime::{Buffer, Device, Grid, Kernel, ModuleSource, args};

/// The kernels of `requests`: `scale` and `shift` of `(x, y, number, length)`, over any grid.
const KERNELS: &str = include_str!("../requests/kernels.ptx");

/// Small launches, and the numbers that each of them computes.
const PARTS: usize = 256;
const PART: usize = 250;
const LEN: usize = PARTS * PART;

/// Share a GPU between cudarc and dxgrt
#[derive(Parser)]
#[command(name = "cudarc", version)]
struct Arguments {
    /// Number of the GPU
    #[arg(long, default_value_t = 0)]
    gpu: u32,
}

fn main() -> ExitCode {
    finish(Arguments::parse().run())
}

impl Arguments {
    fn run(&self) -> Outcome<()> {
        // First, because it says what is missing where there is no GPU.
        let device = Device::open(&format!("cuda:{}", self.gpu))?;
        // SAFETY: needed because looking for the library loads it: it is the driver, which dxgrt has loaded just now.
        if !unsafe { cudarc::driver::sys::is_culib_present() } {
            return Err("dxgrt has found libcuda, and cudarc has not: it asks the loader, so name its folder in LD_LIBRARY_PATH".into());
        }
        println!("{} on {}", device.info().name, device.info().selector);

        // cudarc uses the GPU's primary context, and so does a device that is opened by its number.
        let context = CudaContext::new(self.gpu as usize)?;
        if device.cuda_context()? != context.cu_ctx().cast::<c_void>() {
            return Err("cudarc and dxgrt have loaded two different libcuda".into());
        }
        println!("the primary context, which both have");
        block_on(share(&context, &device))?;
        drop(device);

        // A context of one's own is passed on; dxgrt keeps it as long as it needs it.
        let context = CudaContext::new_non_primary(self.gpu as usize, 0)?;
        let handle = context.cu_ctx().cast::<c_void>();
        // SAFETY: needed because the context is foreign: it lives as long as its owner, which is passed on with it.
        let device = unsafe { Device::builder().cuda_context(handle, Arc::clone(&context)) }.open()?;
        println!("a context that cudarc has made");
        block_on(share(&context, &device))
    }
}

/// Both directions.
async fn share(context: &Arc<CudaContext>, device: &Device) -> Outcome<()> {
    let theirs = Theirs::new(context)?;
    // SAFETY: needed because PTX is foreign code: these kernels stay inside of the buffers whose length they are told.
    let module = device.load(&unsafe { ModuleSource::new().ptx_unchecked(KERNELS) })?;
    let shift = module.kernel("shift")?;
    memory_of_cudarc(&theirs, device, &shift).await?;
    memory_of_dxgrt(&theirs, device, &shift).await
}

/// What cudarc computes with.
struct Theirs {
    stream: Arc<CudaStream>,
    scale: CudaFunction,
}

impl Theirs {
    fn new(context: &Arc<CudaContext>) -> Outcome<Theirs> {
        let module = context.load_module(Ptx::from_src(KERNELS))?;
        Ok(Theirs { stream: context.new_stream()?, scale: module.load_function("scale")? })
    }

    /// Enqueues `y = factor * x`.
    fn scale(&self, x: &CudaSlice<f32>, y: &mut CudaSlice<f32>, factor: f32) -> Outcome<()> {
        let len = x.len() as u32;
        let mut launch = self.stream.launch_builder(&self.scale);
        // SAFETY: needed because kernels are foreign code: the arguments are those of `scale`, and both slices have `len` numbers.
        unsafe { launch.arg(x).arg(y).arg(&factor).arg(&len).launch(LaunchConfig::for_num_elems(len)) }?;
        Ok(())
    }

    fn handle(&self) -> *mut c_void {
        self.stream.cu_stream().cast()
    }
}

/// cudarc doubles, dxgrt adds one to each part in a launch of its own, cudarc takes the result times ten.
async fn memory_of_cudarc(theirs: &Theirs, device: &Device, shift: &Kernel) -> Outcome<()> {
    let input: Vec<f32> = (0..LEN).map(|i| (i % 1000) as f32).collect();
    let mut x = theirs.stream.clone_htod(&input)?;
    let mut y = theirs.stream.alloc_zeros::<f32>(LEN)?;
    theirs.scale(&x, &mut y, 2.0)?;

    let y = Arc::new(y);
    let shared = import(theirs, device, &y)?;
    let before = device.stats();
    let streams = (0..8).map(|_| device.stream()).collect::<Result<Vec<_>, _>>()?;
    for stream in &streams {
        // SAFETY: needed because the stream is foreign: it is one of the device's context, and alive.
        unsafe { stream.wait_for_cuda_stream(theirs.handle()) }?;
    }
    for (part, stream) in (0..PARTS).zip(streams.iter().cycle()) {
        let part = shared.slice(part * PART..(part + 1) * PART)?;
        let arguments = args![part.read(), part.write(), 1.0f32, PART as u32];
        stream.launch(shift, Grid::covering(PART, 128), arguments).await?;
    }
    for stream in &streams {
        // SAFETY: as above.
        unsafe { stream.let_cuda_stream_wait(theirs.handle()) }?;
    }
    let done = device.stats().since(&before);

    // Nothing was waited for up to here; what follows is behind all of it, on cudarc's stream.
    theirs.scale(&y, &mut x, 10.0)?;
    let found = theirs.stream.clone_dtoh(&x)?;
    theirs.stream.synchronize()?;
    let expected: Vec<f32> = input.iter().map(|number| (number * 2.0 + 1.0) * 10.0).collect();
    same("memory of cudarc", &found, &expected)?;
    println!(
        "  memory of cudarc: {} launches of dxgrt in {} submissions between two of cudarc",
        done.launches, done.submissions
    );
    Ok(())
}

/// dxgrt fills and adds one, cudarc doubles, dxgrt reads.
async fn memory_of_dxgrt(theirs: &Theirs, device: &Device, shift: &Kernel) -> Outcome<()> {
    let (stream, x, y) = (device.stream()?, device.alloc::<f32>(LEN)?, device.alloc::<f32>(LEN)?);
    stream.fill(&x, 3.0f32).await?;
    stream.launch(shift, Grid::covering(LEN, 128), args![x.read(), x.read_write(), 1.0f32, LEN as u32]).await?;

    let event = theirs.stream.context().new_event(None)?;
    let handle = event.cu_event().cast::<c_void>();
    // SAFETY: needed because the event is foreign: it is one of the device's context, and alive.
    unsafe { stream.record_cuda_event(handle) }?;
    theirs.stream.wait(&event)?;
    let (from, mut to) = (lend(theirs, &x), lend(theirs, &y));
    theirs.scale(&from, &mut to, 2.0)?;
    event.record(&theirs.stream)?;
    // SAFETY: as above.
    unsafe { stream.wait_for_cuda_event(handle) }?;
    take_back(from);
    take_back(to);

    let found = stream.copy_out(&y).await?.await?;
    same("memory of dxgrt", &found, &[8.0; LEN])?;
    println!("  memory of dxgrt: filled by dxgrt, doubled by cudarc, read by dxgrt");
    Ok(())
}

/// A slice of cudarc's as a buffer. The slice lives until dxgrt is through with it.
fn import(theirs: &Theirs, device: &Device, slice: &Arc<CudaSlice<f32>>) -> Outcome<Buffer<f32>> {
    let (address, _recorded) = slice.device_ptr(&theirs.stream);
    // SAFETY: needed because the memory is foreign: it is freed with the slice, which the buffer holds.
    Ok(unsafe { device.import_cuda(address, slice.len(), Arc::clone(slice)) }?)
}

/// A buffer of dxgrt's as a slice, which does not free it.
fn lend(theirs: &Theirs, buffer: &Buffer<f32>) -> ManuallyDrop<CudaSlice<f32>> {
    // SAFETY: needed because cudarc cannot know the memory: it is the buffer's, with as many numbers, and outlives the work.
    ManuallyDrop::new(unsafe { theirs.stream.upgrade_device_ptr(buffer.address(), buffer.len()) })
}

/// Ends a slice that was lent, but for its memory, which is the buffer's.
fn take_back(lent: ManuallyDrop<CudaSlice<f32>>) {
    let _address = ManuallyDrop::into_inner(lent).leak();
}

fn same(what: &str, found: &[f32], expected: &[f32]) -> Outcome<()> {
    match found.iter().zip(expected).position(|(found, expected)| found != expected) {
        None if found.len() == expected.len() => Ok(()),
        None => Err(format!("{what}: {} numbers in place of {}", found.len(), expected.len()).into()),
        Some(at) => Err(format!("{what}: number {at} is {}, not {}", found[at], expected[at]).into()),
    }
}
