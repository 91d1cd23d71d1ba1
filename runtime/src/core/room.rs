//! Waiting for memory: who found none is woken when some has been given back.
//!
//! A waiter registers first and looks for memory after that ([`Room::until`]); a giver gives back first and looks for waiters
//! after that ([`Room::announce`]). Between each pair of steps stands a fence, so one of the two sees the other. Giving back
//! while nobody waits costs a fence and a load.
//!
//! | part | who may touch it |
//! |---|---|
//! | `waiting`: how many wakers there are | written under the lock; read by every giver, without it |
//! | `wakers` | any thread, under the lock; wakers are cloned, called and dropped outside of it |

use std::task::{Context, Poll, Waker};

use crate::sync::atomic::{AtomicUsize, Ordering, fence};
use crate::sync::{self, Mutation, Mutex, mutated};

/// Tells those who wait that memory has been given back.
pub(crate) struct Room {
    waiting: AtomicUsize,
    wakers: Mutex<Vec<Waker>>,
}

impl Room {
    /// Nobody waits.
    pub(crate) fn new() -> Self {
        Room { waiting: AtomicUsize::new(0), wakers: Mutex::new(Vec::new()) }
    }

    /// Asks to be woken at the next announcement; the caller must look for memory once more after this.
    fn register(&self, cx: &Context<'_>) {
        let waker = cx.waker().clone();
        let mut wakers = self.wakers.lock();
        let known = match wakers.iter().any(|known| known.will_wake(&waker)) {
            true => Some(waker),
            false => {
                wakers.push(waker);
                None
            }
        };
        self.waiting.store(wakers.len(), Ordering::Relaxed);
        drop(wakers);
        drop(known);
        // Pairs with the fence in `announce`.
        if !mutated(Mutation::RoomRegisterUnfenced) {
            fence(Ordering::SeqCst);
        }
    }

    /// Memory has been given back: whoever waits looks again.
    pub(crate) fn announce(&self) {
        // Pairs with the fence in `register`.
        fence(Ordering::SeqCst);
        if self.waiting.load(Ordering::Relaxed) == 0 {
            return;
        }
        let woken = {
            let mut wakers = self.wakers.lock();
            self.waiting.store(0, Ordering::Relaxed);
            std::mem::take(&mut *wakers)
        };
        woken.into_iter().for_each(sync::wake);
    }

    /// Waits until `attempt` gives something.
    pub(crate) async fn until<R, E>(&self, mut attempt: impl FnMut() -> Result<Option<R>, E>) -> Result<R, E> {
        std::future::poll_fn(|cx| {
            for registered in [false, true] {
                if registered && mutated(Mutation::RoomLooksOnce) {
                    break;
                }
                match attempt() {
                    Ok(Some(found)) => return Poll::Ready(Ok(found)),
                    Err(error) => return Poll::Ready(Err(error)),
                    Ok(None) if !registered => self.register(cx),
                    Ok(None) => {}
                }
            }
            Poll::Pending
        })
        .await
    }
}
