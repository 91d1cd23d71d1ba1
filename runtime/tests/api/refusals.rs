//! Every wrong input is refused with a typed error whose sentence helps, and nothing happens.

use std::time::Duration;

use dxg_runtime::{
    Args, Bound, Command, Device, DeviceKind, Error, Event, Limits, ModuleSource, Parameters, Policy, args,
};

use super::common::{block_on, device, kernels, source};

/// The error, which must mention all of these.
fn says<T>(result: Result<T, Error>, parts: &[&str]) -> Error {
    let Err(error) = result else { panic!("accepted, but it should say {parts:?}") };
    let text = error.to_string();
    for part in parts {
        assert!(text.contains(part), "`{part}` is missing in: {text}");
    }
    error
}

#[test]
fn a_missing_or_misspelt_device() {
    let error = says(Device::open("gpu:0"), &["`gpu:0`", "`software`", "`cuda`"]);
    assert!(matches!(error, Error::BadSelector { .. }));
    let error = says(Device::open("software:1000"), &["software:1000", "0 to 63"]);
    assert!(matches!(error, Error::NoDevice { .. }));
    let error = says(
        Device::builder().selector("cuda").cuda_library("/nowhere/libcuda.so.1").open(),
        &["cuda:0", "/nowhere/libcuda.so.1", "`software`"],
    );
    assert!(matches!(error, Error::NoDevice { .. }));
    let error = says(Device::open("dxg:4000"), &["dxg:4000"]);
    assert!(matches!(error, Error::NoDevice { .. }), "{error}");
    let builder = Device::builder().selector("dxg").parameters(Parameters::zero());
    says(builder.open(), &["`dxg:0` is no software device"]);
}

#[test]
fn the_software_device_is_always_listed() {
    let all = Device::enumerate();
    let software = all.iter().find(|info| info.kind() == DeviceKind::Software).unwrap();
    assert!(software.can_launch);
    assert_eq!(software.selector.to_string(), "software:0");
    for info in &all {
        assert_eq!(info.can_launch, info.kind() != DeviceKind::Dxg);
    }
}

#[test]
fn software_devices_have_numbers() {
    for number in [0, 1, 63] {
        let device =
            Device::builder().selector(format!("software:{number}")).parameters(Parameters::zero()).open().unwrap();
        assert_eq!(device.info().selector.to_string(), format!("software:{number}"));
    }
}

#[test]
fn a_bad_image_or_kernel_name() {
    let device = device();
    says(device.load(&ModuleSource::new()), &["holds no image"]);
    // SAFETY: needed because native code is trusted code; none of these images is code, and none is run.
    let images = unsafe {
        [
            ModuleSource::new().native_unchecked(&b"this is no object"[..]),
            ModuleSource::new().native_unchecked(&b"\x7fELF"[..]),
            ModuleSource::new().native_unchecked(vec![0; 4096]),
        ]
    };
    for image in images {
        let error = says(device.load(&image), &["native"]);
        assert!(matches!(error, Error::BadImage { .. }), "{error}");
    }
    // SAFETY: as above: the software adapter cannot run PTX.
    let ptx = unsafe { ModuleSource::new().ptx_unchecked(".version 8.0") };
    let error = says(device.load(&ptx), &["cuda"]);
    assert!(matches!(error, Error::Unsupported { .. }), "{error}");
    let module = device.load(&source()).unwrap();
    let error = says(module.kernel("saxpy"), &["saxpy", "bump"]);
    assert!(matches!(error, Error::KernelNotFound { .. }));
}

#[test]
fn wrong_arguments() {
    let device = device();
    let kernels = kernels(&device);
    let stream = device.stream().unwrap();
    let (x, y, wide) =
        (device.alloc::<u32>(4).unwrap(), device.alloc::<u32>(4).unwrap(), device.alloc::<u64>(4).unwrap());
    let before = device.stats().operations;
    let launch = |args: Args| block_on(stream.launch(&kernels.add, 1, args)).map(|_| ());
    let error = says(launch(args![1u32, x.read()]), &["`add`", "2 given", "3:"]);
    assert!(matches!(error, Error::Arguments { .. }));
    says(launch(args![]), &["0 given"]);
    says(launch(args![1u64, x.read(), y.write()]), &["argument 0 is a value of 8 bytes", "4 bytes (u32)"]);
    says(launch(args![1u32, wide.read(), y.write()]), &["argument 1", "8-byte elements", "4-byte elements"]);
    says(launch(args![1u32, x.read(), y.read()]), &["argument 2", "read;", "written"]);
    says(launch(args![1u32, x.address(), y.write()]), &["argument 1 is a value of 8 bytes"]);
    says(launch(args![[0u8; 4097]]), &["4097 bytes", "4096"]);
    says(launch(Args::from_raw(&[0; 23])), &["23 bytes given"]);
    assert!(matches!(Args::from_raw(&[0; 4]).with_access(0, x.read()), Err(Error::OutOfRange { .. })));
    assert_eq!(device.stats().operations, before);
}

#[test]
fn grids_beyond_the_device() {
    let device = device();
    let kernels = kernels(&device);
    let stream = device.stream().unwrap();
    for grid in [([1, u32::MAX, 1], [1, 1, 1]), ([1, 1, 1], [u32::MAX, 1, 1]), ([u32::MAX; 3], [1, 1, 1])] {
        let error = says(block_on(stream.launch(&kernels.nothing, grid, args![])).map(|_| ()), &["`nothing`", "takes"]);
        assert!(matches!(error, Error::GridTooLarge { .. }));
    }
}

#[test]
fn ranges_and_lengths_that_do_not_fit() {
    let device = device();
    let stream = device.stream().unwrap();
    let (x, y) = (device.alloc::<u32>(10).unwrap(), device.alloc::<u32>(11).unwrap());
    let error = says(x.slice(5..11), &["5..11", "10"]);
    assert!(matches!(error, Error::OutOfRange { start: 5, end: 11, len: 10, .. }));
    #[expect(clippy::reversed_empty_ranges, reason = "a range that ends before it begins is what is tested")]
    let reversed = x.slice(7..3);
    says(reversed, &["7..3"]);
    says(x.slice(..=usize::MAX), &["10"]);
    says(x.slice(..3).unwrap().cast::<u64>(), &["12 bytes", "8-byte"]);
    says(block_on(stream.copy(&x, &y)), &["10 elements", "11"]);
    says(block_on(stream.copy_in(&x, [1u32; 9])), &["9 elements", "10"]);
    says(block_on(stream.copy_in(&x, bytes::Bytes::from_static(&[0; 39]))), &["39 bytes", "40"]);
    let overlap = block_on(stream.copy(x.slice(0..5).unwrap(), x.slice(4..9).unwrap()));
    says(overlap, &["overlap"]);
    says(block_on(stream.fill(device.alloc::<[u8; 3]>(4).unwrap().as_slice(), [1u8, 2, 3])), &["has 3"]);
    says(Command::fill_bytes(x.as_slice().bytes(), &[1; 16]), &["has 16"]);
    says(Command::copy(&x, &y), &["10 elements"]);
    let odd = Command::fill_bytes(x.as_slice().bytes().slice(..7).unwrap(), &[1, 2]).unwrap();
    says(block_on(stream.submit(&[odd])), &["2 bytes", "7 bytes"]);
}

#[test]
fn more_memory_than_there_is() {
    let device = device();
    let error = says(device.alloc::<u64>(usize::MAX), &["device memory"]);
    assert!(matches!(error, Error::OutOfMemory { .. }));
    let error = says(device.alloc::<u8>(1 << 50), &["memory"]);
    assert!(matches!(error, Error::OutOfMemory { .. }), "{error}");
    assert!(device.host_buffer::<u64>(usize::MAX / 4).is_err());
    // The device is none the worse for it.
    assert_eq!(device.alloc::<u8>(16).unwrap().len(), 16);
}

#[test]
fn objects_of_another_device() {
    let (device, other) = (device(), device());
    let (kernels, others) = (kernels(&device), kernels_of(&other));
    let stream = device.stream().unwrap();
    let (x, foreign) = (device.alloc::<u32>(4).unwrap(), other.alloc::<u32>(4).unwrap());
    let wrong = |result: Result<(), Error>, what: &str| {
        let error = says(result, &[what, "belongs to"]);
        assert!(matches!(error, Error::WrongDevice { .. }), "{error}");
    };
    wrong(block_on(stream.launch(&others.bump, 1, args![x.write()])).map(|_| ()), "kernel");
    wrong(block_on(stream.launch(&kernels.bump, 1, args![foreign.write()])).map(|_| ()), "buffer");
    let mixed = args![1u32, x.read(), foreign.write()];
    wrong(block_on(stream.launch(&kernels.add, 1, mixed)).map(|_| ()), "buffer");
    wrong(block_on(stream.fill(&foreign, 1)).map(|_| ()), "buffer");
    wrong(block_on(stream.copy(&x, &foreign)).map(|_| ()), "destination buffer");
    wrong(block_on(stream.copy(&foreign, &x)).map(|_| ()), "source buffer");
    wrong(block_on(stream.copy_in(&foreign, [0; 4])).map(|_| ()), "buffer");
    wrong(block_on(stream.copy_out(&foreign)).map(|_| ()), "buffer");
    let host = other.host_buffer::<u32>(4).unwrap();
    wrong(block_on(stream.copy_in(&x, &host)).map(|_| ()), "host buffer");
    let event = Event::new(&other).unwrap();
    wrong(block_on(stream.record(&event)).map(|_| ()), "event");
    wrong(block_on(stream.wait(&event)).map(|_| ()), "event");
    wrong(block_on(stream.wait_for_stream(&other.stream().unwrap())).map(|_| ()), "stream");
    wrong(block_on(stream.submit(&[Command::marker(), Command::fill(&foreign, 1).unwrap()])).map(|_| ()), "buffer");
    let graph = dxg_runtime::Graph::builder(&other).build().unwrap();
    wrong(block_on(graph.launch(&stream, &[])).map(|_| ()), "graph");
    assert_eq!(device.stats().operations, 0, "something of all this was accepted");
}

fn kernels_of(device: &Device) -> super::common::Kernels {
    kernels(device)
}

#[test]
fn use_after_shutdown() {
    let device = device();
    let kernels = kernels(&device);
    let stream = device.stream().unwrap();
    let x = device.alloc::<u32>(4).unwrap();
    let done = stream.try_fill(&x, 1).unwrap();
    assert!(device.shutdown_blocking(Duration::from_secs(10)), "the device did not close");
    assert!(device.shutdown_blocking(Duration::from_secs(10)), "closing again is fine");
    done.wait().unwrap();
    let shut = |result: Result<(), Error>| assert!(matches!(result, Err(Error::ShutDown)), "{result:?}");
    shut(block_on(stream.fill(&x, 1)).map(|_| ()));
    shut(block_on(stream.launch(&kernels.bump, 1, args![x.write()])).map(|_| ()));
    shut(block_on(stream.copy_out(&x)).map(|_| ()));
    shut(device.stream().map(|_| ()));
    shut(device.alloc::<u8>(1).map(|_| ()));
    shut(device.load(&source()).map(|_| ()));
    shut(device.host_buffer::<u8>(1).map(|_| ()));
    shut(Event::new(&device).map(|_| ()));
    block_on(device.synchronize()).unwrap();
    let _still_answered = (device.stats(), device.memory_info(), x.address());
}

#[test]
fn limits_without_sense() {
    let impossible = Limits { stream_operations: Bound::new(0, 0), ..Limits::default() };
    says(Device::builder().selector("software").limits(impossible).open(), &["stream_operations", "at least 1"]);
    let endless = Limits { device_operations: Bound::new(u32::MAX, 1), ..Limits::default() };
    says(Device::builder().selector("software").limits(endless).open(), &["device_operations", "at most 1048576"]);
    let endless = Limits { staging_bytes: u64::MAX, ..Limits::default() };
    says(Device::builder().selector("software").limits(endless).open(), &["staging_bytes", "at most"]);
    says(Device::builder().selector("software").policy(Policy::Fixed(0)).open(), &["fixed:0"]);
    let device = device();
    let fixed = Limits { hardware_queues: 3, ..Limits::default() };
    says(device.set_limits(fixed), &["hardware_queues", "fixed at 32"]);
    device.set_limits(Limits { batch_operations: 2, ..Limits::default() }).unwrap();
    assert_eq!(device.limits().batch_operations, 2);
    device.set_policy(Policy::OneByOne).unwrap();
    assert_eq!(device.policy(), Policy::OneByOne);
}

#[test]
fn more_operations_at_once_than_may_wait() {
    let limits = Limits { stream_operations: Bound::new(8, 4), ..Limits::default() };
    let device = Device::builder().selector("software").parameters(Parameters::zero()).limits(limits).open().unwrap();
    let stream = device.stream().unwrap();
    let commands = vec![Command::marker(); 9];
    says(block_on(stream.submit(&commands)).map(|_| ()), &["9 operations", "8"]);
    block_on(async { stream.submit(&commands[..8]).await.unwrap().await.unwrap() });
}
