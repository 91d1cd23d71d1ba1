//! Random programs of many tasks give, byte for byte, what sequential execution gives.
//!
//! Each stream owns buffers and is fed by a task of its own; between phases streams hand data to one another, ordered by
//! events alone. Every value read back on the way, and everything at the end, is compared with a model that executes one
//! operation after another. The machine is random too: what messages and launches cost, the protocol, the size of the message
//! ring, queues, bounds, policy. A failure is shrunk to a small program on a simple machine, and says the seed that repeats it.

use std::sync::Arc;
use std::time::Duration;

use dxg_runtime::{
    Bound, Buffer, Command, Device, Error, Event, Graph, Limits, Parameters, Policy, Result, Stream, args,
};
use dxg_tests::{Kernels, affine, block_on, proptest_config, stir};
use proptest::prelude::*;

const STREAMS: usize = 5;
const BUFFERS: usize = 3;
const ELEMENTS: usize = 24;

/// One operation of a stream on its own buffers.
#[derive(Clone, Debug)]
enum Step {
    Fill {
        buffer: usize,
        from: usize,
        value: u32,
    },
    CopyIn {
        buffer: usize,
        seed: u32,
    },
    Copy {
        source: usize,
        destination: usize,
        from: usize,
        to: usize,
        len: usize,
    },
    Affine {
        x: usize,
        y: usize,
        a: u32,
        blocks: u32,
    },
    Stir {
        y: usize,
        k: u32,
        blocks: u32,
    },
    CopyOut {
        buffer: usize,
    },
    /// From host memory that the device reaches.
    CopyHost {
        buffer: usize,
        seed: u32,
    },
    /// Both kernels in one entry.
    List {
        x: usize,
        y: usize,
        a: u32,
        k: u32,
    },
    /// A graph of two nodes, launched so often.
    Graph {
        x: usize,
        y: usize,
        a: u32,
        k: u32,
        times: u32,
    },
    /// A kernel that panics: what follows is not run until the stream is reset.
    Fail {
        buffer: usize,
    },
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
        1 => buffer.clone().prop_map(|buffer| Step::CopyOut { buffer }),
        1 => (buffer.clone(), any::<u32>()).prop_map(|(buffer, seed)| Step::CopyHost { buffer, seed }),
        1 => (0..BUFFERS, 1..BUFFERS, any::<u32>(), any::<u32>()).prop_map(|(x, other, a, k)| {
            Step::List { x, y: (x + other) % BUFFERS, a, k }
        }),
        1 => (0..BUFFERS, 1..BUFFERS, any::<u32>(), any::<u32>(), 1..4u32).prop_map(|(x, other, a, k, times)| {
            Step::Graph { x, y: (x + other) % BUFFERS, a, k, times }
        }),
        1 => buffer.prop_map(|buffer| Step::Fail { buffer }),
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

/// `affine` and then `stir`, in the model.
fn pair(buffers: &mut Model, x: usize, y: usize, a: u32, k: u32) {
    model_step(buffers, &Step::Affine { x, y, a, blocks: 1 });
    model_step(buffers, &Step::Stir { y, k, blocks: 1 });
}

/// Executes a step in the model, and returns what it reads back.
fn model_step(buffers: &mut Model, step: &Step) -> Option<Vec<u32>> {
    match *step {
        Step::Fill { buffer, from, value } => buffers[buffer][from..].fill(value),
        Step::CopyIn { buffer, seed } | Step::CopyHost { buffer, seed } => buffers[buffer] = data(seed),
        Step::List { x, y, a, k } => pair(buffers, x, y, a, k),
        Step::Graph { x, y, a, k, times } => (0..times).for_each(|_| pair(buffers, x, y, a, k)),
        Step::Copy { source, destination, from, to, len } => {
            let part = buffers[source][from..from + len].to_vec();
            buffers[destination][to..to + len].copy_from_slice(&part);
        }
        // A launch of no blocks does nothing.
        Step::Affine { blocks: 0, .. } | Step::Stir { blocks: 0, .. } => {}
        Step::Fail { .. } | Step::Flush | Step::Await => {}
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

    fn pair(&self, kernels: &Kernels, x: usize, y: usize, a: u32, k: u32) -> [Command; 2] {
        let (x, y) = (&self.buffers[x], &self.buffers[y]);
        [
            Command::launch(&kernels.affine, 2, args![x.read(), y.read_write(), a]),
            Command::launch(&kernels.stir, 3, args![y.read_write(), k]),
        ]
    }

    /// A launch that fails; the stream is usable again after it.
    async fn fail(&self, kernels: &Kernels, buffer: usize) -> Result<()> {
        let failing = self.stream.launch(&kernels.broken, 1, args![self.buffers[buffer].write()]).await?;
        let behind = self.stream.fill(&self.buffers[buffer], 0u32).await;
        let error = failing.await.expect_err("the kernel panics");
        assert!(matches!(error, Error::LaunchFailed { .. }), "{error:?}");
        if let Ok(behind) = behind {
            let error = behind.await.expect_err("it stands behind the failure");
            assert!(matches!(error, Error::DependencyFailed { .. }), "{error:?}");
        }
        self.stream.reset()?;
        // The last operation of a stream decides what waiting for all of it says.
        self.stream.submit(&[Command::marker()]).await.map(drop)
    }

    /// Feeds the steps to the stream, and returns everything read back, in order.
    async fn feed(&self, device: &Device, kernels: &Kernels, steps: &[Step]) -> Result<Vec<Vec<u32>>> {
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
                Step::CopyHost { buffer, seed } => {
                    let host = device.host_buffer::<u32>(ELEMENTS)?;
                    host.write()?.copy_from_slice(&data(seed));
                    stream.copy_in(&buffers[buffer], &host).await?
                }
                Step::List { x, y, a, k } => stream.submit(&self.pair(kernels, x, y, a, k)).await?,
                Step::Graph { x, y, a, k, times } => {
                    let mut graph = Graph::builder(device);
                    for command in self.pair(kernels, x, y, a, k) {
                        graph.in_order(command)?;
                    }
                    let graph = graph.build()?;
                    for _ in 1..times {
                        graph.launch(stream, &[]).await?;
                    }
                    graph.launch(stream, &[]).await?
                }
                Step::Fail { buffer } => {
                    self.fail(kernels, buffer).await?;
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

/// What a program runs on.
#[derive(Clone, Debug)]
struct Machine {
    parameters: Parameters,
    limits: Limits,
    policy: Policy,
}

impl Machine {
    fn new(policy: Policy) -> Machine {
        Machine { parameters: Parameters::zero(), limits: Limits::default(), policy }
    }

    /// Small enough that tasks wait for room all the time.
    fn tight() -> Machine {
        let limits = Limits {
            stream_operations: Bound::new(6, 3),
            device_operations: Bound::new(16, 8),
            batch_operations: 5,
            in_flight: 2,
            ..Limits::default()
        };
        Machine { limits, ..Machine::new(Policy::Adaptive) }
    }
}

/// Costs: none, or a few microseconds each.
fn costs() -> impl Strategy<Value = Parameters> {
    let some = (prop::array::uniform7(0.0..4.0f64), 0.0..25.0f64, any::<bool>());
    prop_oneof![
        Just(Parameters::zero()),
        some.prop_map(|(us, round_trip_us, fast)| Parameters {
            posted_us: us[0],
            doorbell_us: us[1],
            host_message_us: us[2],
            host_submission_us: us[3],
            wake_up_us: us[4],
            launch_us: us[5],
            paging_us: us[6],
            round_trip_us,
            copy_gbps: if fast { 25.0 } else { 0.05 },
            ..Parameters::default()
        }),
    ]
}

fn machine() -> impl Strategy<Value = Machine> {
    let protocol = (any::<bool>(), any::<bool>(), any::<bool>(), prop::sample::select(vec![65_536u32, 262_144]));
    let gpu = (prop::sample::select(vec![1u32, 7, 1056]), 0..3u32);
    let batches = (1..6u32, prop::sample::select(vec![1u32, 2, 5, 4096]), prop::sample::select(vec![0u64, 20, 500]));
    // A graph of two nodes takes four places at once.
    let bounds = (prop::sample::select(vec![4u32, 7, 1000]), prop::sample::select(vec![5u32, 16, 4000]));
    let queues = prop::sample::select(vec![1u16, 2, 3, 8, 32]);
    let policy = prop::sample::select(vec![
        Policy::Adaptive,
        Policy::Adaptive,
        Policy::Fixed(1),
        Policy::Fixed(9),
        Policy::OneByOne,
        Policy::OneByOneSpin,
    ]);
    (costs(), protocol, gpu, batches, bounds, queues, policy).prop_map(
        |(costs, (posted, current, pending, ring_bytes), gpu, batches, bounds, hardware_queues, policy)| Machine {
            parameters: Parameters {
                async_messages: posted,
                vmbus_version: if current { 40 } else { 27 },
                // A message that maps pages takes half of the largest ring.
                map_guest_pages: ring_bytes == 262_144,
                paging_pending: pending,
                ring_bytes,
                block_slots: gpu.0,
                worker_threads: gpu.1,
                video_memory_mib: 256,
                io_space_mib: 8,
                ..costs
            },
            limits: Limits {
                hardware_queues,
                in_flight: batches.0,
                batch_operations: batches.1,
                gather_time: Duration::from_micros(batches.2),
                stream_operations: Bound::new(bounds.0, bounds.0 / 2),
                device_operations: Bound::new(bounds.1, bounds.1 / 2),
                ring_bytes: ring_bytes / 4,
                memory_chunk_bytes: 1 << 20,
                ..Limits::default()
            },
            policy,
        },
    )
}

fn open(machine: &Machine) -> Result<Device> {
    let builder = Device::builder().selector("software").parameters(machine.parameters.clone());
    builder.policy(machine.policy).limits(machine.limits).open()
}

/// Runs the program on the device and in the model, and compares all that can be seen.
async fn run(machine: &Machine, program: &[Phase]) -> Result<()> {
    let device = open(machine)?;
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
            let device = device.clone();
            tasks.push(tokio::spawn(async move { lane.feed(&device, &kernels, &steps).await }));
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

fn check(machine: &Machine, program: &[Phase]) {
    let run = async { tokio::time::timeout(Duration::from_secs(120), run(machine, program)).await };
    match block_on(run) {
        Ok(Ok(())) => {}
        Ok(Err(error)) => panic!("{machine:?}: {error}"),
        Err(_) => panic!("{machine:?}: the program hangs"),
    }
}

proptest! {
    #![proptest_config(proptest_config(24))]

    #[test]
    fn batched_programs_equal_sequential_ones(program in prop::collection::vec(phase(), 1..4)) {
        check(&Machine::new(Policy::Adaptive), &program);
    }

    #[test]
    fn programs_short_of_room_equal_sequential_ones(program in prop::collection::vec(phase(), 1..4)) {
        check(&Machine::tight(), &program);
    }

    #[test]
    fn programs_in_fixed_batches_equal_sequential_ones(program in prop::collection::vec(phase(), 1..3)) {
        check(&Machine::new(Policy::Fixed(7)), &program);
    }

    #[test]
    fn programs_one_by_one_equal_sequential_ones(program in prop::collection::vec(phase(), 1..3)) {
        check(&Machine::new(Policy::OneByOneSpin), &program);
    }
}

proptest! {
    #![proptest_config(proptest_config(96))]

    #[test]
    fn programs_on_any_machine_equal_sequential_ones(
        machine in machine(),
        program in prop::collection::vec(phase(), 1..3),
    ) {
        check(&machine, &program);
    }
}
