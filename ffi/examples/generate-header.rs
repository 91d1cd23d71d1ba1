//! Writes `include/dxgrt.h` from the sources of this package: `cargo run -p dxg-ffi --example generate-header`.

use std::path::Path;

/// The header, as cbindgen writes it.
pub fn header() -> String {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(package.join("cbindgen.toml")).expect("cbindgen.toml is right");
    let bindings = cbindgen::Builder::new().with_config(config).with_src(package.join("src/lib.rs")).generate();
    let mut text = Vec::new();
    bindings.expect("the sources can be read").write(&mut text);
    String::from_utf8(text).expect("a header is text")
}

/// Where it stands.
pub fn path() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("include/dxgrt.h")
}

#[allow(dead_code, reason = "the test that includes this file has no use for it")]
fn main() {
    std::fs::write(path(), header()).expect("the header can be written");
    println!("{}", path().display());
}
