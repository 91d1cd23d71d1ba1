//! `dxgrt run`, `timeline` and `selftest` from outside, with the preloaded library and a client that knows nothing of it.

#[path = "../../../ffi/preload/tests/support/mod.rs"]
mod support;

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use support::{compile, library, run};

fn dxgrt(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dxgrt"));
    command.args(arguments).env_remove("LD_PRELOAD").env("DXGRT_PRELOAD", library());
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn output_of(arguments: &[&str]) -> Output {
    support::output(&mut dxgrt(arguments))
}

#[test]
fn a_program_runs_and_its_calls_are_summed_up() {
    let folder = tempfile::tempdir().unwrap();
    let client = compile(folder.path(), "client").display().to_string();
    for (mode, messages, batching) in [("on", "68 posted, 45 round trips", 2), ("off", "0 posted, 113 round trips", 2)]
    {
        let output = run(&mut dxgrt(&["run", "--summary", "--params", "zero", "--async", mode, "--", &client]));
        assert_eq!(text(&output.stdout), "client: 65 submissions, all as they should be\n", "stdout is the client's");
        let summary = text(&output.stderr);
        for expected in [
            "(1 process) on the software adapter",
            "SUBMITCOMMANDTOHWQUEUE                  65       0 ",
            messages,
            &format!("65 submissions could have been {batching};"),
        ] {
            assert!(summary.contains(expected), "{expected} is not in\n{summary}");
        }
    }
    // What limited it, in the words of Device::report.
    let output = run(&mut dxgrt(&["run", "--summary", "--params", "zero", "--", &client]));
    let summary = text(&output.stderr);
    for expected in [
        "\n  65 submissions and 5 waits by the processor; 68 messages posted, 45 round trips.\n",
        "\n  - 63 of 65 submissions followed another without a wait between them",
        "\n  - All 65 submissions went through one queue.",
    ] {
        assert!(summary.contains(expected), "{expected} is not in\n{summary}");
    }
    // Parameters from a file.
    let chosen = folder.path().join("adapter.toml").display().to_string();
    std::fs::write(&chosen, "async_messages = false\n").unwrap();
    let output = run(&mut dxgrt(&["run", "--summary", "--params", &chosen, "--", &client]));
    assert!(text(&output.stderr).contains("0 posted, 113 round trips"), "{output:?}");
    // Without a summary dxgrt is the program.
    let plain = run(&mut dxgrt(&["run", "--", &client]));
    assert!(plain.stderr.is_empty() && text(&plain.stdout).starts_with("client: "), "{plain:?}");
}

#[test]
fn a_program_that_ends_badly_or_forks_is_summed_up_too() {
    let folder = tempfile::tempdir().unwrap();
    let golden = compile(folder.path(), "golden").display().to_string();
    let script = format!("{golden} >/dev/null; kill -9 $$");
    let output = output_of(&["run", "--summary", "--", "sh", "-c", &script]);
    assert_eq!(output.status.code(), Some(128 + 9));
    let summary = text(&output.stderr);
    assert!(summary.contains("sh (2 processes)") && summary.contains("OPENSYNCOBJECTFROMNTHANDLE2"), "{summary}");
}

/// Our own command as a program that uses dxgrt: what its devices did is told and drawn, though nothing in it asks for that.
#[test]
fn devices_of_dxgrt_in_the_program_are_told_and_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let drawing = folder.path().join("timeline.json").display().to_string();
    let demo = [env!("CARGO_BIN_EXE_dxgrt"), "demo", "--epochs", "1", "--latency", "zero"];
    let command = [&["run", "--summary", "--perfetto", &drawing, "--"][..], &demo].concat();
    let output = run(&mut dxgrt(&command));
    assert!(text(&output.stdout).contains("after: batched"), "{output:?}");
    let summary = text(&output.stderr);
    assert!(!summary.contains("did not open /dev/dxg"), "{summary}");
    let devices: Vec<&str> =
        summary.split("dxgrt: ").filter(|part| part.contains("(`software:0`) of process")).collect();
    assert_eq!(devices.len(), 2, "{summary}");
    assert!(devices[0].contains("\n  - The policy is `one-by-one`: each of "), "{summary}");
    assert!(!devices[1].contains("The policy is") && devices[1].contains(" operations in "), "{summary}");
    let document: Value = serde_json::from_slice(&std::fs::read(&drawing).expect("written")).expect("JSON");
    let events = document["traceEvents"].as_array().expect("a list");
    let names: Vec<&str> = events.iter().filter_map(|event| event["args"]["name"].as_str()).collect();
    for what in ["tasks that wait", "streams", "scheduler", "submissions", "engines"] {
        assert_eq!(
            names.iter().filter(|name| name.ends_with(&format!("(`software:0`): {what}"))).count(),
            2,
            "{names:?}"
        );
    }
    let groups: std::collections::BTreeSet<u64> = events.iter().filter_map(|event| event["pid"].as_u64()).collect();
    assert_eq!(groups.len(), 12, "six groups of rows for each of two devices");
    // A folder that is not there is said where the device is opened.
    let refused = dxgrt(&demo[1..]).env("DXGRT_REPORT", "/no/such/folder").output().unwrap();
    let said = text(&refused.stderr);
    assert!(
        refused.status.code() == Some(1) && said.contains("DXGRT_REPORT") && said.contains("/no/such/folder"),
        "{said}"
    );
}

#[test]
fn calls_of_any_client_are_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let client = compile(folder.path(), "client").display().to_string();
    let drawing = folder.path().join("calls.json").display().to_string();
    let output = run(&mut dxgrt(&["run", "--perfetto", &drawing, "--", &client]));
    assert!(output.stderr.is_empty() && text(&output.stdout).starts_with("client: "), "{output:?}");
    let document: Value = serde_json::from_slice(&std::fs::read(&drawing).expect("written")).expect("JSON");
    let events = document["traceEvents"].as_array().expect("a list");
    let named = |name: &str| events.iter().filter(|event| event["name"] == name).count();
    assert_eq!(named("SUBMITCOMMANDTOHWQUEUE"), 65);
    assert_eq!((named("submission, fence 1"), named("submission, fence 65")), (1, 1));
    assert!(named("ring bytes") > 65 && named("round trips") > 65);
    // Nothing to draw, and nowhere to draw it.
    let nothing = output_of(&["run", "--perfetto", &drawing, "--", "true"]);
    assert!(text(&nothing.stderr).contains("true opened neither /dev/dxg nor a device of dxgrt"), "{nothing:?}");
    let (code, said) = refused(&mut dxgrt(&["run", "--perfetto", "/no/such/folder/x", "--", "true"]));
    assert!(code == Some(1) && said.contains("/no/such/folder/x cannot be written"), "{said}");
}

/// However a program ends, its calls are summed up and drawn; the one that it did not come back from is named.
#[test]
fn programs_that_end_anyhow_leave_their_calls() {
    let folder = tempfile::tempdir().unwrap();
    let ends = compile(folder.path(), "ends").display().to_string();
    let trace = folder.path().join("trace.jsonl").display().to_string();
    let drawing = folder.path().join("drawing.json").display().to_string();
    const WAIT: &str = "did not return before their process ended: 1 × WAITFORSYNCHRONIZATIONOBJECTFROMCPU";
    for (how, code, unfinished) in [
        ("returns", 0, ""),
        ("exits", 3, ""),
        ("crashes", 128 + libc::SIGSEGV, ""),
        ("aborts", 128 + libc::SIGABRT, ""),
        ("is_killed", 128 + libc::SIGKILL, ""),
        ("is_killed_asleep", 128 + libc::SIGKILL, WAIT),
        ("exits_beside_a_sleeper", 4, WAIT),
        ("execs", 0, ""),
        ("execs_beside_a_sleeper", 0, WAIT),
    ] {
        let run = ["run", "--summary", "--params", "zero", "--trace", &trace, "--", &ends, how];
        let output = output_of(&run);
        let summary = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{how}: {summary}");
        assert!(summary.contains("(1 process) on the software adapter"), "{how}: {summary}");
        match unfinished {
            "" => assert!(!summary.contains("did not return"), "{how}: {summary}"),
            sentence => assert!(summary.contains(sentence), "{how}: {summary}"),
        }
        let calls = |name: &str| {
            let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            summary.lines().map(words).find(|words| words.first().is_some_and(|word| word == name))?.get(1).cloned()
        };
        let execs = how.starts_with("execs");
        // The program that it became enumerates, too.
        assert_eq!(calls("ENUMADAPTERS2").as_deref(), Some(if execs { "11" } else { "10" }), "{how}: {summary}");
        let lines = std::fs::read_to_string(&trace).unwrap();
        assert_eq!(calls("all"), Some(lines.lines().count().to_string()), "{how}: {summary}");
        let drawn = support::run(&mut dxgrt(&["timeline", &trace, "--output", &drawing]));
        assert!(text(&drawn.stdout).starts_with(&format!("{} calls drawn", lines.lines().count())), "{how}: {drawn:?}");
        assert!(drawn.stderr.is_empty(), "{how}: {drawn:?}");
    }
    // A line that was cut off is no reason not to draw the others.
    let mut lines = std::fs::read(&trace).unwrap();
    let whole = lines.iter().filter(|&&byte| byte == b'\n').count();
    lines.truncate(lines.len() - 30);
    std::fs::write(&trace, lines).unwrap();
    let drawn = run(&mut dxgrt(&["timeline", &trace]));
    assert!(text(&drawn.stdout).starts_with(&format!("{} calls drawn", whole - 1)), "{drawn:?}");
    assert!(text(&drawn.stderr).contains("1 lines of"), "{drawn:?}");
}

#[test]
fn programs_that_the_library_cannot_enter_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let alone = folder.path().join("alone");
    let source = folder.path().join("alone.c");
    std::fs::write(&source, "int main(void) { return 5; }\n").unwrap();
    run(Command::new("cc").arg("-static").arg(&source).arg("-o").arg(&alone));
    let script = folder.path().join("script");
    std::fs::write(&script, format!("#!{}\n", alone.display())).unwrap();
    let executable = || std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&script, executable()).unwrap();
    for program in [&alone, &script] {
        let output = output_of(&["run", "--", &program.display().to_string()]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(5), "it is run all the same: {said}");
        let named = format!("{} is linked statically: it makes its system calls itself, and will not", alone.display());
        assert!(said.contains(&named), "{said}");
    }
    // With the bit, but as oneself: the loader takes the library, and nothing is said.
    let own = compile(folder.path(), "ends");
    std::fs::set_permissions(&own, std::os::unix::fs::PermissionsExt::from_mode(0o4755)).unwrap();
    let output = run(&mut dxgrt(&["run", "--summary", "--", &own.display().to_string(), "returns"]));
    let said = text(&output.stderr);
    assert!(!said.contains("other rights") && said.contains("(1 process)"), "{said}");
    // As somebody else: only root can make such a file.
    let other = folder.path().join("ends-of-another");
    std::fs::copy(&own, &other).unwrap();
    if std::os::unix::fs::chown(&other, Some(12345), None).is_ok() {
        std::fs::set_permissions(&other, std::os::unix::fs::PermissionsExt::from_mode(0o4755)).unwrap();
        let said = text(&output_of(&["run", "--", &other.display().to_string(), "returns"]).stderr);
        assert!(said.contains("runs with other rights than yours"), "{said}");
    }
}

/// What is to be preloaded already stays, behind the library; children of the program find both.
#[test]
fn other_preloaded_libraries_stay() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("other.c");
    std::fs::write(
        &source,
        "#include <stdio.h>\n#include <string.h>\n#include <fcntl.h>\n#include <sys/syscall.h>\n#include <unistd.h>\n\
         int open(const char *path, int flags, ...) {\n\
         if (!strcmp(path, \"/dev/null\")) fputs(\"other: null\\n\", stderr);\n\
         return syscall(SYS_openat, AT_FDCWD, path, flags, 0);\n}\n",
    )
    .unwrap();
    let other = folder.path().join("libother.so");
    run(Command::new("cc").args(["-D_GNU_SOURCE", "-shared", "-fPIC"]).arg(&source).arg("-o").arg(&other));
    let ends = compile(folder.path(), "ends").display().to_string();
    let script = format!("{ends} returns && {ends} spawns");
    let command = ["run", "--summary", "--params", "zero", "--", "sh", "-c", &script];
    let said = text(&run(dxgrt(&command).env("LD_PRELOAD", &other)).stderr);
    // Two programs that open the null device, and one that the second of them has started.
    assert_eq!(said.matches("other: null").count(), 3, "{said}");
    assert!(said.contains("sh (3 processes)"), "{said}");
}

#[test]
fn exit_codes_are_the_programs_own() {
    for more in [&["run"][..], &["run", "--summary"]] {
        let code = |program: &[&str]| output_of(&[more, &["--"], program].concat()).status.code();
        assert_eq!(code(&["sh", "-c", "exit 7"]), Some(7));
        assert_eq!(code(&["/no/such/program"]), Some(127));
        assert_eq!(code(&["/dev/null"]), Some(126));
    }
    let nothing = output_of(&["run", "--summary", "--", "true"]);
    assert_eq!(text(&nothing.stderr), "dxgrt: true did not open /dev/dxg\n");
    // Options behind the program are the program's.
    assert_eq!(text(&output_of(&["run", "--", "echo", "--summary"]).stdout), "--summary\n");
}

#[test]
fn signals_go_on_to_the_program() {
    let mut child = dxgrt(&["run", "--summary", "--", "sh", "-c", "echo ready; exec sleep 60"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("dxgrt starts");
    let mut ready = [0u8; 6];
    std::io::Read::read_exact(child.stdout.as_mut().expect("a pipe"), &mut ready).expect("the program speaks");
    std::thread::sleep(std::time::Duration::from_millis(100));
    // SAFETY: our own child, which was not waited for.
    unsafe { libc::kill(child.id() as i32, libc::SIGTERM) };
    assert_eq!(child.wait().expect("it ends").code(), Some(128 + libc::SIGTERM));
}

#[test]
fn a_trace_holds_every_call_and_is_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let golden = compile(folder.path(), "golden").display().to_string();
    let trace = folder.path().join("trace.jsonl").display().to_string();
    let output = run(&mut dxgrt(&["run", "--summary", "--trace", &trace, "--", &golden]));
    let lines: Vec<Value> = std::fs::read_to_string(&trace)
        .expect("it was written")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let summary = text(&output.stderr);
    let all = summary.lines().find(|line| line.trim_start().starts_with("all ")).expect("a last row");
    assert_eq!(all.split_whitespace().nth(1), Some(lines.len().to_string().as_str()), "{summary}");
    let enumeration = lines.iter().find(|line| line["name"] == "LX_DXENUMADAPTERS2").expect("it was called");
    assert_eq!(enumeration["request"], "0xc0104714");
    let (before, after) = (enumeration["before"].as_str().unwrap(), enumeration["after"].as_str().unwrap());
    assert!(before.starts_with("08000000") && after.starts_with("01000000") && before.len() == 32, "{enumeration}");
    let processes: std::collections::BTreeSet<u64> = lines.iter().filter_map(|line| line["pid"].as_u64()).collect();
    assert_eq!(processes.len(), 2);

    let drawn = run(&mut dxgrt(&["timeline", &trace]));
    assert!(text(&drawn.stdout).contains(&format!("{} calls drawn into", lines.len())), "{drawn:?}");
    let drawing = std::fs::read(folder.path().join("trace.perfetto.json")).expect("written");
    let document: Value = serde_json::from_slice(&drawing).expect("JSON");
    let events = document["traceEvents"].as_array().expect("an array");
    assert_eq!(events.iter().filter(|event| event["ph"] == "X").count(), lines.len());

    std::fs::write(&trace, "{\"pid\": 1}\n").unwrap();
    let refused = dxgrt(&["timeline", &trace]).output().unwrap();
    assert!(text(&refused.stderr).contains("trace.jsonl, line 1 is not of `dxgrt run --trace`"), "{refused:?}");
}

fn refused(command: &mut Command) -> (Option<i32>, String) {
    let output = support::output(command);
    assert!(output.stdout.is_empty());
    (output.status.code(), text(&output.stderr))
}

#[test]
fn a_library_that_is_not_there_is_told_how_to_build() {
    let folder = tempfile::tempdir().unwrap();
    let alone = folder.path().join("dxgrt");
    std::fs::copy(env!("CARGO_BIN_EXE_dxgrt"), &alone).unwrap();
    let (code, said) = refused(Command::new(&alone).args(["run", "--", "true"]).env_remove("DXGRT_PRELOAD"));
    assert!(
        code == Some(1) && said.contains("`cargo build -p dxg-preload`") && said.contains("DXGRT_PRELOAD"),
        "{said}"
    );
    let (code, said) = refused(dxgrt(&["run", "--", "true"]).env("DXGRT_PRELOAD", "/no/such/file"));
    assert!(code == Some(1) && said.contains("DXGRT_PRELOAD names /no/such/file"), "{said}");
    // Beside the program, and in ../lib.
    for place in ["libdxg_preload.so", "../lib/libdxg_preload.so"] {
        let bin = folder.path().join("bin");
        std::fs::create_dir_all(bin.join("../lib")).unwrap();
        let program = bin.join("dxgrt");
        std::fs::copy(&alone, &program).unwrap();
        std::fs::copy(library(), bin.join(place)).unwrap();
        run(Command::new(&program).args(["run", "--", "true"]).env_remove("DXGRT_PRELOAD"));
        std::fs::remove_file(bin.join(place)).unwrap();
    }
}

#[test]
fn wrong_command_lines_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = folder.path().join("wrong.toml");
    std::fs::write(&wrong, "adapter_description = 7\n").unwrap();
    for (arguments, expected) in [
        (vec!["run"], "required arguments were not provided"),
        (vec!["run", "--params", "/no/such/file", "--", "true"], "/no/such/file: "),
        (vec!["run", "--params", wrong.to_str().unwrap(), "--", "true"], "wrong.toml: "),
        (vec!["run", "--async", "maybe", "--", "true"], "possible values: on, off"),
        (vec!["selftest", "--device", "cuda"], "cuda has no /dev/dxg of its own to test"),
        (vec!["selftest", "--device", "gpu"], "gpu"),
    ] {
        let (code, said) = refused(&mut dxgrt(&arguments));
        assert!(code == Some(2) && said.contains(expected), "{arguments:?}: {code:?}, {said}");
    }
}

/// The self-test's document: nothing failed, and so many checks passed.
fn all_pass(command: &mut Command, passed: u64) -> Value {
    let report: Value = serde_json::from_slice(&run(command).stdout).expect("JSON");
    assert_eq!((report["failed"].as_u64(), report["passed"].as_u64()), (Some(0), Some(passed)), "{report:#}");
    report
}

#[test]
fn the_software_adapter_passes_the_self_test() {
    all_pass(&mut dxgrt(&["selftest", "--json"]), 27);
    let folder = tempfile::tempdir().unwrap();
    let old = folder.path().join("old.toml");
    std::fs::write(&old, "async_messages = false\nvmbus_version = 27\nmap_guest_pages = false\n").unwrap();
    let old = old.display().to_string();
    let report = all_pass(&mut dxgrt(&["selftest", "--json", "--params", &old]), 27);
    assert_eq!(report["posted"], 0);
    let report = text(&run(&mut dxgrt(&["selftest"])).stdout);
    for expected in ["self-test of software:0", "PCI 1414:008e", "  pass    waiter context ", "27 passed, 0 failed"] {
        assert!(report.contains(expected), "{expected} is not in\n{report}");
    }
}

/// As a separate process that opens a `/dev/dxg`: the whole client layer over the node, in both protocol modes.
#[test]
fn the_self_test_passes_through_the_preloaded_library() {
    let program = env!("CARGO_BIN_EXE_dxgrt");
    for mode in ["on", "off"] {
        let selftest = ["run", "--async", mode, "--", program, "selftest", "--device", "dxg", "--json"];
        let report = all_pass(&mut dxgrt(&selftest), 28);
        assert_eq!(report["boundary"], "/dev/dxg");
        let across =
            report["checks"].as_array().unwrap().iter().find(|check| check["name"] == "a fence across processes");
        assert_eq!(across.map(|check| &check["found"]), Some(&Value::from("pass")));
    }
    if !Path::new("/dev/dxg").exists() {
        let (code, said) = refused(&mut dxgrt(&["selftest", "--device", "dxg"]));
        assert!(code == Some(1) && said.contains("there is no paravirtualized GPU here"), "{said}");
    }
}

#[test]
fn the_self_test_finds_a_defect() {
    let folder = tempfile::tempdir().unwrap();
    let slow = folder.path().join("slow.toml");
    // Paging that is accepted and never done.
    std::fs::write(&slow, "paging_us = 1e9\n").unwrap();
    let output = output_of(&["selftest", "--params", slow.to_str().unwrap()]);
    let report = text(&output.stdout);
    assert!(output.status.code() == Some(1) && report.contains("  FAIL    system memory "), "{report}");
    assert!(report.contains("26 passed, 1 failed"), "{report}");
}
