//! Random launches from a seed, and contents of buffers; the numbers of the checks on GPUs too.

use super::Arg;

/// SplitMix64: the same launches from the same seed, everywhere.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Starts at a seed.
    pub fn new(seed: u64) -> Self {
        Random(seed)
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from `low` to `high`, both possible.
    pub fn between(&mut self, low: u32, high: u32) -> u32 {
        low + (self.bits() % u64::from(high - low + 1)) as u32
    }

    /// A number of at least -1 and below 1.
    pub fn signed(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }

    /// A buffer of numbers of at least -1 and below 1.
    pub fn f32s(&mut self, count: u32) -> Arg {
        Arg::Buffer((0..count).flat_map(|_| self.signed().to_le_bytes()).collect())
    }

    /// The same in double precision, from 0 on.
    pub fn f64s(&mut self, count: u32) -> Arg {
        Arg::Buffer((0..count).flat_map(|_| (f64::from(self.signed()) + 1.0).to_le_bytes()).collect())
    }

    /// A buffer of whole numbers below a bound.
    pub fn u32s(&mut self, count: u32, below: u32) -> Arg {
        Arg::Buffer((0..count).flat_map(|_| self.between(0, below - 1).to_le_bytes()).collect())
    }

    /// A buffer of half-precision numbers between 0.5 and 1.
    pub fn halves(&mut self, count: u32) -> Arg {
        Arg::Buffer((0..count).flat_map(|_| (0x3800 | self.between(0, 0x3ff) as u16).to_le_bytes()).collect())
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.bits() % end.max(1)
    }

    /// So many bytes.
    pub fn any(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.bits() as u8).collect()
    }

    /// A buffer of any bytes.
    pub fn bytes(&mut self, count: u32) -> Arg {
        Arg::Buffer(self.any(count as usize))
    }
}

/// A buffer of bytes that no kernel writes by chance.
pub fn out(bytes: u32) -> Arg {
    Arg::Buffer(vec![0xa5; bytes as usize])
}

/// An argument by value.
pub fn value<const N: usize>(bytes: [u8; N]) -> Arg {
    Arg::Value(bytes.to_vec())
}

/// A whole number.
pub fn u32(number: u32) -> Arg {
    value(number.to_le_bytes())
}

/// A number with a fraction.
pub fn f32(number: f32) -> Arg {
    value(number.to_le_bytes())
}
