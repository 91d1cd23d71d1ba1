//! As few crates as a newcomer should have to compile: what the default features of `dxg-runtime` bring along.

use std::collections::BTreeSet;
use std::process::Command;

/// Crates that `dxg-runtime` may need, itself counted.
const MOST_CRATES: usize = 60;

#[test]
fn few_crates_come_with_the_runtime() {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--locked", "-p", "dxg-runtime", "-e", "normal,build", "--prefix", "none"])
        .args(["-f", "{p}"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let names = text.lines().filter_map(|line| Some(line.split_once(" v")?.0));
    let crates: BTreeSet<&str> = names.collect();
    assert!(crates.contains("dxg-runtime") && crates.contains("dxg-scheduler"), "{crates:?}");
    assert!(crates.len() <= MOST_CRATES, "{} crates, {MOST_CRATES} are allowed: {crates:?}", crates.len());
    println!("{} crates", crates.len());
}
