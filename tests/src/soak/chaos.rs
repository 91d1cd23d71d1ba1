//! What is done to a device while its tasks are at work.

use std::sync::Arc;
use std::time::Duration;

use dxg_io::boundary::RawOutcome;
use dxg_io::middleware::{Action, Rule, Which};
use dxg_io::sys;
use dxg_runtime::{ModuleSource, Result, RustKernel, args};

use super::{Counts, World};
use crate::hostile::Bytes;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disturbance {
    /// Nothing.
    Peace,
    /// The host stands still for a while, again and again.
    Stalls,
    /// Events come early, twice, for nothing.
    Events,
    /// Calls are late.
    Delays,
    /// Single calls of the work fail.
    Failures,
    /// Every call says that the device is gone, from some moment on.
    Gone,
    /// The adapter is removed.
    Removal,
    /// A submission never arrives.
    Swallow,
    /// The fences jump.
    Jump,
    /// A kernel runs for long: over the time limit of a device that is impatient.
    Overrun,
}

/// Requests of steady work: what fails there is felt by tasks.
const WORK: [u32; 6] = [
    sys::LX_DXSUBMITCOMMANDTOHWQUEUE,
    sys::LX_DXSUBMITWAITFORSYNCOBJECTSTOHWQUEUE,
    sys::LX_DXWAITFORSYNCHRONIZATIONOBJECTFROMCPU,
    sys::LX_DXWAITFORSYNCHRONIZATIONOBJECTFROMGPU,
    sys::LX_DXSIGNALSYNCHRONIZATIONOBJECTFROMGPU2,
    sys::LX_DXGETDEVICESTATE,
];

impl Disturbance {
    /// Any of them; peace more often than each of the rest.
    pub(super) fn choose(random: &mut Bytes) -> Disturbance {
        use Disturbance::*;
        let all = [Peace, Peace, Peace, Stalls, Events, Delays, Failures, Gone, Removal, Swallow, Jump, Overrun];
        all[random.below(all.len() as u64) as usize]
    }

    /// Whether tasks may see errors from it.
    pub(super) fn is_felt(self) -> bool {
        use Disturbance::*;
        !matches!(self, Peace | Stalls | Events | Delays | Overrun)
    }

    pub(super) async fn run(self, world: Arc<World>, mut random: Bytes) {
        let moment = |random: &mut Bytes| Duration::from_micros(random.below(20_000));
        tokio::time::sleep(moment(&mut random)).await;
        let counts = world.counts.clone();
        match self {
            Disturbance::Peace => {}
            Disturbance::Stalls => {
                // On a thread of its own: those of the executor may all be held by calls that wait for the host to go on.
                let adapter = world.adapter.clone();
                let stalls = tokio::task::spawn_blocking(move || {
                    for _ in 0..1 + random.below(5) {
                        adapter.stall_host(true);
                        std::thread::sleep(moment(&mut random));
                        adapter.stall_host(false);
                        Counts::add(&counts.faults);
                        std::thread::sleep(moment(&mut random));
                    }
                });
                if stalls.await.is_err() {
                    world.counts.err("a stalled host could not be let go on");
                }
            }
            Disturbance::Events => {
                world.strings.raise_early(true);
                for _ in 0..random.below(200) {
                    world.strings.raise_all();
                    tokio::time::sleep(Duration::from_micros(100)).await;
                }
                counts.faults.fetch_add(world.strings.raised(), std::sync::atomic::Ordering::Relaxed);
            }
            Disturbance::Delays => {
                let delay = Duration::from_micros(random.below(3_000));
                world.faults.add(Rule { which: Which::Any, nth: 1, times: 50, action: Action::Delay(delay) });
            }
            Disturbance::Failures => {
                for _ in 0..1 + random.below(4) {
                    let request = WORK[random.below(WORK.len() as u64) as usize];
                    let errno =
                        [libc::ENOMEM, libc::ENODEV, libc::EINVAL, libc::EAGAIN, libc::EINTR][random.below(5) as usize];
                    let outcome = RawOutcome::failed(errno);
                    // Who says that the ring is full, or that a signal came first, has done nothing.
                    let before = matches!(errno, libc::EAGAIN | libc::EINTR) || random.below(2) == 0;
                    let action = if before { Action::FailBefore(outcome) } else { Action::FailAfter(outcome) };
                    let (nth, times) = (1 + random.below(200), 1 + random.below(3));
                    world.faults.add(Rule { which: Which::Request(request), nth, times, action });
                }
            }
            Disturbance::Gone => world.faults.lose_device_from(1 + random.below(50)),
            Disturbance::Removal => {
                world.adapter.remove_adapter();
                Counts::add(&counts.faults);
            }
            Disturbance::Swallow => {
                // Only a host that is given up soon may lose something: others would be waited for.
                if world.device.limits().silence_time < Duration::from_secs(5) {
                    world.strings.swallow(1 + random.below(3));
                    Counts::add(&counts.faults);
                }
            }
            Disturbance::Jump => {
                let by = if random.below(2) == 0 { u64::MAX } else { 1 + random.below(1000) };
                // SAFETY: the device is open as long as this task holds the world.
                unsafe { world.strings.move_fences(|value| value.saturating_add(by)) };
                Counts::add(&counts.faults);
            }
            Disturbance::Overrun => {
                if let Err(error) = overrun(&world).await {
                    Counts::add(&counts.failed);
                    if !world.is_disturbed() {
                        counts.err(&format!("{}: a long kernel: {error}", world.name));
                    }
                }
            }
        }
    }
}

/// Runs a kernel for half a second, beside everybody else.
async fn overrun(world: &World) -> Result<()> {
    let kernel = RustKernel::new("sleeps").write::<u32>().body(|cx| {
        std::thread::sleep(Duration::from_millis(500));
        cx.write::<u32>(0)?.fill(7);
        Ok(())
    });
    let kernel = world.device.load(&ModuleSource::new().rust([kernel]))?.kernel("sleeps")?;
    let (stream, x) = (world.device.stream()?, world.device.alloc::<u32>(16)?);
    Counts::add(&world.counts.faults);
    stream.launch(&kernel, 1, args![x.write()]).await?.await?;
    let found = stream.copy_out(&x).await?.await?;
    if found != [7; 16] {
        world.counts.err(&format!("{}: a long kernel left {found:?}", world.name));
    }
    Ok(())
}
