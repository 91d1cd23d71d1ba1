//! The host's handles of one process: it assigns them, the guest mirrors them.

use std::collections::VecDeque;

use crate::software::guest::handles::{index_of, make_handle};

/// A freed slot is used again only when this many others are free, so that stale handles stay stale for long.
const KEPT_FREE: usize = 128;

struct Slot<T> {
    unique: u8,
    object: Option<T>,
}

/// Objects by handle.
pub struct HostTable<T> {
    slots: Vec<Slot<T>>,
    free: VecDeque<u32>,
}

impl<T> Default for HostTable<T> {
    fn default() -> HostTable<T> {
        HostTable { slots: Vec::new(), free: VecDeque::new() }
    }
}

impl<T> HostTable<T> {
    /// Enters an object.
    pub fn insert(&mut self, object: T) -> u32 {
        let reused = if self.free.len() > KEPT_FREE { self.free.pop_front() } else { None };
        let index = reused.unwrap_or_else(|| {
            self.slots.push(Slot { unique: 1, object: None });
            (self.slots.len() - 1) as u32
        });
        let slot = &mut self.slots[index as usize];
        slot.object = Some(object);
        make_handle(index, slot.unique)
    }

    fn slot(&self, handle: u32) -> Option<usize> {
        let index = index_of(handle) as usize;
        let slot = self.slots.get(index)?;
        (u32::from(slot.unique) == handle >> 30).then_some(index)
    }

    /// The object of a handle.
    pub fn get(&self, handle: u32) -> Option<&T> {
        self.slots[self.slot(handle)?].object.as_ref()
    }

    /// The object of a handle, to change.
    pub fn get_mut(&mut self, handle: u32) -> Option<&mut T> {
        let index = self.slot(handle)?;
        self.slots[index].object.as_mut()
    }

    /// Takes an object out; its handle becomes stale.
    pub fn remove(&mut self, handle: u32) -> Option<T> {
        let index = self.slot(handle)?;
        let slot = &mut self.slots[index];
        let object = slot.object.take()?;
        slot.unique = if slot.unique == 3 { 1 } else { slot.unique + 1 };
        self.free.push_back(index as u32);
        Some(object)
    }

    /// The handles of objects that a condition picks.
    pub fn handles_where(&self, mut picks: impl FnMut(&T) -> bool) -> Vec<u32> {
        let slots = self.slots.iter().enumerate();
        slots
            .filter(|(_, slot)| slot.object.as_ref().is_some_and(&mut picks))
            .map(|(index, slot)| make_handle(index as u32, slot.unique))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_begin_at_index_zero_and_come_back_late_with_another_unique() {
        let mut table = HostTable::default();
        let first = table.insert(1);
        assert_eq!(first, 0x4000_0000);
        assert_eq!(table.insert(2), 0x4000_0040);
        assert_eq!(table.remove(first), Some(1));
        assert_eq!(table.get(first), None);
        assert_eq!(table.remove(first), None);
        assert_eq!(table.insert(3), 0x4000_0080);
        let handles: Vec<u32> = (0..200).map(|n| table.insert(n)).collect();
        for handle in handles {
            table.remove(handle);
        }
        assert_eq!(table.insert(9), 0x8000_0000);
        assert_eq!(table.handles_where(|&value| value == 9), [0x8000_0000]);
        *table.get_mut(0x8000_0000).unwrap() = 10;
        assert_eq!(table.get(0x8000_0001), Some(&10), "instance bits are ignored");
    }
}
