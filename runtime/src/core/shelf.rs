//! Where the holder of the driver role leaves lists of things to let go of, for whoever has time.
//!
//! Dropping what complete operations kept alive is a good part of what they cost the holder, and needs nothing of the role's
//! state. Tasks on other threads that come by and find the role taken drop a portion on their way. What nobody has taken when the
//! holder is through with its step, it takes back: nothing stays here for want of helpers.
//!
//! | part | who may touch it |
//! |---|---|
//! | `wanted` | set by who comes by; cleared by the holder |
//! | `content` | behind the lock, for a push or a pop: the holder adds and takes back, a helper takes one and brings back the rest |
//! | `waiting`: lists here | written under the lock; a hint for everybody else |
//! | a list in hand | its helper |

use std::collections::VecDeque;

use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::sync::{CachePadded, Mutation, Mutex, mutated};

/// Lists on the shelf at most; the holder lets go of others itself.
const ROOM: usize = 4;

/// See the module.
pub(crate) struct Shelf<T> {
    wanted: CachePadded<AtomicBool>,
    waiting: AtomicUsize,
    content: Mutex<Content<T>>,
}

struct Content<T> {
    /// The oldest first.
    lists: VecDeque<Vec<T>>,
    /// Lists that helpers have.
    in_hand: usize,
    /// Emptied ones, whose room is used again.
    empty: Vec<Vec<T>>,
}

impl<T> Shelf<T> {
    pub(crate) fn new() -> Self {
        let content = Content { lists: VecDeque::with_capacity(ROOM), in_hand: 0, empty: Vec::with_capacity(ROOM) };
        Shelf {
            wanted: CachePadded(AtomicBool::new(false)),
            waiting: AtomicUsize::new(0),
            content: Mutex::new(content),
        }
    }

    /// Leaves a list here; gives it back where nobody has come by lately, or where there is no room.
    pub(crate) fn leave(&self, list: Vec<T>) -> Result<(), Vec<T>> {
        // Relaxed: a hint.
        if !self.wanted.load(Ordering::Relaxed) {
            return Err(list);
        }
        let mut content = self.content.lock();
        if content.lists.len() >= ROOM {
            return Err(list);
        }
        content.lists.push_back(list);
        self.waiting.store(content.lists.len(), Ordering::Relaxed);
        Ok(())
    }

    /// Takes a list, lets `drop_some` shorten it, and brings back the rest. `drop_some` does not panic.
    pub(crate) fn help(&self, drop_some: impl FnOnce(&mut Vec<T>)) {
        // Relaxed, both: hints. The load keeps the line shared.
        if !self.wanted.load(Ordering::Relaxed) {
            self.wanted.store(true, Ordering::Relaxed);
        }
        if self.waiting.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut content = self.content.lock();
        let Some(mut list) = content.lists.pop_front() else { return };
        content.in_hand += usize::from(!mutated(Mutation::ShelfForgetsHelpers));
        self.waiting.store(content.lists.len(), Ordering::Relaxed);
        drop(content);
        drop_some(&mut list);
        let mut content = self.content.lock();
        if !list.is_empty() {
            content.lists.push_front(list);
            self.waiting.store(content.lists.len(), Ordering::Relaxed);
        } else if content.empty.len() < ROOM {
            content.empty.push(list);
        }
        content.in_hand -= usize::from(!mutated(Mutation::ShelfForgetsHelpers));
    }

    /// A list that is still here.
    pub(crate) fn take_back(&self) -> Option<Vec<T>> {
        // Relaxed: the holder knows what it has left here, and finds what helpers bring back in its next step.
        if self.waiting.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let mut content = self.content.lock();
        let list = content.lists.pop_front();
        self.waiting.store(content.lists.len(), Ordering::Relaxed);
        list
    }

    /// The holder is through: until somebody comes by again, nothing is left here. What was emptied meanwhile goes to `reuse`.
    pub(crate) fn end_step(&self, reuse: impl FnMut(Vec<T>)) {
        if self.wanted.load(Ordering::Relaxed) {
            self.wanted.store(false, Ordering::Relaxed);
            self.content.lock().empty.drain(..).for_each(reuse);
        }
    }

    /// Whether no list is here or in a helper's hand. For the holder, when it leaves nothing here any more.
    pub(crate) fn is_clear(&self) -> bool {
        let content = self.content.lock();
        content.in_hand == 0 && content.lists.is_empty()
    }
}

#[cfg(all(test, not(dxg_loom)))]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_here_unless_somebody_comes_by() {
        let shelf = Shelf::new();
        assert_eq!(shelf.leave(vec![1]), Err(vec![1]));
        shelf.help(|_| panic!("there is nothing to help with"));
        assert_eq!(shelf.leave(vec![1, 2]), Ok(()));
        shelf.end_step(|_| panic!("nothing was emptied"));
        assert_eq!(shelf.leave(vec![3]), Err(vec![3]), "nobody has come by since");
        assert_eq!(shelf.take_back(), Some(vec![1, 2]));
        assert_eq!(shelf.take_back(), None);
    }

    #[test]
    fn helpers_take_the_oldest_and_bring_back_the_rest() {
        let shelf = Shelf::new();
        shelf.help(|_: &mut Vec<u32>| {});
        for first in 0..ROOM as u32 {
            shelf.leave(vec![first, 10]).expect("there is room");
        }
        assert!(shelf.leave(vec![99]).is_err(), "a shelf has an end");
        shelf.help(|list| assert_eq!(list.pop(), Some(10)));
        assert!(!shelf.is_clear());
        shelf.help(|list| assert_eq!(list.pop(), Some(0)));
        let mut emptied = 0;
        assert_eq!(shelf.take_back(), Some(vec![1, 10]));
        while shelf.take_back().is_some() {}
        shelf.end_step(|list| emptied += u32::from(list.is_empty()));
        assert!(shelf.is_clear() && emptied == 1);
    }
}
