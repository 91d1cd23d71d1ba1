//! The VMBus, live: ioctls send through [`Link`], the host handles what arrives in ring order, and answers come back.
//!
//! A sender asks the model ([`model::bus`](super::model::bus)) what a message costs, writes it, and spends that time. The
//! host's side is a role: whoever holds `host` handles everything that is due. With costs it is played by the host thread
//! and by threads that wait for a round trip, at the modelled times; with [`Parameters::zero`] by the sender itself, at
//! once, so that no message needs another thread.
//!
//! | | taken by | held for |
//! |---|---|---|
//! | `state` (rings, totals) | every sender; the host role | an insert or a removal |
//! | `host` (host objects) | the host role, by try-lock alone | one message |
//! | `log` | the host role, while logging is on | a push |
//!
//! Lock order: `host` before `state`, never the other way round. A sender that does not get `host` may leave: the holder
//! looks again after it has let go.

pub mod dispatcher;
pub mod events;
pub mod message;
mod pending;
pub mod sleeper;

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use self::dispatcher::{Dispatcher, Driving, Due};
use self::message::{Envelope, HostAnswer, LoggedMessage, ProcessKey, Reply, Request, Target, Work, answer_is_long};
use self::pending::Slot;
use super::clock::{Clock, SPIN_BELOW_NS, pause};
use super::gpu::Gpu;
use super::host::Host;
use super::model::bus::{Bus, Message, RingName};
use super::params::Parameters;
use crate::boundary::Traffic;
use crate::status::{Errno, NtStatus};

/// No message or answer is longer, routing prefix included.
pub const LONGEST_MESSAGE: u32 = 131_072;

enum Content {
    Work(Work),
    Request(Box<Request>, Arc<Slot>),
}

struct Parcel {
    command: &'static str,
    process: ProcessKey,
    payload: u32,
    ring_bytes: u32,
    content: Content,
}

struct State {
    bus: Bus<Parcel>,
    totals: Traffic,
    answers: HashMap<&'static str, VecDeque<HostAnswer>>,
}

/// The connection of one virtual machine to its host.
pub struct Link {
    clock: Clock,
    inline: bool,
    asynchronous: bool,
    prefix: u32,
    state: Mutex<State>,
    host: Mutex<Host>,
    gpu: Arc<Gpu>,
    dispatcher: Arc<Dispatcher>,
    logging: AtomicBool,
    log: Mutex<Vec<LoggedMessage>>,
}

impl Link {
    /// A connected link with empty rings. The host thread begins when something is due later.
    pub fn new(parameters: &Parameters, clock: Clock, gpu: Arc<Gpu>, dispatcher: Arc<Dispatcher>) -> Arc<Link> {
        let link = Arc::new(Link {
            clock,
            inline: parameters.messages_are_free(),
            asynchronous: parameters.async_messages,
            prefix: parameters.prefix_bytes(),
            state: Mutex::new(State { bus: Bus::new(parameters), totals: Traffic::NONE, answers: HashMap::new() }),
            host: Mutex::new(Host::new(parameters, gpu.clone(), dispatcher.clone())),
            gpu,
            dispatcher,
            logging: AtomicBool::new(false),
            log: Mutex::default(),
        });
        let weak = Arc::downgrade(&link);
        link.dispatcher.sleeper.install(Box::new(move || {
            std::thread::Builder::new().name("dxg-host".into()).spawn(move || {
                if let Some(link) = weak.upgrade() {
                    host_thread(&link);
                }
            })
        }));
        link
    }

    /// Guest events and the device-state counter.
    pub fn dispatcher(&self) -> &Arc<Dispatcher> {
        &self.dispatcher
    }

    /// The GPU behind the host, for mapping what answers refer to.
    pub fn gpu(&self) -> &Arc<Gpu> {
        &self.gpu
    }

    /// Bytes of the routing prefix.
    pub fn prefix(&self) -> u32 {
        self.prefix
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn log(&self) -> MutexGuard<'_, Vec<LoggedMessage>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring(&self, target: Target) -> RingName {
        match target {
            Target::VirtualGpu if !self.asynchronous => RingName::VirtualGpu,
            _ => RingName::Global,
        }
    }

    fn payload(&self, envelope: &Envelope) -> Result<u32, Errno> {
        let payload = envelope.payload.saturating_add(self.prefix);
        if payload > LONGEST_MESSAGE { Err(Errno(libc::EINVAL)) } else { Ok(payload) }
    }

    /// Whether a payload (prefix not counted) stays within the longest message.
    pub fn payload_fits(&self, payload: u64) -> bool {
        payload + u64::from(self.prefix) <= u64::from(LONGEST_MESSAGE)
    }

    /// Sends work: posted if asynchronous messages are on, else as a round trip whose status is answered.
    pub fn send_work(
        &self,
        process: ProcessKey,
        envelope: Envelope,
        work: Work,
        traffic: &mut Traffic,
    ) -> Result<i32, Errno> {
        if !self.asynchronous {
            let reply = self.round_trip(process, envelope, Request::Work(work), traffic)?;
            return outcome(reply.status);
        }
        let payload = self.payload(&envelope)?;
        let message = Message {
            ring: self.ring(envelope.target),
            payload,
            round_trip: false,
            submission: matches!(work, Work::Submit { .. }),
        };
        let mut attempt = 0;
        let resumes = loop {
            let mut state = self.state();
            let now = self.clock.now();
            if state.bus.fits(now, message.ring, payload) {
                let ring_bytes = super::model::bus::ring_cost(payload);
                let content = Content::Work(work);
                let parcel = Parcel { command: envelope.command, process, payload, ring_bytes, content };
                let sent = state.bus.send(now, message, parcel);
                let mut added = Traffic::posted(u64::from(payload));
                added.doorbells = u32::from(sent.doorbell);
                state.totals += added;
                *traffic += added;
                break sent.sender_resumes;
            }
            let full = state.bus.full_ring();
            if attempt >= full.tries {
                return Err(Errno(libc::EAGAIN));
            }
            attempt += 1;
            state.totals.full_ring_sleeps = state.totals.full_ring_sleeps.saturating_add(1);
            traffic.full_ring_sleeps += 1;
            drop(state);
            self.pump();
            self.hand_over();
            std::thread::sleep(Duration::from_nanos(full.sleep(attempt)));
        };
        if self.inline {
            if self.pump() != u64::MAX {
                self.hand_over();
            }
        } else {
            self.dispatcher.sleeper.wake_by(resumes);
            self.clock.wait_until(resumes);
        }
        Ok(0)
    }

    /// Sends a request and waits for its answer. A full ring is an error at once; so is an answer that is too short.
    pub fn round_trip(
        &self,
        process: ProcessKey,
        envelope: Envelope,
        request: Request,
        traffic: &mut Traffic,
    ) -> Result<Reply, Errno> {
        let payload = self.payload(&envelope)?;
        let submission = matches!(request, Request::Work(Work::Submit { .. }));
        let message = Message { ring: self.ring(envelope.target), payload, round_trip: true, submission };
        let slot = Arc::new(Slot::default());
        let mut state = self.state();
        let now = self.clock.now();
        if !state.bus.fits(now, message.ring, payload) {
            return Err(Errno(libc::EAGAIN));
        }
        let ring_bytes = super::model::bus::ring_cost(payload);
        let content = Content::Request(Box::new(request), slot.clone());
        let parcel = Parcel { command: envelope.command, process, payload, ring_bytes, content };
        let sent = state.bus.send(now, message, parcel);
        let mut added = Traffic::round_trip(u64::from(payload));
        added.doorbells = u32::from(sent.doorbell);
        state.totals += added;
        *traffic += added;
        let half = state.bus.half_round_trip();
        drop(state);
        let (reply, at) = self.wait_for(&slot);
        self.clock.wait_until(at.saturating_add(half));
        if reply.short { Err(Errno(libc::EOVERFLOW)) } else { Ok(reply) }
    }

    /// Plays the host while waiting for an answer, so that a round trip alone needs no other thread.
    fn wait_for(&self, slot: &Slot) -> (Reply, u64) {
        let mut rounds = 0;
        loop {
            let next = self.pump();
            if let Some(answer) = slot.take() {
                self.hand_over();
                return answer;
            }
            let now = self.clock.now();
            if next <= now {
                // Another thread plays the host and is at work.
                pause(&mut rounds);
            } else if next - now < SPIN_BELOW_NS {
                while self.clock.now() < next && !slot.ready() {
                    pause(&mut rounds);
                }
            } else {
                // The host is stalled, or its next deadline is far: nothing to play until somebody answers.
                slot.sleep(Duration::from_nanos((next - now).min(1_000_000)));
            }
        }
    }

    /// This thread stops driving: what comes later is the host thread's.
    fn hand_over(&self) {
        let next = self.next_deadline();
        if next != u64::MAX {
            self.dispatcher.sleeper.wake_by(next);
        }
    }

    /// Handles everything that is due; the answer is when something is due next.
    pub fn pump(&self) -> u64 {
        let _driving = Driving::begin();
        loop {
            let contended = !self.handle_messages();
            while let Some(due) = self.dispatcher.take_due(self.clock.now()) {
                self.fire(due);
            }
            let now = self.clock.now();
            if self.dispatcher.take_gpu_deadline(now)
                && let Some(next) = self.gpu.run(now)
            {
                self.dispatcher.gpu_due(next);
            }
            let messages = self.state().bus.next_due().unwrap_or(u64::MAX);
            let others = self.dispatcher.next_deadline();
            let now = self.clock.now();
            if others > now && (messages > now || contended) {
                return messages.min(others);
            }
        }
    }

    fn next_deadline(&self) -> u64 {
        let messages = self.state().bus.next_due().unwrap_or(u64::MAX);
        messages.min(self.dispatcher.next_deadline())
    }

    fn fire(&self, due: Due) {
        match due {
            Due::Event(event) => self.dispatcher.events.deliver(event),
            Due::PagingFence(fence, value) => {
                let now = self.clock.now();
                // Never back: of two threads that each fire one, the one with the lower value may come second. And the queue
                // may be gone, and its fence with it: then nobody waits for the value.
                let _ = self.gpu.signal_from_cpu(fence, value, false, now);
                self.dispatcher.gpu_due(now);
            }
        }
    }

    /// Handles messages whose time has come. `false` if another thread is at it.
    fn handle_messages(&self) -> bool {
        let mut host = match self.host.try_lock() {
            Ok(host) => host,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return false,
        };
        loop {
            let (handled, scripted) = {
                let mut state = self.state();
                let Some(handled) = state.bus.take(self.clock.now()) else { return true };
                let scripted = match state.answers.is_empty() {
                    true => None,
                    false => state.answers.get_mut(handled.payload.command).and_then(VecDeque::pop_front),
                };
                (handled, scripted)
            };
            self.handle(&mut host, handled.payload, handled.at, scripted);
        }
    }

    fn handle(&self, host: &mut Host, parcel: Parcel, at: u64, scripted: Option<HostAnswer>) {
        let (status, posted) = match parcel.content {
            Content::Work(work) => {
                let status = match scripted {
                    None => host.work(parcel.process, work, at),
                    Some(answer) => scripted_reply(parcel.command, answer).1,
                };
                self.dispatcher.gpu_due(at);
                (status, true)
            }
            Content::Request(request, slot) => {
                let (reply, status) = match scripted {
                    None => {
                        let reply = host.request(parcel.process, *request, at);
                        let status = reply.status;
                        (reply, status)
                    }
                    Some(answer) => scripted_reply(parcel.command, answer),
                };
                self.dispatcher.gpu_due(at);
                if self.logging.load(Ordering::Relaxed) {
                    // Logged before the sender goes on, so that it finds its own message in the log.
                    self.record(parcel.command, parcel.payload, parcel.ring_bytes, status, false);
                }
                slot.answer(reply, at);
                return;
            }
        };
        if self.logging.load(Ordering::Relaxed) {
            self.record(parcel.command, parcel.payload, parcel.ring_bytes, status, posted);
        }
    }

    fn record(&self, command: &'static str, payload_bytes: u32, ring_bytes: u32, status: NtStatus, posted: bool) {
        self.log().push(LoggedMessage { command, posted, status, payload_bytes, ring_bytes });
    }

    /// All messages so far.
    pub fn totals(&self) -> Traffic {
        self.state().totals
    }

    /// Objects of the host. Waits for a message that is being handled.
    pub fn host_objects(&self) -> usize {
        self.host.lock().unwrap_or_else(PoisonError::into_inner).objects()
    }

    /// Makes the host stop (or go on) reading its rings.
    pub fn stall(&self, stalled: bool) {
        self.state().bus.stall(self.clock.now(), stalled);
        if !stalled {
            self.pump();
            self.hand_over();
        }
    }

    /// Switches the message log.
    pub fn set_logging(&self, on: bool) {
        self.logging.store(on, Ordering::Relaxed);
    }

    /// Empties the message log.
    pub fn take_log(&self) -> Vec<LoggedMessage> {
        std::mem::take(&mut *self.log())
    }

    /// Answers the next message of this command in the host's place.
    pub fn answer_next(&self, command: &'static str, answer: HostAnswer) {
        self.state().answers.entry(command).or_default().push_back(answer);
    }

    /// Ends the host thread.
    pub fn shut_down(&self) {
        self.dispatcher.sleeper.shut_down();
    }
}

fn scripted_reply(command: &str, answer: HostAnswer) -> (Reply, NtStatus) {
    match answer {
        HostAnswer::Status(status) => (Reply::status(status), status),
        HostAnswer::Zeroes { status } => (Reply::default(), status),
        HostAnswer::FourBytes(status) => {
            // Where the answer is a bare handle, the four bytes are taken for it.
            let short = answer_is_long(command);
            let reply = Reply { status, short, handle: status.0 as u32, ..Reply::default() };
            (reply, status)
        }
    }
}

/// What an ioctl returns for a status: success and information as they are, failures as errno.
pub fn outcome(status: NtStatus) -> Result<i32, Errno> {
    match status.to_errno() {
        None => Ok(status.0),
        Some(errno) => Err(errno),
    }
}

/// Plays the host for everything that nobody waits for. Whoever owns the link ends the thread ([`Link::shut_down`]).
fn host_thread(link: &Link) {
    let sleeper = &link.dispatcher.sleeper;
    let clock = &link.clock;
    let mut rounds = 0;
    while !sleeper.stopping() {
        let next = link.pump();
        let now = clock.now();
        if next <= now {
            pause(&mut rounds);
        } else if next - now < SPIN_BELOW_NS {
            while clock.now() < next && link.next_deadline() >= next && !sleeper.stopping() {
                pause(&mut rounds);
            }
        } else {
            // A sleep ends a little early, because leaving it takes time; the rest is spun.
            let until = if next == u64::MAX { next } else { next - SPIN_BELOW_NS / 2 };
            sleeper.sleep(until, now, || link.next_deadline());
        }
    }
}
