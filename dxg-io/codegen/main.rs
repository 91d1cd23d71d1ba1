//! Writes `src/sys`, the C header `include/dxg.h` and the layout table of `tests/abi.rs` from the ABI facts in `tests/data/dxg-abi.json`.
//!
//! Run in the package folder: `cargo run -p dxg-io --example generate-sys`. A test compares the checked-in files with
//! what this writes, byte for byte.

mod facts;
mod generate;
mod header;
mod layout;
mod model;
mod topics;

use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(package.join("tests/data/dxg-abi.json"))?;
    let facts: facts::Facts = serde_json::from_str(&text)?;
    for (path, content) in generate::files(&facts)? {
        std::fs::write(package.join(&path), content)?;
        eprintln!("wrote {path}");
    }
    Ok(())
}
