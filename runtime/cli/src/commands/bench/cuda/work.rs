//! What all sides do: launches of `y += a · x` over 256 values, copies of 1 KiB, requests of both.

use crate::commands::Outcome;

/// Values of a buffer.
pub const VALUES: usize = 256;
/// Their bytes: 1 KiB.
pub const BYTES: usize = 4 * VALUES;
/// Streams of the sides that use several by hand.
pub const STREAMS: usize = 16;
/// Requests whose inputs and results are kept apart.
pub const HELD: usize = 1024;
/// Factors of the three launches of a request.
pub const FACTORS: [f32; 3] = [1.0, 2.0, 4.0];

/// What is added: small whole numbers, so that sums of very many are exact.
pub fn ramp() -> Vec<f32> {
    (0..VALUES).map(|i| (i % 4) as f32).collect()
}

/// The input of a request, or the data of a copy.
pub fn input(request: usize) -> Vec<f32> {
    (0..VALUES).map(|i| (request * 31 % 1009 + i) as f32).collect()
}

/// An error unless both are equal.
pub fn check_values(what: &str, found: &[f32], expected: &[f32]) -> Outcome<()> {
    match found.iter().zip(expected).position(|(found, expected)| found.to_bits() != expected.to_bits()) {
        None if found.len() == expected.len() => Ok(()),
        None => Err(format!("{what}: {} values in place of {}", found.len(), expected.len()).into()),
        Some(i) => Err(format!("{what}: value {i} is {}, not {}", found[i], expected[i]).into()),
    }
}

/// What a request makes of an input.
pub fn result(input: &[f32]) -> Vec<f32> {
    input.iter().zip(ramp()).map(|(y, x)| y + FACTORS.iter().sum::<f32>() * x).collect()
}
