//! Draws a simulation for Perfetto: host calls, ring, host work, hardware queues, fences, and arrows from submissions to
//! the packets they carry.
//!
//! ```text
//! SimEvent ─▶ Drawing ─▶ host calls, ring, host work, fences: written at once
//!                └────▶ packets: kept, put into rows at the end (packets of one queue may run at one time) and joined
//!                       by arrows to their submissions
//! ```

use std::collections::HashMap;
use std::io::{self, Write};

use super::timeline::{HostCall, SimEvent, Timeline};
use crate::perfetto::{Perfetto, Track, Value};

const CLIENTS: u32 = 1;
const HOST: u32 = 2;
const GPU: u32 = 3;
/// Rows that the packets of one queue may need; more run into the last, which nothing on a GPU of 1,056 slots does.
const QUEUE_ROWS: u32 = 2048;

/// What a packet's operations are called, by their `merge`.
pub type Labels<'a> = dyn Fn(u64) -> Option<&'a str> + 'a;

struct Packet {
    queue: u32,
    begin: u64,
    end: u64,
    operations: u32,
    merge: Option<u64>,
    submission: u64,
}

/// A [`Timeline`] that writes a Perfetto document.
pub struct Drawing<'a, W: Write> {
    perfetto: Perfetto<W>,
    labels: &'a Labels<'a>,
    hosts: HashMap<Option<u32>, Track>,
    host_work: Option<Track>,
    fences: HashMap<u32, Track>,
    packets: Vec<Packet>,
    submitted: HashMap<u64, (Track, u64)>,
    failed: Option<io::Error>,
}

impl<'a, W: Write> Drawing<'a, W> {
    /// Begins a document. `labels` names operations by their `merge`, as [`Trace::name`](super::Trace::name) does.
    ///
    /// # Errors
    /// What `out` answers.
    pub fn new(out: W, labels: &'a Labels<'a>) -> io::Result<Self> {
        let mut perfetto = Perfetto::new(out)?;
        perfetto.process(CLIENTS, "guest")?;
        perfetto.process(HOST, "VMBus and host")?;
        perfetto.process(GPU, "GPU")?;
        Ok(Drawing {
            perfetto,
            labels,
            hosts: HashMap::new(),
            host_work: None,
            fences: HashMap::new(),
            packets: Vec::new(),
            submitted: HashMap::new(),
            failed: None,
        })
    }

    /// Draws the packets and ends the document.
    ///
    /// # Errors
    /// What the output answered, now or at any event before.
    pub fn finish(mut self) -> io::Result<W> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        self.draw_packets()?;
        self.perfetto.finish()
    }

    fn draw(&mut self, event: SimEvent) -> io::Result<()> {
        match event {
            SimEvent::Host { client, begin, end, call } => self.host_call(client, begin, end, call),
            SimEvent::Ring { at, bytes } => self.perfetto.counter(HOST, "bytes in the ring", at, bytes.into()),
            SimEvent::HostWork { begin, end, submission } => {
                let track = match self.host_work {
                    Some(track) => track,
                    None => *self.host_work.insert(self.perfetto.track(HOST, 1, "host")?),
                };
                match submission {
                    Some(number) => {
                        let values = [("submission", Value::Number(number))];
                        self.perfetto.slice(track, &format!("submission {number}"), begin, end, &values)
                    }
                    None => self.perfetto.slice(track, "message", begin, end, &[]),
                }
            }
            SimEvent::Packet { queue, begin, end, operations, merge, submission } => {
                self.packets.push(Packet { queue, begin, end, operations, merge, submission });
                Ok(())
            }
            SimEvent::Fence { queue, at, value } => {
                let track = match self.fences.get(&queue) {
                    Some(&track) => track,
                    None => {
                        let row = queue.saturating_mul(QUEUE_ROWS).saturating_add(1);
                        let track = self.perfetto.track(GPU, row, &format!("queue {queue}: fence"))?;
                        self.fences.insert(queue, track);
                        track
                    }
                };
                self.perfetto.instant(track, &format!("fence {value}"), at, &[("value", Value::Number(value))])
            }
        }
    }

    fn host_call(&mut self, client: Option<u32>, begin: u64, end: u64, call: HostCall) -> io::Result<()> {
        let track = match self.hosts.get(&client) {
            Some(&track) => track,
            None => {
                let (row, name) = match client {
                    Some(client) => (client.saturating_add(2), format!("client {client}")),
                    None => (1, "driver".to_owned()),
                };
                let track = self.perfetto.track(CLIENTS, row, &name)?;
                self.hosts.insert(client, track);
                track
            }
        };
        match call {
            HostCall::Enqueue => self.perfetto.slice(track, "enqueue", begin, end, &[]),
            HostCall::Sync => self.perfetto.slice(track, "sync", begin, end, &[]),
            HostCall::FullRing => self.perfetto.slice(track, "the ring is full", begin, end, &[]),
            HostCall::Submit { submission, operations, reason } => {
                self.submitted.insert(submission, (track, begin));
                let values = [
                    ("submission", Value::Number(submission)),
                    ("operations", Value::Number(operations.into())),
                    ("reason", Value::Text(reason)),
                ];
                self.perfetto.slice(track, "submit", begin, end, &values)
            }
        }
    }

    fn draw_packets(&mut self) -> io::Result<()> {
        let mut packets = std::mem::take(&mut self.packets);
        packets.sort_by_key(|packet| (packet.queue, packet.begin, packet.end));
        let mut rows: Vec<(Track, u64)> = Vec::new();
        let mut queue = None;
        for (number, packet) in packets.iter().enumerate() {
            if queue.replace(packet.queue) != Some(packet.queue) {
                rows.clear();
            }
            let free = rows.iter().position(|&(_, until)| until <= packet.begin);
            let row = match free {
                Some(row) => row,
                None => {
                    let number = (rows.len() as u32).min(QUEUE_ROWS - 2);
                    let name = match number {
                        0 => format!("queue {}", packet.queue),
                        _ => format!("queue {}, beside", packet.queue),
                    };
                    let row = packet.queue.saturating_mul(QUEUE_ROWS).saturating_add(2 + number);
                    rows.push((self.perfetto.track(GPU, row, &name)?, 0));
                    rows.len() - 1
                }
            };
            rows[row].1 = packet.end;
            let track = rows[row].0;
            let label = packet.merge.and_then(self.labels);
            let name = match (label, packet.merge) {
                (Some(label), _) => label.to_owned(),
                (None, Some(merge)) => format!("operation {merge}"),
                (None, None) => "operation".to_owned(),
            };
            let name = if packet.operations > 1 { format!("{} × {name}", packet.operations) } else { name };
            let values = [
                ("submission", Value::Number(packet.submission)),
                ("operations", Value::Number(packet.operations.into())),
            ];
            self.perfetto.slice(track, &name, packet.begin, packet.end, &values)?;
            if let Some(&from) = self.submitted.get(&packet.submission) {
                self.perfetto.flow(number as u64 + 1, "submission", from, (track, packet.begin))?;
            }
        }
        Ok(())
    }
}

impl<W: Write> Timeline for Drawing<'_, W> {
    fn event(&mut self, event: SimEvent) {
        if self.failed.is_none() {
            self.failed = self.draw(event).err();
        }
    }
}

#[cfg(test)]
#[path = "draw_tests.rs"]
mod tests;
