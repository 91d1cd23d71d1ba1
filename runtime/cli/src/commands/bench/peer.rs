//! What is measured against what: anything that does the operations of a [`Case`].

use super::statistics::Latencies;
use super::work::Case;
use crate::commands::Outcome;

/// One way to have operations done.
pub trait Peer {
    /// Its name in tables and JSON.
    fn name(&self) -> &'static str;

    /// Whether the case means anything for it.
    fn runs(&self, case: Case) -> bool;

    /// Sets the case's buffers to zero.
    fn clear(&mut self, case: Case) -> Outcome<()>;

    /// Does so many operations and waits for them as the case says; tells the latency of each if asked (mode a only).
    fn run(&mut self, case: Case, operations: usize, latencies: Option<&mut Latencies>) -> Outcome<()>;

    /// What a buffer holds now.
    fn values(&mut self, buffer: usize) -> Outcome<Vec<f32>>;
}
