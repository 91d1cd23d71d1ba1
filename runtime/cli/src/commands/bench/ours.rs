//! dxgrt itself, through its public API, on the software adapter without modelled latencies.

use std::sync::Arc;
use std::time::Instant;

use dxg_runtime::{
    Buffer, Completion, Device, HostBuffer, Kernel, ModuleSource, Parameters, PreparedLaunch, RustKernel, Stream, args,
};

use super::peer::Peer;
use super::statistics::Latencies;
use super::work::{BATCH, Case, FACTOR, Mode, REQUEST_FACTORS, SOURCES, VALUES, Workload, axpy, ramps, sources};
use crate::commands::Outcome;

/// A device with streams, and a buffer for each.
#[derive(Debug)]
pub struct Ours {
    device: Device,
    clients: Vec<OurClient>,
    sources: Vec<Vec<f32>>,
}

/// One stream and its buffer.
#[derive(Clone, Debug)]
pub struct OurClient {
    kernel: Kernel,
    x: Buffer<f32>,
    y: Buffer<f32>,
    stream: Stream,
    prepared: PreparedLaunch,
}

impl Ours {
    /// A device with so many streams.
    pub fn open(streams: usize) -> Outcome<Self> {
        let device = Device::builder().selector("software").parameters(Parameters::zero()).open()?;
        let body = RustKernel::new("axpy").scalar::<f32>().read::<f32>().write::<f32>().body(|block| {
            let (a, x, start) = (block.scalar::<f32>(0)?, block.read::<f32>(1)?, block.chunk_start(2)?);
            axpy(a, &x[start..], block.write::<f32>(2)?);
            Ok(())
        });
        let kernel = device.load(&ModuleSource::new().rust([body]))?.kernel("axpy")?;
        let x = device.alloc::<f32>(VALUES)?;
        device.stream()?.try_copy_in(&x, ramps())?.wait()?;
        let client = |_| {
            let (y, stream) = (device.alloc::<f32>(VALUES)?, device.stream()?);
            let prepared = device.prepare(&kernel, 1, args![FACTOR, x.read(), y.read_write()])?;
            Ok(OurClient { kernel: kernel.clone(), x: x.clone(), y, stream, prepared })
        };
        let clients = (0..streams).map(client).collect::<Outcome<_>>()?;
        Ok(Ours { device, clients, sources: sources() })
    }

    /// The streams.
    pub fn clients(&self) -> &[OurClient] {
        &self.clients
    }

    /// Host memory that the device reads and writes in place, for one buffer.
    pub fn host_buffer(&self) -> Outcome<HostBuffer<f32>> {
        Ok(self.device.host_buffer(VALUES)?)
    }

    /// Does the operations of a case; see [`Peer::run`].
    pub async fn operate(&self, case: Case, operations: usize, mut latencies: Option<&mut Latencies>) -> Outcome<()> {
        let clients = &self.clients[..case.buffers];
        match case.mode {
            Mode::Each => {
                for operation in 0..operations {
                    let begin = latencies.is_some().then(Instant::now);
                    self.submit(case, operation).await?.await?;
                    if let (Some(begin), Some(latencies)) = (begin, latencies.as_deref_mut()) {
                        latencies.record(begin.elapsed());
                    }
                }
            }
            Mode::End => {
                for operation in 0..operations {
                    self.submit(case, operation).await?;
                }
                for client in clients {
                    client.stream.last().await?;
                }
            }
            Mode::Batched => {
                for first in (0..operations).step_by(BATCH) {
                    for operation in first..operations.min(first + BATCH) {
                        self.submit(case, operation).await?;
                    }
                    self.device.flush();
                    for client in clients {
                        client.stream.last().await?;
                    }
                }
            }
        }
        Ok(())
    }

    async fn submit(&self, case: Case, operation: usize) -> Outcome<Completion> {
        let client = &self.clients[operation % case.buffers];
        match case.workload {
            Workload::Launch => client.launch(FACTOR).await,
            Workload::Prepared => Ok(client.stream.enqueue(&client.prepared).await?),
            Workload::Copy => {
                let source = self.sources[operation % SOURCES].as_slice();
                Ok(client.stream.copy_in(&client.y, source).await?)
            }
        }
    }
}

impl OurClient {
    /// Launches, and returns when that is accepted.
    pub async fn launch(&self, factor: f32) -> Outcome<Completion> {
        let arguments = args![factor, self.x.read(), self.y.read_write()];
        Ok(self.stream.launch(&self.kernel, 1, arguments).await?)
    }

    /// Copies in, launches three times, copies out into the same memory.
    pub async fn request(&self, values: &mut [f32]) -> Outcome<()> {
        self.stream.copy_in(&self.y, &*values).await?;
        for factor in REQUEST_FACTORS {
            self.launch(factor).await?;
        }
        Ok(self.stream.copy_out(&self.y).await?.read_into(values).await?)
    }

    /// The same, with host memory that the device reads and writes in place.
    pub async fn request_in_place(&self, values: &HostBuffer<f32>) -> Outcome<()> {
        self.stream.copy_in(&self.y, values).await?;
        for factor in REQUEST_FACTORS {
            self.launch(factor).await?;
        }
        Ok(self.stream.copy_out_into(&self.y, values).await?.await?)
    }

    /// The three launches alone, awaited.
    pub async fn launches(&self) -> Outcome<()> {
        let mut last = None;
        for factor in REQUEST_FACTORS {
            last = Some(self.launch(factor).await?);
        }
        match last {
            Some(completion) => Ok(completion.await?),
            None => Ok(()),
        }
    }

    /// Sets the buffer to zero.
    pub async fn clear(&self) -> Outcome<()> {
        Ok(self.stream.fill(&self.y, 0.0).await?.await?)
    }

    /// What the buffer holds.
    pub async fn read(&self) -> Outcome<Vec<f32>> {
        Ok(self.stream.copy_out(&self.y).await?.await?)
    }
}

impl Peer for Arc<Ours> {
    fn name(&self) -> &'static str {
        "dxgrt"
    }

    fn runs(&self, _case: Case) -> bool {
        true
    }

    fn clear(&mut self, case: Case) -> Outcome<()> {
        futures::executor::block_on(async {
            for client in &self.clients[..case.buffers] {
                client.clear().await?;
            }
            Ok(())
        })
    }

    fn run(&mut self, case: Case, operations: usize, latencies: Option<&mut Latencies>) -> Outcome<()> {
        futures::executor::block_on(self.operate(case, operations, latencies))
    }

    fn values(&mut self, buffer: usize) -> Outcome<Vec<f32>> {
        futures::executor::block_on(self.clients[buffer].read())
    }
}
