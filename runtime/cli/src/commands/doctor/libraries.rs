//! Libraries of the GPU: where they are, whether they are whole, and whether the loader takes ours or others.

use super::counted;
use super::finding::{Finding, Level};
use super::place::Place;
use super::root::Root;

/// Where Windows puts its libraries for Linux.
pub const WSL_LIBRARIES: &str = "/usr/lib/wsl/lib";
/// Where it puts the drivers themselves.
pub const DRIVER_STORE: &str = "/usr/lib/wsl/drivers";
/// How a container gets everything, said once.
pub const CONTAINER_START: &str = "start the container with `--gpus all` (NVIDIA, needs the container toolkit), or with \
                                   `--device /dev/dxg --volume /usr/lib/wsl:/usr/lib/wsl:ro --env \
                                   LD_LIBRARY_PATH=/usr/lib/wsl/lib` (any vendor)";
const DRIVER_UPDATE: &str = "install the GPU vendor's current driver in Windows, then run `wsl.exe --shutdown` there";

/// Where distributions keep libraries of native drivers.
fn native_folders() -> [String; 4] {
    let triplet = format!("/usr/lib/{}-linux-gnu", std::env::consts::ARCH);
    [triplet, "/usr/lib64".into(), "/usr/lib".into(), "/usr/local/cuda/compat".into()]
}

/// What is the matter with a library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    Whole,
    Missing,
    /// Why it cannot be loaded.
    Broken(String),
}

/// Looks at a shared object's file.
pub fn file_state(root: &Root, path: &str) -> State {
    if root.dangles(path) {
        return State::Broken("a link to a file that is not there".into());
    }
    let Some(head) = root.head(path, 20) else { return State::Missing };
    match object_fault(&head) {
        Some(fault) => State::Broken(fault),
        None => State::Whole,
    }
}

/// Looks at a shared object, and loads it if this is the machine.
pub fn state(root: &Root, path: &str) -> State {
    let state = file_state(root, path);
    if !root.live || state != State::Whole {
        return state;
    }
    // SAFETY: needed because loading runs the library's initialisers. It is the system's GPU library, which every GPU program
    // of this system loads; whoever could replace it could replace the C library too.
    match unsafe { libloading::Library::new(path) } {
        Ok(library) => {
            // GPU libraries start threads; unloading them is what nobody tests.
            std::mem::forget(library);
            State::Whole
        }
        Err(error) => State::Broken(format!("the loader refuses it: {error}")),
    }
}

/// Why the first bytes are not those of a shared object for this processor.
fn object_fault(head: &[u8]) -> Option<String> {
    let Some(head) = head.first_chunk::<20>() else {
        return Some("an empty or cut file, such as an image built with a GPU leaves behind".into());
    };
    if head[..4] != *b"\x7fELF" {
        return Some("no shared object".into());
    }
    let machine = match u16::from_le_bytes([head[18], head[19]]) {
        62 => "x86_64",
        183 => "aarch64",
        _ => "another processor",
    };
    (machine != std::env::consts::ARCH)
        .then(|| format!("made for {machine}, this program for {}", std::env::consts::ARCH))
}

/// Everything about libraries and the driver store that applies here.
pub fn findings(root: &Root, place: &Place) -> Vec<Finding> {
    if !place.is_wsl2() {
        return vec![native_cuda(root, place)];
    }
    vec![
        dxcore(root, place),
        direct3d(root, place),
        driver_store(root, place),
        cuda(root, place),
        shadowed(root),
        loader_path(root, place),
    ]
}

fn dxcore(root: &Root, place: &Place) -> Finding {
    let path = format!("{WSL_LIBRARIES}/libdxcore.so");
    let say = |found: String, meaning: &str| Finding::fine("libdxcore", &path, found, meaning);
    const MISSING: &str = "without it no GPU library of Windows finds the adapters";
    match (state(root, &path), place.container) {
        (State::Whole, _) => say("a shared object".into(), "GPU libraries find the adapters through it"),
        (State::Missing, Some(_)) => {
            say("not in this container".into(), MISSING).but(Level::Problem, CONTAINER_START)
        }
        (State::Missing, None) => say("missing".into(), MISSING).but(
            Level::Problem,
            "in Windows, run `wsl.exe --update`, then `wsl.exe --shutdown`; if it stays away, look for `[gpu]` in /etc/wsl.conf",
        ),
        (State::Broken(why), Some(_)) => say(why, MISSING).but(Level::Problem, CONTAINER_START),
        (State::Broken(why), None) => say(why, MISSING).but(
            Level::Problem,
            "in Windows, run `wsl.exe --shutdown` and start again; if that does not help, `wsl.exe --update`",
        ),
    }
}

fn direct3d(root: &Root, place: &Place) -> Finding {
    let names = ["libd3d12.so", "libd3d12core.so"];
    let states = names.map(|name| (name, state(root, &format!("{WSL_LIBRARIES}/{name}"))));
    let lacking: Vec<String> = states
        .iter()
        .filter_map(|(name, state)| match state {
            State::Whole => None,
            State::Missing => Some(format!("{name} is missing")),
            State::Broken(why) => Some(format!("{name}: {why}")),
        })
        .collect();
    let say = |found: String, meaning| Finding::fine("libd3d12", WSL_LIBRARIES, found, meaning);
    if lacking.is_empty() {
        return say(names.join(" and "), "programs of DirectX 12 and DirectML find their library");
    }
    let finding = say(lacking.join(", "), "DirectX 12 and DirectML will not work here; CUDA does not need them");
    match place.container {
        Some(_) => finding.but(
            Level::Note,
            "only if you need them: `--volume /usr/lib/wsl:/usr/lib/wsl:ro`; NVIDIA's container toolkit does not mount them",
        ),
        None => finding.but(Level::Warning, "in Windows, run `wsl.exe --update`, then `wsl.exe --shutdown`"),
    }
}

fn driver_store(root: &Root, place: &Place) -> Finding {
    let packages: Vec<String> =
        root.list(DRIVER_STORE).unwrap_or_default().into_iter().filter(|name| name.contains(".inf_")).collect();
    let say = |found: String, meaning| Finding::fine("driver-store", DRIVER_STORE, found, meaning);
    const MEANING: &str = "the vendor's driver for Linux programs lies there; without it no vendor library can run";
    if !packages.is_empty() {
        let vendors = vendors(&packages);
        let found = format!("{}{vendors}", counted(packages.len(), "driver package"));
        return say(found, "the vendor's driver for Linux programs is mounted from Windows");
    }
    let found = if root.has(DRIVER_STORE) { "an empty folder" } else { "no such folder" };
    match place.container {
        Some(_) => say(format!("{found} in this container"), MEANING).but(Level::Problem, CONTAINER_START),
        None => say(found.into(), MEANING).but(Level::Problem, DRIVER_UPDATE),
    }
}

/// Whose packages they are, as far as their names tell.
fn vendors(packages: &[String]) -> String {
    let of = |prefixes: &[&str]| packages.iter().any(|name| prefixes.iter().any(|prefix| name.starts_with(prefix)));
    let known =
        [("NVIDIA", of(&["nv"])), ("Intel", of(&["iigd", "igd", "ki"])), ("AMD", of(&["u0", "u1", "amd", "c0"]))];
    let known: Vec<&str> = known.iter().filter(|(_, there)| *there).map(|(vendor, _)| *vendor).collect();
    if known.is_empty() { String::new() } else { format!(", among them of {}", known.join(" and ")) }
}

/// Where a WSL machine, or a container on it, may have libcuda.
fn cuda_places(root: &Root) -> Vec<String> {
    let mut places = vec![format!("{WSL_LIBRARIES}/libcuda.so.1")];
    for package in root.list(DRIVER_STORE).unwrap_or_default() {
        places.push(format!("{DRIVER_STORE}/{package}/libcuda.so.1.1"));
    }
    places
}

fn has_nvidia_package(root: &Root) -> bool {
    root.list(DRIVER_STORE).unwrap_or_default().iter().any(|name| name.starts_with("nv") && name.contains(".inf_"))
}

fn cuda(root: &Root, place: &Place) -> Finding {
    let say = |at: &str, found: &str, meaning: &str| Finding::fine("libcuda", at, found, meaning);
    let mut broken = None;
    for path in cuda_places(root) {
        match state(root, &path) {
            State::Whole => return say(&path, "a shared object", "CUDA programs find the driver of Windows"),
            State::Broken(why) => broken = broken.or(Some((path, why))),
            State::Missing => {}
        }
    }
    const MEANING: &str = "CUDA programs end with `no CUDA-capable device`, or do not start";
    let at = format!("{WSL_LIBRARIES}/libcuda.so.1");
    match (broken, place.container) {
        (Some((path, why)), Some(_)) => say(&path, &why, MEANING).but(Level::Problem, CONTAINER_START),
        (Some((path, why)), None) => say(&path, &why, MEANING).but(Level::Problem, DRIVER_UPDATE),
        (None, Some(_)) => say(&at, "not in this container", MEANING)
            .but(if has_nvidia_package(root) { Level::Problem } else { Level::Warning }, CONTAINER_START),
        (None, None) if has_nvidia_package(root) => say(&at, "missing", MEANING).but(Level::Problem, DRIVER_UPDATE),
        (None, None) => say(&at, "missing", "no NVIDIA driver is installed in Windows; other vendors have no libcuda")
            .but(
                Level::Note,
                "if the machine has an NVIDIA GPU, install NVIDIA's driver in Windows; otherwise nothing to do",
            ),
    }
}

/// A driver for Linux installed inside of WSL hides the one that works.
fn shadowed(root: &Root) -> Finding {
    let wsl = |path: &std::path::Path| path.to_string_lossy().contains("/usr/lib/wsl/");
    let folders = native_folders();
    let native = folders
        .iter()
        .map(|folder| format!("{folder}/libcuda.so.1"))
        .find(|path| root.find(path).is_some_and(|real| !wsl(&real) && file_state(root, path) == State::Whole));
    match native {
        None => Finding::fine(
            "libcuda-shadowed",
            folders.join(", "),
            "no other libcuda",
            "no Linux driver stands before that of Windows",
        ),
        Some(path) => Finding::fine(
            "libcuda-shadowed",
            path,
            "a libcuda of a Linux driver",
            "it may be loaded in place of that of Windows, and does not work in WSL",
        )
        .but(
            Level::Problem,
            "remove the Linux driver inside of WSL (`sudo apt purge '^libcuda1|^libnvidia-compute-.*|^nvidia-driver-.*'`); keep \
             only the toolkit",
        ),
    }
}

fn loader_path(root: &Root, place: &Place) -> Finding {
    let say = |at: &str, found: String, meaning: &str| Finding::fine("loader-path", at, found, meaning);
    let meaning = "the loader finds the libraries of Windows by their names";
    const FOLDER: &str = "/etc/ld.so.conf.d";
    for name in root.list(FOLDER).unwrap_or_default() {
        let path = format!("{FOLDER}/{name}");
        let text = root.read(&path).unwrap_or_default();
        if text.lines().any(|line| line.trim().trim_end_matches('/') == WSL_LIBRARIES) {
            return say(&path, format!("lists {WSL_LIBRARIES}"), meaning);
        }
    }
    let environment = root.read("/proc/self/environ").unwrap_or_default();
    let variable = environment.split('\0').find_map(|entry| entry.strip_prefix("LD_LIBRARY_PATH="));
    if variable.is_some_and(|paths| paths.split(':').any(|path| path.trim_end_matches('/') == WSL_LIBRARIES)) {
        return say("LD_LIBRARY_PATH", format!("lists {WSL_LIBRARIES}"), meaning);
    }
    // The toolkit of containers puts the folders into the loader's cache itself.
    let cache = root.head("/etc/ld.so.cache", 1 << 20).unwrap_or_default();
    let listed = |needle: &[u8]| cache.windows(needle.len()).any(|window| window == needle);
    if listed(b"/usr/lib/wsl/") {
        return say("/etc/ld.so.cache", "lists libraries below /usr/lib/wsl".into(), meaning);
    }
    let action = match place.container {
        Some(_) => {
            "start the container with `--env LD_LIBRARY_PATH=/usr/lib/wsl/lib`, or run `ldconfig /usr/lib/wsl/lib` in it"
        }
        None => {
            "run `echo /usr/lib/wsl/lib | sudo tee /etc/ld.so.conf.d/ld.wsl.conf && sudo ldconfig`; WSL writes that file itself \
             unless /etc/wsl.conf says `ldconfig = false` below `[automount]`"
        }
    };
    say(FOLDER, format!("{WSL_LIBRARIES} is not listed"), "programs do not find libcuda and libdxcore by their names")
        .but(Level::Warning, action)
}

/// Without WSL: the driver's own library.
fn native_cuda(root: &Root, place: &Place) -> Finding {
    let has_gpu = root.has("/dev/nvidia0") || root.has("/proc/driver/nvidia/version");
    let say = |at: &str, found: &str, meaning: &str| Finding::fine("libcuda", at, found, meaning);
    const MEANING: &str = "CUDA programs do not start, or end with `no CUDA-capable device`";
    let mut broken = None;
    for folder in native_folders() {
        let path = format!("{folder}/libcuda.so.1");
        match state(root, &path) {
            State::Whole => return say(&path, "a shared object", "CUDA programs find their driver"),
            State::Broken(why) => broken = broken.or(Some((path, why))),
            State::Missing => {}
        }
    }
    let at = native_folders().join(", ");
    let action = match place.container {
        Some(_) => "start the container with `--gpus all`; that needs NVIDIA's container toolkit on the host",
        None => "install NVIDIA's driver with the distribution's packages, then start the machine again",
    };
    match broken {
        Some((path, why)) => say(&path, &why, MEANING).but(Level::Problem, action),
        None if has_gpu => say(&at, "missing", MEANING).but(Level::Problem, action),
        None => say(&at, "missing", "there is no NVIDIA driver here")
            .but(Level::Note, "nothing to do, unless this machine has an NVIDIA GPU: then install its driver"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_shared_object_is_named() {
        let ours: u8 = if cfg!(target_arch = "aarch64") { 183 } else { 62 };
        let mut head = [0u8; 20];
        assert!(object_fault(&head[..3]).unwrap().contains("empty or cut"));
        assert_eq!(object_fault(&head).unwrap(), "no shared object");
        head[..4].copy_from_slice(b"\x7fELF");
        head[18] = ours;
        assert_eq!(object_fault(&head), None);
        head[18] = 3;
        assert!(object_fault(&head).unwrap().starts_with("made for another processor"));
    }
}
