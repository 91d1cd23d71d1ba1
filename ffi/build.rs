//! What the linker must know of the shared library: its name with the ABI version, and that it is never unmapped.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // The ABI version is the major version, or the minor one as long as that is 0: see RULES.md. `0.1.x` is ABI 0.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libdxgrt.so.0");
    // A fork handler and the runtime's worker threads point into the library: dlclose must not take it away.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
}
