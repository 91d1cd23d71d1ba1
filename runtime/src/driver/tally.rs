//! What advice is drawn from, beside the counters: what became of each kernel's launches, and of copies. Counted by batch, in
//! the state of the driver role, so that it needs no lock.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dxg_scheduler::{Batch, CopyKind, GroupKind, Hazard, Work};

use super::Engine;
use crate::backend::LoadedKernel;
use crate::kernel::MergeSupport;
use crate::op::{Keep, Op, OpKind};

/// Kernels told apart; the launches of more are in no sentence.
const KERNELS: usize = 256;
/// How long a report waits for a driver that is busy.
const PATIENCE: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_micros(50);

/// What became of the launches of one kernel.
#[derive(Clone, Debug)]
pub(crate) struct KernelTally {
    id: u64,
    pub(crate) name: Arc<str>,
    pub(crate) launches: u64,
    /// Packets they went out in.
    pub(crate) dispatches: u64,
    /// Launches that do not say which memory they touch.
    pub(crate) undeclared: u64,
    /// Launches that may not be merged, because the program said so.
    pub(crate) refused: u64,
    /// Whether the device can merge them.
    pub(crate) merge: MergeSupport,
}

/// What became of operations.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) kernels: Vec<KernelTally>,
    /// Where the last one was found: launches of one kernel come in runs.
    last: usize,
    pub(crate) copies_in: u64,
    /// Copies in whose source was copied into staging memory first.
    pub(crate) staged: u64,
    /// Batches of a single operation.
    pub(crate) lone_batches: u64,
}

impl Tally {
    pub(super) fn count(&mut self, batch: &Batch<Op>) {
        self.lone_batches += u64::from(batch.operations.len() == 1);
        for group in &batch.groups {
            let operations = batch.group_operations(group);
            match group.kind {
                GroupKind::Launch => {
                    let Some(first) = operations.first() else { continue };
                    // Prepared ones too.
                    let Some(launch) = first.payload.kind.launch() else { continue };
                    let undeclared = match &first.hazard {
                        Hazard::Ordered => true,
                        Hazard::Declared(accesses) => accesses.is_partial(),
                    };
                    let refused = matches!(first.work, Work::Launch { merge: None, .. });
                    let Some(kernel) = self.kernel(&launch.kernel) else { continue };
                    let launches = operations.len() as u64;
                    kernel.launches += launches;
                    kernel.dispatches += 1;
                    kernel.undeclared += if undeclared { launches } else { 0 };
                    kernel.refused += if refused { launches } else { 0 };
                }
                GroupKind::Copy(CopyKind::HostToDevice) => {
                    self.copies_in += operations.len() as u64;
                    let staged = |kind: &OpKind| matches!(kind, OpKind::Copy(held) if held.iter().any(|keep| matches!(keep, Keep::Staged(_))));
                    self.staged += operations.iter().filter(|operation| staged(&operation.payload.kind)).count() as u64;
                }
                _ => {}
            }
        }
    }

    /// Adds what another shard has counted.
    pub(crate) fn add(&mut self, other: Tally) {
        for kernel in other.kernels {
            match self.kernels.iter_mut().find(|known| known.id == kernel.id) {
                Some(known) => {
                    known.launches += kernel.launches;
                    known.dispatches += kernel.dispatches;
                    known.undeclared += kernel.undeclared;
                    known.refused += kernel.refused;
                }
                None => self.kernels.push(kernel),
            }
        }
        self.copies_in += other.copies_in;
        self.staged += other.staged;
        self.lone_batches += other.lone_batches;
    }

    fn kernel(&mut self, loaded: &LoadedKernel) -> Option<&mut KernelTally> {
        if self.kernels.get(self.last).is_none_or(|kernel| kernel.id != loaded.id) {
            self.last = match self.kernels.iter().position(|kernel| kernel.id == loaded.id) {
                Some(place) => place,
                None if self.kernels.len() < KERNELS => {
                    self.kernels.push(KernelTally {
                        id: loaded.id,
                        name: Arc::clone(&loaded.name),
                        launches: 0,
                        dispatches: 0,
                        undeclared: 0,
                        refused: 0,
                        merge: loaded.merge.clone(),
                    });
                    self.kernels.len() - 1
                }
                None => return None,
            };
        }
        self.kernels.get_mut(self.last)
    }
}

impl Engine {
    /// What became of operations so far; none where the driver is busy for too long.
    pub(crate) fn tally(&self) -> Option<Tally> {
        let begun = Instant::now();
        let mut tally = None;
        while !self.role.try_drive(|state| tally = Some(state.tally.clone())) {
            if begun.elapsed() > PATIENCE {
                return None;
            }
            std::thread::sleep(LOOK);
        }
        tally
    }
}
