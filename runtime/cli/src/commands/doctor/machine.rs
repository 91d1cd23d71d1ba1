//! What the machine offers: the node, its driver, limits, native NVIDIA, NVML.

use super::counted;
use super::finding::{Finding, Level};
use super::libraries::{CONTAINER_START, DRIVER_STORE, State, file_state};
use super::place::Place;
use super::root::Root;
use crate::nvml;

/// Memory of a virtual machine below which models hardly fit.
const LITTLE_MEMORY: u64 = 4 << 30;
/// A limit for locked memory below which programs that pin host memory fail.
const LITTLE_LOCKED: u64 = 64 << 20;

/// Everything about the machine that applies here.
pub fn findings(root: &Root, place: &Place) -> Vec<Finding> {
    let mut findings = Vec::new();
    if place.is_wsl2() {
        findings.extend([wsl_conf(root), driver(root), node(root, place)]);
        findings.extend(permission(root, place));
        if place.container.is_some() {
            findings.push(toolkit(root));
        }
    } else {
        findings.push(native_nvidia(root, place));
    }
    findings.extend([nvml_finding(root, place), locked_memory(root, place), memory(root, place)]);
    findings
}

/// `[gpu] enabled = false` turns everything off, and is easily forgotten.
fn wsl_conf(root: &Root) -> Finding {
    const PATH: &str = "/etc/wsl.conf";
    let mut section = String::new();
    let mut off = false;
    for line in root.read(PATH).unwrap_or_default().lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name.trim().to_ascii_lowercase();
        } else if let Some((key, value)) = line.split_once('=')
            && section == "gpu"
            && key.trim().eq_ignore_ascii_case("enabled")
        {
            off = value.trim().eq_ignore_ascii_case("false");
        }
    }
    let say = |found, meaning| Finding::fine("wsl-conf", PATH, found, meaning);
    match off {
        false => say("does not turn the GPU off", "WSL passes the GPU to this distribution"),
        true => say("`enabled = false` below `[gpu]`", "WSL does not pass the GPU to this distribution")
            .but(Level::Problem, "take that line out of /etc/wsl.conf, then run `wsl.exe --shutdown` in Windows"),
    }
}

/// The guest driver, and the virtual GPUs that the host gave it.
fn driver(root: &Root) -> Finding {
    const DRIVER: &str = "/sys/bus/vmbus/drivers/dxgkrnl";
    let version = root.read("/sys/module/dxgkrnl/version").map(|text| format!("version {}", text.trim()));
    let channels = root.list(DRIVER).map(|names| names.iter().filter(|name| name.matches('-').count() == 4).count());
    let say = |found: String, meaning: &str| Finding::fine("dxgkrnl", DRIVER, found, meaning);
    match (channels, &version) {
        // One channel is the driver's own; each virtual GPU has another.
        (Some(channels), version) if channels >= 2 => {
            let version = version.as_ref().map_or_else(String::new, |version| format!(", {version}"));
            say(format!("{}{version}", counted(channels - 1, "virtual GPU")), "the host offers a GPU, and the kernel's driver has taken it")
        }
        (Some(_), _) => {
            say("the driver is there, and no virtual GPU".into(), "Windows offers no GPU to WSL").but(
                Level::Problem,
                "in Windows, install the GPU vendor's current driver (WDDM 2.9 or later), then run `wsl.exe --shutdown`; inside \
                 a virtual machine, its host must pass the GPU on",
            )
        }
        (None, Some(version)) => say(version.clone(), "the kernel's driver is loaded").note(),
        (None, None) => say("not visible".into(), "/sys does not show the kernel's GPU driver; /dev/dxg tells whether it is there")
            .note(),
    }
}

fn node(root: &Root, place: &Place) -> Finding {
    let say = |found, meaning| Finding::fine("dxg-node", "/dev/dxg", found, meaning);
    const MEANING: &str = "every call to the GPU goes through it; without it there is no GPU";
    match (root.has("/dev/dxg"), place.container) {
        (true, _) => say("there", "calls to the GPU can reach the host"),
        (false, Some(_)) => say("not in this container", MEANING).but(Level::Problem, CONTAINER_START),
        (false, None) => say("missing", MEANING).but(
            Level::Problem,
            "in Windows, install the GPU vendor's current driver and run `wsl.exe --update`, then `wsl.exe --shutdown`; a kernel \
             of your own needs CONFIG_DXGKRNL",
        ),
    }
}

fn permission(root: &Root, place: &Place) -> Option<Finding> {
    let mode = root.mode("/dev/dxg")?;
    let say = |found: String, meaning| Finding::fine("dxg-permission", "/dev/dxg", found, meaning);
    let found = format!("mode {mode:04o}");
    const MEANING: &str = "a user other than root cannot open it";
    let action = match place.container {
        Some(_) => "start the container with `--device /dev/dxg:/dev/dxg:rw`, and no user that its mode shuts out",
        None => {
            "run `sudo chmod 0666 /dev/dxg`, which is the mode the driver gives it, and look for a udev rule that changes it"
        }
    };
    if root.live {
        return Some(match std::fs::File::open("/dev/dxg") {
            Ok(_) => say(format!("{found}, and it opens"), "this user may use the GPU"),
            Err(error) => say(format!("{found}; opening it answers: {error}"), "this user cannot use the GPU")
                .but(Level::Problem, action),
        });
    }
    Some(match mode & 0o006 {
        0o006 => say(found, "every user may use the GPU"),
        _ => say(found, MEANING).but(Level::Problem, action),
    })
}

/// What NVIDIA's toolkit mounts into a container on WSL 2: /dev/dxg, libdxcore and these of the driver's package.
const TOOLKIT_FILES: [&str; 7] = [
    "libcuda.so.1.1",
    "libcuda_loader.so",
    "libnvidia-ml.so.1",
    "libnvidia-ml_loader.so",
    "libnvidia-ptxjitcompiler.so.1",
    "libnvdxgdmal.so.1",
    "nvcubins.bin",
];

fn toolkit(root: &Root) -> Finding {
    let packages = root.list(DRIVER_STORE).unwrap_or_default();
    let has = |file: &str| packages.iter().any(|package| root.has(&format!("{DRIVER_STORE}/{package}/{file}")));
    let mut lacking: Vec<&str> = TOOLKIT_FILES.into_iter().filter(|file| !has(file)).collect();
    if !root.has("/usr/lib/wsl/lib/libdxcore.so") {
        lacking.push("libdxcore.so");
    }
    if !root.has("/dev/dxg") {
        lacking.push("/dev/dxg");
    }
    let say = |found: String, meaning| Finding::fine("container-toolkit", DRIVER_STORE, found, meaning);
    if lacking.is_empty() {
        return say("all that NVIDIA's toolkit mounts".into(), "the container was started with a GPU");
    }
    if !packages.is_empty() && !packages.iter().any(|package| package.starts_with("nv")) {
        return say("no driver package of NVIDIA".into(), "NVIDIA's toolkit has nothing to do here").note();
    }
    let none = lacking.len() == TOOLKIT_FILES.len() + 2;
    let found = if none { "nothing of what it mounts".into() } else { format!("lacking: {}", lacking.join(", ")) };
    let meaning = match none {
        true => "the container was started without a GPU",
        false => {
            "the container was not started by NVIDIA's toolkit, or by one too old for this driver; CUDA may not work"
        }
    };
    say(found, meaning).but(
        if none { Level::Problem } else { Level::Warning },
        "install nvidia-container-toolkit where the containers are started, run `sudo nvidia-ctk runtime configure \
         --runtime=docker`, start Docker again, and use `docker run --gpus all`; with Podman, `nvidia-ctk cdi generate` and \
         `--device nvidia.com/gpu=all`",
    )
}

fn native_nvidia(root: &Root, place: &Place) -> Finding {
    let version = root.read("/proc/driver/nvidia/version");
    let number = version.as_deref().and_then(|text| {
        text.split_whitespace()
            .find(|word| word.contains('.') && word.starts_with(|first: char| first.is_ascii_digit()))
    });
    let nodes = root.list("/dev").unwrap_or_default();
    let gpus =
        nodes.iter().filter(|name| name.strip_prefix("nvidia").is_some_and(|rest| rest.parse::<u32>().is_ok())).count();
    let others = root.has("/dev/kfd") || root.list("/dev/dri").is_some_and(|names| !names.is_empty());
    let say = |at, found: String, meaning| Finding::fine("native-gpu", at, found, meaning);
    const NODES: &str = "/dev/nvidia*";
    match (gpus, number) {
        (0, Some(number)) if place.container.is_some() => {
            say(NODES, format!("driver {number} on the host, no GPU in this container"), "CUDA finds no device")
                .but(Level::Problem, "start the container with `--gpus all`; that needs NVIDIA's container toolkit on the host")
        }
        (0, Some(number)) => say(NODES, format!("driver {number}, no device node"), "CUDA finds no device")
            .but(Level::Problem, "run `sudo nvidia-modprobe -u -c=0`, and look for errors of the driver in `dmesg`"),
        (gpus, number) if gpus > 0 => {
            let driver = number.map_or_else(String::new, |number| format!(", driver {number}"));
            say(
                NODES,
                format!("{}{driver}", counted(gpus, "NVIDIA GPU")),
                "CUDA reaches the GPU without paravirtualization; a launch costs a few µs here, and batching helps too",
            )
        }
        _ if others => say("/dev/kfd, /dev/dri", "a GPU that is not NVIDIA's".into(), "dxgrt has no backend for it").but(
            Level::Note,
            "use the device `software`, which runs the same programs on the processor",
        ),
        _ => say("/dev/nvidia*, /dev/kfd, /dev/dri, /dev/dxg", "no GPU".into(), "only the device `software` works here").but(
            Level::Problem,
            "use the device `software`; for a GPU, use a machine with one: WSL 2 on Windows, or Linux with NVIDIA's driver",
        ),
    }
}

fn nvml_finding(root: &Root, place: &Place) -> Finding {
    let say = |at: &str, found: String, meaning: &str| Finding::fine("nvml", at, found, meaning);
    const MEANING: &str = "utilisation, memory, clocks and temperature of NVIDIA GPUs are not shown";
    let mut path = None;
    let mut broken = None;
    let places = nvml::places(root);
    for candidate in places.clone() {
        match file_state(root, &candidate) {
            State::Whole => path = path.or(Some(candidate)),
            State::Broken(why) => broken = broken.or(Some((candidate, why))),
            State::Missing => {}
        }
    }
    let again = match place.container {
        Some(_) => "start the container with `--gpus all` and `--env NVIDIA_DRIVER_CAPABILITIES=compute,utility`",
        None => "install NVIDIA's driver again: in Windows for WSL, else with the distribution's packages",
    };
    let Some(path) = path else {
        return match broken {
            Some((path, why)) => say(&path, why, MEANING).but(Level::Warning, again),
            None => say(&places.join(", "), "missing".into(), MEANING)
                .but(Level::Note, "nothing to do without an NVIDIA GPU; with one, see the finding about libcuda"),
        };
    };
    if !root.live {
        return say(&path, "a shared object".into(), "NVML can be loaded");
    }
    match nvml::open(&path) {
        Ok(nvml) => {
            let gpus = nvml.device_count().unwrap_or(0);
            say(
                &path,
                format!("answers, {}", counted(gpus as usize, "GPU")),
                "`dxgrt info` shows utilisation, memory, clocks and temperature",
            )
        }
        Err(error) => say(&path, format!("does not answer: {error}"), MEANING).but(Level::Warning, again),
    }
}

fn locked_memory(root: &Root, place: &Place) -> Finding {
    const PATH: &str = "/proc/self/limits";
    let text = root.read(PATH).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Max locked memory"));
    let soft = line.and_then(|line| line.split_whitespace().next());
    let say = |found: String, meaning| Finding::fine("pinned-memory", PATH, found, meaning);
    // Most systems have a low limit, and most programs are content with it.
    let action = match place.container {
        Some(_) => "only if a program says that it cannot lock memory: start the container with `--ulimit memlock=-1`",
        None => {
            "only if a program says that it cannot lock memory: run `ulimit -l unlimited` before it, or raise `memlock` in \
             /etc/security/limits.conf"
        }
    };
    match soft {
        None => say(
            "no limit of locked memory is told".into(),
            "programs that pin host memory are not limited, as far as known",
        )
        .note(),
        Some("unlimited") => say("no limit".into(), "programs may pin as much host memory as the machine has"),
        Some(number) => match number.parse::<u64>() {
            Ok(bytes) if bytes >= LITTLE_LOCKED => {
                say(format!("{} MiB", bytes >> 20), "programs may pin that much host memory for copies")
            }
            Ok(bytes) => say(
                format!("{} KiB", bytes >> 10),
                "programs that lock host memory themselves get little of it; what GPU drivers pin does not count here",
            )
            .but(Level::Note, action),
            Err(_) => say(format!("`{number}`"), "the limit cannot be read").note(),
        },
    }
}

fn memory(root: &Root, place: &Place) -> Finding {
    const PATH: &str = "/proc/meminfo";
    let text = root.read(PATH).unwrap_or_default();
    let kib = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = kib.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    let say = |found: String, meaning| Finding::fine("memory", PATH, found, meaning);
    let Some(bytes) = kib.and_then(|kib| kib.checked_mul(1024)) else {
        return say("no size is told".into(), "nothing can be said about memory").note();
    };
    let found = format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30));
    if bytes >= LITTLE_MEMORY {
        return say(found, "host memory that the GPU reads is taken from this");
    }
    let action = match place.is_wsl2() {
        true => "give WSL more: `memory=8GB` below `[wsl2]` in %UserProfile%\\.wslconfig, then `wsl.exe --shutdown`",
        false => "use a machine with more memory, or smaller models",
    };
    say(found, "host memory that the GPU reads is taken from this; models and their buffers may not fit")
        .but(Level::Warning, action)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gpu_is_off_only_in_its_own_section() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("etc")).unwrap();
        let level = |text: &str| {
            std::fs::write(folder.path().join("etc/wsl.conf"), text).unwrap();
            wsl_conf(&Root::at(folder.path())).level
        };
        assert_eq!(level("[interop]\nenabled=false\n"), Level::Ok);
        assert_eq!(level("[gpu]\n# enabled = false\n"), Level::Ok);
        assert_eq!(level("[GPU]\nEnabled = False # why not\n"), Level::Problem);
    }
}
