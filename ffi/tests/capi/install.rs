//! An installed library: programs find it through pkg-config, shared and static, and run.

use std::path::Path;
use std::process::Command;

use crate::support::{folder, library, package, run, start};

/// What pkg-config answers about the installed library, of which the libraries lie in `lib`.
fn pkg_config(lib: &Path, arguments: &[&str]) -> Vec<String> {
    let mut command = Command::new("pkg-config");
    let output = run(command.env("PKG_CONFIG_PATH", lib.join("pkgconfig")).args(arguments).arg("dxgrt"));
    words(&String::from_utf8(output.stdout).unwrap())
}

/// Splits as a shell does: a backslash takes what comes behind it as it is.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut letters) = (Vec::new(), String::new(), line.chars());
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => word.extend(letters.next()),
            ' ' | '\n' => words.push(std::mem::take(&mut word)),
            _ => word.push(letter),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

/// Whether there is a pkg-config; says that what needs it is skipped.
fn has_pkg_config() -> bool {
    let found = Command::new("pkg-config").arg("--version").output().is_ok();
    if !found {
        println!("SKIPPED: pkg-config is not installed; the program is not built through it");
    }
    found
}

/// The installer, with the library that the tests have built.
fn installer(prefix: &Path) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(package())
        .env_remove("DESTDIR")
        .args(["run", "--quiet", "--locked", "--package", "dxg-ffi", "--example", "install", "--target-dir"])
        .arg(library().parent().unwrap())
        .args(["--", "--built"])
        .arg(library())
        .arg("--prefix")
        .arg(prefix);
    cargo
}

/// Compiles the first program with what pkg-config says, and runs it.
fn build_and_run(flags: &[String], libraries: Option<&Path>) {
    let folder = folder();
    let program = folder.path().join("program");
    run(Command::new("cc")
        .args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-Wpedantic"])
        .arg(package().join("examples/c/first.c"))
        .arg("-o")
        .arg(&program)
        .args(flags));
    let mut command = Command::new(program);
    if let Some(libraries) = libraries {
        command.env("LD_LIBRARY_PATH", libraries);
    }
    let said = start(&mut command, folder.path());
    assert!(said.starts_with("x[255] = 1000"), "{said}");
}

#[test]
fn a_program_builds_against_an_installed_library() {
    let prefix = tempfile::tempdir().unwrap();
    let said = String::from_utf8(run(installer(prefix.path()).arg("--try")).stdout).unwrap();
    assert!(said.contains("x[255] = 1000, 1000 launches, "), "{said}");
    let lib = prefix.path().join("lib");
    assert_eq!(std::fs::read_link(lib.join("libdxgrt.so")).unwrap().to_str(), Some("libdxgrt.so.0"));
    let real = std::fs::read_link(lib.join("libdxgrt.so.0")).unwrap();
    assert_eq!(real.to_str().unwrap(), concat!("libdxgrt.so.", env!("CARGO_PKG_VERSION")));
    assert!(prefix.path().join("include/dxgrt.h").exists() && prefix.path().join("include/dxgrt.hpp").exists());
    if !has_pkg_config() {
        return;
    }
    assert_eq!(pkg_config(&lib, &["--modversion"]), [env!("CARGO_PKG_VERSION")]);
    build_and_run(&pkg_config(&lib, &["--cflags", "--libs"]), Some(&lib));
    // The static one, by its name, because the linker prefers the shared one.
    let archive = lib.join("libdxgrt.a");
    let mut flags = pkg_config(&lib, &["--cflags", "--libs", "--static"]);
    flags.iter_mut().filter(|flag| *flag == "-ldxgrt").for_each(|flag| *flag = archive.display().to_string());
    build_and_run(&flags, None);
}

/// `pkg-config --static` names all that the static library needs: where there is no shared one, nothing else is to be said.
#[test]
fn a_prefix_may_have_blanks_and_no_shared_library() {
    let above = tempfile::tempdir().unwrap();
    let prefix = above.path().join("it's a #1 prefix");
    run(installer(&prefix).args(["--try", "--libdir", "lib 64"]));
    let lib = prefix.join("lib 64");
    assert!(!prefix.join("lib").exists());
    if !has_pkg_config() {
        return;
    }
    build_and_run(&pkg_config(&lib, &["--cflags", "--libs"]), Some(&lib));
    for shared in
        ["libdxgrt.so".to_owned(), "libdxgrt.so.0".into(), concat!("libdxgrt.so.", env!("CARGO_PKG_VERSION")).into()]
    {
        std::fs::remove_file(lib.join(shared)).unwrap();
    }
    build_and_run(&pkg_config(&lib, &["--cflags", "--libs", "--static"]), None);
}

#[test]
fn a_package_is_staged_below_another_folder() {
    let stage = tempfile::tempdir().unwrap();
    let prefix = Path::new("/opt/dxgrt of nobody");
    run(installer(prefix).env("DESTDIR", stage.path()).arg("--try"));
    assert!(!prefix.exists(), "DESTDIR keeps everything below it");
    let staged = stage.path().join("opt/dxgrt of nobody");
    let pc = std::fs::read_to_string(staged.join("lib/pkgconfig/dxgrt.pc")).unwrap();
    assert!(pc.starts_with("prefix=/opt/dxgrt\\ of\\ nobody\n"), "{pc}");
    assert!(!pc.contains(stage.path().to_str().unwrap()), "{pc}");
    assert!(staged.join("lib/libdxgrt.so").exists() && staged.join("include/dxgrt.h").exists());
    if has_pkg_config() {
        assert_eq!(pkg_config(&staged.join("lib"), &["--cflags"]), ["-I/opt/dxgrt of nobody/include"]);
    }
}

#[test]
fn places_that_cannot_be_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |command: &mut Command, code: i32, says: &str| {
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(code) && said.contains(says), "{}: {said}", output.status);
    };
    refused(installer(Path::new("relative")).env("DESTDIR", folder.path()), 1, "absolute");
    refused(&mut installer(&folder.path().join("a$b")), 1, "without `$`");
    refused(installer(folder.path()).args(["--libdir", "../lib"]), 1, "below the prefix");
    refused(installer(folder.path()).arg("--libdir"), 2, "usage: install");
    refused(installer(folder.path()).arg("--unknown"), 2, "usage: install");
}
