//! The smaller subcommands from outside: `info`, `demo`, `completions`, `man`, and what `--help` promises.

use std::collections::BTreeSet;
use std::process::{Command, Output};

use serde_json::Value;

fn dxgrt(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dxgrt"));
    command.env_remove("DXGRT_POLICY").env_remove("CLICOLOR_FORCE").args(arguments).output().expect("dxgrt starts")
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn json(output: &Output) -> Value {
    serde_json::from_str(&text(output)).expect("one JSON document")
}

const COMMANDS: [&str; 13] = [
    "bench",
    "completions",
    "demo",
    "doctor",
    "draw",
    "info",
    "man",
    "replay",
    "run",
    "selftest",
    "sweep",
    "timeline",
    "help",
];

#[test]
fn the_software_device_is_described_with_its_adapter() {
    let document = json(&dxgrt(&["info", "--json"]));
    let software =
        document["devices"].as_array().expect("a list").iter().find(|device| device["selector"] == "software:0");
    let software = software.expect("the software device is always there");
    assert_eq!((&software["can_launch"], &software["adapter"]["driver_model"]), (&true.into(), &"WDDM 2.7".into()));
    assert_eq!(software["hand_over"]["posted"], true);
    assert!(software["adapter"]["memory"][0]["budget"].as_u64() > Some(0));
    assert!(document.get("nvml").is_some(), "the key is there, whatever NVML says");
    let human = text(&dxgrt(&["info"]));
    assert!(human.starts_with("software:0  dxgrt software adapter\n  launches       yes"), "{human}");
    assert!(human.contains("posted messages; a round trip takes") && human.contains("as modelled"), "{human}");
    // Values stand in one column; colours are for terminals.
    let labelled: Vec<&str> = human.lines().filter(|line| line.starts_with("  ")).collect();
    let aligned =
        |line: &&str| line.chars().nth(16) == Some(' ') && line.chars().nth(17).is_some_and(|letter| letter != ' ');
    assert!(labelled.len() > 5 && labelled.iter().all(aligned), "{human}");
    assert!(!human.contains('\u{1b}'), "no colours where stdout is no terminal");
    let coloured = |no_color: bool| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dxgrt"));
        command.arg("info").env("CLICOLOR_FORCE", "1").env_remove("NO_COLOR");
        if no_color {
            command.env("NO_COLOR", "1");
        }
        text(&command.output().expect("dxgrt starts")).contains('\u{1b}')
    };
    assert!(coloured(false) && !coloured(true));
}

#[test]
fn before_and_after_compute_the_same_and_differ_in_cost() {
    let document = json(&dxgrt(&["demo", "--epochs", "1", "--latency", "zero", "--json"]));
    let comparison = &document["comparisons"][0];
    let count = |when: &str, what: &str| comparison[when][what].as_u64().unwrap_or_else(|| panic!("{when} {what}"));
    assert_eq!(count("before", "operations"), count("after", "operations"));
    assert_eq!(count("before", "submissions"), count("before", "operations"));
    assert!(count("after", "submissions") * 4 < count("before", "submissions"), "{comparison}");
    assert!(document["accuracy"].as_f64() > Some(0.5));
    let human = text(&dxgrt(&["demo", "--epochs", "1", "--latency", "zero"]));
    assert!(human.contains("before: one by one") && human.contains("after: batched"), "{human}");
    assert!(human.contains("bit for bit") && human.contains("Nothing is modelled here"), "{human}");
}

#[test]
fn both_runs_are_drawn_into_one_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let drawing = folder.path().join("timeline.json").display().to_string();
    for (command, labels) in [
        (vec!["demo", "--epochs", "1", "--latency", "zero"], ["one-by-one: engines", "batched: scheduler"]),
        (vec!["bench", "--quick"], ["w1a: streams", "w1c: submissions"]),
    ] {
        text(&dxgrt(&[command.as_slice(), &["--perfetto", &drawing]].concat()));
        let document: Value = serde_json::from_slice(&std::fs::read(&drawing).expect("written")).expect("JSON");
        let events = document["traceEvents"].as_array().expect("a list");
        for label in labels {
            assert!(events.iter().any(|event| event["args"]["name"] == label), "{label} is not drawn");
        }
    }
    let output = dxgrt(&["demo", "--perfetto", "/no/such/folder/x"]);
    let sentence = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && sentence.contains("/no/such/folder/x cannot be written"), "{sentence}");
}

#[test]
fn before_and_after_are_drawn_from_a_recorded_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (recorded, svg) = (path("demo.json"), path("before-after.svg"));
    text(&dxgrt(&["demo", "--epochs", "1", "--latency", "default", "--perfetto", &recorded]));
    let strips = json(&dxgrt(&["draw", &recorded, "--svg", &svg, "--json"]));
    let runs: Vec<&str> = strips.as_array().expect("a list").iter().filter_map(|strip| strip["run"].as_str()).collect();
    assert_eq!(runs, ["one-by-one", "batched"]);
    let drawing = std::fs::read_to_string(&svg).expect("written");
    assert!(drawing.contains("one-by-one: ") && drawing.contains("submitting") && drawing.ends_with("</svg>\n"));
    for (content, sentence) in [("x", "is no timeline"), ("{}", "has no runs")] {
        std::fs::write(&recorded, content).expect("written");
        let output = dxgrt(&["draw", &recorded, "--svg", &svg]);
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&output.stderr).contains(sentence));
    }
}

#[test]
fn a_device_that_is_not_there_is_named() {
    for selector in ["dxg:7", "gpu"] {
        let output = dxgrt(&["demo", "--device", selector]);
        let sentence = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{sentence}");
        assert!(sentence.starts_with("error: ") && sentence.contains(selector), "{sentence}");
    }
}

#[test]
fn every_shell_gets_a_script_that_knows_every_subcommand() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = text(&dxgrt(&["completions", shell]));
        for command in COMMANDS {
            assert!(script.contains(command), "{shell} does not know {command}");
        }
    }
    assert_eq!(dxgrt(&["completions", "sh"]).status.code(), Some(2));
}

#[test]
fn the_manual_has_a_page_for_each_subcommand_with_its_exit_codes() {
    let page = text(&dxgrt(&["man"]));
    assert!(page.contains(".TH dxgrt 1") && page.contains("Exit codes"), "{page}");
    let folder = tempfile::tempdir().expect("a folder");
    text(&dxgrt(&["man", "--dir", &folder.path().display().to_string()]));
    for command in COMMANDS.iter().filter(|command| **command != "help") {
        let page = std::fs::read_to_string(folder.path().join(format!("dxgrt-{command}.1"))).expect(command);
        assert!(page.contains(".SH SYNOPSIS"), "{page}");
    }
    let output = dxgrt(&["man", "--dir", "/dev/null/x"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("/dev/null/x"), "the folder is named");
}

#[test]
fn help_tells_every_subcommand_and_the_exit_codes() {
    let help = text(&dxgrt(&["--help"]));
    for command in COMMANDS {
        assert!(help.contains(&format!("\n  {command}")), "{help}");
    }
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names: Vec<&str> = listed.filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>(), COMMANDS.iter().collect(), "{help}");
    let book =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/src/tool.md")).expect("the book");
    for command in COMMANDS.iter().filter(|command| **command != "help") {
        assert!(book.contains(&format!("`{command}`")), "the book says nothing of `{command}`");
    }
    assert!(help.contains("Exit codes:\n  0  done") && !help.contains('\u{1b}'), "{help}");
    assert!(text(&dxgrt(&["doctor", "--help"])).contains("Exit codes:"));
    assert_eq!(text(&dxgrt(&["--version"])).trim(), concat!("dxgrt ", env!("CARGO_PKG_VERSION")));
}
