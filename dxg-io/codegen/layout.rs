//! Writes the table with which `tests/abi.rs` looks at the real types: sizes, offsets and bit accessors as compiled.

use std::fmt::Write;

use crate::facts::Facts;
use crate::model::{Shape, Type};

const HEAD: &str =
    "// Written by `cargo run -p dxg-io --example generate-sys`; change the generator, not this file.\n\n";

/// The generated files of the test.
pub fn files(facts: &Facts, types: &[Type]) -> Vec<(String, String)> {
    let mut out = format!("//! The types as the compiler laid them out.\n{HEAD}use super::*;\n\n");
    out.push_str("#[rustfmt::skip]\npub fn types() -> Vec<TypeRow> {\n    vec![\n");
    for t in types {
        let members = match &t.shape {
            Shape::Struct(members) | Shape::Union(members) => members,
        };
        let kind = if matches!(t.shape, Shape::Struct(_)) { "structure" } else { "overlapping" };
        let _ = writeln!(out, "        {kind}!({} {{", t.name);
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
    }
    out.push_str("    ]\n}\n\n#[rustfmt::skip]\npub fn bits() -> Vec<BitRow> {\n    vec![\n");
    for t in types {
        for (word, size, bits) in &t.bits {
            for b in bits {
                let kind = if b.width == 1 { "flag" } else { "range" };
                let _ = writeln!(out, "        {kind}!({}.{word} u{} {} set_{}),", t.name, size * 8, b.name, b.name);
            }
        }
    }
    out.push_str(
        "    ]\n}\n\n#[rustfmt::skip]\npub fn values() -> Vec<(&'static str, &'static str, i64)> {\n    vec![\n",
    );
    for e in &facts.enums {
        for v in &e.values {
            let _ = writeln!(out, "        (\"{}\", \"{}\", sys::{} as i64),", e.name, v.name, v.name);
        }
    }
    for v in &facts.libdxg_kmtqueryadapterinfotype {
        let _ = writeln!(out, "        (\"libdxg\", \"{}\", sys::{} as i64),", v.name, v.name);
    }
    for v in &facts.constants {
        let _ = writeln!(out, "        (\"\", \"{}\", sys::{} as i64),", v.name, v.name);
    }
    for i in facts.ioctls.iter().chain(&facts.later_ioctls_not_in_tree.ioctls) {
        let _ = writeln!(out, "        (\"ioctl\", \"{}\", sys::{} as i64),", i.name, i.name);
    }
    out.push_str(
        "    ]\n}\n\n#[rustfmt::skip]\npub fn enum_sizes() -> Vec<(&'static str, usize, bool)> {\n    vec![\n",
    );
    for e in &facts.enums {
        let _ = writeln!(out, "        (\"{}\", size_of::<sys::{}>(), signed::<sys::{}>()),", e.name, e.name, e.name);
    }
    out.push_str("    ]\n}\n");
    vec![("tests/abi_layout/mod.rs".into(), out)]
}
