//! NVIDIA's management library, where it is there: loaded when it is asked for, never linked.

use std::ffi::OsStr;
use std::path::PathBuf;

use nvml_wrapper::Nvml;
use nvml_wrapper::enum_wrappers::device::{Clock, TemperatureSensor};
use nvml_wrapper::error::NvmlError;
use serde::Serialize;

use crate::commands::doctor::root::Root;

const NAME: &str = "libnvidia-ml.so.1";

/// Names the library's file where it lies in no usual place.
const VARIABLE: &str = "DXGRT_NVML_LIBRARY";

/// Where it may be: where the variable says, or else on WSL 2 and in its containers, and where distributions put it.
pub fn places(root: &Root) -> Vec<String> {
    if root.live
        && let Some(named) = std::env::var_os(VARIABLE).filter(|named| !named.is_empty())
    {
        let named = PathBuf::from(named);
        return vec![std::path::absolute(&named).unwrap_or(named).to_string_lossy().into_owned()];
    }
    let mut places = vec![format!("/usr/lib/wsl/lib/{NAME}")];
    for package in root.list("/usr/lib/wsl/drivers").unwrap_or_default() {
        places.push(format!("/usr/lib/wsl/drivers/{package}/{NAME}"));
    }
    let triplet = format!("/usr/lib/{}-linux-gnu", std::env::consts::ARCH);
    places.extend([triplet.as_str(), "/usr/lib64", "/usr/lib"].map(|folder| format!("{folder}/{NAME}")));
    places
}

/// Loads it from a path, and starts it.
pub fn open(path: &str) -> Result<Nvml, NvmlError> {
    Nvml::builder().lib_path(OsStr::new(path)).init()
}

/// What it says of one GPU. Nothing where it does not answer.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Gpu {
    /// Its name.
    pub name: Option<String>,
    /// Per cent of the last moments in which a kernel ran.
    pub gpu_utilisation: Option<u32>,
    /// Per cent of the last moments in which memory was read or written.
    pub memory_utilisation: Option<u32>,
    /// Bytes in use.
    pub memory_used: Option<u64>,
    /// Bytes there are.
    pub memory_total: Option<u64>,
    /// Clock of the multiprocessors, MHz.
    pub sm_clock: Option<u32>,
    /// Clock of the memory, MHz.
    pub memory_clock: Option<u32>,
    /// Degrees Celsius.
    pub temperature: Option<u32>,
}

/// What it says of this machine.
#[derive(Clone, Debug, Serialize)]
pub struct Management {
    /// Version of the driver.
    pub driver: Option<String>,
    /// Version of CUDA that the driver is for.
    pub cuda: Option<String>,
    /// The GPUs, in its order.
    pub gpus: Vec<Gpu>,
}

/// Asks it, if it is there and answers.
pub fn ask() -> Option<Management> {
    let root = Root::live();
    let nvml = places(&root).iter().filter(|path| root.has(path)).find_map(|path| open(path).ok())?;
    let gpus = (0..nvml.device_count().ok()?).filter_map(|index| nvml.device_by_index(index).ok());
    let gpus = gpus.map(|gpu| {
        let (utilisation, memory) = (gpu.utilization_rates().ok(), gpu.memory_info().ok());
        Gpu {
            name: gpu.name().ok(),
            gpu_utilisation: utilisation.as_ref().map(|rates| rates.gpu),
            memory_utilisation: utilisation.as_ref().map(|rates| rates.memory),
            memory_used: memory.as_ref().map(|memory| memory.used),
            memory_total: memory.as_ref().map(|memory| memory.total),
            sm_clock: gpu.clock_info(Clock::SM).ok(),
            memory_clock: gpu.clock_info(Clock::Memory).ok(),
            temperature: gpu.temperature(TemperatureSensor::Gpu).ok(),
        }
    });
    let cuda = nvml.sys_cuda_driver_version().ok().map(|version| format!("{}.{}", version / 1000, version % 1000 / 10));
    Some(Management { driver: nvml.sys_driver_version().ok(), gpus: gpus.collect(), cuda })
}
