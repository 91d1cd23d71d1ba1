//! Random programs of many tasks give, byte for byte, what sequential execution gives.
//!
//! Each stream owns buffers and is fed by a task of its own; between phases streams hand data to one another, ordered by
//! events alone. Every value read back on the way, and everything at the end, is compared with a model that executes one
//! operation after another.

use std::sync::Arc;

use dxg_runtime::{Bound, Buffer, Device, Event, Limits, Parameters, Policy, Result, Stream, args};
use dxg_tests::{Kernels, affine, block_on, stir};
use proptest::prelude::*;

const STREAMS: usize = 5;
const BUFFERS: usize = 3;
const ELEMENTS: usize = 24;

/// One operation of a stream on its own buffers.
#[derive(Clone, Debug)]
enum Step {
    Fill { buffer: usize, from: usize, value: u32 },
    CopyIn { buffer: usize, seed: u32 },
    Copy { source: usize, destination: usize, from: usize, to: usize, len: usize },
    Affine { x: usize, y: usize, a: u32, blocks: u32 },
    Stir { y: usize, k: u32, blocks: u32 },
    CopyOut { buffer: usize },
    Flush,
    Await,
}

/// A buffer of one stream goes to another, ordered by events.
#[derive(Clone, Debug)]
struct HandOver {
    from: usize,
    to: usize,
    source: usize,
    destination: usize,
}

#[derive(Clone, Debug)]
struct Phase {
    steps: Vec<Vec<Step>>,
    hand_overs: Vec<HandOver>,
}

fn step() -> impl Strategy<Value = Step> {
    let buffer = 0..BUFFERS;
    prop_oneof![
        2 => (buffer.clone(), 0..ELEMENTS, any::<u32>()).prop_map(|(buffer, from, value)| Step::Fill { buffer, from, value }),
        2 => (buffer.clone(), any::<u32>()).prop_map(|(buffer, seed)| Step::CopyIn { buffer, seed }),
        2 => (0..BUFFERS, 1..BUFFERS, 0..ELEMENTS, 0..ELEMENTS, 0..ELEMENTS).prop_map(|(source, other, from, to, len)| {
            let len = len.min(ELEMENTS - from.max(to));
            Step::Copy { source, destination: (source + other) % BUFFERS, from, to, len }
        }),
        4 => (0..BUFFERS, 1..BUFFERS, any::<u32>(), 0..5u32).prop_map(|(x, other, a, blocks)| {
            Step::Affine { x, y: (x + other) % BUFFERS, a, blocks }
        }),
        3 => (buffer.clone(), any::<u32>(), 0..5u32).prop_map(|(y, k, blocks)| Step::Stir { y, k, blocks }),
        1 => buffer.prop_map(|buffer| Step::CopyOut { buffer }),
        1 => Just(Step::Flush),
        1 => Just(Step::Await),
    ]
}

fn phase() -> impl Strategy<Value = Phase> {
    let hand_over = (0..STREAMS, 1..STREAMS, 0..BUFFERS, 0..BUFFERS).prop_map(|(from, other, source, destination)| {
        HandOver { from, to: (from + other) % STREAMS, source, destination }
    });
    let steps = prop::collection::vec(prop::collection::vec(step(), 0..14), STREAMS);
    (steps, prop::collection::vec(hand_over, 0..5)).prop_map(|(steps, hand_overs)| Phase { steps, hand_overs })
}

fn data(seed: u32) -> Vec<u32> {
    (0..ELEMENTS as u32).map(|i| seed.wrapping_mul(2_654_435_761).wrapping_add(i * 97)).collect()
}

/// The buffers of one stream in the model.
type Model = Vec<Vec<u32>>;

/// Executes a step in the model, and returns what it reads back.
fn model_step(buffers: &mut Model, step: &Step) -> Option<Vec<u32>> {
    match *step {
        Step::Fill { buffer, from, value } => buffers[buffer][from..].fill(value),
        Step::CopyIn { buffer, seed } => buffers[buffer] = data(seed),
        Step::Copy { source, destination, from, to, len } => {
            let part = buffers[source][from..from + len].to_vec();
            buffers[destination][to..to + len].copy_from_slice(&part);
        }
        // A launch of no blocks does nothing.
        Step::Affine { blocks: 0, .. } | Step::Stir { blocks: 0, .. } | Step::Flush | Step::Await => {}
        Step::Affine { x, y, a, .. } => {
            let x = buffers[x].clone();
            buffers[y].iter_mut().zip(x).for_each(|(y, x)| *y = affine(x, *y, a));
        }
        Step::Stir { y, k, .. } => {
            for (i, value) in buffers[y].iter_mut().enumerate() {
                *value = stir(*value, k, i);
            }
        }
        Step::CopyOut { buffer } => return Some(buffers[buffer].clone()),
    }
    None
}

/// A stream with its buffers on the device.
struct Lane {
    stream: Stream,
    buffers: Vec<Buffer<u32>>,
}

impl Lane {
    async fn new(device: &Device) -> Result<Lane> {
        let stream = device.stream()?;
        let buffers = (0..BUFFERS).map(|_| device.alloc::<u32>(ELEMENTS)).collect::<Result<Vec<_>>>()?;
        for buffer in &buffers {
            stream.fill(buffer, 0u32).await?;
        }
        Ok(Lane { stream, buffers })
    }

    /// Feeds the steps to the stream, and returns everything read back, in order.
    async fn feed(&self, kernels: &Kernels, steps: &[Step]) -> Result<Vec<Vec<u32>>> {
        let (stream, buffers) = (&self.stream, &self.buffers);
        let mut reads = Vec::new();
        for step in steps {
            match *step {
                Step::Fill { buffer, from, value } => stream.fill(&buffers[buffer].slice(from..)?, value).await?,
                Step::CopyIn { buffer, seed } => stream.copy_in(&buffers[buffer], data(seed)).await?,
                Step::Copy { source, destination, from, to, len } => {
                    let source = buffers[source].slice(from..from + len)?;
                    let destination = buffers[destination].slice(to..to + len)?;
                    stream.copy(&source, &destination).await?
                }
                Step::Affine { x, y, a, blocks } => {
                    let arguments = args![buffers[x].read(), buffers[y].read_write(), a];
                    stream.launch(&kernels.affine, blocks, arguments).await?
                }
                Step::Stir { y, k, blocks } => {
                    stream.launch(&kernels.stir, blocks, args![buffers[y].read_write(), k]).await?
                }
                Step::CopyOut { buffer } => {
                    reads.push(stream.copy_out(&buffers[buffer]).await?);
                    continue;
                }
                Step::Flush => {
                    stream.flush();
                    continue;
                }
                Step::Await => {
                    stream.synchronize().await?;
                    continue;
                }
            };
        }
        let mut values = Vec::new();
        for read in reads {
            values.push(read.await?);
        }
        Ok(values)
    }
}

async fn hand_over(device: &Device, lanes: &[Arc<Lane>], step: &HandOver) -> Result<()> {
    let (from, to) = (&lanes[step.from], &lanes[step.to]);
    let (written, read) = (Event::without_time(device)?, Event::without_time(device)?);
    from.stream.record(&written).await?;
    to.stream.wait(&written).await?;
    to.stream.copy(&from.buffers[step.source], &to.buffers[step.destination]).await?;
    to.stream.record(&read).await?;
    from.stream.wait(&read).await?;
    Ok(())
}

fn open(policy: Policy, tight: bool) -> Result<Device> {
    let mut limits = Limits::default();
    if tight {
        // Small enough that tasks wait for room all the time.
        limits.stream_operations = Bound::new(6, 3);
        limits.device_operations = Bound::new(16, 8);
        limits.batch_operations = 5;
        limits.in_flight = 2;
    }
    Device::builder().selector("software").parameters(Parameters::zero()).policy(policy).limits(limits).open()
}

/// Runs the program on the device and in the model, and compares all that can be seen.
async fn run(policy: Policy, tight: bool, program: &[Phase]) -> Result<()> {
    let device = open(policy, tight)?;
    let kernels = Arc::new(Kernels::load(&device)?);
    let mut lanes = Vec::new();
    for _ in 0..STREAMS {
        lanes.push(Arc::new(Lane::new(&device).await?));
    }
    let mut model: Vec<Model> = vec![vec![vec![0; ELEMENTS]; BUFFERS]; STREAMS];
    for (number, phase) in program.iter().enumerate() {
        let mut tasks = Vec::new();
        for (lane, steps) in lanes.iter().zip(&phase.steps) {
            let (lane, kernels, steps) = (Arc::clone(lane), Arc::clone(&kernels), steps.clone());
            tasks.push(tokio::spawn(async move { lane.feed(&kernels, &steps).await }));
        }
        for (stream, task) in tasks.into_iter().enumerate() {
            let found = task.await.expect("a task does not panic")?;
            let steps = phase.steps[stream].iter();
            let expected: Vec<_> = steps.filter_map(|step| model_step(&mut model[stream], step)).collect();
            assert_eq!(found, expected, "what stream {stream} read back in phase {number}");
        }
        for step in &phase.hand_overs {
            hand_over(&device, &lanes, step).await?;
            model[step.to][step.destination] = model[step.from][step.source].clone();
        }
    }
    for (stream, (lane, expected)) in lanes.iter().zip(&model).enumerate() {
        for (buffer, expected) in lane.buffers.iter().zip(expected) {
            let found = lane.stream.copy_out(buffer).await?.await?;
            assert_eq!(&found, expected, "a buffer of stream {stream} at the end");
        }
    }
    device.shutdown().await;
    Ok(())
}

fn check(policy: Policy, tight: bool, program: &[Phase]) {
    if let Err(error) = block_on(run(policy, tight, program)) {
        panic!("{policy}: {error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn batched_programs_equal_sequential_ones(program in prop::collection::vec(phase(), 1..4)) {
        check(Policy::Adaptive, false, &program);
    }

    #[test]
    fn programs_short_of_room_equal_sequential_ones(program in prop::collection::vec(phase(), 1..4)) {
        check(Policy::Adaptive, true, &program);
    }

    #[test]
    fn programs_in_fixed_batches_equal_sequential_ones(program in prop::collection::vec(phase(), 1..3)) {
        check(Policy::Fixed(7), false, &program);
    }

    #[test]
    fn programs_one_by_one_equal_sequential_ones(program in prop::collection::vec(phase(), 1..3)) {
        check(Policy::OneByOneSpin, false, &program);
    }
}
