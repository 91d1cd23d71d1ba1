//! Fails, delays or loses chosen calls.
//!
//! A [`Rule`] picks calls by kind and number, an [`Action`] says what happens to them. The rules stand in a list behind a
//! mutex, which a call takes only while there are any; counting starts when a rule is added.

use core::ffi::c_void;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::boundary::{Boundary, RawOutcome};
use crate::sys::*;

/// Which calls a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Every call.
    Any,
    /// Calls with this request code.
    Request(u32),
}

/// What happens to a chosen call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It never reaches the inner boundary; this comes back.
    FailBefore(RawOutcome),
    /// It takes effect, and then this comes back (with the traffic that there was): the answer was lost.
    FailAfter(RawOutcome),
    /// It is made later.
    Delay(Duration),
}

/// What to do to which calls.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// The kind.
    pub which: Which,
    /// The first call of the kind that is meant, counted from 1 since the rule was added.
    pub nth: u64,
    /// How many calls from there on.
    pub times: u64,
    /// What happens to them.
    pub action: Action,
}

impl Rule {
    /// The n-th call of a request fails without effect, with this errno.
    pub fn fail_nth(request: u32, nth: u64, errno: i32) -> Self {
        Self { which: Which::Request(request), nth, times: 1, action: Action::FailBefore(RawOutcome::failed(errno)) }
    }
}

/// A boundary with faults.
pub struct FaultInjector<B> {
    inner: B,
    faults: Arc<Faults>,
}

/// The faults of a [`FaultInjector`]: rules come and go while it is in use.
#[derive(Debug, Default)]
pub struct Faults {
    /// Whether there is any rule: looked at without the lock.
    armed: AtomicBool,
    fired: AtomicU64,
    rules: Mutex<Rules>,
}

#[derive(Debug, Default)]
struct Rules {
    list: Vec<(Rule, u64)>,
    /// Calls left until the device is lost; 0 means that it is.
    until_lost: Option<u64>,
}

/// What the rules decide for one call.
#[derive(Default)]
struct Verdict {
    lost: bool,
    delay: Duration,
    instead: Option<RawOutcome>,
    after: Option<RawOutcome>,
}

impl Faults {
    fn rules(&self) -> std::sync::MutexGuard<'_, Rules> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a rule.
    pub fn add(&self, rule: Rule) {
        self.rules().list.push((rule, 0));
        self.armed.store(true, Ordering::Release);
    }

    /// From the n-th call on (1 is the next) the adapter is gone, as after a removal: calls answer `ENODEV`. Those that
    /// destroy still take effect and enumeration still answers, as with the driver. Fences keep what the inner boundary
    /// makes of them.
    pub fn lose_device_from(&self, nth: u64) {
        self.rules().until_lost = Some(nth.max(1) - 1);
        self.armed.store(true, Ordering::Release);
    }

    /// Takes every rule back, the loss of the device too.
    pub fn clear(&self) {
        *self.rules() = Rules::default();
        self.armed.store(false, Ordering::Release);
    }

    /// Calls that a rule or the loss of the device changed.
    pub fn fired(&self) -> u64 {
        self.fired.load(Ordering::Relaxed)
    }

    fn judge(&self, request: u32) -> Verdict {
        let mut verdict = Verdict::default();
        if !self.armed.load(Ordering::Acquire) {
            return verdict;
        }
        let mut fired = false;
        let mut rules = self.rules();
        match &mut rules.until_lost {
            Some(0) => verdict.lost = !answers_without_adapter(request),
            Some(left) => *left -= 1,
            None => {}
        }
        for (rule, seen) in &mut rules.list {
            if rule.which != Which::Any && rule.which != Which::Request(request) {
                continue;
            }
            *seen += 1;
            if *seen < rule.nth || *seen - rule.nth >= rule.times {
                continue;
            }
            fired = true;
            match rule.action {
                Action::FailBefore(outcome) => verdict.instead = Some(outcome),
                Action::FailAfter(outcome) => verdict.after = Some(outcome),
                Action::Delay(delay) => verdict.delay += delay,
            }
        }
        drop(rules);
        if fired || verdict.lost {
            self.fired.fetch_add(1, Ordering::Relaxed);
        }
        verdict
    }
}

/// Calls that a removed adapter does not keep from answering.
fn answers_without_adapter(request: u32) -> bool {
    matches!(request, LX_DXENUMADAPTERS2 | LX_DXENUMADAPTERS3 | LX_DXCLOSEADAPTER)
}

/// Calls that free a handle even when they fail.
fn destroys(request: u32) -> bool {
    matches!(
        request,
        LX_DXDESTROYDEVICE
            | LX_DXDESTROYCONTEXT
            | LX_DXDESTROYHWQUEUE
            | LX_DXDESTROYPAGINGQUEUE
            | LX_DXDESTROYALLOCATION2
            | LX_DXDESTROYSYNCHRONIZATIONOBJECT
            | LX_DXFREEGPUVIRTUALADDRESS
    )
}

impl<B> FaultInjector<B> {
    /// Passes calls to `inner`, until a fault is added.
    pub fn new(inner: B) -> Self {
        Self { inner, faults: Arc::default() }
    }

    /// The faults.
    pub fn faults(&self) -> Arc<Faults> {
        self.faults.clone()
    }
}

impl<B: Boundary> Boundary for FaultInjector<B> {
    unsafe fn ioctl(&self, request: u32, arg: *mut c_void) -> RawOutcome {
        let verdict = self.faults.judge(request);
        if !verdict.delay.is_zero() {
            std::thread::sleep(verdict.delay);
        }
        let gone = RawOutcome::failed(libc::ENODEV);
        let instead = verdict.instead.or_else(|| (verdict.lost && !destroys(request)).then_some(gone));
        if let Some(outcome) = instead {
            return outcome;
        }
        // SAFETY: forwarded unchanged; the caller's promise is the one that the inner call asks for.
        let outcome = unsafe { self.inner.ioctl(request, arg) };
        match verdict.after.or_else(|| verdict.lost.then_some(gone)) {
            Some(changed) => changed.with_traffic(outcome.traffic),
            None => outcome,
        }
    }

    fn name(&self) -> &str {
        self.inner.name()
    }
}
