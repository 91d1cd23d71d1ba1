//! Writes the files of `src/sys`: the text of each is decided here, its content by the facts.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::facts::{Enum, Facts, Ioctl, Value};
use crate::header;
use crate::layout;
use crate::model::{self, Member, Shape, Type};
use crate::topics::TOPICS;

const NOTICE: &str =
    "// Written by `cargo run -p dxg-io --example generate-sys`; change the generator, not this file.\n";

/// Every generated file: path within the package, and content.
pub fn files(facts: &Facts) -> Result<Vec<(String, String)>, String> {
    let structs = facts.all_structs();
    let uses = facts.uses();
    let mut files = Vec::new();
    let mut types = Vec::new();
    let mut of_topic = Vec::new();
    for topic in TOPICS {
        let (mut body, first) = (String::new(), types.len());
        for name in topic.structs {
            let facts_of = structs.iter().find(|s| s.name == *name);
            let facts_of = facts_of.ok_or_else(|| format!("the facts have no struct {name} (topic {})", topic.name))?;
            for t in model::types_of(facts, facts_of)? {
                write_type(&mut body, &t, &describe(&t, name, &uses));
                types.push(t);
            }
        }
        files.push((format!("src/sys/structs_{}.rs", topic.name), struct_file(topic.title, topic.name, &body)));
        of_topic.push(first..types.len());
    }
    if let Some(lost) = structs.iter().find(|s| !TOPICS.iter().any(|t| t.structs.contains(&s.name.as_str()))) {
        return Err(format!("no topic lists the struct {}", lost.name));
    }
    files.push(("src/sys/enums.rs".into(), enums(facts)));
    files.push(("src/sys/constants.rs".into(), constants(&facts.constants)));
    files.push(("src/sys/ioctls.rs".into(), ioctls(facts)));
    files.push(("src/sys/mod.rs".into(), module()));
    files.push(("include/dxg.h".into(), header::text(facts, &types)));
    files.extend(layout::files(facts, &types, &of_topic));
    Ok(files)
}

fn struct_file(title: &str, topic: &str, body: &str) -> String {
    let mut imports = Vec::new();
    if topic != "basic" {
        imports.push("use super::*;\n");
    }
    let macros: Vec<&str> = [("bits! {", "bits"), ("overlap! {", "overlap"), ("plain!(", "plain")]
        .iter()
        .filter(|(text, _)| body.contains(text))
        .map(|(_, name)| *name)
        .collect();
    let macros = match macros.as_slice() {
        [one] => format!("use super::support::{one};\n"),
        many => format!("use super::support::{{{}}};\n", many.join(", ")),
    };
    let both = format!("{macros}{}", imports.concat());
    format!("//! {title}\n{NOTICE}\n{both}\n{}", body.trim_end().to_string() + "\n")
}

fn describe(t: &Type, fact: &str, uses: &BTreeMap<String, Vec<String>>) -> String {
    if t.name != fact {
        return format!("Part of `{fact}`, {} bytes.", t.size);
    }
    match uses.get(fact).map(Vec::as_slice) {
        Some([]) | None => format!("`{fact}`, {} bytes; named by no ioctl argument.", t.size),
        Some(list) => {
            let shown = if list.len() > 3 {
                format!("{} and {} more", list[..2].join(", "), list.len() - 2)
            } else {
                list.join(", ")
            };
            let mut text = format!("{shown}; {} bytes.", t.size);
            if let Some(first) = text.get_mut(..1) {
                first.make_ascii_uppercase();
            }
            text
        }
    }
}

fn write_type(out: &mut String, t: &Type, doc: &str) {
    match &t.shape {
        Shape::Struct(members) => write_struct(out, t, members, doc),
        Shape::Union(members) => {
            let _ = writeln!(out, "overlap! {{\n    /// {doc}\n    union {}, {}, {} {{", t.name, t.size, t.align);
            for m in members {
                let plain_name = m.name.trim_start_matches("r#");
                let _ = writeln!(out, "        /// {}\n        {} set_{plain_name}: {};", m.doc, m.name, m.rust);
            }
            out.push_str("    }\n}\n\n");
        }
    }
    for (word, size, bits) in &t.bits {
        let _ = writeln!(out, "bits! {{\n    {}.{word}: u{} {{", t.name, size * 8);
        for b in bits.iter().filter(|b| b.width == 1) {
            let _ = writeln!(out, "        flag {} set_{} {};", b.name, b.name, b.bit);
        }
        for b in bits.iter().filter(|b| b.width != 1) {
            let _ = writeln!(out, "        range {} set_{} {} {};", b.name, b.name, b.bit, b.width);
        }
        out.push_str("    }\n}\n\n");
    }
}

fn write_struct(out: &mut String, t: &Type, members: &[Member], doc: &str) {
    let natural = members.iter().all(|m| m.offset % natural_align(&m.rust) == 0);
    let packed = t.align == 1 && (!natural || members.iter().any(|m| natural_align(&m.rust) > 1));
    let repr = if packed { "C, packed" } else { "C" };
    let hash = if matches!(t.name.as_str(), "d3dkmthandle" | "winluid") { ", Hash" } else { "" };
    let _ = writeln!(out, "/// {doc}\n#[repr({repr})]\n#[derive(Clone, Copy, Debug, PartialEq, Eq{hash})]");
    let _ = writeln!(out, "pub struct {} {{", t.name);
    for m in members {
        let _ = writeln!(out, "    /// {}\n    pub {}: {},", m.doc, m.name, m.rust);
    }
    let _ = writeln!(out, "}}\n\nplain!({}, {}, {});\n", t.name, t.size, t.align);
}

fn natural_align(rust: &str) -> u32 {
    match rust.trim_start_matches('[').split(';').next().unwrap_or(rust) {
        "u64" => 8,
        "u32" | "i32" => 4,
        "u16" => 2,
        "d3dkmthandle" => 4,
        _ => 1,
    }
}

fn enums(facts: &Facts) -> String {
    let mut out =
        format!("//! Enumerations: the type is the integer that C uses, the values are constants.\n{NOTICE}\n");
    for Enum { name, base, values } in &facts.enums {
        let int = if base == "int" { "i32" } else { "u32" };
        let _ = writeln!(out, "/// `enum {name}`.\npub type {name} = {int};\n");
        for Value { name: constant, value } in values {
            let _ = writeln!(out, "/// Value {value} of `{name}`.\npub const {constant}: {name} = {value};");
        }
        out.push('\n');
    }
    out.push_str(
        "// The information types that Microsoft's user-mode library knows; the driver passes any of them through.\n\n",
    );
    for Value { name, value } in &facts.libdxg_kmtqueryadapterinfotype {
        let _ = writeln!(
            out,
            "/// Adapter information type {value}.\npub const {name}: kmtqueryadapterinfotype = {value};"
        );
    }
    out
}

fn constants(values: &[Value]) -> String {
    let mut out = format!("//! Limits.\n{NOTICE}\n");
    for Value { name, value } in values {
        let _ = writeln!(out, "/// Limit of the driver: {value}.\npub const {name}: u32 = {value};");
    }
    out
}

fn ioctls(facts: &Facts) -> String {
    let mut out = format!("//! Request codes.\n{NOTICE}\nuse super::support::argument;\nuse super::*;\n\n");
    let later = &facts.later_ioctls_not_in_tree.ioctls;
    for Ioctl { name, nr, argument, size, request, .. } in facts.ioctls.iter().chain(later) {
        let _ = writeln!(out, "/// Request {nr:#04x}, argument [`{argument}`](super::{argument}), {size} bytes.");
        let _ = writeln!(out, "pub const {name}: u32 = {request};");
    }
    let _ = writeln!(out, "\n/// The requests that every driver has, by number.");
    table(&mut out, "IOCTLS", &facts.ioctls, false);
    let _ = writeln!(out, "\n/// Requests of newer drivers; older ones answer `ENOTTY`.");
    table(&mut out, "OPTIONAL_IOCTLS", later, true);
    out.push_str("\nargument! {\n");
    for (table, list) in [("IOCTLS", &facts.ioctls), ("OPTIONAL_IOCTLS", later)] {
        let mut list: Vec<&Ioctl> = list.iter().collect();
        list.sort_by_key(|i| i.nr);
        for (i, ioctl) in list.iter().enumerate() {
            let _ = writeln!(out, "    {}: {table}[{i}];", ioctl.argument);
        }
    }
    out.push_str("}\n");
    out
}

fn table(out: &mut String, name: &str, list: &[Ioctl], optional: bool) {
    let mut list: Vec<&Ioctl> = list.iter().collect();
    list.sort_by_key(|i| i.nr);
    let _ = writeln!(out, "#[rustfmt::skip]\npub const {name}: [IoctlInfo; {}] = [", list.len());
    for Ioctl { name, nr, size, .. } in list {
        let _ = writeln!(
            out,
            "    IoctlInfo {{ name: \"{name}\", nr: {nr:#04x}, request: {name}, size: {size}, optional: {optional} }},"
        );
    }
    out.push_str("];\n");
}

fn module() -> String {
    let mut out = String::from(
        "//! The driver's user interface: request codes, argument structs, enumerations and limits, with their C names.\n\
         //!\n\
         //! Generated from the facts in `tests/data/dxg-abi.json`. Members that overlap in C are reached through the field\n\
         //! `u` and its methods; bit fields through methods of the struct that holds their word; padding is spelled out, so\n\
         //! that every type is [`Plain`].\n",
    );
    out.push_str(NOTICE);
    out.push_str("#![allow(non_camel_case_types, non_snake_case, non_upper_case_globals)]\n\n");
    let mut modules = vec!["constants".to_string(), "enums".into(), "ioctls".into(), "support".into()];
    modules.extend(TOPICS.iter().map(|t| format!("structs_{}", t.name)));
    modules.sort();
    for m in &modules {
        let _ = writeln!(out, "mod {m};");
    }
    out.push('\n');
    for m in modules.iter().filter(|m| *m != "support") {
        let _ = writeln!(out, "pub use {m}::*;");
    }
    out.push_str("pub(crate) use support::plain;\npub use support::{Argument, IoctlInfo, Plain};\n");
    out
}
