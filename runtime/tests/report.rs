//! Advice from outside: each program that does something against itself is told so, with its numbers.

use dxg_runtime::{Buffer, Device, Kernel, ModuleSource, Parameters, Policy, RustKernel, Stream, args};

const LAUNCHES: usize = 400;

struct Program {
    device: Device,
    kernel: Kernel,
}

impl Program {
    fn new() -> Self {
        let device = Device::builder().selector("software").parameters(Parameters::zero()).open().expect("it opens");
        let body = RustKernel::new("add_one").write::<f32>().body(|block| {
            block.write::<f32>(0)?.iter_mut().for_each(|value| *value += 1.0);
            Ok(())
        });
        let kernel =
            device.load(&ModuleSource::new().rust([body])).and_then(|m| m.kernel("add_one")).expect("a kernel");
        Program { device, kernel }
    }

    fn lane(&self) -> (Stream, Buffer<f32>) {
        (self.device.stream().expect("a stream"), self.device.alloc::<f32>(16).expect("memory"))
    }

    fn ids(&self) -> Vec<&'static str> {
        self.device.report().advice.iter().map(|advice| advice.id).collect()
    }

    fn sentence(&self, id: &str) -> String {
        let report = self.device.report();
        let found = report.advice.iter().find(|advice| advice.id == id);
        found.unwrap_or_else(|| panic!("no advice {id}: {report}")).sentence.clone()
    }
}

#[test]
fn who_waits_after_every_operation_is_told() {
    let program = Program::new();
    let (stream, x) = program.lane();
    for _ in 0..LAUNCHES {
        stream.try_launch(&program.kernel, 1, args![x.read_write()]).expect("room").wait().expect("done");
    }
    // Now and then the driver thread is quicker than the wait, which then is none.
    let sentence = program.sentence("waits");
    assert!(sentence.contains(&format!("times for {LAUNCHES} operations")), "{sentence}");
    assert!(program.sentence("one-stream").contains("400 launches became 400 dispatches"));
    assert!(program.sentence("not-merged").contains("`add_one` (400 of 400 launches)"));
}

#[test]
fn many_streams_and_one_wait_leave_nothing_to_say() {
    let program = Program::new();
    let lanes: Vec<_> = (0..64).map(|_| program.lane()).collect();
    for launch in 0..16 * LAUNCHES {
        let (stream, x) = &lanes[launch % lanes.len()];
        stream.try_launch(&program.kernel, 1, args![x.read_write()]).expect("room");
    }
    program.device.synchronize_blocking().expect("done");
    assert_eq!(program.ids(), [""; 0], "{}", program.device.report());
    let text = program.device.report().to_string();
    assert!(text.contains("6400 operations in ") && text.contains("Nothing that the program does"), "{text}");
}

#[test]
fn copies_of_ordinary_memory_are_counted_and_those_of_host_buffers_are_not() {
    let (program, pinned) = (Program::new(), Program::new());
    let (stream, x) = program.lane();
    for _ in 0..LAUNCHES {
        stream.try_copy_in(&x, [1.0f32; 16].as_slice()).expect("room");
    }
    stream.last().wait().expect("done");
    assert!(program.sentence("staged").contains("400 of 400 copies"), "{}", program.device.report());
    let (stream, x) = pinned.lane();
    let host = pinned.device.host_buffer::<f32>(16).expect("memory");
    for _ in 0..LAUNCHES {
        stream.try_copy_in(&x, &host).expect("room");
    }
    stream.last().wait().expect("done");
    assert!(!pinned.ids().contains(&"staged"), "{}", pinned.device.report());
}

#[test]
fn a_policy_of_round_trips_is_told_and_little_work_is_not_judged() {
    let device = Device::builder()
        .selector("software")
        .parameters(Parameters::zero())
        .policy(Policy::OneByOne)
        .open()
        .expect("it opens");
    let (stream, x) = (device.stream().expect("a stream"), device.alloc::<u32>(16).expect("memory"));
    stream.try_fill(&x, 1u32).expect("room").wait().expect("done");
    assert!(device.report().to_string().contains("Too little was done"));
    for _ in 0..100 {
        stream.try_fill(&x, 1u32).expect("room");
    }
    stream.last().wait().expect("done");
    let ids: Vec<&str> = device.report().advice.iter().map(|advice| advice.id).collect();
    assert_eq!(ids, ["policy", "round-trips"], "{}", device.report());
    assert!(device.report().advice[0].sentence.contains("`one-by-one`: each of 101 operations"), "{}", device.report());
}

#[test]
fn kernels_that_cannot_merge_are_named_with_the_reason() {
    let program = Program::new();
    let lanes: Vec<_> = (0..64).map(|_| program.lane()).collect();
    let alone = program.kernel.unmerged();
    for launch in 0..LAUNCHES {
        let (stream, x) = &lanes[launch % lanes.len()];
        stream.try_launch(&alone, 1, args![x.read_write()]).expect("room");
    }
    program.device.synchronize_blocking().expect("done");
    let sentence = program.sentence("cannot-merge");
    assert!(sentence.contains("`add_one` (400 of 400 launches: the program refuses merging)"), "{sentence}");
    assert!(!program.ids().contains(&"not-merged"), "{}", program.device.report());
}

#[test]
fn prepared_launches_are_looked_at_too() {
    let program = Program::new();
    let (stream, x) = program.lane();
    let prepared = program.device.prepare(&program.kernel, 1, args![x.read_write()]).expect("it fits");
    for _ in 0..LAUNCHES {
        futures::executor::block_on(stream.enqueue(&prepared)).expect("room").wait().expect("done");
    }
    assert!(program.sentence("not-merged").contains("`add_one` (400 of 400 launches)"));
}
