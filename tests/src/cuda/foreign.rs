//! Beside a program that uses the driver by itself: its context, its memory, its streams and events.

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dxg_runtime::{Buffer, Device, Stream, args};

use super::driver::{Driver, Handle, Program};
use super::order::same_work;
use super::{Outcome, Target, Verdict, load, same};

/// Opens on a context of the program's own, which is not the GPU's primary one.
pub fn given_context(target: &Target) -> Outcome {
    let (driver, gpu) = (Driver::load(target.library.as_deref())?, target.gpu()?);
    let program = driver.own(gpu)?;
    let (context, owner) = (program.context, Arc::new(()));
    let builder = |selector: Option<String>| {
        let builder = match &target.library {
            Some(library) => Device::builder().cuda_library(library),
            None => Device::builder(),
        };
        let builder = match selector {
            Some(selector) => builder.selector(selector),
            None => builder,
        };
        // SAFETY: needed because the context is foreign; `program` has it until the owner is alone.
        unsafe { builder.cuda_context(context, owner.clone()) }
    };
    let device = builder(None).open()?;
    let opened = device.info().selector.to_string();
    if device.cuda_context()? != context || opened != format!("cuda:{gpu}") {
        return Err(format!("{opened} was opened on {:?}, not {context:?} of GPU {gpu}", device.cuda_context()?).into());
    }
    same_work(&device)?;
    let last = device.alloc::<u32>(64)?;
    let primary = target.open()?;
    if primary.cuda_context()? == context {
        return Err("the context is the primary one, and the check shows nothing".into());
    }
    same_work(&primary)?;
    for (selector, word) in
        [("software".to_owned(), "has no CUcontext"), (format!("cuda:{}", gpu + 1), "is one of GPU")]
    {
        match builder(Some(selector.clone())).open() {
            Err(error) if error.to_string().contains(word) => {}
            Err(other) => return Err(format!("`{selector}` on the context of GPU {gpu}: {other}").into()),
            Ok(_) => return Err(format!("`{selector}` was opened on the context of GPU {gpu}").into()),
        }
    }
    if driver.current()? != context {
        return Err("the thread was left with another context".into());
    }
    drop((device, primary));
    std::thread::sleep(Duration::from_millis(20));
    if Arc::strong_count(&owner) == 1 {
        return Err("the context was given back with memory of the device still in it".into());
    }
    drop(last);
    alone(&owner, "the context's owner")?;
    program.end()
}

/// A number that both add to in turn, in memory of the one and of the other.
pub fn both_ways(target: &Target) -> Outcome {
    const LEN: u32 = 5000;
    let driver = Driver::load(target.library.as_deref())?;
    in_each_context(target, &driver, |device, program| {
        let (kernel, axpy, theirs) = (load(device, "axpy")?, program.kernel("axpy")?, program.stream()?);
        let (ones, address) = (device.alloc::<f32>(LEN as usize)?, program.memory(LEN as usize * 4)?);
        let owner = Arc::new(());
        // SAFETY: needed because the memory is foreign; it is freed when the owner is alone.
        let import = |address, len| unsafe { device.import_cuda::<f32>(address, len, owner.clone()) };
        for (address, len, word) in [(0x1000, 4, "no address of device memory"), (address, 1 << 28, "out of range")] {
            match import(address, len) {
                Err(error) if error.to_string().contains(word) => {}
                Err(error) => return Err(format!("{len} numbers at {address:#x}: {error}").into()),
                Ok(_) => return Err(format!("{len} numbers at {address:#x} were imported").into()),
            }
        }
        let sum = import(address, LEN as usize)?;
        let stream = device.stream()?;
        stream.try_fill(&ones, 1.0f32)?;
        stream.try_fill(&sum, 0.0f32)?;
        for _ in 0..20 {
            stream.try_launch(&kernel, (LEN.div_ceil(64), 64), args![1.0f32, ones.read(), sum.read_write(), LEN])?;
            // SAFETY: needed because the stream is foreign; it is one of the same context, and alive.
            unsafe { stream.let_cuda_stream_wait(theirs) }?;
            program.axpy(theirs, axpy, 10.0, ones.address(), address, LEN)?;
            // SAFETY: as above.
            unsafe { stream.wait_for_cuda_stream(theirs) }?;
        }
        same("added to in turn", &stream.try_copy_out(&sum)?.wait()?, &[220.0; LEN as usize])?;
        // The program sees it too, behind its own stream alone.
        same("as the program reads it", &program.read(theirs, address, 8)?, &[220.0f32.to_bits(); 8])?;
        drop(sum);
        stream.last().wait()?;
        device.memory_info();
        alone(&owner, "the memory's owner")
    })
}

/// One side and the other, and memory that both use.
struct Both<'a> {
    stream: Stream,
    buffer: Buffer<u32>,
    program: &'a Program<'a>,
    theirs: Handle,
    event: Handle,
    address: u64,
    fills: u32,
    /// What was filled with last.
    word: Cell<u32>,
}

/// One of the ways in which one side waits for the other.
struct Way {
    name: &'static str,
    /// The program writes and dxgrt reads; else the other way round.
    program_first: bool,
    wait: fn(&Both<'_>) -> Outcome,
}

const WAYS: [Way; 4] = [
    Way { name: "wait_for_cuda_stream", program_first: true, wait: |both| both.wait_for_stream() },
    Way { name: "wait_for_cuda_event", program_first: true, wait: |both| both.wait_for_event() },
    Way { name: "let_cuda_stream_wait", program_first: false, wait: |both| both.let_stream_wait() },
    Way { name: "record_cuda_event", program_first: false, wait: |both| both.record_event() },
];

impl Both<'_> {
    fn wait_for_stream(&self) -> Outcome {
        // SAFETY: needed because the stream is foreign; it is one of the same context, and alive.
        unsafe { self.stream.wait_for_cuda_stream(self.theirs) }?;
        Ok(())
    }

    fn wait_for_event(&self) -> Outcome {
        self.program.record(self.event, self.theirs)?;
        // SAFETY: needed because the event is foreign; it is one of the same context, and alive.
        unsafe { self.stream.wait_for_cuda_event(self.event) }?;
        Ok(())
    }

    fn let_stream_wait(&self) -> Outcome {
        // SAFETY: as in `wait_for_stream`.
        unsafe { self.stream.let_cuda_stream_wait(self.theirs) }?;
        Ok(())
    }

    fn record_event(&self) -> Outcome {
        // SAFETY: as in `wait_for_event`.
        unsafe { self.stream.record_cuda_event(self.event) }?;
        self.program.wait(self.theirs, self.event)
    }

    /// Fills again and again on one side, and reads the end of the memory on the other; whether it saw the last fill.
    fn turn(&self, way: &Way, waits: bool) -> Outcome<bool> {
        let (words, tail) = (self.buffer.len(), self.buffer.len() - 4);
        let fills = self.word.get() + 1..=self.word.get() + self.fills;
        self.word.set(*fills.end());
        let seen = if way.program_first {
            fills.into_iter().try_for_each(|word| self.program.fill(self.theirs, self.address, word, words))?;
            if waits {
                (way.wait)(self)?;
            }
            let seen = self.stream.try_copy_out(self.buffer.slice(tail..)?)?.wait()?;
            self.program.synchronize(self.theirs)?;
            seen
        } else {
            for word in fills {
                self.stream.try_fill(&self.buffer, word)?;
            }
            self.stream.flush();
            if waits {
                (way.wait)(self)?;
            }
            let seen = self.program.read(self.theirs, self.address + tail as u64 * 4, 4)?;
            self.stream.last().wait()?;
            seen
        };
        Ok(seen == [self.word.get(); 4])
    }
}

/// Long fills by the one, whose last the other must see; and does not always see where nobody waits.
pub fn order(target: &Target) -> Outcome<Verdict> {
    const TURNS: usize = 10;
    let driver = Driver::load(target.library.as_deref())?;
    let mut lines = Vec::new();
    in_each_context(target, &driver, |device, program| {
        let (words, fills) = if target.small { (1 << 14, 2) } else { (64 << 20, 40) };
        let (theirs, event, address) = (program.stream()?, program.event()?, program.memory(words * 4)?);
        // SAFETY: needed because the memory is foreign; the program frees it, and everything is awaited before that.
        let buffer = unsafe { device.import_cuda::<u32>(address, words, ()) }?;
        let stream = device.stream()?;
        let both = Both { stream, buffer, program, theirs, event, address, fills, word: Cell::new(0) };
        for way in &WAYS {
            for turn in 0..TURNS {
                if !both.turn(way, true)? {
                    return Err(format!("{}: old data was read in turn {turn}", way.name).into());
                }
            }
            let (mut missed, mut turns) = (0, 0);
            while turns < TURNS || (missed == 0 && turns < 20 * TURNS) {
                missed += usize::from(!both.turn(way, false)?);
                turns += 1;
            }
            if missed == 0 {
                return Err(format!("{}: the right data was read without it too: nothing is shown", way.name).into());
            }
            lines.push(format!("{}: without it old data was read in {missed} of {turns} turns", way.name));
        }
        Ok(())
    })?;
    Ok(Verdict::Holds(lines))
}

/// With the primary context, and with one of the program's own; both are as they were afterwards.
fn in_each_context(
    target: &Target,
    driver: &Driver,
    mut work: impl FnMut(&Device, &mut Program<'_>) -> Outcome,
) -> Outcome {
    let gpu = target.gpu()?;
    for own in [false, true] {
        let mut program = if own { driver.own(gpu)? } else { driver.primary(gpu)? };
        let owner = Arc::new(());
        let device = match own {
            // SAFETY: needed because the context is foreign; it is there until its owner is alone.
            true => unsafe { target.open_on(program.context, owner.clone()) }?,
            false => target.open()?,
        };
        let name = if own { "a context of its own" } else { "the primary context" };
        if device.cuda_context()? != program.context {
            return Err(format!("{name}: dxgrt and the program have different ones").into());
        }
        work(&device, &mut program).map_err(|error| format!("{name}: {error}"))?;
        if driver.current()? != program.context {
            return Err(format!("{name}: the thread was left with another").into());
        }
        drop(device);
        alone(&owner, "the context's owner")?;
        program.end()?;
    }
    Ok(())
}

/// Waits until nobody else holds it.
fn alone(owner: &Arc<()>, what: &str) -> Outcome {
    let begun = Instant::now();
    while Arc::strong_count(owner) > 1 {
        if begun.elapsed() > Duration::from_secs(10) {
            return Err(format!("{what} is still held").into());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}
