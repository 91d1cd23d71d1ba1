//! Random sequences of C API calls: see `dxg_tests::hostile`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    dxg_tests::hostile::capi(data);
});
