//! What `dxgrt info` and `dxgrt doctor` make of NVIDIA's management library, over one without a GPU (`c/fake_nvml.c`).

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::{Value, json};

/// The library, compiled once.
fn library() -> &'static Path {
    static BUILT: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, built) = BUILT.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let object = folder.path().join("libnvidia-ml.so.1");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/c/fake_nvml.c");
        let flags = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC", "-o"];
        let compiled = Command::new("cc").args(flags).arg(&object).arg(source).status();
        assert!(compiled.expect("cc starts").success(), "the library compiles");
        (folder, object)
    });
    built
}

fn dxgrt(arguments: &[&str], library: &Path, does: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dxgrt"));
    command.args(arguments).env("DXGRT_NVML_LIBRARY", library).env("FAKE_NVML", does);
    command.env_remove("CLICOLOR_FORCE").output().expect("dxgrt starts")
}

fn text(output: &Output) -> String {
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn document(output: &Output) -> Value {
    serde_json::from_str(&text(output)).expect("one JSON document")
}

fn nvml_finding(library: &Path, does: &str) -> Value {
    let document = document(&dxgrt(&["doctor", "--json"], library, does));
    let findings = document["findings"].as_array().expect("a list");
    findings.iter().find(|finding| finding["id"] == "nvml").expect("it is looked at").clone()
}

#[test]
fn info_says_all_that_the_library_says() {
    let document = document(&dxgrt(&["info", "--json"], library(), "answers"));
    let nvml = &document["nvml"];
    assert_eq!((&nvml["driver"], &nvml["cuda"]), (&json!("580.82.07"), &json!("13.1")));
    let first = json!({
        "name": "FAKE RTX 1",
        "gpu_utilisation": 37,
        "memory_utilisation": 12,
        "memory_used": 3u64 << 30,
        "memory_total": 24u64 << 30,
        "sm_clock": 2505,
        "memory_clock": 10501,
        "temperature": 54,
    });
    assert_eq!((nvml["gpus"].as_array().map(Vec::len), &nvml["gpus"][0]), (Some(2), &first));
    let human = text(&dxgrt(&["info"], library(), "answers"));
    assert!(human.contains("NVML  driver 580.82.07, CUDA 13.1\n"), "{human}");
    let line = "  GPU 0          FAKE RTX 1, 3 GiB of 24 GiB used, 37 % busy, 12 % of the time memory is read or written, 2505 MHz, \
                10501 MHz memory, 54 °C\n";
    assert!(human.contains(line), "{human}");
    // In one column with what stands above.
    let column = |start: &str, value: &str| {
        let line = human.lines().find(|line| line.trim_start().starts_with(start)).expect(start);
        line.find(value).expect(value)
    };
    assert_eq!(column("GPU 1", "FAKE RTX 2"), column("launches", "yes"), "{human}");
}

#[test]
fn what_the_library_does_not_say_is_left_out() {
    let nvml = document(&dxgrt(&["info", "--json"], library(), "silent"))["nvml"].clone();
    assert_eq!((&nvml["driver"], &nvml["cuda"]), (&json!("580.82.07"), &Value::Null));
    assert_eq!((&nvml["gpus"][0]["name"], &nvml["gpus"][0]["temperature"]), (&json!("FAKE RTX 1"), &Value::Null));
    let human = text(&dxgrt(&["info"], library(), "silent"));
    assert!(human.contains("driver 580.82.07, CUDA unknown\n  GPU 0          FAKE RTX 1\n"), "{human}");
}

#[test]
fn a_library_that_does_not_answer_is_no_failure_of_info_and_a_finding_of_the_doctor() {
    let folder = tempfile::tempdir().expect("a folder");
    let broken = folder.path().join("libnvidia-ml.so.1");
    std::fs::write(&broken, "not an object at all").expect("written");
    let absent = folder.path().join("absent.so");
    for (library, does, found) in [
        (library(), "refuses", "does not answer: a driver call has failed"),
        (broken.as_path(), "", "no shared object"),
        (absent.as_path(), "", "missing"),
    ] {
        let output = dxgrt(&["info"], library, does);
        assert!(output.status.success() && text(&output).contains("NVML is not there or does not answer"));
        let finding = nvml_finding(library, does);
        let said = finding["found"].as_str().expect("a text");
        let known = said.contains(found) || (does == "refuses" && said.starts_with("does not answer: "));
        assert!(known, "{finding:#}");
        let expected = if absent == library { "note" } else { "warning" };
        assert_eq!(finding["level"], expected, "{finding:#}");
        assert!(finding["looked_at"].as_str().expect("a text").contains(&library.display().to_string()), "{finding:#}");
    }
    let finding = nvml_finding(self::library(), "answers");
    assert_eq!((&finding["found"], &finding["level"]), (&json!("answers, 2 GPUs"), &json!("ok")));
}
