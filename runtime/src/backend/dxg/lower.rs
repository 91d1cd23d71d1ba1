//! A batch becomes one command buffer.
//!
//! ```text
//! header | wave 1: DEPEND*, DISPATCH per launch group, COPY, FILL, TIMESTAMP* | BARRIER [PROGRESS] | wave 2 … | last wave
//! ```
//!
//! The last wave needs neither barrier nor progress value: the end of the submission is both. An operation's ticket is
//! its tag in packets, its stream id the slot in the poison table.

use dxg_io::software::packet::{
    CommandWriter, CopyEntry, FillEntry, Full, HEADER_BYTES, Header, ItemDescription, entries_packet_bytes, item_bytes,
};
use dxg_scheduler::{Batch, Group, GroupKind, Operation, Work};

use crate::op::{ArgTag, Op, OpKind};

/// Bytes that a group or the end of a wave takes beside its entries, padding included.
const OVERHEAD_BYTES: usize = 32;

/// Writes the command buffer of a batch to the start of `buffer`; its length, or that there is no room. `base` is what the
/// queue's fence showed before the first batch.
pub(super) fn lower(batch: &Batch<Op>, buffer: &mut [u8], header: Header, base: u64) -> Result<usize, Full> {
    let mut writer = CommandWriter::new(buffer, header)?;
    let last = batch.waves.len().saturating_sub(1);
    for (index, wave) in batch.waves.iter().enumerate() {
        for group in batch.wave_groups(wave) {
            lower_group(batch, group, &mut writer)?;
        }
        if index == last {
            break;
        }
        writer.barrier()?;
        if let Some(value) = wave.progress {
            writer.progress(base + value)?;
        }
    }
    Ok(writer.len())
}

fn lower_group(batch: &Batch<Op>, group: &Group, writer: &mut CommandWriter<'_>) -> Result<(), Full> {
    let operations = batch.group_operations(group);
    match group.kind {
        GroupKind::Depend => {
            for operation in operations {
                if let Work::Wait { source: Some(source), .. } = operation.work {
                    writer.depend(operation.stream.0, operation.ticket.0, source.stream.0, source.ticket.0)?;
                }
            }
        }
        GroupKind::Launch => lower_launches(operations, writer)?,
        GroupKind::Copy(_) => {
            let mut packet = writer.copy()?;
            for extent in batch.group_extents(group) {
                // The first operation of an extent stands for all: they are of one stream, and adjacent.
                let operation = &batch.operations[extent.operations.start as usize];
                packet.entry(CopyEntry {
                    op_tag: operation.ticket.0,
                    stream: operation.stream.0,
                    src: extent.src,
                    dst: extent.dst,
                    len: extent.len,
                })?;
            }
        }
        GroupKind::Fill => {
            let mut packet = writer.fill()?;
            for operation in operations {
                if let (OpKind::Fill { pattern, pattern_len, .. }, Work::Fill { dst, len, .. }) =
                    (&operation.payload.kind, operation.work)
                {
                    let (pattern, pattern_len) = (*pattern, *pattern_len);
                    let (op_tag, stream) = (operation.ticket.0, operation.stream.0);
                    packet.entry(FillEntry { op_tag, stream, pattern_len, dst, len, pattern })?;
                }
            }
        }
        GroupKind::Timestamp => {
            for operation in operations {
                if let OpKind::Record { timestamp, .. } = operation.payload.kind
                    && timestamp != 0
                {
                    writer.timestamp(timestamp)?;
                }
            }
        }
        GroupKind::None => {}
    }
    Ok(())
}

/// One DISPATCH for every run of launches of one kernel: a group is one run unless its launches may not be merged.
fn lower_launches(operations: &[Operation<Op>], writer: &mut CommandWriter<'_>) -> Result<(), Full> {
    let mut launches = operations.iter().filter_map(|operation| Some((operation, operation.payload.kind.launch()?)));
    let mut next = launches.next();
    while let Some((_, first)) = next {
        let kernel = first.kernel.id;
        let mut packet = writer.dispatch(kernel)?;
        while let Some((operation, launch)) = next
            && launch.kernel.id == kernel
        {
            // What only orders is no argument. A launch with more than a packet takes was refused.
            let arguments = operation.hazard.accesses().iter().copied().filter_map(ArgTag::unpack);
            let item = ItemDescription {
                op_tag: operation.ticket.0,
                stream: operation.stream.0,
                grid: launch.shape.blocks(),
                block: launch.shape.threads(),
                shared_bytes: launch.shape.shared(),
                args: &launch.args,
                accesses: &[],
            };
            packet.item_with(&item, arguments.clone().count(), arguments)?;
            next = launches.next();
        }
    }
    Ok(())
}

/// At most this many bytes are needed: for a batch that does not fit an empty ring.
pub(super) fn bytes_at_most(batch: &Batch<Op>) -> usize {
    let operations: usize = batch
        .operations
        .iter()
        .map(|operation| match &operation.payload.kind {
            OpKind::Copy(_) | OpKind::Fill { .. } => entries_packet_bytes(1),
            OpKind::Record { .. } | OpKind::Wait(_) | OpKind::Marker(_) | OpKind::Foreign(_) => OVERHEAD_BYTES,
            // A launch that may not be merged has a packet of its own.
            launch => launch
                .launch()
                .map_or(0, |launch| item_bytes(launch.args.len(), operation.hazard.accesses().len()) + OVERHEAD_BYTES),
        })
        .sum();
    HEADER_BYTES + operations + OVERHEAD_BYTES * (batch.groups.len() + 2 * batch.waves.len())
}

#[cfg(test)]
#[path = "lower_tests.rs"]
mod tests;
