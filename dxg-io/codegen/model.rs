//! From the facts to Rust types: nests the dotted members, gathers overlapping ones into unions, spells padding out.

use crate::facts::{Bit, Facts, Field, Struct};

/// A Rust type to write.
pub struct Type {
    pub name: String,
    pub size: u32,
    pub align: u32,
    pub shape: Shape,
    /// Bit fields, by the member that holds them.
    pub bits: Vec<(String, u32, Vec<Bit>)>,
}

/// Struct or union.
pub enum Shape {
    Struct(Vec<Member>),
    Union(Vec<Member>),
}

/// One member of a Rust type.
#[derive(Clone)]
pub struct Member {
    pub name: String,
    pub rust: String,
    pub offset: u32,
    pub size: u32,
    pub doc: String,
}

/// The types that one struct of the facts becomes, inner ones first.
pub fn types_of(facts: &Facts, outer: &Struct) -> Result<Vec<Type>, String> {
    let mut out = Vec::new();
    aggregate(facts, outer, "", &outer.name, 0, outer.size, outer.align, &mut out)?;
    Ok(out)
}

#[allow(clippy::too_many_arguments)]
fn aggregate(
    facts: &Facts,
    outer: &Struct,
    prefix: &str,
    name: &str,
    base: u32,
    size: u32,
    align: u32,
    out: &mut Vec<Type>,
) -> Result<(), String> {
    let own: Vec<&Field> =
        outer.fields.iter().filter(|f| f.name.strip_prefix(prefix).is_some_and(|rest| !rest.contains('.'))).collect();
    // A view of the whole struct as bytes adds nothing but its size, which the padding below makes up for.
    let own: Vec<&Field> =
        own.iter().copied().filter(|f| !(f.in_union && own.iter().any(|o| !o.in_union && overlaps(f, o)))).collect();

    let mut members = Vec::new();
    let mut position = base;
    let mut regions: u32 = 0;
    let mut i = 0;
    while i < own.len() {
        let field = own[i];
        let region = own[i..].iter().take_while(|f| f.in_union && f.offset == field.offset).count();
        pad(&mut members, base, position, field.offset);
        if region > 1 {
            regions += 1;
            if regions > 1 {
                return Err(format!("{name} has two unions, the generator knows how to name only one"));
            }
            let mut alternatives = Vec::new();
            for f in &own[i..i + region] {
                alternatives.push(member(facts, outer, prefix, name, f, field.offset, out)?);
            }
            let union_align = alternatives.iter().map(|m| align_of(facts, &m.rust, out)).max().unwrap_or(1);
            let widest = alternatives.iter().map(|m| m.size).max().unwrap_or(0);
            let union_name = format!("{name}_u");
            out.push(Type {
                name: union_name.clone(),
                size: widest,
                align: union_align,
                shape: Shape::Union(alternatives),
                bits: Vec::new(),
            });
            members.push(Member {
                name: "u".into(),
                rust: union_name,
                offset: field.offset - base,
                size: widest,
                doc: format!("Bytes {}..{}: members that overlap.", field.offset - base, field.offset - base + widest),
            });
            position = field.offset + widest;
            i += region;
        } else {
            members.push(member(facts, outer, prefix, name, field, base, out)?);
            position = field.offset + field.size;
            i += 1;
        }
    }
    let mut words: Vec<(String, u32, Vec<Bit>)> = Vec::new();
    for bit in &outer.bits {
        let Some(rest) = bit.name.strip_prefix(prefix) else { continue };
        if rest.contains('.') {
            continue;
        }
        let offset = bit.word_offset - base;
        let holder = match members.iter().find(|m| m.offset == offset && m.size == bit.word_size) {
            Some(holder) => holder.name.clone(),
            None if position <= bit.word_offset => {
                pad(&mut members, base, position, bit.word_offset);
                members.push(Member {
                    name: "value".into(),
                    rust: format!("u{}", bit.word_size * 8),
                    offset,
                    size: bit.word_size,
                    doc: format!("Bytes {offset}..{}: the word that holds the bit fields.", offset + bit.word_size),
                });
                position = bit.word_offset + bit.word_size;
                "value".into()
            }
            None => return Err(format!("{name}: no member holds the bit field {rest}")),
        };
        let bit = Bit { name: rest.into(), ..bit.clone() };
        match words.iter_mut().find(|w| w.0 == holder) {
            Some(word) => word.2.push(bit),
            None => words.push((holder, bit.word_size, vec![bit])),
        }
    }
    pad(&mut members, base, position, base + size);
    out.push(Type { name: name.into(), size, align, shape: Shape::Struct(members), bits: words });
    Ok(())
}

fn overlaps(a: &Field, b: &Field) -> bool {
    a.offset < b.offset + b.size && b.offset < a.offset + a.size
}

fn pad(members: &mut Vec<Member>, base: u32, from: u32, to: u32) {
    if to > from {
        let (from, to) = (from - base, to - base);
        members.push(Member {
            name: format!("_padding_{from}"),
            rust: format!("[u8; {}]", to - from),
            offset: from,
            size: to - from,
            doc: format!("Bytes {from}..{to}: padding."),
        });
    }
}

fn member(
    facts: &Facts,
    outer: &Struct,
    prefix: &str,
    owner: &str,
    field: &Field,
    base: u32,
    out: &mut Vec<Type>,
) -> Result<Member, String> {
    let short = field.name[prefix.len()..].to_string();
    let range = format!("Bytes {}..{}", field.offset - base, field.offset - base + field.size);
    let (rust, kind) = if field.c_type.ends_with("<anon>") {
        let inner = format!("{owner}_{short}");
        let inner_prefix = format!("{}.", field.name);
        let align = outer
            .fields
            .iter()
            .filter(|f| f.name.starts_with(&inner_prefix))
            .map(|f| align_of(facts, &rust_type(&f.c_type).unwrap_or_default(), out))
            .max()
            .unwrap_or(1);
        aggregate(facts, outer, &inner_prefix, &inner, field.offset, field.size, align, out)?;
        (inner, "an inline aggregate".to_string())
    } else {
        let rust = rust_type(&field.c_type).ok_or_else(|| format!("unknown C type `{}` in {owner}", field.c_type))?;
        let kind = match &field.user_ptr {
            Some(target) => format!("user pointer to `{target}`"),
            None => format!("`{}`", field.c_type),
        };
        (rust, kind)
    };
    Ok(Member {
        name: if short == "type" { "r#type".into() } else { short },
        rust,
        offset: field.offset - base,
        size: field.size,
        doc: format!("{range}: {kind}."),
    })
}

fn rust_type(c_type: &str) -> Option<String> {
    let (element, count) = match c_type.split_once('[') {
        Some((element, rest)) => (element, rest.strip_suffix(']')),
        None => (c_type, None),
    };
    let rust = match element {
        "__u16" => "u16",
        "__u32" => "u32",
        "__s32" => "i32",
        "__u64" | "__u64*" => "u64",
        "char" => "u8",
        other => other.strip_prefix("struct ").or(other.strip_prefix("union ")).or(other.strip_prefix("enum "))?,
    };
    Some(match count {
        Some(count) => format!("[{rust}; {count}]"),
        None => rust.into(),
    })
}

fn align_of(facts: &Facts, rust: &str, written: &[Type]) -> u32 {
    let element = rust.trim_start_matches('[').split(';').next().unwrap_or(rust);
    match element {
        "u8" => 1,
        "u16" => 2,
        "u64" => 8,
        _ => written
            .iter()
            .find(|t| t.name == element)
            .map(|t| t.align)
            .or_else(|| facts.structs.iter().find(|s| s.name == element).map(|s| s.align))
            .unwrap_or(4),
    }
}
