//! Passes of 1,024 launches over 64 streams, each pass awaited, with or without a recorded timeline: what `.ci/callgrind` compares.
//!
//!     cargo run --release -p dxg-runtime --example recorded -- 10 recording

use std::process::ExitCode;

use dxg_runtime::{Device, ModuleSource, Parameters, RustKernel, args};

const LAUNCHES: usize = 1024;
const STREAMS: usize = 64;

fn run(passes: usize, records: bool) -> Result<u64, Box<dyn std::error::Error>> {
    let device = Device::builder().selector("software").parameters(Parameters::zero()).open()?;
    let body = RustKernel::new("add_one").write::<f32>().body(|block| {
        block.write::<f32>(0)?.iter_mut().for_each(|value| *value += 1.0);
        Ok(())
    });
    let kernel = device.load(&ModuleSource::new().rust([body]))?.kernel("add_one")?;
    let lanes = (0..STREAMS).map(|_| Ok((device.stream()?, device.alloc::<f32>(16)?)));
    let lanes = lanes.collect::<Result<Vec<_>, dxg_runtime::Error>>()?;
    let recording = if records { Some(device.record_timeline()?) } else { None };
    for _ in 0..passes {
        for launch in 0..LAUNCHES {
            let (stream, x) = &lanes[launch % STREAMS];
            stream.try_launch(&kernel, 1, args![x.read_write()])?;
        }
        for (stream, _) in &lanes {
            stream.last().wait()?;
        }
    }
    let launches = device.stats().launches;
    // Drawing is not what is compared.
    drop(recording);
    Ok(launches)
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let records = match arguments.get(1).map(String::as_str) {
        None => false,
        Some("recording") => true,
        Some(_) => return usage(),
    };
    let Some(passes) = arguments.first().and_then(|text| text.parse().ok()) else { return usage() };
    match run(passes, records) {
        Ok(launches) => {
            println!("{launches}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: recorded PASSES [recording]");
    ExitCode::from(2)
}
