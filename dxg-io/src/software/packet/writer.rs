//! Writes command buffers into memory that the caller gives, without allocating.
//!
//! Each call writes all of its part or, with [`Full`], nothing; the buffer is a valid command buffer at every moment
//! between calls. A DISPATCH, COPY or FILL packet stays open while its writer lives, and disappears if it got no entry.

use super::{
    ACCESS_BYTES, ALIGNMENT, Access, CopyEntry, DISPATCH_BYTES, ENTRIES_BYTES, ENTRY_BYTES, FillEntry, HEADER_BYTES,
    Header, ITEM_BYTES, ItemDescription, MAGIC, MAX_ACCESSES, MAX_ARG_BYTES, Opcode, VERSION, align, item_bytes,
};

/// The part does not fit into what is left of the buffer (or exceeds a limit of the format).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the command buffer has {left} bytes left, {needed} are needed; submit it and begin another")]
pub struct Full {
    /// Bytes that the part takes.
    pub needed: usize,
    /// Bytes that are left.
    pub left: usize,
}

/// Writes one command buffer.
#[derive(Debug)]
pub struct CommandWriter<'a> {
    buffer: &'a mut [u8],
    position: usize,
}

impl<'a> CommandWriter<'a> {
    /// Begins a command buffer at the start of `buffer`.
    pub fn new(buffer: &'a mut [u8], header: Header) -> Result<Self, Full> {
        let mut writer = Self { buffer, position: 0 };
        writer.reserve(HEADER_BYTES)?;
        writer.put_u32(MAGIC);
        writer.put_u32(u32::from(VERSION));
        writer.put_u64(header.status_va);
        writer.put_u64(header.poison_va);
        writer.put_u64(0);
        Ok(writer)
    }

    /// Bytes written so far: the length to submit.
    pub fn len(&self) -> usize {
        self.position
    }

    /// Whether no packet has been written.
    pub fn is_empty(&self) -> bool {
        self.position == HEADER_BYTES
    }

    /// Bytes left.
    pub fn left(&self) -> usize {
        self.buffer.len() - self.position
    }

    /// Begins a DISPATCH packet; its items follow through the returned writer.
    pub fn dispatch(&mut self, kernel: u64) -> Result<DispatchWriter<'_, 'a>, Full> {
        self.reserve(DISPATCH_BYTES)?;
        let start = self.position;
        self.put_packet(Opcode::Dispatch, DISPATCH_BYTES);
        self.put_u64(kernel);
        self.put_u64(0);
        self.put_u64(0);
        let end = std::mem::replace(&mut self.position, start);
        Ok(DispatchWriter { writer: self, start, end, items: 0 })
    }

    /// Begins a COPY packet.
    pub fn copy(&mut self) -> Result<CopyWriter<'_, 'a>, Full> {
        Ok(CopyWriter(self.entries(Opcode::Copy)?))
    }

    /// Begins a FILL packet.
    pub fn fill(&mut self) -> Result<FillWriter<'_, 'a>, Full> {
        Ok(FillWriter(self.entries(Opcode::Fill)?))
    }

    /// Ends a wave.
    pub fn barrier(&mut self) -> Result<(), Full> {
        self.small(Opcode::Barrier, [0])
    }

    /// Advances the queue's progress fence once everything before is complete.
    pub fn progress(&mut self, value: u64) -> Result<(), Full> {
        self.small(Opcode::Progress, [value])
    }

    /// Writes the engine's time in nanoseconds to `va`, which is 8-byte aligned.
    pub fn timestamp(&mut self, va: u64) -> Result<(), Full> {
        self.small(Opcode::Timestamp, [va])
    }

    /// If `src_stream` failed at its operation `src_tag` or before, `dst_stream` fails from its operation `dst_tag` on.
    pub fn depend(&mut self, dst_stream: u32, dst_tag: u64, src_stream: u32, src_tag: u64) -> Result<(), Full> {
        self.small(Opcode::Depend, [u64::from(dst_stream) | u64::from(src_stream) << 32, src_tag, dst_tag])
    }

    /// A packet of `bytes` (rounded up to the alignment) that does nothing.
    pub fn nop(&mut self, bytes: usize) -> Result<(), Full> {
        let bytes = align(bytes.max(ALIGNMENT));
        self.reserve(bytes)?;
        self.put_packet(Opcode::Nop, bytes);
        let end = self.position - super::PACKET_HEADER_BYTES + bytes;
        self.buffer[self.position..end].fill(0);
        self.position = end;
        Ok(())
    }

    fn small<const N: usize>(&mut self, opcode: Opcode, words: [u64; N]) -> Result<(), Full> {
        let bytes = 8 + 8 * N;
        self.reserve(bytes)?;
        self.put_packet(opcode, bytes);
        for word in words {
            self.put_u64(word);
        }
        Ok(())
    }

    fn entries(&mut self, opcode: Opcode) -> Result<EntriesWriter<'_, 'a>, Full> {
        self.reserve(ENTRIES_BYTES)?;
        let start = self.position;
        self.put_packet(opcode, ENTRIES_BYTES);
        self.put_u64(0);
        Ok(EntriesWriter { writer: self, start, count: 0 })
    }

    fn reserve(&self, needed: usize) -> Result<(), Full> {
        if needed <= self.left() { Ok(()) } else { Err(Full { needed, left: self.left() }) }
    }

    fn put_packet(&mut self, opcode: Opcode, bytes: usize) {
        self.put_u32(u32::from(opcode as u16));
        self.put_u32(bytes as u32);
    }

    #[inline]
    fn put_u32(&mut self, value: u32) {
        self.put(&value.to_le_bytes());
    }

    #[inline]
    fn put_u64(&mut self, value: u64) {
        self.put(&value.to_le_bytes());
    }

    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.buffer[self.position..self.position + bytes.len()].copy_from_slice(bytes);
        self.position += bytes.len();
    }

    fn patch_u32(&mut self, at: usize, value: u32) {
        self.buffer[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }
}

/// Adds the items of one DISPATCH packet.
#[derive(Debug)]
pub struct DispatchWriter<'w, 'a> {
    writer: &'w mut CommandWriter<'a>,
    start: usize,
    /// Where the next item begins. The packet belongs to the buffer once its writer is dropped.
    end: usize,
    items: u32,
}

impl DispatchWriter<'_, '_> {
    /// Adds one launch. Arguments or accesses beyond the limits of the format answer [`Full`] whatever the room.
    pub fn item(&mut self, item: &ItemDescription<'_>) -> Result<(), Full> {
        self.item_with(item, item.accesses.len(), item.accesses.iter().copied())
    }

    /// As [`DispatchWriter::item`], with `count` accesses in place of those of the description.
    #[inline]
    pub fn item_with(
        &mut self,
        item: &ItemDescription<'_>,
        count: usize,
        accesses: impl Iterator<Item = Access>,
    ) -> Result<(), Full> {
        let bytes = item_bytes(item.args.len(), count);
        let packet = self.end - self.start + bytes;
        if item.args.len() > MAX_ARG_BYTES || count > MAX_ACCESSES || packet > u32::MAX as usize {
            return Err(Full { needed: bytes, left: 0 });
        }
        let rest = &mut self.writer.buffer[self.end..];
        let left = rest.len();
        let full = Full { needed: bytes, left };
        let (head, rest) = rest.get_mut(..bytes).and_then(<[u8]>::split_first_chunk_mut::<ITEM_BYTES>).ok_or(full)?;
        let words = [
            item.op_tag,
            u64::from(item.stream) | (item.args.len() as u64) << 32,
            u64::from(item.grid[0]) | u64::from(item.grid[1]) << 32,
            u64::from(item.grid[2]) | u64::from(item.block[0]) << 32,
            u64::from(item.block[1]) | u64::from(item.block[2]) << 32,
            count as u64 | u64::from(item.shared_bytes) << 32,
        ];
        for (place, word) in head.as_chunks_mut::<8>().0.iter_mut().zip(words) {
            *place = word.to_le_bytes();
        }
        let (args, places) = rest.split_at_mut(align(item.args.len()));
        clear_last_line(args);
        args[..item.args.len()].copy_from_slice(item.args);
        clear_last_line(places);
        for (place, access) in places.as_chunks_mut::<ACCESS_BYTES>().0.iter_mut().zip(accesses) {
            let Access { arg_offset, flags, va, len } = access;
            let words = [u64::from(arg_offset) | u64::from(flags) << 32, va, len];
            for (place, word) in place.as_chunks_mut::<8>().0.iter_mut().zip(words) {
                *place = word.to_le_bytes();
            }
        }
        self.end += bytes;
        self.items += 1;
        Ok(())
    }

    /// Items so far.
    pub fn items(&self) -> u32 {
        self.items
    }
}

impl Drop for DispatchWriter<'_, '_> {
    fn drop(&mut self) {
        if self.items == 0 {
            return;
        }
        // In range: `item` checks both.
        self.writer.patch_u32(self.start + 4, (self.end - self.start) as u32);
        self.writer.patch_u32(self.start + 16, self.items);
        self.writer.position = self.end;
    }
}

/// Zeroes the last 16 bytes: padding lies there and nowhere else.
#[inline]
fn clear_last_line(bytes: &mut [u8]) {
    if let Some(line) = bytes.last_chunk_mut::<ALIGNMENT>() {
        *line = [0; ALIGNMENT];
    }
}

#[derive(Debug)]
struct EntriesWriter<'w, 'a> {
    writer: &'w mut CommandWriter<'a>,
    start: usize,
    count: u32,
}

impl EntriesWriter<'_, '_> {
    fn entry(&mut self, words: [u64; 5]) -> Result<(), Full> {
        let writer = &mut *self.writer;
        // The padding after the last entry belongs to the packet, so the next entry begins where it began.
        let end = self.start + ENTRIES_BYTES + self.count as usize * ENTRY_BYTES;
        let packet = align(end - self.start + ENTRY_BYTES);
        if self.start + packet > writer.buffer.len() {
            return Err(Full { needed: packet, left: writer.buffer.len() - self.start });
        }
        if packet > u32::MAX as usize {
            return Err(Full { needed: packet, left: 0 });
        }
        writer.position = end;
        for word in words {
            writer.put_u64(word);
        }
        writer.buffer[writer.position..self.start + packet].fill(0);
        writer.position = self.start + packet;
        self.count += 1;
        writer.patch_u32(self.start + 4, packet as u32);
        writer.patch_u32(self.start + 8, self.count);
        Ok(())
    }
}

impl Drop for EntriesWriter<'_, '_> {
    fn drop(&mut self) {
        if self.count == 0 {
            self.writer.position = self.start;
        }
    }
}

/// Adds the entries of one COPY packet.
#[derive(Debug)]
pub struct CopyWriter<'w, 'a>(EntriesWriter<'w, 'a>);

impl CopyWriter<'_, '_> {
    /// Adds one copy.
    pub fn entry(&mut self, entry: CopyEntry) -> Result<(), Full> {
        self.0.entry([entry.op_tag, u64::from(entry.stream), entry.src, entry.dst, entry.len])
    }

    /// Entries so far.
    pub fn entries(&self) -> u32 {
        self.0.count
    }
}

/// Adds the entries of one FILL packet.
#[derive(Debug)]
pub struct FillWriter<'w, 'a>(EntriesWriter<'w, 'a>);

impl FillWriter<'_, '_> {
    /// Adds one fill.
    pub fn entry(&mut self, entry: FillEntry) -> Result<(), Full> {
        let place = u64::from(entry.stream) | u64::from(entry.pattern_len) << 32;
        self.0.entry([entry.op_tag, place, entry.dst, entry.len, entry.pattern])
    }

    /// Entries so far.
    pub fn entries(&self) -> u32 {
        self.0.count
    }
}
