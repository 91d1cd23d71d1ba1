//! The shape of a launch: how many blocks, of how many threads, with how much shared memory.

/// Blocks and threads of a launch, in up to three dimensions, as in CUDA.
///
/// ```
/// use dxg_runtime::Grid;
/// let line = Grid::new(32, 256);
/// assert_eq!((line.blocks(), line.threads()), ([32, 1, 1], [256, 1, 1]));
/// let plane = Grid::new([8, 8], [16, 16]).shared_bytes(4096);
/// assert_eq!(plane.block_count(), 64);
/// // One dimension that covers n elements:
/// assert_eq!(Grid::covering(1000, 256).blocks(), [4, 1, 1]);
/// ```
///
/// A grid with a zero in it is allowed and runs nothing: the operation keeps its place in the order of its stream and
/// completes when its turn comes. (CUDA refuses it; programs that compute their sizes then need a special case.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Grid {
    blocks: [u32; 3],
    threads: [u32; 3],
    shared: u32,
}

impl Grid {
    /// `blocks` blocks of `threads` threads each; missing dimensions are 1.
    pub fn new(blocks: impl Into<Extent>, threads: impl Into<Extent>) -> Self {
        Grid { blocks: blocks.into().0, threads: threads.into().0, shared: 0 }
    }

    /// As many blocks of `threads` threads as it takes to have one thread for each of `elements` elements.
    ///
    /// With `threads` = 0, or more blocks than fit a `u32`, the grid is one that a launch refuses or that runs nothing.
    pub fn covering(elements: usize, threads: u32) -> Self {
        let blocks = elements.div_ceil(threads.max(1) as usize);
        Grid::new(u32::try_from(blocks).unwrap_or(u32::MAX), threads)
    }

    /// The same grid with this much shared memory for each block.
    pub fn shared_bytes(mut self, bytes: u32) -> Self {
        self.shared = bytes;
        self
    }

    /// Blocks in each dimension.
    #[inline]
    pub fn blocks(&self) -> [u32; 3] {
        self.blocks
    }

    /// Threads of a block in each dimension.
    #[inline]
    pub fn threads(&self) -> [u32; 3] {
        self.threads
    }

    /// Shared memory of a block.
    #[inline]
    pub fn shared(&self) -> u32 {
        self.shared
    }

    /// Number of blocks; saturates at `u64::MAX`.
    #[inline]
    pub fn block_count(&self) -> u64 {
        product(self.blocks)
    }

    /// Number of threads in a block; saturates at `u64::MAX`.
    #[inline]
    pub fn threads_per_block(&self) -> u64 {
        product(self.threads)
    }

    /// Whether there is nothing to run.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.blocks.contains(&0) || self.threads.contains(&0)
    }

    /// The same launch with other blocks (for a graph's patches).
    pub(crate) fn with_blocks(mut self, blocks: [u32; 3]) -> Self {
        self.blocks = blocks;
        self
    }

    /// The same launch with other threads (for a graph's patches).
    pub(crate) fn with_threads(mut self, threads: [u32; 3]) -> Self {
        self.threads = threads;
        self
    }
}

#[inline]
fn product(sizes: [u32; 3]) -> u64 {
    // Two of them fit.
    (u64::from(sizes[0]) * u64::from(sizes[1])).saturating_mul(u64::from(sizes[2]))
}

impl From<u32> for Grid {
    /// That many blocks of one thread.
    fn from(blocks: u32) -> Self {
        Grid::new(blocks, 1)
    }
}

impl<B: Into<Extent>, T: Into<Extent>> From<(B, T)> for Grid {
    /// Blocks and threads.
    fn from((blocks, threads): (B, T)) -> Self {
        Grid::new(blocks, threads)
    }
}

/// Sizes in up to three dimensions; missing ones are 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Extent([u32; 3]);

impl Extent {
    /// Sizes in x, y and z.
    pub fn sizes(self) -> [u32; 3] {
        self.0
    }
}

impl From<u32> for Extent {
    fn from(x: u32) -> Self {
        Extent([x, 1, 1])
    }
}

impl From<[u32; 1]> for Extent {
    fn from([x]: [u32; 1]) -> Self {
        Extent([x, 1, 1])
    }
}

impl From<[u32; 2]> for Extent {
    fn from([x, y]: [u32; 2]) -> Self {
        Extent([x, y, 1])
    }
}

impl From<[u32; 3]> for Extent {
    fn from(sizes: [u32; 3]) -> Self {
        Extent(sizes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_saturate_and_zeros_are_empty() {
        let huge = Grid::new([u32::MAX; 3], [u32::MAX; 3]);
        assert_eq!(huge.block_count(), u64::MAX);
        assert_eq!(huge.threads_per_block(), u64::MAX);
        assert!(!huge.is_empty());
        assert!(Grid::new([4, 0, 1], 1).is_empty());
        assert!(Grid::new(4, 0).is_empty());
    }

    #[test]
    fn covering_has_a_thread_for_each_element() {
        assert_eq!(Grid::covering(0, 256).block_count(), 0);
        assert_eq!(Grid::covering(1, 256).block_count(), 1);
        assert_eq!(Grid::covering(257, 256).block_count(), 2);
    }
}
