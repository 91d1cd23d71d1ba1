//! The command packets of the software GPU: a wire format of our own, little endian.
//!
//! A command buffer is a 32-byte [`Header`] followed by packets; [`CommandWriter`] writes one into memory that the
//! caller gives it, without allocating, and [`Commands`] reads one back. The reader takes every byte as hostile: it
//! never panics, never reads past the buffer and answers with a [`PacketError`] that names the offset.
//!
//! | packet    | body after the 8-byte packet header `{opcode u16, flags u16 = 0, size u32}` |
//! |-----------|------------------------------------------------------------------------------|
//! | NOP       | anything                                                                     |
//! | DISPATCH  | `{kernel u64, item_count u32, reserved u32, reserved u64}`, then items        |
//! | COPY      | `{count u32, reserved u32}`, then entries of 40 bytes                         |
//! | FILL      | `{count u32, reserved u32}`, then entries of 40 bytes                         |
//! | BARRIER   | `{reserved u64}`                                                              |
//! | PROGRESS  | `{value u64}`                                                                 |
//! | TIMESTAMP | `{va u64}`                                                                    |
//! | DEPEND    | `{dst_stream u32, src_stream u32, src_tag u64, dst_tag u64}`                  |
//!
//! An item is `{op_tag u64, stream u32, arg_bytes u32, grid [u32; 3], block [u32; 3], access_count u32,
//! shared_bytes u32}`, its arguments padded to 16 bytes, then its accesses `{arg_offset u32, flags u32, va u64,
//! len u64}`, padded to 16 bytes. The size of a packet counts its header and is a multiple of 16, so that arguments
//! are 16-byte aligned wherever the command buffer is.

mod reader;
mod writer;

pub use reader::{Accesses, Commands, Copies, Dispatch, Fills, Item, Items, Packet, PacketError};
pub use writer::{CommandWriter, CopyWriter, DispatchWriter, FillWriter, Full};

/// First four bytes of a command buffer: "DXGP".
pub const MAGIC: u32 = u32::from_le_bytes(*b"DXGP");
/// The only version of the format.
pub const VERSION: u16 = 1;
/// Bytes of the header of a command buffer.
pub const HEADER_BYTES: usize = 32;
/// Packets and items are multiples of this.
pub const ALIGNMENT: usize = 16;
/// Bytes of a packet header.
pub const PACKET_HEADER_BYTES: usize = 8;
/// Bytes of a DISPATCH packet before its first item.
pub const DISPATCH_BYTES: usize = 32;
/// Bytes of an item before its arguments.
pub const ITEM_BYTES: usize = 48;
/// Bytes of one declared access of an item.
pub const ACCESS_BYTES: usize = 24;
/// Bytes of a COPY or FILL packet before its first entry.
pub const ENTRIES_BYTES: usize = 16;
/// Bytes of one entry of a COPY or FILL packet.
pub const ENTRY_BYTES: usize = 40;
/// Bytes of [`StatusBlock`].
pub const STATUS_BLOCK_BYTES: usize = 256;
/// The largest argument block of one item.
pub const MAX_ARG_BYTES: usize = 4096;
/// The most declared accesses of one item.
pub const MAX_ACCESSES: usize = 64;

/// What a packet does; the number on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Opcode {
    /// Nothing: room to be skipped.
    Nop = 0,
    /// Runs one kernel for each of its items; costs one launch.
    Dispatch = 1,
    /// Copies memory, entry by entry; costs one launch.
    Copy = 2,
    /// Fills memory with patterns, entry by entry; costs one launch.
    Fill = 3,
    /// The end of a wave.
    Barrier = 4,
    /// Everything before is complete and visible: the progress fence of the queue advances.
    Progress = 5,
    /// Writes the engine's time in nanoseconds.
    Timestamp = 6,
    /// Passes a failure of one stream on to another.
    Depend = 7,
}

impl Opcode {
    /// The opcode with this number.
    pub fn from_number(number: u16) -> Option<Self> {
        Some(match number {
            0 => Self::Nop,
            1 => Self::Dispatch,
            2 => Self::Copy,
            3 => Self::Fill,
            4 => Self::Barrier,
            5 => Self::Progress,
            6 => Self::Timestamp,
            7 => Self::Depend,
            _ => return None,
        })
    }
}

/// The header of a command buffer, less its magic number and version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// GPU address of the [`StatusBlock`], 8-byte aligned; 0 for none.
    pub status_va: u64,
    /// GPU address of the poison array, one `u64` for each stream slot, 8-byte aligned; 0 for none.
    pub poison_va: u64,
    /// What the progress fence of the queue has reached when this buffer's turn comes. Anything else means that a buffer
    /// before it never arrived: submissions are posted, so nobody is told. On the wire one more, 0 for "do not check".
    pub after: Option<u64>,
}

/// One declared access of a launch: the memory behind one address in its arguments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Where in the arguments the 8-byte address stands.
    pub arg_offset: u32,
    /// [`Access::READ`], [`Access::WRITE`] or both.
    pub flags: u32,
    /// First GPU address of the range; the address in the arguments.
    pub va: u64,
    /// Bytes of the range.
    pub len: u64,
}

impl Access {
    /// The launch reads the range.
    pub const READ: u32 = 1;
    /// The launch writes the range.
    pub const WRITE: u32 = 2;
}

/// One launch inside a DISPATCH packet, as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ItemDescription<'a> {
    /// What failures and breadcrumbs call this launch; not 0.
    pub op_tag: u64,
    /// Slot of its stream in the poison array.
    pub stream: u32,
    /// Blocks of the launch in each dimension.
    pub grid: [u32; 3],
    /// Threads of a block in each dimension (the software GPU hands them to the kernel and runs one call per block).
    pub block: [u32; 3],
    /// Bytes of shared memory of a block (ignored by the software GPU).
    pub shared_bytes: u32,
    /// The packed arguments, at most [`MAX_ARG_BYTES`].
    pub args: &'a [u8],
    /// The memory behind addresses in the arguments, at most [`MAX_ACCESSES`].
    pub accesses: &'a [Access],
}

/// One entry of a COPY packet; overlapping ranges copy as if through a temporary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CopyEntry {
    /// What failures and breadcrumbs call this copy.
    pub op_tag: u64,
    /// Slot of its stream in the poison array.
    pub stream: u32,
    /// GPU address read.
    pub src: u64,
    /// GPU address written.
    pub dst: u64,
    /// Bytes.
    pub len: u64,
}

/// One entry of a FILL packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FillEntry {
    /// What failures and breadcrumbs call this fill.
    pub op_tag: u64,
    /// Slot of its stream in the poison array.
    pub stream: u32,
    /// Bytes of the pattern: 1, 2, 4 or 8.
    pub pattern_len: u32,
    /// GPU address written.
    pub dst: u64,
    /// Bytes written; a last partial pattern is cut.
    pub len: u64,
    /// The pattern in its low bytes.
    pub pattern: u64,
}

/// What the engine writes at [`Header::status_va`].
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct StatusBlock {
    /// Tag of the operation that started last.
    pub breadcrumb: u64,
    /// Operations that failed since the block was zeroed.
    pub failures: u32,
    /// Zero.
    pub reserved: u32,
    /// The first failure; valid once `failures` is not 0.
    pub first: FailureRecord,
}

/// The first failure recorded in a [`StatusBlock`].
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct FailureRecord {
    /// The operation.
    pub op_tag: u64,
    /// Its stream slot.
    pub stream: u32,
    /// One of [`FailureCode`]'s numbers.
    pub code: u32,
    /// A sentence in UTF-8, zero padded.
    pub message: [u8; FailureRecord::MESSAGE_BYTES],
}

impl FailureRecord {
    /// Room for the sentence.
    pub const MESSAGE_BYTES: usize = STATUS_BLOCK_BYTES - 32;

    /// The sentence, up to its first zero byte.
    pub fn text(&self) -> String {
        let end = self.message.iter().position(|byte| *byte == 0).unwrap_or(self.message.len());
        String::from_utf8_lossy(&self.message[..end]).into_owned()
    }
}

const _: () = assert!(size_of::<StatusBlock>() == STATUS_BLOCK_BYTES);

/// Why an operation failed without losing the device; the number in [`FailureRecord::code`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum FailureCode {
    /// The kernel returned an error.
    Returned = 1,
    /// The kernel panicked.
    Panicked = 2,
    /// Arguments or declared ranges do not fit the kernel.
    Arguments = 3,
    /// No kernel has this number.
    UnknownKernel = 4,
}

impl FailureCode {
    /// The code with this number.
    pub fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            1 => Self::Returned,
            2 => Self::Panicked,
            3 => Self::Arguments,
            4 => Self::UnknownKernel,
            _ => return None,
        })
    }
}

/// Rounds up to [`ALIGNMENT`].
pub const fn align(bytes: usize) -> usize {
    (bytes + ALIGNMENT - 1) & !(ALIGNMENT - 1)
}

/// Bytes that an item takes in a DISPATCH packet.
pub const fn item_bytes(arg_bytes: usize, accesses: usize) -> usize {
    ITEM_BYTES + align(arg_bytes) + align(accesses * ACCESS_BYTES)
}

/// Bytes of a COPY or FILL packet with this many entries.
pub const fn entries_packet_bytes(count: usize) -> usize {
    align(ENTRIES_BYTES + count * ENTRY_BYTES)
}

#[cfg(test)]
mod tests;
