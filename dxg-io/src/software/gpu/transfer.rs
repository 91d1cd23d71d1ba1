//! COPY and FILL packets.

use super::{
    Fault,
    execution::{Execution, bad_address},
    ranges::RangeSet,
    resolver::Resolver,
};
use crate::software::{
    kernel::binding::Unresolved,
    model::slots::Direction,
    packet::{Copies, CopyEntry, FillEntry, Fills},
};

/// Copies all entries that are not behind a failure of their stream.
pub(super) fn copy(execution: &Execution, entries: Copies<'_>, resolver: &mut Resolver) -> Result<(), Fault> {
    for entry in entries.iter() {
        if entry.len > 0 && !execution.journal.skips(entry.stream, entry.op_tag)? {
            execution.operation_starts(entry.op_tag);
            copy_entry(&entry, resolver).map_err(|error| bad_address(error, entry.op_tag))?;
        }
    }
    Ok(())
}

/// Fills all entries that are not behind a failure of their stream.
pub(super) fn fill(execution: &Execution, entries: Fills<'_>, resolver: &mut Resolver) -> Result<(), Fault> {
    for entry in entries.iter() {
        if entry.len > 0 && !execution.journal.skips(entry.stream, entry.op_tag)? {
            execution.operation_starts(entry.op_tag);
            fill_entry(&entry, resolver).map_err(|error| bad_address(error, entry.op_tag))?;
        }
    }
    Ok(())
}

/// Bytes that a COPY packet moves, and which way (as its first entry goes).
pub(super) fn copy_size(entries: Copies<'_>, resolver: &mut Resolver) -> (Direction, u64) {
    let bytes = entries.iter().fold(0u64, |sum, entry| sum.saturating_add(entry.len));
    let mut system = |va: u64| resolver.extent(va, false).is_ok_and(|extent| extent.system);
    let direction =
        entries.iter().next().map_or(Direction::DeviceToDevice, |first| match (system(first.src), system(first.dst)) {
            (true, false) => Direction::HostToDevice,
            (false, true) => Direction::DeviceToHost,
            _ => Direction::DeviceToDevice,
        });
    (direction, bytes)
}

/// Bytes that a FILL packet writes.
pub(super) fn fill_size(entries: Fills<'_>) -> u64 {
    entries.iter().fold(0u64, |sum, entry| sum.saturating_add(entry.len))
}

/// The memory that a COPY packet uses; addresses that cannot be resolved are left out (they fault when it runs).
pub(super) fn copy_ranges(entries: Copies<'_>, resolver: &mut Resolver, set: &mut RangeSet) {
    for entry in entries.iter() {
        add_range(entry.src, entry.len, false, resolver, set);
        add_range(entry.dst, entry.len, true, resolver, set);
    }
}

/// The memory that a FILL packet uses.
pub(super) fn fill_ranges(entries: Fills<'_>, resolver: &mut Resolver, set: &mut RangeSet) {
    for entry in entries.iter() {
        add_range(entry.dst, entry.len, true, resolver, set);
    }
}

/// Adds `len` bytes at `va`, extent by extent.
pub(super) fn add_range(va: u64, len: u64, write: bool, resolver: &mut Resolver, set: &mut RangeSet) {
    let mut done = 0;
    while done < len {
        let Ok(extent) = resolver.extent(va.wrapping_add(done), write) else { return };
        let part = extent.bytes.min(len - done);
        set.add(extent.host.addr(), part as usize, write);
        done += part;
    }
}

#[inline]
fn copy_entry(entry: &CopyEntry, resolver: &mut Resolver) -> Result<(), Unresolved> {
    let (src, dst, len) = (entry.src, entry.dst, entry.len);
    let (from, to) = (resolver.extent(src, false)?, resolver.extent(dst, true)?);
    if from.bytes >= len && to.bytes >= len {
        // SAFETY: both ranges are mapped and held; `copy` allows them to overlap. The engine runs nothing beside this
        // packet that conflicts with it.
        unsafe { std::ptr::copy(from.host, to.host, len as usize) };
        return Ok(());
    }
    copy_in_parts(src, dst, len, resolver)
}

/// A copy whose memory is scattered over several mappings.
#[cold]
fn copy_in_parts(src: u64, dst: u64, len: u64, resolver: &mut Resolver) -> Result<(), Unresolved> {
    // Both sides are walked before anything is written.
    for (va, write) in [(src, false), (dst, true)] {
        let mut done = 0;
        while done < len {
            done += resolver.extent(va.wrapping_add(done), write)?.bytes;
        }
    }
    let backwards = dst > src && dst - src < len;
    let mut done = 0;
    while done < len {
        // The next part, from the front or from the back, so that overlapping ranges copy right.
        let (mut at, mut part) = (done, len - done);
        if backwards {
            part = part.min(reach_back(src.wrapping_add(len - done), resolver)?);
            part = part.min(reach_back(dst.wrapping_add(len - done), resolver)?);
            at = len - done - part;
        }
        let (from, to) = (resolver.extent(src.wrapping_add(at), false)?, resolver.extent(dst.wrapping_add(at), true)?);
        let part = part.min(from.bytes).min(to.bytes);
        // SAFETY: as in `copy_entry`.
        unsafe { std::ptr::copy(from.host, to.host, part as usize) };
        done += part;
    }
    Ok(())
}

/// Bytes before `end` that lie in one segment: segments consist of whole pages, so at least to the page's start.
fn reach_back(end: u64, resolver: &mut Resolver) -> Result<u64, Unresolved> {
    let last = end.wrapping_sub(1);
    resolver.extent(last, false)?;
    Ok(last % super::memory::PAGE_BYTES + 1)
}

#[inline]
fn fill_entry(entry: &FillEntry, resolver: &mut Resolver) -> Result<(), Unresolved> {
    // The pattern, repeated to eight bytes.
    let bits = 8 * u64::from(entry.pattern_len);
    let mut pattern = entry.pattern;
    if bits < 64 {
        pattern &= (1 << bits) - 1;
        let mut width = bits;
        while width < 64 {
            pattern |= pattern << width;
            width *= 2;
        }
    }
    let mut done = 0;
    while done < entry.len {
        let extent = resolver.extent(entry.dst.wrapping_add(done), true)?;
        let part = extent.bytes.min(entry.len - done);
        let rotated = pattern.rotate_right((done % 8 * 8) as u32);
        // SAFETY: the part is mapped, held and writable, and nothing that runs beside this packet conflicts with it.
        unsafe { fill_part(extent.host, part as usize, rotated) };
        done += part;
    }
    Ok(())
}

/// # Safety
/// `len` bytes at `host` may be written.
unsafe fn fill_part(host: *mut u8, len: usize, pattern: u64) {
    let bytes = pattern.to_le_bytes();
    if bytes.iter().all(|byte| *byte == bytes[0]) {
        // SAFETY: passed on to the caller.
        unsafe { host.write_bytes(bytes[0], len) };
        return;
    }
    let whole = len / 8;
    for index in 0..whole {
        // SAFETY: inside the `len` bytes.
        unsafe { host.add(index * 8).cast::<[u8; 8]>().write_unaligned(bytes) };
    }
    // SAFETY: the tail, shorter than eight bytes, inside the `len` bytes.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), host.add(whole * 8), len % 8) };
}
