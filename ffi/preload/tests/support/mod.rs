//! What tests of the preloaded library share: the library itself, built by a cargo of its own, and C programs.
#![allow(dead_code, reason = "each test uses its part")]

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::time::Duration;

/// The workspace: two folders above the package, or three.
pub fn root() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = package.ancestors().find(|folder| folder.join("Cargo.lock").exists());
    root.unwrap_or_else(|| panic!("{} lies in no workspace", package.display()))
}

/// What a command said. A program that was just copied may still be open for writing in a child that another test has
/// forked at that moment, which has not come to its exec: then it cannot be started yet.
pub fn output(command: &mut Command) -> Output {
    for _ in 0..500 {
        match command.output() {
            Err(error) if error.kind() == ErrorKind::ExecutableFileBusy => {
                std::thread::sleep(Duration::from_millis(10))
            }
            output => return output.unwrap_or_else(|error| panic!("{command:?} cannot be started: {error}")),
        }
    }
    panic!("{command:?} stays open for writing in another process")
}

/// What a command said, which must have succeeded.
pub fn run(command: &mut Command) -> Output {
    let output = output(command);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{out}\n{err}", output.status);
    // A defect of the adapter is caught and answered with an error; here it is one.
    assert!(!err.contains("panicked"), "{command:?}: {err}");
    output
}

/// The library, built here, so that it is never missing and never old.
pub fn library() -> &'static Path {
    static FILE: OnceLock<PathBuf> = OnceLock::new();
    FILE.get_or_init(|| {
        // The folder of the C library's tests: what both need is built once.
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../ffi-clients");
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        run(Command::new(cargo)
            .current_dir(root())
            .args(["build", "--locked", "--package", "dxg-preload", "--lib", "--target-dir"])
            .arg(&target)
            .envs([("CARGO_PROFILE_DEV_OPT_LEVEL", "1"), ("CARGO_PROFILE_DEV_DEBUG", "line-tables-only")]));
        target.join("debug/libdxg_preload.so").canonicalize().expect("cargo has made it")
    })
}

/// Compiles one of the C programs of `tests/c`, with every warning an error.
pub fn compile(folder: &Path, name: &str) -> PathBuf {
    let executable = folder.join(name);
    run(Command::new("cc")
        .args(["-std=c11", "-O2", "-D_FORTIFY_SOURCE=2", "-Wall", "-Wextra", "-Werror", "-Wpedantic", "-g"])
        .args(["-D_GNU_SOURCE", "-pthread", "-I"])
        .arg(root().join("dxg-io/include"))
        .arg(root().join(format!("tests/c/{name}.c")))
        .arg("-o")
        .arg(&executable)
        .arg("-ldl"));
    executable
}
