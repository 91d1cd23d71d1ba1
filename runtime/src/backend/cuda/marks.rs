//! The events of one queue, from a stock that is used again and again.
//!
//! They serve whatever the fence memory cannot: another stream's wait, a thread that sleeps, and the look at whether fence
//! memory tells the truth. An event costs its call, and few fence values need one: it is recorded when somebody asks, behind
//! everything that the stream has by then.
//!
//! | part | who may touch it |
//! |---|---|
//! | `Marks` | any thread, under the queue's lock; the driver is called under it for records and queries, which do not block |

use std::collections::VecDeque;
use std::ptr;

use super::context::Context;
use super::library::Refusal;
use super::sys::{self, status};

/// Events that a queue keeps for later, at most.
const STOCK: usize = 64;

/// The events of a queue.
#[derive(Default)]
pub(super) struct Marks {
    /// In the order of their values.
    flying: VecDeque<Mark>,
    stock: Vec<sys::Event>,
    /// The last value whose work is in the stream as a whole.
    noted: u64,
}

#[derive(Clone, Copy)]
struct Mark {
    value: u64,
    event: sys::Event,
}

// SAFETY: needed because of the handles. Events may be used from any thread inside their context.
unsafe impl Send for Marks {}

impl Marks {
    /// The last value whose work is in the stream as a whole.
    pub fn noted(&self) -> u64 {
        self.noted
    }

    /// Everything up to `value` is in the stream.
    pub fn note(&mut self, value: u64) {
        self.noted = self.noted.max(value);
    }

    /// An event that is complete once the queue has reached `value`, recorded now if there is none; `None`: the value is not in
    /// the stream. Called inside the context.
    pub fn event_for(
        &mut self,
        context: &Context,
        stream: sys::Stream,
        value: u64,
    ) -> Result<Option<sys::Event>, Refusal> {
        if self.noted < value {
            return Ok(None);
        }
        if self.event_of(value).is_none() {
            self.record(context, stream, self.noted)?;
        }
        Ok(self.event_of(value))
    }

    /// Records an event behind everything in the stream so far, as the mark of `value`.
    fn record(&mut self, context: &Context, stream: sys::Stream, value: u64) -> Result<(), Refusal> {
        let event = match self.stock.pop() {
            Some(event) => event,
            None => new_event(context)?,
        };
        // SAFETY: needed to call the driver; event and stream are alive, and of this context.
        let found = unsafe { (context.driver.api.event_record)(event, stream) };
        if let Err(refusal) = context.check(found) {
            self.stock.push(event);
            return Err(refusal);
        }
        self.flying.push_back(Mark { value, event });
        Ok(())
    }

    /// Takes back the events of values that are reached.
    pub fn reclaim(&mut self, context: &Context, completed: u64) {
        while let Some(first) = self.flying.front().filter(|mark| mark.value <= completed) {
            let event = first.event;
            self.flying.pop_front();
            if self.stock.len() < STOCK {
                self.stock.push(event);
            } else {
                destroy(context, event);
            }
        }
    }

    /// The first event that is complete once the queue has reached `value`.
    fn event_of(&self, value: u64) -> Option<sys::Event> {
        let index = self.flying.partition_point(|mark| mark.value < value);
        self.flying.get(index).map(|mark| mark.event)
    }

    /// The largest value whose event is complete, or 0; asks the driver.
    pub fn completed(&self, context: &Context) -> Result<u64, Refusal> {
        let mut reached = 0;
        for mark in &self.flying {
            // SAFETY: needed to call the driver; the event is alive.
            match unsafe { (context.driver.api.event_query)(mark.event) } {
                status::SUCCESS => reached = mark.value,
                status::NOT_READY => break,
                other => return context.check(other).map(|()| reached),
            }
        }
        Ok(reached)
    }

    /// Gives every event back to the driver. Nothing waits for one any more.
    pub fn clear(&mut self, context: &Context) {
        let flying = self.flying.drain(..).map(|mark| mark.event);
        for event in flying.chain(self.stock.drain(..)) {
            destroy(context, event);
        }
    }
}

fn new_event(context: &Context) -> Result<sys::Event, Refusal> {
    let mut event = ptr::null_mut();
    // SAFETY: needed to call the driver; it writes one handle.
    let found = unsafe { (context.driver.api.event_create)(&mut event, sys::EVENT_FLAGS) };
    context.check(found)?;
    Ok(event)
}

fn destroy(context: &Context, event: sys::Event) {
    // SAFETY: needed to call the driver; the event is alive, and not used after this.
    let _destroyed = unsafe { (context.driver.api.event_destroy)(event) };
}
