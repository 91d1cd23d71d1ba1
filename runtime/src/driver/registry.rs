//! Ids of streams and events: small, dense, and used again when their last user is through.
//!
//! Touched when a stream or an event is made, dropped, or first seen by the driver; never on the path of an operation.

use std::sync::Arc;

use dxg_scheduler::{EventId, StreamId};

use super::StreamShared;
use crate::backend::STREAMS_MAX;
use crate::error::{Error, Result};
use crate::sync::{Mutex, MutexGuard};

/// Events of one device, at most: the scheduler's tables are indexed by their ids.
const EVENTS_MAX: u32 = 1 << 20;

pub(super) struct Registry {
    tables: Mutex<Tables>,
}

#[derive(Default)]
struct Tables {
    streams: Vec<Option<Arc<StreamShared>>>,
    free_streams: Vec<u32>,
    next_event: u32,
    free_events: Vec<u32>,
}

impl Registry {
    /// Empty.
    pub(super) fn new() -> Self {
        Registry { tables: Mutex::new(Tables::default()) }
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        // A panic while the lock was held leaves whole entries: every change below is one push or one store.
        self.tables.lock()
    }

    pub(super) fn add_stream(&self, make: impl FnOnce(StreamId) -> StreamShared) -> Result<Arc<StreamShared>> {
        let mut tables = self.tables();
        let index = match tables.free_streams.pop() {
            Some(index) => index,
            None if (tables.streams.len() as u32) < STREAMS_MAX => {
                tables.streams.push(None);
                tables.streams.len() as u32 - 1
            }
            None => {
                return Err(Error::invalid(format!(
                    "{STREAMS_MAX} streams are open on this device, which is all it can tell apart; drop some first"
                )));
            }
        };
        let stream = Arc::new(make(StreamId(index)));
        tables.streams[index as usize] = Some(stream.clone());
        Ok(stream)
    }

    pub(super) fn stream(&self, id: StreamId) -> Option<Arc<StreamShared>> {
        self.tables().streams.get(id.0 as usize)?.clone()
    }

    pub(super) fn streams(&self) -> Vec<Arc<StreamShared>> {
        self.tables().streams.iter().flatten().cloned().collect()
    }

    pub(super) fn release_stream(&self, id: StreamId) {
        let gone = {
            let mut tables = self.tables();
            let gone = tables.streams.get_mut(id.0 as usize).and_then(Option::take);
            if gone.is_some() {
                tables.free_streams.push(id.0);
            }
            gone
        };
        // Outside of the lock: the last of a stream may let others in, whose wakers are anybody's code.
        drop(gone);
    }

    pub(super) fn add_event(&self) -> Result<EventId> {
        let mut tables = self.tables();
        if let Some(id) = tables.free_events.pop() {
            return Ok(EventId(id));
        }
        if tables.next_event == EVENTS_MAX {
            return Err(Error::invalid(format!("{EVENTS_MAX} events are alive on this device; drop some first")));
        }
        tables.next_event += 1;
        Ok(EventId(tables.next_event - 1))
    }

    pub(super) fn release_event(&self, id: EventId) {
        self.tables().free_events.push(id.0);
    }
}
