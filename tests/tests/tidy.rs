//! Style as a test: what a reader should never have to point out in a review.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Longest source file; generated files are excepted.
const MAX_LINES: usize = 600;
/// Written by dxg-io's generator.
const GENERATED: [&str; 1] = ["dxg-io/src/sys/"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the workspace").to_owned()
}

/// Every file of the project with its path from the root, build outputs and history left out.
fn files() -> Vec<(String, PathBuf)> {
    fn walk(directory: &Path, root: &Path, found: &mut Vec<(String, PathBuf)>) {
        let entries = std::fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
        for entry in entries {
            let path = entry.expect("a readable entry").path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
            if path.is_dir() {
                // A nested `target`, or a repository inside this one, is not the project's text.
                if name != ".git" && name != "target" {
                    walk(&path, root, found);
                }
            } else if name != ".git" {
                let relative = path.strip_prefix(root).expect("a path below the root");
                found.push((relative.to_string_lossy().into_owned(), path));
            }
        }
    }
    let root = root();
    let mut found = Vec::new();
    walk(&root, &root, &mut found);
    found.sort();
    assert!(found.len() > 20, "the project's files are not where this test looks: {}", root.display());
    found
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn sources() -> Vec<(String, String)> {
    let rust = files().into_iter().filter(|(name, _)| name.ends_with(".rs"));
    rust.map(|(name, path)| (name, read(&path))).collect()
}

fn fail_if_any(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn source_files_stay_readable() {
    let long = sources().into_iter().filter(|(name, _)| !GENERATED.iter().any(|folder| name.starts_with(folder)));
    let long = long.filter(|(_, text)| text.lines().count() > MAX_LINES);
    fail_if_any(long.map(|(name, text)| format!("{name} has {} lines; split it", text.lines().count())).collect());
}

#[test]
fn source_files_say_what_they_are() {
    // A sibling that holds the unit tests of a file is described by that file.
    let documented = sources().into_iter().filter(|(name, _)| !name.ends_with("tests.rs"));
    let silent = documented.filter(|(_, text)| {
        let first = text.lines().find(|line| !line.is_empty() && !line.starts_with("#!"));
        !first.is_some_and(|line| line.starts_with("//!") || line.starts_with("// ") || line.starts_with("/*"))
    });
    fail_if_any(silent.map(|(name, _)| format!("{name} does not open with a comment that says what it is")).collect());
}

#[test]
fn nothing_is_left_over() {
    // Written in halves, so that this file does not find itself.
    let markers =
        [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X"), concat!("dbg", "!("), concat!("```ig", "nore")];
    let mut complaints = Vec::new();
    for (name, text) in sources() {
        for (number, line) in text.lines().enumerate() {
            for marker in markers.iter().filter(|marker| line.contains(**marker)) {
                complaints.push(format!("{name}:{}: {marker} is left over", number + 1));
            }
        }
    }
    fail_if_any(complaints);
}

/// Tests that are ignored, by file and name, each with the command that runs it. There is none: a test that cannot run here
/// says so and fails.
const IGNORED: [(&str, &str, &str); 0] = [];

#[test]
fn every_ignored_test_is_accounted_for() {
    let attribute = concat!("#[ign", "ore");
    let mut complaints = Vec::new();
    let ci: String =
        files().into_iter().filter(|(name, _)| name.starts_with(".ci/")).map(|(_, path)| read(&path)).collect();
    for (name, text) in sources() {
        let lines: Vec<&str> = text.lines().collect();
        for (number, _) in lines.iter().enumerate().filter(|(_, line)| line.contains(attribute)) {
            let test = lines[number..].iter().find_map(|line| line.trim().strip_prefix("fn ")).unwrap_or_default();
            let test = test.split('(').next().unwrap_or_default();
            let runs = IGNORED
                .iter()
                .find(|(file, ignored, _)| *file == name && *ignored == test)
                .map(|(.., command)| command);
            if !runs.is_some_and(|command| ci.contains(command)) {
                complaints.push(format!("{name}:{}: `{test}` is ignored, and no command of .ci runs it", number + 1));
            }
        }
    }
    fail_if_any(complaints);
}

/// Calls that the libraries do not make, and what they make in their place.
const BANNED: [(&str, &str); 15] = [
    (".unwrap()", "return the error, or handle None"),
    (".expect(", "return the error, or handle None"),
    ("panic!(", "return a typed error"),
    ("unreachable!(", "return a typed error, or let types rule the case out"),
    ("todo!(", "build it"),
    ("unimplemented!(", "build it"),
    ("println!(", "use tracing: a library does not write to the terminal"),
    ("print!(", "use tracing: a library does not write to the terminal"),
    ("process::exit(", "return to the program, which ends itself"),
    ("static mut ", "use an atomic, OnceLock or Mutex"),
    ("transmute", "cast pointers, or use from_ne_bytes"),
    ("set_var(", "take a setting: the environment is everybody's"),
    ("mpsc::channel(", "use a bounded queue: crate::core::queue, or crossbeam's bounded"),
    ("unbounded()", "use a bounded queue"),
    ("from_utf8_unchecked", "use from_utf8, or from_utf8_lossy"),
];

/// Where a banned call is right, with the reason.
const EXCEPTIONS: [(&str, &str, &str); 5] = [
    ("runtime/src/core/admission.rs", "unreachable!(", "the line lives as long as its gate, which the caller holds"),
    (
        "scheduler/src/slab.rs",
        ".expect(",
        "an index of the slab itself: broken only by a defect, which the engine survives",
    ),
    ("scheduler/src/scheduler/pick.rs", ".expect(", "as above"),
    ("ffi/src/handle.rs", "unreachable!(", "inside the guard of every export, which answers DXGRT_PANIC"),
    ("dxg-io/src/software/gpu/pool.rs", "unbounded()", "holds no more jobs than there are queues and workers"),
];

#[test]
fn libraries_make_no_banned_calls() {
    let libraries = ["dxg-io/src/", "scheduler/src/", "runtime/src/", "ffi/src/"];
    let of_tests = |name: &str| {
        let file = name.rsplit('/').next().unwrap_or_default();
        name.contains("/tests/") || file.ends_with("tests.rs") || file.starts_with("loom_") || file.starts_with("test_")
    };
    let mut complaints = Vec::new();
    let mut used = BTreeSet::new();
    for (name, text) in sources() {
        if !libraries.iter().any(|folder| name.starts_with(folder)) || of_tests(&name) {
            continue;
        }
        // Unit tests stand at the end of a file.
        let product = ["#[cfg(test)]\nmod ", "#[cfg(all(test"].iter().filter_map(|mark| text.find(mark)).min();
        for (number, line) in text[..product.unwrap_or(text.len())].lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for (call, instead) in BANNED.iter().filter(|(call, _)| code.contains(call)) {
                match EXCEPTIONS.iter().position(|(file, allowed, _)| *file == name && allowed == call) {
                    Some(exception) => drop(used.insert(exception)),
                    None => complaints.push(format!("{name}:{}: `{call}`: {instead}", number + 1)),
                }
            }
        }
    }
    for (index, (file, call, _)) in EXCEPTIONS.iter().enumerate() {
        if !used.contains(&index) {
            complaints.push(format!("{file} has no `{call}` any more: take the exception back"));
        }
    }
    fail_if_any(complaints);
}

#[test]
fn the_scheduler_is_pure_logic() {
    let lib = read(&root().join("scheduler/src/lib.rs"));
    assert!(lib.contains("#![no_std]") && lib.contains("#![forbid(unsafe_code)]"));
    let manifest = read(&root().join("scheduler/Cargo.toml"));
    let normal = manifest.split("[dependencies]").nth(1).unwrap_or_default();
    let normal = normal.split("\n[").next().unwrap_or_default();
    for banned in ["tokio", "libc", "futures", "dxg-io", "crossbeam", "tracing"] {
        assert!(!normal.contains(banned), "the scheduler depends on {banned}");
    }
}

#[test]
fn every_data_file_has_an_origin() {
    let table = read(&root().join("tests/data/README.md"));
    let mut complaints = Vec::new();
    let mut seen = 0;
    let data = files().into_iter().filter(|(name, _)| name.contains("/data/") && !name.ends_with("README.md"));
    for (name, _) in data {
        seen += 1;
        let (folder, file) = name.rsplit_once('/').unwrap_or_default();
        let pattern = file.rsplit_once('.').map(|(_, ending)| format!("`{folder}/*.{ending}`"));
        if !table.contains(&format!("`{name}`")) && !pattern.is_some_and(|pattern| table.contains(&pattern)) {
            complaints.push(format!("{name} has no row in tests/data/README.md"));
        }
    }
    assert!(seen >= 6, "only {seen} data files: is this still where they are?");
    fail_if_any(complaints);
}

#[test]
fn commands_in_the_readme_exist() {
    let readme = read(&root().join("README.md"));
    let mut examples = BTreeSet::new();
    for line in read(&root().join("examples/Cargo.toml")).lines() {
        if let Some(name) = line.strip_prefix("name = ") {
            examples.insert(name.trim_matches('"').to_owned());
        }
    }
    let mut commands = 0;
    for line in readme.lines().filter(|line| line.trim_start().starts_with("cargo ")) {
        commands += 1;
        let words: Vec<&str> = line.split_whitespace().collect();
        if let Some(at) = words.iter().position(|word| *word == "--example") {
            let name = words[at + 1];
            let of_library = root().join(format!("ffi/examples/{name}.rs")).exists() && line.contains("-p dxg-ffi");
            assert!(examples.contains(name) || of_library, "README: no example for: {line}");
        }
    }
    assert!(commands >= 4, "README shows {commands} commands");
    let prose: String = readme.split("```").step_by(2).collect();
    for target in prose.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
        let file = target.split('#').next().unwrap_or_default();
        assert!(file.contains("://") || root().join(file).exists(), "README links to {file}, which does not exist");
    }
    let ci = read(&root().join(".ci/run"));
    assert!(readme.contains("cargo test --workspace") && ci.contains("cargo test --workspace"));
    assert!(readme.contains("cargo run --release --example digits"));
}

#[test]
fn numbers_are_kept_in_one_place() {
    let manifest = read(&root().join("Cargo.toml"));
    let value = |key: &str| {
        let line = manifest.lines().find(|line| line.starts_with(key)).unwrap_or_else(|| panic!("no {key}"));
        line.split('"').nth(1).unwrap_or_default().to_owned()
    };
    let readme = read(&root().join("README.md"));
    let rust = format!("Rust {}", value("rust-version"));
    assert!(readme.contains(&rust), "README does not say `{rust}`, as Cargo.toml does");
}
