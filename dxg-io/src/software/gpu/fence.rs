//! Fences: values in pages, and who waits for them.
//!
//! All of it is under the GPU's state lock. The value that counts is kept here; the page, which guests read without any
//! call and could scribble on, gets a copy by a release store, so that whoever reads it with acquire sees all work
//! before the signal.
//!
//! A fence that another process may open too ([`Fences::watch`]) is the exception: there the page is what counts, since
//! both write it, and while somebody waits for it the GPU looks at it every [`LOOK_NS`].

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use smallvec::SmallVec;

use super::{DeviceKey, FenceKey, FenceRequest, QueueKey, memory::Pages, slab::Slab};

/// How often a fence that others may signal is looked at while somebody waits for it.
pub(super) const LOOK_NS: u64 = 200_000;

#[derive(Debug)]
struct Fence {
    value: u64,
    /// Others have the page and write it.
    watched: bool,
    page: Arc<Pages>,
    device: DeviceKey,
    keep_value_on_loss: bool,
    /// Keys of CPU waits that name this fence.
    cpu_waits: Vec<u64>,
    /// Queues to look at again when the value changes.
    queue_waits: Vec<QueueKey>,
}

#[derive(Debug)]
struct CpuWait {
    fences: SmallVec<[(FenceKey, u64); 4]>,
    any: bool,
    event: u64,
}

/// What a change of a fence sets off; emptied by the caller.
#[derive(Debug, Default)]
pub(super) struct Consequences {
    /// Queues that may go on.
    pub(super) queues: Vec<QueueKey>,
    /// CPU events to send.
    pub(super) events: Vec<u64>,
}

#[derive(Debug, Default)]
pub(super) struct Fences {
    fences: Slab<Fence>,
    waits: Slab<CpuWait>,
    /// Fences that others may signal.
    watched: Vec<FenceKey>,
}

impl Fences {
    pub(super) fn create(&mut self, page: Arc<Pages>, request: FenceRequest) -> FenceKey {
        publish(&page, request.initial);
        self.enter(page, request)
    }

    fn enter(&mut self, page: Arc<Pages>, request: FenceRequest) -> FenceKey {
        FenceKey(self.fences.insert(Fence {
            value: request.initial,
            watched: false,
            page,
            device: request.device,
            keep_value_on_loss: request.keep_value_on_loss,
            cpu_waits: Vec::new(),
            queue_waits: Vec::new(),
        }))
    }

    /// A fence that another process has made: its page, with the value in it.
    pub(super) fn import(&mut self, page: Arc<Pages>, device: DeviceKey) -> FenceKey {
        let initial = in_page(&page);
        let key = self.enter(page, FenceRequest { initial, device, keep_value_on_loss: true });
        self.watch(key);
        key
    }

    /// From now on others may have the page of this fence, and write it.
    pub(super) fn watch(&mut self, key: FenceKey) {
        if let Some(fence) = self.fences.get_mut(key.0).filter(|fence| !fence.watched) {
            fence.watched = true;
            self.watched.push(key);
        }
    }

    /// Whether others may signal any fence at all.
    #[inline]
    pub(super) fn any_watched(&self) -> bool {
        !self.watched.is_empty()
    }

    /// Looks at the fences that others may have signalled; whether somebody waits for one of them still.
    pub(super) fn look(&mut self, out: &mut Consequences) -> bool {
        let mut waited_for = false;
        for index in 0..self.watched.len() {
            let key = self.watched[index];
            let Some(fence) = self.fences.get_mut(key.0) else { continue };
            let value = in_page(&fence.page);
            if value != fence.value {
                fence.value = value;
                self.moved(key, out);
            }
            let waits = |fence: &Fence| !fence.cpu_waits.is_empty() || !fence.queue_waits.is_empty();
            waited_for |= self.fences.get(key.0).is_some_and(waits);
        }
        waited_for
    }

    pub(super) fn page(&self, key: FenceKey) -> Option<&Arc<Pages>> {
        self.fences.get(key.0).map(|fence| &fence.page)
    }

    pub(super) fn value(&self, key: FenceKey) -> Option<u64> {
        self.fences.get(key.0).map(|fence| fence.value)
    }

    /// Whether a wait by a CPU names the fence.
    pub(super) fn has_cpu_waits(&self, key: FenceKey) -> bool {
        self.fences.get(key.0).is_some_and(|fence| !fence.cpu_waits.is_empty())
    }

    /// Whether the fence has reached the value; one that is gone has.
    #[inline]
    pub(super) fn reached(&self, key: FenceKey, value: u64) -> bool {
        self.fences.get(key.0).is_none_or(|fence| fence.value >= value)
    }

    /// Sets the value; a lower one only with `allow_rewind`. Whether it was set.
    pub(super) fn signal(&mut self, key: FenceKey, value: u64, allow_rewind: bool, out: &mut Consequences) -> bool {
        let Some(fence) = self.fences.get_mut(key.0) else { return false };
        if fence.watched {
            fence.value = in_page(&fence.page);
        }
        if value < fence.value && !allow_rewind {
            return false;
        }
        fence.value = value;
        publish(&fence.page, value);
        self.moved(key, out);
        true
    }

    /// The value has changed: whoever waits for it is looked at again.
    fn moved(&mut self, key: FenceKey, out: &mut Consequences) {
        let Some(fence) = self.fences.get_mut(key.0) else { return };
        out.queues.append(&mut fence.queue_waits);
        if !fence.cpu_waits.is_empty() {
            let waits = std::mem::take(&mut fence.cpu_waits);
            self.check(key, waits, out);
        }
    }

    /// The queue is looked at again when the fence changes.
    pub(super) fn wait_from_queue(&mut self, key: FenceKey, queue: QueueKey) {
        if let Some(fence) = self.fences.get_mut(key.0)
            && !fence.queue_waits.contains(&queue)
        {
            fence.queue_waits.push(queue);
        }
    }

    /// Sends `event` once all (or any) values are reached: into `out` if that is so now.
    pub(super) fn wait_from_cpu(&mut self, fences: &[(FenceKey, u64)], any: bool, event: u64, out: &mut Consequences) {
        if !self.watched.is_empty() {
            self.look(out);
        }
        let wait = CpuWait { fences: SmallVec::from_slice(fences), any, event };
        if self.is_satisfied(&wait) {
            out.events.push(event);
            return;
        }
        let wait = self.waits.insert(wait);
        for (key, _) in fences {
            if let Some(fence) = self.fences.get_mut(key.0) {
                fence.cpu_waits.push(wait);
            }
        }
    }

    /// Removes a fence; who waits for it goes on.
    pub(super) fn destroy(&mut self, key: FenceKey, out: &mut Consequences) -> bool {
        let Some(mut fence) = self.fences.remove(key.0) else { return false };
        if fence.watched {
            self.watched.retain(|other| *other != key);
        }
        out.queues.append(&mut fence.queue_waits);
        self.check(key, fence.cpu_waits, out);
        true
    }

    /// The device is lost: its fences go to the maximum.
    pub(super) fn lose(&mut self, device: DeviceKey, out: &mut Consequences) {
        let lost: Vec<u64> = self
            .fences
            .iter_mut()
            .filter(|(_, fence)| fence.device == device && !fence.keep_value_on_loss)
            .map(|(key, _)| key)
            .collect();
        for key in lost {
            self.signal(FenceKey(key), u64::MAX, false, out);
        }
    }

    /// Fires the satisfied ones of `waits` and gives the fence the others back.
    fn check(&mut self, key: FenceKey, waits: Vec<u64>, out: &mut Consequences) {
        for wait in waits {
            let Some(pending) = self.waits.get(wait) else { continue };
            if self.is_satisfied(pending) {
                out.events.push(pending.event);
                self.forget(wait);
            } else if let Some(fence) = self.fences.get_mut(key.0) {
                fence.cpu_waits.push(wait);
            }
        }
    }

    /// Removes a wait, also from the fences that have not moved: repeated waits must not pile up there.
    fn forget(&mut self, wait: u64) {
        let Some(pending) = self.waits.remove(wait) else { return };
        for (key, _) in pending.fences {
            if let Some(fence) = self.fences.get_mut(key.0) {
                fence.cpu_waits.retain(|other| *other != wait);
            }
        }
    }

    fn is_satisfied(&self, wait: &CpuWait) -> bool {
        let mut fences = wait.fences.iter();
        if wait.any {
            wait.fences.is_empty() || fences.any(|(key, value)| self.reached(*key, *value))
        } else {
            fences.all(|(key, value)| self.reached(*key, *value))
        }
    }
}

fn publish(page: &Pages, value: u64) {
    // SAFETY: needed to store into memory shared with guests. The page is mapped, 4096-byte aligned and held; everybody
    // in this process goes through an atomic.
    unsafe { AtomicU64::from_ptr(page.host_ptr().cast()) }.store(value, Ordering::Release);
}

/// The value that stands in the page.
fn in_page(page: &Pages) -> u64 {
    // SAFETY: needed to load from memory shared with guests and other processes; as in `publish`.
    unsafe { AtomicU64::from_ptr(page.host_ptr().cast()) }.load(Ordering::Acquire)
}

#[cfg(test)]
mod tests {
    use super::{super::memory::PageArena, *};

    fn fences(count: usize) -> (Fences, Vec<FenceKey>, PageArena) {
        let arena = PageArena::new(c"test", 1 << 16).expect("memory");
        let mut fences = Fences::default();
        let keys = (0..count)
            .map(|index| {
                let device = DeviceKey(index as u32 % 2);
                let request = FenceRequest { initial: 5, device, keep_value_on_loss: index >= 2 };
                fences.create(arena.allocate(1).expect("room"), request)
            })
            .collect();
        (fences, keys, arena)
    }

    fn in_page(fences: &Fences, key: FenceKey) -> u64 {
        super::in_page(fences.page(key).expect("it exists"))
    }

    #[test]
    fn values_go_up_and_stand_in_the_page() {
        let (mut fences, keys, _arena) = fences(1);
        let mut out = Consequences::default();
        assert_eq!(in_page(&fences, keys[0]), 5);
        assert!(fences.signal(keys[0], 9, false, &mut out));
        assert!(!fences.signal(keys[0], 8, false, &mut out));
        assert_eq!((in_page(&fences, keys[0]), fences.value(keys[0])), (9, Some(9)));
        assert!(fences.signal(keys[0], 2, true, &mut out));
        assert_eq!(in_page(&fences, keys[0]), 2);
    }

    #[test]
    fn cpu_waits_for_all_and_for_any_fire_once() {
        let (mut fences, keys, _arena) = fences(2);
        let mut out = Consequences::default();
        let both = [(keys[0], 10), (keys[1], 10)];
        fences.wait_from_cpu(&both, false, 1, &mut out);
        fences.wait_from_cpu(&both, true, 2, &mut out);
        fences.wait_from_cpu(&[(keys[0], 5)], false, 3, &mut out);
        assert_eq!(out.events, [3]);
        fences.signal(keys[0], 9, false, &mut out);
        assert_eq!(out.events, [3]);
        fences.signal(keys[0], 10, false, &mut out);
        assert_eq!(out.events, [3, 2]);
        fences.signal(keys[1], 12, false, &mut out);
        assert_eq!(out.events, [3, 2, 1]);
        fences.signal(keys[1], 13, false, &mut out);
        assert_eq!(out.events, [3, 2, 1]);
    }

    #[test]
    fn destroying_a_fence_releases_its_waiters() {
        let (mut fences, keys, _arena) = fences(2);
        let mut out = Consequences::default();
        fences.wait_from_cpu(&[(keys[0], 10), (keys[1], 10)], false, 1, &mut out);
        fences.wait_from_queue(keys[0], QueueKey(7));
        assert!(fences.destroy(keys[0], &mut out));
        assert_eq!((&out.queues[..], &out.events[..]), (&[QueueKey(7)][..], &[][..]));
        assert!(fences.destroy(keys[1], &mut out));
        assert_eq!(out.events, [1]);
        assert!(!fences.destroy(keys[1], &mut out));
        assert!(fences.reached(keys[0], u64::MAX));
    }

    #[test]
    fn a_lost_device_takes_its_own_fences_to_the_maximum() {
        let (mut fences, keys, _arena) = fences(3);
        let mut out = Consequences::default();
        fences.wait_from_cpu(&[(keys[0], 10)], false, 1, &mut out);
        fences.lose(DeviceKey(0), &mut out);
        assert_eq!(out.events, [1]);
        assert_eq!(keys.iter().map(|key| in_page(&fences, *key)).collect::<Vec<_>>(), [u64::MAX, 5, 5]);
    }
    #[test]
    fn what_another_process_signals_is_seen_by_looking() {
        let page = PageArena::shareable(c"test", 1, None).expect("memory").allocate(1).expect("room");
        let (mut ours, mut theirs) = (Fences::default(), Fences::default());
        let mut out = Consequences::default();
        let request = FenceRequest { initial: 5, device: DeviceKey(0), keep_value_on_loss: true };
        let fence = ours.create(page.clone(), request);
        ours.watch(fence);
        let same = theirs.import(page, DeviceKey(9));
        ours.wait_from_cpu(&[(fence, 77)], false, 1, &mut out);
        ours.wait_from_queue(fence, QueueKey(3));
        assert!(theirs.signal(same, 77, false, &mut out));
        assert!(out.events.is_empty() && out.queues.is_empty());
        assert!(!ours.look(&mut out), "nobody waits any more");
        assert_eq!((&out.events[..], &out.queues[..]), (&[1][..], &[QueueKey(3)][..]));
        assert!(!ours.signal(fence, 70, false, &mut out), "it does not go back");
        theirs.signal(same, 80, false, &mut out);
        ours.wait_from_cpu(&[(fence, 80)], false, 2, &mut out);
        assert_eq!(out.events, [1, 2], "a wait looks by itself");
    }
}
