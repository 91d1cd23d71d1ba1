//! Generates `src/sys` from the ABI facts.
fn main() {}
