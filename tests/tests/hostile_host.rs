//! A host that misbehaves, and work that does: whatever happens, every future resolves, success is never claimed for work
//! that was not done, and the next device works.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use dxg_runtime::{
    Completion, Device, Error, LostReason, Module, ModuleSource, Parameters, Policy, Result, RustKernel,
    SoftwareAdapter, args,
};
use dxg_tests::puppet::{Puppet, Strings};
use dxg_tests::{Kernels, block_on, standard, stir};

const POLICIES: [Policy; 4] = [Policy::Adaptive, Policy::Fixed(4), Policy::OneByOne, Policy::OneByOneSpin];
/// The limits of the standard run give a silent host 400 ms.
const PATIENCE: Duration = Duration::from_secs(20);

fn adapter(parameters: Parameters) -> Arc<SoftwareAdapter> {
    SoftwareAdapter::new(Parameters { video_memory_mib: 64, io_space_mib: 4, ..parameters }).expect("an adapter")
}

/// A device over a puppet.
fn puppet(adapter: &Arc<SoftwareAdapter>, policy: Policy) -> (Device, Arc<Strings>) {
    let strings = Arc::new(Strings::default());
    let held = strings.clone();
    let builder = standard::builder(adapter, policy);
    let device = builder.through(move |inner| Arc::new(Puppet::new(inner, held.clone()))).open().expect("it opens");
    (device, strings)
}

/// The outcome, which comes in time.
#[track_caller]
fn outcome(completion: &Completion) -> Result<()> {
    let outcome = completion.wait_timeout(PATIENCE);
    outcome.unwrap_or_else(|| panic!("{completion:?} has no outcome after {PATIENCE:?}"))
}

#[track_caller]
fn lost(completion: &Completion) -> LostReason {
    match outcome(completion) {
        Err(Error::DeviceLost { cause }) => cause.reason,
        other => panic!("the device is lost, and the outcome is {other:?}"),
    }
}

/// A device on this adapter does its work.
#[track_caller]
fn works(adapter: &Arc<SoftwareAdapter>) {
    let report = standard::run(standard::builder(adapter, Policy::Adaptive), || {}).expect("nothing is broken");
    assert!(report.first_error.is_none(), "{:?}", report.first_error);
}

/// Polls as a program does that asks again and again.
#[track_caller]
fn polled(completion: &Completion) -> Result<()> {
    let begun = Instant::now();
    loop {
        if let Some(outcome) = completion.outcome() {
            return outcome;
        }
        assert!(begun.elapsed() < PATIENCE, "{completion:?} has no outcome after {PATIENCE:?} of asking");
    }
}

#[test]
fn a_submission_that_never_arrives_is_noticed() {
    for policy in POLICIES {
        let adapter = adapter(Parameters::zero());
        let (device, strings) = puppet(&adapter, policy);
        let (stream, other) = (device.stream().unwrap(), device.stream().unwrap());
        let (x, y) = (device.alloc::<u32>(64).unwrap(), device.alloc::<u32>(64).unwrap());
        outcome(&stream.try_fill(&x, 1u32).unwrap()).unwrap();
        strings.swallow(1);
        let begun = Instant::now();
        let never = stream.try_fill(&x, 2u32).unwrap();
        let behind = stream.try_fill(&x, 3u32);
        match lost(&never) {
            LostReason::Silent => {
                assert!(begun.elapsed() >= standard::limits().silence_time, "{policy}: given up before its time");
            }
            // The next one went after it, and the device found the gap.
            reason => assert!(reason == LostReason::Fault && behind.is_ok(), "{policy}: {reason:?}"),
        }
        assert_eq!(strings.swallowed(), 1);
        if let Ok(behind) = behind {
            lost(&behind);
        }
        assert!(other.try_fill(&y, 4u32).is_err(), "a lost device accepts nothing");
        assert!(device.shutdown_blocking(PATIENCE));
        drop((stream, other, x, y, device));
        works(&adapter);
    }
}

#[test]
fn a_lost_submission_is_not_done_when_the_next_one_of_its_queue_is() {
    for policy in [Policy::Adaptive, Policy::Fixed(1)] {
        let adapter = adapter(Parameters::zero());
        let strings = Arc::new(Strings::default());
        let held = strings.clone();
        let limits = dxg_runtime::Limits { hardware_queues: 1, ..standard::limits() };
        let builder = standard::builder(&adapter, policy).limits(limits);
        let device = builder.through(move |inner| Arc::new(Puppet::new(inner, held.clone()))).open().unwrap();
        let (stream, other) = (device.stream().unwrap(), device.stream().unwrap());
        let (x, y) = (device.alloc::<u32>(64).unwrap(), device.alloc::<u32>(64).unwrap());
        outcome(&stream.try_fill(&x, 1u32).unwrap()).unwrap();
        strings.swallow(1);
        let never = stream.try_fill(&x, 2u32).unwrap();
        let before = strings.submissions();
        let mut others = Vec::new();
        while strings.submissions() < before + 5 {
            let Ok(fill) = other.try_fill(&y, 3u32) else { break };
            let _asked = fill.outcome();
            others.push(fill);
        }
        assert_eq!(strings.swallowed(), 1);
        lost(&never);
        for fill in others {
            if let Err(error) = outcome(&fill) {
                assert!(error.is_device_lost(), "{policy}: {error}");
            }
        }
    }
}

#[test]
fn a_lost_submission_is_noticed_while_others_go_on() {
    let adapter = adapter(Parameters::zero());
    let (device, strings) = puppet(&adapter, Policy::Adaptive);
    let (stream, other) = (device.stream().unwrap(), device.stream().unwrap());
    let (x, y) = (device.alloc::<u32>(64).unwrap(), device.alloc::<u32>(64).unwrap());
    outcome(&stream.try_fill(&x, 1u32).unwrap()).unwrap();
    strings.swallow(1);
    let never = stream.try_fill(&x, 2u32).unwrap();
    let begun = Instant::now();
    // Asking hands it over, unless the driver thread is just about to.
    while strings.swallowed() == 0 && begun.elapsed() < PATIENCE {
        assert!(!never.is_done());
    }
    assert_eq!(strings.swallowed(), 1);
    let mut others = 0;
    // The other stream is busy all the time, from this thread, which drives.
    while never.outcome().is_none() {
        assert!(begun.elapsed() < PATIENCE, "nobody noticed, {others} others were done");
        let Ok(fill) = other.try_fill(&y, 5u32) else { break };
        if outcome(&fill).is_ok() {
            others += 1;
        }
    }
    // On a queue of its own it is silent; where the next submission follows it, the device finds the gap.
    let reason = lost(&never);
    assert!(matches!(reason, LostReason::Silent | LostReason::Fault), "{reason:?} after {others} others");
}

#[test]
fn a_host_that_stands_still_is_noticed_and_may_go_on_later() {
    for policy in POLICIES {
        // Messages cost something, so that the host is another thread.
        let adapter = adapter(Parameters { host_message_us: 1.0, ..Parameters::zero() });
        let device = standard::builder(&adapter, policy).open().unwrap();
        let (stream, x) = (device.stream().unwrap(), device.alloc::<u32>(64).unwrap());
        outcome(&stream.try_fill(&x, 1u32).unwrap()).unwrap();
        adapter.stall_host(true);
        // Sleeping one by one is a round trip, which nobody can take back: it ends when the host goes on.
        let stalled = adapter.clone();
        let helper = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(1500));
            stalled.stall_host(false);
        });
        let completion = stream.try_fill(&x, 2u32).unwrap();
        let found = outcome(&completion);
        match policy {
            Policy::OneByOne => assert!(matches!(found, Ok(()) | Err(Error::DeviceLost { .. })), "{found:?}"),
            _ => assert_eq!(lost(&completion), LostReason::Silent, "{policy}"),
        }
        helper.join().unwrap();
        assert!(device.shutdown_blocking(PATIENCE));
        drop((stream, x, device));
        works(&adapter);
    }
}

#[test]
fn a_fence_that_jumps_is_a_lost_device_and_never_success() {
    for policy in POLICIES {
        for jump in [1000, u64::MAX] {
            let adapter = adapter(Parameters::zero());
            let (device, strings) = puppet(&adapter, policy);
            let (stream, x) = (device.stream().unwrap(), device.alloc::<u32>(64).unwrap());
            outcome(&stream.try_fill(&x, 1u32).unwrap()).unwrap();
            strings.swallow(u64::MAX);
            // The host moves the fences in the middle of the wait, on its own.
            let moving = strings.clone();
            let stop = Arc::new(AtomicBool::new(false));
            let stopped = stop.clone();
            let host = std::thread::spawn(move || {
                while moving.swallowed() == 0 && !stopped.load(Ordering::SeqCst) {
                    std::thread::yield_now();
                }
                // SAFETY: the device is dropped only after this thread has ended.
                unsafe { moving.move_fences(|value| value.saturating_add(jump)) };
            });
            let completion = stream.try_fill(&x, 2u32).unwrap();
            let reason = lost(&completion);
            assert!(matches!(reason, LostReason::Driver | LostReason::Silent), "{policy}, {jump}: {reason:?}");
            stop.store(true, Ordering::SeqCst);
            host.join().unwrap();
            assert!(stream.try_fill(&x, 3u32).is_err());
            assert!(device.shutdown_blocking(PATIENCE));
            drop((stream, x, device));
            works(&adapter);
        }
    }
}

#[test]
fn a_fence_that_goes_back_claims_nothing() {
    let adapter = adapter(Parameters::zero());
    let (device, strings) = puppet(&adapter, Policy::Adaptive);
    let (stream, x) = (device.stream().unwrap(), device.alloc::<u32>(64).unwrap());
    for value in 0..50u32 {
        outcome(&stream.try_fill(&x, value).unwrap()).unwrap();
        // SAFETY: the device is open.
        unsafe { strings.move_fences(|value| value / 2) };
    }
    strings.swallow(u64::MAX);
    let completion = stream.try_fill(&x, 99u32).unwrap();
    assert_eq!(lost(&completion), LostReason::Silent);
}

#[test]
fn events_that_come_early_twice_or_for_nothing_change_nothing() {
    for policy in [Policy::Adaptive, Policy::OneByOne] {
        for parameters in [Parameters::default(), Parameters::sync_v27()] {
            let adapter = adapter(parameters);
            let (device, strings) = puppet(&adapter, policy);
            strings.raise_early(true);
            let storm = strings.clone();
            let stop = Arc::new(AtomicBool::new(false));
            let stopped = stop.clone();
            let host = std::thread::spawn(move || {
                while !stopped.load(Ordering::SeqCst) {
                    storm.raise_all();
                    std::thread::sleep(Duration::from_micros(300));
                }
            });
            block_on(async {
                let kernels = Kernels::load(&device)?;
                let work = (0..8u32).map(|number| {
                    let (device, kernel) = (&device, &kernels.stir);
                    async move {
                        let (stream, y) = (device.stream()?, device.alloc::<u32>(64)?);
                        let mut expected = vec![number; 64];
                        stream.fill(&y, number).await?;
                        for k in 0..20 {
                            stream.launch(kernel, 2, args![y.read_write(), k]).await?.await?;
                            expected.iter_mut().enumerate().for_each(|(i, y)| *y = stir(*y, k, i));
                        }
                        assert_eq!(stream.copy_out(&y).await?.await?, expected);
                        Ok::<_, Error>(())
                    }
                });
                futures::future::try_join_all(work).await
            })
            .unwrap();
            stop.store(true, Ordering::SeqCst);
            host.join().unwrap();
            assert!(policy == Policy::Adaptive || strings.raised() > 100, "{} events", strings.raised());
        }
    }
}

#[test]
fn a_removed_adapter_is_noticed_by_who_sleeps_who_blocks_and_who_only_asks() {
    for (policy, asks) in [(Policy::Adaptive, false), (Policy::Adaptive, true), (Policy::Fixed(3), true)] {
        let adapter = adapter(Parameters::zero());
        let (device, strings) = puppet(&adapter, policy);
        let (stream, x) = (device.stream().unwrap(), device.alloc::<u32>(64).unwrap());
        outcome(&stream.try_fill(&x, 1u32).unwrap()).unwrap();
        // In flight when the adapter goes; nobody is woken by that.
        strings.swallow(1);
        let completion = stream.try_fill(&x, 2u32).unwrap();
        let _asked = completion.outcome();
        let begun = Instant::now();
        while strings.swallowed() == 0 {
            assert!(begun.elapsed() < PATIENCE);
            std::thread::yield_now();
        }
        adapter.remove_adapter();
        let found = if asks { polled(&completion) } else { outcome(&completion) };
        let Err(Error::DeviceLost { cause }) = found else { panic!("{policy}, asks: {asks}: {found:?}") };
        assert_eq!(cause.reason, LostReason::Removed, "{policy}, asks: {asks}: {cause}");
        assert!(device.shutdown_blocking(PATIENCE));
    }
}

#[test]
fn asking_again_and_again_notices_a_silent_host() {
    let adapter = adapter(Parameters::zero());
    let (device, strings) = puppet(&adapter, Policy::Adaptive);
    let (stream, x) = (device.stream().unwrap(), device.alloc::<u32>(64).unwrap());
    strings.swallow(1);
    let completion = stream.try_fill(&x, 2u32).unwrap();
    let Err(Error::DeviceLost { cause }) = polled(&completion) else { panic!("it never arrived") };
    assert_eq!(cause.reason, LostReason::Silent);
}

#[test]
fn who_waits_for_room_when_the_device_is_lost_is_let_go() {
    for policy in [Policy::OneByOne, Policy::OneByOneSpin, Policy::Adaptive] {
        let adapter = adapter(Parameters::zero());
        let strings = Arc::new(Strings::default());
        let held = strings.clone();
        let bound = dxg_runtime::Bound::new(2, 1);
        let limits = dxg_runtime::Limits { stream_operations: bound, ..standard::limits() };
        let builder = standard::builder(&adapter, policy).limits(limits);
        let device = builder.through(move |inner| Arc::new(Puppet::new(inner, held.clone()))).open().unwrap();
        strings.swallow(u64::MAX);
        // The driver is held by the first; the streams of the others are new to it when the device is lost.
        block_on(async {
            let tasks: Vec<_> = (0..6)
                .map(|number: u64| {
                    let device = device.clone();
                    tokio::spawn(async move {
                        tokio::time::sleep(Duration::from_millis(30 * number)).await;
                        let (stream, x) = (device.stream()?, device.alloc::<u32>(64)?);
                        for value in 0..10u32 {
                            stream.fill(&x, value).await?;
                        }
                        stream.synchronize().await
                    })
                })
                .collect();
            for task in tasks {
                let ended = tokio::time::timeout(PATIENCE, task).await;
                let error = ended.expect("nobody waits for good").unwrap().expect_err("nothing arrives");
                assert!(error.is_device_lost(), "{policy}: {error}");
            }
        });
    }
}

/// A module of kernels that do not do what kernels should.
fn misbehaving(device: &Device) -> Result<Module> {
    device.load(&ModuleSource::new().rust(vec![
        RustKernel::new("panics").write::<u32>().body(|_| panic!("on purpose")),
        RustKernel::new("panics_with_more").write::<u32>().body(|_| std::panic::panic_any(17u8)),
        RustKernel::new("refuses").write::<u32>().body(|_| Err("the input makes no sense".into())),
        RustKernel::new("wrong_parameter").write::<u32>().body(|cx| cx.read::<f64>(7).map(drop)),
        RustKernel::new("out_of_bounds").write::<u32>().body(|cx| {
            let y = cx.write::<u32>(0)?;
            let behind = y.len();
            y[behind] = 1;
            Ok(())
        }),
        RustKernel::new("sleeps").write::<u32>().scalar::<u32>().body(|cx| {
            let millis: u32 = cx.scalar(1)?;
            std::thread::sleep(Duration::from_millis(millis.into()));
            Ok(())
        }),
    ]))
}

#[test]
fn kernels_that_fail_spoil_their_stream_until_it_is_reset_and_no_other() {
    for policy in POLICIES {
        let device = dxg_tests::open(policy).unwrap();
        let module = misbehaving(&device).unwrap();
        let (bad, good) = (device.stream().unwrap(), device.stream().unwrap());
        let (x, y) = (device.alloc::<u32>(64).unwrap(), device.alloc::<u32>(64).unwrap());
        for name in ["panics", "panics_with_more", "refuses", "wrong_parameter", "out_of_bounds"] {
            let kernel = module.kernel(name).unwrap();
            outcome(&bad.try_fill(&x, 1u32).unwrap()).unwrap();
            let failing = bad.try_launch(&kernel, 2, args![x.write()]).unwrap();
            let behind = bad.try_fill(&x, 2u32);
            let beside = good.try_fill(&y, 3u32).unwrap();
            let error = outcome(&failing).expect_err(name);
            let Error::LaunchFailed { kernel: named, .. } = &error else { panic!("{policy}, {name}: {error:?}") };
            assert_eq!(&**named, name, "{policy}: {error}");
            if let Ok(behind) = behind {
                let error = outcome(&behind).expect_err("not run");
                assert!(matches!(error.root_cause(), Error::LaunchFailed { .. }), "{policy}, {name}: {error}");
            }
            outcome(&beside).unwrap();
            bad.reset().unwrap();
            assert_eq!(good.try_copy_out(&y).unwrap().wait().unwrap(), [3; 64], "{policy}, {name}");
        }
    }
}

#[test]
fn a_kernel_over_the_time_limit_loses_the_device_and_all_that_is_in_flight() {
    for policy in POLICIES {
        let adapter = adapter(Parameters { tdr_ms: 40.0, ..Parameters::zero() });
        let device = standard::builder(&adapter, policy).open().unwrap();
        let module = misbehaving(&device).unwrap();
        let (slow, other) = (device.stream().unwrap(), device.stream().unwrap());
        let (x, y) = (device.alloc::<u32>(64).unwrap(), device.alloc::<u32>(64).unwrap());
        let sleeps = module.kernel("sleeps").unwrap();
        outcome(&slow.try_launch(&sleeps, 1, args![x.write(), 0u32]).unwrap()).unwrap();
        let over = slow.try_launch(&sleeps, 1, args![x.write(), 400u32]).unwrap();
        let behind = slow.try_fill(&x, 2u32);
        let beside = other.try_fill(&y, 3u32);
        assert_eq!(lost(&over), LostReason::Timeout, "{policy}");
        for completion in behind.iter().chain(&beside) {
            // The one beside it may have been done before.
            if let Err(error) = outcome(completion) {
                assert!(error.is_device_lost(), "{policy}: {error}");
            }
        }
        assert!(device.shutdown_blocking(PATIENCE));
        drop((slow, other, x, y, sleeps, module, device));
        works(&adapter);
    }
}

/// Set in a child that shall fault.
const FAULT: &str = "DXGRT_TEST_NATIVE_FAULT";

/// Native objects are trusted code: a wild pointer ends the process, here a child, by the signal that it would be anywhere;
/// the library catches none.
#[test]
fn a_native_object_that_faults_ends_its_process() {
    let name = "a_native_object_that_faults_ends_its_process";
    if let Some(object) = std::env::var_os(FAULT) {
        fault(object);
    }
    let folder = tempfile::tempdir().unwrap();
    let (source, object) = (folder.path().join("fault.c"), folder.path().join("fault.so"));
    let code = "struct dxgrt_wg; void wild(const void *args, const struct dxgrt_wg *wg)\
                { (void)args; (void)wg; *(volatile int *)16 = 1; }\n\
                void aborts(const void *args, const struct dxgrt_wg *wg)\
                { (void)args; (void)wg; __builtin_trap(); }\n";
    std::fs::write(&source, code).unwrap();
    let compiled = Command::new("cc").args(["-shared", "-fPIC", "-o"]).args([&object, &source]).status().unwrap();
    assert!(compiled.success(), "cc compiles the kernels");
    for (kernel, signals) in [("wild", &[libc::SIGSEGV][..]), ("aborts", &[libc::SIGILL, libc::SIGTRAP, libc::SIGABRT])]
    {
        let mut value = object.clone().into_os_string();
        value.push(":");
        value.push(kernel);
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(FAULT, value)
            .output()
            .unwrap();
        let signal = child.status.signal();
        let said = String::from_utf8_lossy(&child.stderr);
        assert!(signal.is_some_and(|signal| signals.contains(&signal)), "{kernel}: {:?}\n{said}", child.status);
    }
    // This process never noticed.
    works(&adapter(Parameters::zero()));
}

/// Runs in the child: launches the kernel that faults.
fn fault(object_and_kernel: OsString) -> ! {
    let text = object_and_kernel.into_string().expect("a path in UTF-8");
    let (object, kernel) = text.rsplit_once(':').expect("object:kernel");
    let device = dxg_tests::device();
    let image = std::fs::read(object).expect("the object");
    // SAFETY: needed because loading foreign code is unsafe; what it does is the point, in a process that ends by it.
    let module = device.load(&unsafe { ModuleSource::new().native_unchecked(image) }).expect("loads");
    let kernel = module.kernel(kernel).expect("is there");
    let stream = device.stream().expect("a stream");
    let launched = stream.try_launch(&kernel, 1, args![]).expect("accepted");
    let _ended = launched.wait();
    std::process::exit(0);
}

#[test]
fn a_forked_child_is_turned_away_and_does_not_disturb_its_parent() {
    let adapter = adapter(Parameters::default());
    let device = standard::builder(&adapter, Policy::Adaptive).open().unwrap();
    let (stream, x) = (device.stream().unwrap(), device.alloc::<u32>(64).unwrap());
    outcome(&stream.try_fill(&x, 1u32).unwrap()).unwrap();
    for _ in 0..20 {
        let before = stream.try_fill(&x, 2u32).unwrap();
        // SAFETY: needed to fork; the child calls only what the test is about and leaves with _exit.
        let child = unsafe { libc::fork() };
        assert!(child >= 0);
        if child == 0 {
            // SAFETY: ends a child that hangs, which its parent then sees.
            unsafe { libc::alarm(15) };
            let tried = stream.try_fill(&x, 3u32);
            let answered = match tried {
                Err(_) => true,
                // Accepted by memory that is a copy: it must not claim to be done, and must not wait for good.
                Ok(completion) => !matches!(completion.wait_timeout(Duration::from_secs(5)), Some(Ok(()))),
            };
            // SAFETY: ends the child without running anything of its parent's.
            unsafe { libc::_exit(if answered { 0 } else { 1 }) };
        }
        let mut status = 0;
        // SAFETY: waits for our own child.
        unsafe { libc::waitpid(child, &raw mut status, 0) };
        assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0, "the child ended with {status:#x}");
        outcome(&before).unwrap();
    }
    outcome(&stream.try_fill(&x, 4u32).unwrap()).unwrap();
    assert_eq!(stream.try_copy_out(&x).unwrap().wait().unwrap(), [4; 64]);
}
