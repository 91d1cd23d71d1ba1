//! Whether a product is right: every entry of a small one, Freivalds' test for a large one. Entries are whole numbers,
//! so both are exact.

use dxg_examples::{Outcome, Random};
use serde::Serialize;

/// Largest size that is checked entry by entry.
const EVERY_ENTRY_UP_TO: usize = 512;
/// Rounds of Freivalds' test: a wrong product passes all of them with a probability of at most 2⁻³².
const ROUNDS: usize = 32;

/// How a product was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// Every entry was computed again.
    EveryEntry,
    /// a·(b·r) = c·r for random r of zeros and ones.
    Freivalds,
}

impl std::fmt::Display for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Check::EveryEntry => f.write_str("every entry checked"),
            Check::Freivalds => write!(f, "checked by {ROUNDS} rounds of Freivalds' test"),
        }
    }
}

/// Checks `c = a · b` in the way that suits the size.
pub fn verify(size: usize, a: &[f32], b: &[f32], c: &[f32]) -> Outcome<Check> {
    if c.len() != size * size {
        return Err(format!("the product has {} entries, not {}", c.len(), size * size).into());
    }
    match size <= EVERY_ENTRY_UP_TO {
        true => every_entry(size, a, b, c).map(|()| Check::EveryEntry),
        false => freivalds(size, a, b, c).map(|()| Check::Freivalds),
    }
}

fn every_entry(size: usize, a: &[f32], b: &[f32], c: &[f32]) -> Outcome<()> {
    for (row, (a_row, c_row)) in a.chunks_exact(size).zip(c.chunks_exact(size)).enumerate() {
        for (column, found) in c_row.iter().enumerate() {
            let expected: i64 = a_row.iter().enumerate().map(|(k, x)| *x as i64 * b[k * size + column] as i64).sum();
            if *found != expected as f32 {
                return Err(format!("entry ({row}, {column}) is {found}, not {expected}").into());
            }
        }
    }
    Ok(())
}

fn freivalds(size: usize, a: &[f32], b: &[f32], c: &[f32]) -> Outcome<()> {
    let times = |matrix: &[f32], vector: &[f64]| -> Vec<f64> {
        // Whole numbers far below 2⁵³: exact.
        let row = |row: &[f32]| row.iter().zip(vector).map(|(x, y)| f64::from(*x) * y).sum();
        matrix.chunks_exact(size).map(row).collect()
    };
    let mut random = Random::new(0xF7E1_7A1D);
    for _ in 0..ROUNDS {
        let vector: Vec<f64> = (0..size).map(|_| (random.bits() >> 63) as f64).collect();
        let (expected, found) = (times(a, &times(b, &vector)), times(c, &vector));
        if let Some(row) = expected.iter().zip(&found).position(|(x, y)| x != y) {
            return Err(format!("Freivalds' test: row {row} of the product is wrong").into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product(size: usize) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
        let mut random = Random::new(9);
        let mut draw = || -> Vec<f32> { (0..size * size).map(|_| (random.bits() % 9) as f32 - 4.0).collect() };
        let (a, b) = (draw(), draw());
        let entry = |i: usize| (0..size).map(|k| a[i / size * size + k] * b[k * size + i % size]).sum();
        let c = (0..size * size).map(entry).collect();
        (a, b, c)
    }

    #[test]
    fn both_checks_accept_the_product_and_see_one_wrong_entry() {
        let (a, b, mut c) = product(24);
        every_entry(24, &a, &b, &c).unwrap();
        freivalds(24, &a, &b, &c).unwrap();
        c[5 * 24 + 7] += 1.0;
        let error = every_entry(24, &a, &b, &c).unwrap_err().to_string();
        assert!(error.starts_with("entry (5, 7)"), "{error}");
        let error = freivalds(24, &a, &b, &c).unwrap_err().to_string();
        assert!(error.contains("row 5"), "{error}");
    }

    #[test]
    fn the_size_chooses_the_check() {
        let zeros = |size: usize| vec![0.0; size * size];
        for (size, check) in [(512, Check::EveryEntry), (513, Check::Freivalds)] {
            assert_eq!(verify(size, &zeros(size), &zeros(size), &zeros(size)).unwrap(), check);
        }
        assert!(verify(4, &zeros(4), &zeros(4), &[0.0]).is_err());
    }
}
