//! `dxgrt doctor` on prepared machines: folders with the files of a WSL, a container, a plain Linux, each with what it lacks.

mod machines;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use machines::{CURRENT, Machine, PACKAGE};
use serde_json::Value;

fn diagnose(machine: &Machine) -> Diagnosis {
    let output = doctor(machine.root(), &["--json"]);
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let document: Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    let diagnosis = Diagnosis { code: output.status.code().expect("an exit code"), document };
    diagnosis.is_sound();
    diagnosis
}

struct Diagnosis {
    code: i32,
    document: Value,
}

impl Diagnosis {
    fn findings(&self) -> &[Value] {
        self.document["findings"].as_array().expect("a list")
    }

    /// Keys, levels and actions as they are promised.
    fn is_sound(&self) {
        assert_eq!(self.document.as_object().expect("an object").len(), 1);
        let mut ids = BTreeSet::new();
        for finding in self.findings() {
            let keys: Vec<&String> = finding.as_object().expect("an object").keys().collect();
            assert_eq!(keys, ["id", "looked_at", "found", "meaning", "action", "level"]);
            for value in finding.as_object().expect("an object").values() {
                assert!(!value.as_str().expect("a text").is_empty(), "{finding}");
            }
            assert!(ids.insert(finding["id"].as_str().expect("a text")), "{} is there twice", finding["id"]);
            let level = finding["level"].as_str().expect("a text");
            assert!(["ok", "note", "warning", "problem"].contains(&level), "{finding}");
            let acts = finding["action"] != "nothing to do";
            assert!(acts || !["warning", "problem"].contains(&level), "what to do about it? {finding}");
            assert!(!acts || level != "ok", "{finding}");
        }
        let broken = self.levels("problem").len();
        assert_eq!(self.code, i32::from(broken > 0), "{:?}", self.levels("problem"));
    }

    fn levels(&self, level: &str) -> Vec<&str> {
        self.findings().iter().filter(|finding| finding["level"] == level).filter_map(|f| f["id"].as_str()).collect()
    }

    fn get(&self, id: &str) -> &Value {
        let found = self.findings().iter().find(|finding| finding["id"] == id);
        found.unwrap_or_else(|| panic!("no finding {id} in {:#}", self.document))
    }

    fn action(&self, id: &str) -> &str {
        self.get(id)["action"].as_str().expect("a text")
    }
}

fn doctor(root: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dxgrt"));
    command.arg("doctor").arg("--root").arg(root).args(more);
    command.env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE").output().expect("dxgrt starts")
}

#[test]
fn a_healthy_wsl_has_nothing_to_complain_about() {
    let diagnosis = diagnose(&Machine::wsl(CURRENT));
    assert_eq!(
        (diagnosis.levels("problem"), diagnosis.levels("warning")),
        (vec![], vec![]),
        "{:#}",
        diagnosis.document
    );
    assert!(diagnosis.findings().len() >= 12, "{}", diagnosis.findings().len());
    assert_eq!(diagnosis.get("dxgkrnl")["found"], "1 virtual GPU, version 2.0.3");
    assert_eq!(diagnosis.get("driver-store")["found"], "1 driver package, among them of NVIDIA");
}

#[test]
fn an_old_kernel_is_told_from_one_that_is_merely_not_the_newest() {
    let old = diagnose(&Machine::wsl("5.4.72-microsoft-standard-WSL2"));
    assert_eq!(old.levels("problem"), ["wsl-kernel"]);
    assert!(old.action("wsl-kernel").contains("wsl.exe --update"));
    let aged = diagnose(&Machine::wsl("5.15.167.4-microsoft-standard-WSL2"));
    assert_eq!((aged.levels("problem"), aged.levels("warning")), (vec![], vec!["wsl-kernel"]));
    let first = diagnose(&Machine::new("4.4.0-19041-Microsoft"));
    assert!(first.action("system").contains("--set-version"), "{:#}", first.document);
}

#[test]
fn a_container_without_the_device_is_told_how_to_start() {
    let machine = Machine::container_without_device();
    let diagnosis = diagnose(&machine);
    assert_eq!(diagnosis.get("container")["found"], "inside Docker");
    assert_eq!(diagnosis.levels("problem"), ["dxg-node"]);
    assert!(diagnosis.action("dxg-node").contains("--device /dev/dxg"));
    assert_eq!(diagnosis.get("container-toolkit")["found"], "lacking: /dev/dxg");
    assert!(diagnosis.action("loader-path").contains("--env LD_LIBRARY_PATH=/usr/lib/wsl/lib"));
}

#[test]
fn a_container_without_the_driver_store_is_told_what_to_mount() {
    let machine = Machine::container_without_driver_store();
    let diagnosis = diagnose(&machine);
    assert_eq!(diagnosis.levels("problem"), ["driver-store"]);
    assert!(diagnosis.action("driver-store").contains("--volume /usr/lib/wsl:/usr/lib/wsl:ro"));
    assert!(diagnosis.get("container-toolkit")["found"].as_str().expect("a text").contains("libcuda_loader.so"));
    // Nothing at all: started without a GPU.
    let diagnosis = diagnose(&Machine::container());
    assert_eq!(diagnosis.levels("problem"), ["dxg-node", "container-toolkit", "libdxcore", "driver-store"]);
    assert!(diagnosis.action("container-toolkit").contains("docker run --gpus all"));
}

#[test]
fn a_plain_linux_has_the_software_device_only() {
    let machine = Machine::new("6.1.0-28-amd64");
    let diagnosis = diagnose(&machine);
    assert_eq!(diagnosis.levels("problem"), ["native-gpu"]);
    assert!(diagnosis.action("native-gpu").contains("`software`"));
    assert!(!diagnosis.document.to_string().contains("wsl-kernel"), "nothing of WSL is said");
    machine.write("/dev/dri/renderD128", "");
    assert_eq!(
        diagnose(&machine).levels("problem"),
        [""; 0],
        "a GPU of another vendor is none of dxgrt's, and no fault"
    );
}

#[test]
fn native_nvidia_is_no_business_of_dxg() {
    let machine = Machine::native_nvidia();
    let diagnosis = diagnose(&machine);
    assert_eq!((diagnosis.levels("problem"), diagnosis.levels("warning")), (vec![], vec![]));
    assert_eq!(diagnosis.get("native-gpu")["found"], "2 NVIDIA GPUs, driver 570.148.08");
    machine.write("/.dockerenv", "");
    for node in ["nvidia0", "nvidia1"] {
        machine.remove(&format!("/dev/{node}"));
    }
    let diagnosis = diagnose(&machine);
    assert_eq!(diagnosis.levels("problem"), ["native-gpu"]);
    assert!(diagnosis.action("native-gpu").contains("--gpus all"));
}

#[test]
fn each_thing_that_is_amiss_is_found() {
    type Spoil = fn(&Machine);
    let cases: [(&str, &str, &str, Spoil); 11] = [
        ("wsl-conf", "problem", "take that line out", |m| m.write("/etc/wsl.conf", "[gpu]\nenabled = false\n")),
        ("dxg-node", "problem", "CONFIG_DXGKRNL", |m| m.remove("/dev/dxg")),
        ("dxg-permission", "problem", "chmod 0666", |m| m.chmod("/dev/dxg", 0o600)),
        ("dxgkrnl", "problem", "driver (WDDM 2.9", |m| {
            m.remove("/sys/bus/vmbus/drivers/dxgkrnl/6e382d18-3336-4f4b-acc4-2b7703d4df4a");
        }),
        ("libdxcore", "problem", "wsl.exe --update", |m| m.remove("/usr/lib/wsl/lib/libdxcore.so")),
        ("libd3d12", "warning", "wsl.exe --update", |m| m.write("/usr/lib/wsl/lib/libd3d12.so", "")),
        ("libcuda-shadowed", "problem", "apt purge", |m| {
            m.object(&format!("/usr/lib/{}-linux-gnu/libcuda.so.1", std::env::consts::ARCH));
        }),
        ("loader-path", "warning", "ldconfig", |m| m.remove("/etc/ld.so.conf.d")),
        ("nvml", "warning", "driver again", |m| {
            m.remove(PACKAGE);
            m.driver_package();
            m.remove(&format!("{PACKAGE}/libnvidia-ml.so.1"));
            m.write("/usr/lib/wsl/lib/libnvidia-ml.so.1", "");
        }),
        ("pinned-memory", "note", "ulimit -l", |m| m.limit("65536")),
        ("memory", "warning", ".wslconfig", |m| m.write("/proc/meminfo", "MemTotal: 2000000 kB\n")),
    ];
    for (id, level, action, spoil) in cases {
        let machine = Machine::wsl(CURRENT);
        spoil(&machine);
        let diagnosis = diagnose(&machine);
        assert_eq!(diagnosis.levels(level), [id], "{:#}", diagnosis.document);
        assert!(diagnosis.action(id).contains(action), "{id}: {}", diagnosis.action(id));
    }
    // A link that leads nowhere, as images have it that were built with a GPU.
    let machine = Machine::wsl(CURRENT);
    machine.remove("/usr/lib/wsl/lib/libcuda.so.1.1");
    machine.remove(PACKAGE);
    machine.write("/usr/lib/wsl/drivers/iigd_dch.inf_amd64_77/igd.so", "");
    let diagnosis = diagnose(&machine);
    assert_eq!(diagnosis.levels("problem"), ["libcuda"]);
    assert!(diagnosis.get("libcuda")["found"].as_str().expect("a text").contains("a link to a file that is not there"));
}

#[test]
fn there_are_at_least_twelve_kinds() {
    let machines = [Machine::wsl(CURRENT), Machine::container(), Machine::native_nvidia()];
    let mut kinds = BTreeSet::new();
    for machine in &machines {
        for finding in diagnose(machine).findings() {
            kinds.insert(finding["id"].as_str().expect("a text").to_owned());
        }
    }
    // Of a GPU that answers come adapters, hardware-scheduling, round-trip and async-messages: unit tests of the command.
    assert!(kinds.len() >= 16, "{kinds:?}");
}

#[test]
fn people_get_what_matters_first_and_colours_on_demand() {
    let machine = Machine::wsl(CURRENT);
    machine.remove("/dev/dxg");
    let output = doctor(machine.root(), &[]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.starts_with("problem  dxg-node"), "{text}");
    assert!(
        text.contains("\u{2192} in Windows, install") && text.contains("No GPU is usable here: 1 problem."),
        "{text}"
    );
    assert!(!text.contains('\u{1b}'), "no colours where stdout is no terminal");
    let coloured = |variables: &[(&str, &str)]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dxgrt"));
        command.arg("doctor").arg("--root").arg(machine.root()).env_remove("NO_COLOR");
        let output = command.envs(variables.iter().copied()).output().expect("dxgrt starts");
        String::from_utf8_lossy(&output.stdout).contains('\u{1b}')
    };
    assert!(coloured(&[("CLICOLOR_FORCE", "1")]), "as on a terminal");
    assert!(!coloured(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
}

#[test]
fn six_prepared_machines_are_told_apart() {
    let verdicts = [
        ("healthy-wsl", vec![]),
        ("old-kernel", vec!["wsl-kernel"]),
        ("container-without-device", vec!["dxg-node"]),
        ("container-without-driver-store", vec!["driver-store"]),
        ("plain-linux", vec!["native-gpu"]),
        ("native-nvidia", vec![]),
    ];
    let prepared = Machine::prepared();
    assert_eq!(prepared.each_ref().map(|(name, _)| *name), verdicts.each_ref().map(|(name, _)| *name));
    for ((name, machine), (_, problems)) in prepared.iter().zip(&verdicts) {
        assert_eq!(diagnose(machine).levels("problem"), *problems, "{name}");
        let human = doctor(machine.root(), &[]);
        let text = String::from_utf8_lossy(&human.stdout).into_owned();
        // What is found stands in one column, whatever the level.
        let columns: BTreeSet<usize> = text
            .lines()
            .filter(|line| ["ok ", "note ", "warning ", "problem "].iter().any(|level| line.starts_with(level)))
            .map(|line| {
                let after_id = line[9..].find(' ').expect("an id") + 9;
                after_id + line[after_id..].find(|letter| letter != ' ').expect("a finding")
            })
            .collect();
        assert_eq!(columns.len(), 1, "{name}:\n{text}");
    }
}

#[test]
fn a_wrong_folder_is_a_wrong_command_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("image.tar");
    std::fs::write(&file, "").expect("written");
    for (root, why) in [
        (Path::new("/no/such/folder"), "/no/such/folder: No such file or directory"),
        (&file, "image.tar: this is a file; unpack an image, and name the folder that holds its /etc and /usr"),
        (folder.path(), "holds none of dev, etc, proc and usr"),
    ] {
        let output = doctor(root, &[]);
        let sentence = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{sentence}");
        assert!(sentence.starts_with("error: --root ") && sentence.contains(why), "{sentence}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn what_cannot_be_read_is_said_and_not_taken_for_missing() {
    let machine = Machine::wsl(CURRENT);
    // A folder, a pipe that nobody writes into, a file, where the doctor looks for something else.
    machine.remove("/etc/wsl.conf");
    std::fs::create_dir(machine.path("/etc/wsl.conf")).expect("made");
    machine.remove("/proc/meminfo");
    let pipe = Command::new("mkfifo").arg(machine.path("/proc/meminfo")).status();
    assert!(pipe.expect("mkfifo starts").success());
    machine.remove("/sys/bus/vmbus/drivers/dxgkrnl");
    machine.write("/sys/bus/vmbus/drivers/dxgkrnl", "");
    let diagnosis = diagnose(&machine);
    assert_eq!(diagnosis.levels("warning"), ["unreadable"], "{:#}", diagnosis.document);
    let found = diagnosis.get("unreadable")["found"].as_str().expect("a text");
    for expected in ["/etc/wsl.conf: it is no file", "/proc/meminfo: it is no file", "dxgkrnl: Not a directory"] {
        assert!(found.contains(expected), "{found}");
    }
    assert!(diagnosis.action("unreadable").contains("sudo"));
}

/// Root may read everything: there another user looks.
#[test]
fn what_this_user_may_not_read_is_said() {
    use std::os::unix::process::CommandExt;
    let machine = Machine::wsl(CURRENT);
    machine.chmod("/etc/wsl.conf", 0o000);
    machine.chmod("/usr/lib/wsl/drivers", 0o000);
    machine.chmod("/", 0o755);
    let program = machine.path("/dxgrt");
    std::fs::copy(env!("CARGO_BIN_EXE_dxgrt"), &program).expect("copied");
    let look = || {
        let mut command = Command::new(&program);
        command.arg("doctor").arg("--json").arg("--root").arg(machine.root());
        // SAFETY: asks, and has no arguments.
        if unsafe { libc::geteuid() } == 0 {
            command.uid(65534).gid(65534);
        }
        command.output().expect("dxgrt starts")
    };
    let document: Value = serde_json::from_slice(&look().stdout).expect("one JSON document");
    let findings = document["findings"].as_array().expect("a list");
    let found = findings.iter().find(|finding| finding["id"] == "unreadable").expect("it is said")["found"].to_string();
    assert!(found.contains("/etc/wsl.conf: Permission denied"), "{found}");
    assert!(found.contains("/usr/lib/wsl/drivers: Permission denied"), "{found}");
    machine.chmod("/usr/lib/wsl/drivers", 0o755);
    machine.chmod("/", 0o311);
    let output = look();
    let sentence = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && sentence.contains("Permission denied"), "{sentence}");
    machine.chmod("/", 0o755);
}

#[test]
fn this_machine_is_looked_at_too() {
    let output = Command::new(env!("CARGO_BIN_EXE_dxgrt")).args(["doctor", "--json"]).output().expect("dxgrt starts");
    let document: Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    let diagnosis = Diagnosis { code: output.status.code().expect("an exit code"), document };
    diagnosis.is_sound();
    assert!(diagnosis.get("dxgrt-devices")["found"].as_str().expect("a text").contains("software:0"));
}
