//! Advice from a run: what limited a program, in words, with the numbers behind each sentence.
//!
//! ```text
//! what a Device counted (device) ──────────────────┐
//! calls of any client of /dev/dxg, a Ledger (calls) ┴─▶ rules ─▶ Report ─▶ a heading, and a sentence for each thing found
//! ```

mod calls;
mod device;

use std::fmt;

use crate::stats::Stats;

/// With fewer operations nothing can be said.
const FEW: u64 = 64;

/// What a program did, and what could be done better: from [`Device::report`](crate::Device::report) for one that uses dxgrt,
/// from [`Report::of_calls`] for any other client of `/dev/dxg`.
///
/// ```
/// use dxg_runtime::{Device, Parameters};
/// let device = Device::builder().selector("software").parameters(Parameters::zero()).open()?;
/// let (stream, buffer) = (device.stream()?, device.alloc::<u32>(64)?);
/// for value in 0..100u32 {
///     stream.try_fill(&buffer, value)?.wait()?; // waits after every operation
/// }
/// let report = device.report();
/// assert!(report.advice.iter().any(|advice| advice.id == "waits"), "{report}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// The numbers. Of calls there are those of messages and submissions alone.
    pub stats: Stats,
    /// What stands out, the most important first; empty where nothing does.
    pub advice: Vec<Advice>,
    /// What was done, in one sentence.
    heading: String,
    /// Whether enough was done to say something.
    judged: bool,
}

/// One thing that limited the program.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Advice {
    /// A word that stays the same. From both sources: `waits`, `one-stream`, `full-ring`, `round-trips`. From a device:
    /// `policy`, `undeclared`, `cannot-merge`, `not-merged`, `staged`. From calls: `submissions`, `lists`, `locks`, `allocations`, `failures`.
    pub id: &'static str,
    /// What happened, with its numbers, and what to do.
    pub sentence: String,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.heading)?;
        if self.advice.is_empty() {
            return f.write_str(match self.judged {
                false => "Too little was done to say what limits this program.",
                true => "Nothing that the program does stands in the way of batching.",
            });
        }
        for (index, advice) in self.advice.iter().enumerate() {
            let end = if index == 0 { "" } else { "\n" };
            write!(f, "{end}- {}", advice.sentence)?;
        }
        Ok(())
    }
}

fn percent(part: u64, whole: u64) -> u64 {
    (part.saturating_mul(100) / whole.max(1)).min(100)
}

/// The ring that all programs of the machine share was full.
fn full_ring(sleeps: u64, action: &str) -> Option<Advice> {
    let sentence = format!(
        "The message ring of this machine was full {sleeps} times, and each time submitting slept for 1 to 2 ms. Other programs \
         share the ring; {action}."
    );
    (sleeps > 0).then_some(Advice { id: "full-ring", sentence })
}
