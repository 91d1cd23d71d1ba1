//! C programs that use the library as users would: compiled with every warning an error, run as they are, with the address and
//! undefined-behaviour sanitisers, and once under valgrind.

use std::path::Path;
use std::process::Command;

use crate::support::{SANITIZED, compile, folder, library, package, start};

const PROGRAMS: [&str; 8] = [
    "examples/c/first.c",
    "tests/c/calls.c",
    "tests/c/poll_loop.c",
    "tests/c/callbacks.c",
    "tests/c/misuse.c",
    "tests/c/after.c",
    "tests/c/reload.c",
    "tests/c/hostile.c",
];

/// The library is a need of those programs alone that call it by its names: one loads it by itself.
const AS_NEEDED: &str = "-Wl,--as-needed";

/// A program with the library where it looks by itself: the address sanitizer's dlopen does not know of the program's own place.
fn finding(executable: &Path) -> Command {
    let mut command = Command::new(executable);
    command.env("LD_LIBRARY_PATH", library());
    command
}

#[test]
fn every_program_runs() {
    let folder = folder();
    for program in PROGRAMS {
        let executable = compile(folder.path(), program, &[AS_NEEDED]);
        let said = start(&mut finding(&executable), folder.path());
        println!("{program}: {said}");
        assert!(!said.is_empty(), "{program} says what it has done");
    }
}

#[test]
fn every_program_runs_with_sanitizers() {
    let folder = folder();
    for program in PROGRAMS {
        let flags: Vec<&str> = SANITIZED.into_iter().chain([AS_NEEDED]).collect();
        let executable = compile(folder.path(), program, &flags);
        println!("{program}: {}", start(&mut finding(&executable), folder.path()));
    }
}

#[test]
fn programs_do_not_err_in_valgrinds_eyes() {
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("SKIPPED: valgrind is not installed");
        return;
    }
    let folder = folder();
    for program in [PROGRAMS[0], PROGRAMS[2]] {
        let executable = compile(folder.path(), program, &[]);
        let mut valgrind = Command::new("valgrind");
        valgrind.args(["-q", "--error-exitcode=9", "--leak-check=full", "--errors-for-leak-kinds=definite"]);
        // Threads take turns under valgrind; the fair kind of turns keeps a spinning one from starving the others.
        println!("{program}: {}", start(valgrind.arg("--fair-sched=yes").arg(&executable), folder.path()));
    }
}

#[test]
fn the_first_program_counts_to_a_thousand() {
    let folder = folder();
    let executable = compile(folder.path(), PROGRAMS[0], &[]);
    let said = start(&mut Command::new(&executable), folder.path());
    assert!(said.starts_with("x[255] = 1000, 1000 launches, "), "{said}");
    let batches: u32 = said.trim().trim_end_matches(" batches").rsplit(' ').next().unwrap().parse().unwrap();
    assert!(batches < 250, "{said}");
}

/// What the README shows is what runs here.
#[test]
fn the_readme_shows_the_first_program_and_its_kernel() {
    let readme = std::fs::read_to_string(package().join("../README.md")).unwrap();
    let blocks: Vec<&str> = readme.split("```c\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let file = |name: &str| std::fs::read_to_string(package().join("examples/c").join(name)).unwrap();
    assert_eq!(blocks, [file("first.c"), file("add_one.c")]);
}
