//! Launches: merged as single, and what is refused.

use dxg_runtime::{Error, Grid, MergeSupport, args};

use super::{Axpy, Outcome, Random, Target, load, same};
use crate::block_on;

/// `axpy` over many lengths and block sizes at once, merged and not.
pub fn merged_equals_single(target: &Target) -> Outcome {
    let device = target.open()?;
    let merged = load(&device, "axpy")?;
    if merged.merge_support() != MergeSupport::Merged {
        return Err(format!("axpy is not merged: {}", merged.merge_support()).into());
    }
    let streams = (0..40).map(|_| device.stream()).collect::<Result<Vec<_>, _>>()?;
    let mut random = Random::new(4);
    let (rounds, largest) = if target.small { (3, 6_000) } else { (12, 300_000) };
    for round in 0..rounds {
        // Equal grids, then mixed ones, then some that fill the device by themselves.
        let most = [256, 3000, largest][round % 3];
        let launches: Vec<Axpy> = (0..120).map(|_| Axpy::draw(&mut random, most)).collect();
        for kernel in [&merged, &merged.unmerged()] {
            block_on(async {
                let mut reads = Vec::new();
                for (index, launch) in launches.iter().enumerate() {
                    reads.push(launch.run(&device, &streams[index % streams.len()], kernel).await?);
                }
                for (launch, read) in launches.iter().zip(reads) {
                    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
                    same("axpy", &bits(&read.await?), &bits(&launch.expected()))?;
                }
                Outcome::Ok(())
            })?;
        }
    }
    Ok(())
}

/// Random grids in three dimensions.
pub fn grids(target: &Target) -> Outcome {
    let device = target.open()?;
    let kernel = load(&device, "where")?;
    let stream = device.stream()?;
    let mut random = Random::new(5);
    block_on(async {
        for round in 0..30 {
            let equal = [1 + random.below(9) as u32, 1 + random.below(9) as u32, 1 + random.below(5) as u32];
            let mut launches = Vec::new();
            for _ in 0..1 + random.below(60) {
                let mut draw = |most: u64| 1 + random.below(most) as u32;
                let grid = if round % 2 == 0 { equal } else { [draw(9), draw(9), draw(5)] };
                let blocks = grid.iter().product::<u32>() as usize;
                let out = device.alloc::<u32>(blocks)?;
                let threads = 32 << (round % 3);
                stream.launch(&kernel, Grid::new(grid, threads), args![out.write()].accesses_are_complete()).await?;
                launches.push((grid, blocks, out));
            }
            for (grid, blocks, out) in launches {
                let expected: Vec<u32> = (0..blocks as u32).map(|flat| flat + 1000 * grid[1]).collect();
                same(&format!("a grid of {grid:?}"), &stream.copy_out(&out).await?.await?, &expected)?;
            }
        }
        Ok(())
    })
}

/// Errors come before anything is accepted, and say what would be right.
pub fn refusals(target: &Target) -> Outcome {
    let device = target.open()?;
    let kernel = load(&device, "axpy")?;
    let stream = device.stream()?;
    let x = device.alloc::<f32>(64)?;
    let expect = |what: &str, error: Option<String>, words: &[&str]| -> Outcome {
        let error = error.ok_or_else(|| format!("{what} was accepted"))?;
        match words.iter().find(|word| !error.contains(**word)) {
            Some(word) => Err(format!("{what}: `{word}` is missing in: {error}").into()),
            None => Ok(()),
        }
    };
    let launch = |grid: Grid, args| stream.try_launch(&kernel, grid, args).err().map(|error| error.to_string());
    expect("too few arguments", launch((1, 32).into(), args![1.0f32, x.read()]), &["axpy", "16 bytes", "28 bytes"])?;
    expect("no arguments", launch((1, 32).into(), args![]), &["0 bytes"])?;
    let all = || args![1.0f32, x.read(), x.read_write(), 64u32];
    expect("too large a block", launch((1, 4096).into(), all()), &["4096 threads"])?;
    expect("too many blocks", launch(Grid::new([1, 70_000, 1], 1), all()), &["70000 blocks in y", "65535"])?;
    let missing = load(&device, "axpi").err().map(|error| error.to_string());
    expect("a kernel that is not there", missing, &["axpi", "axpy"])?;
    // SAFETY: needed because PTX is foreign code; this is none, and is refused.
    let bad =
        unsafe { dxg_runtime::ModuleSource::new().ptx_unchecked(".version 7.0\n.target sm_50\n.entry broken( {") };
    match device.load(&bad) {
        Err(Error::BadImage { .. }) => {}
        Err(other) => return Err(format!("broken PTX gives: {other}").into()),
        Ok(_) => return Err("broken PTX was loaded".into()),
    }
    // All is well afterwards.
    stream.try_fill(&x, 2.0)?;
    stream.try_launch(&kernel, (2, 32), all())?;
    same("afterwards", &stream.try_copy_out(&x)?.wait()?, &[4.0; 64])
}

/// By kernel, module and stream.
pub fn unmerged(target: &Target) -> Outcome {
    let device = target.open()?;
    // SAFETY: needed because PTX is foreign code; see `load`.
    let source = unsafe { dxg_runtime::ModuleSource::new().ptx_unchecked(super::KERNELS) };
    let (module, refused) = (device.load(&source)?, device.load(&source.clone().unmerged())?);
    let (kernel, by_module) = (module.kernel("where")?, refused.kernel("where")?);
    for kernel in [&kernel.unmerged(), &by_module] {
        match kernel.merge_support() {
            MergeSupport::Single { reason } if reason.contains("refused") => {}
            other => return Err(format!("refused, and yet: {other}").into()),
        }
    }
    let (plain, single) = (device.stream()?, device.stream_builder().merging(false).build()?);
    let out = (0..64).map(|_| device.alloc::<u32>(6)).collect::<Result<Vec<_>, _>>()?;
    for (stream, kernel) in [(&plain, &kernel), (&plain, &kernel.unmerged()), (&plain, &by_module), (&single, &kernel)]
    {
        for out in &out {
            stream.try_fill(out, 0u32)?;
        }
        for out in &out {
            stream.try_launch(kernel, Grid::new([3, 2, 1], 32), args![out.write()])?;
        }
        for out in &out {
            same("where", &stream.try_copy_out(out)?.wait()?, &[2000, 2001, 2002, 2003, 2004, 2005])?;
        }
    }
    Ok(())
}
