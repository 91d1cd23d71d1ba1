//! Admission: how many operations may be on their way, per stream and in all, and who waits for room.
//!
//! An operation enters its stream's gate and the device as a whole before it is enqueued, and leaves both when the driver is
//! done with it. Each level has two thresholds: who finds no room below `high` waits, and waiters are let in again only when use
//! has fallen to `low`, so that they come in bursts and not one by one. Entering and leaving without waiters take no lock.
//!
//! Waiters stand in one line per stream; the streams whose first waiter is not held up by its own bound take turns. A flood
//! on one stream fills its own gate and its own line, and gets one turn as every other. Room is *given* to a waiter
//! by whoever frees it, in that order; the waiter only picks it up. So no newcomer overtakes, and a waiter that is dropped
//! after it was given room gives it back.
//!
//! | field | written by | read by |
//! | --- | --- | --- |
//! | `Level::word`: use, and two flags | everybody, by read-modify-write; the flags only under the `lines` lock | everybody |
//! | `Level::{high, low}` | `set_bound` | everybody |
//! | `lines`: waiters, turns, what was given and not picked up, the end | holders of its lock | holders of its lock |
//!
//! Nothing is lost between a look and a wait, because use and `WAITERS` are one word: setting the flag returns the use at that
//! point of the word's order. What was freed before is seen there; who frees later sees the flag, and serves if use is low.
//!
//! The end ([`Admission::close`]) is a flag of the same word: who entered before it is counted in it, so that everything that was
//! let in is through when nothing but room that nobody picked up is in use ([`Admission::is_drained`]).

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use smallvec::SmallVec;

use crate::sync::atomic::{AtomicU64, Ordering, fence};
use crate::sync::{self, Arc, CachePadded, Mutation, Mutex, mutated};

/// In a level's word: somebody waits for this level.
const WAITERS: u64 = 1;
/// In the device's word: nobody enters any more.
const CLOSED: u64 = 2;
/// In a level's word: one operation.
const ONE: u64 = 4;

/// Waiters let in between two releases of the lock: bounds both the critical section and the stack.
const SERVE_BATCH: usize = if cfg!(dxg_loom) { 1 } else { 16 };

/// The thresholds of one level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bound {
    /// At most this many operations are in.
    pub(crate) high: u32,
    /// Waiters are let in when this many or fewer are in.
    pub(crate) low: u32,
}

/// Which level has no room now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// The stream's own.
    Stream,
    /// The device's.
    Global,
    /// Nobody is let in any more.
    Closed,
    /// None ever will: more operations at once than a level holds.
    Never {
        /// The most that can enter at once.
        most: u32,
    },
}

/// The device's level, and all waiters.
pub(crate) struct Admission {
    shared: Arc<Shared>,
}

/// A stream's level.
pub(crate) struct StreamGate {
    shared: Arc<Shared>,
    level: Arc<Level>,
    line: usize,
}

struct Shared {
    global: Level,
    lines: Mutex<Lines>,
}

struct Level {
    word: CachePadded<AtomicU64>,
    high: AtomicU64,
    low: AtomicU64,
}

/// Everybody who waits.
struct Lines {
    /// By gate; `None` is free for a new gate.
    lines: Vec<Option<Line>>,
    /// Gates whose first waiter is not held up by its own stream, in the order of their turns.
    turns: VecDeque<usize>,
    /// A waiter found no room in the device: nobody is let in before use is down to `low`.
    global_closed: bool,
    /// Nobody is let in any more: waiters are woken to be told.
    ended: bool,
    /// Room that was given to waiters who have not come for it.
    unclaimed: u64,
    next_place: u64,
}

/// The waiters of one gate, first come first.
struct Line {
    level: Arc<Level>,
    waiters: BTreeMap<u64, Waiter>,
    in_turns: bool,
}

struct Waiter {
    n: u32,
    waker: Waker,
}

/// Room for `n` operations, given back when dropped; [`Permit::spend`] leaves it taken for the operations to give back.
#[must_use = "dropping a permit gives the room back"]
pub(crate) struct Permit<'a> {
    gate: &'a StreamGate,
    n: u32,
}

impl Admission {
    /// Nothing is in.
    pub(crate) fn new(global: Bound) -> Self {
        let lines = Lines {
            lines: Vec::new(),
            turns: VecDeque::new(),
            global_closed: false,
            ended: false,
            unclaimed: 0,
            next_place: 0,
        };
        Self { shared: Arc::new(Shared { global: Level::new(global), lines: Mutex::new(lines) }) }
    }

    /// A gate for one more stream.
    pub(crate) fn gate(&self, bound: Bound) -> StreamGate {
        let level = Arc::new(Level::new(bound));
        let line = Line { level: level.clone(), waiters: BTreeMap::new(), in_turns: false };
        let mut lines = self.shared.lines.lock();
        let index = lines.lines.iter().position(Option::is_none).unwrap_or(lines.lines.len());
        if index == lines.lines.len() {
            lines.lines.push(Some(line));
        } else {
            lines.lines[index] = Some(line);
        }
        StreamGate { shared: self.shared.clone(), level, line: index }
    }

    /// Changes the device's thresholds. What is in stays in.
    pub(crate) fn set_bound(&self, bound: Bound) {
        self.shared.global.set_bound(bound);
        self.shared.serve(None);
    }

    /// Lets nobody in any more: who waits is told, and so is who comes.
    pub(crate) fn close(&self) {
        let mut lines = self.shared.lines.lock();
        lines.ended = true;
        // Acquire pairs with the Release in `reserve` and `release`; Release with the Acquire there.
        self.shared.global.word.fetch_or(CLOSED, Ordering::AcqRel);
        let waiters = lines.lines.iter_mut().flatten().flat_map(|line| line.waiters.values_mut());
        // They stay in line, where they find that it has ended.
        let wakers: Vec<_> =
            waiters.map(|waiter| std::mem::replace(&mut waiter.waker, Waker::noop().clone())).collect();
        drop(lines);
        if !mutated(Mutation::AdmissionCloseWakesNobody) {
            wakers.into_iter().for_each(sync::wake);
        }
    }

    /// Whether nobody enters any more and everything that had entered is through.
    pub(crate) fn is_drained(&self) -> bool {
        let lines = self.shared.lines.lock();
        // Who does not come for its room before the end is refused, so there is nothing to wait for.
        lines.ended && u64::from(self.shared.global.used()) == lines.unclaimed
    }

    /// Operations that are in.
    #[cfg(test)]
    pub(crate) fn in_use(&self) -> u32 {
        self.shared.global.used()
    }
}

impl StreamGate {
    /// Enters if there is room and nobody waits for it already.
    pub(crate) fn try_enter(&self, n: u32) -> Result<Permit<'_>, Full> {
        let most = self.most();
        if n > most {
            return Err(Full::Never { most });
        }
        if !self.level.reserve(n, false) {
            return Err(Full::Stream);
        }
        if !self.shared.global.reserve(n, false) {
            // This use of the stream's level may have turned others away, so it ends like any other.
            if self.level.release(n) {
                self.shared.serve(Some(self.line));
            }
            // Pairs with the Release in `close`: who is refused because of it sees what was done before.
            fence(Ordering::Acquire);
            return Err(Full::Global);
        }
        Ok(Permit { gate: self, n })
    }

    /// Enters as soon as there is room; only [`Full::Never`] and [`Full::Closed`] are errors. Dropping the future ends the wait.
    pub(crate) fn enter(&self, n: u32) -> Enter<'_> {
        Enter { gate: self, n, place: None }
    }

    /// `n` operations that had entered are done. Lets waiters in when use is low.
    pub(crate) fn leave(&self, n: u32) {
        if n == 0 {
            return;
        }
        let stream = self.level.release(n);
        let global = self.shared.global.release(n);
        if stream {
            self.shared.serve(Some(self.line));
        } else if global && !mutated(Mutation::AdmissionLeaveServesNobody) {
            self.shared.serve(None);
        }
    }

    /// Changes the stream's thresholds. What is in stays in.
    pub(crate) fn set_bound(&self, bound: Bound) {
        self.level.set_bound(bound);
        self.shared.serve(Some(self.line));
    }

    /// Operations of this stream that are in.
    pub(crate) fn in_use(&self) -> u32 {
        self.level.used()
    }

    /// The most that can enter at once.
    fn most(&self) -> u32 {
        self.level.high.load(Ordering::Relaxed).min(self.shared.global.high.load(Ordering::Relaxed)) as u32
    }
}

impl Drop for StreamGate {
    /// What is still in leaves with its stream.
    fn drop(&mut self) {
        let left = self.level.used();
        let line = self.shared.lines.lock().close(self.line);
        drop(line);
        if self.shared.global.release(left) {
            self.shared.serve(None);
        }
    }
}

impl Permit<'_> {
    /// Operations that the permit is for.
    pub(crate) fn n(&self) -> u32 {
        self.n
    }

    /// The operations are on their way: [`StreamGate::leave`] will be called for each.
    pub(crate) fn spend(self) {
        std::mem::forget(self);
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.gate.leave(self.n);
    }
}

impl Level {
    fn new(bound: Bound) -> Self {
        let level = Self { word: CachePadded(AtomicU64::new(0)), high: AtomicU64::new(0), low: AtomicU64::new(0) };
        level.set_bound(bound);
        level
    }

    fn set_bound(&self, bound: Bound) {
        let high = bound.high.max(1);
        self.high.store(high.into(), Ordering::Relaxed);
        // Below `high`: otherwise a full level would count as low.
        self.low.store(bound.low.min(high - 1).into(), Ordering::Relaxed);
    }

    fn used(&self) -> u32 {
        (self.word.load(Ordering::Acquire) / ONE) as u32
    }

    /// Takes room for `n`, unless somebody waits for it and the caller does not act for the first of them.
    fn reserve(&self, n: u32, for_waiter: bool) -> bool {
        let high = self.high.load(Ordering::Relaxed);
        let mut word = self.word.load(Ordering::Relaxed);
        // A waiter is given room under the lock, where the end is seen first.
        let held_up_by = if for_waiter { 0 } else { WAITERS | CLOSED };
        let held_up_by = if mutated(Mutation::AdmissionEntersClosed) { held_up_by & WAITERS } else { held_up_by };
        loop {
            let used = word / ONE;
            // A waiter that no longer fits because the bound was lowered gets in alone rather than never.
            let fits = used + u64::from(n) <= high || (for_waiter && used == 0);
            if !fits || word & held_up_by != 0 {
                return false;
            }
            // Acquire pairs with the Release in `release`: who gets the room sees what its last user did (such as the pop
            // that made room in the enqueue queue). Release keeps that chain unbroken for the next one.
            match self.word.compare_exchange_weak(word, word + u64::from(n) * ONE, Ordering::AcqRel, Ordering::Relaxed)
            {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
    }

    /// Gives room for `n` back; whether somebody waits and use is low, so that waiters are to be served.
    fn release(&self, n: u32) -> bool {
        // Release pairs with the Acquire in `reserve`; Acquire with the flag's writer in `flag`.
        let before = self.word.fetch_sub(u64::from(n) * ONE, Ordering::AcqRel);
        debug_assert!(before / ONE >= u64::from(n), "more left than entered");
        before & WAITERS != 0 && self.is_low((before / ONE).saturating_sub(n.into()))
    }

    fn is_low(&self, used: u64) -> bool {
        used <= self.low.load(Ordering::Relaxed)
    }

    /// Says that somebody waits; whether nobody did before. Under the `lines` lock.
    fn flag(&self) -> bool {
        self.word.fetch_or(WAITERS, Ordering::AcqRel) & WAITERS == 0
    }

    /// Nobody waits any more. Under the `lines` lock.
    fn unflag(&self) {
        if self.word.load(Ordering::Relaxed) & WAITERS != 0 {
            self.word.fetch_and(!WAITERS, Ordering::AcqRel);
        }
    }
}

type Wakers = SmallVec<[Waker; SERVE_BATCH]>;

impl Shared {
    /// Lets in who can be let in; `line` has room again in its own stream.
    fn serve(&self, line: Option<usize>) {
        let mut lines = self.lines.lock();
        if let Some(line) = line {
            lines.take_turns(line);
        }
        loop {
            let mut wakers = Wakers::new();
            let more = lines.serve(&self.global, &mut wakers);
            drop(lines);
            wakers.into_iter().for_each(sync::wake);
            if !more {
                return;
            }
            lines = self.lines.lock();
        }
    }
}

impl Lines {
    fn line(&mut self, index: usize) -> Option<&mut Line> {
        self.lines.get_mut(index).and_then(Option::as_mut)
    }

    /// The line's first waiter is to be looked at, after those of the lines before it.
    fn take_turns(&mut self, index: usize) {
        if let Some(line) = self.line(index)
            && !line.in_turns
            && !line.waiters.is_empty()
        {
            line.in_turns = true;
            self.turns.push_back(index);
        }
    }

    fn close(&mut self, index: usize) -> Option<Line> {
        self.turns.retain(|turn| *turn != index);
        self.lines.get_mut(index).and_then(Option::take)
    }

    /// Gives room to first waiters in turn, until the device has none or `wakers` is full; whether to go on then.
    fn serve(&mut self, global: &Level, wakers: &mut Wakers) -> bool {
        if self.ended {
            return false;
        }
        if self.global_closed {
            if !global.is_low(global.used().into()) {
                // Flagged: whoever brings use down to `low` serves.
                return false;
            }
            self.global_closed = false;
        }
        while let Some(&index) = self.turns.front() {
            if wakers.len() == SERVE_BATCH {
                return true;
            }
            let Some(line) = self.lines.get_mut(index).and_then(Option::as_mut) else {
                self.turns.pop_front();
                continue;
            };
            let Some((&place, waiter)) = line.waiters.first_key_value() else {
                line.level.unflag();
                line.in_turns = false;
                self.turns.pop_front();
                continue;
            };
            let n = waiter.n;
            if !line.level.reserve(n, true) {
                // Held up by its own stream, which is flagged: whoever brings its use down to `low` gives it its turn again.
                line.in_turns = false;
                self.turns.pop_front();
                continue;
            }
            if !global.reserve(n, true) {
                line.level.release(n);
                if mutated(Mutation::AdmissionMarkAfterLook) {
                    global.flag();
                } else if global.flag() {
                    // Once more: what was freed before the flag was set was freed without a word.
                    continue;
                }
                self.global_closed = true;
                return false;
            }
            self.unclaimed += u64::from(n);
            wakers.extend(line.waiters.remove(&place).map(|waiter| waiter.waker));
            self.turns.rotate_left(1);
        }
        global.unflag();
        false
    }
}

/// See [`StreamGate::enter`].
pub(crate) struct Enter<'a> {
    gate: &'a StreamGate,
    n: u32,
    /// The place in line; who is no longer found there was given room.
    place: Option<u64>,
}

impl<'a> Future for Enter<'a> {
    type Output = Result<Permit<'a>, Full>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (gate, n) = (self.gate, self.n);
        // Cloning and dropping a waker is the executor's code: outside of the lock.
        let waker = cx.waker().clone();
        let Some(place) = self.place else {
            match gate.try_enter(n) {
                Err(Full::Stream | Full::Global) => {}
                answer => return Poll::Ready(answer),
            }
            let Some(place) = gate.join_line(n, waker) else { return Poll::Ready(Err(Full::Closed)) };
            self.place = Some(place);
            // Perhaps there was room after all; then the line has moved on past this waiter.
            gate.shared.serve(None);
            return self.look(place, None);
        };
        self.look(place, Some(waker))
    }
}

impl<'a> Enter<'a> {
    /// Whether the waiter has been given room, or has to go: it was in line.
    fn look(&mut self, place: u64, waker: Option<Waker>) -> Poll<Result<Permit<'a>, Full>> {
        let (gate, n) = (self.gate, self.n);
        let mut lines = gate.shared.lines.lock();
        let ended = lines.ended;
        let line = lines.line(gate.line);
        if let Some(line) = line
            && let Some(waiter) = line.waiters.get_mut(&place)
        {
            let old = match ended {
                true => line.waiters.remove(&place).map(|waiter| waiter.waker),
                false => waker.map(|waker| std::mem::replace(&mut waiter.waker, waker)),
            };
            drop(lines);
            drop(old);
            if ended {
                self.place = None;
                return Poll::Ready(Err(Full::Closed));
            }
            return Poll::Pending;
        }
        lines.unclaimed -= u64::from(n);
        drop(lines);
        self.place = None;
        let permit = Permit { gate, n };
        Poll::Ready(if ended { Err(Full::Closed) } else { Ok(permit) })
    }
}

impl StreamGate {
    /// The place in line; `None` when there is no line any more.
    fn join_line(&self, n: u32, waker: Waker) -> Option<u64> {
        let mut lines = self.shared.lines.lock();
        if lines.ended {
            return None;
        }
        let place = lines.next_place;
        lines.next_place += 1;
        let Some(line) = lines.line(self.line) else { unreachable!("the line lives as long as its gate") };
        let first = line.waiters.is_empty();
        line.waiters.insert(place, Waiter { n, waker });
        // Before the look at the use (in `serve`, for a first waiter; another one is looked at when those before it are in).
        line.level.flag();
        if first {
            lines.take_turns(self.line);
        }
        Some(place)
    }
}

impl Drop for Enter<'_> {
    fn drop(&mut self) {
        let Some(place) = self.place else { return };
        let mut lines = self.gate.shared.lines.lock();
        let removed = lines.line(self.gate.line).and_then(|line| line.waiters.remove(&place));
        if removed.is_none() {
            lines.unclaimed -= u64::from(self.n);
        }
        drop(lines);
        match removed {
            // Whoever stands behind may fit where this one did not.
            Some(waiter) => {
                drop(waiter);
                self.gate.shared.serve_after_cancel(self.gate.line);
            }
            None if mutated(Mutation::AdmissionCancelKeepsRoom) => {}
            None => self.gate.leave(self.n),
        }
    }
}

impl Shared {
    fn serve_after_cancel(&self, index: usize) {
        let mut lines = self.lines.lock();
        if let Some(line) = lines.line(index)
            && line.waiters.is_empty()
            && !line.in_turns
        {
            line.level.unflag();
        }
        drop(lines);
        self.serve(Some(index));
    }
}

#[cfg(all(test, not(dxg_loom)))]
#[path = "admission_tests.rs"]
mod tests;
