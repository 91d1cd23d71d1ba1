//! The parameters of an entry and where they lie in its argument bytes.

use super::lexer::{Kind, Token};
use super::reason::Cause;

/// One parameter of an entry, in the bytes that `CU_LAUNCH_PARAM_BUFFER_POINTER` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Param {
    /// Its first byte.
    pub offset: u32,
    /// Its bytes.
    pub size: u32,
    /// What `offset` is a multiple of.
    pub align: u32,
}

/// A parameter and the name by which the body calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NamedParam<'t> {
    pub name: &'t str,
    pub param: Param,
}

/// Parameters in order, and the bytes of all.
pub(super) type Layout<'t> = (Vec<NamedParam<'t>>, u32);

/// CUDA's own limit is 32,764.
const BYTES_MAX: u64 = 1 << 16;

/// Lays out the parameters in `list`, the tokens between the parentheses of an entry. An error comes with its token.
pub(super) fn layout<'t>(text: &'t str, list: &[Token]) -> Result<Layout<'t>, (Cause, Token)> {
    let mut params = Vec::new();
    let mut end = 0u64;
    if list.is_empty() {
        return Ok((params, 0));
    }
    for part in list.split(|token| token.is(b',')) {
        let Some(&first) = part.first() else {
            return Err((Cause::ParameterKind, list[0]));
        };
        let Some((name, size, align)) = parameter(text, part) else {
            return Err((Cause::ParameterKind, first));
        };
        let offset = end.next_multiple_of(align);
        end = offset + size;
        let numbers = (u32::try_from(offset), u32::try_from(size), u32::try_from(align));
        let (Ok(offset), Ok(size), Ok(align), true) = (numbers.0, numbers.1, numbers.2, end <= BYTES_MAX) else {
            return Err((Cause::ParameterKind, first));
        };
        params.push(NamedParam { name, param: Param { offset, size, align } });
    }
    let end = u32::try_from(end).unwrap_or(u32::MAX);
    Ok((params, end))
}

/// Name, size and alignment of `.param .align 8 .b8 name[16]`, `.param .u64 .ptr .global .align 1 name` and the like.
fn parameter<'t>(text: &'t str, part: &[Token]) -> Option<(&'t str, u64, u64)> {
    let mut words = Words { text, rest: part };
    if words.dot()? != ".param" {
        return None;
    }
    let (mut element, mut align, mut pointer) = (None, None, false);
    while let Some(word) = words.dot() {
        match word {
            // Behind .ptr it is the alignment of what the pointer points to.
            ".align" if pointer => drop(words.power_of_two()?),
            ".align" if align.is_none() => align = Some(words.power_of_two()?),
            ".ptr" if element == Some(8) => pointer = true,
            ".global" | ".const" if pointer => {}
            _ if element.is_none() => element = Some(scalar_bytes(word)?),
            _ => return None,
        }
    }
    let element = element?;
    let name = words.name()?;
    let mut count = 1u64;
    while words.mark(b'[') {
        count = count.checked_mul(words.number()?).filter(|count| (1..=BYTES_MAX).contains(count))?;
        words.mark(b']').then_some(())?;
    }
    let whole = words.rest.is_empty() && align.unwrap_or(element) >= element;
    whole.then_some((name, element * count, align.unwrap_or(element)))
}

/// Bytes of a type that parameters and loads may have.
pub(super) fn scalar_bytes(dot: &str) -> Option<u64> {
    Some(match dot {
        ".b8" | ".u8" | ".s8" => 1,
        ".b16" | ".u16" | ".s16" | ".f16" | ".bf16" => 2,
        ".b32" | ".u32" | ".s32" | ".f32" | ".f16x2" | ".bf16x2" => 4,
        ".b64" | ".u64" | ".s64" | ".f64" => 8,
        _ => return None,
    })
}

/// A whole number as PTX writes it, `U` behind it or not.
pub(super) fn whole_number(digits: &str) -> Option<u64> {
    let digits = digits.strip_suffix('U').unwrap_or(digits);
    match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => u64::from_str_radix(&digits[2..], 16).ok(),
        [b'0', b'b' | b'B', ..] => u64::from_str_radix(&digits[2..], 2).ok(),
        [b'0', _, ..] => u64::from_str_radix(&digits[1..], 8).ok(),
        _ => digits.parse().ok(),
    }
}

struct Words<'t, 'k> {
    text: &'t str,
    rest: &'k [Token],
}

impl<'t> Words<'t, '_> {
    fn take(&mut self, kind: Kind) -> Option<&'t str> {
        let (first, rest) = self.rest.split_first()?;
        (first.kind == kind).then(|| {
            self.rest = rest;
            first.text(self.text)
        })
    }

    fn dot(&mut self) -> Option<&'t str> {
        self.take(Kind::Dot)
    }

    fn name(&mut self) -> Option<&'t str> {
        self.take(Kind::Word)
    }

    fn mark(&mut self, mark: u8) -> bool {
        self.take(Kind::Mark(mark)).is_some()
    }

    fn number(&mut self) -> Option<u64> {
        whole_number(self.take(Kind::Number)?)
    }

    fn power_of_two(&mut self) -> Option<u64> {
        self.number().filter(|number| number.is_power_of_two() && *number <= 1024)
    }
}
