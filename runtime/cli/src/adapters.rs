//! What the adapters behind a `/dev/dxg` boundary say of themselves, and what handing over costs there, measured.

use std::time::{Duration, Instant};

use dxg_io::call::Dxg;
use dxg_io::error::Result;
use dxg_io::object::{Adapter, Device, FenceOptions};
use dxg_io::sys;
use serde::Serialize;

/// Round trips whose median is told.
const ROUND_TRIPS: usize = 64;
/// Measuring ends after this long, with what it has.
const PATIENCE: Duration = Duration::from_millis(500);
/// UTF-16 units of an adapter's description.
const DESCRIPTION_UNITS: usize = 4096;
/// `KMTQAITYPE_DRIVER_DESCRIPTION`.
const DESCRIPTION: sys::kmtqueryadapterinfotype = 65;
/// Engines asked for at most.
const MOST_ENGINES: u32 = 64;
/// `D3DKMT_NODEMETADATA`: ordinal, type, 32 units of a name, flags, two bytes of what is supported.
const METADATA_BYTES: usize = 80;

/// One group of memory segments.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Segments {
    /// `local` (of the GPU) or `non-local` (of the host).
    pub group: &'static str,
    /// Bytes this process may use.
    pub budget: u64,
    /// Bytes it uses.
    pub used: u64,
}

/// One adapter.
#[derive(Clone, Debug, Serialize)]
pub struct AdapterFacts {
    /// Its name.
    pub name: String,
    /// Its LUID in the guest.
    pub luid: u64,
    /// Words for the bits of its type.
    pub kind: Vec<&'static str>,
    /// Driver model, such as `WDDM 2.7`; none where the host does not say.
    pub driver_model: Option<String>,
    /// Version of the driver's user part.
    pub driver_version: Option<String>,
    /// Whether the GPU schedules by itself; none where the host does not say.
    pub hardware_scheduling: Option<bool>,
    /// Memory.
    pub memory: Vec<Segments>,
    /// Its engines; empty where the host does not say.
    pub engines: Vec<String>,
}

/// What handing over costs.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct HandOver {
    /// A round trip, median, in µs.
    pub round_trip_us: f64,
    /// A message that may be posted, median, in µs.
    pub signal_us: f64,
    /// Whether it was posted: it took a small part of a round trip.
    pub posted: bool,
}

/// The adapters of a boundary.
pub fn all(dxg: &Dxg) -> Result<Vec<AdapterFacts>> {
    (0..Adapter::enumerate(dxg)?.len()).map(|number| facts(&Adapter::open_nth(dxg, number)?)).collect()
}

/// What one adapter says.
pub fn facts(adapter: &Adapter) -> Result<AdapterFacts> {
    let luid = adapter.luid();
    let memory = [
        ("local", sys::_D3DKMT_MEMORY_SEGMENT_GROUP_LOCAL),
        ("non-local", sys::_D3DKMT_MEMORY_SEGMENT_GROUP_NON_LOCAL),
    ];
    let memory = memory.into_iter().filter_map(|(group, number)| {
        let info = adapter.video_memory(number).ok()?;
        Some(Segments { group, budget: info.budget, used: info.current_usage })
    });
    Ok(AdapterFacts {
        name: name(adapter).unwrap_or_else(|| "unnamed adapter".into()),
        luid: u64::from(luid.b) << 32 | u64::from(luid.a),
        kind: kind(adapter.kind()?),
        driver_model: number(adapter, sys::KMTQAITYPE_DRIVERVERSION)
            .filter(|version| *version >= 1000)
            .map(|version| format!("WDDM {}.{}", version / 1000, version % 1000 / 100)),
        driver_version: driver_version(adapter),
        hardware_scheduling: number(adapter, sys::KMTQAITYPE_WDDM_2_7_CAPS).map(|bits| bits & 0b10 != 0),
        memory: memory.collect(),
        engines: engines(adapter),
    })
}

fn kind(kind: sys::d3dkmt_adaptertype) -> Vec<&'static str> {
    [
        (kind.paravirtualized(), "paravirtualized"),
        (kind.render_supported(), "renders"),
        (kind.compute_only(), "compute only"),
        (kind.software_device(), "software"),
        (kind.hybrid_discrete(), "discrete"),
        (kind.hybrid_integrated(), "integrated"),
        (kind.detachable(), "detachable"),
    ]
    .into_iter()
    .filter_map(|(is, word)| is.then_some(word))
    .collect()
}

fn number(adapter: &Adapter, kind: sys::kmtqueryadapterinfotype) -> Option<u32> {
    let mut bytes = [0; 4];
    adapter.query(kind, &mut bytes).ok()?;
    Some(u32::from_le_bytes(bytes))
}

/// `31.0.15.3699`: four numbers of 16 bits.
fn driver_version(adapter: &Adapter) -> Option<String> {
    let mut bytes = [0; 8];
    adapter.query(sys::KMTQAITYPE_UMD_DRIVER_VERSION, &mut bytes).ok()?;
    let version = u64::from_le_bytes(bytes);
    let part = |shift: u32| version >> shift & 0xFFFF;
    (version != 0).then(|| format!("{}.{}.{}.{}", part(48), part(32), part(16), part(0)))
}

fn utf16(bytes: &[u8]) -> Option<String> {
    let units = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    let units: Vec<u16> = units.take_while(|unit| *unit != 0).collect();
    let text = String::from_utf16_lossy(&units).trim().to_owned();
    (!text.is_empty()).then_some(text)
}

fn name(adapter: &Adapter) -> Option<String> {
    let mut bytes = vec![0; 2 * DESCRIPTION_UNITS];
    adapter.query(DESCRIPTION, &mut bytes).ok()?;
    utf16(&bytes)
}

/// Asks for one engine after the other, until the host has no more.
fn engines(adapter: &Adapter) -> Vec<String> {
    let mut engines = Vec::new();
    for ordinal in 0..MOST_ENGINES {
        let mut bytes = [0; METADATA_BYTES];
        bytes[..4].copy_from_slice(&ordinal.to_le_bytes());
        if adapter.query(sys::KMTQAITYPE_NODEMETADATA, &mut bytes).is_err() || bytes[4..].iter().all(|byte| *byte == 0)
        {
            break;
        }
        let kind = match bytes[4] {
            1 => "3D",
            2 => "video decode",
            3 => "video encode",
            4 => "video processing",
            5 => "scene assembly",
            6 => "copy",
            7 => "overlay",
            8 => "crypto",
            9 => "video codec",
            _ => "other",
        };
        engines.push(match utf16(&bytes[8..72]) {
            Some(name) => format!("{kind} ({name})"),
            None => kind.into(),
        });
    }
    engines
}

/// Measures on an adapter: a question to the host, and a signal of a fence, which is posted where the host takes that.
pub fn hand_over(adapter: &Adapter) -> Result<HandOver> {
    let device = Device::create(adapter)?;
    let fence = device.create_fence(FenceOptions::default())?;
    let begun = Instant::now();
    let (mut round_trips, mut signals) = (Vec::new(), Vec::new());
    let mut value = 0;
    while round_trips.len() < ROUND_TRIPS && (round_trips.len() < 3 || begun.elapsed() < PATIENCE) {
        // In turn, so that the ring is empty before each signal.
        let start = Instant::now();
        adapter.video_memory(sys::_D3DKMT_MEMORY_SEGMENT_GROUP_LOCAL)?;
        round_trips.push(start.elapsed());
        value += 1;
        let start = Instant::now();
        fence.signal(value)?;
        signals.push(start.elapsed());
    }
    let (round_trip_us, signal_us) = (median(&mut round_trips), median(&mut signals));
    Ok(HandOver { round_trip_us, signal_us, posted: signal_us < round_trip_us / 2.0 })
}

fn median(times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    times.get(times.len() / 2).map_or(0.0, |time| time.as_secs_f64() * 1e6)
}

#[cfg(test)]
mod tests {
    use dxg_io::software::{Parameters, SoftwareAdapter};

    use super::*;

    fn dxg(parameters: Parameters) -> Dxg {
        Dxg::new(SoftwareAdapter::new(parameters).unwrap().open().unwrap())
    }

    #[test]
    fn the_software_adapter_describes_itself() {
        let facts = all(&dxg(Parameters::zero())).unwrap();
        assert_eq!(facts.len(), 1);
        assert_eq!(facts[0].name, "dxgrt software adapter");
        assert_eq!(facts[0].driver_model.as_deref(), Some("WDDM 2.7"));
        assert!(facts[0].kind.contains(&"paravirtualized"));
        assert_eq!(facts[0].hardware_scheduling, Some(true));
        assert!(facts[0].memory.iter().all(|segments| segments.budget > 0) && facts[0].memory.len() == 2);
    }

    #[test]
    fn both_modes_of_the_protocol_are_told_apart_by_time() {
        for async_messages in [true, false] {
            let dxg = dxg(Parameters { async_messages, ..Parameters::default() });
            let measured = hand_over(&Adapter::open_nth(&dxg, 0).unwrap()).unwrap();
            assert_eq!(measured.posted, async_messages, "{measured:?}");
            assert!(measured.round_trip_us > 10.0, "{measured:?}");
        }
    }
}
