//! How many operations of each stream have left: their room can be given to others.

use alloc::vec::Vec;

use crate::operation::StreamId;

/// Counts by stream, and which streams have any.
#[derive(Debug, Default)]
pub(crate) struct Room {
    counts: Vec<u32>,
    streams: Vec<u32>,
}

impl Room {
    /// One more of this stream has left.
    #[inline]
    pub(crate) fn add(&mut self, stream: u32) {
        let index = stream as usize;
        if index >= self.counts.len() {
            self.counts.resize(index + 1, 0);
        }
        if self.counts[index] == 0 {
            self.streams.push(stream);
        }
        self.counts[index] += 1;
    }

    /// A stream of which operations have left since this told of it last, and how many.
    pub(crate) fn take(&mut self) -> Option<(StreamId, u32)> {
        let stream = self.streams.pop()?;
        Some((StreamId(stream), core::mem::take(&mut self.counts[stream as usize])))
    }
}
