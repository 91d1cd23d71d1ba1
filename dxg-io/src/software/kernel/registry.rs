//! The kernels of an adapter, by number.
//!
//! The engine looks a kernel up once for each DISPATCH packet, under a read lock held for one clone; an entry that is
//! unregistered lives on until the launches that use it have ended.

use std::sync::{
    Arc, PoisonError, RwLock,
    atomic::{AtomicU64, Ordering},
};

use super::{
    KernelError, NativeModule, RustKernel, Signature, Workgroup,
    native::{NativeEntry, NativeObject},
};

/// The number of a kernel in DISPATCH packets; never reused within a registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KernelId(pub u64);

/// The kernels of an adapter. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct KernelRegistry {
    // The kernel with number n is at n - 1.
    entries: Arc<RwLock<Vec<Option<Arc<KernelEntry>>>>>,
}

impl KernelRegistry {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a Rust kernel. Names need not be unique: launches go by number.
    pub fn register(&self, kernel: RustKernel) -> KernelId {
        self.add(Code::Rust(kernel))
    }

    /// Loads an ELF shared object of kernels from memory.
    ///
    /// # Errors
    /// [`KernelError::BadImage`] with a sentence that says why it cannot be loaded.
    ///
    /// # Safety
    /// The image is trusted code: its constructors run now, its kernels in launches, all with the rights of this
    /// process. Every entry that is launched must have the signature
    /// `void name(const void *args, const struct dxgrt_wg *wg)`, be callable from any thread, for different blocks at
    /// the same time, must not unwind, and must access only memory that its launch's addresses refer to, in bounds and
    /// without a data race against what else runs (declared accesses are kept apart by the engine, others are not). A
    /// wild pointer there can end or corrupt the process.
    pub unsafe fn load_native(&self, image: &[u8]) -> Result<NativeModule, KernelError> {
        // SAFETY: the caller vouches for the image.
        let object = unsafe { NativeObject::load(image)? };
        Ok(NativeModule::new(self.clone(), object))
    }

    /// Removes a kernel: later launches of its number fail. Running ones go on; a native object is unloaded when the
    /// last of its launches, kernels and modules is gone. Whether there was one.
    pub fn unregister(&self, id: KernelId) -> bool {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        let removed = slot(id).and_then(|slot| entries.get_mut(slot)).and_then(Option::take);
        // The last reference may unload an object, which runs its destructors: not under the lock.
        drop(entries);
        removed.is_some()
    }

    /// The name of a kernel.
    pub fn name(&self, id: KernelId) -> Option<String> {
        self.entry(id.0).map(|entry| entry.name().to_owned())
    }

    /// The signature of a kernel; native ones have none.
    pub fn signature(&self, id: KernelId) -> Option<Arc<Signature>> {
        match &self.entry(id.0)?.code {
            Code::Rust(kernel) => Some(kernel.signature().clone()),
            Code::Native(_) => None,
        }
    }

    pub(super) fn add(&self, code: Code) -> KernelId {
        let entry = Arc::new(KernelEntry { code, cost: Cost::default() });
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        entries.push(Some(entry));
        KernelId(entries.len() as u64)
    }

    #[inline]
    pub(crate) fn entry(&self, id: u64) -> Option<Arc<KernelEntry>> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        entries.get(slot(KernelId(id))?)?.clone()
    }
}

fn slot(id: KernelId) -> Option<usize> {
    usize::try_from(id.0.checked_sub(1)?).ok()
}

/// What runs.
#[derive(Debug)]
pub(crate) enum Code {
    Rust(RustKernel),
    Native(NativeEntry),
}

/// One registered kernel.
#[derive(Debug)]
pub(crate) struct KernelEntry {
    pub(crate) code: Code,
    pub(crate) cost: Cost,
}

impl KernelEntry {
    pub(crate) fn name(&self) -> &str {
        match &self.code {
            Code::Rust(kernel) => kernel.name(),
            Code::Native(entry) => entry.name(),
        }
    }

    /// Whether the blocks of a launch must run one after another.
    pub(crate) fn is_sequential(&self) -> bool {
        match &self.code {
            Code::Rust(kernel) => kernel.signature().is_sequential(),
            Code::Native(_) => false,
        }
    }
}

impl NativeEntry {
    /// Runs blocks `from..to`.
    ///
    /// # Safety
    /// `args` is what the kernel takes, 16-byte aligned, and its addresses are valid host addresses.
    pub(crate) unsafe fn run(&self, args: *const u8, groups: [u32; 3], local: [u32; 3], from: u64, to: u64) {
        for block in from..to {
            let workgroup = Workgroup::nth(block, groups, local);
            // SAFETY: the loader of the object vouched for the entry, our caller for the arguments.
            unsafe { self.call(args, &workgroup) };
        }
    }
}

/// How long one block of a kernel takes, as measured; decides where its launches run, never what they compute.
///
/// A measurement counts only as far as the one before confirms it: a launch that was slow because its thread lost the
/// processor must not send the next ones to the pool.
#[derive(Debug, Default)]
pub(crate) struct Cost {
    /// 1/256 ns for a block, 0 while unknown. Lost updates of concurrent recorders do no harm.
    per_block: AtomicU64,
    last: AtomicU64,
}

impl Cost {
    /// The expected time of so many blocks in ns; `None` before the first measurement.
    #[inline]
    pub(crate) fn estimate(&self, blocks: u64) -> Option<u64> {
        match self.per_block.load(Ordering::Relaxed) {
            0 => None,
            cost => Some(((u128::from(cost) * u128::from(blocks)) >> 8).min(u128::from(u64::MAX)) as u64),
        }
    }

    /// How many blocks are expected to take no more than `limit` ns; `None` before the first measurement.
    pub(crate) fn blocks_within(&self, limit: u64) -> Option<u64> {
        match self.per_block.load(Ordering::Relaxed) {
            0 => None,
            cost => Some(u64::try_from(((u128::from(limit) + 1) * 256 - 1) / u128::from(cost)).unwrap_or(u64::MAX)),
        }
    }

    /// Takes in a measurement.
    #[inline]
    pub(crate) fn record(&self, blocks: u64, ns: u64) {
        if blocks == 0 {
            return;
        }
        let sample = (ns.min(u64::MAX >> 8) << 8) / blocks;
        let confirmed = sample.min(self.last.load(Ordering::Relaxed));
        self.last.store(sample, Ordering::Relaxed);
        let old = self.per_block.load(Ordering::Relaxed);
        let new = if old == 0 { sample } else { old / 2 + confirmed / 2 };
        self.per_block.store(new.max(1), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing(name: &str) -> RustKernel {
        RustKernel::new(name).body(|_| Ok(()))
    }

    #[test]
    fn numbers_are_not_reused() {
        let registry = KernelRegistry::new();
        let first = registry.register(nothing("first"));
        assert_eq!(registry.name(first).as_deref(), Some("first"));
        assert!(registry.unregister(first));
        assert!(!registry.unregister(first));
        let second = registry.register(nothing("second"));
        assert_ne!(first, second);
        assert!(registry.entry(first.0).is_none());
        assert!(registry.entry(0).is_none());
        assert!(registry.entry(u64::MAX).is_none());
    }

    #[test]
    fn an_unregistered_kernel_lives_as_long_as_it_is_used() {
        let registry = KernelRegistry::new();
        let id = registry.register(nothing("kernel"));
        let running = registry.entry(id.0).expect("it is registered");
        registry.unregister(id);
        assert_eq!(running.name(), "kernel");
    }

    #[test]
    fn blocks_within_a_limit_are_those_with_an_estimate_within_it() {
        let cost = Cost::default();
        assert_eq!(cost.blocks_within(1_000), None);
        cost.record(3, 100);
        for limit in [0, 1, 33, 34, 99, 100, 1_000, 1 << 40] {
            let blocks = cost.blocks_within(limit).expect("measured");
            assert!(cost.estimate(blocks).expect("measured") <= limit, "{blocks} blocks in {limit} ns");
            assert!(cost.estimate(blocks + 1).expect("measured") > limit);
        }
    }

    #[test]
    fn one_slow_launch_does_not_count_two_do() {
        let cost = Cost::default();
        assert_eq!(cost.estimate(1), None);
        cost.record(10, 1_000);
        assert_eq!(cost.estimate(10), Some(1_000));
        cost.record(1, 1_000_000);
        assert_eq!(cost.estimate(10), Some(1_000));
        cost.record(1, 1_000_000);
        assert_eq!(cost.estimate(1), Some(500_050));
        cost.record(1, 100);
        assert_eq!(cost.estimate(1), Some(250_075));
        cost.record(0, 7);
        assert_eq!(cost.estimate(u64::MAX), Some(u64::MAX));
    }
}
