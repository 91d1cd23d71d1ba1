//! What the kernel knows of this process: processor time, sleeps, the cores it may run on.

use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::resource::{UsageWho, getrusage};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;

use crate::commands::Outcome;

/// A moment in the life of this process, all of its threads together.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    wall: Instant,
    processor: Duration,
    sleeps: i64,
}

/// What passed between two moments.
#[derive(Clone, Copy, Debug)]
pub struct Passed {
    /// Time on the wall.
    pub wall: Duration,
    /// Processor time of all threads: `CLOCK_PROCESS_CPUTIME_ID`.
    pub processor: Duration,
    /// How often a thread went to sleep of itself: `ru_nvcsw` of getrusage(2).
    pub sleeps: u64,
}

impl Moment {
    /// Now.
    pub fn now() -> Outcome<Self> {
        let sleeps = getrusage(UsageWho::RUSAGE_SELF)?.voluntary_context_switches();
        let processor = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?.into();
        Ok(Moment { wall: Instant::now(), processor, sleeps })
    }

    /// From this moment until now.
    pub fn passed(self) -> Outcome<Passed> {
        let wall = self.wall.elapsed();
        let now = Moment::now()?;
        Ok(Passed {
            wall,
            processor: now.processor.saturating_sub(self.processor),
            sleeps: u64::try_from(now.sleeps - self.sleeps).unwrap_or(0),
        })
    }
}

/// The cores that this thread may run on.
pub fn allowed_cores() -> Outcome<Vec<usize>> {
    let set = sched_getaffinity(Pid::from_raw(0))?;
    Ok((0..CpuSet::count()).filter(|&core| set.is_set(core).unwrap_or(false)).collect())
}

/// Binds this thread, and those it will start, to the first `n` of its cores. To be called before there are others.
pub fn bind_to_cores(n: usize) -> Outcome<()> {
    let cores = allowed_cores()?;
    if cores.len() < n {
        return Err(format!("{n} cores were asked for, and this process may run on {}", cores.len()).into());
    }
    let mut set = CpuSet::new();
    cores.iter().take(n).try_for_each(|&core| set.set(core))?;
    Ok(sched_setaffinity(Pid::from_raw(0), &set)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_takes_processor_time_and_sleep_takes_none() {
        let begin = Moment::now().unwrap();
        let mut sum = 0u64;
        while begin.wall.elapsed() < Duration::from_millis(20) {
            sum = std::hint::black_box(sum + 1);
        }
        assert!(begin.passed().unwrap().processor >= Duration::from_millis(5));
        let begin = Moment::now().unwrap();
        std::thread::sleep(Duration::from_millis(5));
        let passed = begin.passed().unwrap();
        assert!(passed.sleeps >= 1 && passed.wall >= Duration::from_millis(5), "{passed:?}");
    }

    #[test]
    fn a_thread_is_bound_to_what_it_asks_for() {
        std::thread::spawn(|| {
            bind_to_cores(1).unwrap();
            assert_eq!(allowed_cores().unwrap().len(), 1);
            assert_eq!(std::thread::available_parallelism().unwrap().get(), 1);
            assert!(bind_to_cores(2).is_err());
        })
        .join()
        .unwrap();
    }
}
