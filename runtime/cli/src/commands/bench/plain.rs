//! A plain function call: the work, and nothing else.

use std::hint::black_box;
use std::time::Instant;

use super::peer::Peer;
use super::statistics::Latencies;
use super::work::{Case, FACTOR, Mode, SOURCES, VALUES, Workload, axpy, ramps, sources};
use crate::commands::Outcome;

/// The caller does the work itself.
#[derive(Debug)]
pub struct Plain {
    x: Vec<f32>,
    sources: Vec<Vec<f32>>,
    buffers: Vec<Vec<f32>>,
}

impl Plain {
    /// With no buffers yet.
    pub fn new() -> Self {
        Plain { x: ramps(), sources: sources(), buffers: Vec::new() }
    }
}

impl Peer for Plain {
    fn name(&self) -> &'static str {
        "plain call"
    }

    /// There is nothing to hand over, so there is one mode only.
    fn runs(&self, case: Case) -> bool {
        case.mode == Mode::Each
    }

    fn clear(&mut self, case: Case) -> Outcome<()> {
        self.buffers = vec![vec![0.0; VALUES]; case.buffers];
        Ok(())
    }

    fn run(&mut self, case: Case, operations: usize, mut latencies: Option<&mut Latencies>) -> Outcome<()> {
        let launch: fn(f32, &[f32], &mut [f32]) = black_box(axpy);
        let copy: fn(&mut [f32], &[f32]) = black_box(<[f32]>::copy_from_slice);
        for operation in 0..operations {
            let begin = latencies.is_some().then(Instant::now);
            let y = &mut self.buffers[operation % case.buffers];
            match case.workload {
                Workload::Launch | Workload::Prepared => launch(FACTOR, &self.x, y),
                Workload::Copy => copy(y, &self.sources[operation % SOURCES]),
            }
            if let (Some(begin), Some(latencies)) = (begin, latencies.as_deref_mut()) {
                latencies.record(begin.elapsed());
            }
        }
        Ok(())
    }

    fn values(&mut self, buffer: usize) -> Outcome<Vec<f32>> {
        Ok(self.buffers[buffer].clone())
    }
}
