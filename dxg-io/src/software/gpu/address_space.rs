//! The GPU virtual addresses of a process: an interval map from addresses to host memory.
//!
//! Addresses that the adapter chooses are host addresses where that is possible (identity), so that a pointer in the
//! arguments of a native kernel is a pointer; addresses that a client chooses are translated. A [`Segment`] holds the
//! memory behind it, so memory stays valid for whoever resolved it even when the addresses are freed meanwhile.
//!
//! Changes take the write lock; [`super::resolver::Resolver`] takes the read lock once for each mapping that a command
//! buffer touches.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use super::{Backing, GpuError, MapRequest, UpdateVa, memory::PAGE_BYTES, protection};

/// Where the adapter looks for addresses that cannot be host addresses: above what a process can map.
const TRANSLATED_BASE: u64 = 1 << 47;
/// The end of all GPU addresses.
const ADDRESS_END: u64 = 1 << 56;

/// Memory behind addresses, with what keeps it.
#[derive(Debug)]
pub(super) struct Memory {
    backing: Backing,
}

impl Memory {
    /// Whether it is memory of the client rather than of the adapter.
    pub(super) fn is_system(&self) -> bool {
        matches!(self.backing, Backing::System { .. })
    }
}

/// Consecutive addresses with consecutive memory behind them.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub(super) start: u64,
    pub(super) end: u64,
    /// Host address of `start`.
    pub(super) host: *mut u8,
    pub(super) writable: bool,
    pub(super) memory: Arc<Memory>,
}

// SAFETY: needed because of the raw pointer; it points to memory that `memory` keeps (or the client, by the contract of
// Backing::System), which is not tied to a thread.
unsafe impl Send for Segment {}
// SAFETY: as above; sharing a segment shares an address, access is ruled by the engine.
unsafe impl Sync for Segment {}

impl Segment {
    /// The part of it inside `start..end`, which overlaps it.
    fn part(&self, start: u64, end: u64) -> Self {
        let start = start.max(self.start);
        let host = self.host.wrapping_add((start - self.start) as usize);
        Self { start, end: end.min(self.end), host, writable: self.writable, memory: self.memory.clone() }
    }
}

/// One interval: reserved without a segment, else mapped.
#[derive(Debug)]
struct Interval {
    end: u64,
    segment: Option<Segment>,
}

/// The addresses of one process.
#[derive(Debug, Default)]
pub(super) struct AddressSpace {
    intervals: RwLock<BTreeMap<u64, Interval>>,
}

type Intervals = BTreeMap<u64, Interval>;

/// Client memory that must be out of use before a call returns.
#[derive(Debug, Default)]
pub(super) struct Released(Vec<Arc<Memory>>);

impl AddressSpace {
    pub(super) fn map(&self, request: &MapRequest) -> Result<u64, GpuError> {
        let (host, bytes, writable) = memory_of(request)?;
        let mut intervals = self.intervals.write().unwrap_or_else(PoisonError::into_inner);
        let base = match request.base {
            Some(base) => base,
            None => choose(&intervals, Some(host.addr() as u64), request.min, request.max, bytes)?,
        };
        place(&mut intervals, base, bytes, host, writable, request, &mut Released::default(), false)?;
        Ok(base)
    }

    pub(super) fn reserve(&self, base: Option<u64>, min: u64, max: u64, bytes: u64) -> Result<u64, GpuError> {
        if bytes == 0 || !bytes.is_multiple_of(PAGE_BYTES) {
            return Err(GpuError::InvalidParameter);
        }
        let mut intervals = self.intervals.write().unwrap_or_else(PoisonError::into_inner);
        let base = match base {
            Some(base) => base,
            None => choose(&intervals, None, min, max, bytes)?,
        };
        let end = check_range(base, bytes)?;
        if !is_free(&intervals, base, end) {
            return Err(GpuError::InvalidParameter);
        }
        intervals.insert(base, Interval { end, segment: None });
        Ok(base)
    }

    pub(super) fn free(&self, base: u64, bytes: u64) -> Result<Released, GpuError> {
        let end = check_range(base, bytes)?;
        let mut released = Released::default();
        let mut intervals = self.intervals.write().unwrap_or_else(PoisonError::into_inner);
        if !is_covered(&intervals, base, end) {
            return Err(GpuError::InvalidParameter);
        }
        cut(&mut intervals, base, end, &mut released);
        Ok(released)
    }

    pub(super) fn free_all(&self) -> Released {
        let mut released = Released::default();
        let mut intervals = self.intervals.write().unwrap_or_else(PoisonError::into_inner);
        cut(&mut intervals, 0, u64::MAX, &mut released);
        released
    }

    pub(super) fn update(&self, operations: &[UpdateVa]) -> (Released, Result<(), GpuError>) {
        let mut released = Released::default();
        let mut intervals = self.intervals.write().unwrap_or_else(PoisonError::into_inner);
        let result = operations.iter().try_for_each(|operation| update(&mut intervals, operation, &mut released));
        (released, result)
    }

    /// The segment that `va` lies in.
    pub(super) fn find(&self, va: u64) -> Option<Segment> {
        let intervals = self.intervals.read().unwrap_or_else(PoisonError::into_inner);
        let (_, interval) = intervals.range(..=va).next_back()?;
        if va < interval.end { interval.segment.clone() } else { None }
    }
}

impl Released {
    /// Waits until no launch uses the memory any more, up to `limit`; whether that is so.
    pub(super) fn wait(self, limit: Duration) -> bool {
        let begin = Instant::now();
        self.0.iter().all(|memory| {
            // Nobody can find the memory any more, so the count only falls.
            while Arc::strong_count(memory) > 1 {
                if begin.elapsed() > limit {
                    return false;
                }
                std::thread::sleep(Duration::from_micros(50));
            }
            true
        })
    }

    fn add(&mut self, segment: Segment) {
        if segment.memory.is_system() && !self.0.iter().any(|memory| Arc::ptr_eq(memory, &segment.memory)) {
            self.0.push(segment.memory);
        }
    }
}

/// Host address, bytes and whether writing is allowed.
fn memory_of(request: &MapRequest) -> Result<(*mut u8, u64, bool), GpuError> {
    let bytes = request.pages.checked_mul(PAGE_BYTES).ok_or(GpuError::InvalidParameter)?;
    let skip = request.offset_pages.checked_mul(PAGE_BYTES).ok_or(GpuError::InvalidParameter)?;
    let (start, available, may_write) = match &request.backing {
        Backing::Pages(pages, offset) => {
            let available = (pages.len() as u64).checked_sub(*offset).ok_or(GpuError::InvalidParameter)?;
            if !offset.is_multiple_of(PAGE_BYTES) {
                return Err(GpuError::InvalidParameter);
            }
            (pages.host_ptr().wrapping_add(*offset as usize), available, true)
        }
        Backing::System { ptr, len, writable } => {
            if *ptr == 0 || !ptr.is_multiple_of(PAGE_BYTES) || ptr.checked_add(*len).is_none() {
                return Err(GpuError::InvalidParameter);
            }
            (std::ptr::with_exposed_provenance_mut(*ptr as usize), *len, *writable)
        }
    };
    if bytes == 0 || skip.checked_add(bytes).is_none_or(|end| end > available) {
        return Err(GpuError::InvalidParameter);
    }
    let writable = may_write && request.protection & protection::WRITE != 0;
    Ok((start.wrapping_add(skip as usize), bytes, writable))
}

fn check_range(base: u64, bytes: u64) -> Result<u64, GpuError> {
    let end = base.checked_add(bytes).ok_or(GpuError::InvalidParameter)?;
    if base == 0 || bytes == 0 || !(base | bytes).is_multiple_of(PAGE_BYTES) || end > ADDRESS_END {
        return Err(GpuError::InvalidParameter);
    }
    Ok(end)
}

#[allow(clippy::too_many_arguments, reason = "the parts of one request, already checked")]
fn place(
    intervals: &mut Intervals,
    base: u64,
    bytes: u64,
    host: *mut u8,
    writable: bool,
    request: &MapRequest,
    released: &mut Released,
    replace: bool,
) -> Result<(), GpuError> {
    let end = check_range(base, bytes)?;
    if !replace && overlapping(intervals, base, end).any(|(_, interval)| interval.segment.is_some()) {
        return Err(GpuError::InvalidParameter);
    }
    cut(intervals, base, end, released);
    let hidden = request.protection & (protection::NO_ACCESS | protection::ZERO) != 0;
    let memory = || Arc::new(Memory { backing: request.backing.clone() });
    let segment = (!hidden).then(|| Segment { start: base, end, host, writable, memory: memory() });
    intervals.insert(base, Interval { end, segment });
    Ok(())
}

fn update(intervals: &mut Intervals, operation: &UpdateVa, released: &mut Released) -> Result<(), GpuError> {
    match operation {
        UpdateVa::Map(request) => {
            let base = request.base.ok_or(GpuError::InvalidParameter)?;
            let (host, bytes, writable) = memory_of(request)?;
            place(intervals, base, bytes, host, writable, request, released, true)
        }
        UpdateVa::Unmap { base, bytes } => {
            let end = check_range(*base, *bytes)?;
            cut(intervals, *base, end, released);
            intervals.insert(*base, Interval { end, segment: None });
            Ok(())
        }
        UpdateVa::Copy { src, dst, bytes } => {
            let src_end = check_range(*src, *bytes)?;
            let dst_end = check_range(*dst, *bytes)?;
            let copies: Vec<(u64, u64, Option<Segment>)> = overlapping(intervals, *src, src_end)
                .map(|(start, interval)| {
                    let part = interval.segment.as_ref().map(|segment| segment.part(*src, src_end));
                    (start.max(*src), interval.end.min(src_end), part)
                })
                .collect();
            cut(intervals, *dst, dst_end, released);
            for (start, end, part) in copies {
                let (start, end) = (start - src + dst, end - src + dst);
                let segment = part.map(|part| Segment { start, end, ..part });
                intervals.insert(start, Interval { end, segment });
            }
            Ok(())
        }
    }
}

/// Intervals that overlap `start..end`, in order.
fn overlapping(intervals: &Intervals, start: u64, end: u64) -> impl Iterator<Item = (u64, &Interval)> {
    let before = intervals.range(..start).next_back().filter(|(_, interval)| interval.end > start);
    before.into_iter().chain(intervals.range(start..end.max(start))).map(|(start, interval)| (*start, interval))
}

fn is_free(intervals: &Intervals, start: u64, end: u64) -> bool {
    overlapping(intervals, start, end).next().is_none()
}

fn is_covered(intervals: &Intervals, start: u64, end: u64) -> bool {
    let mut reached = start;
    for (first, interval) in overlapping(intervals, start, end) {
        if first > reached {
            return false;
        }
        reached = interval.end;
    }
    reached >= end
}

/// Takes `start..end` out of the map; what sticks out at the ends stays.
fn cut(intervals: &mut Intervals, start: u64, end: u64, released: &mut Released) {
    let firsts: Vec<u64> = overlapping(intervals, start, end).map(|(first, _)| first).collect();
    for first in firsts {
        let Some(interval) = intervals.remove(&first) else { continue };
        let mut keep = |from: u64, to: u64| {
            if from < to {
                let segment = interval.segment.as_ref().map(|segment| segment.part(from, to));
                intervals.insert(from, Interval { end: to, segment });
            }
        };
        let kept = first < start || interval.end > end;
        keep(first, start);
        keep(end, interval.end);
        if let Some(segment) = interval.segment
            && !kept
        {
            released.add(segment);
        }
    }
}

/// Free addresses: the host address if possible, else high ones, else any in the window.
fn choose(intervals: &Intervals, host: Option<u64>, min: u64, max: u64, bytes: u64) -> Result<u64, GpuError> {
    let limit = if max == 0 { ADDRESS_END } else { max.min(ADDRESS_END) };
    let fits = |base: u64| base >= min && base.checked_add(bytes).is_some_and(|end| end <= limit);
    if let Some(host) = host
        && fits(host)
        && is_free(intervals, host, host + bytes)
    {
        return Ok(host);
    }
    let min = min.max(PAGE_BYTES).checked_next_multiple_of(PAGE_BYTES).ok_or(GpuError::InvalidParameter)?;
    for from in [min.max(TRANSLATED_BASE), min] {
        let mut base = from;
        for (first, interval) in overlapping(intervals, from, limit) {
            if base.checked_add(bytes).is_some_and(|end| end <= first) {
                break;
            }
            base = base.max(interval.end);
        }
        if fits(base) {
            return Ok(base);
        }
    }
    Err(GpuError::NoMemory)
}

#[cfg(test)]
mod tests;
