//! Each kind of packet.

use super::*;
use crate::software::packet::{CopyEntry, FillEntry};

#[test]
fn a_merged_dispatch_runs_every_item() {
    let bench = Bench::new();
    let kernel = bench.kernels.register(saxpy());
    let (x, y) = (bench.alloc(4), bench.alloc(4));
    x.write(&(0..1000).map(|i| i as f32).collect::<Vec<_>>());
    y.write(&vec![1.0f32; 1000]);
    bench.submit(|writer| {
        let mut dispatch = writer.dispatch(kernel.0).expect("room");
        for part in 0..10u64 {
            let (x, y) = (x.va + part * 400, y.va + part * 400);
            let args =
                Args::default().scalar(2.0f32).range(x, 400, Access::READ).range(y, 400, Access::READ | Access::WRITE);
            dispatch.item(&args.item(part as u32, part + 1, 1 + part as u32)).expect("room");
        }
    });
    assert_eq!(y.read::<f32>(1000), (0..1000).map(|i| 1.0 + 2.0 * i as f32).collect::<Vec<_>>());
    assert_eq!(bench.fault(), None);
    assert_eq!((bench.status().breadcrumb, bench.status().failures), (10, 0));
}

#[test]
fn what_merged_launches_share_is_still_checked_for_each() {
    let bench = Bench::new();
    let kernel = bench.kernels.register(saxpy());
    let [x, y, z] = [1, 1, 1].map(|pages| bench.alloc(pages));
    x.write(&[1.0f32; 8]);
    y.write(&[10.0f32; 8]);
    z.write(&[100.0f32; 8]);
    let launch = |x: (u64, u64), y: (u64, u64)| {
        Args::default().scalar(1.0f32).range(x.0, x.1, Access::READ).range(y.0, y.1, Access::WRITE)
    };
    let launches = [
        (launch((x.va, 32), (y.va, 32)), 1),
        // The same x; then the same y with another x, which overlaps it; then nothing new.
        (launch((x.va, 32), (z.va, 32)), 1),
        (launch((z.va + 16, 32), (z.va, 32)), 1),
        (launch((x.va, 32), (z.va, 32)), 1),
        (launch((x.va, 32), (z.va, 32)), 1),
        // Shorter, in more blocks, and then in fewer again.
        (launch((x.va, 16), (y.va, 16)), 2),
        (launch((x.va, 16), (y.va, 16)), 1),
    ];
    bench.submit(|writer| {
        let mut dispatch = writer.dispatch(kernel.0).expect("room");
        for (index, (args, blocks)) in (0..).zip(&launches) {
            dispatch.item(&args.item(index, u64::from(index) + 1, *blocks)).expect("room");
        }
    });
    let poison: Vec<u64> = (0..launches.len()).map(|stream| bench.poison(stream)).collect();
    assert_eq!(poison, [0, 0, 3, 0, 0, 0, 0], "{}", bench.status().first.text());
    assert_eq!(y.read::<f32>(8), [13.0, 13.0, 13.0, 13.0, 11.0, 11.0, 11.0, 11.0]);
    assert_eq!(z.read::<f32>(8), [103.0; 8]);
    assert_eq!(bench.fault(), None);
}

#[test]
fn chunks_cover_the_buffer_once_whatever_the_grid() {
    let bench = Bench::new();
    let kernel = bench.kernels.register(RustKernel::new("number").write::<u32>().body(|cx| {
        let start = cx.chunk_start(0)? as u32;
        let block = cx.block() as u32;
        for (index, value) in cx.write::<u32>(0)?.iter_mut().enumerate() {
            *value += 1000 * (start + index as u32) + block;
        }
        Ok(())
    }));
    for (len, grid) in [(10u64, [3, 1, 1]), (10, [1, 1, 1]), (3, [7, 1, 1]), (64, [2, 2, 2]), (7, [2, 3, 1])] {
        let y = bench.alloc(1);
        let args = Args::default().write(&y, len * 4);
        bench.submit(|writer| {
            let item = ItemDescription { grid, ..args.item(0, 1, 1) };
            writer.dispatch(kernel.0).expect("room").item(&item).expect("room");
        });
        let blocks = u64::from(grid.iter().product::<u32>());
        let chunk = len.div_ceil(blocks);
        let expected: Vec<u32> = (0..len).map(|index| (1000 * index + index / chunk) as u32).collect();
        assert_eq!(y.read::<u32>(len as usize), expected, "{len} elements, grid {grid:?}");
    }
    assert_eq!(bench.poison(0), 0);
}

#[test]
fn whole_buffers_are_written_block_after_block() {
    let bench = Bench::new();
    let kernel = bench.kernels.register(RustKernel::new("sum").read::<u32>().write_whole::<u64>().body(|cx| {
        let x = cx.read::<u32>(0)?;
        let sum = cx.write::<u64>(1)?;
        sum[0] = sum[0] * 3 + u64::from(x[cx.block() as usize]);
        Ok(())
    }));
    let (x, y) = (bench.alloc(1), bench.alloc(1));
    x.write(&[1u32, 2, 3, 4]);
    bench.launch(kernel, 0, 1, 4, &Args::default().read(&x, 16).write(&y, 8));
    assert_eq!(y.read::<u64>(1), [((3 + 2) * 3 + 3) * 3 + 4]);
}

#[test]
fn copies_move_bytes_also_when_they_overlap() {
    let bench = Bench::new();
    let (a, b) = (bench.alloc(1), bench.alloc(1));
    a.write(&(0..100u8).collect::<Vec<_>>());
    bench.submit(|writer| {
        let mut copy = writer.copy().expect("room");
        copy.entry(CopyEntry { op_tag: 1, stream: 0, src: a.va + 10, dst: b.va + 3, len: 20 }).expect("room");
        copy.entry(CopyEntry { op_tag: 2, stream: 0, src: a.va, dst: a.va + 5, len: 50 }).expect("room");
        copy.entry(CopyEntry { op_tag: 3, stream: 0, src: 1, dst: 2, len: 0 }).expect("room");
    });
    assert_eq!(b.bytes()[3..23], (10..30u8).collect::<Vec<_>>());
    assert_eq!(a.bytes()[5..55], (0..50u8).collect::<Vec<_>>());
    assert_eq!(bench.fault(), None);
}

#[test]
fn copies_and_fills_cross_scattered_mappings() {
    let bench = Bench::new();
    // Three pages side by side in addresses, in reverse in memory.
    let pages = bench.gpu.video_memory().allocate(3).expect("room");
    let base = 0x5000_0000;
    for page in 0..3 {
        let backing = Backing::Pages(pages.clone(), 0);
        let place = Some(base + page * 4096);
        let request =
            MapRequest { base: place, min: 0, max: 0, backing, offset_pages: 2 - page, pages: 1, protection: 1 };
        bench.gpu.map_va(PROCESS, request).expect("free");
    }
    let source = bench.alloc(3);
    let data: Vec<u32> = (0..3072).collect();
    source.write(&data);
    let back = bench.alloc(3);
    let copy = |src, dst, len| CopyEntry { op_tag: 1, stream: 0, src, dst, len };
    bench.submit(|writer| {
        let mut packet = writer.copy().expect("room");
        packet.entry(copy(source.va, base, 12288)).expect("room");
        // Forwards and backwards over itself.
        packet.entry(copy(base + 100, base, 12000)).expect("room");
        packet.entry(copy(base, base + 100, 12000)).expect("room");
        packet.entry(copy(base, back.va, 12288)).expect("room");
    });
    assert_eq!(back.bytes()[100..12100], source.bytes()[100..12100]);
    bench.submit(|writer| {
        let fill = FillEntry { op_tag: 2, stream: 0, pattern_len: 4, dst: base + 4090, len: 4103, pattern: 0x44332211 };
        writer.fill().expect("room").entry(fill).expect("room");
        writer.copy().expect("room").entry(copy(base + 4090, back.va, 4103)).expect("room");
    });
    let expected: Vec<u8> = (0..4103).map(|at| [0x11, 0x22, 0x33, 0x44][at % 4]).collect();
    assert_eq!(back.bytes()[..4103], expected);
    assert_eq!(bench.fault(), None);
}

#[test]
fn fills_repeat_their_pattern() {
    let bench = Bench::new();
    for (pattern_len, pattern) in [(1, 0xFFFF_FF7Au64), (2, 0xBEEF), (4, 0xDEAD_BEEF), (8, 0x0123_4567_89AB_CDEF)] {
        for len in [0u64, 1, 7, 8, 9, 31] {
            let memory = bench.alloc(1);
            let fill = FillEntry { op_tag: 1, stream: 0, pattern_len, dst: memory.va + 3, len, pattern };
            bench.submit(|writer| writer.fill().expect("room").entry(fill).expect("room"));
            let bytes = memory.bytes();
            let expected: Vec<u8> =
                (0..len as usize).map(|at| pattern.to_le_bytes()[at % pattern_len as usize]).collect();
            assert_eq!(bytes[3..3 + len as usize], expected);
            assert!(bytes[..3].iter().chain(&bytes[3 + len as usize..]).all(|byte| *byte == 0));
        }
    }
}

#[test]
fn large_transfers_on_the_pool_do_the_same() {
    let bench = Bench::new();
    let (a, b) = (bench.alloc(1024), bench.alloc(1024));
    let bytes = 1024 * 4096;
    bench.submit(|writer| {
        let fill =
            FillEntry { op_tag: 1, stream: 0, pattern_len: 8, dst: a.va, len: bytes, pattern: 0x0102030405060708 };
        writer.fill().expect("room").entry(fill).expect("room");
        let copy = CopyEntry { op_tag: 2, stream: 0, src: a.va, dst: b.va, len: bytes };
        writer.copy().expect("room").entry(copy).expect("room");
        let copy = CopyEntry { op_tag: 3, stream: 0, src: b.va + 1, dst: b.va, len: 8 };
        writer.copy().expect("room").entry(copy).expect("room");
    });
    let result = b.read::<u64>(bytes as usize / 8);
    assert_eq!(result[0], 0x0801020304050607);
    assert!(result[1..].iter().all(|value| *value == 0x0102030405060708));
}

#[test]
fn timestamps_grow() {
    let bench = Bench::new();
    let memory = bench.alloc(1);
    bench.submit(|writer| {
        writer.timestamp(memory.va).expect("room");
        writer.barrier().expect("room");
        writer.nop(48).expect("room");
        writer.timestamp(memory.va + 8).expect("room");
    });
    let times = memory.read::<u64>(2);
    assert!(0 < times[0] && times[0] <= times[1] && times[1] <= bench.now());
}

#[test]
fn progress_is_visible_as_soon_as_it_is_reached() {
    let bench = Bench::new();
    let other = bench.gpu.create_queue(DEVICE, None, EngineKind::Compute).expect("a device");
    let wait = QueueItem::Wait { fences: SmallVec::from_slice(&[(bench.progress, 1)]) };
    bench.gpu.enqueue(other, wait, 0).expect("the device works");
    bench.gpu.enqueue(other, QueueItem::CpuEvent { event: 7 }, 0).expect("the device works");
    bench.submit(|writer| {
        writer.progress(1).expect("room");
        writer.progress(2).expect("room");
    });
    assert_eq!(bench.events.cpu.lock().expect("whole").iter().map(|(event, _)| *event).collect::<Vec<_>>(), [7]);
}

#[test]
fn client_chosen_addresses_are_translated() {
    let bench = Bench::new();
    let kernel = bench.kernels.register(saxpy());
    let x = allocate(&bench.gpu, PROCESS, 1, Some(0x1000_0000));
    let y = allocate(&bench.gpu, PROCESS, 1, Some(0x2000_0000));
    x.write(&[1.0f32, 2.0]);
    bench.launch(kernel, 0, 1, 1, &Args::default().scalar(3.0f32).read(&x, 8).write(&y, 8));
    assert_eq!(y.read::<f32>(2), [3.0, 6.0]);
    // Another process does not have them.
    assert!(bench.gpu.free_va(ProcessKey(2), 0x1000_0000, 4096).is_err());
    assert!(bench.gpu.free_va(PROCESS, 0x1000_0000, 4096).is_ok());
}

#[test]
fn a_failing_kernel_poisons_its_stream_and_only_that() {
    let bench = Bench::new();
    let kernel = bench.kernels.register(failing());
    let saxpy = bench.kernels.register(saxpy());
    let (x, y) = (bench.alloc(1), bench.alloc(1));
    x.write(&[1.0f32]);
    let axpy = || Args::default().scalar(1.0f32).read(&x, 4).write(&y, 4);
    bench.submit(|writer| {
        let mut dispatch = writer.dispatch(kernel.0).expect("room");
        dispatch.item(&Args::default().scalar(1u32).item(3, 10, 1)).expect("room");
        dispatch.item(&Args::default().scalar(2u32).item(4, 11, 1)).expect("room");
        // Skipped: its stream is poisoned; it would fail as well.
        dispatch.item(&Args::default().scalar(2u32).item(3, 12, 1)).expect("room");
        drop(dispatch);
        let mut dispatch = writer.dispatch(saxpy.0).expect("room");
        dispatch.item(&axpy().item(3, 13, 1)).expect("room");
        dispatch.item(&axpy().item(5, 14, 1)).expect("room");
        drop(dispatch);
        let copy = CopyEntry { op_tag: 15, stream: 4, src: x.va, dst: y.va + 4, len: 4 };
        writer.copy().expect("room").entry(copy).expect("room");
        let fill = FillEntry { op_tag: 16, stream: 4, pattern_len: 1, dst: y.va + 4, len: 4, pattern: 1 };
        writer.fill().expect("room").entry(fill).expect("room");
    });
    assert_eq!(y.read::<f32>(2), [1.0, 0.0]);
    assert_eq!((bench.poison(3), bench.poison(4), bench.poison(5)), (10, 11, 0));
    assert_eq!(bench.fault(), None);
    let status = bench.status();
    assert_eq!((status.failures, status.first.op_tag, status.first.stream), (2, 10, 3));
    assert_eq!(FailureCode::from_number(status.first.code), Some(FailureCode::Returned));
    assert_eq!(status.first.text(), "kernel failing: on purpose");
}

#[test]
fn a_panic_is_recorded_with_its_message() {
    let bench = Bench::new();
    let kernel = bench.kernels.register(failing());
    bench.launch(kernel, 1, 5, 1, &Args::default().scalar(2u32));
    assert_eq!(bench.status().first.text(), "kernel failing panicked: on purpose, loudly");
    assert_eq!(FailureCode::from_number(bench.status().first.code), Some(FailureCode::Panicked));
    assert_eq!((bench.poison(1), bench.fault()), (5, None));
}

#[test]
fn what_is_merged_behind_a_panic_goes_on() {
    let bench = Bench::new();
    let kernel = bench.kernels.register(RustKernel::new("add").scalar::<u32>().write::<u32>().body(|cx| {
        let add = cx.scalar::<u32>(0)?;
        assert_ne!(add, 13, "unlucky");
        cx.write::<u32>(1)?.iter_mut().for_each(|y| *y += add);
        Ok(())
    }));
    let y = bench.alloc(1);
    // Measured only by its first launches, which may run elsewhere.
    for round in 0..4u32 {
        y.write(&[0u32]);
        bench.submit(|writer| {
            let mut dispatch = writer.dispatch(kernel.0).expect("room");
            for (index, add) in [1, 13, 10, 13, 100].into_iter().enumerate() {
                let (stream, tag) = (round * 8 + index as u32, u64::from(round) * 8 + index as u64 + 1);
                dispatch.item(&Args::default().scalar(add).write(&y, 4).item(stream, tag, 1)).expect("room");
            }
        });
        assert_eq!(y.read::<u32>(1), [111], "round {round}");
        let poison: Vec<u64> = (0..5).map(|index: u32| bench.poison((round * 8 + index) as usize)).collect();
        let tag = u64::from(round) * 8;
        assert_eq!(poison, [0, tag + 2, 0, tag + 4, 0], "round {round}");
    }
    assert_eq!((bench.status().failures, bench.fault()), (8, None));
    assert!(bench.status().first.text().starts_with("kernel add panicked: "));
}

#[test]
fn depend_passes_on_failures_up_to_its_tag() {
    let bench = Bench::new();
    let kernel = bench.kernels.register(failing());
    bench.submit(|writer| {
        let mut dispatch = writer.dispatch(kernel.0).expect("room");
        dispatch.item(&Args::default().scalar(1u32).item(0, 10, 1)).expect("room");
        dispatch.item(&Args::default().scalar(1u32).item(1, 12, 1)).expect("room");
        drop(dispatch);
        writer.depend(2, 20, 0, 9).expect("room"); // The failure came later than what is depended on.
        writer.depend(3, 21, 0, 10).expect("room");
        writer.depend(4, 22, 3, 21).expect("room"); // Along a chain.
        writer.depend(6, 23, 3, 20).expect("room"); // That stream failed only behind what is depended on.
        writer.depend(1, 24, 0, 99).expect("room"); // The first poison stays.
        writer.depend(5, 25, 7, 99).expect("room"); // Nothing failed there.
    });
    let poison: Vec<u64> = (0..7).map(|stream| bench.poison(stream)).collect();
    assert_eq!(poison, [10, 12, 0, 21, 22, 0, 0]);
    assert_eq!(bench.fault(), None);
}

#[test]
fn launches_that_do_not_fit_their_kernel_fail_with_a_sentence() {
    let bench = Bench::new();
    let kernel = bench.kernels.register(saxpy());
    let (x, y) = (bench.alloc(1), bench.alloc(1));
    let all = Access::READ | Access::WRITE;
    let cases: Vec<(Args, &str)> = vec![
        (Args::default().scalar(1.0f32), "4 bytes of arguments, the kernel takes 24"),
        (Args { accesses: vec![], ..Args::default().scalar(1.0f32).read(&x, 4).write(&y, 4) }, "no range is declared"),
        (Args::default().scalar(1.0f32).read(&x, 4).range(y.va, 4, Access::READ), "writes the range, which is not"),
        (Args::default().scalar(1.0f32).range(x.va, 4, Access::WRITE).write(&y, 4), "reads the range, which is not"),
        (Args::default().scalar(1.0f32).read(&x, 6).write(&y, 4), "no whole number of f32"),
        (Args::default().scalar(1.0f32).range(x.va + 2, 4, 1).write(&y, 4), "not aligned"),
        (Args::default().scalar(1.0f32).read(&x, 8).range(x.va + 4, 4, all), "overlaps"),
        (Args::default().scalar(1.0f32).read(&x, 4).write(&y, 1 << 40), "leave mapped memory"),
    ];
    for (number, (args, sentence)) in cases.into_iter().enumerate() {
        bench.status.write(&[0u64; 32]);
        bench.launch(kernel, number as u32, 7, 1, &args);
        let status = bench.status();
        assert!(status.first.text().contains(sentence), "{:?} has {sentence:?}", status.first.text());
        assert_eq!(FailureCode::from_number(status.first.code), Some(FailureCode::Arguments));
        assert_eq!((bench.poison(number), bench.fault()), (7, None));
    }
    bench.status.write(&[0u64; 32]);
    bench.launch(KernelId(999), 20, 7, 1, &Args::default());
    assert_eq!(FailureCode::from_number(bench.status().first.code), Some(FailureCode::UnknownKernel));
    assert_eq!(bench.poison(20), 7);
}

#[test]
fn kernels_that_misuse_their_context_fail() {
    let bench = Bench::new();
    let y = bench.alloc(1);
    type Body = fn(&crate::software::kernel::KernelContext<'_>) -> Result<(), crate::software::kernel::KernelError>;
    let cases: [(Body, &str); 6] = [
        (|cx| cx.write::<u32>(0).map(drop).and(cx.write::<u32>(0).map(drop)), "taken before"),
        (|cx| cx.read::<u32>(0).map(drop), "not declared with read()"),
        (|cx| cx.write::<f32>(0).map(drop), "of type u32, not f32"),
        (|cx| cx.scalar::<u32>(0).map(drop), "is a buffer"),
        (|cx| cx.len(1).map(drop), "has 1 parameters"),
        (|cx| cx.chunk_start(9).map(drop), "has 1 parameters"),
    ];
    for (number, (body, sentence)) in cases.into_iter().enumerate() {
        bench.status.write(&[0u64; 32]);
        let kernel = bench.kernels.register(RustKernel::new("misuse").write::<u32>().body(body));
        bench.launch(kernel, number as u32, 7, 1, &Args::default().write(&y, 64));
        let text = bench.status().first.text();
        assert!(text.contains(sentence), "{text:?} has {sentence:?}");
    }
}

#[test]
fn empty_things_are_fine() {
    let bench = Bench::new();
    let kernel = bench.kernels.register(saxpy());
    let x = bench.alloc(1);
    bench.launch(kernel, 0, 1, 0, &Args::default().scalar(1.0f32).read(&x, 4).range(x.va + 64, 4, 2));
    bench.launch(kernel, 0, 2, 3, &Args::default().scalar(1.0f32).range(0, 0, 1).range(0, 0, 2));
    bench.submit(|_| {});
    assert_eq!((bench.poison(0), bench.fault()), (0, None));
}
