//! Writes the table with which `tests/abi.rs` looks at the real types: sizes, offsets and bit accessors as compiled.

use std::fmt::Write;
use std::ops::Range;

use crate::facts::Facts;
use crate::model::{Shape, Type};
use crate::topics::TOPICS;

const HEAD: &str =
    "// Written by `cargo run -p dxg-io --example generate-sys`; change the generator, not this file.\n\n";

/// The generated files of the test: the types by the topics of `src/sys`, their bits, the values of names, and what joins them.
pub fn files(facts: &Facts, types: &[Type], of_topic: &[Range<usize>]) -> Vec<(String, String)> {
    let file = |name: &str, about: &str, body: String| {
        let text = format!("//! {about}, as the compiler has them.\n{HEAD}use super::*;\n\n{body}");
        (format!("tests/abi_layout/{name}.rs"), text)
    };
    let mut files = Vec::new();
    for (topic, own) in TOPICS.iter().zip(of_topic) {
        let rows = types[own.clone()].iter().map(type_row).collect();
        let (name, about) = (format!("structs_{}", topic.name), format!("Types of `sys::structs_{}`", topic.name));
        files.push(file(&name, &about, function("types", "TypeRow", rows)));
    }
    files.push(file("bits", "Bit fields", function("bits", "BitRow", bit_rows(types))));
    files.push(file("values", "Values of names, and sizes of enumerations", values(facts)));
    let mut joined = format!("//! The types as the compiler laid them out.\n{HEAD}use super::*;\n\nmod bits;\n");
    // As rustfmt orders them.
    let mut names: Vec<_> = TOPICS.iter().map(|topic| topic.name).collect();
    names.sort_unstable();
    for name in names {
        let _ = writeln!(joined, "mod structs_{name};");
    }
    joined.push_str("mod values;\n\npub use bits::bits;\npub use values::{enum_sizes, values};\n\n");
    joined.push_str("#[rustfmt::skip]\npub fn types() -> Vec<TypeRow> {\n    let all = [\n");
    for topic in TOPICS {
        let _ = writeln!(joined, "        structs_{}::types(),", topic.name);
    }
    joined.push_str("    ];\n    all.into_iter().flatten().collect()\n}\n");
    files.push(("tests/abi_layout/mod.rs".into(), joined));
    files
}

/// A function that gives a list of rows.
fn function(name: &str, row: &str, rows: String) -> String {
    format!("#[rustfmt::skip]\npub fn {name}() -> Vec<{row}> {{\n    vec![\n{rows}    ]\n}}\n")
}

/// A type with its members.
fn type_row(t: &Type) -> String {
    let (kind, members) = match &t.shape {
        Shape::Struct(members) => ("structure", members),
        Shape::Union(members) => ("overlapping", members),
    };
    let mut out = format!("        {kind}!({} {{\n", t.name);
    for m in members {
        match &t.shape {
            Shape::Struct(_) => {
                let _ = writeln!(out, "            {}: {},", m.name, m.rust);
            }
            Shape::Union(_) => {
                let set = format!("set_{}", m.name.trim_start_matches("r#"));
                let _ = writeln!(out, "            {} {set}: {},", m.name, m.rust);
            }
        }
    }
    out.push_str("        }),\n");
    out
}

/// Every bit field of every type.
fn bit_rows(types: &[Type]) -> String {
    let mut out = String::new();
    for t in types {
        for (word, size, bits) in &t.bits {
            for b in bits {
                let kind = if b.width == 1 { "flag" } else { "range" };
                let _ = writeln!(out, "        {kind}!({}.{word} u{} {} set_{}),", t.name, size * 8, b.name, b.name);
            }
        }
    }
    out
}

/// The values of enumerators, constants and requests, and the sizes of enumerations.
fn values(facts: &Facts) -> String {
    let mut rows = String::new();
    for e in &facts.enums {
        for v in &e.values {
            let _ = writeln!(rows, "        (\"{}\", \"{}\", sys::{} as i64),", e.name, v.name, v.name);
        }
    }
    for v in &facts.libdxg_kmtqueryadapterinfotype {
        let _ = writeln!(rows, "        (\"libdxg\", \"{}\", sys::{} as i64),", v.name, v.name);
    }
    for v in &facts.constants {
        let _ = writeln!(rows, "        (\"\", \"{}\", sys::{} as i64),", v.name, v.name);
    }
    for i in facts.ioctls.iter().chain(&facts.later_ioctls_not_in_tree.ioctls) {
        let _ = writeln!(rows, "        (\"ioctl\", \"{}\", sys::{} as i64),", i.name, i.name);
    }
    let mut sizes = String::new();
    for e in &facts.enums {
        let _ = writeln!(sizes, "        (\"{}\", size_of::<sys::{}>(), signed::<sys::{}>()),", e.name, e.name, e.name);
    }
    let values = function("values", "(&'static str, &'static str, i64)", rows);
    format!("{values}\n{}", function("enum_sizes", "(&'static str, usize, bool)", sizes))
}
