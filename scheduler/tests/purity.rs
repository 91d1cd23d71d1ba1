//! The crate stays pure: no standard library, no unsafe code, no dependency that could bring either in.

use std::path::Path;

/// Dependencies that may be used outside tests, each without `std` in its default features.
const ALLOWED: [&str; 1] = ["smallvec"];

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn dependencies_are_few_and_need_no_std() {
    let manifest = read("Cargo.toml");
    let section = manifest.split("\n[dependencies]").nth(1).expect("the manifest has a section of dependencies");
    let section = section.split("\n[").next().unwrap_or_default();
    let names: Vec<_> = section
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split(['.', ' ', '=']).next().unwrap_or_default())
        .collect();
    assert_eq!(names, ALLOWED);
    for forbidden in ["[build-dependencies]", "[features]", "[target."] {
        assert!(!manifest.contains(forbidden), "{forbidden} could bring in what tests do not see");
    }
    let workspace = read("../Cargo.toml");
    let smallvec = workspace.lines().find(|line| line.starts_with("smallvec")).expect("a workspace dependency");
    assert!(!smallvec.contains("\"write\""), "smallvec's feature `write` needs std: {smallvec}");
}

#[test]
fn sources_use_no_std_and_no_unsafe() {
    let root = read("src/lib.rs");
    for attribute in ["#![no_std]", "#![forbid(unsafe_code)]", "#![deny(missing_docs)]"] {
        assert!(root.lines().any(|line| line.trim() == attribute), "{attribute} is missing");
    }
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder of sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            files += 1;
            let text = std::fs::read_to_string(&path).expect("a source file");
            for (number, line) in text.lines().enumerate() {
                let code = line.split("//").next().unwrap_or_default();
                for word in ["std::", "extern crate std", "Instant", "SystemTime", "thread::"] {
                    assert!(!code.contains(word), "{}:{}: {word}", path.display(), number + 1);
                }
            }
        }
    }
    assert!(files > 10, "the sources were found");
}
