//! Order, time, and the ends of things.

use std::time::{Duration, Instant};

use dxg_runtime::{Command, Device, Event, Graph, Limits, Patch, Policy, args};

use super::{Axpy, Outcome, Random, Target, load, same, settle};
use crate::block_on;

/// A number handed from stream to stream.
pub fn events(target: &Target) -> Outcome {
    let device = target.open()?;
    let kernel = load(&device, "axpy")?;
    let streams = (0..12).map(|_| device.stream()).collect::<Result<Vec<_>, _>>()?;
    let (one, y) = (device.alloc::<f32>(300)?, device.alloc::<f32>(300)?);
    block_on(async {
        streams[0].fill(&one, 1.0f32).await?;
        streams[0].fill(&y, 0.0f32).await?;
        let mut before = &streams[0];
        for turn in 0..200usize {
            let stream = &streams[turn * 7 % streams.len()];
            if !stream.is_same(before) {
                let event = Event::without_time(&device)?;
                before.record(&event).await?;
                stream.wait(&event).await?;
            }
            stream.launch(&kernel, (5, 64), args![1.0f32, one.read(), y.read_write(), 300u32]).await?;
            before = stream;
        }
        same("handed on", &before.copy_out(&y).await?.await?, &[200.0; 300])
    })
}

/// Copy in, three launches, copy out, by 64 tasks on streams of their own.
pub fn requests(target: &Target) -> Outcome {
    let device = target.open()?;
    let kernel = load(&device, "axpy")?;
    let (before, requests) = (device.stats(), if target.small { 8 } else { 60 });
    block_on(async {
        let mut tasks = Vec::new();
        for task in 0..64u32 {
            let (device, kernel) = (device.clone(), kernel.clone());
            tasks.push(tokio::spawn(async move { serve(&device, &kernel, task, requests).await }));
        }
        for task in tasks {
            task.await??;
        }
        Outcome::Ok(())
    })?;
    let after = device.stats();
    let (operations, submissions) = (after.operations - before.operations, after.submissions - before.submissions);
    if submissions * 3 > operations {
        return Err(format!("{operations} operations took {submissions} submissions").into());
    }
    Ok(())
}

async fn serve(device: &Device, kernel: &dxg_runtime::Kernel, task: u32, requests: u32) -> Outcome {
    let (stream, x, y) = (device.stream()?, device.alloc::<f32>(256)?, device.alloc::<f32>(256)?);
    for request in 0..requests {
        let input: Vec<f32> = (0..256).map(|i| (i * (task + 1) + request) as f32).collect();
        stream.copy_in(&x, input.as_slice()).await?;
        stream.fill(&y, 1.0f32).await?;
        for factor in [1.0f32, 2.0, 4.0] {
            stream.launch(kernel, (1, 256), args![factor, x.read(), y.read_write(), 256u32]).await?;
        }
        let expected: Vec<f32> = input.iter().map(|x| 1.0 + 7.0 * x).collect();
        same(&format!("request {request} of task {task}"), &stream.copy_out(&y).await?.await?, &expected)?;
    }
    Ok(())
}

/// Copies and launches of several streams, whose results are known.
pub(super) fn same_work(device: &Device) -> Outcome {
    let kernel = load(device, "axpy")?;
    let streams = (0..4).map(|_| device.stream()).collect::<Result<Vec<_>, _>>()?;
    let mut random = Random::new(6);
    let launches: Vec<Axpy> = (0..24).map(|_| Axpy::draw(&mut random, 700)).collect();
    block_on(async {
        let mut reads = Vec::new();
        for (index, launch) in launches.iter().enumerate() {
            reads.push(launch.run(device, &streams[index % streams.len()], &kernel).await?);
        }
        for (launch, read) in launches.iter().zip(reads) {
            same("axpy", &read.await?, &launch.expected())?;
        }
        Ok(())
    })
}

/// Batched, by count, one by one.
pub fn policies(target: &Target) -> Outcome {
    for policy in [Policy::Adaptive, Policy::Fixed(7), Policy::OneByOne, Policy::OneByOneSpin] {
        let device = target.builder().policy(policy).open()?;
        same_work(&device).map_err(|error| format!("{policy}: {error}"))?;
    }
    let small = Limits { batch_operations: 3, in_flight: 1, hardware_queues: 2, ..Limits::default() };
    same_work(&target.open_with(small)?).map_err(|error| format!("small limits: {error}").into())
}

/// Stream memory writes, the kernel, events.
pub fn fences(target: &Target) -> Outcome {
    for fence in ["best", "kernel", "event"] {
        for policy in [Policy::Adaptive, Policy::OneByOne, Policy::OneByOneSpin] {
            let device = target.builder().cuda_fence(fence).policy(policy).open()?;
            same_work(&device).map_err(|error| format!("fences by {fence}, {policy}: {error}"))?;
        }
    }
    Ok(())
}

/// The device's clock goes forward, and tells time that has passed.
pub fn times(target: &Target) -> Outcome {
    let device = target.open()?;
    let (stream, x) = (device.stream()?, device.alloc::<u8>(if target.small { 1 << 20 } else { 64 << 20 })?);
    block_on(async {
        let (first, second) = (Event::new(&device)?, Event::new(&device)?);
        let begun = Instant::now();
        stream.record(&first).await?;
        for _ in 0..3 {
            stream.fill(&x, 1u8).await?;
        }
        stream.record(&second).await?;
        second.synchronize().await?;
        let (elapsed, whole) = (second.elapsed(&first)?, begun.elapsed());
        if elapsed.is_zero() || elapsed > whole + Duration::from_millis(1) {
            return Err(format!("{elapsed:?} by the device's clock, and {whole:?} by the host's").into());
        }
        Ok(())
    })
}

/// A graph of launches with dependencies, other arguments in each launch of it.
pub fn graphs(target: &Target) -> Outcome {
    let device = target.open()?;
    let kernel = load(&device, "axpy")?;
    let (stream, one, y) = (device.stream()?, device.alloc::<f32>(256)?, device.alloc::<f32>(256)?);
    block_on(async {
        stream.fill(&one, 1.0f32).await?;
        stream.fill(&y, 0.0f32).await?;
        let mut builder = Graph::builder(&device);
        let launch =
            |factor: f32| Command::launch(&kernel, (1, 256), args![factor, one.read(), y.read_write(), 256u32]);
        let first = builder.in_order(launch(1.0))?;
        builder.in_order(launch(10.0))?;
        let graph = builder.build()?;
        let mut expected = 0.0;
        for turn in 0..20 {
            graph.launch(&stream, &[Patch::argument(first, 0, args![turn as f32])]).await?;
            expected += turn as f32 + 10.0;
        }
        same("graph", &stream.copy_out(&y).await?.await?, &[expected; 256])
    })
}

/// Waits that outlast every spin, on several queues.
pub fn sleeping(target: &Target) -> Outcome {
    let device = target.open()?;
    let streams = (0..4).map(|_| device.stream()).collect::<Result<Vec<_>, _>>()?;
    let bytes = if target.small { 2 << 20 } else { 48 << 20 };
    let buffers = (0..4).map(|_| device.alloc::<u8>(bytes)).collect::<Result<Vec<_>, _>>()?;
    for round in 0..5u8 {
        for (stream, buffer) in streams.iter().zip(&buffers) {
            for turn in 0..6 {
                stream.try_fill(buffer, round * 10 + turn)?;
            }
        }
        streams.iter().try_for_each(settle)?;
        std::thread::sleep(Duration::from_millis(8));
    }
    for (stream, buffer) in streams.iter().zip(&buffers) {
        same("filled", &stream.try_copy_out(buffer.slice(..1000)?)?.wait()?, &[45u8; 1000])?;
    }
    Ok(())
}

/// Handles go while the device works.
pub fn dropped(target: &Target) -> Outcome {
    for _ in 0..5 {
        let device = target.open()?;
        let kernel = load(&device, "axpy")?;
        for _ in 0..40 {
            let (stream, x) = (device.stream()?, device.alloc::<f32>(2_000)?);
            stream.try_copy_in(&x, vec![1.0f32; 2_000])?;
            stream.try_launch(&kernel, (20, 100), args![1.0f32, x.read(), x.read_write(), 2_000u32])?;
        }
        let (stream, y) = (device.stream()?, device.alloc::<f32>(8)?);
        stream.try_fill(&y, 3.0f32)?;
        let read = stream.try_copy_out(&y)?;
        drop((kernel, stream, y, device));
        same("read after everything is dropped", &read.wait()?, &[3.0; 8])?;
    }
    Ok(())
}
