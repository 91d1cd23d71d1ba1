//! The checks of native objects. Nothing is loaded: what passes them is code, and code is trusted.

use dxg_io::software::kernel::NativeModule;

/// Checks the bytes as a native object: as they are, and behind a header that is right for this machine.
pub fn native(data: &[u8]) -> u64 {
    check(data);
    let mut headed = header();
    let taken = data.len().min(24);
    // Bytes 32 to 56: where the program headers are, and the sizes.
    headed[32..32 + taken].copy_from_slice(&data[..taken]);
    headed.extend(&data[taken..]);
    check(&headed);
    2
}

fn check(image: &[u8]) {
    match NativeModule::check(image) {
        Ok(()) => assert!(image.len() >= 64, "an image of {} bytes is shorter than its header", image.len()),
        Err(error) => assert!(error.to_string().len() > 20, "{error}"),
    }
}

/// An ELF header of this machine with one program header behind it.
pub(super) fn header() -> Vec<u8> {
    let machine: u16 = if cfg!(target_arch = "x86_64") {
        62
    } else if cfg!(target_arch = "aarch64") {
        183
    } else {
        243
    };
    let mut header = vec![0u8; 64];
    header[..8].copy_from_slice(b"\x7fELF\x02\x01\x01\x00");
    header[16..18].copy_from_slice(&3u16.to_le_bytes());
    header[18..20].copy_from_slice(&machine.to_le_bytes());
    header[32..40].copy_from_slice(&64u64.to_le_bytes());
    header[54..56].copy_from_slice(&56u16.to_le_bytes());
    header[56..58].copy_from_slice(&1u16.to_le_bytes());
    header
}
