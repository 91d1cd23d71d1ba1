//! Opaque handles: numbers that look like pointers and are never followed.
//!
//! A handle holds its kind, a slot of its kind's table and the slot's generation. Freeing an object raises the generation, so a
//! handle that was freed, made up, or of another kind is recognised by a comparison. A look-up takes no lock: slots are atomic
//! pointers in segments that are never moved.
//!
//! ```text
//! bit  63 ... 56 55 ........... 24 23 ......... 0
//!      kind      generation        slot
//! ```
//!
//! | field | who may touch it |
//! |---|---|
//! | `segments`, once made | any thread, without a lock |
//! | a slot's content | any thread, atomically; replaced by who inserts or removes |
//! | `free` (slots and their next generations) | any thread, under the lock; never on the path of an operation |

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use arc_swap::{ArcSwapOption, Guard};

use crate::guard::{Failure, Outcome};
use crate::status::dxgrt_status::*;

/// Slots of the first segment; each further one is as large as all before it.
const FIRST: usize = 64;
const SEGMENTS: usize = 19;
/// 64 * 2^18 slots fit the 24 bits of a handle.
const SLOTS: usize = FIRST << (SEGMENTS - 1);

/// A C type that stands for handles of one kind. Each has a table of its own, so that freeing one kind with the call of another
/// does not compile, in Rust or in C.
pub(crate) trait Opaque: Sized + 'static {
    /// What a handle stands for.
    type Entry: Send + Sync + 'static;
    /// The top byte of handles; never 0, so that no pointer of this process looks like one.
    const KIND: u8;
    /// How messages call it.
    const NAME: &'static str;
    /// The table of the kind.
    fn table() -> &'static Table<Self::Entry>;
}

/// Declares a C type for handles and its table.
macro_rules! opaque {
    ($name:ident, $entry:ty, $kind:literal, $words:literal) => {
        impl $crate::handle::Opaque for $name {
            type Entry = $entry;
            const KIND: u8 = $kind;
            const NAME: &'static str = $words;
            fn table() -> &'static $crate::handle::Table<$entry> {
                static TABLE: $crate::handle::Table<$entry> = $crate::handle::Table::new();
                &TABLE
            }
        }
    };
}
pub(crate) use opaque;

/// The objects of one kind.
pub(crate) struct Table<T> {
    segments: [OnceLock<Box<[Slot<T>]>>; SEGMENTS],
    free: Mutex<Free>,
}

type Slot<T> = ArcSwapOption<Live<T>>;

/// An object with the handle it goes by.
pub(crate) struct Live<T> {
    handle: u64,
    /// Shared with whoever needs it for longer than a call.
    pub(crate) entry: Arc<T>,
}

#[derive(Default)]
struct Free {
    /// Slots that were used before.
    slots: Vec<u32>,
    /// The generation of the next user of each slot that was ever used.
    generations: Vec<u32>,
}

/// Why a handle stands for nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stale {
    /// NULL.
    Null,
    /// It was valid once.
    Freed,
    /// It never was a handle of this kind.
    Foreign,
}

fn split(slot: usize) -> (usize, usize) {
    if slot < FIRST {
        return (0, slot);
    }
    let segment = (slot / FIRST).ilog2() as usize + 1;
    (segment, slot - (FIRST << (segment - 1)))
}

fn segment_len(segment: usize) -> usize {
    FIRST << segment.saturating_sub(1)
}

impl<T> Table<T> {
    pub(crate) const fn new() -> Self {
        let free = Free { slots: Vec::new(), generations: Vec::new() };
        Table { segments: [const { OnceLock::new() }; SEGMENTS], free: Mutex::new(free) }
    }

    fn free(&self) -> MutexGuard<'_, Free> {
        // Each change is one push, pop or store: a panic leaves nothing half done.
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn slot(&self, handle: u64) -> Option<&Slot<T>> {
        let (segment, place) = split((handle & 0xff_ffff) as usize);
        self.segments.get(segment)?.get()?.get(place)
    }

    /// Takes an object in, and gives its handle.
    fn insert(&self, kind: u8, entry: Arc<T>) -> Option<u64> {
        let mut free = self.free();
        let index = match free.slots.pop() {
            Some(index) => index as usize,
            None if free.generations.len() < SLOTS => {
                free.generations.push(1);
                free.generations.len() - 1
            }
            None => return None,
        };
        let handle = u64::from(kind) << 56 | u64::from(free.generations[index]) << 24 | index as u64;
        drop(free);
        let (segment, place) = split(index);
        let slots = self.segments[segment]
            .get_or_init(|| (0..segment_len(segment)).map(|_| ArcSwapOption::const_empty()).collect());
        slots[place].store(Some(Arc::new(Live { handle, entry })));
        Some(handle)
    }

    /// The object of a handle, for the length of a call.
    fn find(&self, handle: u64) -> Option<Guard<Option<Arc<Live<T>>>>> {
        let found = self.slot(handle)?.load();
        match &*found {
            Some(live) if live.handle == handle => Some(found),
            _ => None,
        }
    }

    /// Takes the object of a handle out: of several calls, one gets it.
    fn remove(&self, handle: u64) -> Option<Arc<T>> {
        let slot = self.slot(handle)?;
        let found = self.find(handle)?;
        let previous = slot.compare_and_swap(&*found, None);
        let won = match (&*previous, &*found) {
            (Some(previous), Some(found)) => Arc::ptr_eq(previous, found),
            _ => false,
        };
        if !won {
            return None;
        }
        let entry = found.as_ref().map(|live| Arc::clone(&live.entry));
        drop((previous, found));
        let index = (handle & 0xff_ffff) as u32;
        let mut free = self.free();
        // A slot whose generations are used up is not used again: an old handle must not come back to life.
        if let Some(generation) = free.generations.get_mut(index as usize)
            && let Some(next) = generation.checked_add(1)
        {
            *generation = next;
            free.slots.push(index);
        }
        entry
    }

    fn judge(&self, kind: u8, handle: u64) -> Stale {
        if handle == 0 {
            return Stale::Null;
        }
        let (index, generation) = ((handle & 0xff_ffff) as usize, (handle >> 24) as u32);
        let free = self.free();
        match free.generations.get(index) {
            Some(next) if (handle >> 56) as u8 == kind && generation > 0 && generation <= *next => Stale::Freed,
            _ => Stale::Foreign,
        }
    }
}

/// An object found by its handle.
pub(crate) struct Found<T: Opaque> {
    live: Guard<Option<Arc<Live<T::Entry>>>>,
}

impl<T: Opaque> Found<T> {
    /// The object, for longer than this call.
    pub(crate) fn share(&self) -> Arc<T::Entry> {
        match &*self.live {
            Some(live) => Arc::clone(&live.entry),
            None => unreachable!("only full slots are found"),
        }
    }
}

impl<T: Opaque> std::ops::Deref for Found<T> {
    type Target = T::Entry;

    fn deref(&self) -> &T::Entry {
        match &*self.live {
            Some(live) => &live.entry,
            None => unreachable!("only full slots are found"),
        }
    }
}

/// The number of a handle.
fn number<T>(handle: *const T) -> u64 {
    handle.addr() as u64
}

/// Makes a handle for an object.
pub(crate) fn insert<T: Opaque>(entry: Arc<T::Entry>) -> Outcome<*mut T> {
    match T::table().insert(T::KIND, entry) {
        Some(handle) => Ok(std::ptr::without_provenance_mut(handle as usize)),
        None => Err(Failure::new(DXGRT_NO_MEMORY, format!("there are {SLOTS} {}s alive; free some first", T::NAME))),
    }
}

/// The object of a handle.
#[inline]
pub(crate) fn find<T: Opaque>(handle: *const T) -> Outcome<Found<T>> {
    match T::table().find(number(handle)) {
        Some(live) => Ok(Found { live }),
        None => Err(stale(handle)),
    }
}

/// Takes the object of a handle; the handle stands for nothing from now on.
pub(crate) fn remove<T: Opaque>(handle: *const T) -> Outcome<Arc<T::Entry>> {
    T::table().remove(number(handle)).ok_or_else(|| stale(handle))
}

/// Handles of objects that ended with their context: those who use them are told that. One for each context that was closed.
static ENDED: Mutex<Vec<u64>> = Mutex::new(Vec::new());

/// As [`remove`], for an object that belongs to its context and ends with it.
pub(crate) fn remove_with_context<T: Opaque>(handle: *const T) -> Outcome<Arc<T::Entry>> {
    ENDED.lock().unwrap_or_else(PoisonError::into_inner).push(number(handle));
    remove(handle)
}

/// Why a handle is not found.
pub(crate) fn judge<T: Opaque>(handle: *const T) -> Stale {
    T::table().judge(T::KIND, number(handle))
}

/// As [`find`], for kinds whose handles are numbers in structures.
pub(crate) fn find_number<T: Opaque>(handle: u64) -> Option<Found<T>> {
    T::table().find(handle).map(|live| Found { live })
}

#[cold]
fn stale<T: Opaque>(handle: *const T) -> Failure {
    let name = T::NAME;
    if ENDED.lock().unwrap_or_else(PoisonError::into_inner).contains(&number(handle)) {
        return dxg_runtime::Error::ShutDown.into();
    }
    Failure::invalid(match judge(handle) {
        Stale::Null => format!("the {name} is NULL; pass one that the library has made"),
        Stale::Freed => format!("the {name} {handle:p} has been freed; use it no more"),
        Stale::Foreign => format!("{handle:p} is no {name}; pass one that the library has made"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Thing;
    opaque!(Thing, u32, 0x7f, "thing");

    #[test]
    fn slots_are_split_without_gaps() {
        let mut next = (0, 0);
        for slot in 0..10_000 {
            assert_eq!(split(slot), next, "{slot}");
            next.1 += 1;
            if next.1 == segment_len(next.0) {
                next = (next.0 + 1, 0);
            }
        }
        assert_eq!(split(SLOTS - 1), (SEGMENTS - 1, segment_len(SEGMENTS - 1) - 1));
        const { assert!(SLOTS <= 1 << 24) };
    }

    #[test]
    fn freed_foreign_and_null_handles_are_told_apart() {
        let first = insert::<Thing>(Arc::new(1)).unwrap();
        assert_eq!(*find(first).unwrap(), 1);
        assert_eq!(*remove(first).unwrap(), 1);
        assert!(remove(first).is_err());
        assert_eq!(judge(first), Stale::Freed);
        let second = insert::<Thing>(Arc::new(2)).unwrap();
        assert_ne!(first, second, "the slot is used again, the handle is not");
        assert!(find(first).is_err());
        assert_eq!(*find(second).unwrap(), 2);
        for made_up in [0x7fff_0000_1234_usize, 1, usize::MAX, 0x7f00_0000_0000_0000] {
            assert_eq!(judge::<Thing>(std::ptr::without_provenance(made_up)), Stale::Foreign, "{made_up:#x}");
        }
        assert_eq!(judge::<Thing>(std::ptr::null()), Stale::Null);
    }

    #[test]
    fn of_many_threads_one_removes() {
        for _ in 0..200 {
            let handle = insert::<Thing>(Arc::new(5)).unwrap().addr();
            let won: usize = std::thread::scope(|scope| {
                let removals = [(); 4].map(|()| {
                    scope.spawn(move || usize::from(remove::<Thing>(std::ptr::without_provenance(handle)).is_ok()))
                });
                removals.into_iter().map(|thread| thread.join().unwrap()).sum()
            });
            assert_eq!(won, 1);
        }
    }
}
