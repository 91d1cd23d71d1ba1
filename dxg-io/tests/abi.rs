//! The generated ABI against the facts: the types as the compiler laid them out, every bit field as its accessors move
//! it, every constant and request code; and the checked-in files against what the generator writes now.
//!
//! `abi_layout` (generated) measures the real types. Which members there must be, and where, is read from
//! `tests/data/dxg-abi.json` here, so a wrong generator cannot agree with itself.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::{align_of, offset_of, size_of};
use std::path::Path;

use dxg_io::sys::{self, *};
use serde_json::Value;

/// One type, measured.
pub struct TypeRow {
    name: &'static str,
    size: usize,
    align: usize,
    union: bool,
    members: Vec<MemberRow>,
}

/// One member of it.
pub struct MemberRow {
    name: &'static str,
    rust: &'static str,
    offset: usize,
    size: usize,
}

/// One bit field: which bits of the struct its setter sets.
pub struct BitRow {
    owner: &'static str,
    name: &'static str,
    bits: Vec<usize>,
    getter_agrees: bool,
}

macro_rules! structure {
    ($t:ident { $($m:ident: $ty:ty,)* }) => {{
        $({
            // Fails to compile when the member has another type.
            let _: fn(&$t) -> $ty = |t| t.$m;
        })*
        TypeRow {
            name: stringify!($t),
            size: size_of::<$t>(),
            align: align_of::<$t>(),
            union: false,
            members: vec![$(MemberRow {
                name: stringify!($m),
                rust: stringify!($ty),
                offset: offset_of!($t, $m),
                size: size_of::<$ty>(),
            },)*],
        }
    }};
}

macro_rules! overlapping {
    ($t:ident { $($m:ident $set:ident: $ty:ty,)* }) => {{
        let mut members = Vec::new();
        $({
            let get: fn(&$t) -> $ty = $t::$m;
            let set: fn(&mut $t, $ty) = $t::$set;
            // Setting the member changes exactly the first bytes, and reading it gives them back.
            let mut value = <$ty as Filled>::zero();
            value.fill(0xa5);
            let mut whole = $t::zeroed();
            set(&mut whole, value);
            let changed = whole.as_bytes().iter().take_while(|b| **b == 0xa5).count();
            let rest_untouched = whole.as_bytes()[changed..].iter().all(|b| *b == 0);
            assert!(rest_untouched && get(&whole).filled_with(0xa5), "{}.{}", stringify!($t), stringify!($m));
            assert_eq!(changed, size_of::<$ty>(), "{}.{}", stringify!($t), stringify!($m));
            members.push(MemberRow { name: stringify!($m), rust: stringify!($ty), offset: 0, size: changed });
        })*
        TypeRow { name: stringify!($t), size: size_of::<$t>(), align: align_of::<$t>(), union: true, members }
    }};
}

macro_rules! flag {
    ($t:ident.$word:ident $int:ident $get:ident $set:ident) => {{
        let mut t = <$t as Plain>::zeroed();
        t.$set(true);
        let mut inverse = inverted(&t);
        let getter_agrees = t.$get() && !inverse.$get();
        inverse.$set(true);
        let mut cleared = inverse;
        cleared.$set(false);
        let all = inverse.as_bytes().iter().all(|b| *b == 0xff);
        BitRow {
            owner: stringify!($t),
            name: stringify!($get),
            bits: set_bits(&t),
            getter_agrees: getter_agrees && all && cleared == inverted(&t),
        }
    }};
}

macro_rules! range {
    ($t:ident.$word:ident $int:ident $get:ident $set:ident) => {{
        let mut t = <$t as Plain>::zeroed();
        t.$set($int::MAX);
        let bits = set_bits(&t);
        let mut inverse = inverted(&t);
        let full = $int::MAX >> ($int::BITS as usize - bits.len().clamp(1, $int::BITS as usize));
        let getter_agrees = t.$get() == full && inverse.$get() == 0;
        inverse.$set(full);
        let mut cleared = inverse;
        cleared.$set(0);
        let all = inverse.as_bytes().iter().all(|b| *b == 0xff);
        BitRow {
            owner: stringify!($t),
            name: stringify!($get),
            bits,
            getter_agrees: getter_agrees && all && cleared == inverted(&t),
        }
    }};
}

mod abi_layout;

#[path = "../codegen/facts.rs"]
mod facts;
#[path = "../codegen/generate.rs"]
mod generate;
#[path = "../codegen/header.rs"]
mod header;
#[path = "../codegen/layout.rs"]
mod layout;
#[path = "../codegen/model.rs"]
mod model;
#[path = "../codegen/topics.rs"]
mod topics;

/// Values that can be filled with one byte, arrays included.
trait Filled: Copy {
    fn zero() -> Self;
    fn fill(&mut self, byte: u8);
    fn filled_with(&self, byte: u8) -> bool;
}

impl<T: Plain> Filled for T {
    fn zero() -> Self {
        T::zeroed()
    }
    fn fill(&mut self, byte: u8) {
        self.as_bytes_mut().fill(byte);
    }
    fn filled_with(&self, byte: u8) -> bool {
        self.as_bytes().iter().all(|b| *b == byte)
    }
}

/// Whether the integer type of an enumeration has negative values.
fn signed<T: 'static>() -> bool {
    std::any::TypeId::of::<T>() == std::any::TypeId::of::<i32>()
}

fn inverted<T: Plain>(value: &T) -> T {
    let mut out = *value;
    out.as_bytes_mut().iter_mut().for_each(|b| *b = !*b);
    out
}

fn set_bits<T: Plain>(value: &T) -> Vec<usize> {
    let bytes = value.as_bytes();
    (0..bytes.len() * 8).filter(|i| bytes[i / 8] >> (i % 8) & 1 != 0).collect()
}

fn facts_json() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/dxg-abi.json");
    serde_json::from_str(&std::fs::read_to_string(path).expect("the facts can be read")).expect("the facts are JSON")
}

fn number(value: &Value, key: &str) -> usize {
    value[key].as_u64().unwrap_or_else(|| panic!("{key} in {value}")) as usize
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("{key} in {value}"))
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The members of a type under the dotted names that the facts use: unions dissolved, inner aggregates opened.
/// Inner types are those that the facts do not name.
fn flatten(types: &BTreeMap<&str, TypeRow>, named: &BTreeSet<String>, name: &str) -> Vec<Flat> {
    let mut out = Vec::new();
    for m in types[name].members.iter().filter(|m| !m.name.starts_with("_padding")) {
        let member = m.name.trim_start_matches("r#");
        let inner = types.get(m.rust).filter(|t| !named.contains(t.name));
        let opened = inner.map(|t| flatten(types, named, t.name)).unwrap_or_default();
        let dissolved = inner.is_some_and(|t| t.union);
        let prefix = if dissolved { String::new() } else { format!("{member}.") };
        out.extend(opened.into_iter().map(|f| Flat {
            name: format!("{prefix}{}", f.name),
            offset: m.offset + f.offset,
            ..f
        }));
        if !dissolved {
            let rust = if inner.is_some() { "<anon>" } else { m.rust };
            out.push(Flat { name: member.into(), offset: m.offset, size: m.size, rust });
        }
    }
    out
}

/// A member under its dotted name.
struct Flat {
    name: String,
    offset: usize,
    size: usize,
    rust: &'static str,
}

fn names_of_structs(facts: &Value) -> BTreeSet<String> {
    list(facts, "structs").iter().map(|s| text(s, "name").to_string()).collect()
}

/// The Rust type that a C type of the facts must have become.
fn expected_rust(c_type: &str) -> String {
    let (element, count) = match c_type.split_once('[') {
        Some((element, count)) => (element, Some(count.trim_end_matches(']'))),
        None => (c_type, None),
    };
    let element = match element {
        "__u32" => "u32",
        "__s32" => "i32",
        "__u64" | "__u64*" => "u64",
        "char" => "u8",
        other => other.split_once(' ').map_or(other, |(_, name)| name),
    };
    match count {
        Some(count) => format!("[{element}; {count}]"),
        None => element.to_string(),
    }
}

#[test]
fn every_struct_has_the_layout_of_the_facts() {
    let facts = facts_json();
    let types: BTreeMap<&str, TypeRow> = abi_layout::types().into_iter().map(|t| (t.name, t)).collect();
    let structs = list(&facts, "structs");
    assert_eq!(structs.len(), 105);
    let named = names_of_structs(&facts);
    for s in structs {
        let name = text(s, "name");
        let t = types.get(name).unwrap_or_else(|| panic!("{name} was not generated"));
        assert_eq!((t.size, t.align), (number(s, "size"), number(s, "align")), "size and alignment of {name}");
        let members = flatten(&types, &named, name);
        let mut seen = BTreeSet::new();
        for f in list(s, "fields") {
            let field = text(f, "name");
            if (name, field) == ("d3dkmt_querystatistics", "size") {
                // A view of the whole struct as bytes; the struct has that size, which is all that it says.
                assert_eq!((number(f, "offset"), number(f, "size")), (0, t.size));
                continue;
            }
            let found = members.iter().find(|m| m.name == field).unwrap_or_else(|| panic!("{name}.{field} is missing"));
            assert_eq!((found.offset, found.size), (number(f, "offset"), number(f, "size")), "place of {name}.{field}");
            assert_eq!(found.rust, expected_rust(text(f, "type")), "type of {name}.{field}");
            seen.insert(field.to_string());
        }
        // What is left over are words that have only bit names.
        for m in members.iter().filter(|m| !seen.contains(&m.name)) {
            let holds_bits = list(s, "bits").iter().any(|b| number(b, "word_offset") == m.offset);
            assert!(holds_bits, "{name}.{} is not in the facts", m.name);
        }
    }
    for ioctl in list(&facts["later_ioctls_not_in_tree"], "ioctls") {
        let name = text(ioctl, "struct");
        assert_eq!(types[name].size, number(ioctl, "size"), "size of {name}");
        let members = flatten(&types, &named, name);
        for f in list(ioctl, "fields") {
            let found = members.iter().find(|m| m.name == text(f, "name")).expect("a member of a later ioctl");
            assert_eq!(
                (found.offset, found.size),
                (number(f, "offset"), number(f, "size")),
                "{name}.{}",
                text(f, "name")
            );
        }
    }
}

#[test]
fn no_type_has_a_byte_that_is_not_a_member() {
    for t in abi_layout::types() {
        if t.union {
            assert_eq!(t.members.iter().map(|m| m.size).max(), Some(t.size), "{}", t.name);
        } else {
            assert_eq!(t.members.iter().map(|m| m.size).sum::<usize>(), t.size, "{}", t.name);
        }
    }
}

#[test]
fn every_union_of_the_facts_overlaps() {
    let facts = facts_json();
    let types: BTreeMap<&str, TypeRow> = abi_layout::types().into_iter().map(|t| (t.name, t)).collect();
    let mut unions = 0;
    for s in list(&facts, "structs") {
        let name = text(s, "name");
        let alternatives: Vec<&str> = list(s, "fields")
            .iter()
            .filter(|f| f["in_union"] == true && !text(f, "name").contains('.') && name != "d3dkmt_querystatistics")
            .map(|f| text(f, "name"))
            .collect();
        if alternatives.len() < 2 {
            continue;
        }
        unions += 1;
        let row = &types[format!("{name}_u").as_str()];
        let members: Vec<&str> = row.members.iter().map(|m| m.name).collect();
        assert!(row.union && members == alternatives, "{name}: {members:?}, the facts say {alternatives:?}");
    }
    assert_eq!(unions, types.values().filter(|t| t.union && t.name.ends_with("_u")).count() - inner_unions(&types));
}

/// Unions inside inner aggregates.
fn inner_unions(types: &BTreeMap<&str, TypeRow>) -> usize {
    let facts = facts_json();
    let named: BTreeSet<String> = list(&facts, "structs").iter().map(|s| format!("{}_u", text(s, "name"))).collect();
    types.values().filter(|t| t.union && !named.contains(t.name)).count()
}

#[test]
fn every_bit_field_sits_where_the_facts_say() {
    let facts = facts_json();
    let rows: BTreeMap<(&str, &str), BitRow> = abi_layout::bits().into_iter().map(|b| ((b.owner, b.name), b)).collect();
    let mut compared = 0;
    for s in list(&facts, "structs") {
        let name = text(s, "name");
        for b in list(s, "bits") {
            let bit = text(b, "name");
            let (owner, short, base) = match bit.rsplit_once('.') {
                Some((outer, short)) => {
                    let field = list(s, "fields").iter().find(|f| text(f, "name") == outer).expect("the outer member");
                    (format!("{name}_{}", outer.replace('.', "_")), short, number(field, "offset"))
                }
                None => (name.to_string(), bit, 0),
            };
            let row = rows.get(&(owner.as_str(), short)).unwrap_or_else(|| panic!("{name}.{bit} was not generated"));
            let first = (number(b, "word_offset") - base) * 8 + number(b, "bit");
            let expected: Vec<usize> = (first..first + number(b, "width")).collect();
            assert_eq!(row.bits, expected, "bits of {name}.{bit}");
            assert!(row.getter_agrees, "the getter of {name}.{bit} reads other bits than its setter writes");
            compared += 1;
        }
    }
    assert_eq!(compared, rows.len());
    assert!(compared > 100);
}

#[test]
fn every_constant_and_request_has_its_value() {
    let facts = facts_json();
    let values: BTreeMap<(&str, &str), i64> = abi_layout::values().into_iter().map(|(e, n, v)| ((e, n), v)).collect();
    let mut compared = 0;
    let mut check = |group: &str, v: &Value| {
        let name = text(v, "name");
        let expected = v["value"].as_i64().expect("a number");
        assert_eq!(values.get(&(group, name)), Some(&expected), "{group} {name}");
        compared += 1;
    };
    let sizes: BTreeMap<&str, (usize, bool)> =
        abi_layout::enum_sizes().into_iter().map(|(name, size, signed)| (name, (size, signed))).collect();
    for e in list(&facts, "enums") {
        assert_eq!(sizes[text(e, "name")], (number(e, "size"), text(e, "base") == "int"), "enum {}", text(e, "name"));
        list(e, "values").iter().for_each(|v| check(text(e, "name"), v));
    }
    list(&facts, "libdxg_kmtqueryadapterinfotype").iter().for_each(|v| check("libdxg", v));
    list(&facts, "constants").iter().for_each(|v| check("", v));
    let required = list(&facts, "ioctls");
    let later = list(&facts["later_ioctls_not_in_tree"], "ioctls");
    for i in required.iter().chain(later) {
        let request = i64::from_str_radix(text(i, "request").trim_start_matches("0x"), 16).expect("hexadecimal");
        assert_eq!(values.get(&("ioctl", text(i, "name"))), Some(&request), "{}", text(i, "name"));
        compared += 1;
    }
    assert_eq!(compared, values.len());
}

#[test]
fn the_tables_of_ioctls_are_complete_and_consistent() {
    let facts = facts_json();
    let types: BTreeMap<&str, TypeRow> = abi_layout::types().into_iter().map(|t| (t.name, t)).collect();
    let required = list(&facts, "ioctls");
    let later = list(&facts["later_ioctls_not_in_tree"], "ioctls");
    assert_eq!((sys::IOCTLS.len(), sys::OPTIONAL_IOCTLS.len()), (required.len(), later.len()));
    assert_eq!((required.len(), later.len()), (62, 3));
    for (i, optional) in required.iter().map(|i| (i, false)).chain(later.iter().map(|i| (i, true))) {
        let request = u32::from_str_radix(text(i, "request").trim_start_matches("0x"), 16).expect("hexadecimal");
        let info = IoctlInfo::of(request).unwrap_or_else(|| panic!("{} is in no table", text(i, "name")));
        assert_eq!((info.name, info.nr as usize), (text(i, "name"), number(i, "nr")));
        assert_eq!((info.size as usize, info.optional), (number(i, "size"), optional));
        // _IOWR('G', nr, struct): both directions, the size, the type, the number.
        assert_eq!(info.request, 3 << 30 | info.size << 16 | 0x47 << 8 | u32::from(info.nr), "{}", info.name);
        assert_eq!(types[text(i, "struct")].size, info.size as usize, "{}", info.name);
    }
    assert_eq!(IoctlInfo::of(0xc004_4703), None);
}

#[test]
fn the_checked_in_files_are_what_the_generator_writes() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let source = std::fs::read_to_string(package.join("tests/data/dxg-abi.json")).expect("the facts can be read");
    let facts: facts::Facts = serde_json::from_str(&source).expect("the facts have the shape that the generator reads");
    for (path, content) in generate::files(&facts).expect("the generator runs") {
        let checked_in = std::fs::read_to_string(package.join(&path)).unwrap_or_default();
        assert!(checked_in == content, "{path} differs: run `cargo run -p dxg-io --example generate-sys`");
    }
}
