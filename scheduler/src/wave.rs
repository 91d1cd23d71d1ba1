//! Puts the operations picked for one batch into waves and groups.
//!
//! Each picked operation comes with its wave (one more than the latest it depends on in this batch) and joins the
//! wave's group of its kind: launches by merge key, copies by kind, fills, timestamps, waits. When the last is picked,
//! groups are sorted by wave and kind and the operations are moved into the batch in that order. All vectors keep their
//! room from batch to batch.

use alloc::vec::Vec;

use smallvec::SmallVec;

use crate::batch::{Batch, Group, GroupKind, Wave};
use crate::cost::CostTable;
use crate::merge;
use crate::operation::{CopyKind, CostKey, Nanos, Work};
use crate::queue::{Mark, Member};
use crate::slab::{NIL, Slab};

/// Kinds of which a wave has at most one group.
const SINGLE_KINDS: usize = 7;

/// Its place among them; launches have none.
const fn single_index(kind: GroupKind) -> usize {
    match kind {
        GroupKind::Depend => 0,
        GroupKind::Copy(CopyKind::HostToDevice) => 1,
        GroupKind::Copy(CopyKind::DeviceToHost) => 2,
        GroupKind::Copy(CopyKind::DeviceToDevice) => 3,
        GroupKind::Fill => 4,
        GroupKind::Timestamp => 5,
        GroupKind::None | GroupKind::Launch => 6,
    }
}

/// The order of groups in a wave: waits first, then launches, the rest behind.
const fn rank(kind: GroupKind) -> usize {
    match kind {
        GroupKind::Depend => 0,
        GroupKind::Launch => 1,
        other => 1 + single_index(other),
    }
}

/// What kind of group an operation belongs to.
pub(crate) const fn kind_of(work: &Work) -> GroupKind {
    match work {
        Work::Launch { .. } => GroupKind::Launch,
        Work::Copy { kind, .. } => GroupKind::Copy(*kind),
        Work::Fill { .. } => GroupKind::Fill,
        Work::Record { timed: true, .. } => GroupKind::Timestamp,
        Work::Wait { source: Some(_), .. } => GroupKind::Depend,
        Work::Record { timed: false, .. } | Work::Wait { source: None, .. } | Work::Hold | Work::Marker => {
            GroupKind::None
        }
    }
}

#[derive(Debug)]
struct GroupDraft {
    wave: u32,
    kind: GroupKind,
    count: u32,
    /// While operations are placed: where the next one goes.
    at: u32,
    /// Of copies: the stream and the source of the last.
    last: (u32, u64),
    /// Of copies: those of a stream do not stand together in the order of their sources.
    scattered: bool,
}

impl GroupDraft {
    /// Notes a copy; `again`: its stream has something in this wave already.
    fn note_copy(&mut self, stream: u32, src: u64, again: bool) {
        let (last, behind) = self.last;
        self.scattered |= if last == stream { src < behind } else { last != NIL && again };
        self.last = (stream, src);
    }
}

#[derive(Debug)]
struct WaveDraft {
    singles: [u32; SINGLE_KINDS],
    /// Merge key and group of the last launch that joined: usually those of the next.
    last: (u64, u32),
    /// Somebody waits for an operation of it.
    wanted: bool,
}

/// Finds the launch group of a wave and merge key: open addressing, emptied by a change of stamp.
#[derive(Debug)]
struct LaunchTable {
    entries: Vec<LaunchEntry>,
    stamp: u64,
    used: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct LaunchEntry {
    stamp: u64,
    key: u64,
    wave: u32,
    group: u32,
}

impl LaunchTable {
    const fn new() -> Self {
        Self { entries: Vec::new(), stamp: 1, used: 0 }
    }

    fn clear(&mut self) {
        self.stamp += 1;
        self.used = 0;
    }

    /// The entry of this wave and key, made if it was not there (then `group` is `NIL`).
    fn entry(&mut self, wave: u32, key: u64) -> &mut LaunchEntry {
        if self.used * 2 >= self.entries.len() {
            self.grow();
        }
        let at = self.find(wave, key);
        if self.entries[at].stamp != self.stamp {
            self.used += 1;
            self.entries[at] = LaunchEntry { stamp: self.stamp, key, wave, group: NIL };
        }
        &mut self.entries[at]
    }

    /// The group of this wave and key, if there is one.
    fn get(&self, wave: u32, key: u64) -> Option<u32> {
        if self.used == 0 {
            return None;
        }
        let entry = &self.entries[self.find(wave, key)];
        (entry.stamp == self.stamp).then_some(entry.group)
    }

    /// Where it is, or where it would go. At least half of the table is free, so the walk ends.
    fn find(&self, wave: u32, key: u64) -> usize {
        let mask = self.entries.len() - 1;
        // Fibonacci hashing: the golden ratio spreads what differs in the low bits over the high ones, and those are
        // used. The wave is spread first, by another odd number, or waves and keys would cancel each other out.
        let mixed = key.wrapping_add(u64::from(wave).wrapping_mul(0xd1b5_4a32_d192_ed03));
        let hash = mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut at = (hash >> 40) as usize & mask;
        loop {
            let entry = &self.entries[at];
            if entry.stamp != self.stamp || (entry.key == key && entry.wave == wave) {
                return at;
            }
            at = (at + 1) & mask;
        }
    }

    fn grow(&mut self) {
        let old = core::mem::take(&mut self.entries);
        self.entries.resize((old.len() * 2).max(64), LaunchEntry::default());
        for entry in old.into_iter().filter(|entry| entry.stamp == self.stamp) {
            let at = self.find(entry.wave, entry.key);
            self.entries[at] = entry;
        }
    }
}

/// A picked operation.
#[derive(Clone, Copy, Debug)]
struct Picked {
    slot: u32,
    group: u32,
    stream: u32,
}

/// Where an operation goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pick {
    pub(crate) stream: u32,
    pub(crate) wave: u32,
    /// Its stream has something in this wave already.
    pub(crate) again: bool,
    /// Somebody waits for it.
    pub(crate) wanted: bool,
}

/// The batch in the making.
#[derive(Debug)]
pub(crate) struct Draft {
    picks: Vec<Picked>,
    groups: Vec<GroupDraft>,
    waves: Vec<WaveDraft>,
    launches: LaunchTable,
    /// The first wave of each merge key, with wave 0 standing for all.
    keys: LaunchTable,
    /// Groups in their final order, then operations in theirs.
    order: Vec<u32>,
    slots: Vec<u32>,
    /// Whose the operations in `slots` are.
    owners: Vec<u32>,
    /// Stream, place and slot of each copy of a group, to sort.
    runs: Vec<(u32, u32, u32)>,
    /// Per wave, the first progress value at or after its end.
    values: Vec<u64>,
    /// Streams that have operations in it.
    pub(crate) touched: Vec<u32>,
    /// Values of other queues to wait for, the highest per queue.
    pub(crate) waits: SmallVec<[(u16, u64); 4]>,
    pub(crate) unmeasured: SmallVec<[CostKey; 8]>,
    /// The kind of launch that was last looked at for being measured.
    looked_at: Option<CostKey>,
    pub(crate) bytes: u64,
    pub(crate) gpu_time: Nanos,
    pub(crate) load: Nanos,
    /// Blocks times time.
    pub(crate) area: u128,
}

impl Draft {
    pub(crate) fn new() -> Self {
        Self {
            picks: Vec::new(),
            groups: Vec::new(),
            waves: Vec::new(),
            launches: LaunchTable::new(),
            keys: LaunchTable::new(),
            order: Vec::new(),
            slots: Vec::new(),
            owners: Vec::new(),
            runs: Vec::new(),
            values: Vec::new(),
            touched: Vec::new(),
            waits: SmallVec::new(),
            unmeasured: SmallVec::new(),
            looked_at: None,
            bytes: 0,
            gpu_time: 0,
            load: 0,
            area: 0,
        }
    }

    pub(crate) fn clear(&mut self) {
        self.picks.clear();
        self.groups.clear();
        self.waves.clear();
        self.launches.clear();
        self.keys.clear();
        self.touched.clear();
        self.waits.clear();
        self.unmeasured.clear();
        self.looked_at = None;
        self.bytes = 0;
        self.gpu_time = 0;
        self.load = 0;
        self.area = 0;
    }

    /// The first wave with launches of this merge key.
    pub(crate) fn first_wave(&self, key: u64) -> Option<u32> {
        self.keys.get(0, key)
    }

    /// Waves so far.
    pub(crate) fn depth(&self) -> u32 {
        self.waves.len() as u32
    }

    /// Operations picked.
    pub(crate) fn len(&self) -> usize {
        self.picks.len()
    }

    /// A launch of this kind is in it: if its time was never measured, this batch will tell something of it.
    #[inline]
    pub(crate) fn note_cost(&mut self, cost: CostKey, costs: &CostTable) {
        if self.looked_at.replace(cost) == Some(cost) {
            return;
        }
        let room = self.unmeasured.len() < self.unmeasured.inline_size();
        if room && costs.is_unmeasured(cost) && !self.unmeasured.contains(&cost) {
            self.unmeasured.push(cost);
        }
    }

    /// The batch must wait for another queue's progress.
    pub(crate) fn wait_for(&mut self, queue: u16, value: u64) {
        match self.waits.iter_mut().find(|wait| wait.0 == queue) {
            Some(wait) => wait.1 = wait.1.max(value),
            None => self.waits.push((queue, value)),
        }
    }

    /// Puts an operation of a stream into a wave. True if it is the first of its group.
    #[inline]
    pub(crate) fn pick(&mut self, slot: u32, work: &Work, place: Pick) -> bool {
        let Pick { wave, wanted, .. } = place;
        if let Some(draft) = self.waves.get_mut(wave as usize)
            && let Work::Launch { merge: Some(key), .. } = work
            && draft.last.0 == *key
            && draft.last.1 != NIL
        {
            draft.wanted |= wanted;
            let group = draft.last.1;
            self.groups[group as usize].count += 1;
            self.picks.push(Picked { slot, group, stream: place.stream });
            return false;
        }
        self.pick_other(slot, work, place)
    }

    fn pick_other(&mut self, slot: u32, work: &Work, place: Pick) -> bool {
        let Pick { stream, wave, again, wanted } = place;
        while self.waves.len() <= wave as usize {
            self.waves.push(WaveDraft { singles: [NIL; SINGLE_KINDS], last: (0, NIL), wanted: false });
        }
        let draft = &mut self.waves[wave as usize];
        draft.wanted |= wanted;
        let kind = kind_of(work);
        let mut alone = NIL;
        let group = match work {
            Work::Launch { merge: Some(key), .. } => &mut self.launches.entry(wave, *key).group,
            Work::Launch { merge: None, .. } => &mut alone,
            _ => &mut draft.singles[single_index(kind)],
        };
        let first = *group == NIL;
        if first && let Work::Launch { merge: Some(key), .. } = work {
            let entry = &mut self.keys.entry(0, *key).group;
            if *entry == NIL {
                *entry = wave;
            }
        }
        if first {
            *group = self.groups.len() as u32;
            self.groups.push(GroupDraft { wave, kind, count: 0, at: 0, last: (NIL, 0), scattered: false });
        }
        let group = *group;
        if let Work::Launch { merge: Some(key), .. } = work {
            draft.last = (*key, group);
        }
        self.groups[group as usize].count += 1;
        if let Work::Copy { src, .. } = *work {
            self.groups[group as usize].note_copy(stream, src, again);
        }
        self.picks.push(Picked { slot, group, stream });
        first
    }

    /// Moves everything into `out` and gives progress values, counted on from `issued`, to the waves that are wanted
    /// and to the last.
    pub(crate) fn finish<T>(
        &mut self,
        slab: &mut Slab<T>,
        issued: &mut u64,
        marks: &mut Vec<Mark>,
        members: &mut Vec<Member>,
        out: &mut Batch<T>,
    ) {
        self.order.clear();
        self.order.extend(0..self.groups.len() as u32);
        let groups = &mut self.groups;
        self.order.sort_unstable_by_key(|&index| {
            let group = &groups[index as usize];
            (group.wave, rank(group.kind), index)
        });
        let mut end = 0;
        for &index in &self.order {
            let group = &mut groups[index as usize];
            group.at = end;
            end += group.count;
        }

        self.slots.clear();
        self.slots.resize(self.picks.len(), NIL);
        self.owners.resize(self.picks.len(), NIL);
        for &Picked { slot, group, stream } in &self.picks {
            let at = &mut groups[group as usize].at;
            self.slots[*at as usize] = slot;
            self.owners[*at as usize] = stream;
            *at += 1;
        }
        for group in groups.iter().filter(|group| matches!(group.kind, GroupKind::Copy(_))) {
            let range = (group.at - group.count) as usize..group.at as usize;
            let slots = &mut self.slots[range.clone()];
            match group.scattered {
                true => merge::sort_copies(slots, slab),
                false => merge::sort_runs(slots, &self.owners[range], &mut self.runs),
            }
        }
        slab.take_all(&self.slots, &mut out.operations, members);

        let mut waves = self.waves.iter().peekable();
        let mut order = self.order.iter().peekable();
        let mut wave = 0;
        while let Some(draft) = waves.next() {
            let first = out.groups.len() as u32;
            while let Some(group) = order.next_if(|&&index| groups[index as usize].wave == wave) {
                let group = &groups[*group as usize];
                let range = group.at - group.count..group.at;
                let extents = match group.kind {
                    GroupKind::Copy(_) => merge::extents(&out.operations, range.clone(), &mut out.extents),
                    _ => 0..0,
                };
                out.groups.push(Group { range, kind: group.kind, extents });
            }
            let progress = (draft.wanted || waves.peek().is_none()).then(|| {
                *issued += 1;
                marks.push(Mark { end: out.groups.last().map_or(0, |group| group.range.end), value: *issued });
                *issued
            });
            out.waves.push(Wave { groups: first..out.groups.len() as u32, progress });
            wave += 1;
        }

        self.values.clear();
        self.values.resize(out.waves.len(), 0);
        let mut next = *issued;
        for (value, wave) in self.values.iter_mut().zip(&out.waves).rev() {
            next = wave.progress.unwrap_or(next);
            *value = next;
        }
        out.fence = *issued;
    }

    /// After `finish`: the progress value that covers a wave.
    pub(crate) fn value_of(&self, wave: u32) -> u64 {
        self.values[wave as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::{EventId, Hazard, Operation, Point, StreamId, Ticket};
    use crate::stream::Totals;

    fn launch(merge: Option<u64>) -> Work {
        Work::Launch { merge, blocks: 1, cost: CostKey(0) }
    }

    fn made(picks: &[(Work, u32, bool)]) -> (Batch<()>, Vec<Mark>) {
        let (mut slab, mut draft, mut out, mut marks) = (Slab::new(), Draft::new(), Batch::new(), Vec::new());
        for (&(work, wave, wanted), ticket) in picks.iter().zip(1..) {
            let (stream, ticket) = (StreamId(ticket as u32), Ticket(ticket));
            let operation = Operation { stream, ticket, work, hazard: Hazard::Ordered, bytes: 0, payload: () };
            let slot = slab.insert(&mut Some(operation), Totals::default(), NIL);
            draft.pick(slot, &work, Pick { stream: stream.0, wave, again: false, wanted });
        }
        draft.finish(&mut slab, &mut 10, &mut marks, &mut Vec::new(), &mut out);
        (out, marks)
    }

    #[test]
    fn launches_of_one_kernel_and_wave_are_one_group() {
        let (batch, _) = made(&[
            (launch(Some(7)), 0, false),
            (launch(Some(8)), 0, false),
            (launch(Some(7)), 1, false),
            (launch(Some(7)), 0, false),
            (launch(None), 0, false),
            (launch(None), 0, false),
        ]);
        let counts: Vec<_> = batch.groups.iter().map(|group| group.range.len()).collect();
        assert_eq!(counts, [2, 1, 1, 1, 1]);
        assert_eq!(batch.waves.len(), 2);
        let tickets: Vec<_> = batch.operations.iter().map(|operation| operation.ticket.0).collect();
        assert_eq!(tickets, [1, 4, 2, 5, 6, 3]);
    }

    /// Copies of 8 bytes in one wave: stream, source, whether it is there already.
    fn copied(picks: &[(u32, u64, bool)]) -> Vec<(u64, u64)> {
        let (mut slab, mut draft, mut out) = (Slab::new(), Draft::new(), Batch::new());
        for (&(stream, src, again), ticket) in picks.iter().zip(1..) {
            let (kind, dst, len) = (CopyKind::HostToDevice, 1000 + src, 8);
            let work = Work::Copy { kind, src, dst, len };
            let hazard = Hazard::copy(src, dst, len);
            let operation =
                Operation { stream: StreamId(stream), ticket: Ticket(ticket), work, hazard, bytes: 0, payload: () };
            let slot = slab.insert(&mut Some(operation), Totals::default(), NIL);
            draft.pick(slot, &work, Pick { stream, wave: 0, again, wanted: false });
        }
        draft.finish(&mut slab, &mut 10, &mut Vec::new(), &mut Vec::new(), &mut out);
        out.extents.iter().map(|extent| (extent.src, extent.len)).collect()
    }

    #[test]
    fn copies_of_a_stream_are_joined_wherever_they_stand_in_the_group() {
        assert_eq!(copied(&[(2, 0, false), (2, 8, true), (1, 16, false)]), [(16, 8), (0, 16)]);
        assert_eq!(copied(&[(1, 0, false), (2, 100, false), (1, 8, true)]), [(0, 16), (100, 8)]);
        assert_eq!(copied(&[(1, 8, false), (1, 0, true), (2, 100, false)]), [(0, 16), (100, 8)]);
    }

    #[test]
    fn waits_come_first_in_their_wave() {
        let source = Some(Point { stream: StreamId(9), ticket: Ticket(9) });
        let wait = Work::Wait { event: EventId(0), source };
        let (batch, _) = made(&[(launch(Some(7)), 0, false), (wait, 0, false), (Work::Marker, 0, false)]);
        let kinds: Vec<_> = batch.groups.iter().map(|group| group.kind).collect();
        assert_eq!(kinds, [GroupKind::Depend, GroupKind::Launch, GroupKind::None]);
    }

    #[test]
    fn progress_values_follow_waves_that_are_wanted_and_the_last() {
        let (batch, marks) = made(&[
            (launch(None), 0, false),
            (launch(None), 1, true),
            (launch(None), 2, false),
            (launch(None), 3, false),
        ]);
        let values: Vec<_> = batch.waves.iter().map(|wave| wave.progress).collect();
        assert_eq!(values, [None, Some(11), None, Some(12)]);
        assert_eq!(batch.fence, 12);
        assert_eq!(marks.iter().map(|mark| (mark.end, mark.value)).collect::<Vec<_>>(), [(2, 11), (4, 12)]);
    }

    #[test]
    fn waves_of_one_kernel_do_not_collide() {
        let mut table = LaunchTable::new();
        for wave in 0..1000 {
            table.entry(wave, 7).group = wave;
        }
        // How far each lies from the place of an empty table.
        let empty = LaunchTable { entries: table.entries.clone(), stamp: table.stamp + 1, used: 0 };
        let mask = table.entries.len() - 1;
        let walked: usize = (0..1000).map(|wave| table.find(wave, 7).wrapping_sub(empty.find(wave, 7)) & mask).sum();
        assert!(walked < 2_000, "{walked} steps for 1,000 entries");
    }

    #[test]
    fn the_launch_table_keeps_its_entries_when_it_grows() {
        let mut table = LaunchTable::new();
        for key in 0..1000 {
            table.entry(key as u32 % 3, key).group = key as u32;
        }
        for key in 0..1000 {
            assert_eq!(table.entry(key as u32 % 3, key).group, key as u32);
        }
        table.clear();
        assert_eq!(table.entry(0, 0).group, NIL);
    }
}
