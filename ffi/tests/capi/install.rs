//! An installed library: programs find it through pkg-config, shared and static, and run.

use std::path::Path;
use std::process::Command;

use crate::support::{folder, library, package, run, start};

/// What pkg-config answers about the installed library.
fn pkg_config(prefix: &Path, arguments: &[&str]) -> Vec<String> {
    let folder = prefix.join("lib/pkgconfig");
    let output = run(Command::new("pkg-config").env("PKG_CONFIG_PATH", folder).args(arguments).arg("dxgrt"));
    String::from_utf8(output.stdout).unwrap().split_whitespace().map(str::to_owned).collect()
}

#[test]
fn a_program_builds_against_an_installed_library() {
    let prefix = tempfile::tempdir().unwrap();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let tried = run(Command::new(cargo)
        .current_dir(package())
        .args(["run", "--quiet", "--locked", "--package", "dxg-ffi", "--example", "install", "--target-dir"])
        .arg(library().parent().unwrap())
        .args(["--", "--built"])
        .arg(library())
        .arg("--prefix")
        .arg(prefix.path())
        .arg("--try"));
    let said = String::from_utf8(tried.stdout).unwrap();
    assert!(said.contains("x[255] = 1000, 1000 launches, "), "{said}");
    let lib = prefix.path().join("lib");
    assert_eq!(std::fs::read_link(lib.join("libdxgrt.so")).unwrap().to_str(), Some("libdxgrt.so.0"));
    let real = std::fs::read_link(lib.join("libdxgrt.so.0")).unwrap();
    assert_eq!(real.to_str().unwrap(), concat!("libdxgrt.so.", env!("CARGO_PKG_VERSION")));
    assert!(prefix.path().join("include/dxgrt.h").exists() && prefix.path().join("include/dxgrt.hpp").exists());
    if Command::new("pkg-config").arg("--version").output().is_err() {
        println!("SKIPPED: pkg-config is not installed; the program is not built through it");
        return;
    }
    assert_eq!(pkg_config(prefix.path(), &["--modversion"]), [env!("CARGO_PKG_VERSION")]);
    let folder = folder();
    let compile = |name: &str, flags: &[String], after: &[&str]| {
        let program = folder.path().join(name);
        run(Command::new("cc")
            .args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-Wpedantic"])
            .arg(package().join("examples/c/first.c"))
            .arg("-o")
            .arg(&program)
            .args(flags)
            .args(after));
        program
    };
    let flags = pkg_config(prefix.path(), &["--cflags", "--libs"]);
    let shared = compile("shared", &flags, &[]);
    let said = start(Command::new(shared).env("LD_LIBRARY_PATH", &lib), folder.path());
    assert!(said.starts_with("x[255] = 1000"), "{said}");
    // The static one, by its name, because the linker prefers the shared one.
    let archive = lib.join("libdxgrt.a");
    let mut flags = pkg_config(prefix.path(), &["--cflags", "--libs", "--static"]);
    flags.iter_mut().filter(|flag| *flag == "-ldxgrt").for_each(|flag| *flag = archive.display().to_string());
    let fixed = compile("static", &flags, &[]);
    let said = start(&mut Command::new(fixed), folder.path());
    assert!(said.starts_with("x[255] = 1000"), "{said}");
}
