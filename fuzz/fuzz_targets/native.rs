//! The checks of native objects: see `dxg_tests::hostile`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    dxg_tests::hostile::native(data);
});
