//! The interface: the header is what the sources say, its numbers are what they always were, and nothing else is exported.

#[path = "../../examples/generate-header.rs"]
mod generate_header;

use std::collections::BTreeSet;
use std::process::Command;

use crate::support::{library, package, run};

fn header() -> String {
    std::fs::read_to_string(generate_header::path()).expect("the header is checked in")
}

fn sources() -> Vec<(String, String)> {
    let folder = std::fs::read_dir(package().join("src")).expect("the sources");
    let read =
        |path: std::path::PathBuf| (path.display().to_string(), std::fs::read_to_string(path).expect("a source"));
    folder.map(|entry| read(entry.expect("an entry").path())).collect()
}

#[test]
fn the_header_is_generated_from_these_sources() {
    assert!(
        header() == generate_header::header(),
        "include/dxgrt.h is not what the sources say; run `cargo run -p dxg-ffi --example generate-header`"
    );
}

#[test]
fn every_version_macro_is_that_of_cargo() {
    let number = |name: &str| -> u64 {
        let line = header().lines().find(|line| line.starts_with(&format!("#define {name} "))).map(str::to_owned);
        line.unwrap_or_else(|| panic!("no {name}")).rsplit(' ').next().unwrap().parse().unwrap()
    };
    let macros = header().lines().filter(|line| line.starts_with("#define DXGRT_") && line.contains("VERSION")).count();
    assert_eq!(macros, 4, "a version macro that this test does not know");
    let (major, minor) = (number("DXGRT_VERSION_MAJOR"), number("DXGRT_VERSION_MINOR"));
    assert_eq!(major.to_string(), env!("CARGO_PKG_VERSION_MAJOR"));
    assert_eq!(minor.to_string(), env!("CARGO_PKG_VERSION_MINOR"));
    assert_eq!(number("DXGRT_VERSION_PATCH").to_string(), env!("CARGO_PKG_VERSION_PATCH"));
    let soname = format!("libdxgrt.so.{}", number("DXGRT_ABI_VERSION"));
    let build = std::fs::read_to_string(package().join("build.rs")).unwrap();
    assert!(build.contains(&format!("-soname,{soname}\"")), "build.rs names another soname than {soname}");
}

/// These numbers were given out: they never change, and none is used again.
#[test]
fn statuses_keep_their_numbers() {
    use dxgrt::dxgrt_status::*;
    let frozen = [
        (DXGRT_OK, "DXGRT_OK", 0),
        (DXGRT_NOT_READY, "DXGRT_NOT_READY", 1),
        (DXGRT_TIMEOUT, "DXGRT_TIMEOUT", 2),
        (DXGRT_INVALID, "DXGRT_INVALID", -1),
        (DXGRT_NO_MEMORY, "DXGRT_NO_MEMORY", -2),
        (DXGRT_BAD_IMAGE, "DXGRT_BAD_IMAGE", -3),
        (DXGRT_NOT_FOUND, "DXGRT_NOT_FOUND", -4),
        (DXGRT_LAUNCH_FAILED, "DXGRT_LAUNCH_FAILED", -5),
        (DXGRT_DEPENDENCY_FAILED, "DXGRT_DEPENDENCY_FAILED", -6),
        (DXGRT_DEVICE_LOST, "DXGRT_DEVICE_LOST", -7),
        (DXGRT_UNSUPPORTED, "DXGRT_UNSUPPORTED", -8),
        (DXGRT_SHUTDOWN, "DXGRT_SHUTDOWN", -9),
        (DXGRT_FORKED, "DXGRT_FORKED", -10),
        (DXGRT_PANIC, "DXGRT_PANIC", -11),
        (DXGRT_FULL, "DXGRT_FULL", -12),
        (DXGRT_DRIVER, "DXGRT_DRIVER", -13),
    ];
    let header = header();
    for (status, name, number) in frozen {
        assert_eq!(status as i32, number, "{name}");
        assert!(header.contains(&format!("    {name} = {number},\n")), "{name}");
        // SAFETY: needed to read foreign text; names are constants that end with a NUL.
        let named = unsafe { std::ffi::CStr::from_ptr(dxgrt::dxgrt_status_name(number)) };
        assert_eq!(named.to_str().unwrap(), name);
    }
    assert_eq!(header.matches(" = ").count(), frozen.len(), "a status that this test does not know");
}

/// The size and the last field of every structure on 64-bit machines: what is there stays where it is.
#[test]
fn structures_keep_their_layout() {
    use std::mem::{offset_of, size_of};
    assert_eq!((size_of::<dxgrt::dxgrt_fence>(), size_of::<dxgrt::dxgrt_access>()), (16, 24));
    assert_eq!(
        (size_of::<dxgrt::dxgrt_launch_params>(), offset_of!(dxgrt::dxgrt_launch_params, access_count)),
        (64, 56)
    );
    assert_eq!((size_of::<dxgrt::dxgrt_cmd>(), offset_of!(dxgrt::dxgrt_cmd, u)), (80, 8));
    assert_eq!((size_of::<dxgrt::dxgrt_patch>(), offset_of!(dxgrt::dxgrt_patch, size)), (32, 24));
    assert_eq!((size_of::<dxgrt::dxgrt_stats>(), offset_of!(dxgrt::dxgrt_stats, flush_other)), (240, 232));
    assert_eq!(
        (size_of::<dxgrt::dxgrt_open_options>(), offset_of!(dxgrt::dxgrt_open_options, staging_bytes)),
        (80, 40)
    );
    assert_eq!(
        (
            offset_of!(dxgrt::dxgrt_open_options, cuda_context),
            offset_of!(dxgrt::dxgrt_open_options, pinned_bytes),
            offset_of!(dxgrt::dxgrt_open_options, cuda_user)
        ),
        (48, 56, 72)
    );
    assert_eq!((size_of::<dxgrt::dxgrt_mem_stats>(), size_of::<dxgrt::dxgrt_stream_options>()), (80, 8));
    assert_eq!(offset_of!(dxgrt::dxgrt_device_info, hardware_queues), 268);
    assert_eq!(size_of::<dxgrt::dxgrt_wg>(), 36);
}

/// Forked processes are turned away and panics end at the border only where every export passes the guard.
#[test]
fn every_export_has_a_guard_as_its_body() {
    let mut exports = BTreeSet::new();
    for (file, text) in sources() {
        for (at, _) in text.match_indices("extern \"C\" fn ") {
            // Pointers to foreign functions have no name.
            let rest = &text[at + "extern \"C\" fn ".len()..];
            let name = rest.split('(').next().unwrap_or_default();
            let body = rest.split_once('{').map(|(_, body)| body).unwrap_or_default();
            // Constants may stand in front.
            let first = body.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with("const "));
            let first = first.unwrap_or_default();
            let guarded = ["guard(||", "guard_value(", "guard_child("].iter().any(|guard| first.starts_with(guard));
            assert!(guarded, "{file}: {name} does not begin with a guard but with: {first}");
            if name.starts_with("dxgrt_") {
                let attribute = text[..at].trim_end().rsplit('\n').nth(usize::from(text[..at].ends_with("unsafe ")));
                let before: String = text[..at].lines().rev().take(2).collect();
                assert!(before.contains("unsafe(no_mangle)"), "{file}: {name} is not exported: {attribute:?}");
                exports.insert(name.to_owned());
            }
        }
    }
    assert!(exports.len() > 45, "{exports:?}");
    // The header has the same ones.
    assert_eq!(declared(), exports);
}

/// The calls that the header declares.
fn declared() -> BTreeSet<String> {
    let header = header();
    let lines = header.lines().filter(|line| !line.starts_with("//") && line.contains("dxgrt_") && line.contains('('));
    let names = lines.filter_map(|line| line.split('(').next()?.rsplit([' ', '*']).next().map(str::to_owned));
    names.filter(|name| name.starts_with("dxgrt_")).collect()
}

#[test]
fn every_call_is_tried_after_a_fork_and_after_the_close() {
    let program = std::fs::read_to_string(package().join("tests/c/after.c")).expect("the program");
    let missing: Vec<_> = declared().into_iter().filter(|name| !program.contains(&format!("{name}("))).collect();
    assert!(missing.is_empty(), "after.c does not call {missing:?}");
}

#[test]
fn nothing_but_the_interface_is_exported() {
    let library = library().join("libdxgrt.so");
    let symbols = run(Command::new("nm").args(["-D", "--defined-only"]).arg(&library)).stdout;
    let symbols = String::from_utf8(symbols).unwrap();
    let mut count = 0;
    for symbol in symbols.lines().filter_map(|line| line.split_whitespace().nth(2)) {
        assert!(symbol.starts_with("dxgrt_"), "{symbol} is exported");
        count += 1;
    }
    assert!(count > 45, "{symbols}");
    let dynamic = run(Command::new("readelf").args(["--dynamic", "--wide"]).arg(&library)).stdout;
    let dynamic = String::from_utf8(dynamic).unwrap();
    assert!(dynamic.contains("[libdxgrt.so.0]") && dynamic.contains("NODELETE"), "{dynamic}");
    // Stated in RULES.md: a program built here runs where this glibc, or a later one, is.
    let versions = run(Command::new("readelf").args(["--version-info", "--wide"]).arg(&library)).stdout;
    let versions = String::from_utf8(versions).unwrap();
    let newest = versions.match_indices("GLIBC_2.").filter_map(|(at, found)| {
        versions[at + found.len()..].split(|c: char| !c.is_ascii_digit()).next()?.parse::<u32>().ok()
    });
    let newest = newest.max().expect("the library uses glibc");
    let rules = std::fs::read_to_string(package().join("RULES.md")).unwrap();
    let stated = rules.split("glibc 2.").nth(1).and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next());
    let stated: u32 = stated.expect("RULES.md states the oldest glibc").parse().unwrap();
    assert!(newest <= stated, "the library needs glibc 2.{newest}, and RULES.md says 2.{stated}");
}
