//! Reads command buffers whose every byte may be hostile.
//!
//! [`Commands`] walks the packets; a packet is checked when it is reached, its items when they are. All reads go through
//! slices, so that nothing here can leave the buffer.

use super::{
    ACCESS_BYTES, ALIGNMENT, Access, CopyEntry, DISPATCH_BYTES, ENTRIES_BYTES, ENTRY_BYTES, FillEntry, HEADER_BYTES,
    Header, ITEM_BYTES, MAGIC, MAX_ACCESSES, MAX_ARG_BYTES, Opcode, VERSION, align, entries_packet_bytes,
};

/// What is wrong with a command buffer, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("command buffer, offset {offset}: {what}")]
pub struct PacketError {
    /// Offset of the packet (or of the item in it) from the start of the command buffer.
    pub offset: usize,
    /// What is wrong.
    pub what: &'static str,
}

/// The packets of one command buffer, in order.
#[derive(Clone, Debug)]
pub struct Commands<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Commands<'a> {
    /// Checks the header of a command buffer.
    pub fn parse(bytes: &'a [u8]) -> Result<(Header, Self), PacketError> {
        let error = |what| Err(PacketError { offset: 0, what });
        if bytes.len() < HEADER_BYTES {
            return error("the buffer is shorter than its header of 32 bytes");
        }
        if u32_at(bytes, 0) != MAGIC {
            return error("the buffer does not begin with the magic number DXGP");
        }
        if u32_at(bytes, 4) != u32::from(VERSION) {
            return error("the version is not 1");
        }
        let after = u64_at(bytes, 24).checked_sub(1);
        let header = Header { status_va: u64_at(bytes, 8), poison_va: u64_at(bytes, 16), after };
        if !(header.status_va | header.poison_va).is_multiple_of(8) {
            return error("the status block and the poison array must be 8-byte aligned");
        }
        Ok((header, Self { bytes, offset: HEADER_BYTES }))
    }

    /// Goes on at a packet that an earlier walk over the same, already checked, bytes had reached.
    pub fn resume(bytes: &'a [u8], offset: usize) -> Self {
        Self { bytes, offset: offset.min(bytes.len()) }
    }

    /// Offset of the packet that comes next.
    pub fn offset(&self) -> usize {
        self.offset
    }

    fn read(&mut self) -> Result<Packet<'a>, PacketError> {
        let offset = self.offset;
        let error = |what| Err(PacketError { offset, what });
        let rest = &self.bytes[offset..];
        if rest.len() < ALIGNMENT {
            return error("fewer bytes are left than the smallest packet has");
        }
        let head = u32_at(rest, 0);
        let size = u32_at(rest, 4) as usize;
        if size < ALIGNMENT || !size.is_multiple_of(ALIGNMENT) {
            return error("the size of the packet is not a multiple of 16");
        }
        if size > rest.len() {
            return error("the packet is longer than the buffer");
        }
        if head >> 16 != 0 {
            return error("the packet has flags that are not defined");
        }
        let Some(opcode) = Opcode::from_number(head as u16) else {
            return error("the opcode is not defined");
        };
        let packet = &rest[..size];
        let exactly = |bytes: usize| {
            if size == bytes { Ok(()) } else { Err(PacketError { offset, what: "the size does not fit the opcode" }) }
        };
        let decoded = match opcode {
            Opcode::Nop => Packet::Nop,
            Opcode::Dispatch => {
                if size < DISPATCH_BYTES {
                    return error("the size does not fit the opcode");
                }
                let count = u32_at(packet, 16);
                if count as usize > (size - DISPATCH_BYTES) / ITEM_BYTES {
                    return error("the packet is too short for its number of items");
                }
                Packet::Dispatch(Dispatch {
                    kernel: u64_at(packet, 8),
                    count,
                    offset: offset + DISPATCH_BYTES,
                    items: &packet[DISPATCH_BYTES..],
                })
            }
            Opcode::Copy | Opcode::Fill => {
                let count = u32_at(packet, 8) as usize;
                if count > (size - ENTRIES_BYTES) / ENTRY_BYTES || size != entries_packet_bytes(count) {
                    return error("the size does not fit the number of entries");
                }
                let entries = &packet[ENTRIES_BYTES..ENTRIES_BYTES + count * ENTRY_BYTES];
                match opcode {
                    Opcode::Copy => Packet::Copy(Copies { entries }),
                    _ => {
                        if entries.chunks_exact(ENTRY_BYTES).any(|entry| !matches!(u32_at(entry, 12), 1 | 2 | 4 | 8)) {
                            return error("the pattern of a fill must have 1, 2, 4 or 8 bytes");
                        }
                        Packet::Fill(Fills { entries })
                    }
                }
            }
            Opcode::Barrier => {
                exactly(16)?;
                Packet::Barrier
            }
            Opcode::Progress => {
                exactly(16)?;
                Packet::Progress { value: u64_at(packet, 8) }
            }
            Opcode::Timestamp => {
                exactly(16)?;
                let va = u64_at(packet, 8);
                if !va.is_multiple_of(8) {
                    return error("a timestamp must be 8-byte aligned");
                }
                Packet::Timestamp { va }
            }
            Opcode::Depend => {
                exactly(32)?;
                Packet::Depend {
                    dst_stream: u32_at(packet, 8),
                    src_stream: u32_at(packet, 12),
                    src_tag: u64_at(packet, 16),
                    dst_tag: u64_at(packet, 24),
                }
            }
        };
        self.offset += size;
        Ok(decoded)
    }
}

impl<'a> Iterator for Commands<'a> {
    type Item = Result<Packet<'a>, PacketError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.offset == self.bytes.len() {
            return None;
        }
        let packet = self.read();
        if packet.is_err() {
            self.offset = self.bytes.len();
        }
        Some(packet)
    }
}

/// One packet.
#[derive(Clone, Debug)]
pub enum Packet<'a> {
    /// Nothing.
    Nop,
    /// Runs a kernel for each item.
    Dispatch(Dispatch<'a>),
    /// Copies memory.
    Copy(Copies<'a>),
    /// Fills memory.
    Fill(Fills<'a>),
    /// The end of a wave.
    Barrier,
    /// Advances the progress fence.
    Progress {
        /// Its new value.
        value: u64,
    },
    /// Writes the time.
    Timestamp {
        /// Where.
        va: u64,
    },
    /// Passes a failure on.
    Depend {
        /// The stream that depends.
        dst_stream: u32,
        /// The stream it depends on.
        src_stream: u32,
        /// The last operation it depends on.
        src_tag: u64,
        /// The operation that depends: with it, the failure of the stream begins.
        dst_tag: u64,
    },
}

/// A DISPATCH packet.
#[derive(Clone, Debug)]
pub struct Dispatch<'a> {
    /// The kernel's number.
    pub kernel: u64,
    /// How many items it says it has.
    pub count: u32,
    offset: usize,
    items: &'a [u8],
}

impl<'a> Dispatch<'a> {
    /// The items, each checked as it is reached.
    pub fn items(&self) -> Items<'a> {
        Items { bytes: self.items, offset: self.offset, left: self.count }
    }
}

/// Walks the items of a DISPATCH packet.
#[derive(Clone, Debug)]
pub struct Items<'a> {
    bytes: &'a [u8],
    offset: usize,
    left: u32,
}

impl Items<'_> {
    /// Items not yet walked over.
    pub fn left(&self) -> u32 {
        self.left
    }

    /// Where in the command buffer the next item stands: with [`Items::left`] enough to [`Items::resume`].
    pub fn offset(&self) -> usize {
        self.offset
    }
}

impl<'a> Items<'a> {
    /// Goes on in the command buffer `bytes` where an earlier walk had come to; `end` is the end of the packet.
    pub fn resume(bytes: &'a [u8], offset: usize, end: usize, left: u32) -> Self {
        Self { bytes: bytes.get(offset..end).unwrap_or_default(), offset, left }
    }

    #[inline]
    fn read(&mut self) -> Result<Item<'a>, PacketError> {
        let error = |what| Err(PacketError { offset: self.offset, what });
        let Some((head, rest)) = self.bytes.split_first_chunk::<ITEM_BYTES>() else {
            return error("the item is longer than its packet");
        };
        let arg_bytes = u32_at(head, 12) as usize;
        let access_count = u32_at(head, 40) as usize;
        if arg_bytes > MAX_ARG_BYTES {
            return error("an item has more than 4096 bytes of arguments");
        }
        if access_count > MAX_ACCESSES {
            return error("an item declares more than 64 accesses");
        }
        let args_end = align(arg_bytes);
        let access_bytes = access_count * ACCESS_BYTES;
        let end = args_end + align(access_bytes);
        if end > rest.len() {
            return error("the item is longer than its packet");
        }
        let op_tag = u64_at(head, 0);
        if op_tag == 0 {
            return error("the tag of an item must not be 0");
        }
        let item = Item {
            op_tag,
            stream: u32_at(head, 8),
            grid: [u32_at(head, 16), u32_at(head, 20), u32_at(head, 24)],
            block: [u32_at(head, 28), u32_at(head, 32), u32_at(head, 36)],
            shared_bytes: u32_at(head, 44),
            args: &rest[..arg_bytes],
            accesses: Accesses { bytes: &rest[args_end..args_end + access_bytes] },
        };
        self.bytes = &rest[end..];
        self.offset += ITEM_BYTES + end;
        Ok(item)
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Result<Item<'a>, PacketError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            if self.bytes.is_empty() {
                return None;
            }
            self.bytes = &[];
            return Some(Err(PacketError { offset: self.offset, what: "the packet is longer than its items" }));
        }
        self.left -= 1;
        let item = self.read();
        if item.is_err() {
            self.left = 0;
            self.bytes = &[];
        }
        Some(item)
    }
}

/// One launch of a DISPATCH packet.
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    /// Its tag, not 0.
    pub op_tag: u64,
    /// Its slot in the poison array.
    pub stream: u32,
    /// Blocks in each dimension.
    pub grid: [u32; 3],
    /// Threads of a block in each dimension.
    pub block: [u32; 3],
    /// Bytes of shared memory.
    pub shared_bytes: u32,
    /// The packed arguments.
    pub args: &'a [u8],
    /// The memory behind them.
    pub accesses: Accesses<'a>,
}

impl Item<'_> {
    /// All blocks of the launch.
    #[inline]
    pub fn blocks(&self) -> u64 {
        (u64::from(self.grid[0]) * u64::from(self.grid[1])).saturating_mul(u64::from(self.grid[2]))
    }
}

/// The declared accesses of an item.
#[derive(Clone, Copy, Debug, Default)]
pub struct Accesses<'a> {
    bytes: &'a [u8],
}

impl<'a> Accesses<'a> {
    /// How many there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.bytes.len() / ACCESS_BYTES
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The `index`-th.
    #[inline]
    pub fn get(&self, index: usize) -> Option<Access> {
        let start = index.checked_mul(ACCESS_BYTES)?;
        self.bytes.get(start..)?.first_chunk::<ACCESS_BYTES>().map(access)
    }

    /// All of them.
    #[inline]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Access> + use<'a> {
        self.bytes.as_chunks::<ACCESS_BYTES>().0.iter().map(access)
    }
}

#[inline]
fn access(bytes: &[u8; ACCESS_BYTES]) -> Access {
    Access { arg_offset: u32_at(bytes, 0), flags: u32_at(bytes, 4), va: u64_at(bytes, 8), len: u64_at(bytes, 16) }
}

/// The entries of a COPY packet.
#[derive(Clone, Copy, Debug)]
pub struct Copies<'a> {
    entries: &'a [u8],
}

impl<'a> Copies<'a> {
    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = CopyEntry> + use<'a> {
        self.entries.chunks_exact(ENTRY_BYTES).map(|entry| CopyEntry {
            op_tag: u64_at(entry, 0),
            stream: u32_at(entry, 8),
            src: u64_at(entry, 16),
            dst: u64_at(entry, 24),
            len: u64_at(entry, 32),
        })
    }
}

/// The entries of a FILL packet.
#[derive(Clone, Copy, Debug)]
pub struct Fills<'a> {
    entries: &'a [u8],
}

impl<'a> Fills<'a> {
    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = FillEntry> + use<'a> {
        self.entries.chunks_exact(ENTRY_BYTES).map(|entry| FillEntry {
            op_tag: u64_at(entry, 0),
            stream: u32_at(entry, 8),
            pattern_len: u32_at(entry, 12),
            dst: u64_at(entry, 16),
            len: u64_at(entry, 24),
            pattern: u64_at(entry, 32),
        })
    }
}

// Callers have checked the lengths; past the end reads as zero rather than panicking.
#[inline]
fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|part| part.try_into().ok()).map_or(0, u32::from_le_bytes)
}

#[inline]
fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|part| part.try_into().ok()).map_or(0, u64::from_le_bytes)
}
