//! Hostile bytes: functions that take any bytes and must neither crash, nor hang, nor touch what they may not.
//!
//! Each is a fuzz target of `fuzz/`, a plain test with the stored corpus and random bytes (`tests/tests/hostile_bytes.rs`), and
//! part of `--bin hostile`. They panic where a promise is broken, and answer with the calls that they made.

mod boundary;
mod capi;
mod corpus;
mod native;
mod packets;
mod trace;

pub use boundary::{boundary, node};
pub use capi::capi;
pub use corpus::{corpus, write_corpus};
pub use native::native;
pub use packets::packets;
pub use trace::trace;

/// One of the functions.
pub type Target = fn(&[u8]) -> u64;

/// All of them, by the names of their fuzz targets.
pub const TARGETS: [(&str, Target); 5] =
    [("boundary", boundary), ("packets", packets), ("native", native), ("trace", trace), ("capi", capi)];

/// Bytes as a stream of decisions: zeros when they are used up.
struct Source<'a> {
    bytes: &'a [u8],
}

impl<'a> Source<'a> {
    fn new(bytes: &'a [u8]) -> Source<'a> {
        Source { bytes }
    }

    fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        let taken = self.bytes.len().min(N);
        array[..taken].copy_from_slice(&self.bytes[..taken]);
        self.bytes = &self.bytes[taken..];
        array
    }

    fn u8(&mut self) -> u8 {
        u8::from_le_bytes(self.array())
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.array())
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.array())
    }

    /// A number below `most`.
    fn below(&mut self, most: usize) -> usize {
        usize::from(u16::from_le_bytes(self.array())) % most.max(1)
    }

    /// A number as programs use them: mostly small, sometimes at a limit, sometimes any.
    fn number(&mut self) -> u64 {
        match self.u8() % 16 {
            0..10 => u64::from(self.u8()),
            10 => u64::MAX - u64::from(self.u8()),
            11 => 1 << (self.u8() % 64),
            12 => u64::from(u32::MAX) - u64::from(self.u8()),
            13 => u64::from(self.u32()),
            14 => 4096 * u64::from(self.u8()),
            _ => self.u64(),
        }
    }
}

/// Random bytes that repeat with their seed (SplitMix64).
#[derive(Clone, Debug)]
pub struct Bytes {
    state: u64,
}

impl Bytes {
    /// A stream of bytes.
    pub fn new(seed: u64) -> Bytes {
        Bytes { state: seed }
    }

    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `most`.
    pub fn below(&mut self, most: u64) -> u64 {
        self.next_u64() % most.max(1)
    }

    /// Fills `into`.
    pub fn fill(&mut self, into: &mut [u8]) {
        for chunk in into.chunks_mut(8) {
            let bytes = self.next_u64().to_le_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
    }

    /// Changes a few bytes of an input, cuts it, or doubles a part of it.
    pub fn mutate(&mut self, input: &mut Vec<u8>) {
        for _ in 0..=self.below(6) {
            if input.is_empty() {
                input.push(self.next_u64() as u8);
            }
            let at = self.below(input.len() as u64) as usize;
            match self.below(6) {
                0 => input[at] = self.next_u64() as u8,
                1 => input[at] ^= 1 << self.below(8),
                2 => input.truncate(at),
                3 => input.insert(at, self.next_u64() as u8),
                4 => {
                    let end = (at + self.below(64) as usize).min(input.len());
                    let part = input[at..end].to_vec();
                    input.extend(part);
                }
                _ => {
                    let end = (at + 8).min(input.len());
                    self.fill(&mut input[at..end]);
                }
            }
        }
        // Long inputs say nothing that shorter ones cannot say faster.
        input.truncate(16 << 10);
    }
}
