//! Waiting on a future without an executor: the calling thread sleeps on a condition variable.

use std::pin::pin;
use std::sync::Arc as StdArc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

use super::{Condvar, Mutex};

/// `woken` is set by the waker and cleared by the sleeping thread, both under the lock: a wake-up between the poll and
/// the sleep is found there.
struct Parker {
    woken: Mutex<bool>,
    changed: Condvar,
}

impl Wake for Parker {
    fn wake(self: StdArc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &StdArc<Self>) {
        *self.woken.lock() = true;
        self.changed.notify_one();
    }
}

fn parker() -> (StdArc<Parker>, Waker) {
    let parker = StdArc::new(Parker { woken: Mutex::new(false), changed: Condvar::new() });
    let waker = Waker::from(parker.clone());
    (parker, waker)
}

/// Runs `future` to its end on this thread.
pub(crate) fn block_on<Fut: Future>(future: Fut) -> Fut::Output {
    let (parker, waker) = parker();
    let mut cx = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        let mut woken = parker.woken.lock();
        while !*woken {
            woken = parker.changed.wait(woken);
        }
        *woken = false;
    }
}

/// Runs `future` on this thread until it ends or `deadline` has passed (`None`); the future is dropped either way.
pub(crate) fn block_on_until<Fut: Future>(future: Fut, deadline: Instant) -> Option<Fut::Output> {
    let (parker, waker) = parker();
    let mut cx = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return Some(output);
        }
        let mut woken = parker.woken.lock();
        while !*woken {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            woken = parker.changed.wait_timeout(woken, left);
        }
        *woken = false;
    }
}

#[cfg(all(test, not(dxg_loom)))]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_future_woken_by_another_thread_ends() {
        let (sender, receiver) = futures::channel::oneshot::channel();
        let thread = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(5));
            sender.send(7)
        });
        assert_eq!(block_on(receiver), Ok(7));
        assert_eq!(thread.join().ok(), Some(Ok(())));
    }

    #[test]
    fn a_deadline_ends_the_wait() {
        let begin = Instant::now();
        let answer = block_on_until(std::future::pending::<()>(), begin + Duration::from_millis(10));
        assert_eq!(answer, None);
        assert!(begin.elapsed() >= Duration::from_millis(10));
        assert_eq!(block_on_until(async { 3 }, Instant::now()), Some(3));
    }
}
