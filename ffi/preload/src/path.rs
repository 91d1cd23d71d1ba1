//! Whether a path is that of the node.
//!
//! `/dev/dxg` may be spelt in several ways (`//dev/./dxg`, `dxg` in the folder `/dev`). Links are not followed.

use std::ffi::CStr;

use libc::{c_char, c_int};

use crate::raw;

/// How the path begins and ends.
const NODE: [&[u8]; 2] = [b"dev", b"dxg"];
/// Bytes that are looked at in one go.
const PART: usize = 64;
/// The longest path that the kernel takes, its end included.
const LONGEST: usize = 4096;

/// Whether the path names the node. The kernel has already read it: it is a C string.
///
/// # Safety
/// `path` points to a C string.
pub unsafe fn names_node(folder: c_int, path: *const c_char) -> bool {
    // SAFETY: the caller's promise.
    let path = unsafe { CStr::from_ptr(path) }.to_bytes();
    is_node(path, || folder_of(folder))
}

/// Whether the path names the node; nobody has looked at the pointer yet, and it may be bad. The usual path takes one system
/// call more.
pub fn names_node_checked(folder: c_int, path: *const c_char) -> bool {
    let mut part = [0u8; PART];
    let mut bytes = Vec::new();
    let mut at = path as usize;
    while bytes.len() < LONGEST {
        // Behind the end of the string nothing may be mapped, but pages are mapped as a whole.
        let room = (4096 - at % 4096).min(PART);
        let Some(read) = copy(at, &mut part[..room]) else { return false };
        match read.iter().position(|&byte| byte == 0) {
            Some(end) if bytes.is_empty() => return is_node(&read[..end], || folder_of(folder)),
            Some(end) => {
                bytes.extend_from_slice(&read[..end]);
                return is_node(&bytes, || folder_of(folder));
            }
            None => bytes.extend_from_slice(read),
        }
        at += room;
    }
    false
}

/// Copies from any address; the kernel makes the copy.
fn copy(address: usize, into: &mut [u8]) -> Option<&[u8]> {
    let local = libc::iovec { iov_base: into.as_mut_ptr().cast(), iov_len: into.len() };
    let remote = libc::iovec { iov_base: address as *mut _, iov_len: into.len() };
    let arguments = [raw::process() as usize, &raw const local as usize, 1, &raw const remote as usize, 1, 0];
    // SAFETY: `local` is a live slice; `remote` is checked by the kernel.
    let copied = unsafe { raw::call(libc::SYS_process_vm_readv, arguments) };
    (copied == into.len() as isize).then_some(into)
}

/// The number in a path such as `/proc/self/fd/7`, by which a process reaches what it has open already.
pub fn descriptor_in(path: &[u8]) -> Option<c_int> {
    let rest = if let Some(rest) = path.strip_prefix(b"/proc/") {
        let (process, rest) = rest.split_at(rest.iter().position(|&byte| byte == b'/')?);
        let own = match process {
            b"self" | b"thread-self" => true,
            number => std::str::from_utf8(number).ok()?.parse() == Ok(raw::process()),
        };
        rest.strip_prefix(b"/fd/").filter(|_| own)?
    } else {
        path.strip_prefix(b"/dev/fd/")?
    };
    std::str::from_utf8(rest).ok()?.parse().ok().filter(|&number| number >= 0)
}

/// As [`descriptor_in`], for a path that the kernel has already read. For others than these it costs a few loads.
///
/// # Safety
/// `path` points to a C string.
#[inline]
pub unsafe fn descriptor_of(path: *const c_char) -> Option<c_int> {
    // SAFETY: up to the first byte that differs, all are inside the string.
    let begins = unsafe { *path as u8 == b'/' && matches!(*path.add(1) as u8, b'p' | b'd') };
    if !begins {
        return None;
    }
    // SAFETY: the caller's promise.
    descriptor_in(unsafe { CStr::from_ptr(path) }.to_bytes())
}

fn is_node(path: &[u8], folder: impl FnOnce() -> Option<Vec<u8>>) -> bool {
    if !path.ends_with(NODE[1]) {
        return false;
    }
    if path.starts_with(b"/") {
        return normal(&[path]) == NODE;
    }
    folder().is_some_and(|folder| normal(&[&folder, path]) == NODE)
}

/// The parts of a path, without those that lead nowhere.
fn normal<'a>(paths: &[&'a [u8]]) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    for part in paths.iter().flat_map(|path| path.split(|&byte| byte == b'/')) {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts
}

/// What a relative path begins at.
fn folder_of(folder: c_int) -> Option<Vec<u8>> {
    use std::os::unix::ffi::OsStringExt;
    let folder = match folder {
        libc::AT_FDCWD => std::env::current_dir(),
        number => std::fs::read_link(format!("/proc/self/fd/{number}")),
    };
    folder.ok().map(|folder| folder.into_os_string().into_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_node_is_known_however_it_is_spelt() {
        let dev = || Some(b"/dev".to_vec());
        for path in ["/dev/dxg", "//dev//dxg", "/dev/./dxg", "/tmp/../dev/dxg", "dxg", "./dxg", "../dev/dxg"] {
            assert!(is_node(path.as_bytes(), dev), "{path}");
        }
        for path in ["", "/", "/dev/dxg2", "/dev/dxg/", "/dev/dri/dxg", "/dxg", "/dev", "x/dxg", "/dev/adxg"] {
            assert!(!is_node(path.as_bytes(), dev), "{path}");
        }
        assert!(!is_node(b"dxg", || None));
        assert!(!is_node(b"dxg", || Some(b"/home".to_vec())));
    }

    #[test]
    fn paths_of_descriptors_are_known() {
        let own = format!("/proc/{}/fd/12", raw::process());
        for path in ["/proc/self/fd/12", "/dev/fd/12", "/proc/thread-self/fd/12", &own] {
            assert_eq!(descriptor_in(path.as_bytes()), Some(12), "{path}");
        }
        for path in
            ["/proc/self/fd/", "/proc/self/fd/x", "/proc/1/fd/12", "/proc/self/fdinfo/12", "/dev/fd", "/proc", "12"]
        {
            assert_eq!(descriptor_in(path.as_bytes()), None, "{path}");
        }
        assert_eq!(descriptor_in(b"/proc/self/fd/-1"), None);
    }

    #[test]
    fn pointers_are_checked_where_nobody_has_looked() {
        assert!(names_node_checked(libc::AT_FDCWD, c"/dev/dxg".as_ptr()));
        assert!(!names_node_checked(libc::AT_FDCWD, c"/dev/null".as_ptr()));
        for bad in [0usize, 1, 0x1000, usize::MAX, 0xdead_beef_0000] {
            assert!(!names_node_checked(libc::AT_FDCWD, bad as *const c_char));
        }
        let long = std::ffi::CString::new(vec![b'x'; 5000]).unwrap();
        assert!(!names_node_checked(libc::AT_FDCWD, long.as_ptr()));
    }
}
