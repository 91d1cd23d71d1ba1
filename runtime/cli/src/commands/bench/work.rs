//! The work that every peer does, and how its results are checked.
//!
//! Numbers are small integers, exact in `f32`: whatever order additions take, there is one right answer.

use crate::commands::Outcome;

/// Values of a buffer: 1 KiB.
pub const VALUES: usize = 256;
/// Operations of one submission in mode c.
pub const BATCH: usize = 1024;
/// Different data for copies. Prime, so that the buffers do not always get the same.
pub const SOURCES: usize = 17;
/// Factor of the launches of W1.
pub const FACTOR: f32 = 1.0;
/// Factors of the three launches of a request.
pub const REQUEST_FACTORS: [f32; 3] = [1.0, 2.0, 3.0];
/// What the three launches of a request add, as a multiple of [`ramp`].
const REQUEST_SUM: f32 = 6.0;

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// W1: `y[i] += a * x[i]`, 256 values.
    Launch,
    /// The same, prepared once and enqueued again and again, where a peer can; else as [`Workload::Launch`].
    Prepared,
    /// W2: 1 KiB from the host to the device.
    Copy,
}

/// How operations are handed over and waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// a: each submitted and awaited before the next.
    Each,
    /// b: each submitted, all awaited at the end.
    End,
    /// c: [`BATCH`] to a submission, each submission awaited.
    Batched,
}

/// One thing to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    /// What.
    pub workload: Workload,
    /// How.
    pub mode: Mode,
    /// Over how many buffers, each on a stream of its own.
    pub buffers: usize,
}

impl Case {
    /// As README and the tables call it: w1a, w2c.
    pub fn name(self) -> &'static str {
        match (self.workload, self.mode) {
            (Workload::Launch, Mode::Each) => "w1a",
            (Workload::Launch, Mode::End) => "w1b",
            (Workload::Launch, Mode::Batched) => "w1c",
            (Workload::Prepared, Mode::Each) => "w1a-prepared",
            (Workload::Prepared, Mode::End) => "w1b-prepared",
            (Workload::Prepared, Mode::Batched) => "w1c-prepared",
            (Workload::Copy, Mode::Each) => "w2a",
            (Workload::Copy, Mode::End) => "w2b",
            (Workload::Copy, Mode::Batched) => "w2c",
        }
    }

    /// Fails unless `values` is what `buffer` holds after `operations`, of which every `buffers`th was its own.
    pub fn check(self, peer: &str, operations: usize, buffer: usize, values: &[f32]) -> Outcome<()> {
        let own = operations / self.buffers + usize::from(buffer < operations % self.buffers);
        let sources = sources();
        let expected = |i: usize| match self.workload {
            Workload::Launch | Workload::Prepared => own as f32 * FACTOR * ramp(i),
            Workload::Copy if own == 0 => 0.0,
            Workload::Copy => sources[((own - 1) * self.buffers + buffer) % SOURCES][i],
        };
        let place = format!("{peer}, {}, buffer {buffer} of {}", self.name(), self.buffers);
        if values.len() != VALUES {
            return Err(format!("{place}: {} values, not {VALUES}", values.len()).into());
        }
        for (i, value) in values.iter().enumerate() {
            if *value != expected(i) {
                return Err(format!("{place}: value {i} is {value}, not {}", expected(i)).into());
            }
        }
        Ok(())
    }
}

/// `x[i]`.
pub fn ramp(i: usize) -> f32 {
    (i % 7) as f32
}

/// `x`.
pub fn ramps() -> Vec<f32> {
    (0..VALUES).map(ramp).collect()
}

/// What copies copy.
pub fn sources() -> Vec<Vec<f32>> {
    (0..SOURCES).map(|source| (0..VALUES).map(|i| (1 + source * VALUES + i) as f32).collect()).collect()
}

/// The work of a launch.
#[inline]
pub fn axpy(a: f32, x: &[f32], y: &mut [f32]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y += a * x;
    }
}

/// The data of one request after the other, and what must come of it.
#[derive(Debug)]
pub struct RequestData {
    after: Vec<f32>,
}

impl RequestData {
    /// Fit for any number of requests.
    pub fn new() -> Self {
        RequestData { after: (0..VALUES).map(|i| i as f32 + REQUEST_SUM * ramp(i)).collect() }
    }

    /// What a request sends.
    pub fn fill(&self, request: u32, values: &mut [f32]) {
        let offset = request as f32;
        values.iter_mut().enumerate().for_each(|(i, value)| *value = i as f32 + offset);
    }

    /// Fails unless `values` is what comes back.
    pub fn check(&self, peer: &str, request: u32, values: &[f32]) -> Outcome<()> {
        let offset = request as f32;
        // All of them, without a branch for each: the check is no part of what is measured.
        let wrong = values.iter().zip(&self.after).filter(|(value, after)| **value != **after + offset).count();
        if wrong > 0 || values.len() != VALUES {
            return Err(format!("{peer}, w3: {wrong} of {} values of request {request} are wrong", values.len()).into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_value_is_found() {
        let case = Case { workload: Workload::Launch, mode: Mode::Each, buffers: 2 };
        let mut values: Vec<f32> = (0..VALUES).map(|i| 3.0 * ramp(i)).collect();
        assert!(case.check("test", 5, 0, &values).is_ok());
        assert!(case.check("test", 5, 1, &values).is_err(), "the second buffer was added to twice");
        values[255] += 1.0;
        assert!(case.check("test", 5, 0, &values).is_err());
        assert!(case.check("test", 5, 0, &values[..255]).is_err());
        let case = Case { workload: Workload::Copy, ..case };
        assert!(case.check("test", 5, 0, &sources()[4]).is_ok());
        assert!(case.check("test", 5, 0, &sources()[3]).is_err());
    }

    #[test]
    fn a_request_is_its_three_launches() {
        let data = RequestData::new();
        let mut values = vec![0.0; VALUES];
        data.fill(1000, &mut values);
        REQUEST_FACTORS.iter().for_each(|&a| axpy(a, &ramps(), &mut values));
        assert!(data.check("test", 1000, &values).is_ok());
        assert!(data.check("test", 1001, &values).is_err());
    }
}
