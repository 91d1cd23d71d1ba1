//! The floor of handing over: what a Rust developer would write without a runtime. A crossbeam channel, one worker thread
//! that does the same work at once, and a oneshot for each answer that is waited for.
//!
//! Operations own what they name, so that a buffer may be dropped with work in flight, as it may with dxgrt.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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

/// A buffer. The worker alone touches it while there is work, so its lock is always free.
#[derive(Clone, Debug)]
struct Memory(Arc<Mutex<Vec<f32>>>);

impl Memory {
    fn zeros() -> Self {
        Memory(Arc::new(Mutex::new(vec![0.0; VALUES])))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<f32>> {
        // Values are plain numbers: a panic elsewhere leaves them as good as they were.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One operation.
#[derive(Debug)]
enum Task {
    Launch { factor: f32, x: Arc<[f32]>, y: Memory },
    Copy { source: Arc<[f32]>, destination: Memory },
}

impl Task {
    fn run(self) {
        match self {
            Task::Launch { factor, x, y } => axpy(factor, &x, &mut y.lock()),
            Task::Copy { source, destination } => destination.lock().copy_from_slice(&source),
        }
    }
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
    Request { x: Arc<[f32]>, y: Memory, values: Vec<f32>, answer: oneshot::Sender<Vec<f32>> },
}

/// The worker and the way to it.
#[derive(Debug)]
pub struct Floor {
    sender: Option<Sender<Message>>,
    worker: Option<JoinHandle<()>>,
    x: Arc<[f32]>,
    sources: Vec<Arc<[f32]>>,
    clients: Vec<FloorClient>,
}

/// A way to the worker for one task, and its buffer.
#[derive(Clone, Debug)]
pub struct FloorClient {
    sender: Sender<Message>,
    x: Arc<[f32]>,
    y: Memory,
}

impl Floor {
    /// Starts the worker, with so many buffers.
    pub fn start(buffers: usize) -> Outcome<Self> {
        let (sender, receiver) = bounded(CHANNEL);
        let worker = std::thread::Builder::new().name("floor".into()).spawn(move || serve(&receiver))?;
        let x: Arc<[f32]> = ramps().into();
        let client = |_| FloorClient { sender: sender.clone(), x: Arc::clone(&x), y: Memory::zeros() };
        let clients = (0..buffers).map(client).collect();
        let sources = sources().into_iter().map(Arc::from).collect();
        Ok(Floor { sender: Some(sender), worker: Some(worker), x, sources, clients })
    }

    /// One for each buffer.
    pub fn clients(&self) -> &[FloorClient] {
        &self.clients
    }

    fn task(&self, case: Case, operation: usize) -> Task {
        let y = self.clients[operation % case.buffers].y.clone();
        match case.workload {
            Workload::Launch | Workload::Prepared => Task::Launch { factor: FACTOR, x: Arc::clone(&self.x), y },
            Workload::Copy => Task::Copy { source: Arc::clone(&self.sources[operation % SOURCES]), destination: y },
        }
    }

    async fn operate(&self, case: Case, operations: usize, mut latencies: Option<&mut Latencies>) -> Outcome<()> {
        let Some(client) = self.clients.first() else { return Ok(()) };
        match case.mode {
            Mode::Each => {
                for operation in 0..operations {
                    let begin = latencies.is_some().then(Instant::now);
                    client.call(self.task(case, operation)).await?;
                    if let (Some(begin), Some(latencies)) = (begin, latencies.as_deref_mut()) {
                        latencies.record(begin.elapsed());
                    }
                }
            }
            Mode::End => {
                (0..operations - 1).try_for_each(|operation| client.send(Message::Post(self.task(case, operation))))?;
                client.call(self.task(case, operations - 1)).await?;
            }
            Mode::Batched => {
                let mut tasks = Vec::with_capacity(BATCH);
                for first in (0..operations).step_by(BATCH) {
                    tasks.extend((first..operations.min(first + BATCH)).map(|operation| self.task(case, operation)));
                    let (done, is_done) = oneshot::channel();
                    client.send(Message::Many(tasks, done))?;
                    tasks = is_done.await?;
                }
            }
        }
        Ok(())
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        // Without senders the worker ends; it is not waited for where a task still has one.
        self.sender = None;
        self.clients.clear();
        self.worker = None;
    }
}

impl FloorClient {
    /// Waits for one launch.
    pub async fn launch(&self) -> Outcome<()> {
        self.call(Task::Launch { factor: FACTOR, x: Arc::clone(&self.x), y: self.y.clone() }).await
    }

    /// Waits for a request, which returns its answer in the memory of its values.
    pub async fn request(&self, values: Vec<f32>) -> Outcome<Vec<f32>> {
        let (answer, answered) = oneshot::channel();
        self.send(Message::Request { x: Arc::clone(&self.x), y: self.y.clone(), values, answer })?;
        Ok(answered.await?)
    }

    /// Sets the buffer to zero; with nothing in flight.
    pub fn clear(&self) {
        self.y.lock().fill(0.0);
    }

    /// What the buffer holds; with nothing in flight.
    pub fn read(&self) -> Vec<f32> {
        self.y.lock().clone()
    }

    async fn call(&self, task: Task) -> Outcome<()> {
        let (done, is_done) = oneshot::channel();
        self.send(Message::Call(task, done))?;
        Ok(is_done.await?)
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
        self.clients[..case.buffers].iter().for_each(FloorClient::clear);
        Ok(())
    }

    fn run(&mut self, case: Case, operations: usize, latencies: Option<&mut Latencies>) -> Outcome<()> {
        futures::executor::block_on(self.operate(case, operations, latencies))
    }

    fn values(&mut self, buffer: usize) -> Outcome<Vec<f32>> {
        Ok(self.clients[buffer].read())
    }
}

/// The worker.
fn serve(receiver: &Receiver<Message>) {
    for message in receiver {
        // Who has stopped waiting does not want the answer.
        match message {
            Message::Post(task) => task.run(),
            Message::Call(task, done) => {
                task.run();
                let _heard = done.send(());
            }
            Message::Many(mut tasks, done) => {
                tasks.drain(..).for_each(Task::run);
                let _heard = done.send(tasks);
            }
            Message::Request { x, y, mut values, answer } => {
                {
                    let mut y = y.lock();
                    y.copy_from_slice(&values);
                    REQUEST_FACTORS.iter().for_each(|&factor| axpy(factor, &x, &mut y));
                    values.copy_from_slice(&y);
                }
                let _heard = answer.send(values);
            }
        }
    }
}
