//! Finding the library, and whether a program can be entered by it at all.

use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
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
    if has_other_rights(&path)? {
        return Some(format!("{shown} runs with other rights than yours: the loader ignores libdxg_preload.so for it"));
    }
    let head = head_of(&path)?;
    // A script is run by the program that its first line names.
    let interpreter = interpreter_of(&head).filter(|interpreter| interpreter.is_absolute());
    let (head, shown) = match interpreter {
        Some(interpreter) => (head_of(&interpreter)?, interpreter.display().to_string()),
        None => (head, shown.to_string()),
    };
    let why = match kind_of(&head) {
        Kind::Fit => return None,
        Kind::Static => "is linked statically: it makes its system calls itself",
        Kind::OtherLoader => "is made for another C library than this library: its loader does not take it",
        Kind::OtherMachine => "is made for another processor than this library (32 bits?): its loader does not take it",
    };
    Some(format!("{shown} {why}, and will not find the software adapter"))
}

/// Whether the loader runs the program as somebody else, or with capabilities of its file: it then takes no library from the
/// environment.
fn has_other_rights(path: &Path) -> Option<bool> {
    let metadata = path.metadata().ok()?;
    let mode = metadata.permissions().mode();
    // SAFETY: neither call has arguments.
    let (user, group) = unsafe { (libc::getuid(), libc::getgid()) };
    let other = mode & 0o4000 != 0 && metadata.uid() != user || mode & 0o2010 == 0o2010 && metadata.gid() != group;
    let file = CString::new(path.as_os_str().as_bytes()).ok()?;
    // SAFETY: C strings; nothing is written for a length of 0.
    let capable =
        unsafe { libc::getxattr(file.as_ptr(), c"security.capability".as_ptr(), std::ptr::null_mut(), 0) } > 0;
    // Root has all capabilities already.
    Some(other || capable && user != 0)
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

/// What a script's first line names.
fn interpreter_of(head: &[u8]) -> Option<PathBuf> {
    let line = head.strip_prefix(b"#!")?.split(|&byte| byte == b'\n').next()?.trim_ascii_start();
    let path = line.split(|byte| byte.is_ascii_whitespace()).next()?;
    Some(PathBuf::from(OsStr::from_bytes(path)))
}

/// Whether a program's loader takes the library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// It does, as far as one can see; or this is no program at all, which the system will say.
    Fit,
    /// There is no loader.
    Static,
    /// That of another C library.
    OtherLoader,
    /// That of another processor.
    OtherMachine,
}

/// The machine's number in ELF files.
const MACHINE: u64 = if cfg!(target_arch = "x86_64") { 62 } else { 183 };

/// What the first bytes of a program say.
fn kind_of(head: &[u8]) -> Kind {
    const PT_INTERP: u64 = 3;
    let word = |at: usize, length: usize| {
        let bytes = head.get(at..at.checked_add(length)?)?;
        Some(bytes.iter().rev().fold(0u64, |sum, &byte| sum << 8 | u64::from(byte)))
    };
    if !head.starts_with(b"\x7fELF") {
        return Kind::Fit;
    }
    if !head.starts_with(b"\x7fELF\x02\x01") || word(18, 2).is_some_and(|machine| machine != MACHINE) {
        return Kind::OtherMachine;
    }
    let headers = || Some((word(32, 8)? as usize, word(54, 2)? as usize, word(56, 2)? as usize));
    let Some((first, size, count)) = headers() else { return Kind::Fit };
    for n in 0..count {
        let Some(at) = n.checked_mul(size).and_then(|at| first.checked_add(at)) else { return Kind::Fit };
        match word(at, 4) {
            Some(PT_INTERP) => {
                let place = || Some((word(at.checked_add(8)?, 8)? as usize, word(at.checked_add(32)?, 8)? as usize));
                let loader = place().and_then(|(from, length)| head.get(from..from.checked_add(length)?));
                let musl = loader.is_some_and(|loader| loader.windows(7).any(|part| part == b"ld-musl"));
                return if musl { Kind::OtherLoader } else { Kind::Fit };
            }
            Some(_) => {}
            // Not among the first bytes: nothing is known.
            None => return Kind::Fit,
        }
    }
    Kind::Static
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_that_the_library_cannot_enter_are_told_apart() {
        let own = head_of(&std::env::current_exe().unwrap()).unwrap();
        assert_eq!(kind_of(&own), Kind::Fit);
        let mut alone = own.clone();
        let (first, size, count) = (64, 56, usize::from(alone[56]));
        for n in 0..count {
            if alone[first + n * size] == 3 {
                alone[first + n * size] = 0;
            }
        }
        assert_eq!(kind_of(&alone), Kind::Static);
        for other in [&b"#!/bin/sh\n"[..], b"", &own[..60]] {
            assert_eq!(kind_of(other), Kind::Fit);
        }
        let (mut narrow, mut foreign, mut musl) = (own.clone(), own.clone(), own.clone());
        narrow[4] = 1;
        foreign[18] = 8;
        assert_eq!((kind_of(&narrow), kind_of(&foreign)), (Kind::OtherMachine, Kind::OtherMachine));
        let loader = own.windows(3).position(|part| part == b"ld-").expect("the loader is named");
        musl[loader..loader + 7].copy_from_slice(b"ld-musl");
        assert_eq!(kind_of(&musl), Kind::OtherLoader);
        for (script, interpreter) in [("#!/bin/sh\nx", "/bin/sh"), ("#! /usr/bin/env python3\n", "/usr/bin/env")] {
            assert_eq!(interpreter_of(script.as_bytes()), Some(PathBuf::from(interpreter)));
        }
        assert_eq!(interpreter_of(&own), None);
    }

    #[test]
    fn the_library_comes_before_what_is_there() {
        assert!(first(Path::new("/a b/x.so")).unwrap_err().to_string().contains("space or a colon"));
        let list = first(Path::new("/ab/x.so")).unwrap();
        assert!(list.as_bytes().starts_with(b"/ab/x.so"));
    }
}
