//! `dxgrt doctor` on prepared machines: folders with the files of a WSL, a container, a plain Linux, each with what it lacks.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// A folder that is `/` of some machine.
struct Machine {
    folder: tempfile::TempDir,
}

const CURRENT: &str = "6.6.87.2-microsoft-standard-WSL2";
const PACKAGE: &str = "/usr/lib/wsl/drivers/nv_dispi.inf_amd64_1a2b3c";

impl Machine {
    /// With a kernel of this name, and what every Linux has.
    fn new(kernel: &str) -> Self {
        let machine = Machine { folder: tempfile::tempdir().expect("a folder") };
        machine.write("/proc/sys/kernel/osrelease", format!("{kernel}\n"));
        machine.write("/proc/meminfo", "MemTotal:       16301504 kB\nMemFree:         9000000 kB\n");
        machine.limit("unlimited");
        machine.write("/proc/1/cgroup", "0::/init.scope\n");
        machine
    }

    fn wsl(kernel: &str) -> Self {
        let machine = Machine::new(kernel);
        machine.write("/dev/dxg", "");
        machine.chmod("/dev/dxg", 0o666);
        for library in ["libdxcore.so", "libd3d12.so", "libd3d12core.so", "libcuda.so.1.1", "libnvidia-ml.so.1"] {
            machine.object(&format!("/usr/lib/wsl/lib/{library}"));
        }
        machine.link("/usr/lib/wsl/lib/libcuda.so.1", "libcuda.so.1.1");
        machine.driver_package();
        machine.write("/etc/ld.so.conf.d/ld.wsl.conf", "# written by WSL\n/usr/lib/wsl/lib\n");
        machine.write("/etc/wsl.conf", "[boot]\nsystemd=true\n");
        for guid in ["6e382d18-3336-4f4b-acc4-2b7703d4df4a", "dde9cbc0-5060-4436-9448-ea1254a5d177"] {
            machine.write(&format!("/sys/bus/vmbus/drivers/dxgkrnl/{guid}"), "");
        }
        machine.write("/sys/module/dxgkrnl/version", "2.0.3\n");
        machine
    }

    fn driver_package(&self) {
        for file in [
            "libcuda.so.1.1",
            "libcuda_loader.so",
            "libnvidia-ml.so.1",
            "libnvidia-ml_loader.so",
            "libnvidia-ptxjitcompiler.so.1",
            "libnvdxgdmal.so.1",
            "nvcubins.bin",
        ] {
            self.object(&format!("{PACKAGE}/{file}"));
        }
    }

    /// A container on WSL, with nothing of the GPU.
    fn container() -> Self {
        let machine = Machine::new(CURRENT);
        machine.write("/.dockerenv", "");
        machine.write("/proc/1/cgroup", "0::/\n");
        machine
    }

    fn native_nvidia() -> Self {
        let machine = Machine::new("6.8.0-60-generic");
        machine.write(
            "/proc/driver/nvidia/version",
            "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.148.08  Release Build\n",
        );
        for node in ["nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"] {
            machine.write(&format!("/dev/{node}"), "");
        }
        let folder = format!("/usr/lib/{}-linux-gnu", std::env::consts::ARCH);
        machine.object(&format!("{folder}/libcuda.so.1"));
        machine.object(&format!("{folder}/libnvidia-ml.so.1"));
        machine
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path.trim_start_matches('/'))
    }

    fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, text).expect("written");
    }

    /// The head of a shared object for this processor.
    fn object(&self, path: &str) {
        let mut head = [0u8; 64];
        head[..5].copy_from_slice(b"\x7fELF\x02");
        head[18] = if cfg!(target_arch = "aarch64") { 183 } else { 62 };
        self.write(path, head);
    }

    fn link(&self, path: &str, target: &str) {
        symlink(target, self.path(path)).expect("linked");
    }

    fn chmod(&self, path: &str, mode: u32) {
        fs::set_permissions(self.path(path), fs::Permissions::from_mode(mode)).expect("set");
    }

    fn remove(&self, path: &str) {
        let path = self.path(path);
        if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.expect("removed");
    }

    fn limit(&self, locked: &str) {
        let text = format!(
            "Limit                     Soft Limit   Hard Limit   Units\nMax locked memory         {locked}   {locked}   bytes\n"
        );
        self.write("/proc/self/limits", text);
    }

    fn diagnose(&self) -> Diagnosis {
        let output = doctor(self.folder.path(), &["--json"]);
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        let document: Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
        let diagnosis = Diagnosis { code: output.status.code().expect("an exit code"), document };
        diagnosis.is_sound();
        diagnosis
    }
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
    let diagnosis = Machine::wsl(CURRENT).diagnose();
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
    let old = Machine::wsl("5.4.72-microsoft-standard-WSL2").diagnose();
    assert_eq!(old.levels("problem"), ["wsl-kernel"]);
    assert!(old.action("wsl-kernel").contains("wsl.exe --update"));
    let aged = Machine::wsl("5.15.167.4-microsoft-standard-WSL2").diagnose();
    assert_eq!((aged.levels("problem"), aged.levels("warning")), (vec![], vec!["wsl-kernel"]));
    let first = Machine::new("4.4.0-19041-Microsoft").diagnose();
    assert!(first.action("system").contains("--set-version"), "{:#}", first.document);
}

#[test]
fn a_container_without_the_device_is_told_how_to_start() {
    let machine = Machine::container();
    machine.driver_package();
    for library in ["libdxcore.so", "libd3d12.so", "libd3d12core.so"] {
        machine.object(&format!("/usr/lib/wsl/lib/{library}"));
    }
    let diagnosis = machine.diagnose();
    assert_eq!(diagnosis.get("container")["found"], "inside Docker");
    assert_eq!(diagnosis.levels("problem"), ["dxg-node"]);
    assert!(diagnosis.action("dxg-node").contains("--device /dev/dxg"));
    assert_eq!(diagnosis.get("container-toolkit")["found"], "lacking: /dev/dxg");
    assert!(diagnosis.action("loader-path").contains("--env LD_LIBRARY_PATH=/usr/lib/wsl/lib"));
}

#[test]
fn a_container_without_the_driver_store_is_told_what_to_mount() {
    let machine = Machine::container();
    machine.write("/dev/dxg", "");
    machine.chmod("/dev/dxg", 0o666);
    machine.object("/usr/lib/wsl/lib/libdxcore.so");
    let diagnosis = machine.diagnose();
    assert_eq!(diagnosis.levels("problem"), ["driver-store"]);
    assert!(diagnosis.action("driver-store").contains("--volume /usr/lib/wsl:/usr/lib/wsl:ro"));
    assert!(diagnosis.get("container-toolkit")["found"].as_str().expect("a text").contains("libcuda_loader.so"));
    // Nothing at all: started without a GPU.
    let diagnosis = Machine::container().diagnose();
    assert_eq!(diagnosis.levels("problem"), ["dxg-node", "container-toolkit", "libdxcore", "driver-store"]);
    assert!(diagnosis.action("container-toolkit").contains("docker run --gpus all"));
}

#[test]
fn a_plain_linux_has_the_software_device_only() {
    let machine = Machine::new("6.1.0-28-amd64");
    let diagnosis = machine.diagnose();
    assert_eq!(diagnosis.levels("problem"), ["native-gpu"]);
    assert!(diagnosis.action("native-gpu").contains("`software`"));
    assert!(!diagnosis.document.to_string().contains("wsl-kernel"), "nothing of WSL is said");
    machine.write("/dev/dri/renderD128", "");
    assert_eq!(
        machine.diagnose().levels("problem"),
        [""; 0],
        "a GPU of another vendor is none of dxgrt's, and no fault"
    );
}

#[test]
fn native_nvidia_is_no_business_of_dxg() {
    let machine = Machine::native_nvidia();
    let diagnosis = machine.diagnose();
    assert_eq!((diagnosis.levels("problem"), diagnosis.levels("warning")), (vec![], vec![]));
    assert_eq!(diagnosis.get("native-gpu")["found"], "2 NVIDIA GPUs, driver 570.148.08");
    machine.write("/.dockerenv", "");
    for node in ["nvidia0", "nvidia1"] {
        machine.remove(&format!("/dev/{node}"));
    }
    let diagnosis = machine.diagnose();
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
        let diagnosis = machine.diagnose();
        assert_eq!(diagnosis.levels(level), [id], "{:#}", diagnosis.document);
        assert!(diagnosis.action(id).contains(action), "{id}: {}", diagnosis.action(id));
    }
    // A link that leads nowhere, as images have it that were built with a GPU.
    let machine = Machine::wsl(CURRENT);
    machine.remove("/usr/lib/wsl/lib/libcuda.so.1.1");
    machine.remove(PACKAGE);
    machine.write("/usr/lib/wsl/drivers/iigd_dch.inf_amd64_77/igd.so", "");
    let diagnosis = machine.diagnose();
    assert_eq!(diagnosis.levels("problem"), ["libcuda"]);
    assert!(diagnosis.get("libcuda")["found"].as_str().expect("a text").contains("a link to a file that is not there"));
}

#[test]
fn there_are_at_least_twelve_kinds() {
    let machines = [Machine::wsl(CURRENT), Machine::container(), Machine::native_nvidia()];
    let mut kinds = BTreeSet::new();
    for machine in &machines {
        for finding in machine.diagnose().findings() {
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
    let output = doctor(machine.folder.path(), &[]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.starts_with("problem  dxg-node"), "{text}");
    assert!(
        text.contains("\u{2192} in Windows, install") && text.contains("No GPU is usable here: 1 problem."),
        "{text}"
    );
    assert!(!text.contains('\u{1b}'), "no colours where stdout is no terminal");
    let coloured = |variables: &[(&str, &str)]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dxgrt"));
        command.arg("doctor").arg("--root").arg(machine.folder.path()).env_remove("NO_COLOR");
        let output = command.envs(variables.iter().copied()).output().expect("dxgrt starts");
        String::from_utf8_lossy(&output.stdout).contains('\u{1b}')
    };
    assert!(coloured(&[("CLICOLOR_FORCE", "1")]), "as on a terminal");
    assert!(!coloured(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
}

#[test]
fn a_wrong_folder_is_a_wrong_command_line() {
    let output = doctor(Path::new("/no/such/folder"), &[]);
    assert_eq!(output.status.code(), Some(2));
    let sentence = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(sentence.contains("/no/such/folder: it must be a folder"), "{sentence}");
}

#[test]
fn this_machine_is_looked_at_too() {
    let output = Command::new(env!("CARGO_BIN_EXE_dxgrt")).args(["doctor", "--json"]).output().expect("dxgrt starts");
    let document: Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    let diagnosis = Diagnosis { code: output.status.code().expect("an exit code"), document };
    diagnosis.is_sound();
    assert!(diagnosis.get("dxgrt-devices")["found"].as_str().expect("a text").contains("software:0"));
}
