//! What the adapter says it is: the answers to QueryAdapterInfo that a client asks for first.
//!
//! The layouts are those of the public D3DKMT headers, little endian; text is UTF-16 of fixed length, filled up with zeros.
//! Some questions carry an input in front (a node, a physical adapter), which stays in the answer. A question that this
//! adapter does not know is answered with zeros, as a host answers for features that it does not have.

use crate::software::bus::message::Reply;
use crate::software::params::Parameters;
use crate::status::NtStatus;
use crate::sys::*;

/// The adapter's type: renders, hybrid discrete. The guest adds "paravirtualized".
const RENDERS: u32 = 0x1 | 0x10;
/// Engine types of nodes.
const ENGINE_3D: u32 = 1;
const ENGINE_COPY: u32 = 6;
/// Bits of the WDDM 2.0 capabilities: 64-bit atomics, GPU MMU.
const ATOMICS_AND_MMU: u32 = 0b11;
/// Bit of the WDDM 1.2 capabilities: an engine is reset alone.
const PER_ENGINE_TDR: u32 = 1 << 2;
/// Bits of a GPU address.
const ADDRESS_BITS: u32 = 48;
/// What a registry query says of a value that is not there.
const REGISTRY_FAILED: u32 = 2;

/// See the module.
pub struct Identity {
    description: String,
    vendor: u32,
    device: u32,
    wddm: u32,
    scheduled: bool,
    shared_bytes: u64,
}

/// Bytes of an answer, written field by field.
struct Answer(Vec<u8>);

impl Answer {
    /// Puts bytes at an offset, as far as the caller's buffer goes.
    fn put(&mut self, offset: usize, bytes: &[u8]) {
        if let Some(room) = self.0.get_mut(offset..) {
            let length = room.len().min(bytes.len());
            room[..length].copy_from_slice(&bytes[..length]);
        }
    }

    fn words(&mut self, offset: usize, words: &[u32]) {
        for (index, word) in words.iter().enumerate() {
            self.put(offset + 4 * index, &word.to_le_bytes());
        }
    }

    fn sizes(&mut self, offset: usize, sizes: &[u64]) {
        for (index, size) in sizes.iter().enumerate() {
            self.put(offset + 8 * index, &size.to_le_bytes());
        }
    }

    /// Text in a field of `units`, its end included.
    fn text(&mut self, offset: usize, units: usize, text: &str) {
        let mut field: Vec<u8> = text.encode_utf16().take(units - 1).flat_map(u16::to_le_bytes).collect();
        field.resize(2 * units, 0);
        self.put(offset, &field);
    }

    fn word(&self, offset: usize) -> u32 {
        self.0.get(offset..offset + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_le_bytes)
    }

    /// Everything from an offset on is answer.
    fn clear(&mut self, offset: usize) {
        if let Some(rest) = self.0.get_mut(offset..) {
            rest.fill(0);
        }
    }
}

impl Identity {
    /// As the parameters say.
    pub fn new(parameters: &Parameters) -> Identity {
        Identity {
            description: parameters.adapter_description.clone(),
            vendor: parameters.vendor_id,
            device: parameters.device_id,
            wddm: parameters.wddm_version,
            scheduled: parameters.hardware_scheduling,
            shared_bytes: u64::from(parameters.shared_memory_mib) << 20,
        }
    }

    /// Answers one question; `data` is what the caller sent, `video_bytes` the video memory there is.
    pub fn answer(&self, kind: u32, data: Vec<u8>, video_bytes: u64) -> Result<Reply, NtStatus> {
        let mut answer = Answer(data);
        // What these are asked with stays in front of the answer.
        let input = match kind {
            KMTQAITYPE_UMDRIVERNAME
            | KMTQAITYPE_NODEMETADATA
            | KMTQAITYPE_PHYSICALADAPTERDEVICEIDS
            | KMTQAITYPE_QUERY_GPUMMU_CAPS
            | KMTQAITYPE_GETSEGMENTGROUPSIZE => 4,
            KMTQAITYPE_NODEPERFDATA | KMTQAITYPE_ADAPTERPERFDATA | KMTQAITYPE_ADAPTERPERFDATA_CAPS => 8,
            KMTQAITYPE_QUERYREGISTRY => 536,
            _ => 0,
        };
        answer.clear(input);
        match kind {
            KMTQAITYPE_ADAPTERTYPE | KMTQAITYPE_ADAPTERTYPE_RENDER => answer.words(0, &[RENDERS]),
            KMTQAITYPE_GETSEGMENTSIZE => answer.sizes(0, &[video_bytes, 0, self.shared_bytes]),
            KMTQAITYPE_GETSEGMENTGROUPSIZE => {
                answer.sizes(8, &[video_bytes, 0, self.shared_bytes, video_bytes, self.shared_bytes, 0]);
            }
            KMTQAITYPE_ADAPTERREGISTRYINFO | KMTQAITYPE_ADAPTERREGISTRYINFO_RENDER => {
                answer.text(0, 260, &self.description);
                answer.text(3 * 520, 260, &self.description);
            }
            KMTQAITYPE_DRIVER_DESCRIPTION | KMTQAITYPE_DRIVER_DESCRIPTION_RENDER => {
                answer.text(0, 4096, &self.description);
            }
            KMTQAITYPE_DRIVERVERSION | KMTQAITYPE_DRIVERVERSION_RENDER => answer.words(0, &[self.wddm]),
            KMTQAITYPE_UMD_DRIVER_VERSION | KMTQAITYPE_KMD_DRIVER_VERSION => answer.sizes(0, &[driver_version()]),
            KMTQAITYPE_PHYSICALADAPTERCOUNT => answer.words(0, &[1]),
            KMTQAITYPE_PHYSICALADAPTERDEVICEIDS => {
                physical(answer.word(0))?;
                answer.words(4, &[self.vendor, self.device, 0, 0, 0, 0]);
            }
            KMTQAITYPE_QUERY_GPUMMU_CAPS => {
                physical(answer.word(0))?;
                // Read-only mappings are kept to.
                answer.words(4, &[1, ADDRESS_BITS]);
            }
            KMTQAITYPE_WDDM_1_2_CAPS | KMTQAITYPE_WDDM_1_2_CAPS_RENDER => answer.words(8, &[PER_ENGINE_TDR]),
            KMTQAITYPE_WDDM_2_0_CAPS => answer.words(0, &[ATOMICS_AND_MMU]),
            // Supported, enabled, enabled by default; from 2.9 on "stable" and enabled.
            KMTQAITYPE_WDDM_2_7_CAPS if self.scheduled => answer.words(0, &[0b111]),
            KMTQAITYPE_WDDM_2_9_CAPS if self.scheduled => answer.words(0, &[0b110]),
            KMTQAITYPE_NODEMETADATA => node(&mut answer)?,
            // No value is there: the part after the question says so.
            KMTQAITYPE_QUERYREGISTRY => answer.words(540, &[REGISTRY_FAILED]),
            _ => {}
        }
        Ok(Reply { bytes: answer.0, ..Reply::default() })
    }
}

/// There is one physical adapter.
fn physical(index: u32) -> Result<(), NtStatus> {
    if index == 0 { Ok(()) } else { Err(NtStatus::INVALID_PARAMETER) }
}

/// The node in the lower half of the first word, of the physical adapter in the upper.
fn node(answer: &mut Answer) -> Result<(), NtStatus> {
    let asked = answer.word(0);
    physical(asked >> 16)?;
    let (engine, name) = match asked & 0xffff {
        0 => (ENGINE_3D, "Compute"),
        1 => (ENGINE_COPY, "Copy"),
        _ => return Err(NtStatus::INVALID_PARAMETER),
    };
    answer.words(4, &[engine]);
    answer.text(8, 32, name);
    // Contexts are scheduled one by one, and the node uses the GPU's MMU.
    answer.words(72, &[1, 1]);
    Ok(())
}

/// This crate's version, four parts of 16 bits.
fn driver_version() -> u64 {
    let part = |text: &str| text.parse::<u64>().unwrap_or(0) & 0xffff;
    let [major, minor, patch] =
        [env!("CARGO_PKG_VERSION_MAJOR"), env!("CARGO_PKG_VERSION_MINOR"), env!("CARGO_PKG_VERSION_PATCH")].map(part);
    major << 48 | minor << 32 | patch << 16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(identity: &Identity, kind: u32, data: Vec<u8>) -> Result<Answer, NtStatus> {
        identity.answer(kind, data, 8 << 30).map(|reply| Answer(reply.bytes))
    }

    #[test]
    fn parameters_choose_the_answers() {
        let parameters = Parameters {
            adapter_description: "Grün".into(),
            vendor_id: 0x10de,
            device_id: 0x2330,
            hardware_scheduling: false,
            ..Parameters::default()
        };
        let (plain, chosen) = (Identity::new(&Parameters::default()), Identity::new(&parameters));
        let text = ask(&chosen, KMTQAITYPE_DRIVER_DESCRIPTION, vec![9; 8192]).unwrap();
        assert_eq!(text.0[..10], [b'G', 0, b'r', 0, 0xfc, 0, b'n', 0, 0, 0]);
        let ids = ask(&chosen, KMTQAITYPE_PHYSICALADAPTERDEVICEIDS, vec![0; 28]).unwrap();
        assert_eq!((ids.word(4), ids.word(8)), (0x10de, 0x2330));
        assert_eq!(ask(&chosen, KMTQAITYPE_WDDM_2_7_CAPS, vec![7; 4]).unwrap().word(0), 0);
        assert_eq!(ask(&plain, KMTQAITYPE_WDDM_2_7_CAPS, vec![0; 4]).unwrap().word(0), 0b111);
        assert_eq!(ask(&plain, KMTQAITYPE_DRIVERVERSION, vec![0; 4]).unwrap().word(0), 2700);
    }

    #[test]
    fn nodes_have_names_and_those_that_are_not_there_are_refused() {
        let identity = Identity::new(&Parameters::default());
        let copy = ask(&identity, KMTQAITYPE_NODEMETADATA, [&1u32.to_le_bytes()[..], &[0; 76]].concat()).unwrap();
        assert_eq!((copy.word(0), copy.word(4), copy.word(72)), (1, ENGINE_COPY, 1));
        assert_eq!(copy.0[8..18], *b"C\0o\0p\0y\0\0\0");
        for asked in [2u32, 1 << 16] {
            assert!(ask(&identity, KMTQAITYPE_NODEMETADATA, asked.to_le_bytes().to_vec()).is_err());
        }
    }

    #[test]
    fn any_question_of_any_size_is_answered_in_its_size() {
        let identity = Identity::new(&Parameters::default());
        for kind in 0..100 {
            for size in [1, 2, 3, 4, 5, 8, 12, 72, 80, 540, 541, 8192] {
                let answer = ask(&identity, kind, vec![0; size]).unwrap();
                assert_eq!(answer.0.len(), size, "type {kind}");
            }
        }
        let name = ask(&identity, KMTQAITYPE_UMDRIVERNAME, [&3u32.to_le_bytes()[..], &[7; 520]].concat()).unwrap();
        assert!(name.word(0) == 3 && name.0[4..].iter().all(|&byte| byte == 0), "there is no user-mode driver");
        let registry = ask(&identity, KMTQAITYPE_QUERYREGISTRY, vec![1; 1000]).unwrap();
        assert_eq!((registry.word(0), registry.word(536), registry.word(540)), (0x0101_0101, 0, REGISTRY_FAILED));
    }
}
