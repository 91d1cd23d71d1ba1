//! Turns GPU addresses into host addresses for one command buffer.
//!
//! Every segment that was resolved is held until [`Resolver::clear`], so memory cannot go away under a launch; the held
//! segments are at the same time the cache: the last one is tried first, then the others by binary search, then the
//! address space itself, under its lock. Merged launches of one kernel have their arguments in the same memories from one to
//! the next, so each parameter has a last one of its own.

use std::sync::Arc;

use super::address_space::{AddressSpace, Segment};
use crate::memory::is_still_there;
use crate::software::kernel::binding::Unresolved;

/// Parameters with a last segment of their own; those behind share them.
const HINTS: usize = 8;

#[derive(Debug, Default)]
pub(super) struct Resolver {
    space: Option<Arc<AddressSpace>>,
    /// Sorted by start.
    held: Vec<Segment>,
    last: usize,
    /// Where the last range of each parameter was found.
    hints: [usize; HINTS],
    /// Clients may have unmapped what they imported: looked at when a command buffer first uses it.
    pub(super) verify: bool,
}

/// Memory from some address on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent {
    pub(super) host: *mut u8,
    /// Bytes up to the end of the segment.
    pub(super) bytes: u64,
    /// Memory of the client.
    pub(super) system: bool,
}

impl Resolver {
    /// Resolves in this space from now on.
    pub(super) fn begin(&mut self, space: Arc<AddressSpace>) {
        self.clear();
        self.space = Some(space);
    }

    /// Lets go of all memory.
    pub(super) fn clear(&mut self) {
        self.held.clear();
        self.last = 0;
        self.space = None;
    }

    /// The host address of `len` bytes at `va`, which must be consecutive on the host; `len` is not 0.
    #[inline]
    pub(super) fn resolve(&mut self, va: u64, len: u64, write: bool) -> Result<*mut u8, Unresolved> {
        if let Some(segment) = self.held.get(self.last)
            && va >= segment.start
            && va < segment.end
            && len <= segment.end - va
            && (segment.writable || !write)
        {
            return Ok(segment.host.wrapping_add((va - segment.start) as usize));
        }
        self.resolve_slowly(va, len, write)
    }

    /// As [`Resolver::resolve`], for parameter `index` of a launch.
    #[inline]
    pub(super) fn resolve_for(&mut self, index: usize, va: u64, len: u64, write: bool) -> Result<*mut u8, Unresolved> {
        if let Some(segment) = self.held.get(self.hints[index % HINTS])
            && va >= segment.start
            && va < segment.end
            && len <= segment.end - va
            && (segment.writable || !write)
        {
            return Ok(segment.host.wrapping_add((va - segment.start) as usize));
        }
        let host = self.resolve_slowly(va, len, write)?;
        self.hints[index % HINTS] = self.last;
        Ok(host)
    }

    /// The memory from `va` to the end of its segment.
    #[inline]
    pub(super) fn extent(&mut self, va: u64, write: bool) -> Result<Extent, Unresolved> {
        let index = self.find(va).ok_or(Unresolved::Unmapped { address: va })?;
        let segment = &self.held[index];
        if write && !segment.writable {
            return Err(Unresolved::ReadOnly { address: va });
        }
        let host = segment.host.wrapping_add((va - segment.start) as usize);
        Ok(Extent { host, bytes: segment.end - va, system: segment.memory.is_system() })
    }

    #[cold]
    fn resolve_slowly(&mut self, va: u64, len: u64, write: bool) -> Result<*mut u8, Unresolved> {
        let first = self.extent(va, write)?;
        let mut covered = first.bytes;
        while covered < len {
            // Two mappings side by side serve as one if their memory is side by side too.
            let address = va.wrapping_add(covered);
            let next = match self.extent(address, write) {
                Ok(next) if address > va => next,
                Err(error @ Unresolved::ReadOnly { .. }) => return Err(error),
                _ => return Err(Unresolved::Leaves { address }),
            };
            if next.host.addr() != first.host.addr().wrapping_add(covered as usize) {
                return Err(Unresolved::Leaves { address });
            }
            covered += next.bytes;
        }
        Ok(first.host)
    }

    #[inline]
    fn find(&mut self, va: u64) -> Option<usize> {
        let inside = |segment: &Segment| va >= segment.start && va < segment.end;
        if self.held.get(self.last).is_some_and(inside) {
            return Some(self.last);
        }
        let after = self.held.partition_point(|segment| segment.start <= va);
        if after > 0 && inside(&self.held[after - 1]) {
            self.last = after - 1;
            return Some(self.last);
        }
        let segment = self.space.as_ref()?.find(va)?;
        if self.verify && segment.memory.is_system() {
            let (address, length) = (segment.host.addr() as u64, segment.end - segment.start);
            if !is_still_there(address, length, segment.writable) {
                return None;
            }
        }
        let place = self.held.partition_point(|held| held.start < segment.start);
        self.held.insert(place, segment);
        self.last = place;
        Some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Backing, MapRequest, memory::PageArena},
        *,
    };

    #[test]
    fn ranges_resolve_across_neighbours_only_if_their_memory_is_consecutive() {
        let arena = PageArena::new(c"test", 1 << 20).expect("memory");
        let pages = arena.allocate(8).expect("room");
        let space = Arc::new(AddressSpace::default());
        let map = |base: u64, offset_pages: u64, protection: u64| {
            let backing = Backing::Pages(pages.clone(), 0);
            let request = MapRequest { base: Some(base), min: 0, max: 0, backing, offset_pages, pages: 1, protection };
            space.map(&request).expect("free");
        };
        map(0x10000, 0, 1);
        map(0x11000, 1, 1);
        map(0x12000, 5, 1);
        map(0x14000, 6, 0);
        let mut resolver = Resolver::default();
        resolver.begin(space.clone());
        let host = pages.host_ptr();
        assert_eq!(resolver.resolve(0x10800, 0x1000, true), Ok(host.wrapping_add(0x800)));
        assert_eq!(resolver.resolve(0x11000, 0x1000, true), Ok(host.wrapping_add(0x1000)));
        assert_eq!(resolver.resolve(0x11800, 0x1000, true), Err(Unresolved::Leaves { address: 0x12000 }));
        assert_eq!(resolver.resolve(0x12800, 0x1000, false), Err(Unresolved::Leaves { address: 0x13000 }));
        assert_eq!(resolver.resolve(0x13000, 1, false), Err(Unresolved::Unmapped { address: 0x13000 }));
        assert_eq!(resolver.resolve(0x14000, 8, true), Err(Unresolved::ReadOnly { address: 0x14000 }));
        assert_eq!(resolver.resolve(0x14000, 8, false), Ok(host.wrapping_add(0x6000)));
        assert_eq!(resolver.resolve(0x10000, u64::MAX, false), Err(Unresolved::Leaves { address: 0x12000 }));
        assert_eq!(resolver.resolve(u64::MAX, u64::MAX, false), Err(Unresolved::Unmapped { address: u64::MAX }));
        // What was resolved stays valid, what was not is gone.
        space.free(0x10000, 0x1000).expect("mapped");
        assert_eq!(resolver.resolve(0x10000, 1, false), Ok(host));
        resolver.begin(space);
        assert_eq!(resolver.resolve(0x10000, 1, false), Err(Unresolved::Unmapped { address: 0x10000 }));
    }
}
