//! dxgrt's side: tasks that await futures, with streams and buffers of their own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dxg_runtime::{Buffer, Device, Grid, Kernel, ModuleSource, PreparedLaunch, Stats, Stream, args};
use serde::Serialize;
use tokio::runtime::Runtime;

use super::work::{FACTORS, HELD, VALUES, check_values, input, ramp, result};
use crate::commands::Outcome;

/// A device, and a client for each task.
pub struct Ours {
    pub device: Device,
    runtime: Runtime,
    clients: Vec<Client>,
    mm: Kernel,
    data: Arc<Data>,
    /// What the runs of each kind have taken.
    pub batches: Vec<Batches>,
}

/// What is copied, and what requests make of it.
struct Data {
    sources: Vec<Vec<f32>>,
    results: Vec<Vec<f32>>,
}

#[derive(Clone)]
struct Client {
    stream: Stream,
    axpy: Kernel,
    x: Buffer<f32>,
    y: Buffer<f32>,
    prepared: PreparedLaunch,
    added: u64,
}

/// How operations were gathered.
#[derive(Clone, Debug, Serialize)]
pub struct Batches {
    pub work: String,
    pub way: String,
    pub operations: u64,
    pub submissions: u64,
    pub waves: u64,
    pub dispatches: u64,
}

/// What tasks do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    Launches,
    /// The same, checked and packed once.
    Prepared,
    Copies,
    Requests,
}

impl Work {
    fn launches(self) -> bool {
        matches!(self, Work::Launches | Work::Prepared)
    }
}

impl Ours {
    pub fn open(device: Device, tasks: usize, workers: usize) -> Outcome<Ours> {
        // SAFETY: needed because PTX is foreign code; these kernels touch the elements that their arguments tell.
        let source = unsafe { ModuleSource::new().ptx_unchecked(super::KERNELS) };
        let module = device.load(&source)?;
        let (axpy, mm) = (module.kernel("axpy")?, module.kernel("mm")?);
        let x = device.alloc::<f32>(VALUES)?;
        device.stream()?.try_copy_in(&x, ramp())?.wait()?;
        let client = |_| {
            let (stream, y) = (device.stream()?, device.alloc::<f32>(VALUES)?);
            stream.try_fill(&y, 0.0f32)?.wait()?;
            let prepared =
                device.prepare(&axpy, (1, VALUES as u32), args![1.0f32, x.read(), y.read_write(), VALUES as u32])?;
            Ok(Client { stream, axpy: axpy.clone(), x: x.clone(), y, prepared, added: 0 })
        };
        let clients = (0..tasks).map(client).collect::<Outcome<_>>()?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers).build()?;
        let sources: Vec<_> = (0..HELD).map(input).collect();
        let results = sources.iter().map(|source| result(source)).collect();
        Ok(Ours { device, runtime, clients, mm, data: Arc::new(Data { sources, results }), batches: Vec::new() })
    }

    /// Lets `tasks` tasks do `count` operations (requests) in all, each awaiting `in_flight` of them at a time; the time it took.
    pub fn run(&mut self, work: Work, tasks: usize, in_flight: usize, count: usize) -> Outcome<(Duration, usize)> {
        let (each, data) = (count.div_ceil(tasks), self.data.clone());
        let (clients, before) = (&mut self.clients[..tasks], self.device.stats());
        let begun = Instant::now();
        self.runtime.block_on(async {
            let start = |(task, client): (usize, &mut Client)| {
                client.added += if work.launches() { each as u64 } else { 0 };
                let (client, data) = (client.clone(), data.clone());
                tokio::spawn(async move {
                    match work {
                        Work::Launches => client.launches(in_flight, each).await,
                        Work::Prepared => client.prepared(in_flight, each).await,
                        Work::Copies => client.copies(&data, in_flight, each).await,
                        Work::Requests => client.requests(&data, task, in_flight, each).await,
                    }
                })
            };
            let handles: Vec<_> = clients.iter_mut().enumerate().map(start).collect();
            for handle in handles {
                handle.await??;
            }
            Outcome::Ok(())
        })?;
        let (spent, after) = (begun.elapsed(), self.device.stats());
        self.count(work, super::report::crowd(work, tasks, in_flight), &before, &after);
        match work {
            Work::Launches | Work::Prepared => self.check_launches(tasks)?,
            Work::Copies => {
                for client in &mut self.clients[..tasks] {
                    let found = client.stream.try_copy_out(&client.y)?.wait()?;
                    check_values("a copy", &found, &self.data.sources[(each - 1) % HELD])?;
                    client.clear()?;
                }
            }
            Work::Requests => self.clients[..tasks].iter_mut().try_for_each(Client::clear)?,
        }
        Ok((spent, each * tasks))
    }

    fn count(&mut self, work: Work, way: String, before: &Stats, after: &Stats) {
        let name = format!("{work:?}").to_lowercase();
        let place = self.batches.iter().position(|batches| batches.work == name && batches.way == way);
        let place = place.unwrap_or_else(|| {
            self.batches.push(Batches { work: name, way, operations: 0, submissions: 0, waves: 0, dispatches: 0 });
            self.batches.len() - 1
        });
        let batches = &mut self.batches[place];
        batches.operations += after.operations - before.operations;
        batches.submissions += after.submissions - before.submissions;
        batches.waves += after.waves - before.waves;
        batches.dispatches += after.dispatches - before.dispatches;
    }

    fn check_launches(&mut self, tasks: usize) -> Outcome<()> {
        for client in &mut self.clients[..tasks] {
            let expected: Vec<f32> = ramp().iter().map(|x| x * client.added as f32).collect();
            check_values("launches", &client.stream.try_copy_out(&client.y)?.wait()?, &expected)?;
            client.clear()?;
        }
        Ok(())
    }

    /// One launch awaited by the thread itself.
    pub fn touch(&self) -> Outcome<()> {
        let client = &self.clients[0];
        Ok(futures::executor::block_on(async { client.launch(0.0).await?.await })?)
    }

    /// As `touch`, blocking without a future.
    pub fn touch_blocking(&self) -> Outcome<()> {
        let client = &self.clients[0];
        let arguments = args![0.0f32, client.x.read(), client.y.read_write(), VALUES as u32];
        Ok(client.stream.try_launch(&client.axpy, (1, VALUES as u32), arguments)?.wait()?)
    }

    /// Products of square matrices, one after another; with what is needed for them.
    pub fn multiplier(&self, size: u32) -> Outcome<Multiplier> {
        let matrix = || self.device.alloc::<f32>((size as usize).pow(2));
        let (a, b, c) = (matrix()?, matrix()?, matrix()?);
        let stream = self.device.stream()?;
        stream.try_fill(&a, 1.0f32)?;
        stream.try_fill(&b, 2.0f32)?;
        stream.last().wait()?;
        Ok(Multiplier { size, stream, mm: self.mm.clone(), a, b, c })
    }
}

/// Large work.
pub struct Multiplier {
    size: u32,
    pub stream: Stream,
    mm: Kernel,
    a: Buffer<f32>,
    b: Buffer<f32>,
    c: Buffer<f32>,
}

impl Multiplier {
    pub fn multiply(&self) -> Outcome<dxg_runtime::Completion> {
        let (n, tiles) = (self.size, self.size.div_ceil(16));
        let arguments = args![n, n, n, 1.0f32, self.a.read(), self.b.read(), self.c.write()];
        Ok(self.stream.try_launch(&self.mm, Grid::new([tiles, tiles, 1], [16, 16, 1]), arguments)?)
    }

    pub fn check(&self) -> Outcome<()> {
        let found = self.stream.try_copy_out(self.c.slice(..1000)?)?.wait()?;
        check_values("a product", &found, &[2.0 * self.size as f32; 1000])
    }
}

impl Client {
    #[inline]
    async fn launch(&self, factor: f32) -> dxg_runtime::Result<dxg_runtime::Completion> {
        let arguments = args![factor, self.x.read(), self.y.read_write(), VALUES as u32];
        self.stream.launch(&self.axpy, (1, VALUES as u32), arguments).await
    }

    async fn launches(&self, in_flight: usize, count: usize) -> Outcome<()> {
        let mut left = count;
        while left > 0 {
            let now = left.min(in_flight);
            for _ in 1..now {
                self.launch(1.0).await?;
            }
            self.launch(1.0).await?.await?;
            left -= now;
        }
        Ok(())
    }

    async fn prepared(&self, in_flight: usize, count: usize) -> Outcome<()> {
        let mut left = count;
        while left > 0 {
            let now = left.min(in_flight);
            for _ in 1..now {
                self.stream.enqueue(&self.prepared).await?;
            }
            self.stream.enqueue(&self.prepared).await?.await?;
            left -= now;
        }
        Ok(())
    }

    async fn copies(&self, Data { sources, .. }: &Data, in_flight: usize, count: usize) -> Outcome<()> {
        let mut done = 0;
        while done < count {
            let end = count.min(done + in_flight);
            for i in done..end - 1 {
                self.stream.copy_in(&self.y, sources[i % HELD].as_slice()).await?;
            }
            self.stream.copy_in(&self.y, sources[(end - 1) % HELD].as_slice()).await?.await?;
            done = end;
        }
        Ok(())
    }

    /// `in_flight` operations are five of a request each. As by hand, results land in memory that is there already.
    async fn requests(&self, data: &Data, task: usize, in_flight: usize, count: usize) -> Outcome<()> {
        let mut found = vec![0.0; VALUES];
        let at_once = in_flight.div_ceil(5);
        let mut reads = Vec::with_capacity(at_once);
        for request in 0..count {
            let number = task + request;
            self.stream.copy_in(&self.y, data.sources[number % HELD].as_slice()).await?;
            for factor in FACTORS {
                self.launch(factor).await?;
            }
            reads.push((number, self.stream.copy_out(&self.y).await?));
            if reads.len() == at_once || request + 1 == count {
                for (number, read) in reads.drain(..) {
                    read.read_into(&mut found).await?;
                    check_values("a request", &found, &data.results[number % HELD])?;
                }
            }
        }
        Ok(())
    }

    fn clear(&mut self) -> Outcome<()> {
        self.added = 0;
        Ok(self.stream.try_fill(&self.y, 0.0f32)?.wait()?)
    }
}
