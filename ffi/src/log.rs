//! The log: the runtime's tracing events as lines for a callback.

use std::ffi::{CString, c_void};
use std::fmt::Write;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwapOption;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span;
use tracing::{Event, Level, Metadata, Subscriber};

use crate::guard::{Failure, Outcome};
use crate::status::dxgrt_status::DXGRT_UNSUPPORTED;
use crate::types::dxgrt_log_callback;

struct Sink {
    level: LevelFilter,
    callback: dxgrt_log_callback,
    user: *mut c_void,
}

// SAFETY: needed because of the foreign pointer; by the rules page the callback may be called with it from any thread.
unsafe impl Send for Sink {}
// SAFETY: as above.
unsafe impl Sync for Sink {}

static SINK: ArcSwapOption<Sink> = ArcSwapOption::const_empty();

/// Sets or ends the callback.
pub(crate) fn set(level: u32, callback: dxgrt_log_callback, user: *mut c_void) -> Outcome {
    static INSTALLED: OnceLock<bool> = OnceLock::new();
    if callback.is_some() && !INSTALLED.get_or_init(|| tracing::subscriber::set_global_default(Lines).is_ok()) {
        return Err(Failure::new(
            DXGRT_UNSUPPORTED,
            "this program has a tracing subscriber of its own already; take the log from that one",
        ));
    }
    let level = match level {
        1 => LevelFilter::ERROR,
        2 => LevelFilter::WARN,
        3 => LevelFilter::INFO,
        4 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    SINK.store(callback.is_some().then(|| Arc::new(Sink { level, callback, user })));
    tracing::callsite::rebuild_interest_cache();
    Ok(())
}

/// The subscriber: events become lines, spans are of no interest.
struct Lines;

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        SINK.load().as_ref().is_some_and(|sink| *metadata.level() <= sink.level)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(SINK.load().as_ref().map_or(LevelFilter::OFF, |sink| sink.level))
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let sink = SINK.load_full();
        let Some((callback, sink)) = sink.as_ref().and_then(|sink| Some((sink.callback?, sink))) else {
            return;
        };
        let metadata = event.metadata();
        let mut line = Line::default();
        event.record(&mut line);
        let (Ok(target), Ok(text)) = (CString::new(metadata.target()), CString::new(line.finish())) else {
            return;
        };
        // SAFETY: needed because the function is foreign; it was given for this, with the pointer that goes with it, and the
        // strings live for the call.
        unsafe { callback(sink.user, number(*metadata.level()), target.as_ptr(), text.as_ptr()) };
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

fn number(level: Level) -> u32 {
    match level {
        Level::ERROR => 1,
        Level::WARN => 2,
        Level::INFO => 3,
        Level::DEBUG => 4,
        Level::TRACE => 5,
    }
}

/// The message first, then `name=value` for each field.
#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Line {
    fn finish(self) -> String {
        let line = format!("{}{}", self.message, self.fields);
        // A NUL would end the line early.
        if line.contains('\0') { line.replace('\0', "\\0") } else { line }
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        // Writing to a string does not fail.
        let _written = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}
