//! dxgrt in the middle of a C program that uses CUDA by itself, over a libcuda without a GPU (`tests/cuda/fake_cuda.c`).

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{SANITIZED, compile, folder, library, package, run, start};

const PROGRAM: &str = "tests/c/cuda.c";

/// The kernels and the driver that the program asks for, in its folder.
fn driver(folder: &Path) -> PathBuf {
    let (sources, driver) = (package().join("../tests/cuda"), folder.join("libcuda.so.1"));
    std::fs::copy(sources.join("kernels.ptx"), folder.join("kernels.ptx"))
        .expect("the kernels lie beside the stand-in");
    run(Command::new("cc")
        .args(["-std=gnu11", "-O1", "-g", "-shared", "-fPIC", "-pthread", "-fvisibility=hidden", "-o"])
        .arg(&driver)
        .arg(sources.join("fake_cuda.c")));
    driver
}

fn run_with(flags: &[&str]) {
    let folder = folder();
    let driver = driver(folder.path());
    let executable = compile(folder.path(), PROGRAM, flags);
    let mut command = Command::new(executable);
    let said = start(command.env("LD_LIBRARY_PATH", library()).env("DXGRT_CUDA_LIBRARY", driver), folder.path());
    assert!(said.starts_with("80 turns"), "{said}");
}

#[test]
fn a_cuda_program_shares_its_context_memory_streams_and_events() {
    run_with(&[]);
}

#[test]
fn the_same_with_sanitizers() {
    run_with(&SANITIZED);
}

/// Where there is no driver the program says so, and does not pass.
#[test]
fn without_a_driver_it_says_so() {
    let folder = folder();
    let executable = compile(folder.path(), PROGRAM, &[]);
    let output =
        Command::new(executable).env("DXGRT_CUDA_LIBRARY", "/nowhere/libcuda.so.1").output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("no GPU to test on: /nowhere"), "{said}");
}
