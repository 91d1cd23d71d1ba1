//! The worker pool: packets that take too long for the thread that drives the GPU.
//!
//! A [`PoolLaunch`] owns what is left of one packet. A worker runs it window by window: a window is a run of items that
//! do not conflict and belong to different streams, cut into units of blocks that any worker may take. Whoever finishes
//! the last unit of a window goes on with the next; nobody waits for anybody. Results do not depend on who runs what:
//! units that may run at the same time write disjoint memory.
//!
//! Threads start when there is work for them and block on the channel otherwise; they end when the GPU is dropped.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::{
    Fault, Shared,
    engine::{Active, bind, items_from},
    execution::{Execution, Failure, packet_fault},
    launch::BoundLaunch,
    ranges::RangeSet,
    resolver::Resolver,
    transfer,
};
use crate::software::{
    kernel::registry::KernelEntry,
    packet::{Commands, Packet},
};

/// Items of a window.
const WINDOW_ITEMS: usize = 64;
/// Expected time after which a window gets no more items.
const WINDOW_NS: u64 = 5_000_000;
/// Units of one item for each worker.
const UNITS_PER_WORKER: u64 = 4;

enum Job {
    Launch(Box<PoolLaunch>),
    Help(Arc<Window>),
    Drive(Arc<Shared>),
}

/// The worker threads.
pub(super) struct Pool {
    sender: Sender<Job>,
    receiver: Receiver<Job>,
    counts: Arc<Counts>,
    /// Workers that are not stuck in a hung launch.
    width: usize,
}

struct Counts {
    /// Jobs queued or running.
    jobs: AtomicUsize,
    threads: AtomicUsize,
    limit: AtomicUsize,
}

impl Pool {
    /// A pool of `workers` threads, of which none runs yet; 0: one for each core, at least two.
    pub(super) fn new(workers: usize) -> Self {
        let (sender, receiver) = unbounded();
        let cores = || thread::available_parallelism().map_or(2, usize::from).max(2);
        let width = if workers == 0 { cores() } else { workers };
        let counts = Counts { jobs: AtomicUsize::new(0), threads: AtomicUsize::new(0), limit: AtomicUsize::new(width) };
        Self { sender, receiver, counts: Arc::new(counts), width }
    }

    /// Runs the launch on a worker.
    pub(super) fn start(&self, launch: Box<PoolLaunch>) {
        self.submit(Job::Launch(launch));
    }

    /// Has a worker drive the GPU.
    pub(super) fn drive(&self, shared: Arc<Shared>) {
        self.submit(Job::Drive(shared));
    }

    /// A worker (or another thread) is stuck: allows one more.
    pub(super) fn replace_one(&self) {
        self.counts.limit.fetch_add(1, Ordering::Relaxed);
        self.spawn_if_needed();
    }

    fn submit(&self, job: Job) {
        self.counts.jobs.fetch_add(1, Ordering::SeqCst);
        // The receiver lives in this very struct, so the channel is connected.
        let _ = self.sender.send(job);
        self.spawn_if_needed();
    }

    fn spawn_if_needed(&self) {
        let counts = &self.counts;
        let wanted = || counts.jobs.load(Ordering::SeqCst).min(counts.limit.load(Ordering::Relaxed));
        let mut threads = counts.threads.load(Ordering::SeqCst);
        while threads < wanted() {
            match counts.threads.compare_exchange(threads, threads + 1, Ordering::SeqCst, Ordering::SeqCst) {
                Err(now) => threads = now,
                Ok(_) => {
                    let (receiver, counts) = (self.receiver.clone(), self.counts.clone());
                    let name = format!("dxgrt-gpu-{threads}");
                    if let Err(error) = thread::Builder::new().name(name).spawn(move || work(&receiver, &counts)) {
                        tracing::warn!(%error, "no thread for the worker pool");
                        self.counts.threads.fetch_sub(1, Ordering::SeqCst);
                    }
                    return;
                }
            }
        }
    }
}

fn work(receiver: &Receiver<Job>, counts: &Counts) {
    while let Ok(job) = receiver.recv() {
        match job {
            Job::Launch(launch) => launch.go(),
            Job::Help(window) => {
                if let Some(launch) = window.participate() {
                    launch.go();
                }
            }
            Job::Drive(shared) => drive(&shared),
        }
        counts.jobs.fetch_sub(1, Ordering::SeqCst);
    }
}

fn drive(shared: &Arc<Shared>) {
    if let Some(deadline) = shared.run(shared.now()) {
        shared.events.wake(deadline);
    }
}

/// The rest of a packet.
pub(super) struct PoolLaunch {
    shared: Arc<Shared>,
    /// Where the command buffer goes on afterwards.
    active: Active,
    ranges: Arc<RangeSet>,
    /// The packet.
    offset: usize,
    /// The items left, if it is a DISPATCH packet.
    dispatch: Option<Rest>,
    /// Holds the memory of the packet.
    resolver: Resolver,
    fault: Option<Fault>,
}

/// Items of a DISPATCH packet that have not begun, the first from `block` on.
pub(super) struct Rest {
    pub(super) entry: Arc<KernelEntry>,
    pub(super) offset: usize,
    pub(super) left: u32,
    pub(super) block: u64,
}

impl fmt::Debug for PoolLaunch {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("PoolLaunch").field("queue", &self.active.execution.queue).finish_non_exhaustive()
    }
}

impl PoolLaunch {
    /// The packet at `offset` of `active`'s command buffer, whose memory `resolver` holds.
    pub(super) fn new(
        shared: Arc<Shared>,
        active: Active,
        ranges: Arc<RangeSet>,
        offset: usize,
        dispatch: Option<Rest>,
        resolver: Resolver,
    ) -> Box<Self> {
        Box::new(Self { shared, active, ranges, offset, dispatch, resolver, fault: None })
    }

    pub(super) fn execution(&self) -> &Arc<Execution> {
        &self.active.execution
    }

    pub(super) fn ranges(&self) -> &Arc<RangeSet> {
        &self.ranges
    }

    /// Runs the packet as far as this thread has to, then hands it back.
    fn go(mut self: Box<Self>) {
        loop {
            let window = match self.next_window() {
                Ok(Some(window)) => window,
                Ok(None) => return self.finish(),
                Err(fault) => {
                    self.fault = Some(fault);
                    return self.finish();
                }
            };
            let (shared, helpers) = (self.shared.clone(), window.units.len().min(self.shared.pool.width) - 1);
            *window.launch.lock().unwrap_or_else(PoisonError::into_inner) = Some(self);
            let window = Arc::new(window);
            for _ in 0..helpers {
                shared.pool.submit(Job::Help(window.clone()));
            }
            drop(shared);
            match window.participate() {
                Some(launch) => self = launch,
                None => return,
            }
        }
    }

    /// The next items that may run together; `None`: the packet is done.
    fn next_window(&mut self) -> Result<Option<Window>, Fault> {
        let execution = self.active.execution.clone();
        if execution.is_abandoned() {
            return Ok(None);
        }
        execution.launch_starts(self.shared.now());
        let Some(rest) = &mut self.dispatch else {
            self.transfer(&execution)?;
            return Ok(None);
        };
        let mut items = items_from(&execution, rest.offset, self.active.offset, rest.left);
        let (mut taken, mut units) = (Vec::new(), Vec::new());
        let (mut streams, mut used, mut expected) = (Vec::new(), RangeSet::default(), 0u64);
        loop {
            (rest.offset, rest.left) = (items.offset(), items.left());
            let Some(item) = items.next() else { break };
            let item = item.map_err(|error| packet_fault(error, 0))?;
            if taken.len() == WINDOW_ITEMS || expected > WINDOW_NS || streams.contains(&item.stream) {
                break;
            }
            let first = std::mem::take(&mut rest.block);
            if item.blocks() == 0 {
                continue;
            }
            if execution.journal.skips(item.stream, item.op_tag)? {
                continue;
            }
            execution.operation_starts(item.op_tag);
            let mut launch = BoundLaunch::default();
            if !bind(&mut launch, &execution, &rest.entry, &item, &mut self.resolver)? {
                continue;
            }
            let mut ranges = RangeSet::default();
            launch.add_ranges(&rest.entry, &mut ranges);
            ranges.seal();
            if ranges.conflicts(&used) {
                break;
            }
            launch.add_ranges(&rest.entry, &mut used);
            used.seal();
            streams.push(item.stream);
            // Nothing is known of a kernel that has not been measured: it gets a window of its own.
            expected = expected.saturating_add(rest.entry.cost.estimate(item.blocks()).unwrap_or(u64::MAX));
            cut(&mut units, taken.len(), first, item.blocks(), rest.entry.is_sequential(), self.shared.pool.width);
            taken.push(WindowItem { offset: rest.offset, launch });
        }
        if units.is_empty() {
            // Every item left was skipped: none makes the loop stop before one was taken.
            return Ok(None);
        }
        Ok(Some(Window {
            launch: Mutex::new(None),
            entry: rest.entry.clone(),
            end: self.active.offset,
            shared: self.shared.clone(),
            execution,
            items: taken,
            next: AtomicUsize::new(0),
            left: AtomicUsize::new(units.len()),
            units,
            failures: Mutex::default(),
        }))
    }

    fn transfer(&mut self, execution: &Execution) -> Result<(), Fault> {
        match Commands::resume(execution.snapshot.bytes(), self.offset).next() {
            Some(Ok(Packet::Copy(copies))) => transfer::copy(execution, copies, &mut self.resolver),
            Some(Ok(Packet::Fill(fills))) => transfer::fill(execution, fills, &mut self.resolver),
            Some(Err(error)) => Err(packet_fault(error, 0)),
            _ => Ok(()),
        }
    }

    /// Hands the command buffer back to the engine and drives it on.
    fn finish(self) {
        let Self { shared, mut active, resolver, fault, .. } = self;
        active.execution.launch_ended();
        drop(resolver);
        let now = shared.now();
        if let Some((_, end)) = &mut active.pooled {
            *end = now;
        }
        let mut state = shared.lock();
        state.pool_ended(active, fault, now);
        shared.deliver(state);
        drive(&shared);
    }
}

/// Blocks of one item.
struct Unit {
    item: usize,
    from: u64,
    to: u64,
}

fn cut(units: &mut Vec<Unit>, item: usize, first: u64, blocks: u64, sequential: bool, workers: usize) {
    let left = blocks.saturating_sub(first);
    if left == 0 {
        return;
    }
    let parts = if sequential { 1 } else { left.min(workers as u64 * UNITS_PER_WORKER) };
    let each = left.div_ceil(parts);
    let mut from = first;
    while from < blocks {
        let to = from.saturating_add(each).min(blocks);
        units.push(Unit { item, from, to });
        from = to;
    }
}

struct WindowItem {
    offset: usize,
    launch: BoundLaunch,
}

/// Items that run together.
struct Window {
    /// What goes on afterwards; holds the memory meanwhile.
    launch: Mutex<Option<Box<PoolLaunch>>>,
    shared: Arc<Shared>,
    execution: Arc<Execution>,
    entry: Arc<KernelEntry>,
    /// End of the packet.
    end: usize,
    items: Vec<WindowItem>,
    units: Vec<Unit>,
    next: AtomicUsize,
    left: AtomicUsize,
    failures: Mutex<Vec<(usize, u64, Failure)>>,
}

impl Window {
    /// Runs units until none is left; who finishes the last one gets the launch, to go on with.
    fn participate(&self) -> Option<Box<PoolLaunch>> {
        loop {
            let unit = self.units.get(self.next.fetch_add(1, Ordering::Relaxed))?;
            if !self.execution.is_abandoned() {
                self.run(unit);
            }
            // AcqRel: the last one sees what all others wrote.
            if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
                let mut launch = self.launch.lock().unwrap_or_else(PoisonError::into_inner).take()?;
                if let Err(fault) = self.record_failures() {
                    launch.fault = Some(fault);
                    launch.finish();
                    return None;
                }
                return Some(launch);
            }
        }
    }

    fn run(&self, unit: &Unit) {
        let item = &self.items[unit.item];
        let Some(Ok(decoded)) = items_from(&self.execution, item.offset, self.end, 1).next() else { return };
        let begin = self.shared.now();
        // SAFETY: bound for this item by the resolver of the launch, which stays in this window until the last unit has
        // ended. The packet's ranges are in the state's `running` list, so nothing conflicting is started; items of one
        // window do not conflict; units are disjoint, and a sequential kernel's blocks are one unit.
        let result = unsafe { item.launch.run(&self.entry, &decoded, unit.from, unit.to) };
        self.entry.cost.record(unit.to - unit.from, self.shared.now().saturating_sub(begin));
        if let Err(failure) = result {
            let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
            failures.push((unit.item, unit.from, failure));
        }
    }

    /// Records the first failure of each failed item, in order.
    fn record_failures(&self) -> Result<(), Fault> {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.sort_by_key(|(item, from, _)| (*item, *from));
        failures.dedup_by_key(|(item, ..)| *item);
        for (item, _, failure) in failures.iter() {
            let item = &self.items[*item];
            if let Some(Ok(decoded)) = items_from(&self.execution, item.offset, self.end, 1).next() {
                self.execution.journal.fail(decoded.op_tag, decoded.stream, failure)?;
            }
        }
        Ok(())
    }
}
