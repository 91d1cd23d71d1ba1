//! The ioctl boundary with checked caller memory: see `dxg_tests::hostile`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    dxg_tests::hostile::boundary(data);
});
