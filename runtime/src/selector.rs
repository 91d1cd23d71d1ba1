//! Which device to open: `software[:n]`, `dxg[:n]`, `cuda[:n]`, the same words in Rust, the command line, C and Python.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// Environment variable that chooses the device where the program does not.
pub const DEVICE_VARIABLE: &str = "DXGRT_DEVICE";

/// The kinds of devices the runtime can drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum DeviceKind {
    /// The embedded software adapter: a GPU-PV host in this process that really executes.
    Software,
    /// An adapter behind the real `/dev/dxg`.
    Dxg,
    /// A device of the CUDA driver.
    Cuda,
}

impl DeviceKind {
    /// The word of the selector.
    pub fn word(self) -> &'static str {
        match self {
            DeviceKind::Software => "software",
            DeviceKind::Dxg => "dxg",
            DeviceKind::Cuda => "cuda",
        }
    }
}

impl fmt::Display for DeviceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A kind of device and its number among those of that kind.
///
/// ```
/// use dxg_runtime::{DeviceKind, Selector};
/// let selector: Selector = "software:1".parse()?;
/// assert_eq!(selector, Selector::new(DeviceKind::Software, 1));
/// assert_eq!("dxg".parse::<Selector>()?.to_string(), "dxg:0");
/// assert!("gpu".parse::<Selector>().is_err());
/// # Ok::<(), dxg_runtime::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Selector {
    kind: DeviceKind,
    index: u32,
}

impl Selector {
    /// The device `index` of this kind.
    pub const fn new(kind: DeviceKind, index: u32) -> Self {
        Selector { kind, index }
    }

    /// The kind of device.
    pub const fn kind(self) -> DeviceKind {
        self.kind
    }

    /// The number among the devices of its kind.
    pub const fn index(self) -> u32 {
        self.index
    }

    /// The selector in [`DEVICE_VARIABLE`], if it is set and not empty.
    pub fn from_environment() -> Result<Option<Selector>> {
        match std::env::var(DEVICE_VARIABLE) {
            Ok(text) if text.trim().is_empty() => Ok(None),
            Ok(text) => text.parse().map(Some),
            Err(std::env::VarError::NotPresent) => Ok(None),
            Err(std::env::VarError::NotUnicode(raw)) => {
                Err(Error::BadSelector { selector: raw.to_string_lossy().into() })
            }
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.index)
    }
}

impl FromStr for Selector {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = || Error::BadSelector { selector: text.into() };
        let trimmed = text.trim();
        let (word, number) = match trimmed.split_once(':') {
            Some((word, number)) => (word, Some(number)),
            None => (trimmed, None),
        };
        let kind = match word.to_ascii_lowercase().as_str() {
            "software" => DeviceKind::Software,
            "dxg" => DeviceKind::Dxg,
            "cuda" => DeviceKind::Cuda,
            _ => return Err(bad()),
        };
        let index = match number {
            None => 0,
            // `parse` would take a sign; a device number has none.
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().map_err(|_| bad())?,
            Some(_) => return Err(bad()),
        };
        Ok(Selector { kind, index })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_and_numbers_are_understood() {
        for (text, kind, index) in [
            ("software", DeviceKind::Software, 0),
            ("Software:3", DeviceKind::Software, 3),
            (" dxg:0 ", DeviceKind::Dxg, 0),
            ("cuda:12", DeviceKind::Cuda, 12),
        ] {
            let selector: Selector = text.parse().expect(text);
            assert_eq!((selector.kind(), selector.index()), (kind, index), "{text}");
            assert_eq!(selector.to_string().parse::<Selector>().unwrap(), selector);
        }
    }

    #[test]
    fn anything_else_is_refused_with_the_right_words() {
        for text in [
            "",
            ":",
            "soft",
            "software:",
            "software:+1",
            "software:-1",
            "cuda:x",
            "cuda:1:2",
            "dxg:99999999999",
            "software 0",
        ] {
            let error = text.parse::<Selector>().expect_err(text);
            assert!(matches!(error, Error::BadSelector { .. }), "{text}: {error}");
            assert!(error.to_string().contains("`software`"), "{error}");
        }
    }
}
