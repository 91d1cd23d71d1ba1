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

    /// Whether an operation may join the wave.
    pub(crate) fn admits(&self, hazard: &Hazard) -> bool {
        match hazard {
            Hazard::Ordered => !self.ordered && self.declared.is_empty(),
            Hazard::Declared(accesses) if accesses.is_partial() => !self.ordered && self.declared.is_empty(),
            Hazard::Declared(accesses) => {
                !self.ordered
                    && self.declared.len() + accesses.len() <= ACCESSES_MAX.max(accesses.len())
                    && !accesses.iter().any(|new| self.declared.iter().any(|old| new.conflicts_with(*old)))
            }
        }
    }

    /// Lets it join.
    pub(crate) fn add(&mut self, hazard: &Hazard) {
        match hazard {
            Hazard::Ordered => self.ordered = true,
            Hazard::Declared(accesses) if accesses.is_partial() => self.ordered = true,
            Hazard::Declared(accesses) => self.declared.extend_from_slice(accesses),
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
        assert!(wave.admits(&Hazard::Ordered));
        wave.add(&Hazard::Ordered);
        assert!(!wave.admits(&Hazard::Ordered));
        assert!(!wave.admits(&declared(&[Access::read(0, 1)])));
        wave.clear();
        wave.add(&declared(&[Access::read(0, 1)]));
        assert!(!wave.admits(&Hazard::Ordered));
    }

    #[test]
    fn declared_accesses_share_a_wave_unless_they_conflict() {
        let mut wave = WaveAccesses::default();
        wave.add(&declared(&[Access::read(0, 8), Access::write(8, 8)]));
        assert!(wave.admits(&declared(&[Access::read(0, 8), Access::write(16, 8)])));
        assert!(!wave.admits(&declared(&[Access::read(8, 1)])), "read after write");
        assert!(!wave.admits(&declared(&[Access::write(0, 1)])), "write after read");
        assert!(!wave.admits(&declared(&[Access::write(15, 1)])), "write after write");
    }

    #[test]
    fn a_partial_list_is_as_good_as_none() {
        let mut wave = WaveAccesses::default();
        let partial = Hazard::Declared(AccessList::from_slice(&[Access::read(0, 1)]).partial());
        wave.add(&partial);
        assert!(!wave.admits(&declared(&[Access::read(64, 1)])));
        wave.clear();
        wave.add(&declared(&[Access::read(64, 1)]));
        assert!(!wave.admits(&partial));
    }

    #[test]
    fn a_long_list_is_compared_with_nothing() {
        let mut wave = WaveAccesses::default();
        let many: AccessList = (0..100).map(|at| Access::write(at * 8, 8)).collect();
        assert!(wave.admits(&Hazard::Declared(many.clone())), "alone it may stand");
        wave.add(&Hazard::Declared(many));
        assert!(!wave.admits(&declared(&[Access::write(8_000, 8)])));
    }
}
