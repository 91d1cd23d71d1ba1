//! Devices, kernels and small helpers of the tests.

use dxg_runtime::{Device, Kernel, KernelError, ModuleSource, Parameters, Policy, RustKernel};

/// A device without modelled time.
pub fn device() -> Device {
    Device::builder().selector("software").parameters(Parameters::zero()).policy(Policy::Adaptive).open().unwrap()
}

/// A device with the default costs, where work is in flight for a while.
pub fn slow_device() -> Device {
    Device::builder().selector("software").policy(Policy::Adaptive).open().unwrap()
}

/// Runs a future on this thread.
pub fn block_on<F: Future>(future: F) -> F::Output {
    futures::executor::block_on(future)
}

/// The kernels of the tests, loaded.
pub struct Kernels {
    /// `add(a: u32, x: &[u32], y: &mut [u32])`: y += a + x.
    pub add: Kernel,
    /// `bump(y: &mut [u32])`: y += 1.
    pub bump: Kernel,
    /// `double(y: &mut [u32])`: y *= 2.
    pub double: Kernel,
    /// `fails(y: &mut [u32])`: returns an error.
    pub fails: Kernel,
    /// `panics(y: &mut [u32])`: panics.
    pub panics: Kernel,
    /// `nap(ms: u32)`: takes a while.
    pub nap: Kernel,
    /// `nothing()`.
    pub nothing: Kernel,
}

pub fn source() -> ModuleSource {
    let add = RustKernel::new("add").scalar::<u32>().read::<u32>().write::<u32>().body(|cx| {
        let (a, x, y) = (cx.scalar::<u32>(0)?, cx.read::<u32>(1)?, cx.write::<u32>(2)?);
        let start = cx.chunk_start(2)?;
        for (y, x) in y.iter_mut().zip(&x[start..]) {
            *y = y.wrapping_add(a).wrapping_add(*x);
        }
        Ok(())
    });
    let bump = RustKernel::new("bump").write::<u32>().body(|cx| {
        cx.write::<u32>(0)?.iter_mut().for_each(|y| *y = y.wrapping_add(1));
        Ok(())
    });
    let double = RustKernel::new("double").write::<u32>().body(|cx| {
        cx.write::<u32>(0)?.iter_mut().for_each(|y| *y = y.wrapping_mul(2));
        Ok(())
    });
    let fails =
        RustKernel::new("fails").write::<u32>().body(|_| Err(KernelError::Failed("the numbers do not add up".into())));
    let panics = RustKernel::new("panics").write::<u32>().body(|_| panic!("the kernel panicked on purpose"));
    let nap = RustKernel::new("nap").scalar::<u32>().body(|cx| {
        std::thread::sleep(std::time::Duration::from_millis(cx.scalar::<u32>(0)?.into()));
        Ok(())
    });
    let nothing = RustKernel::new("nothing").body(|_| Ok(()));
    ModuleSource::new().rust([add, bump, double, fails, panics, nap, nothing])
}

pub fn kernels(device: &Device) -> Kernels {
    let module = device.load(&source()).unwrap();
    let kernel = |name: &str| module.kernel(name).unwrap();
    Kernels {
        add: kernel("add"),
        bump: kernel("bump"),
        double: kernel("double"),
        fails: kernel("fails"),
        panics: kernel("panics"),
        nap: kernel("nap"),
        nothing: kernel("nothing"),
    }
}
