//! The driver thread: drives when work is in flight and nobody else does, sleeps when nothing is.
//!
//! ```text
//! look ──work moves──▶ look again
//!  │ in flight, fences still: spin a moment ─▶ arm ─▶ sleep on {wake, device event}, ≤ 100 ms
//!  │ gathered, nobody waits: sleep until the gather deadline
//!  │ nothing: linger a moment (naps), then sleep without a limit
//! ```
//!
//! With nothing in flight the thread uses no CPU and sends nothing. With work in flight no sleep is unbounded: after
//! 100 ms at most fence and device state are looked at again, so that a lost device or a lost notification ends no wait
//! later than that.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use dxg_scheduler::Nanos;

use super::state::{Armed, State};
use super::wake::sleep_on;
use super::{Engine, Phase};
use crate::core::doze::Sleep;
use crate::error::{Error, Result};

/// Fences are read in a loop for this long before the thread sleeps: a little more than a small batch takes from
/// submission to completion, and less than a wake-up costs.
const SPIN: Nanos = 30_000;
/// One nap after the last work; work that nobody waits for is seen at its end at the latest.
const NAP: Duration = Duration::from_micros(200);
/// After this long without work the thread sleeps without a limit.
const LINGER: Nanos = 2_000_000;
/// The longest sleep with work in flight.
const BOUNDED_SLEEP: Duration = Duration::from_millis(100);

/// Starts the thread of an engine. It holds the engine until [`Engine::close`] and everything accepted is complete.
pub(super) fn spawn(engine: Arc<Engine>) -> Result<()> {
    let builder = std::thread::Builder::new().name("dxgrt-driver".into());
    // The thread ends by itself; waiting for it is `Engine::closed`.
    builder.spawn(move || run(&engine)).map(drop).map_err(|error| Error::driver("starting the driver thread", error))
}

/// What one look found.
enum Look {
    /// Somebody else drives.
    Elsewhere,
    InFlight,
    /// Operations that go out at this time.
    Gathered(Nanos),
    Nothing,
}

fn run(engine: &Engine) {
    // On one core a spinning thread only keeps the device and the tasks from running.
    let spin = match std::thread::available_parallelism() {
        Ok(cores) if cores.get() > 1 => SPIN,
        _ => 0,
    };
    let mut last_work = engine.now();
    let mut operations = 0;
    loop {
        let look = look(engine);
        let accepted = engine.counters.operations.get();
        if accepted != operations {
            operations = accepted;
            last_work = engine.now();
        }
        match look {
            Look::Elsewhere => nap(engine, NAP),
            Look::InFlight => {
                if !spin_for_progress(engine, spin) {
                    sleep_armed(engine, engine.now().saturating_sub(last_work) < LINGER);
                }
            }
            Look::Gathered(deadline) => {
                let left = deadline.saturating_sub(engine.now());
                nap(engine, Duration::from_nanos(left).min(BOUNDED_SLEEP));
            }
            Look::Nothing if engine.is_closing() => break,
            Look::Nothing if engine.now().saturating_sub(last_work) < LINGER => nap(engine, NAP),
            Look::Nothing => sleep_idle(engine),
        }
    }
    engine.backend.close();
    // Release: whoever sees the phase sees the closed backend.
    engine.phase.store(Phase::Closed as u8, Ordering::Release);
    engine.closed.complete(1);
}

/// Drives once, if the role is free.
fn look(engine: &Engine) -> Look {
    let mut look = Look::Elsewhere;
    engine.role.try_drive(|state| {
        state.step(engine);
        look = if state.has_in_flight() {
            Look::InFlight
        } else if state.is_idle() {
            Look::Nothing
        } else {
            Look::Gathered(state.scheduler.poll_timeout().unwrap_or_else(|| engine.now()))
        };
    });
    look
}

/// Reads fences for a moment, without holding the role; whether there is something to do.
fn spin_for_progress(engine: &Engine, spin: Nanos) -> bool {
    let begin = engine.now();
    loop {
        let mut moved = true;
        // Without the role somebody else reads the fences.
        let entered = engine.role.try_drive(|state| moved = state.has_progress(engine));
        if !entered || moved || !engine.queue.is_empty() {
            return true;
        }
        for _ in 0..32 {
            std::hint::spin_loop();
        }
        if engine.now().saturating_sub(begin) >= spin {
            return false;
        }
    }
}

/// Sleeps until the device or a producer has something, and looks after a device that has nothing for too long. A nap
/// while operations still arrive: they may have to go out before what is in flight comes back.
fn sleep_armed(engine: &Engine, active: bool) {
    let mut armed = Armed::Nothing;
    if !engine.role.try_drive(|state| armed = state.arm(engine)) || armed == Armed::Moved {
        return;
    }
    let nap = active || armed == Armed::Nothing;
    engine.doze.announce(if nap { Sleep::ArmedNap } else { Sleep::Armed });
    if engine.queue.is_empty() && !engine.role.is_waiting() {
        let limit = if nap { NAP } else { BOUNDED_SLEEP };
        sleep_on(&[engine.wake.as_fd(), engine.backend.event_fd()], Some(limit));
    }
    engine.doze.awake();
    engine.wake.drain();
    engine.backend.drain_event();
    engine.role.try_drive(|state| check_health(engine, state));
}

/// A device that is lost moves no fence: its state tells. The state is answered locally as long as all is well.
fn check_health(engine: &Engine, state: &mut State) {
    if state.lost || state.has_progress(engine) {
        return;
    }
    if let Err(cause) = engine.backend.health() {
        state.lose(engine, cause);
    }
}

/// A short sleep that ends early for work that somebody waits for.
fn nap(engine: &Engine, limit: Duration) {
    engine.doze.announce(Sleep::Lingering);
    if engine.queue.is_empty() && !engine.role.is_waiting() && !engine.is_closing() {
        sleep_on(&[engine.wake.as_fd()], Some(limit));
    }
    engine.doze.awake();
    engine.wake.drain();
}

/// Sleeps until a producer wakes the thread.
fn sleep_idle(engine: &Engine) {
    engine.doze.announce(Sleep::Idle);
    if engine.queue.is_empty() && !engine.role.is_waiting() && !engine.is_closing() {
        sleep_on(&[engine.wake.as_fd()], None);
    }
    engine.doze.awake();
    engine.wake.drain();
}
