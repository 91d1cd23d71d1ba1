//! What the end-to-end tests share: devices without modelled latencies, and kernels whose results are easy to predict.
#![deny(missing_docs)]

pub mod cuda;
pub mod goals;
pub mod hostile;
pub mod measure;
pub mod ptx;
pub mod puppet;
pub mod soak;
pub mod standard;

use std::future::Future;

use dxg_runtime::{Device, Kernel, ModuleSource, Parameters, Policy, Result, RustKernel};

/// The README's program, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;

/// Programs of the book, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../docs/src/kernels.md")]
#[doc = include_str!("../../docs/src/watching.md")]
pub struct Book;

/// A software adapter of its own, without modelled latencies, with this policy.
pub fn open(policy: Policy) -> Result<Device> {
    Device::builder().selector("software").parameters(Parameters::zero()).policy(policy).open()
}

/// As [`open`], batching.
pub fn device() -> Device {
    open(Policy::Adaptive).unwrap_or_else(|error| panic!("the software adapter opens anywhere: {error}"))
}

/// Runs a future on two worker threads.
pub fn block_on<T>(work: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(2).enable_all().build();
    runtime.unwrap_or_else(|error| panic!("no tokio runtime: {error}")).block_on(work)
}

/// The seed in `DXGRT_TEST_SEED`, else a new one each time; whoever uses it prints it, so that a failure can be repeated.
pub fn seed() -> u64 {
    let chosen = std::env::var("DXGRT_TEST_SEED").ok().and_then(|seed| seed.parse::<u64>().ok());
    chosen.unwrap_or_else(|| {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        since.as_nanos() as u64
    })
}

/// A configuration of proptest for so many cases, from the [`seed`].
pub fn proptest_config(cases: u32) -> proptest::test_runner::Config {
    let seed = seed();
    eprintln!("seed {seed} (DXGRT_TEST_SEED={seed} repeats this)");
    proptest::test_runner::Config {
        cases,
        rng_seed: proptest::test_runner::RngSeed::Fixed(seed),
        failure_persistence: None,
        ..Default::default()
    }
}

/// Kernels on `u32`, all of whose arithmetic wraps.
pub struct Kernels {
    /// `affine(x, y, a)`: y = y · a + x.
    pub affine: Kernel,
    /// `stir(y, k)`: y = y rotated left by 5, exclusive-or k + index.
    pub stir: Kernel,
    /// `broken(y)`: panics.
    pub broken: Kernel,
}

/// What `affine` computes of one element.
pub fn affine(x: u32, y: u32, a: u32) -> u32 {
    y.wrapping_mul(a).wrapping_add(x)
}

/// What `stir` computes of one element.
pub fn stir(y: u32, k: u32, index: usize) -> u32 {
    y.rotate_left(5) ^ k.wrapping_add(index as u32)
}

impl Kernels {
    /// Loads them.
    pub fn load(device: &Device) -> Result<Kernels> {
        let module = device.load(&ModuleSource::new().rust(vec![
            RustKernel::new("affine").read::<u32>().write::<u32>().scalar::<u32>().body(|cx| {
                let (x, start, a) = (cx.read::<u32>(0)?, cx.chunk_start(1)?, cx.scalar::<u32>(2)?);
                cx.write::<u32>(1)?.iter_mut().zip(&x[start..]).for_each(|(y, x)| *y = affine(*x, *y, a));
                Ok(())
            }),
            RustKernel::new("stir").write::<u32>().scalar::<u32>().body(|cx| {
                let (start, k) = (cx.chunk_start(0)?, cx.scalar::<u32>(1)?);
                cx.write::<u32>(0)?.iter_mut().enumerate().for_each(|(i, y)| *y = stir(*y, k, start + i));
                Ok(())
            }),
            RustKernel::new("broken").write::<u32>().body(|_| panic!("broken on purpose")),
        ]))?;
        Ok(Kernels { affine: module.kernel("affine")?, stir: module.kernel("stir")?, broken: module.kernel("broken")? })
    }
}
