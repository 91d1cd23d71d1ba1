//! Which neighbours of one stream may run together: those whose declared accesses prove it, and no others.
//!
//! A stream's waves only grow within a batch, so it is enough to remember what its current wave touches. Operations of
//! different streams need no check: only events order streams, and those are looked at apart.

use smallvec::SmallVec;

use crate::operation::{Access, Hazard};

/// Past this many accesses a stream opens a new wave rather than compare with all of them, which bounds the work per
/// operation.
const ACCESSES_MAX: usize = 32;

/// What the operations of one stream in one wave touch.
#[derive(Debug, Default)]
pub(crate) struct WaveAccesses {
    /// An operation that may touch anything is in it: nothing else may join.
    ordered: bool,
    declared: SmallVec<[Access; 4]>,
}

impl WaveAccesses {
    pub(crate) fn clear(&mut self) {
        self.ordered = false;
        self.declared.clear();
    }

    /// Lets an operation join the wave; false where the order of the two would show.
    #[inline]
    pub(crate) fn join(&mut self, hazard: &Hazard) -> bool {
        let Some(accesses) = hazard.complete() else {
            let alone = !self.ordered && self.declared.is_empty();
            self.ordered |= alone;
            return alone;
        };
        let declared = self.declared.as_slice();
        // From behind: what a kernel writes is usually its last argument, and chains of launches meet there.
        let meet = |new: &Access| declared.iter().rev().any(|old| new.conflicts_with(*old));
        if self.ordered
            || (!declared.is_empty() && declared.len() + accesses.len() > ACCESSES_MAX)
            || accesses.iter().rev().any(meet)
        {
            return false;
        }
        accesses.iter().for_each(|access| self.declared.push(*access));
        true
    }

    /// Begins a wave with an operation.
    #[inline]
    pub(crate) fn begin(&mut self, hazard: &Hazard) {
        self.declared.clear();
        match hazard.complete() {
            Some(accesses) => accesses.iter().for_each(|access| self.declared.push(*access)),
            None => self.ordered = true,
        }
    }

    /// Shuts the wave: whatever follows in the stream goes into a later one.
    pub(crate) fn shut(&mut self) {
        self.ordered = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::AccessList;

    fn declared(accesses: &[Access]) -> Hazard {
        Hazard::Declared(AccessList::from_slice(accesses))
    }

    #[test]
    fn unknown_accesses_share_a_wave_with_nothing() {
        let mut wave = WaveAccesses::default();
        assert!(wave.join(&Hazard::Ordered));
        assert!(!wave.join(&Hazard::Ordered));
        assert!(!wave.join(&declared(&[Access::read(0, 1)])));
        wave.clear();
        assert!(wave.join(&declared(&[Access::read(0, 1)])));
        assert!(!wave.join(&Hazard::Ordered));
    }

    #[test]
    fn declared_accesses_share_a_wave_unless_they_conflict() {
        let mut wave = WaveAccesses::default();
        assert!(wave.join(&declared(&[Access::read(0, 8), Access::write(8, 8)])));
        assert!(!wave.join(&declared(&[Access::read(8, 1)])), "read after write");
        assert!(!wave.join(&declared(&[Access::write(0, 1)])), "write after read");
        assert!(!wave.join(&declared(&[Access::write(15, 1)])), "write after write");
        assert!(!wave.join(&declared(&[Access::read(64, 1), Access::write(15, 1)])));
        assert!(wave.join(&declared(&[Access::read(0, 8), Access::write(16, 8)])));
        assert!(!wave.join(&declared(&[Access::write(20, 1)])), "with what joined later");
    }

    #[test]
    fn a_partial_list_is_as_good_as_none() {
        let mut wave = WaveAccesses::default();
        let partial = Hazard::Declared(AccessList::from_slice(&[Access::read(0, 1)]).partial());
        assert!(wave.join(&partial));
        assert!(!wave.join(&declared(&[Access::read(64, 1)])));
        wave.clear();
        assert!(wave.join(&declared(&[Access::read(64, 1)])));
        assert!(!wave.join(&partial));
    }

    #[test]
    fn a_long_list_is_compared_with_nothing() {
        let mut wave = WaveAccesses::default();
        let many: AccessList = (0..100).map(|at| Access::write(at * 8, 8)).collect();
        assert!(wave.join(&Hazard::Declared(many)), "alone it may stand");
        assert!(!wave.join(&declared(&[Access::write(8_000, 8)])));
    }
}
