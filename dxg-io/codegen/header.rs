//! Writes `include/dxg.h`: the same interface for C, for programs that talk to the node themselves.
//!
//! Members that overlap are in unnamed unions and bit fields beside their word, so that C reaches all of them by name;
//! padding is spelled out; the header itself asserts every size and request code.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::facts::{Bit, Enum, Facts, Ioctl, Value};
use crate::model::{Member, Shape, Type};

const HEAD: &str = "\
/*
 * The user interface of /dev/dxg, the node of paravirtualized GPUs in WSL 2, for C and C++: request codes, their
 * arguments, enumerations and limits.
 *
 * Written by `cargo run -p dxg-io --example generate-sys` from the facts in dxg-io/tests/data/dxg-abi.json; change the
 * generator, not this file. Offsets in comments are bytes. A request returns 0, a positive NTSTATUS (0x103: completes when a
 * paging fence says so), -1 with errno, or a raw negative NTSTATUS.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef DXG_H
#define DXG_H

#include <stdint.h>
#include <sys/ioctl.h>

#ifdef __cplusplus
extern \"C\" {
#define DXG_ASSERT(holds) static_assert(holds, #holds)
#else
#define DXG_ASSERT(holds) _Static_assert(holds, #holds)
#endif

";

const TAIL: &str = "\
#ifdef __cplusplus
}
#endif

#endif
";

/// The header.
pub fn text(facts: &Facts, types: &[Type]) -> String {
    let mut out = String::from(HEAD);
    out.push_str("/* Limits. */\n");
    for Value { name, value } in &facts.constants {
        let _ = writeln!(out, "#define {name} {value}");
    }
    out.push_str("\n/* Enumerations: arguments hold them as 32-bit integers. */\n");
    for Enum { name, values, .. } in &facts.enums {
        // An enumerator of C is an int.
        if values.iter().any(|v| i32::try_from(v.value).is_err()) {
            let _ = writeln!(out, "/* enum {name} */");
            for Value { name, value } in values {
                let _ = writeln!(out, "#define {name} {value:#x}u");
            }
            out.push('\n');
            continue;
        }
        let _ = writeln!(out, "enum {name} {{");
        for Value { name, value } in values {
            let _ = writeln!(out, "\t{name} = {value},");
        }
        out.push_str("};\n\n");
    }
    out.push_str(
        "/* Types of adapter information; the driver passes any of them through. */\nenum dxg_adapter_information {\n",
    );
    for Value { name, value } in &facts.libdxg_kmtqueryadapterinfotype {
        let _ = writeln!(out, "\t{name} = {value},");
    }
    out.push_str("};\n\n");
    let unions: BTreeMap<&str, &Type> =
        types.iter().filter(|t| matches!(t.shape, Shape::Union(_))).map(|t| (t.name.as_str(), t)).collect();
    for t in types.iter().filter(|t| matches!(t.shape, Shape::Struct(_))) {
        structure(&mut out, facts, &unions, t);
    }
    out.push_str("/* Requests. */\n");
    for ioctl in &facts.ioctls {
        request(&mut out, ioctl);
    }
    out.push_str("\n/* Requests of newer drivers; older ones answer ENOTTY. */\n");
    for ioctl in &facts.later_ioctls_not_in_tree.ioctls {
        request(&mut out, ioctl);
    }
    out.push_str(
        "\n/* Calls X(request, its argument) for each request that every driver has. */\n#define DXG_EACH_REQUEST(X)",
    );
    for Ioctl { name, argument, .. } in &facts.ioctls {
        let _ = write!(out, " \\\n\tX({name}, struct {argument})");
    }
    out.push_str("\n\n");
    for Ioctl { name, request, .. } in facts.ioctls.iter().chain(&facts.later_ioctls_not_in_tree.ioctls) {
        let _ = writeln!(out, "DXG_ASSERT({name} == {request}u);");
    }
    out.push('\n');
    out.push_str(TAIL);
    out
}

fn request(out: &mut String, Ioctl { name, nr, argument, .. }: &Ioctl) {
    let _ = writeln!(out, "#define {name} _IOWR('G', {nr:#04x}, struct {argument})");
}

fn structure(out: &mut String, facts: &Facts, unions: &BTreeMap<&str, &Type>, t: &Type) {
    let Shape::Struct(members) = &t.shape else { return };
    let packed = t.align == 1 && members.iter().any(|m| !m.rust.contains("u8"));
    let attribute = if packed { " __attribute__((packed))" } else { "" };
    let _ = writeln!(out, "struct {} {{", t.name);
    for m in members {
        let bits = t.bits.iter().find(|(word, ..)| *word == m.name);
        match (bits, unions.get(m.rust.as_str())) {
            (Some((_, size, bits)), _) => word(out, facts, m, *size, bits),
            (None, Some(union)) => overlapping(out, facts, union),
            (None, None) => {
                let _ = writeln!(out, "\t{}; {}", declaration(facts, m), comment(m));
            }
        }
    }
    let _ = writeln!(out, "}}{attribute};\nDXG_ASSERT(sizeof(struct {}) == {});\n", t.name, t.size);
}

/// A word with its bit fields. Those that overlap others are in a struct of their own.
fn word(out: &mut String, facts: &Facts, m: &Member, size: u32, bits: &[Bit]) {
    let _ = writeln!(out, "\tunion {{\n\t\t{}; {}", declaration(facts, m), comment(m));
    let mut rest: Vec<&Bit> = bits.iter().collect();
    rest.sort_by_key(|bit| bit.bit);
    while !rest.is_empty() {
        let (mut end, mut overlapping) = (0, Vec::new());
        out.push_str("\t\tstruct {\n");
        for bit in rest {
            if bit.bit < end {
                overlapping.push(bit);
                continue;
            }
            let int = format!("uint{}_t", size * 8);
            if bit.bit > end {
                let _ = writeln!(out, "\t\t\t{int} : {};", bit.bit - end);
            }
            let _ = writeln!(out, "\t\t\t{int} {} : {};", bit.name, bit.width);
            end = bit.bit + bit.width;
        }
        out.push_str("\t\t};\n");
        rest = overlapping;
    }
    out.push_str("\t};\n");
}

fn overlapping(out: &mut String, facts: &Facts, union: &Type) {
    let Shape::Union(members) = &union.shape else { return };
    out.push_str("\tunion {\n");
    for m in members {
        let _ = writeln!(out, "\t\t{}; {}", declaration(facts, m), comment(m));
    }
    out.push_str("\t};\n");
}

fn name(m: &Member) -> &str {
    m.name.trim_start_matches("r#").trim_start_matches('_')
}

fn comment(m: &Member) -> String {
    format!("/* {} */", m.doc.replace(['`'], "").trim_end_matches('.'))
}

fn declaration(facts: &Facts, m: &Member) -> String {
    let (element, count) = match m.rust.trim_start_matches('[').split_once(';') {
        Some((element, count)) => (element, format!("[{}]", count.trim().trim_end_matches(']'))),
        None => (m.rust.as_str(), String::new()),
    };
    let c_type = match element {
        "u8" | "u16" | "u32" | "u64" => format!("uint{}_t", &element[1..]),
        "i32" => "int32_t".into(),
        other => match facts.enums.iter().find(|e| e.name == other) {
            Some(e) if e.base == "int" => "int32_t".into(),
            Some(_) => "uint32_t".into(),
            None => format!("struct {other}"),
        },
    };
    format!("{c_type} {}{count}", name(m))
}
