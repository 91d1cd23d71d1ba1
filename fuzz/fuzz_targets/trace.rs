//! The reader of recorded traces: see `dxg_tests::hostile`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    dxg_tests::hostile::trace(data);
});
