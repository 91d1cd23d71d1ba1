//! Who waits for which ticket: a heap over slots that are used again, so that waiting touches the allocator only while more wait
//! than ever before.
//!
//! ```text
//! heap   slots in heap order by (ticket, registration): what a completion wakes comes out first
//! slots  a waker each, and where in the heap its slot stands; free ones are linked
//! ```
//!
//! A key names a slot and the registration that took it: one that was woken, and whose slot has another user since, is not
//! found. Plain data for whoever holds the lock around it; nothing here calls or drops a waker.

use std::task::Waker;

/// "No slot": the end of the list of free ones.
const NIL: u32 = u32::MAX;

/// The waiters of one timeline.
#[derive(Debug)]
pub(super) struct Waiters {
    heap: Vec<u32>,
    slots: Vec<Slot>,
    free: u32,
    registrations: u64,
}

#[derive(Debug)]
struct Slot {
    ticket: u64,
    registration: u64,
    /// `None`: free.
    waker: Option<Waker>,
    /// Its place in the heap, or the next free slot.
    link: u32,
}

/// One registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WaiterKey {
    pub(super) ticket: u64,
    registration: u64,
    slot: u32,
}

impl Waiters {
    pub(super) const fn new() -> Self {
        Waiters { heap: Vec::new(), slots: Vec::new(), free: NIL, registrations: 0 }
    }

    /// Adds a waiter for `ticket`.
    pub(super) fn insert(&mut self, ticket: u64, waker: Waker) -> WaiterKey {
        self.registrations += 1;
        let registration = self.registrations;
        let at = self.heap.len() as u32;
        let slot = Slot { ticket, registration, waker: Some(waker), link: at };
        let index = if self.free == NIL {
            self.slots.push(slot);
            // Each is a future in memory: there are never four thousand million.
            (self.slots.len() - 1) as u32
        } else {
            let index = self.free;
            let place = &mut self.slots[index as usize];
            self.free = place.link;
            *place = slot;
            index
        };
        self.heap.push(index);
        self.rise(at as usize);
        WaiterKey { ticket, registration, slot: index }
    }

    /// Another waker for a registration; the old one, or the new one again if the registration has been woken.
    pub(super) fn replace(&mut self, key: WaiterKey, waker: Waker) -> Result<Option<Waker>, Waker> {
        match self.slots.get_mut(key.slot as usize) {
            Some(slot) if slot.registration == key.registration && slot.waker.is_some() => {
                Ok(slot.waker.replace(waker))
            }
            _ => Err(waker),
        }
    }

    /// Takes a waiter out, if it is still in.
    pub(super) fn remove(&mut self, key: WaiterKey) -> Option<Waker> {
        let slot = self.slots.get(key.slot as usize)?;
        let is_in = slot.registration == key.registration && slot.waker.is_some();
        let at = is_in.then_some(slot.link as usize)?;
        self.take(at)
    }

    /// Takes the first waiter for `ticket` or one before it.
    pub(super) fn pop_until(&mut self, ticket: u64) -> Option<Waker> {
        let first = *self.heap.first()?;
        if self.slots[first as usize].ticket <= ticket { self.take(0) } else { None }
    }

    /// Takes some waiter for `ticket` or one after it. Looks at all of them: for failures.
    pub(super) fn pop_from(&mut self, ticket: u64) -> Option<Waker> {
        // From the back, where taking out moves the least.
        let at = self.heap.iter().rposition(|&slot| self.slots[slot as usize].ticket >= ticket)?;
        self.take(at)
    }

    /// The lowest ticket that somebody waits for.
    #[cfg(test)]
    pub(super) fn first(&self) -> Option<u64> {
        self.heap.first().map(|&slot| self.slots[slot as usize].ticket)
    }

    /// Takes the waiter at a place of the heap out and frees its slot.
    fn take(&mut self, at: usize) -> Option<Waker> {
        let index = self.heap.swap_remove(at);
        if at < self.heap.len() {
            self.note(at);
            self.sink(at);
            self.rise(at);
        }
        let slot = &mut self.slots[index as usize];
        slot.link = self.free;
        self.free = index;
        slot.waker.take()
    }

    fn rise(&mut self, mut at: usize) {
        while at > 0 {
            let parent = (at - 1) / 2;
            if self.order(parent) <= self.order(at) {
                return;
            }
            self.swap(parent, at);
            at = parent;
        }
    }

    fn sink(&mut self, mut at: usize) {
        loop {
            let left = 2 * at + 1;
            if left >= self.heap.len() {
                return;
            }
            let right = left + 1;
            let child = if right < self.heap.len() && self.order(right) < self.order(left) { right } else { left };
            if self.order(at) <= self.order(child) {
                return;
            }
            self.swap(at, child);
            at = child;
        }
    }

    fn order(&self, at: usize) -> (u64, u64) {
        let slot = &self.slots[self.heap[at] as usize];
        (slot.ticket, slot.registration)
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.heap.swap(a, b);
        self.note(a);
        self.note(b);
    }

    fn note(&mut self, at: usize) {
        self.slots[self.heap[at] as usize].link = at as u32;
    }
}

#[cfg(all(test, not(dxg_loom)))]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::task::Wake;

    use super::*;

    /// A waker that tells which it is.
    struct Named(u64, Arc<AtomicU64>);

    impl Wake for Named {
        fn wake(self: Arc<Self>) {
            self.1.store(self.0, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_heap_of_waiters_is_a_sorted_map_of_waiters() {
        let (mut waiters, mut model) = (Waiters::new(), BTreeMap::new());
        let mut keys = Vec::new();
        let named = Arc::new(AtomicU64::new(0));
        let name_of = |waker: Option<Waker>| waker.map(|waker| (waker.wake(), named.load(Ordering::Relaxed)).1);
        let mut random = 7u64;
        for name in 1..20_000u64 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let ticket = random >> 40 & 63;
            match random >> 33 & 7 {
                0..=3 => {
                    let key = waiters.insert(ticket, Waker::from(Arc::new(Named(name, named.clone()))));
                    model.insert((ticket, key.registration), name);
                    keys.push(key);
                }
                4 if !keys.is_empty() => {
                    let key = keys.swap_remove((random >> 3) as usize % keys.len());
                    assert_eq!(name_of(waiters.remove(key)), model.remove(&(key.ticket, key.registration)));
                }
                5 if !keys.is_empty() => {
                    let key = keys[(random >> 3) as usize % keys.len()];
                    let waker = Waker::from(Arc::new(Named(name, named.clone())));
                    let known = model.get_mut(&(key.ticket, key.registration));
                    assert_eq!(waiters.replace(key, waker).is_ok(), known.is_some());
                    known.into_iter().for_each(|known| *known = name);
                }
                6 => {
                    let expected = model.first_key_value().filter(|((first, _), _)| *first <= ticket);
                    let expected = expected.map(|(key, name)| (*key, *name));
                    if let Some((key, _)) = expected {
                        model.remove(&key);
                    }
                    assert_eq!(name_of(waiters.pop_until(ticket)), expected.map(|(_, name)| name));
                }
                _ if random >> 20 & 15 == 0 => {
                    while let Some(name) = name_of(waiters.pop_from(ticket)) {
                        let key = model.iter().find(|(_, known)| **known == name).map(|(key, _)| *key);
                        assert!(key.is_some_and(|key| key.0 >= ticket && model.remove(&key).is_some()));
                    }
                    assert!(model.keys().all(|key| key.0 < ticket));
                }
                _ => {}
            }
            assert_eq!(waiters.first(), model.keys().next().map(|key| key.0));
        }
    }
}
