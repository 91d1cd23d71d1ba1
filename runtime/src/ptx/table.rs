//! The table that a twin reads: its layout, and the launch that goes with it. Pure arithmetic on bytes.

use thiserror::Error;

/// What the table's device address must be a multiple of.
pub const TABLE_ALIGN: u64 = 16;
/// Bytes of a twin's own arguments.
pub const TWIN_ARGS_SIZE: usize = 16;
/// The largest grid: what CUDA allows in x, and in y and z.
const GRID_MAX: [u32; 3] = [i32::MAX as u32, 65_535, 65_535];
/// The most blocks of a launch, all its items together.
const BLOCKS_MAX: u64 = i32::MAX as u64;
/// Marks a shift as the depth of equal grids.
pub(super) const EQUAL_GRIDS: u32 = 1 << 31;
/// Bytes in front of the arguments of a record: first block, grid.
pub(super) const RECORD_HEAD: u32 = 16;

/// Bytes of an item's arguments with their padding.
pub(super) const fn padded(args_size: u32) -> u32 {
    args_size.next_multiple_of(16)
}

/// Bytes of a record where grids are mixed.
pub(super) const fn mixed_stride(args_size: u32) -> u32 {
    RECORD_HEAD + padded(args_size)
}

fn blocks_of(grid: [u32; 3]) -> u64 {
    grid.iter().map(|size| u64::from(*size)).fold(1, u64::saturating_mul)
}

/// One launch among those that are merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MergeItem<'a> {
    /// Its grid, in blocks.
    pub grid: [u32; 3],
    /// Its arguments, packed as for `CU_LAUNCH_PARAM_BUFFER_POINTER`.
    pub args: &'a [u8],
}

/// Why launches cannot be merged, or a table not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MergeError {
    /// No item has a block.
    #[error("there is nothing to launch: no item has a block")]
    Empty,
    /// A grid that no launch can have.
    #[error("item {item}: a grid of {grid:?} blocks; the largest is {GRID_MAX:?}")]
    Grid {
        /// The item's number, from 0.
        item: u32,
        /// Its grid.
        grid: [u32; 3],
    },
    /// More than one launch can hold.
    #[error("{items} items of {blocks} blocks together: a launch holds 2147483647 blocks, and its table 4 GiB")]
    TooMany {
        /// How many items there are.
        items: u64,
        /// Their blocks.
        blocks: u64,
    },
    /// Arguments of another size than the entry's.
    #[error("item {item} has {found} bytes of arguments; its kernel takes {expected}")]
    Arguments {
        /// The item's number, from 0.
        item: u32,
        /// What the entry takes.
        expected: u32,
        /// What the item has.
        found: usize,
    },
    /// Other items than those the table was planned for.
    #[error("the items are not those that the table was planned for")]
    OtherItems,
    /// Too little room.
    #[error("the table needs {needed} bytes; there is room for {room}")]
    Room {
        /// Bytes of the table.
        needed: usize,
        /// Bytes given.
        room: usize,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// All items have this grid.
    Equal([u32; 3]),
    /// An index entry for every `1 << shift` blocks.
    Mixed { shift: u32 },
}

/// The layout of one merged launch: planned from the items' grids, then written with their arguments. Neither allocates.
///
/// ```
/// # use dxg_runtime::ptx::{MergeItem, MergeTable};
/// let grids = [[1, 1, 1], [40, 1, 1], [3, 2, 1]];
/// let table = MergeTable::plan(8, grids)?;
/// let mut bytes = vec![0; table.bytes()];
/// table.write(grids.map(|grid| MergeItem { grid, args: &[7; 8] }), &mut bytes)?;
/// assert_eq!(table.grid(), [47, 1, 1]);
/// # Ok::<(), dxg_runtime::ptx::MergeError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MergeTable {
    args_size: u32,
    items: u32,
    blocks: u32,
    shape: Shape,
}

impl MergeTable {
    /// Plans the launch of items with these grids, of an entry with `args_size` bytes of arguments ([`super::Twin::args_size`]).
    ///
    /// Items without a block are allowed, and do nothing.
    pub fn plan(args_size: u32, grids: impl IntoIterator<Item = [u32; 3]>) -> Result<MergeTable, MergeError> {
        let (mut items, mut blocks, mut first, mut equal) = (0u64, 0u64, None, true);
        for grid in grids {
            let item = u32::try_from(items).unwrap_or(u32::MAX);
            if grid.iter().zip(GRID_MAX).any(|(size, max)| *size > max) {
                return Err(MergeError::Grid { item, grid });
            }
            items += 1;
            blocks = blocks.saturating_add(blocks_of(grid));
            equal &= *first.get_or_insert(grid) == grid;
        }
        if blocks == 0 {
            return Err(MergeError::Empty);
        }
        let too_many = MergeError::TooMany { items, blocks };
        let blocks = u32::try_from(blocks).ok().filter(|blocks| u64::from(*blocks) <= BLOCKS_MAX).ok_or(too_many)?;
        let items = u32::try_from(items).map_err(|_| too_many)?;
        let shape = match first {
            Some(grid) if equal && u64::from(grid[2]) * u64::from(items) <= u64::from(GRID_MAX[2]) => {
                Shape::Equal(grid)
            }
            // About as many entries as items: those that a block searches between are few, and the index is short.
            _ => Shape::Mixed { shift: (blocks / items).checked_ilog2().unwrap_or(0) },
        };
        let table = MergeTable { args_size, items, blocks, shape };
        if table.total_bytes() > u64::from(u32::MAX) {
            return Err(too_many);
        }
        Ok(table)
    }

    /// Bytes of the table.
    pub fn bytes(&self) -> usize {
        usize::try_from(self.total_bytes()).unwrap_or(usize::MAX)
    }

    /// The grid of the merged launch.
    pub fn grid(&self) -> [u32; 3] {
        match self.shape {
            Shape::Equal([x, y, z]) => [x, y, z * self.items],
            Shape::Mixed { .. } => [self.blocks, 1, 1],
        }
    }

    /// How many items there are.
    pub fn items(&self) -> u32 {
        self.items
    }

    /// Blocks of all items.
    pub fn blocks(&self) -> u32 {
        self.blocks
    }

    /// The twin's own arguments, once the table lies at `address`, a multiple of [`TABLE_ALIGN`].
    pub fn args(&self, address: u64) -> [u8; TWIN_ARGS_SIZE] {
        let (index, shift) = match self.shape {
            Shape::Equal([_, _, z]) => (0, EQUAL_GRIDS | z),
            // It was checked that the whole table is shorter than 4 GiB.
            Shape::Mixed { shift } => (u32::try_from(self.index_at()).unwrap_or(u32::MAX), shift),
        };
        let mut args = [0; TWIN_ARGS_SIZE];
        args[..8].copy_from_slice(&address.to_le_bytes());
        args[8..12].copy_from_slice(&index.to_le_bytes());
        args[12..].copy_from_slice(&shift.to_le_bytes());
        args
    }

    /// Writes the table into the first [`MergeTable::bytes`] of `out`: the items in the order of their grids in the plan.
    ///
    /// Arguments may carry the padding that a C structure has at its end, up to a multiple of 16 bytes.
    pub fn write<'a>(&self, items: impl IntoIterator<Item = MergeItem<'a>>, out: &mut [u8]) -> Result<(), MergeError> {
        let room = out.len();
        let out = out.get_mut(..self.bytes()).ok_or(MergeError::Room { needed: self.bytes(), room })?;
        let head = match self.shape {
            Shape::Equal(_) => 0,
            Shape::Mixed { .. } => RECORD_HEAD as usize,
        };
        let (size, stride) = (self.args_size as usize, head + padded(self.args_size) as usize);
        let (records, index) = out.split_at_mut(stride * self.items as usize);
        let mut index = index.chunks_exact_mut(4);
        let (mut items, mut number, mut start, mut indexed) = (items.into_iter(), 0, 0u64, 0u64);
        for item in items.by_ref().take(self.items as usize) {
            if item.args.len() < size || item.args.len() > padded(self.args_size) as usize {
                let found = item.args.len();
                return Err(MergeError::Arguments { item: number, expected: self.args_size, found });
            }
            let record = &mut records[stride * number as usize..][..stride];
            let args = &mut record[head..];
            args[..size].copy_from_slice(&item.args[..size]);
            args[size..].fill(0);
            match self.shape {
                Shape::Equal(grid) if grid == item.grid => {}
                Shape::Equal(_) => return Err(MergeError::OtherItems),
                Shape::Mixed { shift } => {
                    let begin = u32::try_from(start).map_err(|_| MergeError::OtherItems)?;
                    for (bytes, value) in
                        record.chunks_exact_mut(4).zip([begin, item.grid[0], item.grid[1], item.grid[2]])
                    {
                        bytes.copy_from_slice(&value.to_le_bytes());
                    }
                    start = start.saturating_add(blocks_of(item.grid));
                    // The index entries whose first block is one of this item's.
                    while indexed << shift < start.min(u64::from(self.blocks)) {
                        let Some(entry) = index.next() else { return Err(MergeError::OtherItems) };
                        entry.copy_from_slice(&number.to_le_bytes());
                        indexed += 1;
                    }
                }
            }
            number += 1;
        }
        let all = matches!(self.shape, Shape::Equal(_)) || start == u64::from(self.blocks);
        if number != self.items || !all || items.next().is_some() {
            return Err(MergeError::OtherItems);
        }
        // The end of the search for the last blocks.
        if let Some(entry) = index.next() {
            entry.copy_from_slice(&(self.items - 1).to_le_bytes());
        }
        Ok(())
    }

    /// Where the index begins.
    fn index_at(&self) -> u64 {
        u64::from(mixed_stride(self.args_size)) * u64::from(self.items)
    }

    fn total_bytes(&self) -> u64 {
        match self.shape {
            Shape::Equal(_) => u64::from(padded(self.args_size)) * u64::from(self.items),
            Shape::Mixed { shift } => self.index_at() + 4 * (u64::from((self.blocks - 1) >> shift) + 2),
        }
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
