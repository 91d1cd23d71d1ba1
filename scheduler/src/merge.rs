//! Adjacent copies become one.
//!
//! Copies of a group may run in any order, so they are put in the order of stream and source address; neighbours that continue
//! each other in source and destination are then one extent. Mostly those of a stream stand together already, in order: then only
//! the streams are sorted, without a look at the copies, which lie all over memory. Streams are not mixed: where one has failed, its
//! copies are skipped and the others' are not.

use alloc::vec::Vec;
use core::ops::Range;

use crate::batch::Extent;
use crate::operation::{Operation, Work};
use crate::slab::Slab;

/// Puts the copies in `slots` into the order in which neighbours can be found.
pub(crate) fn sort_copies<T>(slots: &mut [u32], slab: &Slab<T>) {
    let key = |slot: &u32| {
        let operation = slab.operation(*slot);
        let source = if let Work::Copy { src, .. } = operation.work { src } else { 0 };
        (operation.stream, source, operation.ticket)
    };
    slots.sort_unstable_by_key(key);
}

/// As [`sort_copies`], where the copies of each stream, told by `owners`, stand together in order.
pub(crate) fn sort_runs(slots: &mut [u32], owners: &[u32], room: &mut Vec<(u32, u32, u32)>) {
    if owners.is_sorted() {
        return;
    }
    room.clear();
    room.extend(owners.iter().zip(0..).zip(&*slots).map(|((&owner, place), &slot)| (owner, place, slot)));
    room.sort_unstable();
    slots.iter_mut().zip(&*room).for_each(|(slot, &(.., sorted))| *slot = sorted);
}

/// Appends the extents of the copies in `range`, and says where they are.
pub(crate) fn extents<T>(operations: &[Operation<T>], range: Range<u32>, out: &mut Vec<Extent>) -> Range<u32> {
    let first = out.len();
    let mut stream = None;
    for index in range {
        let operation = &operations[index as usize];
        let Work::Copy { src, dst, len, .. } = operation.work else { continue };
        match out[first..].last_mut() {
            Some(last)
                if stream == Some(operation.stream)
                    && last.src.checked_add(last.len) == Some(src)
                    && last.dst.checked_add(last.len) == Some(dst)
                    && last.len.checked_add(len).is_some() =>
            {
                last.len += len;
                last.operations.end = index + 1;
            }
            _ => out.push(Extent { src, dst, len, operations: index..index + 1 }),
        }
        stream = Some(operation.stream);
    }
    first as u32..out.len() as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::{CopyKind, Hazard, StreamId, Ticket};
    use crate::slab::NIL;
    use crate::stream::Totals;

    fn merged(copies: &[(u32, u64, u64, u64)]) -> Vec<(u64, u64, u64)> {
        let mut slab = Slab::new();
        let mut slots: Vec<u32> = copies
            .iter()
            .zip(1..)
            .map(|(&(stream, src, dst, len), ticket)| {
                let operation = Operation {
                    stream: StreamId(stream),
                    ticket: Ticket(ticket),
                    work: Work::Copy { kind: CopyKind::DeviceToDevice, src, dst, len },
                    hazard: Hazard::copy(src, dst, len),
                    bytes: 0,
                    payload: (),
                };
                slab.insert(&mut Some(operation), Totals::default(), NIL)
            })
            .collect();
        sort_copies(&mut slots, &slab);
        let mut operations = Vec::new();
        slab.take_all(&slots, &mut operations, &mut Vec::new());
        let mut out = Vec::new();
        let range = extents(&operations, 0..operations.len() as u32, &mut out);
        assert_eq!(range, 0..out.len() as u32);
        let covered: u32 = out.iter().map(|extent| extent.operations.len() as u32).sum();
        assert_eq!(covered, operations.len() as u32, "every copy is in exactly one extent");
        out.iter().map(|extent| (extent.src, extent.dst, extent.len)).collect()
    }

    #[test]
    fn neighbours_become_one_in_whatever_order_they_come() {
        assert_eq!(merged(&[(1, 16, 116, 8), (1, 0, 100, 8), (1, 8, 108, 8)]), [(0, 100, 24)]);
    }

    #[test]
    fn gaps_other_destinations_and_other_streams_stay_apart() {
        assert_eq!(merged(&[(1, 0, 100, 8), (1, 9, 109, 8)]).len(), 2);
        assert_eq!(merged(&[(1, 0, 100, 8), (1, 8, 200, 8)]).len(), 2);
        assert_eq!(merged(&[(1, 0, 100, 8), (2, 8, 108, 8)]).len(), 2);
        assert_eq!(merged(&[(1, u64::MAX - 7, 100, 8), (1, 0, 108, 8)]).len(), 2, "addresses do not wrap");
    }
}
