//! What is checked before a launch is accepted.

use std::sync::Arc;

use dxg_io::software::kernel::{ElementType, ParameterKind, Signature};

use super::*;
use crate::args;
use crate::selector::{DeviceKind, Selector};

fn info() -> DeviceInfo {
    DeviceInfo {
        selector: Selector::new(DeviceKind::Software, 0),
        name: "test".into(),
        luid: 0,
        architecture: "test".into(),
        can_launch: true,
        memory_bytes: 0,
        buffer_alignment: 256,
        max_argument_bytes: MAX_ARGUMENT_BYTES,
        max_blocks: [1 << 30, 65_535, 65_535],
        max_block_count: 1 << 31,
        max_threads: [1024, 1024, 64],
        max_threads_per_block: 1024,
        max_shared_bytes: 48 << 10,
        block_slots: 8,
        hardware_queues: 1,
        async_messages: true,
        posted_wake_up: true,
    }
}

fn tag() -> DeviceTag {
    DeviceTag::new(Selector::new(DeviceKind::Software, 0))
}

/// A kernel that takes these parameters, or one that says nothing about them.
fn kernel(tag: DeviceTag, parameters: Option<&[(ParameterKind, ElementType)]>) -> Kernel {
    let signature = parameters.map(|parameters| {
        let mut signature = Signature::default();
        parameters.iter().for_each(|&(kind, element)| signature.push(kind, element));
        Arc::new(signature)
    });
    Kernel { loaded: LoadedKernel::new(7, "k".into(), signature, Arc::new(())), tag, merges: true }
}

fn launch(kernel: &Kernel, grid: impl Into<Grid>, args: Args) -> Result<Request> {
    Request::launch(&info(), kernel.tag, kernel, grid.into(), args)
}

fn says(result: Result<Request>, parts: &[&str]) {
    let error = result.map(|_| ()).expect_err("the launch must be refused").to_string();
    for part in parts {
        assert!(error.contains(part), "`{part}` is missing in: {error}");
    }
}

const SCALAR: (ParameterKind, ElementType) = (ParameterKind::Scalar, ElementType::F32);

#[test]
fn the_number_and_size_of_arguments_must_fit() {
    let kernel = kernel(tag(), Some(&[SCALAR, SCALAR]));
    launch(&kernel, 1, args![1.0f32, 2.0f32]).unwrap();
    says(launch(&kernel, 1, args![1.0f32]), &["`k`", "1 given", "2: a value of 4 bytes (f32)"]);
    says(launch(&kernel, 1, args![]), &["0 given"]);
    says(launch(&kernel, 1, args![1.0f32, 2.0f64]), &["argument 1", "8 bytes", "4 bytes"]);
}

#[test]
fn a_number_is_no_buffer() {
    let kernel = kernel(tag(), Some(&[(ParameterKind::Read, ElementType::F32)]));
    says(launch(&kernel, 1, args![0x1000u64]), &["argument 0", "a value of 8 bytes", "a buffer of 4-byte elements"]);
}

#[test]
fn raw_bytes_must_fit_the_signature() {
    let kernel = kernel(tag(), Some(&[SCALAR, (ParameterKind::Write, ElementType::U32)]));
    says(launch(&kernel, 1, Args::from_raw(&[0; 12])), &["12 bytes given", "16"]);
    says(launch(&kernel, 1, Args::from_raw(&[0; 16])), &["argument 1", "byte 8", "with_access"]);
}

#[test]
fn at_most_4096_bytes_of_arguments() {
    let kernel = kernel(tag(), None);
    launch(&kernel, 1, Args::from_raw(&[0; 4096])).unwrap();
    says(launch(&kernel, 1, Args::from_raw(&[0; 4097])), &["4097 bytes", "4096", "buffer"]);
}

#[test]
fn at_most_64_buffers() {
    let kernel = kernel(tag(), None);
    let with = |count: u64| {
        let mut args = Args::from_raw(&[0; 1024]);
        (0..count).for_each(|index| args.accesses.push(Access::read(index * 8, 8).with_tag(1)));
        launch(&kernel, 1, args)
    };
    with(64).unwrap();
    says(with(65), &["65 buffers", "takes 64"]);
}

#[test]
fn huge_grids_are_refused_with_the_limit() {
    let kernel = kernel(tag(), Some(&[]));
    says(launch(&kernel, u32::MAX, args![]), &["4294967295 blocks in x", "1073741824"]);
    says(launch(&kernel, ([1 << 20, 60_000, 60_000], 1), args![]), &["blocks; the device takes 2147483648"]);
    says(launch(&kernel, (1, 1025), args![]), &["1025 threads in x"]);
    says(launch(&kernel, (1, [64, 64]), args![]), &["4096 threads in a block"]);
    says(launch(&kernel, Grid::new(1, 1).shared_bytes(1 << 20), args![]), &["shared memory", "49152"]);
}

#[test]
fn a_grid_with_a_zero_keeps_its_place_and_runs_nothing() {
    let kernel = kernel(tag(), Some(&[]));
    for grid in [Grid::new(0, 1), Grid::new(1, 0), Grid::new([3, 0, 3], 1)] {
        assert_eq!(launch(&kernel, grid, args![]).unwrap().work, Work::Marker);
    }
}

#[test]
fn a_kernel_of_another_device_is_refused() {
    let kernel = kernel(tag(), Some(&[]));
    let result = Request::launch(&info(), tag(), &kernel, Grid::new(1, 1), args![]);
    assert!(matches!(result.map(|_| ()), Err(Error::WrongDevice { what: "kernel", .. })));
}

#[test]
fn a_device_that_cannot_launch_points_to_one_that_can() {
    let kernel = kernel(tag(), Some(&[]));
    let mut info = info();
    info.can_launch = false;
    says(Request::launch(&info, kernel.tag, &kernel, Grid::new(1, 1), args![]), &["`cuda`"]);
}

#[test]
fn only_declared_accesses_let_launches_run_side_by_side() {
    let typed = kernel(tag(), Some(&[SCALAR]));
    assert!(matches!(launch(&typed, 1, args![1.0f32]).unwrap().hazard, Hazard::Declared(_)));
    // Eight bytes given to a foreign kernel may be an address, and one without arguments may use anything.
    let foreign = kernel(tag(), None);
    assert_eq!(launch(&foreign, 1, args![0x1000u64]).unwrap().hazard, Hazard::Ordered);
    assert_eq!(launch(&foreign, 1, args![]).unwrap().hazard, Hazard::Ordered);
}
