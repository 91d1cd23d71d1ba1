//! The driver thread: attends to the device on a thread of its own.

use std::sync::Arc;

use super::Engine;
use super::attend::{Attendant, Nap, Rest};
use super::wake::sleep_on;
use crate::error::{Error, Result};

/// Starts the thread of an engine. It holds the engine until [`Engine::close`] and everything accepted is complete.
pub(super) fn spawn(engine: Arc<Engine>) -> Result<()> {
    let builder = std::thread::Builder::new().name("dxgrt-driver".into());
    // The thread ends by itself; waiting for it is `Engine::closed`.
    builder.spawn(move || run(&engine)).map(drop).map_err(|error| Error::driver("starting the driver thread", error))
}

fn run(engine: &Engine) {
    let mut attendant = Attendant::on_thread(engine);
    loop {
        match attendant.attend(engine) {
            Rest::Again => {}
            Rest::Asleep(nap) => sleep(&mut attendant, engine, &nap),
            Rest::End => return,
        }
    }
}

fn sleep(attendant: &mut Attendant, engine: &Engine, nap: &Nap) {
    let mut readable = false;
    if attendant.fall_asleep(engine, nap) {
        let both = [engine.wake.as_fd(), engine.backend.event_fd()];
        let fds = if nap.on_device() { &both[..] } else { &both[..1] };
        readable = sleep_on(fds, nap.limit);
    }
    attendant.wake_up(engine, nap, readable);
}
