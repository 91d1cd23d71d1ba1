//! What the software adapter is and what things cost in it: one TOML document, every key optional.
//!
//! Every field names its unit, and says where its default comes from, or that it is an assumption: the cost of a real
//! host is not published, and whatever is measured against this adapter is measured against this model.

use serde::{Deserialize, Serialize};

/// Parameters of a [`SoftwareAdapter`](super::SoftwareAdapter).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Parameters {
    /// Microseconds the caller spends to post a message: system call, copy, ring insert. Assumption.
    pub posted_us: f64,
    /// Microseconds more when the message finds the ring empty and the host idle: the doorbell hypercall. Assumption.
    pub doorbell_us: f64,
    /// Microseconds of a whole round trip, wake-up included; the host acts at half of it. Assumption: none is published.
    pub round_trip_us: f64,
    /// Microseconds the host spends on each message. Chosen, with the two below, so that message, submission and launch
    /// come to 6.9: WSL 2 measured 6.3 to 7.5 per launch.
    pub host_message_us: f64,
    /// Microseconds the host spends on a submission beyond the message: its scheduling pass. See `host_message_us`.
    pub host_submission_us: f64,
    /// Microseconds from the host's event to the sleeping thread's return. 37 to 45 were measured on WSL 2.
    pub wake_up_us: f64,
    /// Microseconds of one dispatch on the GPU, whatever its size. Source: 0.58 for a graph node on WSL 2.
    pub launch_us: f64,
    /// Blocks that run at one time. Source: 132 multiprocessors of an H100-class GPU with 8 blocks each.
    pub block_slots: u32,
    /// Gigabytes (10^9 bytes) a copy engine moves per second; 0 means that copies take no modelled time. Assumption:
    /// a PCIe 4.0 x16 link in one direction.
    pub copy_gbps: f64,
    /// Bytes of one ring buffer, its 4,096-byte control page included. Source: the guest driver asks for 256 KiB.
    pub ring_bytes: u32,
    /// Whether submissions, signals and GPU waits are posted. Source: all current hosts say yes.
    pub async_messages: bool,
    /// VMBus interface version; 40 and above prefix each message with 16 routing bytes. Source: current driver.
    pub vmbus_version: u32,
    /// Whether the host maps existing system memory page by page (new hosts) instead of by GPADL (old ones). Source: both
    /// ways of the driver; that a host of today takes the new one is an assumption.
    pub map_guest_pages: bool,
    /// Milliseconds a piece of work may run before the device is lost. Source: the Windows default (TdrDelay).
    pub tdr_ms: f64,
    /// Shortest sleep of a sender that finds the ring full, in microseconds. Source: the guest driver.
    pub full_ring_sleep_min_us: f64,
    /// Longest sleep of a sender that finds the ring full, in microseconds. Source: the guest driver.
    pub full_ring_sleep_max_us: f64,
    /// How often a posted send tries a full ring again before it fails with EAGAIN. Source: the guest driver.
    pub full_ring_tries: u32,
    /// Whether MakeResident and MapGpuVirtualAddress answer STATUS_PENDING and complete by the paging fence. Source:
    /// the recorded answers; real hosts do either.
    pub paging_pending: bool,
    /// Microseconds from a pending paging answer to the paging fence. Assumption.
    pub paging_us: f64,
    /// MiB of video memory. Source: the budget of the recorded adapter, 8 GiB; pages are used only when touched.
    pub video_memory_mib: u32,
    /// MiB of IO space for fence pages (one 4 KiB page each). Assumption.
    pub io_space_mib: u32,
    /// Worker threads for long kernels; 0 means one per processor. Assumption.
    pub worker_threads: u32,
    /// What the adapter calls itself: at most 259 UTF-16 units.
    pub adapter_description: String,
    /// PCI vendor that the adapter reports. Source: the vendor of a paravirtualized GPU as a guest sees it.
    pub vendor_id: u32,
    /// PCI device that the adapter reports. Source: as `vendor_id`.
    pub device_id: u32,
    /// WDDM version of its driver, times 1000. Source: 2700 is the first with hardware scheduling.
    pub wddm_version: u32,
    /// Whether it reports hardware scheduling, which hardware queues need. Source: all current hosts do.
    pub hardware_scheduling: bool,
    /// MiB of system memory that it reports for sharing with the GPU. Assumption.
    pub shared_memory_mib: u32,
    /// Command buffers in a format that is not this GPU's, as a vendor's user-mode driver submits them, complete without
    /// being executed; otherwise they lose the device, as commands that are wrong do.
    pub complete_foreign_commands: bool,
}

impl Default for Parameters {
    fn default() -> Parameters {
        Parameters {
            posted_us: 1.0,
            doorbell_us: 2.0,
            round_trip_us: 40.0,
            host_message_us: 2.0,
            host_submission_us: 4.3,
            wake_up_us: 40.0,
            launch_us: 0.58,
            block_slots: 1056,
            copy_gbps: 25.0,
            ring_bytes: 262_144,
            async_messages: true,
            vmbus_version: 40,
            map_guest_pages: true,
            tdr_ms: 2000.0,
            full_ring_sleep_min_us: 1000.0,
            full_ring_sleep_max_us: 2000.0,
            full_ring_tries: 5000,
            paging_pending: true,
            paging_us: 20.0,
            video_memory_mib: 8192,
            io_space_mib: 64,
            worker_threads: 0,
            adapter_description: "dxgrt software adapter".into(),
            vendor_id: 0x1414,
            device_id: 0x008e,
            wddm_version: 2700,
            hardware_scheduling: true,
            shared_memory_mib: 8192,
            complete_foreign_commands: false,
        }
    }
}

/// A parameter document that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParameterError {
    /// Not TOML, an unknown key, or a value of the wrong type.
    #[error("the parameters cannot be read: {0}")]
    Syntax(String),
    /// A value outside its range.
    #[error("parameter {name} is {value}; it must be {expected}")]
    Range {
        /// The key.
        name: &'static str,
        /// What it was given.
        value: String,
        /// What would be right.
        expected: &'static str,
    },
}

/// UTF-16 units of a description that every field for it can hold.
const MAX_DESCRIPTION: usize = 259;

/// Bytes of a ring that hold its control block and no messages.
pub const RING_CONTROL_BYTES: u32 = 4096;

impl Parameters {
    /// Every cost switched off: what is left is the work itself. Sizes and rules stay as they are.
    pub fn zero() -> Parameters {
        Parameters {
            posted_us: 0.0,
            doorbell_us: 0.0,
            round_trip_us: 0.0,
            host_message_us: 0.0,
            host_submission_us: 0.0,
            wake_up_us: 0.0,
            launch_us: 0.0,
            copy_gbps: 0.0,
            paging_us: 0.0,
            ..Parameters::default()
        }
    }

    /// An old host: no posted messages, protocol version 27, memory imported by GPADL.
    pub fn sync_v27() -> Parameters {
        Parameters { async_messages: false, vmbus_version: 27, map_guest_pages: false, ..Parameters::default() }
    }

    /// Reads a TOML document; missing keys keep their default, unknown keys and values out of range are errors.
    pub fn from_toml(text: &str) -> Result<Parameters, ParameterError> {
        let parameters: Parameters =
            toml::from_str(text).map_err(|error| ParameterError::Syntax(error.to_string().trim().to_owned()))?;
        parameters.validate()?;
        Ok(parameters)
    }

    /// The whole document, every key with its value.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).unwrap_or_default()
    }

    /// Says which value is out of range, if one is.
    pub fn validate(&self) -> Result<(), ParameterError> {
        let times = [
            ("posted_us", self.posted_us),
            ("doorbell_us", self.doorbell_us),
            ("round_trip_us", self.round_trip_us),
            ("host_message_us", self.host_message_us),
            ("host_submission_us", self.host_submission_us),
            ("wake_up_us", self.wake_up_us),
            ("launch_us", self.launch_us),
            ("tdr_ms", self.tdr_ms),
            ("full_ring_sleep_min_us", self.full_ring_sleep_min_us),
            ("full_ring_sleep_max_us", self.full_ring_sleep_max_us),
            ("paging_us", self.paging_us),
            ("copy_gbps", self.copy_gbps),
        ];
        for (name, value) in times {
            if !value.is_finite() || !(0.0..=1e9).contains(&value) {
                return Err(ParameterError::Range { name, value: value.to_string(), expected: "from 0 to 1e9" });
            }
        }
        let range = |name, value: u32, valid: bool, expected| match valid {
            true => Ok(()),
            false => Err(ParameterError::Range { name, value: value.to_string(), expected }),
        };
        range("block_slots", self.block_slots, self.block_slots > 0, "at least 1")?;
        let ring_fits = self.ring_bytes.is_multiple_of(4096) && (8192..=1 << 30).contains(&self.ring_bytes);
        range("ring_bytes", self.ring_bytes, ring_fits, "a multiple of 4096, from 8192 to 2^30")?;
        range("vmbus_version", self.vmbus_version, (1..=1000).contains(&self.vmbus_version), "from 1 to 1000")?;
        range("video_memory_mib", self.video_memory_mib, (1..=1 << 20).contains(&self.video_memory_mib), "1 to 2^20")?;
        range("io_space_mib", self.io_space_mib, (1..=1 << 16).contains(&self.io_space_mib), "1 to 65536")?;
        range("worker_threads", self.worker_threads, self.worker_threads <= 1024, "at most 1024")?;
        range("wddm_version", self.wddm_version, (1000..=9999).contains(&self.wddm_version), "from 1000 to 9999")?;
        range("shared_memory_mib", self.shared_memory_mib, self.shared_memory_mib <= 1 << 24, "at most 2^24")?;
        if self.adapter_description.encode_utf16().count() > MAX_DESCRIPTION {
            return Err(ParameterError::Range {
                name: "adapter_description",
                value: format!("{:?}", self.adapter_description),
                expected: "at most 259 UTF-16 units",
            });
        }
        if self.full_ring_sleep_max_us < self.full_ring_sleep_min_us {
            return Err(ParameterError::Range {
                name: "full_ring_sleep_max_us",
                value: self.full_ring_sleep_max_us.to_string(),
                expected: "at least full_ring_sleep_min_us",
            });
        }
        Ok(())
    }

    /// Bytes of a ring that can hold messages.
    pub fn ring_usable_bytes(&self) -> u32 {
        self.ring_bytes - RING_CONTROL_BYTES
    }

    /// Whether messages cost nothing, so that the sender handles them itself, at once, without another thread.
    pub fn messages_are_free(&self) -> bool {
        let costs = [
            self.posted_us,
            self.doorbell_us,
            self.round_trip_us,
            self.host_message_us,
            self.host_submission_us,
            self.wake_up_us,
        ];
        costs.iter().all(|&cost| cost == 0.0)
    }

    /// Bytes of the routing prefix of each message: 16 from interface version 40 on.
    pub fn prefix_bytes(&self) -> u32 {
        if self.vmbus_version >= 40 { 16 } else { 0 }
    }
}

/// Microseconds as nanoseconds, rounded.
pub fn nanos(micros: f64) -> u64 {
    (micros * 1000.0).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_round_trips_and_defaults_fill_in() {
        let parameters = Parameters { round_trip_us: 12.5, ..Parameters::default() };
        assert_eq!(Parameters::from_toml(&parameters.to_toml()).unwrap(), parameters);
        assert_eq!(Parameters::from_toml("").unwrap(), Parameters::default());
        assert_eq!(Parameters::from_toml("wake_up_us = 1").unwrap().wake_up_us, 1.0);
        assert!(Parameters::zero().validate().is_ok());
    }

    #[test]
    fn unknown_keys_and_bad_values_are_refused() {
        let unknown = Parameters::from_toml("posted = 1.0").unwrap_err();
        assert!(unknown.to_string().contains("posted"), "{unknown}");
        assert!(Parameters::from_toml("posted_us = -1.0").is_err());
        assert!(Parameters::from_toml("posted_us = nan").is_err());
        assert!(Parameters::from_toml("ring_bytes = 5000").is_err());
        assert!(Parameters::from_toml("block_slots = 0").is_err());
        assert!(Parameters::from_toml("full_ring_sleep_max_us = 1.0").is_err());
    }

    #[test]
    fn zero_is_free_and_the_default_is_not() {
        assert!(Parameters::zero().messages_are_free());
        assert!(!Parameters::default().messages_are_free());
        assert_eq!(Parameters::default().ring_usable_bytes(), 258_048);
        assert_eq!(Parameters::sync_v27().prefix_bytes(), 0);
    }
}
