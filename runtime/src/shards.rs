//! The shards of a device: engines side by side, each with a part of its streams.
//!
//! One driver role is one core's work, however many tasks there are. Where the device allows it and the machine has cores for it,
//! streams beyond the first few belong to further shards, opened when they are needed; a program with few streams has one shard and
//! knows nothing of all this. A stream stays in its shard: nothing but waits for events, and what is about the whole device, ever
//! crosses from one to another.
//!
//! | part | who may touch it |
//! |---|---|
//! | `list` | read by any task; written once a place, by who opens it |
//! | `opening` | held by who opens a shard: the others go on with those there are |

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::driver::{Engine, Place};
use crate::limits::{Limits, Policy, SHARDS_MAX, Settings};

/// Streams of the shards there are, each, before another is opened: enough to merge, and for a driver to be busy with.
const STREAMS: usize = 64;

/// Cores for each shard: its driver, and tasks that bring it work.
const CORES: usize = 4;

/// See the module.
pub(crate) struct Shards {
    list: [OnceLock<Arc<Engine>>; SHARDS_MAX],
    /// How many there may be; no more than there are once one could not be opened.
    most: AtomicUsize,
    /// Streams of each before another is opened.
    full: usize,
    opening: Mutex<Place>,
}

impl Shards {
    /// One shard, and others beside it as streams come.
    pub(crate) fn new(first: &Arc<Engine>, settings: &Settings, full: Option<usize>, attendant: Place) -> Self {
        let list: [OnceLock<Arc<Engine>>; SHARDS_MAX] = Default::default();
        // The list is new.
        let _first = list[0].set(Arc::clone(first));
        let most = most(&settings.limits, settings.policy);
        Shards { list, most: AtomicUsize::new(most), full: full.unwrap_or(STREAMS), opening: Mutex::new(attendant) }
    }

    /// All there are; the first always is.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Engine>> {
        self.list.iter().filter_map(OnceLock::get)
    }

    /// The one that a stream belongs to.
    pub(crate) fn of(&self, number: usize) -> Option<&Arc<Engine>> {
        self.list.get(number)?.get()
    }

    /// The one for another stream: that with the fewest, or a new one if all have many.
    pub(crate) fn for_stream(&self, first: &Arc<Engine>) -> Arc<Engine> {
        let emptiest = self.iter().min_by_key(|engine| engine.stream_count()).unwrap_or(first);
        let open = self.iter().count();
        // Relaxed: a number, which guards nothing.
        if open < self.most.load(Ordering::Relaxed) && emptiest.stream_count() >= self.full {
            // Somebody else is at it: this stream does not wait for that.
            if let Ok(attendant) = self.opening.try_lock()
                && self.iter().count() == open
                && let Some(engine) = self.open(first, &attendant, open)
            {
                return engine;
            }
        }
        Arc::clone(emptiest)
    }

    /// Replaces policy and limits, of those to come too.
    pub(crate) fn set_settings(&self, settings: Settings) {
        // One that is being opened would begin with the old ones.
        let _opening = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        self.iter().for_each(|engine| engine.set_settings(settings));
    }

    /// Ends them all. None is opened after this.
    pub(crate) fn close(&self) {
        let _opening = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        self.iter().for_each(|engine| engine.close());
    }

    /// Opens one more; none where the device has but one, or refuses.
    fn open(&self, first: &Arc<Engine>, attendant: &Place, number: usize) -> Option<Arc<Engine>> {
        first.check_open().ok()?;
        let Some(backend) = first.backend.another() else {
            self.most.store(number, Ordering::Relaxed);
            return None;
        };
        match backend.and_then(|backend| first.start_beside(backend, attendant.clone(), number)) {
            Ok(engine) => {
                let place = self.list.get(number)?;
                Some(Arc::clone(place.get_or_init(|| engine)))
            }
            Err(error) => {
                self.most.store(number, Ordering::Relaxed);
                tracing::warn!(%error, shard = number, "a shard could not be opened; the others take its streams");
                None
            }
        }
    }
}

fn most(limits: &Limits, policy: Policy) -> usize {
    // One by one means on the whole device.
    if matches!(policy, Policy::OneByOne | Policy::OneByOneSpin) {
        return 1;
    }
    match usize::from(limits.shards) {
        0 => std::thread::available_parallelism().map_or(1, |cores| cores.get() / CORES).clamp(1, SHARDS_MAX),
        most => most.min(SHARDS_MAX),
    }
}
