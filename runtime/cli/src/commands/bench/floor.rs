//! The floor of handing over: what a Rust developer would write without a runtime. A crossbeam channel, one worker thread
//! that does the same work at once, and a oneshot for each answer that is waited for.

use std::thread::JoinHandle;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, bounded};
use tokio::sync::oneshot;

use super::peer::Peer;
use super::statistics::Latencies;
use super::work::{BATCH, Case, FACTOR, Mode, REQUEST_FACTORS, SOURCES, VALUES, Workload, axpy, ramps, sources};
use crate::commands::{Failure, Outcome};

/// Messages that wait for the worker before its clients do: more than any number of tasks that are measured.
const CHANNEL: usize = 16 * 1024;

/// One operation.
#[derive(Clone, Copy, Debug)]
enum Task {
    Launch { buffer: usize },
    Copy { buffer: usize, source: usize },
}

#[derive(Debug)]
enum Message {
    /// An operation that nobody waits for by itself.
    Post(Task),
    /// One that somebody waits for.
    Call(Task, oneshot::Sender<()>),
    /// Many, and one answer, which returns the list.
    Many(Vec<Task>, oneshot::Sender<Vec<Task>>),
    /// Copy in, three launches, copy out; the answer is in the same memory.
    Request { buffer: usize, values: Vec<f32>, answer: oneshot::Sender<Vec<f32>> },
    /// Buffers of zeros, so many.
    Clear { buffers: usize, done: oneshot::Sender<()> },
    /// What a buffer holds.
    Read { buffer: usize, values: oneshot::Sender<Vec<f32>> },
}

/// The worker and the way to it.
#[derive(Debug)]
pub struct Floor {
    sender: Option<Sender<Message>>,
    worker: Option<JoinHandle<()>>,
}

/// A way to the worker for one task.
#[derive(Clone, Debug)]
pub struct FloorClient {
    sender: Sender<Message>,
}

impl Floor {
    /// Starts the worker.
    pub fn start() -> Outcome<Self> {
        let (sender, receiver) = bounded(CHANNEL);
        let worker = std::thread::Builder::new().name("floor".into()).spawn(move || serve(&receiver))?;
        Ok(Floor { sender: Some(sender), worker: Some(worker) })
    }

    /// A way to the worker.
    pub fn client(&self) -> Outcome<FloorClient> {
        let sender = self.sender.as_ref().ok_or("the floor's worker has ended")?;
        Ok(FloorClient { sender: sender.clone() })
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        // Without senders the worker ends.
        self.sender = None;
        if let Some(worker) = self.worker.take() {
            // A worker that panicked has said so on stderr.
            let _ended = worker.join();
        }
    }
}

impl FloorClient {
    /// Waits for one launch.
    pub async fn launch(&self, buffer: usize) -> Outcome<()> {
        self.call(Task::Launch { buffer }).await
    }

    /// Waits for a request, which returns its answer in the memory of its values.
    pub async fn request(&self, buffer: usize, values: Vec<f32>) -> Outcome<Vec<f32>> {
        let (answer, answered) = oneshot::channel();
        self.send(Message::Request { buffer, values, answer })?;
        Ok(answered.await?)
    }

    /// So many buffers of zeros.
    pub async fn clear(&self, buffers: usize) -> Outcome<()> {
        let (done, is_done) = oneshot::channel();
        self.send(Message::Clear { buffers, done })?;
        Ok(is_done.await?)
    }

    async fn call(&self, task: Task) -> Outcome<()> {
        let (done, is_done) = oneshot::channel();
        self.send(Message::Call(task, done))?;
        Ok(is_done.await?)
    }

    /// What a buffer holds.
    pub async fn read(&self, buffer: usize) -> Outcome<Vec<f32>> {
        let (values, read) = oneshot::channel();
        self.send(Message::Read { buffer, values })?;
        Ok(read.await?)
    }

    fn send(&self, message: Message) -> Outcome<()> {
        self.sender.send(message).map_err(|_ended| Failure::from("the floor's worker has ended"))
    }
}

impl Peer for Floor {
    fn name(&self) -> &'static str {
        "floor"
    }

    fn runs(&self, _case: Case) -> bool {
        true
    }

    fn clear(&mut self, case: Case) -> Outcome<()> {
        futures::executor::block_on(self.client()?.clear(case.buffers))
    }

    fn run(&mut self, case: Case, operations: usize, latencies: Option<&mut Latencies>) -> Outcome<()> {
        let client = self.client()?;
        futures::executor::block_on(run(&client, case, operations, latencies))
    }

    fn values(&mut self, buffer: usize) -> Outcome<Vec<f32>> {
        futures::executor::block_on(self.client()?.read(buffer))
    }
}

fn task(case: Case, operation: usize) -> Task {
    let buffer = operation % case.buffers;
    match case.workload {
        Workload::Launch => Task::Launch { buffer },
        Workload::Copy => Task::Copy { buffer, source: operation % SOURCES },
    }
}

async fn run(
    client: &FloorClient,
    case: Case,
    operations: usize,
    mut latencies: Option<&mut Latencies>,
) -> Outcome<()> {
    match case.mode {
        Mode::Each => {
            for operation in 0..operations {
                let begin = latencies.is_some().then(Instant::now);
                client.call(task(case, operation)).await?;
                if let (Some(begin), Some(latencies)) = (begin, latencies.as_deref_mut()) {
                    latencies.record(begin.elapsed());
                }
            }
        }
        Mode::End => {
            (0..operations - 1).try_for_each(|operation| client.send(Message::Post(task(case, operation))))?;
            client.call(task(case, operations - 1)).await?;
        }
        Mode::Batched => {
            let mut tasks = Vec::with_capacity(BATCH);
            for first in (0..operations).step_by(BATCH) {
                tasks.clear();
                tasks.extend((first..operations.min(first + BATCH)).map(|operation| task(case, operation)));
                let (done, is_done) = oneshot::channel();
                client.send(Message::Many(tasks, done))?;
                tasks = is_done.await?;
            }
        }
    }
    Ok(())
}

/// The worker: all memory is its own.
fn serve(receiver: &Receiver<Message>) {
    let (x, sources) = (ramps(), sources());
    let mut buffers: Vec<Vec<f32>> = Vec::new();
    let work = |buffers: &mut Vec<Vec<f32>>, task: Task| match task {
        Task::Launch { buffer } => axpy(FACTOR, &x, &mut buffers[buffer]),
        Task::Copy { buffer, source } => buffers[buffer].copy_from_slice(&sources[source]),
    };
    for message in receiver {
        // Who has stopped waiting does not want the answer.
        match message {
            Message::Post(task) => work(&mut buffers, task),
            Message::Call(task, done) => {
                work(&mut buffers, task);
                let _heard = done.send(());
            }
            Message::Many(tasks, done) => {
                tasks.iter().for_each(|&task| work(&mut buffers, task));
                let _heard = done.send(tasks);
            }
            Message::Request { buffer, mut values, answer } => {
                let y = &mut buffers[buffer];
                y.copy_from_slice(&values);
                REQUEST_FACTORS.iter().for_each(|&factor| axpy(factor, &x, y));
                values.copy_from_slice(y);
                let _heard = answer.send(values);
            }
            Message::Clear { buffers: n, done } => {
                buffers.resize_with(n, || vec![0.0; VALUES]);
                buffers.iter_mut().for_each(|buffer| buffer.fill(0.0));
                let _heard = done.send(());
            }
            Message::Read { buffer, values } => {
                let _heard = values.send(buffers.get(buffer).cloned().unwrap_or_default());
            }
        }
    }
}
