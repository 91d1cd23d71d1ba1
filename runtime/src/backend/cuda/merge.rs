//! Launches of one kernel as one launch of its twin: the table, and what the launch is called with.

use super::module::TwinFunction;
use super::plan::Full;
use crate::op::Launch;
use crate::ptx::{MergeError, MergeItem, MergeTable, TWIN_ARGS_SIZE};

/// The twin's own arguments.
pub(super) type TwinArgs = [u8; TWIN_ARGS_SIZE];

/// A table that was written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Merged {
    /// Bytes of the table.
    pub len: usize,
    pub grid: [u32; 3],
    pub args: TwinArgs,
}

/// Writes the table of these launches to the start of `room`, which the device will find at `address`. `None`: these cannot be
/// merged (too many blocks for one launch, arguments that do not fit).
pub(super) fn write<'a>(
    twin: &TwinFunction,
    launches: impl Iterator<Item = &'a Launch> + Clone,
    room: &mut [u8],
    address: u64,
) -> Result<Option<Merged>, Full> {
    let Ok(table) = MergeTable::plan(twin.args_size, launches.clone().map(|launch| launch.shape.blocks())) else {
        return Ok(None);
    };
    let items = launches.map(|launch| MergeItem { grid: launch.shape.blocks(), args: &launch.args });
    match table.write(items, room) {
        Ok(()) => Ok(Some(Merged { len: table.bytes(), grid: table.grid(), args: table.args(address) })),
        Err(MergeError::Room { .. }) => Err(Full),
        Err(_) => Ok(None),
    }
}
