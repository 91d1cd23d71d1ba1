//! README and book as promises: every link leads somewhere, and every command is run by a test or marked as needing hardware.
//!
//! A block of commands is one of `sh`. Lines that call `dxgrt` are run here; what else there is, is run by the file that the table
//! names. Blocks of `sh,needs-hardware` are not run, and the text before them says so.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Commands that this test does not run itself: who does, and what to look for there. `.ci/run` runs every step of itself.
const RUN_ELSEWHERE: [(&str, &str, &str); 23] = [
    ("cargo run --release --example digits", ".ci/run", "--example digits"),
    ("cargo run --release --example digits -- --json", ".ci/run", "--example digits -- --json"),
    ("cargo run --release --example nbody -- --bodies 128", ".ci/run", "for example in nbody matmul requests"),
    ("cargo run --release --example matmul -- 512", ".ci/run", "for example in nbody matmul requests"),
    ("cargo run --release --example requests -- --requests 10000", ".ci/run", "for example in nbody matmul requests"),
    ("cargo test --workspace", ".ci/run", "cargo test --workspace"),
    (
        "cargo run --release -p dxg-ffi --example install -- --prefix target/dxgrt --try",
        ".ci/run",
        "--prefix \"$work/prefix\" --try",
    ),
    (
        "cargo build --release -p dxg-ffi -p dxg-cli && cargo run --release -p dxg-cli -- bench --ffi",
        ".ci/run",
        "bench --ffi --check",
    ),
    (
        "cargo build --release -p dxg-cli -p dxg-preload",
        ".ci/run",
        "cargo build --release --locked -p dxg-cli -p dxg-preload",
    ),
    ("target/release/dxgrt run --summary -- ./client", ".ci/run", "run --summary --"),
    ("target/release/dxgrt selftest --device dxg", ".ci/run", "selftest --device dxg"),
    (".ci/python", ".ci/run", ".ci/python"),
    (".ci/callgrind", ".ci/run", ".ci/callgrind"),
    (".ci/book", ".ci/run", ".ci/book"),
    ("cargo dxgrt bench", "runtime/cli/tests/bench.rs", "\"bench\", \"--json\", \"--quick\""),
    ("cargo dxgrt bench --breakdown", "runtime/cli/tests/bench.rs", "\"--breakdown\""),
    (
        "cargo dxgrt demo --epochs 1 --latency default --perfetto target/demo.json",
        "runtime/cli/tests/tool.rs",
        "\"--latency\", \"default\", \"--perfetto\"",
    ),
    (
        "cargo dxgrt draw target/demo.json --svg docs/before-after.svg",
        "runtime/cli/tests/tool.rs",
        "\"draw\", &recorded",
    ),
    ("cargo bench --workspace", ".ci/run", "cargo clippy --workspace --all-targets"),
    ("cargo run --release -p dxg-tests --bin replay-goals", ".ci/run", "--bin replay-goals"),
    (
        "cargo dxgrt sweep --svg docs/sweep.svg",
        "runtime/cli/tests/replay.rs",
        "\"sweep\", \"--json\", \"--check\", \"--svg\"",
    ),
    (
        "cargo run --release -p dxg-examples --features prometheus --example prometheus",
        ".ci/run",
        "--features prometheus --example prometheus",
    ),
    ("cargo install --path runtime/cli --locked", ".ci/book", "cargo install --path runtime/cli --locked"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the package lies in the workspace").to_owned()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// README and the chapters of the book, by their path from the root.
fn texts() -> Vec<(String, String)> {
    let root = root();
    let mut texts = vec![("README.md".to_owned(), read(&root.join("README.md")))];
    for chapter in chapters() {
        let name = format!("docs/src/{chapter}");
        texts.push((name.clone(), read(&root.join(name))));
    }
    assert!(texts.len() > 12, "the book has lost its chapters");
    texts
}

fn links(text: &str) -> Vec<String> {
    let prose: String = text.split("```").step_by(2).collect();
    prose.split("](").skip(1).filter_map(|rest| rest.split(')').next()).map(str::to_owned).collect()
}

/// Files that the summary lists.
fn chapters() -> Vec<String> {
    links(&read(&root().join("docs/src/SUMMARY.md")))
}

/// How mdBook and GitHub write a heading's anchor.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase().replace(' ', "-");
    kept.chars().filter(|letter| letter.is_alphanumeric() || matches!(letter, '-' | '_')).collect()
}

#[test]
fn every_chapter_is_in_the_summary_and_every_link_leads_somewhere() {
    let folder = root().join("docs/src");
    let mut listed: BTreeSet<String> = chapters().into_iter().collect();
    listed.insert("SUMMARY.md".into());
    let files = std::fs::read_dir(&folder).expect("the book").flatten();
    let found: BTreeSet<String> = files.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    let found: BTreeSet<String> = found.into_iter().filter(|name| name.ends_with(".md")).collect();
    assert_eq!(found, listed, "files of the book, and what SUMMARY.md lists");
    let mut seen = 0;
    for (name, text) in texts() {
        for target in links(&text) {
            if target.contains("://") {
                continue;
            }
            seen += 1;
            let (file, heading) = target.split_once('#').unwrap_or((&target, ""));
            let at = root().join(&name);
            let at = if file.is_empty() { at } else { at.parent().expect("a folder").join(file) };
            assert!(at.exists(), "{name} links to {target}, and there is no {}", at.display());
            if !heading.is_empty() {
                let text = read(&at);
                let mut headings = text.lines().filter(|line| line.starts_with('#'));
                let found = headings.any(|line| anchor(line.trim_start_matches('#')) == heading);
                assert!(found, "{name} links to {target}, and no heading has that anchor");
            }
        }
    }
    assert!(seen > 20, "only {seen} links: are they still found?");
}

/// The command lines of a text, and whether they need hardware.
fn commands(text: &str) -> Vec<(String, bool)> {
    let mut commands = Vec::new();
    for block in text.split("```").skip(1).step_by(2) {
        let (kind, lines) = block.split_once('\n').unwrap_or((block, ""));
        let hardware = match kind.trim() {
            "sh" => false,
            "sh,needs-hardware" => true,
            _ => continue,
        };
        for line in lines.lines() {
            // What follows two blanks and a sign is a remark.
            let line = line.split("  #").next().unwrap_or_default().trim();
            let line = line.split(" # ").next().unwrap_or_default().trim();
            if !line.is_empty() {
                commands.push((line.to_owned(), hardware));
            }
        }
    }
    commands
}

fn run(name: &str, line: &str) {
    let words: Vec<&str> = line.split_whitespace().collect();
    let arguments = match words.as_slice() {
        ["cargo", "dxgrt", arguments @ ..] | ["dxgrt", arguments @ ..] => arguments,
        _ => panic!(
            "{name}: no test runs `{line}`; add it to the table of this one, or mark its block `sh,needs-hardware`"
        ),
    };
    let mut command = Command::new(env!("CARGO_BIN_EXE_dxgrt"));
    command.args(arguments).current_dir(root());
    if arguments.contains(&"--check") {
        // Times are not looked at here; that the command works is.
        command.args(["--quick", "--only", "bytes"]);
    }
    let output = command.output().expect("dxgrt starts");
    // What the doctor and a check find is about this machine, not about the command.
    let judges = arguments.first() == Some(&"doctor") || arguments.contains(&"--check");
    let verdict = judges && output.status.code() == Some(1) && output.stderr.is_empty();
    let why = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() || verdict, "{name}: `{line}` ends with {}: {why}", output.status);
}

#[test]
fn every_command_is_run_or_marked() {
    let mut seen = BTreeSet::new();
    let mut marked = 0;
    for (name, text) in texts() {
        for (line, hardware) in commands(&text) {
            if hardware {
                marked += 1;
            } else if seen.insert(line.clone()) && !RUN_ELSEWHERE.iter().any(|(command, ..)| *command == line) {
                run(&name, &line);
            }
        }
    }
    assert!(seen.len() > 20 && marked > 0, "{} commands, {marked} marked: are they still found?", seen.len());
    for (command, file, needle) in RUN_ELSEWHERE {
        assert!(seen.contains(command), "no text has `{command}` any more: take it out of the table");
        assert!(read(&root().join(file)).contains(needle), "{file} does not run `{command}`: it lacks `{needle}`");
    }
}
