//! Device memory and device-visible host memory, handed out in small pieces of few large chunks.

pub(crate) mod host;
#[cfg(all(test, dxg_loom))]
mod loom_pool;
pub(crate) mod pool;

pub(crate) use pool::PoolBlock;
