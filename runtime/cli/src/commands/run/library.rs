//! Finding the library, and whether a program can be entered by it at all.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::commands::Outcome;

const NAME: &str = "libdxg_preload.so";
/// Names the library's file.
const VARIABLE: &str = "DXGRT_PRELOAD";

/// The library, with its full path.
pub fn find() -> Outcome<PathBuf> {
    if let Some(chosen) = std::env::var_os(VARIABLE).filter(|chosen| !chosen.is_empty()) {
        let chosen = PathBuf::from(chosen);
        let chosen = if chosen.is_dir() { chosen.join(NAME) } else { chosen };
        return match chosen.canonicalize() {
            Ok(path) => Ok(path),
            Err(error) => Err(format!("{VARIABLE} names {}: {error}", chosen.display()).into()),
        };
    }
    let program = std::env::current_exe()?;
    let folder = program.parent().unwrap_or(Path::new("."));
    let places = [folder.join(NAME), folder.join("../lib").join(NAME)];
    if let Some(found) = places.iter().find_map(|place| place.canonicalize().ok()) {
        return Ok(found);
    }
    let release = if folder.ends_with("release") { " --release" } else { "" };
    let [beside, lib] = places.map(|place| place.display().to_string());
    Err(format!(
        "{NAME} is neither {beside} nor {lib}; build it with `cargo build{release} -p dxg-preload`, or name its file in \
         {VARIABLE}"
    )
    .into())
}

/// The library before all others that are to be preloaded.
pub fn first(library: &Path) -> Outcome<OsString> {
    let mut list = library.as_os_str().as_bytes().to_vec();
    if list.iter().any(|byte| matches!(byte, b' ' | b':')) {
        let sentence = format!(
            "{}: the loader takes no library whose path has a space or a colon; copy it elsewhere and name it in {VARIABLE}",
            library.display()
        );
        return Err(sentence.into());
    }
    if let Some(others) = std::env::var_os("LD_PRELOAD").filter(|others| !others.is_empty()) {
        list.push(b':');
        list.extend_from_slice(others.as_bytes());
    }
    Ok(OsString::from_vec(list))
}

/// Why no library can be put before this program, if that is so.
pub fn cannot_be_entered(name: &OsStr) -> Option<String> {
    let path = in_path(name)?;
    let shown = path.display();
    let mode = path.metadata().ok()?.permissions().mode();
    if mode & 0o6000 != 0 {
        return Some(format!("{shown} runs with other rights than yours: the loader ignores libdxg_preload.so for it"));
    }
    let head = head_of(&path)?;
    is_static(&head).then(|| {
        format!("{shown} is linked statically: it makes its system calls itself and will not find the software adapter")
    })
}

fn in_path(name: &OsStr) -> Option<PathBuf> {
    if name.as_bytes().contains(&b'/') {
        return Some(PathBuf::from(name));
    }
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders).map(|folder| folder.join(name)).find(|path| path.is_file())
}

fn head_of(path: &Path) -> Option<Vec<u8>> {
    use std::io::Read;
    let mut head = Vec::new();
    std::fs::File::open(path).ok()?.take(4096).read_to_end(&mut head).ok()?;
    Some(head)
}

/// Whether these are the first bytes of a 64-bit ELF program that asks for no loader.
fn is_static(head: &[u8]) -> bool {
    const PT_INTERP: u32 = 3;
    let word = |at: usize, length: usize| {
        let bytes = head.get(at..at + length)?;
        Some(bytes.iter().rev().fold(0u64, |sum, &byte| sum << 8 | u64::from(byte)))
    };
    let headers = || Some((word(32, 8)? as usize, word(54, 2)? as usize, word(56, 2)? as usize));
    let Some((first, size, count)) = headers().filter(|_| head.starts_with(b"\x7fELF\x02\x01")) else { return false };
    let kinds: Option<Vec<u64>> = (0..count).map(|n| word(first.checked_add(n.checked_mul(size)?)?, 4)).collect();
    kinds.is_some_and(|kinds| !kinds.contains(&u64::from(PT_INTERP)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_without_a_loader_are_told_apart() {
        let own = head_of(&std::env::current_exe().unwrap()).unwrap();
        assert!(!is_static(&own));
        let mut patched = own.clone();
        let (first, size, count) = (64, 56, usize::from(patched[56]));
        for n in 0..count {
            if patched[first + n * size] == 3 {
                patched[first + n * size] = 0;
            }
        }
        assert!(is_static(&patched));
        assert!(!is_static(b"#!/bin/sh\n") && !is_static(b"") && !is_static(&own[..60]));
    }

    #[test]
    fn the_library_comes_before_what_is_there() {
        assert!(first(Path::new("/a b/x.so")).unwrap_err().to_string().contains("space or a colon"));
        let list = first(Path::new("/ab/x.so")).unwrap();
        assert!(list.as_bytes().starts_with(b"/ab/x.so"));
    }
}
