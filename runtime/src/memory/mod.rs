//! Device memory and device-visible host memory, handed out in small pieces of few large chunks.

pub(crate) mod host;
pub(crate) mod pool;

pub(crate) use pool::PoolBlock;
