//! The fields of one line of a trace: present, of the right type, and in range, or an error that says so.

use serde_json::{Map, Value};

use super::trace::LineProblem;
use super::workload::SimCopy;

/// Latest time of a call, in microseconds: eleven days. Sums of times then fit 64 bits of nanoseconds.
const MAX_TIME_US: f64 = 1e12;
/// Longest operation, in microseconds: 100 s, fifty times what a GPU may run before it is reset.
const MAX_GPU_US: f64 = 1e8;
/// Most blocks of a grid; their product with a time fits 128 bits, and no GPU has as many.
const MAX_BLOCKS: u64 = 1 << 48;

const OPS: &str = "\"kernel\", \"copy\", \"fill\" or \"sync\"";
const KINDS: &str = "\"HtoD\", \"DtoH\" or \"DtoD\"";
const TIME: &str = "a number of microseconds from 0 to 1e12";
const GPU: &str = "a number of microseconds from 0 to 1e8";
const INTEGER: &str = "a whole number from 0 to 2^63 - 1";
const GRID: &str = "three whole numbers of at least 1, such as [4, 1, 1], with a product of at most 2^48";

/// A line, parsed.
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    pub(super) fn parse(text: &str) -> Result<Fields, LineProblem> {
        match serde_json::from_str(text) {
            Ok(Value::Object(fields)) => Ok(Fields(fields)),
            Ok(other) => Err(LineProblem::Json(format!("it is {}", shown(&other)))),
            Err(error) => Err(LineProblem::Json(explain(text, &error))),
        }
    }

    fn get(&self, field: &'static str, expected: &'static str) -> Result<&Value, LineProblem> {
        self.0.get(field).ok_or(LineProblem::Missing { field, expected })
    }

    fn micros(&self, field: &'static str, max: f64, expected: &'static str) -> Result<u64, LineProblem> {
        let value = self.get(field, expected)?;
        match value.as_f64().filter(|micros| (0.0..=max).contains(micros)) {
            Some(micros) => Ok((micros * 1000.0).round() as u64),
            None => Err(wrong(field, value, expected)),
        }
    }

    /// A host time, in nanoseconds.
    pub(super) fn time(&self, field: &'static str) -> Result<u64, LineProblem> {
        self.micros(field, MAX_TIME_US, TIME)
    }

    /// How long it ran on the GPU, in nanoseconds.
    pub(super) fn gpu(&self) -> Result<u64, LineProblem> {
        self.micros("gpu", MAX_GPU_US, GPU)
    }

    /// What it is; one of [`OPS`].
    pub(super) fn op(&self) -> Result<&str, LineProblem> {
        let value = self.get("op", OPS)?;
        match value.as_str() {
            Some(op @ ("kernel" | "copy" | "fill" | "sync")) => Ok(op),
            _ => Err(wrong("op", value, OPS)),
        }
    }

    /// The direction of a copy.
    pub(super) fn kind(&self) -> Result<SimCopy, LineProblem> {
        let value = self.get("kind", KINDS)?;
        match value.as_str() {
            Some("HtoD") => Ok(SimCopy::HostToDevice),
            Some("DtoH") => Ok(SimCopy::DeviceToHost),
            Some("DtoD") => Ok(SimCopy::DeviceToDevice),
            _ => Err(wrong("kind", value, KINDS)),
        }
    }

    /// A count or a number of something.
    pub(super) fn integer(&self, field: &'static str) -> Result<u64, LineProblem> {
        let value = self.get(field, INTEGER)?;
        value.as_u64().filter(|&count| count <= i64::MAX as u64).ok_or_else(|| wrong(field, value, INTEGER))
    }

    /// Blocks of the grid.
    pub(super) fn blocks(&self) -> Result<u64, LineProblem> {
        let value = self.get("grid", GRID)?;
        let blocks = || {
            let sides: &[Value; 3] = value.as_array()?.as_slice().try_into().ok()?;
            sides.iter().try_fold(1u64, |blocks, side| blocks.checked_mul(side.as_u64().filter(|&side| side > 0)?))
        };
        blocks().filter(|&blocks| blocks <= MAX_BLOCKS).ok_or_else(|| wrong("grid", value, GRID))
    }

    /// What the recorded program called it.
    pub(super) fn name(&self) -> Option<Box<str>> {
        self.0.get("name").and_then(Value::as_str).map(Box::from)
    }
}

fn wrong(field: &'static str, value: &Value, expected: &'static str) -> LineProblem {
    LineProblem::Value { field, value: shown(value), expected }
}

/// A value, short enough for a sentence.
fn shown(value: &Value) -> String {
    const LONGEST: usize = 60;
    let text = value.to_string();
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{} …", &text[..end]),
        None => text,
    }
}

/// What the parser says, and, where a value is at fault (as NaN is), whose.
fn explain(text: &str, error: &serde_json::Error) -> String {
    let mut end = error.column().min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let message = error.to_string();
    let message = message.split(" at line ").next().unwrap_or(&message);
    let field = text[..end].rsplit_once("\":").and_then(|(before, _)| before.rsplit('"').next());
    match field {
        Some(field) => format!("{message} at column {}, in the field {field:?}", error.column()),
        None => format!("{message} at column {}", error.column()),
    }
}
