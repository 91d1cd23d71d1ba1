//! README and book as promises: every link leads somewhere, and every command is run by a test or marked as needing hardware.
//!
//! A block of commands is one of `sh`. Lines that call `dxgrt` are run here; what else there is, is run by the file that the table
//! names. Blocks of `sh,needs-hardware` are not run, and the text before them says so.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Commands that this test does not run itself: who does, and what to look for there. `.ci/run` runs every step of itself.
const RUN_ELSEWHERE: [(&str, &str, &str); 37] = [
    ("cargo run --release --example digits", ".ci/run", "--example digits"),
    ("cargo run --release --example digits -- --json", ".ci/run", "--example digits -- --json"),
    ("cargo run --release --example nbody -- --bodies 128", ".ci/run", "--example nbody -- --bodies 128"),
    ("cargo run --release --example matmul -- 512", ".ci/run", "--example matmul -- 512"),
    ("cargo run --release --example requests -- --requests 10000", ".ci/run", "--example requests -- --requests 10000"),
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
    ("target/release/dxgrt run --summary -- ./client", ".ci/run", "run --summary -- \"$work/client\""),
    (
        "target/release/dxgrt run --perfetto target/client.json -- ./client",
        ".ci/run",
        "run --perfetto \"$work/client.json\" -- \"$work/client\"",
    ),
    ("target/release/dxgrt selftest --device dxg", ".ci/run", "selftest --device dxg"),
    ("target/release/dxgrt run -- target/release/dxgrt selftest --device dxg", ".ci/run", "selftest --device dxg"),
    ("target/release/dxgrt run -- ./client", "runtime/cli/tests/run.rs", "[\"run\", \"--\", &client]"),
    (
        "target/release/dxgrt run --trace calls.jsonl -- ./client",
        "runtime/cli/tests/run.rs",
        "\"--trace\", &trace, \"--\", &golden",
    ),
    ("target/release/dxgrt timeline calls.jsonl", "runtime/cli/tests/run.rs", "[\"timeline\", &trace]"),
    (
        "target/release/dxgrt run --async off -- ./client",
        "runtime/cli/tests/run.rs",
        "\"--async\", mode, \"--\", &client",
    ),
    ("target/release/dxgrt run --params adapter.toml -- ./client", "runtime/cli/tests/run.rs", "\"--params\", &chosen"),
    (
        "target/release/dxgrt run --summary -- target/release/dxgrt demo --epochs 1 --latency zero",
        "runtime/cli/tests/run.rs",
        "\"run\", \"--summary\", \"--perfetto\", &drawing",
    ),
    (
        "target/release/dxgrt run --perfetto target/run.json -- target/release/dxgrt demo --epochs 1 --latency zero",
        "runtime/cli/tests/run.rs",
        "\"run\", \"--summary\", \"--perfetto\", &drawing",
    ),
    (".ci/python", ".ci/run", ".ci/python"),
    ("pip install ./ffi/python", ".ci/python", "-m pip wheel -q --disable-pip-version-check --no-deps"),
    (
        "pip install './ffi/python[tinygrad]'",
        ".ci/python",
        "pip install -q --disable-pip-version-check tinygrad==0.14.0",
    ),
    ("DEV=DXG python any_script.py", "ffi/python/tests/test_tinygrad_training.py", "os.environ | {\"DEV\": \"DXG\""),
    ("python -m tinygrad_dxg.demo", ".ci/python", "-m tinygrad_dxg.demo"),
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
    // Once, by `cargo test`: criterion measures only where it is asked to.
    ("cargo bench --workspace", "runtime/Cargo.toml", "test = true"),
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
    (
        "cargo install --path runtime/cli --locked",
        ".ci/book",
        "cargo install --path runtime/cli --locked --root \"$target/installed\"",
    ),
    ("cp target/release/libdxg_preload.so ~/.cargo/bin/", ".ci/book", "libdxg_preload.so\" \"$target/installed/bin/\""),
];

/// Texts beside the book whose commands and links are looked at too.
const READMES: [&str; 3] = ["README.md", "ffi/preload/README.md", "ffi/python/README.md"];

/// Kinds of blocks that show no commands.
const NO_COMMANDS: [&str; 5] = ["rust", "c", "python", "toml", "text"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the package lies in the workspace").to_owned()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// READMEs and the chapters of the book, by their path from the root.
fn texts() -> Vec<(String, String)> {
    let root = root();
    let mut texts: Vec<(String, String)> =
        READMES.iter().map(|name| ((*name).to_owned(), read(&root.join(name)))).collect();
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

/// A shell's line, by its first word: in text for reading it would be run by nobody.
fn is_a_command(line: &str) -> bool {
    let starts =
        ["cargo ", "dxgrt ", "target/", ".ci/", "./", "pip ", "python ", "docker ", "podman ", "DXGRT_", "DEV="];
    starts.iter().any(|start| line.starts_with(start))
}

/// The command lines of a text, and whether they need hardware. Commands that stand where nobody looks are a mistake.
fn commands(name: &str, text: &str) -> Vec<(String, bool)> {
    let mut commands = Vec::new();
    for line in text.split("```").step_by(2).flat_map(str::lines).filter(|line| line.starts_with("    ")) {
        assert!(!is_a_command(line.trim()), "{name}: `{}` is a command: it belongs into a block of `sh`", line.trim());
    }
    for block in text.split("```").skip(1).step_by(2) {
        let (kind, lines) = block.split_once('\n').unwrap_or((block, ""));
        let hardware = match kind.trim() {
            "sh" => false,
            "sh,needs-hardware" => true,
            other => {
                let known = NO_COMMANDS.contains(&other) && !lines.lines().any(is_a_command);
                assert!(
                    known,
                    "{name}: a block of kind `{other}` is no block of `sh`, and shows commands or may show some"
                );
                continue;
            }
        };
        for line in lines.lines() {
            // What follows a sign is a remark.
            let line = line.split(" #").next().unwrap_or_default().trim();
            if !line.is_empty() {
                commands.push((line.to_owned(), hardware));
            }
        }
    }
    commands
}

/// The example, which cargo has built beside this test.
fn prepare_machines(folder: &str) {
    let program = Path::new(env!("CARGO_BIN_EXE_dxgrt")).with_file_name("examples").join("prepared-machines");
    let output = Command::new(&program).arg(folder).current_dir(root()).output();
    let output = output.unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        run("what prepared-machines prints", line);
    }
}

/// The kernel that the book shows is the one of the README, which is compiled and run.
#[test]
fn the_kernel_in_c_is_the_tested_one() {
    let block = |text: &str, start: &str| {
        let mut blocks = text.split("```c\n").skip(1).filter_map(|rest| rest.split("```").next());
        blocks.find(|block| block.contains(start)).map(str::to_owned)
    };
    let book = block(&read(&root().join("docs/src/kernels.md")), "void add_one(").expect("the chapter shows it");
    assert_eq!(Some(book), block(&read(&root().join("README.md")), "void add_one("));
}

fn run(name: &str, line: &str) {
    let words: Vec<&str> = line.split_whitespace().collect();
    let arguments = match words.as_slice() {
        ["cargo", "dxgrt", arguments @ ..] | ["dxgrt", arguments @ ..] => arguments,
        ["cargo", "run", "-p", "dxg-cli", "--example", "prepared-machines", "--", folder] => {
            return prepare_machines(folder);
        }
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
        for (line, hardware) in commands(&name, &text) {
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
