//! Executes the packets of a command buffer.
//!
//! The [`Engine`] walks the packets of a command buffer until it ends, has to wait, or goes on on the worker pool. Effects
//! on memory happen as soon as possible; what others can see of it (progress, signals, events) waits for the modelled
//! time. Who may touch what is told in [`super::drive`].

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::Arc,
};

use super::{
    Fault, FaultReason, Shared,
    address_space::AddressSpace,
    execution::{Execution, bad_address, packet_fault},
    launch::{BoundLaunch, panicked, returned, unbound, unknown},
    pool::{PoolLaunch, Rest},
    ranges::RangeSet,
    resolver::Resolver,
    transfer,
};
use crate::software::{
    kernel::{KernelRegistry, binding::BindError, registry::KernelEntry},
    model::slots::{Direction, Slots, Started},
    packet::{Commands, Dispatch, Item, Items, Packet},
};

/// Copies and fills of more bytes run on the worker pool.
const INLINE_TRANSFER_BYTES: u64 = 1 << 20;
/// After so many inline items the watchdog is told that the launch goes on.
const ITEMS_PER_CLOCK: u32 = 64;

/// What the executing thread needs, reused from one command buffer to the next.
#[derive(Debug)]
pub(super) struct Engine {
    pub(super) resolver: Resolver,
    launch: BoundLaunch,
    slots: Slots,
    /// Finished executions, for their room.
    pub(super) spare: Vec<Arc<Execution>>,
    /// What a spare execution has for an address space.
    nowhere: Arc<AddressSpace>,
    /// Memory of the packets on the pool when the task was taken; it can only have become less since.
    pub(super) busy: Vec<Arc<RangeSet>>,
    ranges: RangeSet,
}

/// A command buffer between two steps.
#[derive(Debug)]
pub(super) struct Active {
    pub(super) execution: Arc<Execution>,
    /// The next packet.
    pub(super) offset: usize,
    /// What a packet that ran on the pool costs, and its real end.
    pub(super) pooled: Option<(Charge, u64)>,
}

/// What a packet costs in the model.
#[derive(Clone, Copy, Debug)]
pub(super) enum Charge {
    Nothing,
    Dispatch(Started),
    Copy { direction: Direction, ready: u64, bytes: u64 },
}

/// How a step of a command buffer ended.
#[derive(Debug)]
pub(super) enum Outcome {
    Finished(Arc<Execution>),
    /// The next packet is due at this time.
    Waiting(Active, u64),
    /// The next packet conflicts with one on the pool.
    Conflicted(Active),
    /// The packet goes on on the pool.
    Pooled(Box<PoolLaunch>),
    Fault(Fault),
    /// Its device is gone or lost.
    Abandoned,
}

/// How the inline part of a packet ended.
enum Inline {
    Done,
    /// The items from here on, the first from this block on, are for the pool.
    Rest {
        offset: usize,
        left: u32,
        block: u64,
    },
}

impl Engine {
    pub(super) fn new(slots: Slots) -> Self {
        Self {
            resolver: Resolver::default(),
            launch: BoundLaunch::default(),
            slots,
            spare: Vec::new(),
            nowhere: Arc::default(),
            busy: Vec::new(),
            ranges: RangeSet::default(),
        }
    }

    /// Keeps a finished command buffer's room for the next.
    pub(super) fn recycle(&mut self, mut execution: Arc<Execution>) {
        if self.spare.len() < 16 && execution.let_go(&self.nowhere) {
            self.spare.push(execution);
        }
    }

    /// Runs packets until the command buffer ends or has to wait.
    pub(super) fn advance(
        &mut self,
        shared: &Arc<Shared>,
        mut active: Active,
        time: &mut u64,
        mut now: u64,
    ) -> Outcome {
        let execution = active.execution.clone();
        if let Some((charge, end)) = active.pooled.take() {
            self.charge(charge, end, time);
        }
        let mut commands = Commands::resume(execution.snapshot.bytes(), active.offset);
        loop {
            if execution.is_abandoned() {
                return Outcome::Abandoned;
            }
            active.offset = commands.offset();
            let packet = match commands.next() {
                None => {
                    if *time > now {
                        now = shared.now();
                    }
                    if *time > now {
                        return Outcome::Waiting(active, *time);
                    }
                    return Outcome::Finished(execution);
                }
                Some(Err(error)) => return Outcome::Fault(packet_fault(error, 0)),
                Some(Ok(packet)) => packet,
            };
            let step = match packet {
                Packet::Nop | Packet::Barrier => continue,
                Packet::Progress { value } => {
                    if *time > now {
                        now = shared.now();
                    }
                    if *time > now {
                        return Outcome::Waiting(active, *time);
                    }
                    if !shared.progress(&execution, value, now) {
                        return Outcome::Abandoned;
                    }
                    continue;
                }
                Packet::Depend { dst_stream, dst_tag, src_stream, src_tag } => {
                    match execution.journal.depend(dst_stream, dst_tag, src_stream, src_tag) {
                        Ok(()) => continue,
                        Err(fault) => return Outcome::Fault(fault),
                    }
                }
                _ => self.heavy(shared, &execution, &packet, active.offset, commands.offset(), *time),
            };
            match step {
                Ok(Step::Done { charge, end }) => {
                    now = end;
                    self.charge(charge, end, time);
                }
                Ok(Step::Conflicted) => return Outcome::Conflicted(active),
                Ok(Step::Pooled(launch)) => return Outcome::Pooled(launch),
                Err(fault) => return Outcome::Fault(fault),
            }
        }
    }

    fn charge(&mut self, charge: Charge, end: u64, time: &mut u64) {
        *time = match charge {
            Charge::Nothing => (*time).max(end),
            Charge::Dispatch(started) => self.slots.complete(started, end),
            Charge::Copy { direction, ready, bytes } => self.slots.copy(direction, ready, bytes, end),
        };
    }

    /// A packet that works on memory.
    fn heavy(
        &mut self,
        shared: &Arc<Shared>,
        execution: &Arc<Execution>,
        packet: &Packet<'_>,
        offset: usize,
        next: usize,
        time: u64,
    ) -> Result<Step, Fault> {
        let entry = match packet {
            Packet::Dispatch(dispatch) => shared.kernels.entry(dispatch.kernel),
            _ => None,
        };
        if !self.busy.is_empty() {
            self.collect_ranges(packet, entry.as_deref());
            if self.busy.iter().any(|busy| busy.conflicts(&self.ranges)) {
                return Ok(Step::Conflicted);
            }
        }
        let begin = shared.now();
        let charge = self.price(packet, time.max(begin));
        let pool = |engine: &mut Self, rest: Option<Rest>| {
            engine.collect_ranges(packet, rest.as_ref().map(|rest| &*rest.entry));
            let ranges = Arc::new(engine.ranges.clone());
            let active = Active { execution: execution.clone(), offset: next, pooled: Some((charge, begin)) };
            execution.launch_ended();
            // The launch takes over what holds its memory.
            let resolver = std::mem::take(&mut engine.resolver);
            Ok(Step::Pooled(PoolLaunch::new(shared.clone(), active, ranges, offset, rest, resolver)))
        };
        match packet {
            Packet::Dispatch(dispatch) => {
                execution.launch_starts(begin);
                execution.packet_starts(offset);
                let rest = match &entry {
                    Some(entry) => self.dispatch(shared, execution, dispatch, entry, next, begin)?,
                    None => {
                        fail_all(execution, dispatch)?;
                        Inline::Done
                    }
                };
                if let (Inline::Rest { offset, left, block }, Some(entry)) = (rest, entry) {
                    return pool(self, Some(Rest { entry, offset, left, block }));
                }
            }
            Packet::Copy(copies) => {
                if transfer::copy_size(*copies, &mut self.resolver).1 > INLINE_TRANSFER_BYTES {
                    return pool(self, None);
                }
                transfer::copy(execution, *copies, &mut self.resolver)?;
            }
            Packet::Fill(fills) => {
                if transfer::fill_size(*fills) > INLINE_TRANSFER_BYTES {
                    return pool(self, None);
                }
                transfer::fill(execution, *fills, &mut self.resolver)?;
            }
            Packet::Timestamp { va } => {
                let host = self.resolver.resolve(*va, 8, true).map_err(|error| bad_address(error, 0))?;
                // SAFETY: eight bytes are mapped, held and writable there, 8-byte aligned (the decoder checks the
                // address, segments are page aligned).
                let place = unsafe { std::sync::atomic::AtomicU64::from_ptr(host.cast()) };
                place.store(time.max(begin), std::sync::atomic::Ordering::Relaxed);
                return Ok(Step::Done { charge: Charge::Nothing, end: begin });
            }
            _ => {}
        }
        execution.launch_ended();
        Ok(Step::Done { charge, end: shared.now() })
    }

    /// What the packet costs when it is ready at `ready`.
    fn price(&mut self, packet: &Packet<'_>, ready: u64) -> Charge {
        if self.slots.is_free_of_charge() {
            return Charge::Nothing;
        }
        match packet {
            Packet::Dispatch(dispatch) => {
                let blocks = dispatch.items().flatten().fold(0u64, |sum, item| sum.saturating_add(item.blocks()));
                Charge::Dispatch(self.slots.start(ready, blocks))
            }
            Packet::Copy(copies) => {
                let (direction, bytes) = transfer::copy_size(*copies, &mut self.resolver);
                Charge::Copy { direction, ready, bytes }
            }
            Packet::Fill(fills) => Charge::Dispatch(self.slots.start(ready, fills.iter().count() as u64)),
            _ => Charge::Nothing,
        }
    }

    /// Fills `self.ranges` with the memory that the packet uses.
    fn collect_ranges(&mut self, packet: &Packet<'_>, entry: Option<&KernelEntry>) {
        let set = &mut self.ranges;
        set.clear();
        self.launch.forget();
        match packet {
            Packet::Dispatch(dispatch) => {
                if let Some(entry) = entry {
                    for item in dispatch.items().flatten() {
                        // A launch that cannot be bound will not run.
                        if self.launch.bind(entry, &item, &mut self.resolver).is_ok() {
                            self.launch.add_ranges(entry, set);
                        }
                    }
                }
            }
            Packet::Copy(copies) => transfer::copy_ranges(*copies, &mut self.resolver, set),
            Packet::Fill(fills) => transfer::fill_ranges(*fills, &mut self.resolver, set),
            Packet::Timestamp { va } => transfer::add_range(*va, 8, true, &mut self.resolver, set),
            _ => {}
        }
        set.seal();
    }

    /// The memory of the packet that `execution` is at; for a launch that hangs.
    pub(super) fn ranges_of_current(mut self, kernels: &KernelRegistry, execution: &Execution) -> RangeSet {
        self.resolver.begin(execution.space.clone());
        if let Some(Ok(packet)) = Commands::resume(execution.snapshot.bytes(), execution.packet()).next() {
            let entry = match &packet {
                Packet::Dispatch(dispatch) => kernels.entry(dispatch.kernel),
                _ => None,
            };
            self.collect_ranges(&packet, entry.as_deref());
        }
        self.ranges
    }

    /// Runs items on this thread as long as they are short.
    fn dispatch(
        &mut self,
        shared: &Shared,
        execution: &Execution,
        dispatch: &Dispatch<'_>,
        entry: &KernelEntry,
        end: usize,
        begin: u64,
    ) -> Result<Inline, Fault> {
        self.launch.forget();
        // A kernel not measured yet runs here only where nothing but its caller waits for this thread.
        let (known, unknown) = (entry.cost.blocks_within(shared.parameters.inline_limit_ns), shared.inline_unknown);
        let short = known.unwrap_or(if unknown { u64::MAX } else { 0 });
        let (items, known) = (dispatch.items(), known.is_some());
        let mut walk = Walk { items, known, short, running: None, blocks_run: 0, since_clock: 0 };
        // One guard for all items: who panics is the one that was running, and the walk goes on behind it.
        let rest = loop {
            let run = AssertUnwindSafe(|| self.run_items(shared, execution, entry, &mut walk));
            match catch_unwind(run) {
                Ok(rest) => break rest?,
                Err(payload) => {
                    // No panic but a kernel's is caught here.
                    let Some((op_tag, stream)) = walk.running.take() else { resume_unwind(payload) };
                    execution.journal.fail(op_tag, stream, &panicked(entry.name(), payload))?;
                }
            }
        };
        debug_assert!(walk.items.offset() <= end);
        entry.cost.record(walk.blocks_run, shared.now().saturating_sub(begin));
        Ok(rest)
    }

    /// Runs the items that are left of the walk, as long as they are short.
    fn run_items(
        &mut self,
        shared: &Shared,
        execution: &Execution,
        entry: &KernelEntry,
        walk: &mut Walk<'_>,
    ) -> Result<Inline, Fault> {
        loop {
            let (offset, left) = (walk.items.offset(), walk.items.left());
            let Some(item) = walk.items.next() else { return Ok(Inline::Done) };
            let item = item.map_err(|error| packet_fault(error, 0))?;
            if execution.journal.poison_of(item.stream)? != 0 {
                continue;
            }
            execution.operation_starts(item.op_tag);
            if !bind(&mut self.launch, execution, entry, &item, &mut self.resolver)? {
                continue;
            }
            let blocks = item.blocks();
            if blocks > walk.short {
                return Ok(Inline::Rest { offset, left, block: 0 });
            }
            walk.since_clock += 1;
            if walk.since_clock == ITEMS_PER_CLOCK {
                walk.since_clock = 0;
                execution.launch_starts(shared.now());
                if execution.is_abandoned() {
                    return Ok(Inline::Done);
                }
            }
            if let Some(block) = self.run_inline(shared, execution, entry, &item, blocks, walk)? {
                walk.blocks_run += block;
                return Ok(Inline::Rest { offset, left, block });
            }
            walk.blocks_run += blocks;
        }
    }

    /// Runs one launch, looking at the clock after 1, 2, 4, 8… blocks; answers with the block at which it became too
    /// long for this thread.
    #[inline]
    fn run_inline(
        &mut self,
        shared: &Shared,
        execution: &Execution,
        entry: &KernelEntry,
        item: &Item<'_>,
        blocks: u64,
        walk: &mut Walk<'_>,
    ) -> Result<Option<u64>, Fault> {
        // A launch of few, known blocks is not worth a look at the clock.
        let mut to = if walk.known && blocks <= 4 { blocks } else { blocks.min(1) };
        let begin = if to < blocks { shared.now() } else { 0 };
        let mut from = 0;
        while from < blocks {
            walk.running = Some((item.op_tag, item.stream));
            // SAFETY: bound just before for this item by our resolver, which holds the memory until this step of the
            // command buffer ends. Blocks run one after another here. Packets on the pool that conflict with this one
            // were excluded before it began, and only this thread starts others.
            let result = unsafe { self.launch.run_unguarded(entry, item, from, to) };
            walk.running = None;
            if let Err(error) = result {
                execution.journal.fail(item.op_tag, item.stream, &returned(entry.name(), &error))?;
                return Ok(None);
            }
            from = to;
            to = blocks.min(to.saturating_mul(2));
            if from < blocks && shared.now().saturating_sub(begin) > shared.parameters.inline_limit_ns {
                return Ok(Some(from));
            }
        }
        Ok(None)
    }
}

/// How far the inline part of a DISPATCH packet is; outlives a panic of a kernel.
struct Walk<'a> {
    items: Items<'a>,
    /// The kernel was measured before.
    known: bool,
    /// Launches of more blocks are not short.
    short: u64,
    /// Tag and stream of the launch whose kernel runs.
    running: Option<(u64, u32)>,
    blocks_run: u64,
    /// Launches since the watchdog was last told that the packet goes on.
    since_clock: u32,
}

/// How a packet ended.
enum Step {
    Done { charge: Charge, end: u64 },
    Conflicted,
    Pooled(Box<PoolLaunch>),
}

/// Binds an item; `false`: it failed, and that is recorded.
#[inline]
pub(super) fn bind(
    launch: &mut BoundLaunch,
    execution: &Execution,
    entry: &KernelEntry,
    item: &Item<'_>,
    resolver: &mut Resolver,
) -> Result<bool, Fault> {
    match launch.bind(entry, item, resolver) {
        Ok(()) => Ok(true),
        Err(BindError::Failed(error)) => {
            execution.journal.fail(item.op_tag, item.stream, &unbound(entry.name(), &error))?;
            Ok(false)
        }
        Err(BindError::Unmapped { address }) => {
            Err(Fault { reason: FaultReason::BadAddress, address, op_tag: item.op_tag })
        }
    }
}

/// No kernel has the number: every launch fails.
fn fail_all(execution: &Execution, dispatch: &Dispatch<'_>) -> Result<(), Fault> {
    for item in dispatch.items() {
        let item = item.map_err(|error| packet_fault(error, 0))?;
        if execution.journal.poison_of(item.stream)? == 0 {
            execution.operation_starts(item.op_tag);
            execution.journal.fail(item.op_tag, item.stream, &unknown(dispatch.kernel))?;
        }
    }
    Ok(())
}

/// The items of a DISPATCH packet from some point on.
pub(super) fn items_from(execution: &Execution, offset: usize, end: usize, left: u32) -> Items<'_> {
    Items::resume(execution.snapshot.bytes(), offset, end, left)
}
