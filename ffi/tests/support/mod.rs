//! What the tests of the C library share: the library itself, built by a cargo of its own, and programs compiled against it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// This package.
pub fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs a command to its end, and fails with what it said unless it succeeds.
pub fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?} cannot be started: {error}"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{out}\n{err}", output.status);
    output
}

/// Where the library lies: built here, so that it is never missing and never old.
pub fn library() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../ffi-clients");
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        run(Command::new(cargo)
            .current_dir(package())
            .args(["build", "--locked", "--package", "dxg-ffi", "--lib", "--target-dir"])
            .arg(&target)
            .envs([("CARGO_PROFILE_DEV_OPT_LEVEL", "1"), ("CARGO_PROFILE_DEV_DEBUG", "line-tables-only")]));
        let folder = target.join("debug").canonicalize().expect("cargo has made its folder");
        assert!(folder.join("libdxgrt.so").exists() && folder.join("libdxgrt.a").exists());
        // What installing does: the name that programs look for when they start.
        let soname = folder.join("libdxgrt.so.0");
        if !soname.exists() {
            // Another test process may have made it meanwhile.
            let _made = std::os::unix::fs::symlink("libdxgrt.so", &soname);
        }
        folder
    })
}

/// A folder with the object of the test kernels in it, and room for programs.
pub fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (place, kernels) in [("examples/c", "add_one"), ("tests/c", "kernels")] {
        run(Command::new("cc")
            .args(["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o"])
            .arg(folder.path().join(format!("{kernels}.so")))
            .arg(package().join(format!("{place}/{kernels}.c")))
            .arg("-I")
            .arg(package().join("include")));
    }
    folder
}

/// Compiles a program of this package against the library, with every warning an error.
pub fn compile(folder: &Path, source: &str, flags: &[&str]) -> PathBuf {
    let source = package().join(source);
    let executable = folder.join(source.file_stem().unwrap_or_default());
    let cpp = source.extension().is_some_and(|ending| ending == "cpp");
    let (compiler, standard) = if cpp { ("g++", "-std=c++17") } else { ("cc", "-std=c11") };
    run(Command::new(compiler)
        .args([standard, "-Wall", "-Wextra", "-Werror", "-Wpedantic", "-g", "-D_GNU_SOURCE", "-pthread"])
        .args(flags)
        .arg("-I")
        .arg(package().join("include"))
        .arg(source)
        .arg("-o")
        .arg(&executable)
        .arg("-L")
        .arg(library())
        .arg(format!("-Wl,-rpath,{}", library().display()))
        .arg("-ldxgrt"));
    executable
}

/// Flags of the address and undefined-behaviour sanitisers.
pub const SANITIZED: [&str; 3] =
    ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"];

/// Runs a program in its folder, where its kernels lie, and gives what it printed.
pub fn start(command: &mut Command, folder: &Path) -> String {
    let output = run(command.current_dir(folder).env_remove("DXGRT_DEVICE").env_remove("DXGRT_POLICY"));
    String::from_utf8(output.stdout).expect("programs print text")
}
