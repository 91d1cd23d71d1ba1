//! Batches made by hand, for the tests of this backend.

use dxg_scheduler::{Batch, Extent, Group, GroupKind, Hazard, Operation, QueueId, StreamId, Ticket, Wave, Work};

use crate::op::{Op, OpKind};

/// A group and its operations.
pub(super) type TestGroup = (GroupKind, Vec<TestOperation>);
/// What it does, with what it touches.
pub(super) type TestOperation = (Work, OpKind, Hazard);

/// Waves of groups of operations; tickets count from 1, the stream is the ticket modulo 4. Copies become one extent each.
pub(super) fn batch(waves: Vec<(Option<u64>, Vec<TestGroup>)>) -> Batch<Op> {
    let mut batch = Batch::new();
    batch.queue = QueueId(0);
    for (progress, groups) in waves {
        let first_group = batch.groups.len() as u32;
        for (kind, operations) in groups {
            let start = batch.operations.len() as u32;
            let extent_start = batch.extents.len() as u32;
            for (work, kind, hazard) in operations {
                let index = batch.operations.len() as u32;
                if let Work::Copy { src, dst, len, .. } = work {
                    batch.extents.push(Extent { src, dst, len, operations: index..index + 1 });
                }
                let ticket = u64::from(index) + 1;
                batch.operations.push(Operation {
                    stream: StreamId(ticket as u32 % 4),
                    ticket: Ticket(ticket),
                    work,
                    hazard,
                    bytes: 0,
                    payload: Op { stream: StreamId(ticket as u32 % 4), kind },
                });
            }
            let extents = extent_start..batch.extents.len() as u32;
            batch.groups.push(Group { range: start..batch.operations.len() as u32, kind, extents });
        }
        batch.waves.push(Wave { groups: first_group..batch.groups.len() as u32, progress });
        batch.fence = progress.unwrap_or(batch.fence);
    }
    batch
}
