//! Launches through the public API, so many passes of 1,024 over 64 streams, each pass flushed and awaited: what
//! `.ci/callgrind` counts. The kernel does next to nothing, so the count is the path's.
//!
//!     cargo run --release -p dxg-runtime --example launch-path -- 10 [prepared]

use std::process::ExitCode;

use dxg_runtime::{Buffer, Device, ModuleSource, Parameters, Result, RustKernel, args};

/// Launches of one pass.
const LAUNCHES: usize = 1024;
/// Streams that they go to in turn, each with a buffer of its own.
const STREAMS: usize = 64;
/// Passes before those that are asked for: tables and recycled memory grow to their size.
const WARM_UP: usize = 20;

fn main() -> ExitCode {
    let Some(passes) = std::env::args().nth(1).and_then(|text| text.parse::<usize>().ok()) else {
        eprintln!("usage: launch-path PASSES [prepared]");
        return ExitCode::from(2);
    };
    let prepared = std::env::args().nth(2).is_some_and(|way| way == "prepared");
    match futures::executor::block_on(run(WARM_UP + passes, prepared)) {
        Ok(()) => {
            println!("{}", passes * LAUNCHES);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(passes: usize, prepared: bool) -> Result<()> {
    let device = Device::builder().selector("software").parameters(Parameters::zero()).open()?;
    let body = RustKernel::new("axpy").scalar::<f32>().read::<f32>().write::<f32>().body(|block| {
        block.write::<f32>(2)?[0] += block.scalar::<f32>(0)? * block.read::<f32>(1)?[0];
        Ok(())
    });
    let kernel = device.load(&ModuleSource::new().rust([body]))?.kernel("axpy")?;
    let x = device.alloc::<f32>(256)?;
    let lanes = (0..STREAMS).map(|_| Ok((device.stream()?, device.alloc::<f32>(256)?))).collect::<Result<Vec<_>>>()?;
    device.stream()?.fill(&x, 1.0f32).await?.await?;
    for (stream, y) in &lanes {
        stream.fill(y, 0.0f32).await?.await?;
    }
    let arguments = |y| args![1.0f32, x.read(), Buffer::read_write(y)];
    let ready = lanes.iter().map(|(_, y)| device.prepare(&kernel, 1, arguments(y))).collect::<Result<Vec<_>>>()?;
    for _ in 0..passes {
        for launch in 0..LAUNCHES {
            let (stream, y) = &lanes[launch % STREAMS];
            match prepared {
                true => stream.enqueue(&ready[launch % STREAMS]).await?,
                false => stream.launch(&kernel, 1, arguments(y)).await?,
            };
        }
        device.flush();
        for (stream, _) in &lanes {
            stream.last().await?;
        }
    }
    let expected = (passes * LAUNCHES / STREAMS) as f32;
    for (stream, y) in &lanes {
        let values = stream.copy_out(y).await?.await?;
        assert_eq!(values[0], expected, "every launch ran once");
    }
    Ok(())
}
