//! The node and its adapter: enumeration, questions, and what the driver says to requests that it does not know.

use dxg_io::call::Dxg;
use dxg_io::object::Adapter;
use dxg_io::sys::*;
use serde::Serialize;

use super::bench::{Bench, Seen, Trouble, holds, optional};
use super::{objects, sharing, waits};

/// What the adapter says it is.
#[derive(Debug, Default, Serialize)]
pub struct About {
    /// Its description.
    pub description: String,
    /// PCI vendor and device.
    pub pci: String,
    /// How the guest names it.
    pub luid: String,
    /// WDDM version of its driver, times 1000.
    pub wddm: u32,
    /// Whether it schedules in hardware.
    pub hardware_scheduling: bool,
    /// Its nodes.
    pub nodes: Vec<String>,
}

/// All checks, as far as there is an adapter to make them on.
pub fn check(bench: &mut Bench, index: usize) -> About {
    let mut about = About::default();
    let count = bench.making("enumeration", |dxg| {
        let (two, three) = (dxg.enum_adapters2_count()?, dxg.enum_adapters3_count(Default::default())?);
        holds(two > 0, || "there is no adapter".into())?;
        Ok((two, format!("{two} by EnumAdapters2, {three} by EnumAdapters3")))
    });
    let adapter = count.and_then(|count| {
        bench.making("adapter", |dxg| {
            holds(index < count, || format!("adapter {index} was asked for, there are {count}, counted from 0"))?;
            let adapter = Adapter::open_nth(dxg, index)?;
            let luid = adapter.luid();
            // By its LUID too.
            Adapter::open(dxg, luid)?;
            Ok((adapter, format!("LUID {:x}:{:x}", luid.b, luid.a)))
        })
    });
    let Some(adapter) = adapter else { return about };
    about.luid = format!("{:x}:{:x}", adapter.luid().b, adapter.luid().a);
    questions(bench, &adapter, &mut about);
    unknown_calls(bench, &adapter);
    if let Some(device) = objects::check(bench, &adapter) {
        waits::check(bench, &device);
        sharing::check(bench, &device, index);
        objects::end(bench, device);
    }
    about
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_le_bytes)
}

fn text(bytes: &[u8]) -> String {
    let units: Vec<u16> = bytes.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]])).collect();
    let end = units.iter().position(|&unit| unit == 0).unwrap_or(units.len());
    String::from_utf16_lossy(&units[..end])
}

fn ask(adapter: &Adapter, kind: kmtqueryadapterinfotype, mut data: Vec<u8>) -> Seen<Vec<u8>> {
    optional(adapter.query(kind, &mut data))?;
    Ok(data)
}

fn questions(bench: &mut Bench, adapter: &Adapter, about: &mut About) {
    bench.check("adapter type", |_| {
        let mut bits = [0u8; 4];
        adapter.query(KMTQAITYPE_ADAPTERTYPE, &mut bits)?;
        let bits = u32::from_le_bytes(bits);
        holds(bits & 1 << 7 != 0, || format!("{bits:#x} has no paravirtualized bit (7): is this a guest's adapter?"))?;
        Ok(format!("{bits:#x}, paravirtualized"))
    });
    bench.check("description", |_| {
        about.description = text(&ask(adapter, KMTQAITYPE_DRIVER_DESCRIPTION, vec![0; 8192])?);
        Ok(format!("{:?}", about.description))
    });
    bench.check("device ids", |_| {
        let ids = ask(adapter, KMTQAITYPE_PHYSICALADAPTERDEVICEIDS, vec![0; 28])?;
        about.pci = format!("{:04x}:{:04x}", word(&ids, 4), word(&ids, 8));
        Ok(about.pci.clone())
    });
    bench.check("driver model", |_| {
        about.wddm = word(&ask(adapter, KMTQAITYPE_DRIVERVERSION, vec![0; 4])?, 0);
        let caps = word(&ask(adapter, KMTQAITYPE_WDDM_2_7_CAPS, vec![0; 4])?, 0);
        about.hardware_scheduling = caps & 0b10 != 0;
        Ok(format!(
            "WDDM {}, hardware scheduling {}",
            about.wddm,
            ["off", "on"][usize::from(about.hardware_scheduling)]
        ))
    });
    bench.check("nodes", |_| {
        for node in 0u32..8 {
            let asked = [&node.to_le_bytes()[..], &[0; 76]].concat();
            let Ok(answer) = ask(adapter, KMTQAITYPE_NODEMETADATA, asked) else { break };
            about.nodes.push(format!("{} (engine {})", text(&answer[8..72]), word(&answer, 4)));
        }
        if about.nodes.is_empty() {
            return Err(Trouble::Absent("the host says nothing of them".into()));
        }
        Ok(about.nodes.join(", "))
    });
    bench.check("video memory", |_| {
        let local = adapter.video_memory(_D3DKMT_MEMORY_SEGMENT_GROUP_LOCAL)?;
        let segments = ask(adapter, KMTQAITYPE_GETSEGMENTSIZE, vec![0; 24])?;
        let size = u64::from(word(&segments, 0)) | u64::from(word(&segments, 4)) << 32;
        Ok(format!("budget {} MiB of {} MiB, {} MiB used", local.budget >> 20, size >> 20, local.current_usage >> 20))
    });
}

/// Requests of newer drivers: an old one says ENOTTY, which the typed layer tells from a failure.
fn unknown_calls(bench: &mut Bench, adapter: &Adapter) {
    bench.check("requests of newer drivers", |dxg: &Dxg| {
        let mut known = Vec::new();
        let mut processes = [0u32; 64];
        let answers = [
            ("EnumProcesses", dxg.enum_processes(adapter.luid(), &mut processes).map(drop)),
            ("IsFeatureEnabled", dxg.is_feature_enabled(adapter.handle(), 0).map(drop)),
        ];
        for (name, answer) in answers {
            match answer {
                Err(error) if error.is_unsupported() => {}
                // It is known, whatever it says to these arguments.
                _ => known.push(name),
            }
        }
        match known.is_empty() {
            true => Err(Trouble::Absent("ENOTTY, as drivers before 2.0.2 say".into())),
            false => Ok(format!("{} known", known.join(", "))),
        }
    });
}
