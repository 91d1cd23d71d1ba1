//! One task of the soak: a random program on a stream of its own, beside a model of what its buffers hold.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use dxg_runtime::{Buffer, Command, Completion, Error, Event, Graph, HostBuffer, Result, Stream, TryError, args};

use super::{Counts, PATIENCE, World};
use crate::hostile::Bytes;
use crate::{affine, stir};

const ELEMENTS: usize = 48;
const BUFFERS: usize = 3;

struct Task {
    world: Arc<World>,
    stream: Stream,
    buffers: Vec<Buffer<u32>>,
    host: HostBuffer<u32>,
    model: Vec<Vec<u32>>,
    random: Bytes,
}

/// Runs a program to its end, or to the first error of a device that is disturbed.
pub(super) async fn run(world: Arc<World>, random: Bytes) {
    let (name, counts) = (world.name.clone(), world.counts.clone());
    let outcome = match Task::new(world.clone(), random) {
        Ok(mut task) => task.program().await,
        Err(error) => Err(error),
    };
    if let Err(error) = outcome {
        Counts::add(&counts.failed);
        if !world.is_disturbed() {
            counts.err(&format!("{name}: {error}"));
        } else if error.to_string().contains("defect") {
            counts.err(&format!("{name}: a fault of the host became a defect: {error}"));
        }
    }
}

fn data(seed: u32) -> Vec<u32> {
    (0..ELEMENTS as u32).map(|i| seed.wrapping_mul(2_654_435_761).wrapping_add(i * 97)).collect()
}

impl Task {
    fn new(world: Arc<World>, random: Bytes) -> Result<Task> {
        let stream = world.device.stream()?;
        let buffers = (0..BUFFERS).map(|_| world.device.alloc::<u32>(ELEMENTS)).collect::<Result<Vec<_>>>()?;
        let host = world.device.host_buffer::<u32>(ELEMENTS)?;
        Ok(Task { world, stream, buffers, host, model: vec![vec![0; ELEMENTS]; BUFFERS], random })
    }

    fn accepted<T>(&self, made: T) -> T {
        self.world.counts.operations.fetch_add(1, Ordering::Relaxed);
        made
    }

    /// A future must resolve.
    async fn resolve<T>(&self, what: &str, future: impl Future<Output = Result<T>>) -> Result<T> {
        match tokio::time::timeout(PATIENCE, future).await {
            Ok(outcome) => outcome,
            Err(_) => {
                self.world.counts.lose(&format!("{}: {what} did not resolve in {PATIENCE:?}", self.world.name));
                Err(Error::ShutDown)
            }
        }
    }

    async fn program(&mut self) -> Result<()> {
        for buffer in 0..BUFFERS {
            let fill = self.stream.fill(&self.buffers[buffer], 0u32);
            self.resolve("a fill", fill).await?;
        }
        for _ in 0..20 + self.random.below(40) {
            self.step().await?;
        }
        for buffer in 0..BUFFERS {
            self.read(buffer).await?;
        }
        Ok(())
    }

    /// Reads a buffer back and compares it.
    async fn read(&mut self, buffer: usize) -> Result<()> {
        let read = self.resolve("room to read back", self.stream.copy_out(&self.buffers[buffer])).await?;
        let found = self.resolve("what is read back", self.accepted(read)).await?;
        if found != self.model[buffer] {
            self.world
                .counts
                .err(&format!("{}: {found:?} was read, and {:?} is right", self.world.name, self.model[buffer]));
        }
        Ok(())
    }

    async fn step(&mut self) -> Result<()> {
        let (x, y) = {
            let x = self.random.below(BUFFERS as u64) as usize;
            (x, (x + 1 + self.random.below(BUFFERS as u64 - 1) as usize) % BUFFERS)
        };
        let (a, k) = (self.random.next_u64() as u32, self.random.next_u64() as u32);
        let kernels = &self.world.kernels;
        let (bx, by) = (&self.buffers[x], &self.buffers[y]);
        let made: Completion = match self.random.below(16) {
            0 | 1 => {
                self.model[y].fill(a);
                self.resolve("room to fill", self.stream.fill(by, a)).await?
            }
            2 | 3 => {
                self.model[y] = data(a);
                self.resolve("room to copy in", self.stream.copy_in(by, data(a))).await?
            }
            4..8 => {
                let source = self.model[x].clone();
                self.model[y].iter_mut().zip(source).for_each(|(y, x)| *y = affine(x, *y, a));
                let launch = self.stream.launch(&kernels.affine, 3, args![bx.read(), by.read_write(), a]);
                self.resolve("room to launch", launch).await?
            }
            8 => {
                // Without waiting for room: asked again until there is some.
                self.model[y].iter_mut().enumerate().for_each(|(i, y)| *y = stir(*y, k, i));
                loop {
                    match self.stream.try_launch(&kernels.stir, 2, args![by.read_write(), k]) {
                        Ok(completion) => break completion,
                        Err(TryError::Failed(error)) => return Err(error),
                        Err(TryError::Full { .. }) => tokio::task::yield_now().await,
                    }
                }
            }
            9 => {
                self.model[y] = self.model[x].clone();
                self.resolve("room to copy", self.stream.copy(bx, by)).await?
            }
            10 => return self.read(y).await,
            11 => return self.fail(y).await,
            12 => {
                // A launch that is given up before it was accepted did nothing.
                drop(self.stream.launch(&kernels.stir, 2, args![by.read_write(), k]));
                return self.resolve("all of a stream", self.stream.synchronize()).await;
            }
            13 => {
                let mut graph = Graph::builder(&self.world.device);
                graph.in_order(Command::launch(&kernels.stir, 2, args![by.read_write(), k]))?;
                graph.in_order(Command::fill(bx, a)?)?;
                self.model[y].iter_mut().enumerate().for_each(|(i, y)| *y = stir(*y, k, i));
                self.model[x].fill(a);
                let graph = graph.build()?;
                self.resolve("room for a graph", graph.launch(&self.stream, &[])).await?
            }
            14 => return self.detour(x, y).await,
            _ => {
                let idle = self.resolve("all of a stream", self.stream.synchronize()).await;
                idle?;
                self.host.write()?.copy_from_slice(&data(k));
                self.model[y] = data(k);
                self.resolve("room to copy in", self.stream.copy_in(by, &self.host)).await?
            }
        };
        let made = self.accepted(made);
        match self.random.below(6) {
            0 => self.resolve("a completion", made).await,
            1 => {
                // Whoever blocks must not hold the executor.
                let limit = PATIENCE;
                let waited = tokio::task::spawn_blocking(move || made.wait_timeout(limit)).await;
                match waited {
                    Ok(Some(outcome)) => outcome,
                    _ => {
                        self.world.counts.lose(&format!("{}: a blocking wait has no outcome", self.world.name));
                        Ok(())
                    }
                }
            }
            2 => {
                tokio::time::sleep(Duration::from_micros(self.random.below(300))).await;
                Ok(())
            }
            // Dropped: that cancels nothing.
            _ => Ok(()),
        }
    }

    /// Over another stream and back, ordered by events.
    async fn detour(&mut self, x: usize, y: usize) -> Result<()> {
        let other = self.world.device.stream()?;
        let (there, back) = (Event::new(&self.world.device)?, Event::without_time(&self.world.device)?);
        self.resolve("a record", self.stream.record(&there)).await?;
        self.resolve("a wait", other.wait(&there)).await?;
        self.resolve("a copy", other.copy(&self.buffers[x], &self.buffers[y])).await?;
        self.resolve("a record", other.record(&back)).await?;
        let last = self.resolve("a wait", self.stream.wait(&back)).await?;
        self.model[y] = self.model[x].clone();
        self.world.counts.operations.fetch_add(5, Ordering::Relaxed);
        if self.random.below(2) == 0 { self.resolve("a wait", last).await } else { Ok(()) }
    }

    /// A kernel that panics: its stream answers with that until it is reset.
    async fn fail(&mut self, buffer: usize) -> Result<()> {
        self.resolve("all of a stream", self.stream.synchronize()).await?;
        let launch = self.stream.launch(&self.world.kernels.broken, 1, args![self.buffers[buffer].write()]);
        let failing = self.resolve("room to launch", launch).await?;
        let failing = self.accepted(failing);
        Counts::add(&self.world.counts.faults);
        match self.resolve("a launch that panics", failing).await {
            Err(Error::LaunchFailed { .. }) => Counts::add(&self.world.counts.failed),
            Err(error) => return Err(error),
            Ok(()) => self.world.counts.err(&format!("{}: a kernel that panics succeeded", self.world.name)),
        }
        let stream = self.stream.clone();
        match tokio::task::spawn_blocking(move || stream.reset()).await {
            Ok(outcome) => outcome?,
            Err(_) => self.world.counts.err("a reset panicked"),
        }
        // What failed stays the outcome of waiting for all of the stream until something else is the last of it.
        let marker = [Command::marker()];
        let marker = self.resolve("room for a marker", self.stream.submit(&marker)).await?;
        self.resolve("a marker", marker).await
    }
}
