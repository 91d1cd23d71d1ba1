//! Callbacks of completions, on a thread of their own.
//!
//! Futures are the way of Rust programs; this is for those that have none, the C library above all. Who completes an operation
//! finishes its notice ([`crate::core::notice`]), and the thread here calls back: no lock is held, the driver's work goes on
//! meanwhile, and the callback may do what it likes except to wait for other callbacks.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{JoinHandle, ThreadId};

use crate::completion::Completion;
use crate::core::notice::{Notices, Turn};
use crate::error::{Error, Result};

type Callback = Box<dyn FnOnce(Result<()>) + Send>;

/// Calls back when operations complete; each callback exactly once.
pub struct Callbacks {
    notices: Arc<Notices<Callback, Result<()>>>,
    id: ThreadId,
    /// Until somebody has waited for its end; locked by who does.
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// One callback's waiting side: polls when it is woken.
struct Notice {
    notices: Arc<Notices<Callback, Result<()>>>,
    completion: Mutex<Completion>,
    key: u64,
    turn: Turn,
}

impl Notice {
    fn step(self: &Arc<Self>) {
        self.turn.take(|| {
            let waker = Waker::from(Arc::clone(self));
            let mut cx = Context::from_waker(&waker);
            // Only the turn's holder locks it; a lock makes the exclusion visible to the compiler.
            let mut completion = self.completion.lock().unwrap_or_else(PoisonError::into_inner);
            match Future::poll(std::pin::Pin::new(&mut *completion), &mut cx) {
                Poll::Ready(outcome) => {
                    self.notices.finish(self.key, outcome);
                    true
                }
                Poll::Pending => false,
            }
        });
    }
}

impl Wake for Notice {
    fn wake(self: Arc<Self>) {
        self.step();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.step();
    }
}

impl Callbacks {
    /// Starts the thread.
    pub fn start() -> Result<Self> {
        let notices = Arc::new(Notices::<Callback, Result<()>>::new());
        let taken = Arc::clone(&notices);
        let run = move || {
            while let Some((callback, outcome)) = taken.next() {
                if catch_unwind(AssertUnwindSafe(|| callback(outcome))).is_err() {
                    tracing::error!("a callback panicked; the others are still called");
                }
            }
        };
        let thread = std::thread::Builder::new().name("dxgrt-callbacks".into()).spawn(run);
        let thread = thread.map_err(|error| Error::driver("starting the callback thread", error))?;
        Ok(Callbacks { notices, id: thread.thread().id(), thread: Mutex::new(Some(thread)) })
    }

    /// Calls `callback` with the outcome of `completion`, once, on the callback thread. After [`Callbacks::close`] it is called here
    /// and now, with [`Error::ShutDown`].
    pub fn on_done(&self, completion: Completion, callback: impl FnOnce(Result<()>) + Send + 'static) {
        match self.notices.add(Box::new(callback)) {
            Ok(key) => {
                let notices = Arc::clone(&self.notices);
                let notice = Notice { notices, completion: Mutex::new(completion), key, turn: Turn::new() };
                Arc::new(notice).step();
            }
            Err(callback) => callback(Err(Error::ShutDown)),
        }
    }

    /// Whether this is the thread that calls back.
    pub fn is_current_thread(&self) -> bool {
        self.id == std::thread::current().id()
    }

    /// Calls what is left with [`Error::ShutDown`], and ends the thread; waits for it, unless this is it. Whoever closes at the
    /// same time waits for the same end.
    pub fn close(&self) {
        self.notices.close(Err(Error::ShutDown));
        if self.is_current_thread() {
            return;
        }
        // Held during the wait, for others to wait as well; callbacks never lock it.
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = thread.take() {
            // A panic of a callback ends there, so the thread ends well.
            let _ended = thread.join();
        }
    }
}

impl Drop for Callbacks {
    fn drop(&mut self) {
        self.close();
    }
}

impl std::fmt::Debug for Callbacks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Callbacks")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;
    use crate::Device;

    #[test]
    fn every_callback_is_called_once_with_its_outcome() {
        let device = Device::open("software").unwrap();
        let (stream, x) = (device.stream().unwrap(), device.alloc::<u32>(64).unwrap());
        let callbacks = Callbacks::start().unwrap();
        let (told, outcomes) = mpsc::channel();
        for value in 0..100u32 {
            let told = told.clone();
            let done = stream.try_fill(&x, value).unwrap();
            callbacks.on_done(done, move |outcome| told.send((value, outcome.is_ok())).unwrap());
        }
        let mut seen: Vec<_> = outcomes.iter().take(100).collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..100).map(|value| (value, true)).collect::<Vec<_>>());
        callbacks.close();
        callbacks.on_done(stream.last(), move |outcome| told.send((7, outcome.is_ok())).unwrap());
        assert_eq!(outcomes.try_recv(), Ok((7, false)), "after the close: at once, shut down");
        assert_eq!(outcomes.try_recv(), Err(mpsc::TryRecvError::Disconnected), "and nothing twice");
    }

    #[test]
    fn everybody_who_closes_waits_for_the_last_callback() {
        let device = Device::open("software").unwrap();
        let (stream, callbacks) = (device.stream().unwrap(), Callbacks::start().unwrap());
        let (begin, begun) = mpsc::channel();
        let over = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&over);
        callbacks.on_done(stream.last(), move |_| {
            begin.send(()).unwrap();
            std::thread::sleep(Duration::from_millis(100));
            ended.store(true, Ordering::Release);
        });
        begun.recv().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    callbacks.close();
                    assert!(over.load(Ordering::Acquire), "closed, and a callback is still under way");
                });
            }
        });
    }

    #[test]
    fn a_callback_may_close() {
        let device = Device::open("software").unwrap();
        let (stream, callbacks) = (device.stream().unwrap(), Arc::new(Callbacks::start().unwrap()));
        let (mine, (told, closed)) = (Arc::clone(&callbacks), mpsc::channel());
        callbacks.on_done(stream.last(), move |_| {
            assert!(mine.is_current_thread());
            mine.close();
            told.send(()).unwrap();
        });
        closed.recv_timeout(Duration::from_secs(20)).unwrap();
        callbacks.close();
    }
}
