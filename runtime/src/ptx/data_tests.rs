//! The rewriting on real compilers' output, on damaged copies of it, and on large texts.

use std::time::Instant;

use proptest::prelude::*;

use super::{Cause, fuzz, rewrite};

fn folder() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/ptx")
}

/// Every PTX file of the data with its name.
fn texts() -> Vec<(String, String)> {
    let mut texts = Vec::new();
    for entry in std::fs::read_dir(folder()).unwrap_or_else(|error| panic!("{}: {error}", folder().display())) {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "ptx") {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            texts.push((name, std::fs::read_to_string(&path).unwrap()));
        }
    }
    texts.sort();
    texts
}

#[test]
fn every_kernel_that_may_be_merged_gets_a_twin() {
    let (mut entries, mut compilers) = (0, std::collections::BTreeSet::new());
    for (name, text) in texts() {
        if name.starts_with("nvcc-coop") || name.starts_with("nvrtc-refused") {
            continue;
        }
        compilers.insert(name.split('-').next().unwrap().to_owned());
        for entry in rewrite(&text).unwrap_or_else(|error| panic!("{name}: {error}")).entries {
            let twin = entry.twin.unwrap_or_else(|reason| panic!("{name}, {}: {reason}", entry.name));
            assert_eq!(twin.args_size, entry.args_size);
            entries += 1;
        }
    }
    assert!(entries >= 45, "only {entries} entries: is the data there?");
    assert_eq!(compilers.into_iter().collect::<Vec<_>>(), ["nvcc", "nvrtc", "rustc", "tinygrad", "triton"]);
}

#[test]
fn every_kernel_that_must_not_be_merged_is_left_alone() {
    let text = texts().into_iter().find(|(name, _)| name == "nvrtc-refused-sm_90.ptx").expect("the file").1;
    let out = rewrite(&text).unwrap();
    assert_eq!(out.text, text);
    let mut found = Vec::new();
    for entry in &out.entries {
        let reason = entry.twin.clone().expect_err(&entry.name);
        let cause = match reason.cause {
            Cause::Callee { because, .. } => because.cause,
            cause => cause,
        };
        found.push((entry.name.as_str(), cause));
    }
    let expected = [
        ("calls_where", Cause::GridRegister),
        ("indexed", Cause::ParameterAddress),
        ("counts", Cause::ModuleVariable),
        ("indirect", Cause::IndirectCall),
        ("asserts", Cause::ExternalCall),
        ("texture", Cause::Texture),
        ("dependent", Cause::DependentLaunch),
    ];
    assert_eq!(found, expected);
}

/// A text that any function here is linear in.
fn large(bytes: usize, piece: impl Fn(usize) -> String) -> String {
    let mut text = String::from(".version 8.0\n.target sm_90\n.address_size 64\n");
    let mut number = 0;
    while text.len() < bytes {
        text += &piece(number);
        number += 1;
    }
    text
}

/// Seconds that a text takes, the best of a few: other work shares the machine.
fn seconds(text: &str) -> f64 {
    let once = || {
        let begin = Instant::now();
        let entries = rewrite(text).unwrap().entries.len();
        assert!(entries > 0);
        begin.elapsed().as_secs_f64()
    };
    (0..2).map(|_| once()).fold(f64::INFINITY, f64::min)
}

#[test]
fn time_grows_with_length_and_no_faster() {
    let body = |n: usize| format!("L{n}: ld.global.f32 %f{n}, [%rd1+4]; @%p1 bra L{n};\n mov.u32 %r{n}, %ctaid.x;\n");
    let one_body = |bytes| {
        let text = large(bytes, |n| {
            if n == 0 {
                "\n.visible .entry k(.param .u64 p) {\n .reg .b32 %r<9999999>; .reg .f32 %f<9999999>; .reg .pred %p<2>; .reg .b64 %rd<2>;\n".into()
            } else {
                body(n)
            }
        });
        text + "ret; }\n"
    };
    let many_refused =
        |bytes| large(bytes, |n| format!(".entry e{n}(.param .u64 p) {{ .reg .b64 a; mov.u64 a, p; }}\n"));
    let many_functions = |bytes| {
        let chain = |n: usize| format!(".func f{n}() {{ call f{}; }}\n", n.saturating_sub(1));
        large(bytes, chain) + ".entry k() { call f7; }"
    };
    let variables = |bytes: usize| {
        let step = |n: usize| format!("mov.b64 %rd{}, %rd{n};\n", n + 1);
        let head = ".global .u32 g;\n.entry k() { .reg .b64 %rd<9999999>; mov.b64 %rd1, g;\n";
        large(bytes, |n| if n == 0 { head.into() } else { step(n) }) + "}"
    };
    let semicolons =
        |bytes: usize| large(bytes, |n| if n == 0 { ".entry k() {".into() } else { ";;;;;;;;".into() }) + "}";
    let shapes: [(&str, &dyn Fn(usize) -> String); 5] = [
        ("one body", &one_body),
        ("many refused entries", &many_refused),
        ("a chain of functions", &many_functions),
        ("a chain of addresses", &variables),
        ("nothing but semicolons", &semicolons),
    ];
    for (name, make) in shapes {
        let (short, long) = (seconds(&make(600_000)), seconds(&make(4_800_000)));
        // 8 times the length; a quadratic part would take 64 times as long. Caches and other work take their share.
        assert!(long < short * 32.0, "{name}: {short} s, and {long} s for 8 times the length");
    }
}

#[test]
fn depth_is_no_matter() {
    for deep in ["{".repeat(100_000), "{ ".repeat(50_000) + &"}".repeat(50_000), "(".repeat(100_000), "/*".repeat(9)] {
        let _ = rewrite(&deep);
        let _ = rewrite(&format!(".version 8.0\n.target sm_90\n.address_size 64\n.entry k() {{ {deep} }}"));
        let _ = rewrite(&format!(".version 8.0\n.target sm_90\n.address_size 64\n.entry k({deep}) {{ ret; }}"));
        let _ = rewrite(&format!(".version 8.0\n.target sm_90\n.address_size 64\n.global .u32 a = {deep};"));
    }
}

/// Pieces of PTX, so that random texts get behind the first token.
fn piece() -> impl Strategy<Value = String> {
    let words = [
        ".version",
        "8.0",
        ".target",
        "sm_90",
        ".address_size",
        "64",
        ".visible",
        ".entry",
        ".func",
        "k",
        "f",
        "(",
        ")",
        "{",
        "}",
        "[",
        "]",
        "<",
        ">",
        ",",
        ";",
        ":",
        "@",
        "!",
        "+",
        "-",
        "%p1",
        "%r1",
        "%ctaid",
        "%nctaid",
        ".x",
        ".param",
        ".u64",
        ".b8",
        ".align",
        "16",
        "ld",
        "mov",
        "call",
        "bra",
        "ret",
        "ld.param.u32 %r1, [k+4];",
        ".reg .b32 %r<4>;",
        ".global",
        "= {1, 2}",
        "\"text\"",
        ".loc 1 2 3",
        ".section",
        ".debug",
        "// c\n",
        "/*",
        "*/",
        "0x",
        "1e",
        "$L",
        ".",
        ".version 8.0 .target sm_90 .address_size 64",
        "\0",
        "é",
        "#",
        "\n",
    ];
    prop_oneof![8 => prop::sample::select(words.to_vec()).prop_map(str::to_owned), 1 => "\\PC{0,6}"]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn odd_text_never_panics(pieces in prop::collection::vec(piece(), 0..60), behind_head in any::<bool>()) {
        let head = if behind_head { ".version 8.0 .target sm_90 .address_size 64 .entry k(.param .u32 k) {" } else { "" };
        fuzz(format!("{head}{}", pieces.join(" ")).as_bytes());
    }

    #[test]
    fn damaged_text_never_panics(
        file in any::<prop::sample::Index>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), 0usize..40, piece()), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let texts = texts();
        let mut bytes = file.get(&texts).1.clone().into_bytes();
        for (at, removed, added) in damage {
            let at = at.index(bytes.len());
            let end = (at + removed).min(bytes.len());
            bytes.splice(at..end, added.into_bytes());
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        fuzz(&bytes);
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        fuzz(&bytes);
    }
}
