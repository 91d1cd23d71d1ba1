//! The soak: hundreds of tasks on devices of every kind, with everything going wrong that can, for as long as wanted. Every
//! result is checked, every future must resolve, every device must close and leave nothing behind.
//!
//! Time passes in rounds. A round opens a few devices, each on a machine of its own, gives them tasks, and disturbs some of
//! them (module `chaos`); an error is right only on a device that was disturbed, or where the task itself asked for it.

mod chaos;
mod task;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use dxg_io::middleware::{FaultInjector, Faults};
use dxg_io::software::Usage;
use dxg_runtime::{Bound, Device, Limits, Parameters, Policy, SoftwareAdapter};
use serde_json::json;

use crate::Kernels;
use crate::hostile::Bytes;
use crate::measure::rss_mib;
use crate::puppet::{Puppet, Strings};

/// What takes longer is lost.
const PATIENCE: Duration = Duration::from_secs(90);

/// What is counted, by all tasks.
#[derive(Debug, Default)]
pub struct Counts {
    /// Operations accepted.
    pub operations: AtomicU64,
    /// Faults that took place.
    pub faults: AtomicU64,
    /// Futures, devices and host objects that did not come to their end.
    pub lost: AtomicU64,
    /// Wrong results and errors that nothing explains.
    pub wrong: AtomicU64,
    /// Devices opened.
    pub devices: AtomicU64,
    /// Futures that resolved with an error, as they should.
    pub failed: AtomicU64,
}

impl Counts {
    fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Something is lost; says what.
    fn lose(&self, what: &str) {
        eprintln!("lost: {what}");
        Counts::add(&self.lost);
    }

    /// Something is wrong; says what.
    fn err(&self, what: &str) {
        eprintln!("wrong: {what}");
        Counts::add(&self.wrong);
    }
}

/// One device of a round, with what disturbs it.
struct World {
    name: String,
    adapter: Arc<SoftwareAdapter>,
    device: Device,
    kernels: Kernels,
    strings: Arc<Strings>,
    faults: Arc<Faults>,
    /// Something was or will be done to it: errors are to be expected.
    disturbed: AtomicBool,
    counts: Arc<Counts>,
}

/// Resident memory at 10, 50 and 100 % of the time.
type Memory = [f64; 3];

/// Runs for so many seconds. The document of what happened, and whether all is well.
pub fn soak(seconds: u64, seed: u64, tasks: usize) -> (serde_json::Value, bool) {
    let counts = Arc::new(Counts::default());
    let mut random = Bytes::new(seed);
    let (begun, length) = (Instant::now(), Duration::from_secs(seconds));
    let mut memory: Memory = [0.0; 3];
    let mut rounds = 0u64;
    while begun.elapsed() < length {
        round(&mut random, tasks, &counts);
        rounds += 1;
        let part = begun.elapsed().as_secs_f64() / length.as_secs_f64();
        for (slot, at) in memory.iter_mut().zip([0.1, 0.5, 1.0]) {
            if *slot == 0.0 && part >= at {
                *slot = rss_mib();
            }
        }
        if rounds.is_multiple_of(20) {
            eprintln!(
                "{:.0} %: {} operations, {} faults, {:.0} MiB",
                100.0 * part.min(1.0),
                counts.operations.load(Ordering::Relaxed),
                counts.faults.load(Ordering::Relaxed),
                rss_mib()
            );
        }
    }
    let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let document = json!({
        "seconds": begun.elapsed().as_secs_f64().round(),
        "seed": seed,
        "rounds": rounds,
        "devices": get(&counts.devices),
        "operations": get(&counts.operations),
        "failed": get(&counts.failed),
        "faults": get(&counts.faults),
        "lost": get(&counts.lost),
        "wrong": get(&counts.wrong),
        "rss_mib": { "at_10": memory[0].round(), "at_50": memory[1].round(), "at_100": memory[2].round() },
    });
    let well = get(&counts.lost) == 0 && get(&counts.wrong) == 0 && get(&counts.operations) > 0;
    (document, well)
}

/// One round: a few devices, their tasks, their disturbances, their end.
fn round(random: &mut Bytes, tasks: usize, counts: &Arc<Counts>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.unwrap_or_else(|error| panic!("no tokio runtime: {error}"));
    let worlds = 1 + random.below(3) as usize;
    let worlds: Vec<Arc<World>> =
        (0..worlds).filter_map(|_| World::open(random, counts, &runtime).map(Arc::new)).collect();
    let share = tasks / worlds.len().max(1);
    let mut adapters = Vec::new();
    for world in &worlds {
        let disturbance = chaos::Disturbance::choose(random);
        world.disturbed.fetch_or(disturbance.is_felt(), Ordering::SeqCst);
        for _ in 0..share {
            let (world, random) = (world.clone(), Bytes::new(random.next_u64()));
            runtime.spawn(task::run(world, random));
        }
        runtime.spawn(disturbance.run(world.clone(), Bytes::new(random.next_u64())));
        adapters.push((world.name.clone(), world.adapter.clone()));
    }
    // Tasks hold their world: the last one takes the device with it.
    let ends: Vec<_> = worlds.into_iter().map(|world| runtime.spawn(World::end(world))).collect();
    runtime.block_on(async {
        for end in ends {
            if end.await.is_err() {
                counts.err("a world panicked at its end");
            }
        }
    });
    runtime.shutdown_timeout(PATIENCE);
    for (name, adapter) in adapters {
        let begun = Instant::now();
        // An event asked for behind work that never came stays with the driver, as on a real machine.
        while (Usage { events: 0, ..adapter.usage() }) != Usage::default() {
            if begun.elapsed() > PATIENCE {
                counts.lose(&format!("{name}: the adapter still holds {:?}", adapter.usage()));
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// What messages and launches cost, and how much there is of everything.
fn machine(random: &mut Bytes) -> (Parameters, Limits, Policy) {
    let base = match random.below(4) {
        0 | 1 => Parameters::zero(),
        2 => Parameters::default(),
        _ => {
            Parameters { round_trip_us: 10.0, wake_up_us: 5.0, launch_us: 2.0, copy_gbps: 0.2, ..Parameters::default() }
        }
    };
    let posted = random.below(4) > 0;
    let parameters = Parameters {
        async_messages: posted,
        vmbus_version: if posted { 40 } else { 27 },
        map_guest_pages: posted,
        paging_pending: random.below(2) == 0,
        block_slots: [1, 16, 1056][random.below(3) as usize],
        video_memory_mib: 128,
        io_space_mib: 4,
        // Machines that run this are busy: what takes long here is meant to.
        tdr_ms: 60_000.0,
        ..base
    };
    let high = [4, 32, 1024][random.below(3) as usize];
    let limits = Limits {
        hardware_queues: [1, 2, 8, 32][random.below(4) as usize],
        in_flight: 1 + random.below(4) as u32,
        batch_operations: [1, 8, 1024][random.below(3) as usize],
        stream_operations: Bound::new(high, high / 2),
        staging_bytes: [64 << 10, 4 << 20][random.below(2) as usize],
        memory_chunk_bytes: 2 << 20,
        silence_time: Duration::from_secs(60),
        ..Limits::default()
    };
    let policy = match random.below(8) {
        0 => Policy::OneByOne,
        1 => Policy::OneByOneSpin,
        2 => Policy::Fixed(1 + random.below(20) as u32),
        _ => Policy::Adaptive,
    };
    (parameters, limits, policy)
}

impl World {
    fn open(random: &mut Bytes, counts: &Arc<Counts>, runtime: &tokio::runtime::Runtime) -> Option<World> {
        let (mut parameters, mut limits, policy) = machine(random);
        let impatient = random.below(5) == 0;
        if impatient {
            // For hosts that fall silent and kernels that run for too long.
            parameters.tdr_ms = 300.0;
            limits.silence_time = Duration::from_millis(1500);
        }
        let name = format!("{policy}, posted {}, impatient {impatient}", parameters.async_messages);
        let adapter = SoftwareAdapter::new(parameters).map_err(|error| counts.err(&format!("{name}: {error}"))).ok()?;
        let strings = Arc::new(Strings::default());
        let (send, receive) = std::sync::mpsc::channel();
        let held = strings.clone();
        let builder = Device::builder().adapter(adapter.clone()).policy(policy).limits(limits);
        let builder = builder.through(move |inner| {
            let injector = FaultInjector::new(Puppet::new(inner, held.clone()));
            // Nobody listens any more where opening is over.
            let _opened_before = send.send(injector.faults());
            Arc::new(injector)
        });
        let builder = if random.below(4) == 0 { builder.tokio(runtime.handle().clone()) } else { builder };
        let device = builder.open().map_err(|error| counts.err(&format!("{name}: opening: {error}"))).ok()?;
        let kernels = Kernels::load(&device).map_err(|error| counts.err(&format!("{name}: {error}"))).ok()?;
        Counts::add(&counts.devices);
        let faults = receive.recv().ok()?;
        let (disturbed, counts) = (AtomicBool::new(impatient), counts.clone());
        Some(World { name, adapter, device, kernels, strings, faults, disturbed, counts })
    }

    fn is_disturbed(&self) -> bool {
        self.disturbed.load(Ordering::SeqCst)
    }

    /// Waits for the tasks, which hold the world, and closes the device.
    async fn end(self: Arc<Self>) {
        let begun = Instant::now();
        let longest = PATIENCE * 3;
        while Arc::strong_count(&self) > 1 && begun.elapsed() < longest {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        if Arc::strong_count(&self) > 1 {
            self.counts.lose(&format!("{}: {} tasks do not end", self.name, Arc::strong_count(&self) - 1));
        }
        self.counts.faults.fetch_add(self.faults.fired(), Ordering::Relaxed);
        self.adapter.stall_host(false);
        if tokio::time::timeout(PATIENCE, self.device.shutdown()).await.is_err() {
            self.counts.lose(&format!("{}: the device does not close", self.name));
        }
    }
}
