//! Finding libcuda, and what its answers mean.
//!
//! ```text
//! DXGRT_CUDA_LIBRARY ─ else ─▶ /usr/lib/wsl/lib/libcuda.so.1 ─ else ─▶ the loader's libcuda.so.1
//! ```
//!
//! In WSL 2 the distribution may have a libcuda of its own that cannot reach the GPU: the one that Windows maps in goes first.
//! The library is loaded once for each path and stays.

use std::collections::HashMap;
use std::ffi::{CStr, OsString};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use libloading::Library;

use super::sys::{Api, Status, status};
use crate::error::{Error, LostCause, LostReason, Result};

/// Environment variable that names the driver library where it lies in no usual place.
pub(crate) const LIBRARY_VARIABLE: &str = "DXGRT_CUDA_LIBRARY";
/// Where Windows maps its driver into WSL 2.
const WSL_LIBRARY: &str = "/usr/lib/wsl/lib/libcuda.so.1";
/// As the loader knows it.
const PLAIN_LIBRARY: &str = "libcuda.so.1";
/// The oldest driver that is used: CUDA 11.4, which translates PTX 7.4.
const OLDEST_DRIVER: i32 = 11_040;

/// A loaded and initialised driver.
pub(super) struct Driver {
    pub api: Api,
    /// Its version, 1000 · major + 10 · minor.
    pub version: i32,
    /// Where it was found.
    pub path: PathBuf,
    /// Whether this is WSL 2: launches may be held back until the driver is called again, and pinned memory is scarce.
    pub wsl: bool,
}

/// Why there is no driver to use: a sentence that says what to do.
pub(super) type Reason = Arc<str>;

/// The driver, loaded at the first call. `named`: this library and no other.
pub(super) fn driver(named: Option<PathBuf>) -> Result<Arc<Driver>, Reason> {
    type Loaded = HashMap<Vec<PathBuf>, Result<Arc<Driver>, Reason>>;
    static LOADED: Mutex<Option<Loaded>> = Mutex::new(None);
    let named = named.or_else(|| std::env::var_os(LIBRARY_VARIABLE).filter(|text| !text.is_empty()).map(PathBuf::from));
    let candidates = match named {
        Some(path) => vec![path],
        None => vec![PathBuf::from(WSL_LIBRARY), PathBuf::from(PLAIN_LIBRARY)],
    };
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    let loaded = loaded.get_or_insert_default();
    if let Some(found) = loaded.get(&candidates) {
        return found.clone();
    }
    let found = load(&candidates).map(Arc::new);
    // A missing library may be installed while a long-running program lives.
    if found.is_ok() {
        loaded.insert(candidates, found.clone());
    }
    found
}

fn load(candidates: &[PathBuf]) -> Result<Driver, Reason> {
    let mut tried = Vec::new();
    for path in candidates {
        if path.is_absolute() && !path.exists() {
            tried.push(format!("{} does not exist", path.display()));
            continue;
        }
        // SAFETY: needed because loading a library runs its initialisers: this is the system's CUDA driver, or the library
        // that the user named as such.
        match unsafe { Library::new(OsString::from(path)) } {
            Ok(library) => return initialise(library, path.clone()),
            Err(error) => tried.push(format!("{}: {error}", path.display())),
        }
    }
    Err(format!(
        "the CUDA driver library was not found ({}); install NVIDIA's driver (in WSL 2: on Windows, nothing inside), or name \
         the library in {LIBRARY_VARIABLE}; `software` runs the same programs on the CPU",
        tried.join("; ")
    )
    .into())
}

fn initialise(library: Library, path: PathBuf) -> Result<Driver, Reason> {
    // SAFETY: needed because symbols have no types: the library is the CUDA driver's by its name, or the user said so.
    let api = unsafe { Api::load(library) }.map_err(|symbol| {
        format!("{} has no `{symbol}`: it is no CUDA driver, or one older than CUDA 11.4; update it", path.display())
    })?;
    let mut version = 0;
    // SAFETY: needed to call the driver; it writes one number.
    let asked = unsafe { (api.driver_version)(&mut version) };
    if asked == status::SUCCESS && version < OLDEST_DRIVER {
        return Err(format!(
            "the driver in {} is for CUDA {}, and dxgrt needs 11.4 or later; update NVIDIA's driver",
            path.display(),
            version_text(version)
        )
        .into());
    }
    // SAFETY: needed to call the driver; 0 is the only flag there is.
    let started = unsafe { (api.init)(0) };
    if started != status::SUCCESS {
        let way_out = match started {
            status::NO_DEVICE => "no NVIDIA GPU is there for it, or none that this process may use (see nvidia-smi)",
            status::STUB_LIBRARY => "this is the toolkit's stub, which only serves linking; install the driver itself",
            status::SYSTEM_DRIVER_MISMATCH | status::COMPAT_NOT_SUPPORTED => {
                "library and kernel module are of different versions; restart after the update"
            }
            _ => "see nvidia-smi for the driver's state",
        };
        let answer = describe(&api, started);
        return Err(format!("the CUDA driver in {} does not start: {answer}; {way_out}", path.display()).into());
    }
    Ok(Driver { api, version, path, wsl: is_wsl() })
}

/// "12.8" of 12080.
pub(super) fn version_text(version: i32) -> String {
    format!("{}.{}", version / 1000, version % 1000 / 10)
}

fn is_wsl() -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    release.to_ascii_lowercase().contains("microsoft") || std::path::Path::new("/dev/dxg").exists()
}

/// What the driver calls a status.
pub(super) fn describe(api: &Api, found: Status) -> String {
    let text = |ask: unsafe extern "C" fn(Status, *mut *const std::ffi::c_char) -> Status| {
        let mut text = std::ptr::null();
        // SAFETY: needed to call the driver; it gives a static string, or NULL for a number that it does not know.
        let known = unsafe { ask(found, &mut text) };
        if known != status::SUCCESS || text.is_null() {
            return None;
        }
        // SAFETY: needed to read the driver's string, which ends with a NUL and lives as long as the library.
        Some(unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
    };
    match (text(api.error_name), text(api.error_string)) {
        (Some(name), Some(meaning)) => format!("{name} ({meaning})"),
        (Some(name), None) => name,
        _ => format!("CUDA error {found}"),
    }
}

/// A call that the driver refused.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{answer}")]
pub(super) struct Refusal {
    pub status: Status,
    answer: String,
}

impl Driver {
    /// Success, or what the driver says.
    pub fn check(&self, found: Status) -> Result<(), Refusal> {
        if found == status::SUCCESS { Ok(()) } else { Err(self.refusal(found)) }
    }

    #[cold]
    pub fn refusal(&self, found: Status) -> Refusal {
        Refusal { status: found, answer: describe(&self.api, found) }
    }
}

impl Refusal {
    /// The error of the runtime for a call that failed like this.
    pub fn of(self, call: &'static str) -> Error {
        match self.lost() {
            Some(cause) => Error::DeviceLost { cause: Arc::new(cause) },
            None => Error::driver(call, self),
        }
    }

    /// Why the device is lost, if this says so. The context of such an error answers every later call with it.
    pub fn lost(&self) -> Option<LostCause> {
        use status::*;
        let reason = match self.status {
            // The driver does not tell the address.
            ILLEGAL_ADDRESS | MISALIGNED_ADDRESS | INVALID_ADDRESS_SPACE | INVALID_PC => LostReason::Fault,
            ASSERT | HARDWARE_STACK_ERROR | ILLEGAL_INSTRUCTION | LAUNCH_FAILED | ECC_UNCORRECTABLE
            | NVLINK_UNCORRECTABLE => LostReason::Fault,
            LAUNCH_TIMEOUT => LostReason::Timeout,
            DEINITIALIZED | CONTEXT_IS_DESTROYED => LostReason::Removed,
            _ => return None,
        };
        Some(LostCause { needs_new_process: true, ..LostCause::new(reason, self.answer.clone()) })
    }
}
