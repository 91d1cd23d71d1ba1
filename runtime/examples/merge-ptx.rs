//! Adds twins for merged launches to a PTX file, and says of each entry whether it got one.
//!
//!     cargo run -p dxg-runtime --example merge-ptx -- kernels.ptx > merged.ptx

use std::process::ExitCode;

use dxg_runtime::ptx;

fn main() -> ExitCode {
    let Some(path) = std::env::args().nth(1) else {
        eprintln!("merge-ptx: name a PTX file");
        return ExitCode::from(2);
    };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => {
            eprintln!("merge-ptx: {path}: {error}");
            return ExitCode::FAILURE;
        }
    };
    match ptx::rewrite(&text) {
        Ok(rewritten) => {
            for entry in &rewritten.entries {
                match &entry.twin {
                    Ok(twin) => eprintln!("{}: merged as {}", entry.name, twin.name),
                    Err(reason) => eprintln!("{}: runs singly: {reason}", entry.name),
                }
            }
            print!("{}", rewritten.text);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("merge-ptx: {path}: {error}");
            ExitCode::FAILURE
        }
    }
}
