//! Data on its way.

use super::{Outcome, Random, Target, same, settle};
use crate::block_on;

/// Copies in, between and out, of sizes around every threshold, from and to odd places.
pub fn all_sizes(target: &Target) -> Outcome {
    let device = target.open()?;
    let stream = device.stream()?;
    let mut random = Random::new(1);
    let mut sizes = vec![1, 3, 4, 15, 16, 17, 255, 1024, 4095, 4096, 4097, 65_535, 65_536, 65_537, 300_001, 3 << 20];
    sizes.extend((0..40).map(|_| 1 + random.below(9000) as usize));
    block_on(async {
        let mut waiting = Vec::new();
        for (index, len) in sizes.into_iter().enumerate() {
            let (from, to) = (random.below(33) as usize, random.below(33) as usize);
            let data = random.any(len);
            let (a, b) = (device.alloc::<u8>(len + 64)?, device.alloc::<u8>(len + 64)?);
            stream.fill(&b, 0xee_u8).await?;
            stream.copy_in(a.slice(from..from + len)?, data.as_slice()).await?;
            stream.copy(a.slice(from..from + len)?, b.slice(to..to + len)?).await?;
            waiting.push((index, to, data, stream.copy_out(&b).await?));
        }
        for (index, to, data, read) in waiting {
            let out = read.await?;
            same(&format!("copy {index} of {} bytes to offset {to}", data.len()), &out[to..to + data.len()], &data)?;
            let around = out[..to].iter().chain(&out[to + data.len()..]).all(|byte| *byte == 0xee);
            if !around {
                return Err(format!("copy {index} of {} bytes wrote beside its range", data.len()).into());
            }
        }
        Ok(())
    })
}

/// Patterns of 1, 2, 4 and 8 bytes, small and large, aligned as their type and not.
pub fn fills(target: &Target) -> Outcome {
    let device = target.open()?;
    let stream = device.stream()?;
    let mut random = Random::new(2);
    block_on(async {
        for len in [1usize, 2, 7, 64, 1000, 20_000, 1 << 20] {
            let bytes = device.alloc::<u8>(len + 16)?;
            let (halves, words, longs) =
                (device.alloc::<u16>(len)?, device.alloc::<u32>(len)?, device.alloc::<u64>(len)?);
            let (a, b, c, d) = (random.bits() as u8, random.bits() as u16, random.bits() as u32, random.bits());
            stream.fill(&bytes, 0u8).await?;
            stream.fill(bytes.slice(3..3 + len)?, a).await?;
            stream.fill(&halves, b).await?;
            stream.fill(&words, c).await?;
            stream.fill(&longs, d).await?;
            let read = (
                stream.copy_out(bytes.slice(3..3 + len)?).await?,
                stream.copy_out(&halves).await?,
                stream.copy_out(&words).await?,
                stream.copy_out(&longs).await?,
                stream.copy_out(bytes.slice(3 + len..)?).await?,
            );
            same("bytes", &read.0.await?, &vec![a; len])?;
            same("halves", &read.1.await?, &vec![b; len])?;
            same("words", &read.2.await?, &vec![c; len])?;
            same("longs", &read.3.await?, &vec![d; len])?;
            same("bytes behind", &read.4.await?, &[0; 13])?;
        }
        Ok(())
    })
}

/// Host memory that the device reads and writes where it is.
pub fn host_buffers(target: &Target) -> Outcome {
    let device = target.open()?;
    let stream = device.stream()?;
    block_on(async {
        for len in [5usize, 1000, 100_000] {
            let (input, output) = (device.host_buffer::<u32>(len)?, device.host_buffer::<u32>(len)?);
            let data: Vec<u32> = (0..len as u32).map(|i| i * 7 + 1).collect();
            input.write()?.copy_from_slice(&data);
            let middle = device.alloc::<u32>(len)?;
            stream.copy_in(&middle, &input).await?;
            stream.copy_out_into(&middle, &output).await?.await?;
            same("host buffer", &output.read()?, &data)?;
        }
        Ok(())
    })
}

/// Small copies of 100 streams, which become few.
pub fn many_at_once(target: &Target) -> Outcome {
    let device = target.open()?;
    let streams = (0..100).map(|_| device.stream()).collect::<Result<Vec<_>, _>>()?;
    let buffers = (0..100).map(|_| device.alloc::<u8>(1500)).collect::<Result<Vec<_>, _>>()?;
    let mut random = Random::new(3);
    block_on(async {
        for _round in 0..20 {
            let data: Vec<Vec<u8>> = (0..100).map(|_| random.any(1500)).collect();
            for ((stream, buffer), data) in streams.iter().zip(&buffers).zip(&data) {
                stream.copy_in(buffer, data.as_slice()).await?;
            }
            device.flush();
            let mut reads = Vec::new();
            for (stream, buffer) in streams.iter().zip(&buffers) {
                reads.push(stream.copy_out(buffer).await?);
            }
            for (read, data) in reads.into_iter().zip(&data) {
                same("one of many copies", &read.await?, data)?;
            }
        }
        streams.iter().try_for_each(settle)
    })
}
