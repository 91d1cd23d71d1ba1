//! Native kernels and client memory.

use super::*;
use crate::software::{kernel::NativeModule, packet::CopyEntry};

const SOURCE: &str = "struct dxgrt_wg { unsigned group[3], groups[3], local[3]; };
    struct args { float a; const float *x; float *y; };
    void saxpy(const struct args *args, const struct dxgrt_wg *wg) {
        unsigned i = wg->group[0] * wg->local[0];
        for (unsigned end = i + wg->local[0]; i < end; i++) args->y[i] += args->a * args->x[i];
    }";

fn load(bench: &Bench) -> (NativeModule, KernelId) {
    let image = crate::software::kernel::compile_for_test(SOURCE);
    // SAFETY: compiled from the source above; the tests launch it on buffers of at least blocks * 64 floats.
    let module = unsafe { bench.kernels.load_native(&image) }.expect("it loads");
    let kernel = module.kernel("saxpy").expect("it is there");
    (module, kernel)
}

#[test]
fn native_kernels_get_host_addresses_whoever_chose_theirs() {
    for inline_limit_ns in [u64::MAX, 0] {
        let parameters = GpuParameters { inline_limit_ns, video_memory_bytes: 1 << 22, ..GpuParameters::default() };
        let bench = Bench::with(parameters, true);
        let (module, kernel) = load(&bench);
        let (x, y) = (bench.alloc(1), bench.alloc(1));
        let translated = allocate(&bench.gpu, PROCESS, 1, Some(0x1000_0000));
        x.write(&(0..1024).map(|i| i as f32).collect::<Vec<_>>());
        translated.write(&vec![100.0f32; 1024]);
        // Without declared accesses, adapter-chosen addresses are pointers.
        let plain = Args { accesses: Vec::new(), ..Args::default().scalar(2.0f32).read(&x, 4096).write(&y, 4096) };
        let declared = Args::default().scalar(1.0f32).read(&translated, 4096).write(&y, 4096);
        for (tag, args) in [(1, &plain), (2, &declared), (3, &declared)] {
            bench.launch(kernel, 0, tag, 16, args);
        }
        assert_eq!(y.read::<f32>(1024), (0..1024).map(|i| 2.0 * i as f32 + 200.0).collect::<Vec<_>>());
        // The launches that run keep the object; later ones fail.
        module.unregister_all();
        drop(module);
        bench.launch(kernel, 0, 4, 16, &plain);
        assert_eq!((bench.poison(0), bench.fault()), (4, None));
    }
}

#[test]
fn declared_ranges_of_native_launches_are_checked() {
    let bench = Bench::new();
    let (_module, kernel) = load(&bench);
    let y = bench.alloc(1);
    bench.launch(kernel, 0, 1, 1, &Args::default().scalar(1.0f32).read(&y, 1 << 40).write(&y, 4096));
    assert!(bench.status().first.text().contains("cannot be used"));
    assert_eq!((bench.poison(0), bench.fault()), (1, None));
    let outside = Args::default().scalar(1.0f32).range(0x10_0000, 4, 1).write(&y, 4096);
    bench.launch(kernel, 1, 2, 1, &outside);
    let fault = bench.fault().expect("the device is lost");
    assert_eq!((fault.reason, fault.address, fault.op_tag), (FaultReason::BadAddress, 0x10_0000, 2));
}

#[test]
fn client_memory_is_used_in_place() {
    #[repr(align(4096))]
    struct Page([u64; 512]);
    let parameters = GpuParameters {
        launch_ns: 100,
        copy_bytes_per_us: 1_000,
        video_memory_bytes: 1 << 22,
        ..GpuParameters::default()
    };
    let bench = Bench::with(parameters, false);
    let page = Box::into_raw(Box::new(Page([7; 512])));
    let ptr = page.expose_provenance() as u64;
    let map = |base, writable| {
        let backing = Backing::System { ptr, len: 4096, writable };
        let request = MapRequest { base, min: 0, max: 0, backing, offset_pages: 0, pages: 1, protection: 1 };
        bench.gpu.map_va(PROCESS, request).expect("free")
    };
    assert_eq!(map(None, true), ptr);
    let read_only = map(None, false);
    assert_ne!(read_only, ptr);
    let device = bench.alloc(1);
    let value = bench.enqueue(|writer| {
        let copy = |src, dst, len| CopyEntry { op_tag: 1, stream: 0, src, dst, len };
        // In at one direction's engine, out at the other's; a queue runs its packets in order.
        writer.copy().expect("room").entry(copy(read_only, device.va, 2_000)).expect("room");
        writer.progress(1).expect("room");
        writer.copy().expect("room").entry(copy(device.va, ptr + 2_048, 1_000)).expect("room");
    });
    let at = |time: u64| {
        bench.time.store(time, Ordering::SeqCst);
        (bench.gpu.run(time), bench.gpu.fence_value(bench.progress).expect("it exists"))
    };
    assert_eq!(at(0), (Some(2_100), 0));
    assert_eq!(at(2_100), (Some(3_200), 1));
    assert_eq!(at(3_200), (None, value));
    bench.gpu.free_va(PROCESS, ptr, 4096).expect("mapped");
    bench.gpu.free_va(PROCESS, read_only, 4096).expect("mapped");
    // SAFETY: made by Box::into_raw above; the GPU does not use it any more.
    let page = unsafe { Box::from_raw(page) };
    assert_eq!(page.0, [7; 512]);
    assert_eq!(device.read::<u64>(250), [7; 250]);
}
