//! A simulator: operation streams in, figures out, in virtual time and the same in every run.
//!
//! ```text
//! trace ─▶ Workload ─▶ simulate(policy) ─▶ Report      the real scheduler, the adapter's cost model, a virtual clock
//!              └─────▶ lower_bound                     what no policy can beat; shares no code with the policies
//! ```
//!
//! What is modelled: the ring, the host and the GPU, by the models that the software adapter runs on
//! ([`dxg_io::software::model`]); the scheduler is not modelled but run. What is assumed: [`ENQUEUE_NS`] of host time for
//! each operation.

mod bound;
mod draw;
mod engine;
mod fields;
mod gpu;
#[cfg(test)]
mod never_below_tests;
mod ours;
mod peers;
mod report;
pub mod synthetic;
mod timeline;
mod trace;
mod workload;
mod world;

pub use bound::{copy_engines, lower_bound};
pub use draw::{Drawing, Labels};
pub use engine::{SimError, simulate};
pub use report::{Latencies, Report, SimPolicy};
pub use timeline::{HostCall, SimEvent, Timeline};
pub use trace::{
    COPY_STAGGER_NS, LineProblem, MAX_BYTES, MAX_COPIES, MAX_LINE_BYTES, MAX_LINES, MAX_THINK, MAX_WORKLOAD_LINES,
    ReplayError, Trace, TraceError, TraceLine, TraceStep,
};
pub use workload::{Action, Client, SimCopy, SimOperation, SimWork, Wait, Workload};

/// Nanoseconds of host time that accepting one operation takes. Assumption, alike for the bound and every policy.
pub const ENQUEUE_NS: u64 = 200;
