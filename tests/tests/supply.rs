//! What the project is built from, as far as that can be told without the network: the scheduler's dependencies need no
//! standard library, and the Rust version is stated once. Licences and defects are `.ci/supply`'s.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the workspace").to_owned()
}

fn metadata() -> Value {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(root())
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .output()
        .expect("cargo, which started this test, starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo metadata writes JSON")
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

/// The scheduler and everything that it is built from, with the features that are on.
fn tree(metadata: &Value, name: &str) -> Vec<(Value, Vec<String>)> {
    let package = |id: &str| list(metadata, "packages").iter().find(|package| text(package, "id") == id);
    let named = list(metadata, "packages").iter().find(|package| text(package, "name") == name);
    let mut open = vec![text(named.expect("a package of the workspace"), "id").to_owned()];
    let (mut seen, mut found) = (BTreeSet::new(), Vec::new());
    while let Some(id) = open.pop() {
        if !seen.insert(id.clone()) {
            continue;
        }
        let nodes = list(&metadata["resolve"], "nodes");
        let node = nodes.iter().find(|node| text(node, "id") == id).expect("a node for each package");
        let features = list(node, "features").iter().filter_map(|feature| feature.as_str().map(str::to_owned));
        found.push((package(&id).expect("a package for each node").clone(), features.collect()));
        for dependency in list(node, "deps") {
            // Normal ones: those of tests and benchmarks have a kind.
            if list(dependency, "dep_kinds").iter().any(|kind| kind["kind"].is_null()) {
                open.push(text(dependency, "pkg").to_owned());
            }
        }
    }
    found
}

#[test]
fn the_scheduler_and_all_it_depends_on_need_no_standard_library() {
    let metadata = metadata();
    let tree = tree(&metadata, "dxg-scheduler");
    let names: Vec<&str> = tree.iter().map(|(package, _)| text(package, "name")).collect();
    assert!(names.len() >= 2, "the scheduler has dependencies, and {names:?} were found");
    for (package, features) in &tree {
        let name = text(package, "name");
        let library = list(package, "targets").iter().find(|target| {
            list(target, "kind").iter().any(|kind| matches!(kind.as_str(), Some("lib" | "rlib" | "proc-macro")))
        });
        let library = library.unwrap_or_else(|| panic!("{name} has no library"));
        let path = text(library, "src_path");
        let source = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let unconditional = source.lines().any(|line| line.trim() == "#![no_std]");
        // Or unless a feature is on, which then must be off.
        let conditional = source.lines().any(|line| line.starts_with("#![cfg_attr(not(") && line.contains("no_std"));
        assert!(unconditional || conditional, "{name} ({path}) is not no_std");
        for forbidden in ["std", "write", "default-std"] {
            assert!(!features.iter().any(|feature| feature == forbidden), "{name} is built with feature `{forbidden}`");
        }
        // What is linked with `extern crate std` would be found by its users.
        let brings_std = source.lines().any(|line| line.trim() == "extern crate std;");
        let gated =
            source.contains("#[cfg(feature = \"std\")]") || source.contains("#[cfg(any(test, feature = \"write\"))]");
        assert!(!brings_std || gated, "{name} ({path}) takes the standard library in");
    }
}

#[test]
fn the_rust_version_is_stated_once() {
    let metadata = metadata();
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).expect("the workspace's manifest");
    let stated =
        manifest.lines().find_map(|line| line.strip_prefix("rust-version = ")).expect("the workspace states it");
    let stated = stated.trim_matches('"');
    let members: BTreeSet<&str> = list(&metadata, "workspace_members").iter().filter_map(Value::as_str).collect();
    for package in list(&metadata, "packages").iter().filter(|package| members.contains(text(package, "id"))) {
        assert_eq!(text(package, "rust_version"), stated, "{} states another", text(package, "name"));
        let own = std::fs::read_to_string(text(package, "manifest_path")).expect("its manifest");
        assert!(own.contains("rust-version.workspace = true"), "{} repeats it", text(package, "name"));
    }
    for other in ["rust-toolchain", "rust-toolchain.toml", "clippy.toml", ".clippy.toml"] {
        let text = std::fs::read_to_string(root().join(other)).unwrap_or_default();
        assert!(!text.contains("msrv") && !text.contains("channel"), "{other} states a Rust version of its own");
    }
    // What is stated is what this very compiler can be: older ones refuse the manifest.
    let version = Command::new("rustc").arg("--version").output().expect("rustc is where cargo is");
    assert!(version.status.success());
}
