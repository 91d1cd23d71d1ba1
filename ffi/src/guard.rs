//! The one door of every export: forked processes are turned away, failures become a status and a sentence, panics end here.
//!
//! Nothing unwinds into foreign code. A test reads the sources and checks that each `extern "C"` function has one of the two
//! guards as its whole body.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

use dxg_runtime::{Error, TryError};

use crate::status::dxgrt_status::{self, *};
use crate::status::status_of;

/// Why a call did not do what it was asked for.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: dxgrt_status,
    text: Text,
}

/// The sentence of a failure, made only when it is stored.
#[derive(Debug)]
enum Text {
    /// Not a failure: nothing to tell.
    None,
    Written(String),
    Of(Error),
}

pub(crate) type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    /// A failure with this sentence.
    pub(crate) fn new(status: dxgrt_status, text: impl Into<String>) -> Self {
        Failure { status, text: Text::Written(text.into()) }
    }

    /// What can never be right.
    pub(crate) fn invalid(text: impl Into<String>) -> Self {
        Failure::new(DXGRT_INVALID, text)
    }

    /// The same, of a node of a graph.
    pub(crate) fn at_node(self, node: usize) -> Self {
        let text = match &self.text {
            Text::None => return self,
            Text::Written(text) => text.clone(),
            Text::Of(error) => error.to_string(),
        };
        Failure::new(self.status, format!("node {node}: {text}"))
    }

    /// No failure, and no success either: not ready, or out of time. The stored sentence stays.
    pub(crate) fn quiet(status: dxgrt_status) -> Self {
        Failure { status, text: Text::None }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match status_of(&error) {
            status @ DXGRT_NOT_READY => Failure::quiet(status),
            status => Failure { status, text: Text::Of(error) },
        }
    }
}

impl From<TryError> for Failure {
    fn from(error: TryError) -> Self {
        match error {
            TryError::Full { .. } => Failure::new(DXGRT_FULL, error.to_string()),
            TryError::Failed(error) => error.into(),
        }
    }
}

thread_local! {
    /// The sentence of this thread's last failure.
    static LAST: RefCell<String> = const { RefCell::new(String::new()) };
}

/// This process is the child of one that used the library.
static FORKED: AtomicBool = AtomicBool::new(false);

extern "C" fn child_after_fork() {
    guard_child(|| FORKED.store(true, Ordering::Relaxed));
}

/// A store of one word cannot panic; the name is what the test of all exports looks for.
fn guard_child(body: impl FnOnce()) {
    body();
}

/// From now on children of this process are turned away.
pub(crate) fn watch_forks() {
    static WATCHED: std::sync::Once = std::sync::Once::new();
    WATCHED.call_once(|| {
        // SAFETY: needed because the function is foreign; the handler lives as long as the library, which is never unmapped,
        // and does nothing but a store, which is safe in the child of a process with many threads.
        let refused = unsafe { libc::pthread_atfork(None, None, Some(child_after_fork)) };
        if refused != 0 {
            tracing::warn!(refused, "children of this process will not be recognised");
        }
    });
}

/// The body of an export that answers with a status.
pub(crate) fn guard(body: impl FnOnce() -> Outcome) -> dxgrt_status {
    if FORKED.load(Ordering::Relaxed) {
        return refuse_forked();
    }
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => DXGRT_OK,
        Ok(Err(failure)) => note(failure),
        Err(panic) => note_panic(panic),
    }
}

/// The body of an export that answers with a value, and with `otherwise` where it fails.
pub(crate) fn guard_value<T>(otherwise: T, body: impl FnOnce() -> Outcome<T>) -> T {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(value)) => value,
        Ok(Err(failure)) => {
            note(failure);
            otherwise
        }
        Err(panic) => {
            note_panic(panic);
            otherwise
        }
    }
}

/// For bodies of [`guard_value`] that touch state.
pub(crate) fn check_fork() -> Outcome {
    if FORKED.load(Ordering::Relaxed) { Err(forked()) } else { Ok(()) }
}

fn forked() -> Failure {
    Failure::new(
        DXGRT_FORKED,
        "this process was forked from one that had opened a context; contexts do not survive that: use the library after \
         exec, or fork before the first dxgrt_open",
    )
}

#[cold]
fn refuse_forked() -> dxgrt_status {
    note(forked())
}

/// Keeps the failure's sentence for this thread.
#[cold]
fn note(failure: Failure) -> dxgrt_status {
    let text = match failure.text {
        Text::None => return failure.status,
        Text::Written(text) => text,
        Text::Of(error) => error.to_string(),
    };
    // A thread that ends may call from a destructor: then there is no place for the sentence any more.
    let _gone = LAST.try_with(|last| {
        if let Ok(mut last) = last.try_borrow_mut() {
            *last = text;
        }
    });
    failure.status
}

#[cold]
fn note_panic(panic: Box<dyn std::any::Any + Send>) -> dxgrt_status {
    let said = panic.downcast_ref::<&str>().copied().map(str::to_owned);
    let said = said.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned());
    // What was thrown may panic when it is dropped; it is not worth a second look.
    std::mem::forget(panic);
    note(Failure::new(DXGRT_PANIC, format!("a defect of the library was caught: {said}; please report it")))
}

/// Gives `read` the sentence of this thread's last failure.
pub(crate) fn with_last<R>(read: impl FnOnce(&str) -> R) -> Option<R> {
    LAST.try_with(|last| last.try_borrow().ok().map(|last| read(&last))).ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_a_status_with_its_message() {
        std::panic::set_hook(Box::new(|_| {}));
        let status = guard(|| panic!("on purpose"));
        let _default = std::panic::take_hook();
        assert_eq!(status, DXGRT_PANIC);
        assert!(with_last(|text| text.contains("on purpose")).unwrap());
        assert_eq!(guard_value(7, || Err(Failure::invalid("no"))), 7);
        assert_eq!(with_last(str::to_owned).unwrap(), "no");
    }

    #[test]
    fn what_is_no_failure_leaves_the_sentence() {
        assert_eq!(guard(|| Err(Failure::invalid("kept"))), DXGRT_INVALID);
        assert_eq!(guard(|| Err(Failure::quiet(DXGRT_NOT_READY))), DXGRT_NOT_READY);
        assert_eq!(with_last(str::to_owned).unwrap(), "kept");
    }
}
