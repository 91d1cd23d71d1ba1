//! What the driver thread (or task) does between two sleeps, and how long it may sleep.
//!
//! ```text
//! look ──work moves──▶ look again
//!  │ in flight, fences still: spin a moment ─▶ arm ─▶ sleep on {wake, device event}, ≤ 100 ms
//!  │ gathered, nobody waits: sleep until the gather deadline
//!  │ nothing: linger a moment (naps), then sleep without a limit
//! ```
//!
//! With nothing in flight the attendant uses no CPU and sends nothing. With work in flight no sleep is unbounded: after
//! 100 ms at most fence and device state are looked at again, so that a lost device or a lost notification ends no wait
//! later than that.

use std::time::Duration;

use dxg_scheduler::{Nanos, QueueId};
use smallvec::SmallVec;

use super::state::State;
use super::{Engine, Phase};
use crate::core::doze::Sleep;
use crate::error::LostCause;
use crate::sync::atomic::Ordering;
use crate::sync::{Mutation, mutated, thread};

/// Fences are read in a loop for this long before a thread sleeps: a little more than a small batch takes from
/// submission to completion, and less than a wake-up costs.
const SPIN: Nanos = 30_000;
/// One nap after the last work; work that nobody waits for is seen at its end at the latest.
const NAP: Duration = Duration::from_micros(200);
/// After this long without work the attendant sleeps without a limit.
const LINGER: Nanos = 2_000_000;
/// The longest sleep with work in flight.
const BOUNDED_SLEEP: Duration = Duration::from_millis(100);

/// Whoever drives when nobody else does. One for each engine.
pub(super) struct Attendant {
    spin: Nanos,
    last_work: Nanos,
    /// Operations accepted up to the last look.
    operations: u64,
    /// What had been [`driven`] when the last nap began, if that was one that ended by itself.
    napped: Option<u64>,
    /// When the device's state was last looked at.
    looked: Nanos,
}

/// What to do after a look.
pub(super) enum Rest {
    /// Look again at once.
    Again,
    /// Sleep: see [`Attendant::fall_asleep`].
    Asleep(Nap),
    /// The engine is closed.
    End,
}

/// One sleep.
pub(super) struct Nap {
    kind: Sleep,
    pub(super) limit: Option<Duration>,
}

impl Nap {
    /// Whether the device's event ends it too.
    pub(super) fn on_device(&self) -> bool {
        matches!(self.kind, Sleep::Armed | Sleep::ArmedNap)
    }
}

/// What one look found.
enum Look {
    /// Somebody else drives.
    Elsewhere,
    InFlight,
    /// Operations that go out at this time.
    Gathered(Nanos),
    Nothing,
    /// The engine is closing, and everything that was accepted is through.
    Over,
}

impl Attendant {
    /// One for a thread of its own, which may spin.
    pub(super) fn on_thread(engine: &Engine) -> Self {
        // On one core a spinning thread only keeps the device and the tasks from running.
        let spin = match std::thread::available_parallelism() {
            Ok(cores) if cores.get() > 1 => SPIN,
            _ => 0,
        };
        Attendant { spin, last_work: engine.now(), operations: 0, napped: None, looked: engine.now() }
    }

    /// One for a task of an executor, whose threads belong to others.
    #[cfg(feature = "tokio")]
    pub(super) fn on_task(engine: &Engine) -> Self {
        Attendant { spin: 0, last_work: engine.now(), operations: 0, napped: None, looked: engine.now() }
    }

    /// Drives, and says what to do then.
    pub(super) fn attend(&mut self, engine: &Engine) -> Rest {
        let driven = driven(engine);
        // Tasks that drive all the time read fences, and those of a lost device may never move.
        if engine.now().saturating_sub(self.looked) >= BOUNDED_SLEEP.as_nanos() as Nanos {
            self.look_at_health(engine);
        }
        // While tasks drive by themselves this thread stays out of their way: whoever drives serves all that came before, and
        // wakes this thread for what it leaves behind.
        if self.napped.take().is_some_and(|before| before != driven) && !engine.is_closing() {
            self.napped = Some(driven);
            return Rest::Asleep(Nap { kind: Sleep::Lingering, limit: Some(NAP) });
        }
        let look = look(engine);
        // After it: what this thread does itself is not what it stays out of the way of.
        let driven = self::driven(engine);
        let accepted = engine.queue.next_ticket();
        if accepted != self.operations {
            self.operations = accepted;
            self.last_work = engine.now();
        }
        let active = engine.now().saturating_sub(self.last_work) < LINGER;
        let (kind, limit) = match look {
            Look::Elsewhere => (Sleep::Lingering, Some(NAP)),
            Look::InFlight if self.spin_for_progress(engine) => return Rest::Again,
            Look::InFlight => return arm(engine, active),
            Look::Gathered(deadline) => {
                let left = Duration::from_nanos(deadline.saturating_sub(engine.now()));
                (Sleep::Lingering, Some(left.min(NAP)))
            }
            Look::Over => {
                close(engine);
                return Rest::End;
            }
            // Somebody is about to enqueue what he has room for.
            Look::Nothing if engine.is_closing() => {
                thread::yield_now();
                return Rest::Again;
            }
            Look::Nothing if active => (Sleep::Lingering, Some(NAP)),
            Look::Nothing => (Sleep::Idle, None),
        };
        self.napped = (kind == Sleep::Lingering).then_some(driven);
        Rest::Asleep(Nap { kind, limit })
    }

    /// Announces the sleep and looks once more; true: sleep now, then call [`Attendant::wake_up`] in any case.
    pub(super) fn fall_asleep(&mut self, engine: &Engine, nap: &Nap) -> bool {
        let undisturbed = engine.doze.announce(nap.kind);
        // What came meanwhile and nobody waits for can wait for the end of a nap.
        let is_nap = matches!(nap.kind, Sleep::Lingering | Sleep::ArmedNap);
        let quiet = undisturbed && (is_nap || engine.queue.is_empty()) && !engine.role.is_waiting();
        let asleep = quiet && (nap.on_device() || !engine.is_closing());
        if !asleep {
            self.napped = None;
        }
        asleep
    }

    /// Ends the sleep, whatever ended it; `readable`: perhaps a descriptor did.
    pub(super) fn wake_up(&mut self, engine: &Engine, nap: &Nap, readable: bool) {
        let ended_by_others = engine.doze.awake();
        if ended_by_others || readable {
            self.napped = None;
            engine.wake.drain();
        }
        if nap.on_device() {
            if engine.backend.drain_event() {
                engine.counters.device_wakes.add(1);
            }
            self.look_at_health(engine);
        }
    }

    fn look_at_health(&mut self, engine: &Engine) {
        if engine.role.try_drive(|state| check_health(engine, state)) {
            self.looked = engine.now();
        }
    }

    /// Reads fences for a moment; whether there is something to do.
    fn spin_for_progress(&self, engine: &Engine) -> bool {
        engine.look_until(engine.now().saturating_add(self.spin))
    }
}

/// Grows while anybody drives: with every time that a task takes the role, and with every batch, for a task may keep it for long.
fn driven(engine: &Engine) -> u64 {
    engine.counters.inline_drives.get() + engine.counters.submissions.get()
}

/// Drives once, if the role is free.
fn look(engine: &Engine) -> Look {
    let mut look = Look::Elsewhere;
    engine.role.try_drive(|state| {
        state.step(engine);
        look = if state.has_in_flight() {
            Look::InFlight
        } else if state.is_idle() {
            // A broken state has lost count, and takes nothing in.
            let broken = state.broken || engine.common.is_broken();
            let drained = || broken || engine.common.admission.is_drained() || mutated(Mutation::EndForgetsWhoEnters);
            let over = engine.is_closing() && drained() && engine.retiring.is_clear();
            if over { Look::Over } else { Look::Nothing }
        } else {
            // While a thread submits, it is the one who goes on: until the end of a nap is soon enough for this one.
            let other = if state.is_submitting() { Nanos::MAX } else { engine.now() };
            Look::Gathered(state.scheduler.poll_timeout().unwrap_or(other))
        };
    });
    look
}

/// Arms the device's notification. A nap while operations still arrive: they may have to go out before what is in
/// flight comes back.
fn arm(engine: &Engine, active: bool) -> Rest {
    let mut missing: SmallVec<[(QueueId, u64); 8]> = SmallVec::new();
    if !engine.role.try_drive(|state| missing.extend(state.mark_unarmed())) {
        return Rest::Again;
    }
    let mut nap = active;
    for (queue, value) in missing {
        match engine.backend.arm(queue, value) {
            Ok(_kind) => engine.counters.armed_waits.add(1),
            Err(error) => {
                // What could not be armed is looked for by time.
                nap = true;
                let queue_number = queue.0;
                tracing::warn!(queue = queue_number, %error, "a notification could not be armed; sleeping by time limit");
                while !engine.role.try_drive(|state| state.disarmed(queue)) {
                    thread::yield_now();
                }
            }
        }
    }
    // A fence that moved before it was armed may raise nothing.
    let mut moved = true;
    engine.role.try_drive(|state| moved = state.has_progress(engine));
    if moved && !mutated(Mutation::ArmIgnoresProgress) {
        return Rest::Again;
    }
    Rest::Asleep(match nap {
        true => Nap { kind: Sleep::ArmedNap, limit: Some(NAP) },
        false if mutated(Mutation::ArmedSleepUnbounded) => Nap { kind: Sleep::Armed, limit: None },
        false => Nap { kind: Sleep::Armed, limit: Some(BOUNDED_SLEEP) },
    })
}

/// A device that is lost moves no fence: its state tells, and where that says nothing, time does. The state is answered
/// locally as long as all is well.
fn check_health(engine: &Engine, state: &mut State) {
    if state.lost || !state.has_in_flight() || state.has_progress(engine) || mutated(Mutation::HealthUnchecked) {
        return;
    }
    if let Err(cause) = engine.backend.health() {
        state.lose(engine, cause);
        return;
    }
    let limit = engine.settings().limits.silence_time;
    if state.is_silent(engine.now(), Nanos::try_from(limit.as_nanos()).unwrap_or(Nanos::MAX)) {
        state.lose(engine, LostCause::silent(limit));
    }
}

fn close(engine: &Engine) {
    engine.submitters.close();
    engine.backend.close();
    // Release: whoever sees the phase sees the closed backend.
    engine.phase.store(Phase::Closed as u8, Ordering::Release);
    engine.closed.complete(1);
}
