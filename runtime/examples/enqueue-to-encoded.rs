//! Takes launches from their arguments to encoded packets, so many passes of 1,024: what `.ci/callgrind` counts.
//!
//!     cargo run --release -p dxg-runtime --features bench --example enqueue-to-encoded -- 10

use std::process::ExitCode;

use dxg_runtime::bench_support::{OPERATIONS, Path};

/// Passes before those that are asked for: tables and recycled memory grow to their size.
const WARM_UP: usize = 4;

fn main() -> ExitCode {
    let Some(passes) = std::env::args().nth(1).and_then(|text| text.parse::<usize>().ok()) else {
        eprintln!("usage: enqueue-to-encoded PASSES");
        return ExitCode::from(2);
    };
    let run = || {
        let mut path = Path::new()?;
        (0..WARM_UP + passes).try_for_each(|_| path.enqueue_to_encoded())
    };
    match run() {
        Ok(()) => {
            println!("{}", passes * OPERATIONS);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
