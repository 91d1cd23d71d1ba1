//! Handle tables of the guest driver: a local one that hands out adapter handles, and one that mirrors the handles the
//! host assigned.
//!
//! A handle is 32 bits: instance (0–5, ignored on lookup), index (6–29), unique (30–31). It is accepted iff its slot is in
//! use, the uniques agree and the object is of the wanted type. A freed slot takes unique 2, so a handle of the first
//! generation never comes back to life.

use std::collections::VecDeque;

use super::Errno;

const INDEX_SHIFT: u32 = 6;
const INDEX_LIMIT: u32 = 1 << 24;
const UNIQUE_SHIFT: u32 = 30;
/// Slots are added in steps of this many.
const GROWTH: usize = 1024;
/// The local table grows before fewer slots than this are free, which makes reuse late.
const KEPT_FREE: usize = 128;

/// The index part of a handle.
pub const fn index_of(handle: u32) -> u32 {
    (handle >> INDEX_SHIFT) & (INDEX_LIMIT - 1)
}

const fn unique_of(handle: u32) -> u8 {
    (handle >> UNIQUE_SHIFT) as u8
}

/// Puts a handle together, instance 0.
pub const fn make_handle(index: u32, unique: u8) -> u32 {
    (index << INDEX_SHIFT) | ((unique as u32) << UNIQUE_SHIFT)
}

struct Slot<T> {
    unique: u8,
    object: Option<T>,
}

/// One table; `T` is what a handle stands for.
pub struct HandleTable<T> {
    slots: Vec<Slot<T>>,
    /// Free slots in the order of reuse; used by the local table alone.
    free: VecDeque<u32>,
}

impl<T> Default for HandleTable<T> {
    fn default() -> HandleTable<T> {
        HandleTable { slots: Vec::new(), free: VecDeque::new() }
    }
}

impl<T> HandleTable<T> {
    fn grow(&mut self, to: usize) {
        let from = self.slots.len();
        self.slots.resize_with(to.max(from), || Slot { unique: 1, object: None });
        self.free.extend(from as u32..self.slots.len() as u32);
    }

    /// Gives an object a handle of this table's own choice (adapters).
    pub fn allocate(&mut self, object: T) -> Result<u32, Errno> {
        if self.free.len() <= KEPT_FREE {
            if self.slots.len() + GROWTH > INDEX_LIMIT as usize {
                return Err(Errno(libc::ENOMEM));
            }
            self.grow(self.slots.len() + GROWTH);
        }
        let index = self.free.pop_front().ok_or(Errno(libc::ENOMEM))?;
        let slot = &mut self.slots[index as usize];
        slot.object = Some(object);
        Ok(make_handle(index, slot.unique))
    }

    /// Enters an object under the handle the host gave it. The slot must be free.
    pub fn assign(&mut self, handle: u32, object: T) -> Result<(), Errno> {
        let index = index_of(handle) as usize;
        if index >= self.slots.len() {
            self.slots.resize_with(index + GROWTH, || Slot { unique: 1, object: None });
        }
        let slot = &mut self.slots[index];
        if slot.object.is_some() {
            return Err(Errno(libc::EINVAL));
        }
        slot.unique = unique_of(handle);
        slot.object = Some(object);
        Ok(())
    }

    /// The object of a handle, whatever the instance bits.
    pub fn get(&self, handle: u32) -> Option<&T> {
        let slot = self.slots.get(index_of(handle) as usize)?;
        if slot.unique != unique_of(handle) {
            return None;
        }
        slot.object.as_ref()
    }

    /// Frees a mirrored handle.
    pub fn remove(&mut self, handle: u32) -> Option<T> {
        self.get(handle)?;
        let slot = &mut self.slots[index_of(handle) as usize];
        slot.unique = 2;
        slot.object.take()
    }

    /// Frees a handle that [`HandleTable::allocate`] gave; the slot goes to the end of the queue.
    pub fn release(&mut self, handle: u32) -> Option<T> {
        let object = self.remove(handle)?;
        self.free.push_back(index_of(handle));
        Some(object)
    }

    /// All objects with their handles.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.slots.iter().enumerate().filter_map(|(index, slot)| {
            slot.object.as_ref().map(|object| (make_handle(index as u32, slot.unique), object))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_handles_are_those_of_the_driver() {
        let mut table = HandleTable::default();
        assert_eq!(table.allocate('a'), Ok(0x4000_0000));
        assert_eq!(table.allocate('b'), Ok(0x4000_0040));
        assert_eq!(table.release(0x4000_0000), Some('a'));
        assert_eq!(table.allocate('c'), Ok(0x4000_0080), "a freed slot goes to the tail");
        assert_eq!(table.get(0x4000_0000), None);
        assert_eq!(table.get(0x4000_0040 | 0x3f), Some(&'b'), "instance bits are ignored");
        assert_eq!(table.get(0x8000_0040), None, "the unique must agree");
    }

    #[test]
    fn a_reused_slot_has_unique_two() {
        let mut table = HandleTable::default();
        let mut seen = None;
        for n in 0..3000 {
            let handle = table.allocate(n).unwrap();
            if index_of(handle) == 0 && n > 0 {
                seen = Some(handle);
            }
            table.release(handle);
        }
        assert_eq!(seen, Some(0x8000_0000));
    }

    #[test]
    fn mirrored_handles_keep_the_hosts_unique() {
        let mut table = HandleTable::default();
        table.assign(0xc000_0140, 'x').unwrap();
        assert_eq!(table.get(0xc000_0140), Some(&'x'));
        assert_eq!(table.assign(0x4000_0140, 'y'), Err(Errno(libc::EINVAL)), "the slot is taken");
        assert_eq!(table.remove(0xc000_0140), Some('x'));
        assert_eq!(table.remove(0xc000_0140), None);
        assert_eq!(table.iter().count(), 0);
        assert_eq!(table.assign(0, 'z'), Ok(()), "a free slot takes any handle, even zero");
        assert_eq!(table.get(0), Some(&'z'));
    }
}
