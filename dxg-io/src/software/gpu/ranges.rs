//! Sets of memory ranges, and whether two launches may run at the same time.

/// The host memory that a packet reads and writes. Built with [`RangeSet::add`], then [`RangeSet::seal`]ed.
#[derive(Clone, Debug, Default)]
pub(super) struct RangeSet {
    reads: Vec<(usize, usize)>,
    writes: Vec<(usize, usize)>,
}

impl RangeSet {
    pub(super) fn clear(&mut self) {
        self.reads.clear();
        self.writes.clear();
    }

    /// Adds `bytes` at `start`.
    pub(super) fn add(&mut self, start: usize, bytes: usize, write: bool) {
        if bytes > 0 {
            let ranges = if write { &mut self.writes } else { &mut self.reads };
            ranges.push((start, start.saturating_add(bytes)));
        }
    }

    /// Sorts and merges, which the questions below need.
    pub(super) fn seal(&mut self) {
        for ranges in [&mut self.reads, &mut self.writes] {
            ranges.sort_unstable();
            let mut kept = 0;
            for index in 0..ranges.len() {
                let (start, end) = ranges[index];
                if kept > 0 && start <= ranges[kept - 1].1 {
                    ranges[kept - 1].1 = ranges[kept - 1].1.max(end);
                } else {
                    ranges[kept] = (start, end);
                    kept += 1;
                }
            }
            ranges.truncate(kept);
        }
    }

    /// Whether one of the two writes what the other reads or writes.
    pub(super) fn conflicts(&self, other: &Self) -> bool {
        self.writes.iter().any(|range| hits(&other.writes, *range) || hits(&other.reads, *range))
            || self.reads.iter().any(|range| hits(&other.writes, *range))
    }
}

fn hits(sorted: &[(usize, usize)], (start, end): (usize, usize)) -> bool {
    let first = sorted.partition_point(|range| range.1 <= start);
    sorted.get(first).is_some_and(|range| range.0 < end)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ranges() -> impl Strategy<Value = Vec<(usize, usize, bool)>> {
        proptest::collection::vec((0..60usize, 0..6usize, any::<bool>()), 0..8)
    }

    proptest! {
        #[test]
        fn conflicts_are_found_as_by_comparing_each_byte(a in ranges(), b in ranges()) {
            let set = |ranges: &[(usize, usize, bool)]| {
                let mut set = RangeSet::default();
                for (start, bytes, write) in ranges {
                    set.add(*start, *bytes, *write);
                }
                set.seal();
                set
            };
            let touches = |ranges: &[(usize, usize, bool)], byte: usize, writes_only: bool| {
                ranges.iter().any(|(start, bytes, write)| byte >= *start && byte < start + bytes && (*write || !writes_only))
            };
            let expected = (0..70).any(|byte| {
                (touches(&a, byte, true) && touches(&b, byte, false)) || (touches(&a, byte, false) && touches(&b, byte, true))
            });
            prop_assert_eq!(set(&a).conflicts(&set(&b)), expected);
            prop_assert_eq!(set(&b).conflicts(&set(&a)), expected);
        }
    }
}
