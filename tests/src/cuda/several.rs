//! Several GPUs in one process: each a device of its own, and nothing of the one is taken for the other's.

use dxg_runtime::{Device, args};

use super::driver::Driver;
use super::order::same_work;
use super::{Outcome, Random, Target, Verdict, load, same};

/// Opens all GPUs at once, works on all of them at the same time, and passes data on from each to the next.
pub fn all(target: &Target) -> Outcome<Verdict> {
    let driver = Driver::load(target.library.as_deref())?;
    let gpus = driver.gpus()?;
    if gpus < 2 {
        return Ok(Verdict::Skipped(format!("the driver shows {gpus} GPU, and this takes two or more")));
    }
    let open = |gpu| Target { selector: format!("cuda:{gpu}"), ..target.clone() }.open();
    let devices = (0..gpus).map(open).collect::<Outcome<Vec<Device>>>()?;
    std::thread::scope(|scope| {
        let work: Vec<_> = devices.iter().map(|device| scope.spawn(|| same_work(device))).collect();
        work.into_iter().zip(&devices).try_for_each(|(thread, device)| {
            let outcome = thread.join().map_err(|_| "panicked")?;
            outcome.map_err(|error| format!("{}, beside the others: {error}", device.info().selector).into())
        })
    })
    .map_err(|error: Box<dyn std::error::Error + Send + Sync>| error)?;
    around(&devices)?;
    mistaken(&driver, &devices[0], &devices[1])?;
    let names = devices.iter().map(|device| format!("{}: {}", device.info().selector, device.info().name));
    Ok(Verdict::Holds(names.collect()))
}

/// Numbers that every GPU adds one to, by way of the host.
fn around(devices: &[Device]) -> Outcome {
    const LEN: usize = 300_000;
    let mut random = Random::new(8);
    let start: Vec<f32> = (0..LEN).map(|_| random.below(1 << 20) as f32).collect();
    let mut numbers = start.clone();
    for device in devices {
        let (kernel, stream) = (load(device, "axpy")?, device.stream()?);
        let (ones, x) = (device.alloc::<f32>(LEN)?, device.alloc::<f32>(LEN)?);
        stream.try_fill(&ones, 1.0f32)?;
        stream.try_copy_in(&x, numbers)?;
        let blocks = LEN.div_ceil(128) as u32;
        stream.try_launch(&kernel, (blocks, 128), args![1.0f32, ones.read(), x.read_write(), LEN as u32])?;
        numbers = stream.try_copy_out(&x)?.wait()?;
    }
    let expected: Vec<f32> = start.iter().map(|number| number + devices.len() as f32).collect();
    same("passed on from GPU to GPU", &numbers, &expected)
}

/// What belongs to one GPU is refused by the other, by name.
fn mistaken(driver: &Driver, first: &Device, second: &Device) -> Outcome {
    let refused = |what: &str, error: Option<String>, words: &[&str]| -> Outcome {
        let error = error.ok_or_else(|| format!("{what} was accepted"))?;
        match words.iter().find(|word| !error.contains(**word)) {
            Some(word) => Err(format!("{what}: `{word}` is missing in: {error}").into()),
            None => Ok(()),
        }
    };
    let (stream, kernel, foreign) = (first.stream()?, load(first, "axpy")?, second.alloc::<f32>(64)?);
    let names = [first.info().selector.to_string(), second.info().selector.to_string()];
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let arguments = args![1.0f32, foreign.read(), foreign.read_write(), 64u32];
    let launch = stream.try_launch(&kernel, (1, 64), arguments).err().map(|error| error.to_string());
    refused("a launch on memory of another GPU", launch, &names)?;
    let fill = stream.try_fill(&foreign, 1.0f32).err().map(|error| error.to_string());
    refused("a fill of memory of another GPU", fill, &names)?;
    let mut program = driver.primary(second.info().selector.index())?;
    let address = program.memory(4096)?;
    // SAFETY: needed because the memory is foreign; it is there until the program ends, and is refused.
    let import = unsafe { first.import_cuda::<f32>(address, 64, ()) }.err().map(|error| error.to_string());
    refused("an import of another GPU's memory", import, &[names[1]])?;
    // SAFETY: needed because the memory is foreign; it is there until the program ends.
    let right = unsafe { second.import_cuda::<f32>(address, 64, ()) }?;
    let stream = second.stream()?;
    stream.try_fill(&right, 3.0f32)?;
    same("its own GPU's memory", &stream.try_copy_out(&right)?.wait()?, &[3.0; 64])?;
    drop(right);
    program.end()
}
