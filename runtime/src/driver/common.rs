//! What the shards of a device have in common: ids, admission, the clock, who waits for memory, and how it ended.
//!
//! A shard is an engine of its own, with a part of the device's streams. What one must know of the others it finds here.
//!
//! | part | who may touch it |
//! |---|---|
//! | `registry` (stream and event ids) | any task, behind a lock; never on the path of an operation |
//! | `admission` (how much is on its way) | any task; see [`admission`](crate::core::admission) |
//! | `memory` (who waits for host memory) | any task; see [`Room`] |
//! | `shards` | each is entered once, when it starts; read by any task |
//! | `lost`, `broken` | written once, by the holder of a driver role; read by the others' |

use std::sync::{Arc, OnceLock, Weak};

use super::Engine;
use super::registry::Registry;
use crate::core::admission::{self, Admission};
use crate::core::room::Room;
use crate::error::LostCause;
use crate::limits::{SHARDS_MAX, Settings};
use crate::sync::Clock;
use crate::sync::atomic::{AtomicBool, Ordering};

/// See the module.
pub(crate) struct Common {
    pub(super) clock: Clock,
    pub(super) registry: Registry,
    pub(super) admission: Admission,
    pub(crate) memory: Arc<Room>,
    shards: [OnceLock<Weak<Engine>>; SHARDS_MAX],
    lost: OnceLock<LostCause>,
    broken: AtomicBool,
}

impl Common {
    pub(super) fn new(settings: &Settings) -> Arc<Self> {
        let bound = settings.limits.device_operations;
        Arc::new(Common {
            clock: Clock::start(),
            registry: Registry::new(),
            admission: Admission::new(admission::Bound { high: bound.high, low: bound.low }),
            memory: Arc::new(Room::new()),
            shards: Default::default(),
            lost: OnceLock::new(),
            broken: AtomicBool::new(false),
        })
    }

    /// A shard has started.
    pub(super) fn enter(&self, engine: &Arc<Engine>) {
        if let Some(place) = self.shards.get(engine.shard) {
            // Its number is its own.
            let _set_once = place.set(Arc::downgrade(engine));
        }
    }

    fn shard(&self, number: usize) -> Option<Arc<Engine>> {
        self.shards.get(number)?.get()?.upgrade()
    }

    /// The shards beside one of them.
    pub(super) fn others(&self, number: usize) -> impl Iterator<Item = Arc<Engine>> {
        (0..SHARDS_MAX).filter(move |other| *other != number).filter_map(|other| self.shard(other))
    }

    /// The first shard behind one of them.
    pub(super) fn next(&self, number: usize) -> Option<Arc<Engine>> {
        (number + 1..SHARDS_MAX).find_map(|other| self.shard(other))
    }

    /// A shard has lost the device; whether it is the first to know.
    pub(super) fn lose(&self, cause: &LostCause) -> bool {
        self.lost.set(cause.clone()).is_ok()
    }

    /// Why the device is lost, if a shard has found it so.
    pub(super) fn lost(&self) -> Option<&LostCause> {
        self.lost.get()
    }

    /// A shard has lost count of what it let in.
    pub(super) fn break_down(&self) {
        self.broken.store(true, Ordering::Release);
    }

    pub(super) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }
}
