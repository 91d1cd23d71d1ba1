//! The driver task: attends to the device as a task of a tokio runtime, sleeping on its reactor.
//!
//! Completions pass through two `AsyncFd`s, the engine's own eventfd and the device's, so that a program that lives in
//! tokio has no thread of ours beside its own.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::Handle;

use super::Engine;
use super::attend::{Attendant, Nap, Rest};
use crate::error::{Error, Result};

/// Starts the task of an engine on a runtime. It holds the engine until [`Engine::close`] and everything accepted is
/// complete. When the runtime is dropped before that, the task's future is dropped with it, and a thread takes over.
pub(super) fn spawn(engine: Arc<Engine>, handle: &Handle) -> Result<()> {
    let entered = handle.enter();
    // Duplicates: the reactor wants descriptors that live as long as their registration.
    let wake = register(engine.wake.as_fd().try_clone_to_owned())?;
    let device = register(engine.backend.event_fd().try_clone_to_owned())?;
    drop(entered);
    let successor = Successor { engine: Some(engine) };
    handle.spawn(async move {
        let mut successor = successor;
        if let Some(engine) = &successor.engine {
            run(engine, &wake, &device).await;
        }
        successor.engine = None;
    });
    Ok(())
}

/// Starts the driver thread when the task is dropped before its end.
struct Successor {
    engine: Option<Arc<Engine>>,
}

impl Drop for Successor {
    fn drop(&mut self) {
        if let Some(engine) = self.engine.take()
            && let Err(error) = super::thread::spawn(engine)
        {
            tracing::error!(%error, "the tokio runtime is gone and no driver thread could be started");
        }
    }
}

fn register(fd: std::io::Result<OwnedFd>) -> Result<AsyncFd<OwnedFd>> {
    let registered = fd.and_then(|fd| {
        // SAFETY: needed because the reactor keeps using the descriptor's number. It is owned by the `AsyncFd`, always
        // the same number, and closed only after it is deregistered.
        Ok(unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) }?)
    });
    registered.map_err(|error| Error::driver("registering an eventfd with tokio's reactor", error))
}

async fn run(engine: &Engine, wake: &AsyncFd<OwnedFd>, device: &AsyncFd<OwnedFd>) {
    let mut attendant = Attendant::on_task(engine);
    loop {
        match attendant.attend(engine) {
            Rest::Again => tokio::task::yield_now().await,
            Rest::Asleep(nap) => sleep(&mut attendant, engine, &nap, wake, device).await,
            Rest::End => return,
        }
    }
}

async fn sleep(
    attendant: &mut Attendant,
    engine: &Engine,
    nap: &Nap,
    wake: &AsyncFd<OwnedFd>,
    device: &AsyncFd<OwnedFd>,
) {
    if attendant.fall_asleep(engine, nap) {
        let woken = async {
            if nap.on_device() {
                let (wake, device) = (std::pin::pin!(readable(wake)), std::pin::pin!(readable(device)));
                futures::future::select(wake, device).await;
            } else {
                readable(wake).await;
            }
        };
        match nap.limit {
            Some(limit) => {
                // Either end is fine: the state of the world is looked at after every sleep.
                let _woken_or_late = tokio::time::timeout(limit, woken).await;
            }
            None => woken.await,
        }
    }
    attendant.wake_up(engine, nap, true);
}

/// Waits until the descriptor is readable. The readiness that the reactor remembers is from before the last drain
/// sometimes; the descriptor itself tells.
async fn readable(fd: &AsyncFd<OwnedFd>) {
    loop {
        let Ok(mut guard) = fd.readable().await else {
            // The reactor is shutting down, and the task with it.
            return;
        };
        if is_readable(fd.get_ref().as_raw_fd()) {
            guard.retain_ready();
            return;
        }
        guard.clear_ready();
    }
}

fn is_readable(fd: RawFd) -> bool {
    let mut polled = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    // SAFETY: needed because poll is a foreign function; it reads and writes the one entry, and returns at once.
    unsafe { libc::poll(&raw mut polled, 1, 0) > 0 }
}
