//! The cuda backend over a libcuda without a GPU (`tests/cuda/fake_cuda.c`): its logic, its errors, its bounds.

use std::ffi::c_int;
use std::time::{Duration, Instant};

use dxg_runtime::{Device, Error, Limits, ModuleSource, args};
use dxg_tests::cuda::{KERNELS, Target, Verdict, checks, load, same};
use fake::Fake;

mod fake;
mod shards;

fn refusal(target: &Target) -> String {
    target.open().expect_err("nothing to open").to_string()
}

#[test]
fn every_check_holds_over_the_stand_in() {
    for sharded in [false, true] {
        let fake = Fake::new();
        let target = Target { sharded, ..fake.target() };
        let mut skipped = Vec::new();
        for check in checks() {
            match check.run(&target).unwrap_or_else(|error| panic!("{}, {sharded}: {error}", check.name)) {
                Verdict::Holds(lines) => lines.iter().for_each(|line| println!("{}: {line}", check.name)),
                Verdict::Skipped(reason) => skipped.push((check.name, reason)),
            }
        }
        // Of one GPU; the next test has more.
        let [(name, reason)] = &skipped[..] else { panic!("{skipped:?}") };
        assert!(*name == "several GPUs at once" && reason.contains("shows 1 GPU"), "{skipped:?}");
    }
}

#[test]
fn several_gpus_are_several_devices() {
    let fake = Fake::new();
    fake.set("devices", 3);
    let several = checks().into_iter().find(|check| check.name == "several GPUs at once").unwrap();
    let Verdict::Holds(lines) = several.run(&fake.target()).unwrap() else { panic!("skipped") };
    assert_eq!(lines, ["cuda:0: Fake GPU 0", "cuda:1: Fake GPU 1", "cuda:2: Fake GPU 2"]);
    // A context says which GPU it is.
    let lent = checks().into_iter().find(|check| check.name.contains("CUcontext")).unwrap();
    lent.run(&Target { selector: "cuda:1".into(), ..fake.target() }).unwrap();
}

#[test]
fn without_a_driver_the_error_says_what_to_do() {
    let missing = Target { library: Some("/nowhere/libcuda.so.1".into()), ..Fake::nowhere() };
    let error = refusal(&missing);
    assert!(error.contains("/nowhere/libcuda.so.1 does not exist") && error.contains("`software`"), "{error}");
    // A library that is no driver.
    let libc = Target { library: Some("libc.so.6".into()), ..Fake::nowhere() };
    let error = refusal(&libc);
    assert!(error.contains("no CUDA driver"), "{error}");

    let fake = Fake::new();
    let error = refusal(&fake.set("version", 10020).target());
    assert!(error.contains("for CUDA 10.2") && error.contains("11.4"), "{error}");
    let fake = Fake::new();
    let error = refusal(&fake.set("init", 100).target());
    assert!(error.contains("CUDA_ERROR_NO_DEVICE") && error.contains("nvidia-smi"), "{error}");
    let fake = Fake::new();
    let error = refusal(&fake.set("devices", 0).target());
    assert!(error.contains("no NVIDIA GPU"), "{error}");
    let fake = Fake::new();
    fake.set("devices", 3);
    let error = refusal(&Target { selector: "cuda:3".into(), ..fake.target() });
    assert!(error.contains("3 NVIDIA GPUs") && error.contains("`cuda:2`"), "{error}");
    let last = Target { selector: "cuda:2".into(), ..fake.target() }.open().unwrap();
    assert_eq!(&*last.info().name, "Fake GPU 2");
}

#[test]
fn a_batch_of_equal_launches_is_one_launch() {
    let fake = Fake::new();
    let device = fake.target().open_with(Limits { shards: 1, ..Limits::default() }).unwrap();
    let kernel = load(&device, "where").unwrap();
    let streams: Vec<_> = (0..300).map(|_| device.stream().unwrap()).collect();
    let out: Vec<_> = (0..300).map(|_| device.alloc::<u32>(4).unwrap()).collect();
    let round = || {
        fake.number("fake_hold", 1);
        let before = (fake.calls("cuLaunchKernel"), device.stats().submissions);
        for (stream, out) in streams.iter().zip(&out) {
            stream.try_launch(&kernel, 4, args![out.write()]).unwrap();
        }
        device.flush();
        let after = (fake.calls("cuLaunchKernel"), device.stats().submissions);
        fake.number("fake_hold", 0);
        device.synchronize_blocking().unwrap();
        (after.0 - before.0, after.1 - before.1)
    };
    // What a launch costs is not known at first, and batches are small for that.
    for _ in 0..20 {
        round();
    }
    let (launches, submissions) = round();
    assert!(launches <= 2 * submissions as i64 + 2, "{launches} launches in {submissions} submissions");
    assert!(submissions <= 8, "{submissions} submissions of 300 launches");
    for (stream, out) in streams.iter().zip(&out) {
        same("where", &stream.try_copy_out(out).unwrap().wait().unwrap(), &[1000, 1001, 1002, 1003]).unwrap();
    }
}

#[test]
fn an_awaited_launch_is_a_launch_and_a_fence() {
    let fake = Fake::new();
    let device = fake.open();
    let (kernel, stream) = (load(&device, "nothing").unwrap(), device.stream().unwrap());
    stream.try_launch(&kernel, 1, args![]).unwrap().wait().unwrap();
    let counts =
        || ["cuLaunchKernel", "cuStreamWriteValue64_v2", "cuEventRecord", "cuMemcpyAsync"].map(|c| fake.calls(c));
    let of_a_launch = || {
        let before = counts();
        stream.try_launch(&kernel, 1, args![]).unwrap().wait().unwrap();
        let after = counts();
        [0, 1, 2, 3].map(|i| after[i] - before[i])
    };
    // No event: the fence word says when it is done. Where the thread was disturbed, somebody may have slept on one all the same.
    let seen: Vec<_> = (0..50).map(|_| of_a_launch()).collect();
    assert!(seen.contains(&[1, 1, 0, 0]), "{seen:?}");
    assert!(seen.iter().all(|[launches, fences, _, copies]| (*launches, *fences, *copies) == (1, 1, 0)), "{seen:?}");
}

#[test]
fn a_fault_loses_the_device_and_asks_for_a_new_process() {
    for asleep in [false, true] {
        let fake = Fake::new();
        let device = fake.open();
        let (kernel, stream) = (load(&device, "nothing").unwrap(), device.stream().unwrap());
        let x = device.alloc::<u32>(8).unwrap();
        let good = stream.try_fill(&x, 1u32).unwrap();
        good.wait().unwrap();
        fake.number("fake_hold", 1);
        fake.number("fake_fault", 700);
        let bad = stream.try_launch(&kernel, 1, args![]).unwrap();
        device.flush();
        if asleep {
            std::thread::sleep(Duration::from_millis(20));
        }
        fake.number("fake_hold", 0);
        let begun = Instant::now();
        let error = bad.wait_timeout(Duration::from_secs(30)).expect("a lost device ends every wait").unwrap_err();
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        let text = error.to_string();
        assert!(error.is_device_lost() && text.contains("CUDA_ERROR_ILLEGAL_ADDRESS"), "{text}");
        assert!(text.contains("start a new process") && !text.contains("open it again"), "{text}");
        good.wait().unwrap();
        assert!(stream.try_fill(&x, 2u32).is_err());
        drop((bad, good, stream, x, kernel, device));
        let again = refusal(&fake.target());
        assert!(again.contains("start a new process"), "{again}");
    }
}

#[test]
fn a_refused_launch_fails_its_stream_and_no_other() {
    let fake = Fake::new();
    let device = fake.open();
    let (kernel, axpy) = (load(&device, "where").unwrap(), load(&device, "axpy").unwrap());
    let (bad, good) = (device.stream().unwrap(), device.stream().unwrap());
    let (x, y) = (device.alloc::<f32>(64).unwrap(), device.alloc::<u32>(8).unwrap());
    bad.try_fill(&x, 1.0f32).unwrap();
    bad.last().wait().unwrap();
    fake.number("fake_hold", 1);
    fake.fail("cuLaunchKernel", 701, 0);
    let refused = bad.try_launch(&axpy, (2, 32), args![1.0f32, x.read(), x.read_write(), 64u32]).unwrap();
    let behind = bad.try_fill(&x, 9.0f32).unwrap();
    let event = dxg_runtime::Event::without_time(&device).unwrap();
    bad.try_record(&event).unwrap();
    let before = fake.calls("cuLaunchKernel");
    device.flush();
    while fake.calls("cuLaunchKernel") == before {
        std::thread::sleep(Duration::from_millis(1));
    }
    let other = good.try_launch(&kernel, 8, args![y.write()]).unwrap();
    fake.number("fake_hold", 0);
    other.wait().unwrap();
    let error = refused.wait().unwrap_err();
    assert!(matches!(error, Error::LaunchFailed { .. }), "{error}");
    assert!(
        error.to_string().contains("CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES") && error.to_string().contains("axpy"),
        "{error}"
    );
    assert!(matches!(behind.wait(), Err(Error::DependencyFailed { .. })));
    bad.reset().unwrap();
    let read = bad.try_copy_out(&x).unwrap().wait().unwrap();
    same("what was behind the refused launch did not run", &read, &[1.0; 64]).unwrap();
    assert_eq!(device.stats().failures, 1);
}

#[test]
fn one_refused_launch_among_merged_ones_is_found() {
    let fake = Fake::new();
    let device = fake.open();
    let kernel = load(&device, "where").unwrap();
    let streams: Vec<_> = (0..10).map(|_| device.stream().unwrap()).collect();
    let out: Vec<_> = (0..10).map(|_| device.alloc::<u32>(2).unwrap()).collect();
    for (stream, out) in streams.iter().zip(&out) {
        stream.try_fill(out, 7u32).unwrap().wait().unwrap();
    }
    fake.number("fake_hold", 1);
    let held = device.stream().unwrap();
    let z = device.alloc::<u32>(1).unwrap();
    held.try_fill(&z, 1u32).unwrap();
    device.flush();
    // The upload of the table is the first launch; the merged one is refused, then the third of the single ones.
    let launches: Vec<_> = streams
        .iter()
        .zip(&out)
        .map(|(stream, out)| stream.try_launch(&kernel, 2, args![out.write()]).unwrap())
        .collect();
    let after: Vec<_> = streams.iter().zip(&out).map(|(stream, out)| stream.try_copy_out(out).unwrap()).collect();
    fake.fail("cuLaunchKernel", 701, 1);
    device.flush();
    fake.number("fake_hold", 0);
    // Whatever was refused by then was launched singly, and the results are right.
    for (launch, after) in launches.iter().zip(after) {
        launch.wait().unwrap();
        same("where", &after.wait().unwrap(), &[1000, 1001]).unwrap();
    }
}

#[test]
fn copies_that_follow_each_other_are_one_unless_the_driver_refuses_that() {
    // As it does where they lie in two allocations that happen to be neighbours.
    for refused in [false, true] {
        let fake = Fake::new();
        let device = fake.open();
        let (stream, half) = (device.stream().unwrap(), 64 << 10);
        let (x, y) = (device.alloc::<u8>(2 * half).unwrap(), device.alloc::<u8>(2 * half).unwrap());
        stream.try_fill(&x, 7u8).unwrap();
        stream.try_fill(&y, 0u8).unwrap().wait().unwrap();
        // Both wait behind this one, and go together.
        fake.number("fake_hold", 1);
        stream.try_fill(x.slice(..1).unwrap(), 7u8).unwrap();
        device.flush();
        let before = fake.calls("cuMemcpyAsync");
        let copy = |from, to| stream.try_copy(x.slice(from..to).unwrap(), y.slice(from..to).unwrap()).unwrap();
        let copies = [copy(0, half), copy(half, 2 * half)];
        if refused {
            fake.fail("cuMemcpyAsync", 1, 0);
        }
        device.flush();
        while fake.calls("cuMemcpyAsync") == before {
            std::thread::yield_now();
        }
        fake.number("fake_hold", 0);
        copies.iter().for_each(|copy| copy.wait().unwrap());
        let made = fake.calls("cuMemcpyAsync") - before;
        assert_eq!(made, if refused { 3 } else { 1 });
        let read = stream.try_copy_out(&y).unwrap().wait().unwrap();
        same("copied", &read, &vec![7; 2 * half]).unwrap();
    }
}

#[test]
fn fence_values_that_stay_away_are_replaced_by_events() {
    let fake = Fake::new();
    let device = fake.set("words_lost", 1).open();
    let (stream, x) = (device.stream().unwrap(), device.alloc::<u32>(1000).unwrap());
    for turn in 0..20u32 {
        let filled = stream.try_fill(&x, turn).unwrap();
        filled.wait_timeout(Duration::from_secs(10)).expect("the watchdog finds out").unwrap();
    }
    same("filled", &stream.try_copy_out(&x).unwrap().wait().unwrap(), &[19; 1000]).unwrap();
}

#[test]
fn pinned_memory_stays_under_its_bound() {
    let fake = Fake::new();
    let limits = Limits { pinned_bytes: 64 << 20, ..Limits::default() };
    let device = fake.target().open_with(limits).unwrap();
    let error = device.host_buffer::<u8>(60 << 20).unwrap_err().to_string();
    assert!(error.contains("pinned_bytes"), "{error}");
    let small = device.host_buffer::<u8>(1 << 20).unwrap();
    drop(small);
    // Refused by the driver.
    let fake = Fake::new();
    let error = refusal(&fake.set("pinned_limit", 1 << 20).target());
    assert!(error.contains("pinned host memory") && error.contains("staging_bytes"), "{error}");
}

#[test]
fn device_memory_runs_out_with_a_number() {
    let fake = Fake::new();
    let device = fake.set("memory_limit", 256 << 20).open();
    let error = device.alloc::<u8>(1 << 30).unwrap_err();
    assert!(matches!(error, Error::OutOfMemory { what: "device memory", .. }), "{error}");
    device.alloc::<u8>(1 << 20).unwrap();
}

#[test]
fn a_module_whose_twins_are_refused_runs_without_them() {
    let fake = Fake::new();
    let device = fake.set("refuse_twins", 1).open();
    let kernel = load(&device, "where").unwrap();
    let support = kernel.merge_support().to_string();
    assert!(support.contains("the driver refuses the twins") && support.contains("no such kernel"), "{support}");
    let out = device.alloc::<u32>(3).unwrap();
    let stream = device.stream().unwrap();
    for _ in 0..10 {
        stream.try_launch(&kernel, 3, args![out.write()]).unwrap();
    }
    same("where", &stream.try_copy_out(&out).unwrap().wait().unwrap(), &[1000, 1001, 1002]).unwrap();
}

#[test]
fn modules_for_other_devices_and_cubins() {
    let fake = Fake::new();
    let device = fake.open();
    let rust = dxg_runtime::RustKernel::new("k").write::<u32>().body(|_| Ok(()));
    let error = device.load(&ModuleSource::new().rust([rust.clone()])).unwrap_err().to_string();
    assert!(error.contains("PTX or a cubin"), "{error}");
    // SAFETY: needed because PTX is foreign code; see `load`.
    let both = unsafe { ModuleSource::new().rust([rust]).ptx_unchecked(KERNELS) };
    device.load(&both).unwrap().kernel("where").unwrap();
    // SAFETY: needed because a cubin is foreign code; the stand-in looks at its first bytes only.
    let cubin = unsafe { ModuleSource::new().cubin_unchecked(&b"\x7fELF"[..]) };
    let kernel = device.load(&cubin).unwrap().kernel("where").unwrap();
    assert!(kernel.merge_support().to_string().contains("machine code"), "{}", kernel.merge_support());
}

#[test]
fn idle_costs_no_processor_time() {
    let fake = Fake::new();
    let device = fake.open();
    let (stream, x) = (device.stream().unwrap(), device.alloc::<u32>(64).unwrap());
    stream.try_fill(&x, 1u32).unwrap().wait().unwrap();
    std::thread::sleep(Duration::from_millis(50));
    let calls = || ["cuEventQuery", "cuStreamQuery", "cuEventSynchronize"].map(|call| fake.calls(call));
    let before = calls();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(calls(), before, "an idle device asks nothing");
}

#[test]
fn the_context_is_given_back_and_the_thread_left_as_it_was() {
    let fake = Fake::new();
    let retained = || fake.retained();
    let device = fake.open();
    assert_eq!(retained(), 1);
    let second = fake.open();
    assert_eq!(retained(), 2);
    let x = device.alloc::<u32>(64).unwrap();
    drop((device, second));
    let begun = Instant::now();
    while retained() > 1 && begun.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(1));
    }
    drop(x);
    while retained() > 0 {
        assert!(begun.elapsed() < Duration::from_secs(20), "{} still hold the context", retained());
        std::thread::sleep(Duration::from_millis(1));
    }
    let mut current = std::ptr::null_mut::<std::ffi::c_void>();
    // SAFETY: as in `Fake::set`.
    unsafe {
        type Current = unsafe extern "C" fn(*mut *mut std::ffi::c_void) -> c_int;
        let ask: libloading::Symbol<Current> = fake.library.get(b"cuCtxGetCurrent").unwrap();
        ask(&mut current);
    }
    assert!(current.is_null(), "a context was left on this thread");
}

#[test]
fn memory_streams_and_events_of_the_program_take_part() {
    type Handle = *mut std::ffi::c_void;
    let fake = Fake::new();
    let device = fake.open();
    let context = device.cuda_context().unwrap();
    // SAFETY: needed to play the foreign program; the functions have these types, see their source.
    let (address, foreign, event) = unsafe {
        let push: libloading::Symbol<unsafe extern "C" fn(Handle) -> c_int> =
            fake.library.get(b"cuCtxPushCurrent_v2").unwrap();
        let allocate: libloading::Symbol<unsafe extern "C" fn(*mut u64, usize) -> c_int> =
            fake.library.get(b"cuMemAlloc_v2").unwrap();
        let make: libloading::Symbol<unsafe extern "C" fn(*mut Handle, u32, c_int) -> c_int> =
            fake.library.get(b"cuStreamCreateWithPriority").unwrap();
        let make_event: libloading::Symbol<unsafe extern "C" fn(*mut Handle, u32) -> c_int> =
            fake.library.get(b"cuEventCreate").unwrap();
        let (mut address, mut stream, mut event) = (0, std::ptr::null_mut(), std::ptr::null_mut());
        assert_eq!((push(context), allocate(&mut address, 4096), make(&mut stream, 0, 0)), (0, 0, 0));
        assert_eq!(make_event(&mut event, 0), 0);
        (address, stream, event)
    };
    let owner = std::sync::Arc::new(());
    // SAFETY: needed because the memory is foreign; it is never freed.
    let import = |address, len| unsafe { device.import_cuda::<u32>(address, len, owner.clone()) };
    let buffer = import(address, 1024).unwrap();
    for (address, len, word) in
        [(address + 8, 4, "already"), (0x1000, 4, "no address of device memory"), (address + 2, 1, "no multiple of 4")]
    {
        let error = import(address, len).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
    let error = import(address, 4096).unwrap_err().to_string();
    assert!(error.contains("out of range"), "{error}");
    let stream = device.stream().unwrap();
    let waits = fake.calls("cuStreamWaitEvent");
    // SAFETY: needed because streams and events are foreign; they are of the same context, and alive.
    unsafe {
        stream.wait_for_cuda_stream(foreign).unwrap();
        stream.try_fill(&buffer, 7u32).unwrap();
        stream.record_cuda_event(event).unwrap();
        stream.wait_for_cuda_event(event).unwrap();
        stream.let_cuda_stream_wait(foreign).unwrap();
    }
    same("foreign memory", &stream.try_copy_out(&buffer).unwrap().wait().unwrap(), &[7; 1024]).unwrap();
    // Three of the program's; dxgrt waits itself where the stream went on in another queue.
    assert!(fake.calls("cuStreamWaitEvent") - waits >= 3);
    assert_eq!(std::sync::Arc::strong_count(&owner), 2);
    drop(buffer);
    stream.last().wait().unwrap();
    let begun = Instant::now();
    while std::sync::Arc::strong_count(&owner) > 1 {
        assert!(begun.elapsed() < Duration::from_secs(10), "the owner is still held");
        device.memory_info();
        std::thread::sleep(Duration::from_millis(1));
    }
    let software = dxg_tests::device();
    // SAFETY: as above; refused before anything is looked at.
    let error = unsafe { software.import_cuda::<u32>(address, 4, ()) }.unwrap_err().to_string();
    assert!(error.contains("open `cuda`"), "{error}");
}

#[test]
fn a_program_that_names_no_device_gets_one() {
    // Whatever there is, opening by default works, and never fails for the want of a GPU.
    let device = Device::builder().cuda_library("/nowhere/libcuda.so.1").open().unwrap();
    assert_eq!(device.info().kind(), dxg_runtime::DeviceKind::Software);
    let fake = Fake::new();
    let device = Device::builder().cuda_library(fake.target().library.unwrap()).open().unwrap();
    assert_eq!(device.info().kind(), dxg_runtime::DeviceKind::Cuda);
}
