//! How the runtime batches, and its bounds; both can be changed while work is in flight.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::error::{Error, Result};

/// Environment variable that chooses the policy where the program does not.
pub const POLICY_VARIABLE: &str = "DXGRT_POLICY";

/// The most operations that a device may be opened for: the queue has a place for each, of some 200 bytes.
const DEVICE_OPERATIONS_MAX: u32 = 1 << 20;

/// The most staging memory: far more than hosts have, and sums of such sizes stay numbers.
const STAGING_BYTES_MAX: u64 = 1 << 40;

/// When accepted operations are handed to the device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Policy {
    /// Gather while work is in flight, hand over at once when the device is idle and somebody waits.
    #[default]
    Adaptive,
    /// Gather this many operations (fewer when somebody waits, or a bound is reached).
    Fixed(u32),
    /// Submit each operation by itself and wait for it, sleeping on an eventfd: the way most programs use the device, and
    /// the way to find out which operation fails.
    OneByOne,
    /// As [`Policy::OneByOne`], but waits by reading the fence page in a loop.
    OneByOneSpin,
}

impl Policy {
    /// The policy in [`POLICY_VARIABLE`], if it is set and not empty.
    pub fn from_environment() -> Result<Option<Policy>> {
        match std::env::var(POLICY_VARIABLE) {
            Ok(text) if text.trim().is_empty() => Ok(None),
            Ok(text) => text.parse().map(Some),
            Err(std::env::VarError::NotPresent) => Ok(None),
            Err(std::env::VarError::NotUnicode(raw)) => Err(bad_policy(&raw.to_string_lossy())),
        }
    }

    /// Checks that the policy can be followed.
    pub(crate) fn check(self) -> Result<()> {
        if self == Policy::Fixed(0) { Err(bad_policy("fixed:0")) } else { Ok(()) }
    }

    /// Whether each operation is submitted and awaited by itself.
    pub fn is_one_by_one(self) -> bool {
        matches!(self, Policy::OneByOne | Policy::OneByOneSpin)
    }
}

fn bad_policy(text: &str) -> Error {
    Error::BadSetting {
        name: POLICY_VARIABLE.into(),
        value: text.into(),
        expected: "use `adaptive`, `fixed:n` with n at least 1, `one-by-one` or `one-by-one-spin`".into(),
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Policy::Adaptive => f.write_str("adaptive"),
            Policy::Fixed(operations) => write!(f, "fixed:{operations}"),
            Policy::OneByOne => f.write_str("one-by-one"),
            Policy::OneByOneSpin => f.write_str("one-by-one-spin"),
        }
    }
}

impl FromStr for Policy {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.trim() {
            "adaptive" | "batched" => Ok(Policy::Adaptive),
            "one-by-one" => Ok(Policy::OneByOne),
            "one-by-one-spin" => Ok(Policy::OneByOneSpin),
            other => match other.strip_prefix("fixed:").map(str::parse) {
                Some(Ok(operations)) if operations > 0 => Ok(Policy::Fixed(operations)),
                _ => Err(bad_policy(text)),
            },
        }
    }
}

/// A bound with two thresholds: closed when `high` is reached, open again when the count is back at `low`.
///
/// Two thresholds keep a full queue from waking its waiters for every single operation that completes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Bound {
    /// No more than this many are let in.
    pub high: u32,
    /// Waiters are let in again when this many are left.
    pub low: u32,
}

impl Bound {
    /// A bound with these thresholds.
    pub const fn new(high: u32, low: u32) -> Self {
        Bound { high, low }
    }

    fn check(self, name: &str) -> Result<()> {
        if self.high >= 1 && self.low < self.high {
            return Ok(());
        }
        Err(Error::BadSetting {
            name: name.into(),
            value: format!("{} with low {}", self.high, self.low).into(),
            expected: "`high` must be at least 1 and `low` below it".into(),
        })
    }
}

/// The bounds of a device.
///
/// Those marked *at opening* size what a device is built with; changing them later is an error. All others may be changed
/// with [`Device::set_limits`](crate::Device::set_limits) while work is in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Operations in one batch.
    pub batch_operations: u32,
    /// Encoded bytes of one batch.
    pub batch_bytes: u32,
    /// Estimated time of one batch on the device, well under the driver's timeout of 2 s. A kernel that is longer by
    /// itself goes alone.
    pub batch_device_time: Duration,
    /// Longest time an accepted operation is held back for others to join it.
    pub gather_time: Duration,
    /// Batches in flight on one hardware queue.
    pub in_flight: u32,
    /// Unfinished operations of one stream.
    pub stream_operations: Bound,
    /// Unfinished operations of the device. The device is opened with a queue for that many: later it can be lowered, and
    /// raised again to where it was.
    pub device_operations: Bound,
    /// Bytes that may be under way in the VM's message ring (256 KiB, shared by everybody in the VM; when it is full the
    /// sender sleeps 1–2 ms).
    pub ring_bytes: u32,
    /// Hardware queues that streams are spread over, 32 at most. *At opening.*
    pub hardware_queues: u16,
    /// Shards of a `cuda` device, at most; 0: as many as suit the machine. Streams beyond the first 64 are divided among them, and each
    /// has a scheduler, a driver role and hardware queues of its own, so that many tasks are not held up by what one core can hand
    /// over. Within a shard the device itself lets streams wait for each other's events; from one shard to another the host does,
    /// which takes the way to the host and back. A device that is opened with a policy of one by one has one shard; set later, it
    /// holds within each. *At opening.*
    pub shards: u16,
    /// Memory for host data on its way to or from the device. *At opening.*
    pub staging_bytes: u64,
    /// Device memory is taken from the driver in chunks of this size. *At opening.*
    pub memory_chunk_bytes: u64,
    /// Work in flight that shows no progress for this long, while the device says that it is well, is lost: the host does
    /// not answer, or a submission never reached it. Far more than one operation may take. *At opening.*
    pub silence_time: Duration,
    /// Host memory that is pinned for a `cuda` device, staging and host buffers included, at most; in WSL 2 there is little of
    /// it. *At opening.*
    pub pinned_bytes: u64,
}

/// Shards of one device, at most.
pub(crate) const SHARDS_MAX: usize = 4;

/// As long as the driver lets work run (2 s), many times over, and as long as it tries a full message ring (10 s), thrice.
pub(crate) const SILENCE_TIME: Duration = Duration::from_secs(30);

impl Default for Limits {
    fn default() -> Self {
        // The scheduler's defaults, with the reasons it gives for them.
        let config = dxg_scheduler::Config::default();
        let bound = |bound: dxg_scheduler::Bound| Bound::new(bound.high, bound.low);
        Limits {
            batch_operations: config.limits.operations,
            batch_bytes: config.limits.bytes,
            batch_device_time: Duration::from_nanos(config.limits.gpu_time),
            gather_time: Duration::from_nanos(config.gather_max),
            in_flight: config.in_flight_max,
            stream_operations: bound(config.stream_bound),
            device_operations: bound(config.device_bound),
            ring_bytes: config.ring_budget_bytes,
            hardware_queues: config.queues,
            shards: 0,
            staging_bytes: 32 << 20,
            memory_chunk_bytes: 64 << 20,
            silence_time: SILENCE_TIME,
            pinned_bytes: 1 << 30,
        }
    }
}

impl Limits {
    /// Checks the limits against each other.
    pub fn check(&self) -> Result<()> {
        let positive = |name: &str, value: u64| {
            if value > 0 {
                return Ok(());
            }
            Err(Error::BadSetting { name: name.into(), value: "0".into(), expected: "it must be at least 1".into() })
        };
        positive("limit batch_operations", self.batch_operations.into())?;
        positive("limit batch_bytes", self.batch_bytes.into())?;
        positive("limit in_flight", self.in_flight.into())?;
        positive("limit ring_bytes", self.ring_bytes.into())?;
        positive("limit hardware_queues", self.hardware_queues.into())?;
        positive("limit staging_bytes", self.staging_bytes)?;
        positive("limit memory_chunk_bytes", self.memory_chunk_bytes)?;
        positive("limit silence_time", u64::from(!self.silence_time.is_zero()))?;
        positive("limit pinned_bytes", self.pinned_bytes)?;
        self.stream_operations.check("limit stream_operations")?;
        self.device_operations.check("limit device_operations")?;
        let at_most = |name: &str, value: u64, most: u64| {
            if value <= most {
                return Ok(());
            }
            Err(Error::BadSetting {
                name: name.into(),
                value: value.to_string().into(),
                expected: format!("it must be at most {most}").into(),
            })
        };
        at_most("limit shards", self.shards.into(), SHARDS_MAX as u64)?;
        at_most("limit hardware_queues", self.hardware_queues.into(), dxg_scheduler::Config::QUEUES_MAX.into())?;
        at_most("limit device_operations", self.device_operations.high.into(), DEVICE_OPERATIONS_MAX.into())?;
        at_most("limit staging_bytes", self.staging_bytes, STAGING_BYTES_MAX)?;
        // The driver's timeout would lose the device for work that is in order.
        if self.batch_device_time >= Duration::from_secs(2) {
            return Err(Error::BadSetting {
                name: "limit batch_device_time".into(),
                value: format!("{:?}", self.batch_device_time).into(),
                expected: "it must be below the driver's timeout of 2 s".into(),
            });
        }
        Ok(())
    }

    /// Checks that `next` may replace the limits of a device that was opened with these.
    pub(crate) fn check_change(&self, next: &Limits) -> Result<()> {
        next.check()?;
        let fixed = [
            ("hardware_queues", u64::from(self.hardware_queues), u64::from(next.hardware_queues)),
            ("shards", u64::from(self.shards), u64::from(next.shards)),
            ("staging_bytes", self.staging_bytes, next.staging_bytes),
            ("memory_chunk_bytes", self.memory_chunk_bytes, next.memory_chunk_bytes),
            ("pinned_bytes", self.pinned_bytes, next.pinned_bytes),
        ];
        if self.silence_time != next.silence_time {
            return Err(Error::BadSetting {
                name: "limit silence_time".into(),
                value: format!("{:?}", next.silence_time).into(),
                expected: format!("it is fixed at {:?} since the device was opened", self.silence_time).into(),
            });
        }
        let (opened, asked) = (self.device_operations.high, next.device_operations.high);
        if asked > opened {
            return Err(Error::BadSetting {
                name: "limit device_operations".into(),
                value: asked.to_string().into(),
                expected: format!("the device was opened with a queue for {opened}, and takes no more").into(),
            });
        }
        for (name, now, then) in fixed {
            if now != then {
                return Err(Error::BadSetting {
                    name: format!("limit {name}").into(),
                    value: then.to_string().into(),
                    expected: format!("it is fixed at {now} since the device was opened").into(),
                });
            }
        }
        Ok(())
    }
}

/// Policy and limits as they are now; replaced as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) policy: Policy,
    pub(crate) limits: Limits,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_read_back_as_written() {
        for policy in [Policy::Adaptive, Policy::Fixed(64), Policy::OneByOne, Policy::OneByOneSpin] {
            assert_eq!(policy.to_string().parse::<Policy>().unwrap(), policy);
        }
        for text in ["", "fixed", "fixed:", "fixed:0", "fixed:-1", "one by one"] {
            let error = text.parse::<Policy>().expect_err(text);
            assert!(error.to_string().contains("one-by-one"), "{error}");
        }
    }

    #[test]
    fn default_limits_are_valid_and_impossible_ones_are_not() {
        Limits::default().check().unwrap();
        let change: [fn(&mut Limits); 8] = [
            |l| l.batch_operations = 0,
            |l| l.stream_operations = Bound::new(0, 0),
            |l| l.device_operations = Bound::new(4, 4),
            |l| l.batch_device_time = Duration::from_secs(2),
            |l| l.hardware_queues = 0,
            |l| l.hardware_queues = 33,
            |l| l.staging_bytes = 0,
            |l| l.shards = 5,
        ];
        for change in change {
            let mut limits = Limits::default();
            change(&mut limits);
            assert!(limits.check().is_err(), "{limits:?}");
        }
    }

    #[test]
    fn what_a_device_is_built_with_stays() {
        let open = Limits::default();
        let mut next = open;
        next.batch_operations = 7;
        open.check_change(&next).unwrap();
        next.hardware_queues = 2;
        let error = open.check_change(&next).unwrap_err();
        assert!(error.to_string().contains("fixed at 32"), "{error}");
        let mut next = open;
        next.device_operations.high += 1;
        assert!(open.check_change(&next).is_err(), "the queue has no room for more");
    }
}
