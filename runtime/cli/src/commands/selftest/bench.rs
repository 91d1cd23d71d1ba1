//! What checks are made with, and what they found.

use std::time::{Duration, Instant};

use dxg_io::call::Dxg;
use dxg_io::error::Error;
use serde::Serialize;

use super::PATIENCE;

/// What a check came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Found {
    /// It holds.
    Pass,
    /// It does not.
    Fail,
    /// The driver or the host does not have it, and need not.
    Absent,
}

/// One check.
#[derive(Debug, Serialize)]
pub struct Finding {
    /// What it came to.
    pub found: Found,
    /// The promise.
    pub name: &'static str,
    /// What was seen.
    pub detail: String,
}

/// Why a check does not hold.
#[derive(Debug)]
pub enum Trouble {
    /// It should.
    Failed(String),
    /// It need not.
    Absent(String),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Trouble {
        Trouble::Failed(error.to_string())
    }
}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Trouble {
        Trouble::Failed(error.to_string())
    }
}

/// Of a check.
pub type Seen<T = String> = Result<T, Trouble>;

/// Fails with a sentence unless something holds.
pub fn holds(it: bool, otherwise: impl FnOnce() -> String) -> Seen<()> {
    if it { Ok(()) } else { Err(Trouble::Failed(otherwise())) }
}

/// A refusal by driver or host is no failure here.
pub fn optional<T>(result: Result<T, Error>) -> Seen<T> {
    result.map_err(|error| Trouble::Absent(error.to_string()))
}

/// Waits until something holds; whether it did in time.
pub fn soon(mut it: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    while !it() {
        if begun.elapsed() > PATIENCE {
            return false;
        }
        std::thread::sleep(Duration::from_micros(50));
    }
    true
}

/// See the module.
pub struct Bench {
    /// The calls.
    pub dxg: Dxg,
    /// It is the node, which another process can open too.
    pub node: bool,
    /// What was found so far.
    pub findings: Vec<Finding>,
}

impl Bench {
    /// Nothing was checked yet.
    pub fn new(dxg: Dxg, node: bool) -> Bench {
        Bench { dxg, node, findings: Vec::new() }
    }

    /// Makes a check; what it gives besides its detail is for the checks that build on it.
    pub fn making<T>(&mut self, name: &'static str, check: impl FnOnce(&Dxg) -> Seen<(T, String)>) -> Option<T> {
        let (found, detail, made) = match check(&self.dxg) {
            Ok((made, detail)) => (Found::Pass, detail, Some(made)),
            Err(Trouble::Failed(why)) => (Found::Fail, why, None),
            Err(Trouble::Absent(why)) => (Found::Absent, why, None),
        };
        self.findings.push(Finding { found, name, detail });
        made
    }

    /// Makes a check.
    pub fn check(&mut self, name: &'static str, check: impl FnOnce(&Dxg) -> Seen) {
        self.making(name, |dxg| check(dxg).map(|detail| ((), detail)));
    }
}
