//! Fences: values in pages, and who waits for them.
//!
//! All of it is under the GPU's state lock. The value that counts is kept here; the page, which guests read without any
//! call and could scribble on, gets a copy by a release store, so that whoever reads it with acquire sees all work
//! before the signal.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use smallvec::SmallVec;

use super::{DeviceKey, FenceKey, FenceRequest, QueueKey, memory::Pages, slab::Slab};

#[derive(Debug)]
struct Fence {
    value: u64,
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
}

impl Fences {
    pub(super) fn create(&mut self, page: Arc<Pages>, request: FenceRequest) -> FenceKey {
        publish(&page, request.initial);
        FenceKey(self.fences.insert(Fence {
            value: request.initial,
            page,
            device: request.device,
            keep_value_on_loss: request.keep_value_on_loss,
            cpu_waits: Vec::new(),
            queue_waits: Vec::new(),
        }))
    }

    pub(super) fn page(&self, key: FenceKey) -> Option<&Arc<Pages>> {
        self.fences.get(key.0).map(|fence| &fence.page)
    }

    pub(super) fn value(&self, key: FenceKey) -> Option<u64> {
        self.fences.get(key.0).map(|fence| fence.value)
    }

    /// Whether the fence has reached the value; one that is gone has.
    #[inline]
    pub(super) fn reached(&self, key: FenceKey, value: u64) -> bool {
        self.fences.get(key.0).is_none_or(|fence| fence.value >= value)
    }

    /// Sets the value; a lower one only with `allow_rewind`. Whether it was set.
    pub(super) fn signal(&mut self, key: FenceKey, value: u64, allow_rewind: bool, out: &mut Consequences) -> bool {
        let Some(fence) = self.fences.get_mut(key.0) else { return false };
        if value < fence.value && !allow_rewind {
            return false;
        }
        fence.value = value;
        publish(&fence.page, value);
        out.queues.append(&mut fence.queue_waits);
        if !fence.cpu_waits.is_empty() {
            let waits = std::mem::take(&mut fence.cpu_waits);
            self.check(key, waits, out);
        }
        true
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
        let page = fences.page(key).expect("it exists");
        // SAFETY: the page is mapped and aligned.
        unsafe { AtomicU64::from_ptr(page.host_ptr().cast()) }.load(Ordering::Acquire)
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
}
