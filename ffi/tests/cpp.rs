//! The C++ wrapper, compiled and run. Needs g++ and is therefore no part of the plain tests:
//! `cargo test -p dxg-ffi --features cpp --test cpp` (`.ci/run` has it as the step "C++", and installs g++ where it is missing).

mod support;

use std::process::Command;

use support::{SANITIZED, compile, folder, start};

#[test]
fn the_wrapper_compiles_without_warnings_and_works() {
    let folder = folder();
    for flags in [&[][..], &SANITIZED] {
        let program = compile(folder.path(), "tests/cpp/wrapper.cpp", flags);
        assert_eq!(start(&mut Command::new(&program), folder.path()), "the wrapper works\n");
    }
}
