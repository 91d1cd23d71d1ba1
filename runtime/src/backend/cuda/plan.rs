//! A batch becomes a list of driver calls, and the tables that they need.
//!
//! ```text
//! wave:   launches of one kernel ─▶ one launch of its twin, over a table        (large ones and odd ones as they are)
//!         copies ─▶ one gather/scatter kernel, over a table                     (large ones: DMA)
//!         fills, timestamps ─▶ one kernel each, over a table
//! wave …  in the order of one CUDA stream, with a fence value where somebody waits
//! ```
//!
//! Tables are written to pinned memory. Those of copies, fills and timestamps are read there, by each warp one entry. Those
//! of launches are read by every block, several times: they go to device memory first, all of a batch with one copy, which
//! the first copies of the batch take along if they can.
//!
//! Pure: nothing here calls the driver. Nothing allocates once the vectors have grown.

use std::ops::Range;

use dxg_scheduler::{Batch, Extent, Group, GroupKind, Operation, Work};

use super::merge;
use super::module::CudaKernel;
use super::poison::Poison;
use crate::op::{Launch, Op, OpKind};

/// Bytes that a warp copies at most, and that a piece of an upload has.
const COPY_PIECE: u64 = 4096;
const UPLOAD_PIECE: u64 = 1024;
/// Copies from here on are DMA: the time on the bus is most of their cost, and the processors of the GPU stay free.
const DMA_LEAST: u64 = 64 << 10;
/// A fill has at most about so many pieces, of at least [`COPY_PIECE`].
const FILL_PIECES: u64 = 1024;
/// Bytes of an entry of copies and of fills, as the kernels know it.
pub(super) const ENTRY_BYTES: usize = 32;
/// Bytes of an entry of timestamps.
const TIME_BYTES: usize = 8;
/// Every table begins at a multiple of this.
const TABLE_ALIGN: usize = 16;
/// Table bytes that one operation needs at most, beside the arguments of a launch.
pub(super) const TABLE_BYTES_OF_AN_OPERATION: usize =
    DMA_LEAST.div_ceil(COPY_PIECE) as usize * ENTRY_BYTES + TABLE_ALIGN;

/// The tables do not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

/// One call of the driver, or a few.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Step {
    /// The copy kernel, over `count` entries at `table`. `first`: an operation to name if it is refused.
    Copies { table: usize, count: u32, first: u32 },
    /// One copy by the copy engine: that of `count` operations from `first` on, whose ranges follow each other.
    Dma { src: u64, dst: u64, len: u64, first: u32, count: u32 },
    /// The fill kernel, over `count` entries at `table`.
    Fills { table: usize, count: u32, first: u32 },
    /// One fill by the driver.
    Fill { dst: u64, len: u64, pattern: u64, pattern_len: u32, first: u32 },
    /// The timestamp kernel, over `count` addresses at `table`.
    Times { table: usize, count: u32, first: u32 },
    /// A launch as it is.
    Single { operation: u32 },
    /// Launches of one kernel as one: `order[first..first + count]`.
    Merged { first: u32, count: u32, grid: [u32; 3], args: merge::TwinArgs },
    /// Order exchanged with foreign streams and events.
    Foreign { operation: u32 },
    /// The end of a wave that somebody waits for.
    Progress { value: u64 },
    /// The end of a wave: what follows may depend on it.
    Barrier { next: u32 },
}

/// The calls of a batch. Its owner keeps one and has it filled again and again.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub steps: Vec<Step>,
    /// Operations of merged launches.
    pub order: Vec<u32>,
    /// Bytes of tables.
    pub len: usize,
    runs: Vec<Run>,
}

/// Launches of a group that go together.
#[derive(Clone, Copy, Debug)]
struct Run {
    group: u32,
    step: Step,
}

/// Where tables are written, and where the device sees them.
pub(super) struct Tables<'a> {
    pub bytes: &'a mut [u8],
    /// Of the pinned memory.
    pub host_address: u64,
    /// Of its copy in device memory.
    pub device_address: u64,
}

impl Plan {
    /// Plans the waves of a batch from number `begin` on, with tables from offset `at` on. `large`: from so many blocks on a
    /// launch fills the device by itself, and is left as it is.
    pub fn make(
        &mut self,
        batch: &Batch<Op>,
        begin: usize,
        tables: &mut Tables<'_>,
        at: usize,
        poison: &Poison,
        large: u64,
    ) -> Result<(), Full> {
        self.steps.clear();
        self.order.clear();
        self.runs.clear();
        self.len = at.next_multiple_of(TABLE_ALIGN);
        let uploads_at = self.len;
        let waves = batch.waves.get(begin..).unwrap_or_default();
        // What the uploads and the first copies need is known when all launches are laid out.
        for number in waves.iter().flat_map(|wave| wave.groups.clone()) {
            let group = &batch.groups[number as usize];
            match group.kind {
                // Before the launches of its wave.
                GroupKind::Depend => {
                    batch.group_operations(group).iter().for_each(|operation| poison.depend(operation));
                }
                GroupKind::Launch => self.launches(batch, number, group, tables, poison, large)?,
                _ => {}
            }
        }
        let mut upload = uploads_at..self.len;
        let first_wave = waves.first().map_or(0..0, |wave| wave.groups.clone());
        let takes_along = |group: u32| {
            let group = &batch.groups[group as usize];
            matches!(group.kind, GroupKind::Copy(_)) && small_copies(batch, group, poison).nth(1).is_some()
        };
        if !upload.is_empty() && !first_wave.clone().any(takes_along) {
            self.copies(batch, None, std::mem::take(&mut upload), tables, poison)?;
        }
        let (mut runs, last) = (0, waves.len().saturating_sub(1));
        for (index, wave) in waves.iter().enumerate() {
            // Copies first, since they bring the tables of the launches.
            for number in wave.groups.clone() {
                let group = &batch.groups[number as usize];
                if let GroupKind::Copy(_) = group.kind {
                    let along = if takes_along(number) { std::mem::take(&mut upload) } else { 0..0 };
                    self.copies(batch, Some(group), along, tables, poison)?;
                }
            }
            for number in wave.groups.clone() {
                let group = &batch.groups[number as usize];
                match group.kind {
                    GroupKind::Fill => self.fills(batch, group, tables, poison)?,
                    GroupKind::Timestamp => self.times(batch, group, tables)?,
                    GroupKind::Launch => {
                        while let Some(run) = self.runs.get(runs).filter(|run| run.group == number) {
                            self.steps.push(run.step);
                            runs += 1;
                        }
                    }
                    // The order of one CUDA stream, and its waits, say all that the others say.
                    GroupKind::Copy(_) | GroupKind::Depend | GroupKind::None => {}
                }
            }
            if index == last {
                break;
            }
            if let Some(value) = wave.progress {
                self.steps.push(Step::Progress { value });
            }
            self.steps.push(Step::Barrier { next: (begin + index + 1) as u32 });
        }
        Ok(())
    }

    /// Room for a table of `len` bytes; its offset.
    fn table(&mut self, len: usize, tables: &Tables<'_>) -> Result<usize, Full> {
        let offset = self.len.next_multiple_of(TABLE_ALIGN);
        let end = offset.checked_add(len).filter(|end| *end <= tables.bytes.len()).ok_or(Full)?;
        self.len = end;
        Ok(offset)
    }

    /// Lays out the launches of a group.
    fn launches(
        &mut self,
        batch: &Batch<Op>,
        number: u32,
        group: &Group,
        tables: &mut Tables<'_>,
        poison: &Poison,
        large: u64,
    ) -> Result<(), Full> {
        let mut index = group.range.start;
        while index < group.range.end {
            let operation = &batch.operations[index as usize];
            let begin = self.order.len();
            let Some((launch, kernel)) = launch_of(operation) else {
                if matches!(operation.payload.kind, OpKind::Foreign(_)) && !poison.spoils(operation) {
                    self.runs.push(Run { group: number, step: Step::Foreign { operation: index } });
                }
                index += 1;
                continue;
            };
            // Everything of the same kernel that may be merged.
            while index < group.range.end {
                let operation = &batch.operations[index as usize];
                let same = |next: &&Launch| next.kernel.id == launch.kernel.id;
                let Some(next) = operation.payload.kind.launch().filter(same) else { break };
                if poison.spoils(operation) {
                    index += 1;
                    continue;
                }
                let blocks = next.shape.blocks().iter().map(|count| u64::from(*count)).product::<u64>();
                let merges = matches!(operation.work, Work::Launch { merge: Some(_), .. });
                let threads: u32 = next.shape.threads().iter().product();
                let fits = kernel
                    .twin
                    .is_some_and(|twin| threads <= twin.max_threads && next.shape.shared() <= twin.max_shared_bytes);
                if merges && fits && blocks < large {
                    self.order.push(index);
                } else {
                    self.runs.push(Run { group: number, step: Step::Single { operation: index } });
                }
                index += 1;
            }
            self.merge(batch, number, begin, kernel, tables)?;
        }
        Ok(())
    }

    /// Merges `order[begin..]`, by block size and shared memory.
    fn merge(
        &mut self,
        batch: &Batch<Op>,
        number: u32,
        begin: usize,
        kernel: &CudaKernel,
        tables: &mut Tables<'_>,
    ) -> Result<(), Full> {
        let key = |index: &u32| launch_at(batch, *index).map(|launch| launch.shape.of_a_block());
        let all = &mut self.order[begin..];
        if !all.windows(2).all(|pair| key(&pair[0]) == key(&pair[1])) {
            all.sort_unstable_by_key(key);
        }
        let (mut first, end) = (begin, self.order.len());
        while first < end {
            let same = self.order[first..end].iter().take_while(|index| key(index) == key(&self.order[first])).count();
            let from = first;
            first += same;
            let items = &self.order[from..first];
            let mut merged = None;
            if items.len() >= kernel.merge_least
                && let Some(twin) = &kernel.twin
            {
                let offset = self.len.next_multiple_of(TABLE_ALIGN);
                let room = tables.bytes.get_mut(offset..).ok_or(Full)?;
                let launches = items.iter().filter_map(|index| launch_at(batch, *index));
                merged = merge::write(twin, launches, room, tables.device_address + offset as u64)?;
                if let Some(merged) = &merged {
                    self.len = offset + merged.len;
                }
            }
            match merged {
                Some(merge::Merged { grid, args, .. }) => {
                    let step = Step::Merged { first: from as u32, count: items.len() as u32, grid, args };
                    self.runs.push(Run { group: number, step });
                }
                None => {
                    let singles = items.iter().map(|operation| Step::Single { operation: *operation });
                    self.runs.extend(singles.map(|step| Run { group: number, step }));
                }
            }
        }
        Ok(())
    }

    /// The copies of a group: small ones as one kernel, with `upload` (offsets in the tables) before them, large ones one by
    /// one. Without a group: the upload alone.
    fn copies(
        &mut self,
        batch: &Batch<Op>,
        group: Option<&Group>,
        upload: Range<usize>,
        tables: &mut Tables<'_>,
        poison: &Poison,
    ) -> Result<(), Full> {
        let small = || group.into_iter().flat_map(|group| small_copies(batch, group, poison));
        let first = group.map_or(0, |group| group.range.start);
        let pieces = |len: u64, piece: u64| len.div_ceil(piece) as usize;
        let uploads = pieces(upload.len() as u64, UPLOAD_PIECE);
        // A single small copy needs no table.
        let by_table = uploads > 0 || small().nth(1).is_some();
        if by_table {
            let count = uploads + small().map(|extent| pieces(extent.len, COPY_PIECE)).sum::<usize>();
            let table = self.table(count * ENTRY_BYTES, tables)?;
            let (host, device) =
                (tables.host_address + upload.start as u64, tables.device_address + upload.start as u64);
            let mut entries = tables.bytes[table..].chunks_exact_mut(ENTRY_BYTES);
            let mut cut = |src: u64, dst: u64, len: u64, piece: u64| {
                let mut at = 0;
                while at < len {
                    let part = piece.min(len - at);
                    if let Some(entry) = entries.next() {
                        put(entry, [src + at, dst + at, part, 0]);
                    }
                    at += part;
                }
            };
            cut(host, device, upload.len() as u64, UPLOAD_PIECE);
            for extent in small() {
                cut(extent.src, extent.dst, extent.len, COPY_PIECE);
            }
            self.steps.push(Step::Copies { table, count: count as u32, first });
        }
        let all = group.into_iter().flat_map(|group| copies_of(batch, group, poison));
        for extent in all.filter(|extent| !by_table || extent.len >= DMA_LEAST) {
            let Extent { src, dst, len, ref operations } = *extent;
            let (first, count) = (operations.start, operations.end - operations.start);
            self.steps.push(Step::Dma { src, dst, len, first, count });
        }
        Ok(())
    }

    fn fills(
        &mut self,
        batch: &Batch<Op>,
        group: &Group,
        tables: &mut Tables<'_>,
        poison: &Poison,
    ) -> Result<(), Full> {
        let (operations, first) = (batch.group_operations(group), group.range.start);
        let alone = operations.len() == 1;
        // The driver fills with patterns of up to 4 bytes, where they are aligned.
        let by_driver = |&(dst, len, _, pattern_len): &(u64, u64, u64, u32)| {
            (alone || len >= DMA_LEAST) && pattern_len < 8 && dst.is_multiple_of(pattern_len.into())
        };
        let of_group = || operations.iter().filter(|operation| !poison.spoils(operation)).filter_map(fill_of);
        for (dst, len, pattern, pattern_len) in of_group().filter(by_driver) {
            self.steps.push(Step::Fill { dst, len, pattern, pattern_len, first });
        }
        let piece = |len: u64| len.div_ceil(FILL_PIECES).max(COPY_PIECE).next_multiple_of(8);
        let fills = || of_group().filter(|fill| !by_driver(fill));
        let count: usize = fills().map(|(_, len, ..)| len.div_ceil(piece(len)) as usize).sum();
        if count == 0 {
            return Ok(());
        }
        let table = self.table(count * ENTRY_BYTES, tables)?;
        let mut entries = tables.bytes[table..].chunks_exact_mut(ENTRY_BYTES);
        for (dst, len, pattern, pattern_len) in fills() {
            let (repeated, piece) = (repeat(pattern, pattern_len), piece(len));
            let mut at = 0;
            while at < len {
                let part = piece.min(len - at);
                if let Some(entry) = entries.next() {
                    put(entry, [dst + at, part, repeated, 0]);
                }
                at += part;
            }
        }
        self.steps.push(Step::Fills { table, count: count as u32, first });
        Ok(())
    }

    fn times(&mut self, batch: &Batch<Op>, group: &Group, tables: &mut Tables<'_>) -> Result<(), Full> {
        let times = batch.group_operations(group).iter().filter_map(|operation| match operation.payload.kind {
            OpKind::Record { timestamp, .. } if timestamp != 0 => Some(timestamp),
            _ => None,
        });
        let count = times.clone().count();
        if count == 0 {
            return Ok(());
        }
        let table = self.table(count * TIME_BYTES, tables)?;
        for (entry, address) in tables.bytes[table..].chunks_exact_mut(TIME_BYTES).zip(times) {
            entry.copy_from_slice(&address.to_le_bytes());
        }
        self.steps.push(Step::Times { table, count: count as u32, first: group.range.start });
        Ok(())
    }
}

/// The launch of an operation, and its kernel.
#[inline]
pub(super) fn launch_of(operation: &Operation<Op>) -> Option<(&Launch, &CudaKernel)> {
    let launch = operation.payload.kind.launch()?;
    Some((launch, launch.kernel.owner.downcast_ref::<CudaKernel>()?))
}

/// The launch of an operation by its number.
#[inline]
fn launch_at(batch: &Batch<Op>, index: u32) -> Option<&Launch> {
    batch.operations.get(index as usize)?.payload.kind.launch()
}

/// What a fill fills.
pub(super) fn fill_of(operation: &Operation<Op>) -> Option<(u64, u64, u64, u32)> {
    match (&operation.payload.kind, operation.work) {
        (OpKind::Fill { pattern, pattern_len, .. }, Work::Fill { dst, len, .. }) => {
            Some((dst, len, *pattern, *pattern_len))
        }
        _ => None,
    }
}

/// The copies of a group that may run.
fn copies_of<'a>(batch: &'a Batch<Op>, group: &'a Group, poison: &'a Poison) -> impl Iterator<Item = &'a Extent> {
    // The operations of an extent are of one stream, and adjacent: the first stands for all.
    let runs = |extent: &&Extent| !poison.spoils(&batch.operations[extent.operations.start as usize]);
    batch.group_extents(group).iter().filter(runs)
}

/// Those of them that are no matter for the copy engine.
fn small_copies<'a>(batch: &'a Batch<Op>, group: &'a Group, poison: &'a Poison) -> impl Iterator<Item = &'a Extent> {
    copies_of(batch, group, poison).filter(|extent| extent.len < DMA_LEAST)
}

/// A pattern of 1, 2, 4 or 8 bytes, repeated to 8.
pub(super) fn repeat(pattern: u64, len: u32) -> u64 {
    match len {
        1 => (pattern & 0xff) * 0x0101_0101_0101_0101,
        2 => (pattern & 0xffff) * 0x0001_0001_0001_0001,
        4 => (pattern & 0xffff_ffff) * 0x0000_0001_0000_0001,
        _ => pattern,
    }
}

/// Writes an entry.
fn put(entry: &mut [u8], words: [u64; 4]) {
    for (place, word) in entry.chunks_exact_mut(8).zip(words) {
        place.copy_from_slice(&word.to_le_bytes());
    }
}
