//! The arithmetic of the interpreter, on bit patterns.

/// The lowest bits of a value.
pub fn truncate(value: u64, bits: u32) -> u64 {
    if bits >= 64 { value } else { value & ((1 << bits) - 1) }
}

/// A value with its sign spread.
pub fn signed(value: u64, bits: u32) -> i64 {
    let spare = 64 - bits.min(64);
    (value << spare) as i64 >> spare
}

fn single(bits: u64) -> f32 {
    f32::from_bits(bits as u32)
}

fn double(bits: u64) -> f64 {
    f64::from_bits(bits)
}

/// A comparison of two values of a type.
pub fn compare(test: &str, kind: &str, a: u64, b: u64) -> Result<bool, String> {
    let order = match kind {
        "f32" => single(a).partial_cmp(&single(b)),
        "f64" => double(a).partial_cmp(&double(b)),
        _ if kind.starts_with('s') => {
            let bits = crate::parse::type_bits(kind).unwrap_or(32);
            Some(signed(a, bits).cmp(&signed(b, bits)))
        }
        _ => Some(a.cmp(&b)),
    };
    let ordered = |test: fn(std::cmp::Ordering) -> bool| order.is_some_and(test);
    let float = kind.starts_with('f');
    Ok(match test {
        "eq" => ordered(|o| o.is_eq()),
        "ne" => ordered(|o| o.is_ne()),
        "lt" | "lo" => ordered(|o| o.is_lt()),
        "le" | "ls" => ordered(|o| o.is_le()),
        "gt" | "hi" => ordered(|o| o.is_gt()),
        "ge" | "hs" => ordered(|o| o.is_ge()),
        "equ" if float => order.is_none_or(|o| o.is_eq()),
        "neu" if float => order.is_none_or(|o| o.is_ne()),
        "ltu" if float => order.is_none_or(|o| o.is_lt()),
        "leu" if float => order.is_none_or(|o| o.is_le()),
        "gtu" if float => order.is_none_or(|o| o.is_gt()),
        "geu" if float => order.is_none_or(|o| o.is_ge()),
        "num" => order.is_some(),
        "nan" => order.is_none(),
        _ => return Err(format!("comparison {test} is not known here")),
    })
}

/// A conversion between types.
pub fn convert(to: &str, from: &str, value: u64, modifiers: &[String]) -> Result<u64, String> {
    let has = |modifier: &str| modifiers.iter().any(|other| other == modifier);
    let (from_bits, to_bits) = (crate::parse::type_bits(from), crate::parse::type_bits(to));
    let (from_bits, to_bits) = (from_bits.ok_or("no type")?, to_bits.ok_or("no type")?);
    let round = |x: f64| match () {
        () if has("rzi") => x.trunc(),
        () if has("rmi") => x.floor(),
        () if has("rpi") => x.ceil(),
        () => x.round_ties_even(),
    };
    let integral = ["rni", "rzi", "rmi", "rpi"].into_iter().any(has);
    let float = match from {
        "f32" => f64::from(single(value)),
        "f64" => double(value),
        _ if from.starts_with('s') => signed(value, from_bits) as f64,
        _ => value as f64,
    };
    let float = if integral { round(float) } else { float };
    let float = if has("sat") { float.clamp(0.0, 1.0) } else { float };
    Ok(match (to, from.starts_with('f')) {
        ("f64", _) => float.to_bits(),
        // Straight from the integer, which rounds once.
        ("f32", false) if from.starts_with('s') => (signed(value, from_bits) as f32).to_bits().into(),
        ("f32", false) => (value as f32).to_bits().into(),
        ("f32", true) => (float as f32).to_bits().into(),
        (_, true) if to.starts_with('f') => return Err(format!("conversion to {to} is not known here")),
        (_, true) if to.starts_with('s') => truncate(float as i64 as u64, to_bits),
        (_, true) => truncate(float as u64, to_bits),
        _ if from.starts_with('s') => truncate(signed(value, from_bits) as u64, to_bits),
        _ => truncate(value, to_bits),
    })
}

/// Every other instruction of one result, and the carry.
pub fn compute(
    opcode: &str,
    modifiers: &[String],
    kind: &str,
    bits: u32,
    [a, b, c, _]: [u64; 4],
    carry: bool,
) -> Result<(u64, bool), String> {
    let unknown = || Err(format!("{opcode} for {kind} is not known here"));
    if kind == "f32" {
        return match float(opcode, single(a), single(b), single(c)) {
            Some(value) => Ok((value.to_bits().into(), false)),
            None if opcode == "selp" => Ok((if c != 0 { a } else { b }, false)),
            None => unknown(),
        };
    }
    if kind == "f64" {
        let value = match opcode {
            "selp" => return Ok((if c != 0 { a } else { b }, false)),
            "add" => double(a) + double(b),
            "sub" => double(a) - double(b),
            "mul" => double(a) * double(b),
            "div" => double(a) / double(b),
            "fma" | "mad" => double(a).mul_add(double(b), double(c)),
            "neg" => -double(a),
            "abs" => double(a).abs(),
            "rcp" => 1.0 / double(a),
            "sqrt" => double(a).sqrt(),
            "min" => double(a).min(double(b)),
            "max" => double(a).max(double(b)),
            _ => return unknown(),
        };
        return Ok((value.to_bits(), false));
    }
    integer(opcode, modifiers, kind, bits, [a, b, c], carry)
}

fn float(opcode: &str, a: f32, b: f32, c: f32) -> Option<f32> {
    Some(match opcode {
        "add" => a + b,
        "sub" => a - b,
        "mul" => a * b,
        "div" => a / b,
        "fma" | "mad" => a.mul_add(b, c),
        "neg" => -a,
        "abs" => a.abs(),
        "min" => a.min(b),
        "max" => a.max(b),
        "sqrt" => a.sqrt(),
        "rcp" => 1.0 / a,
        "rsqrt" => 1.0 / a.sqrt(),
        "ex2" => a.exp2(),
        "lg2" => a.log2(),
        "copysign" => b.copysign(a),
        _ => return None,
    })
}

fn integer(
    opcode: &str,
    modifiers: &[String],
    kind: &str,
    bits: u32,
    [a, b, c]: [u64; 3],
    carry: bool,
) -> Result<(u64, bool), String> {
    let has = |modifier: &str| modifiers.iter().any(|other| other == modifier);
    let sign = kind.starts_with('s');
    let wide = |value: u64| if sign { i128::from(signed(value, bits)) } else { i128::from(value) };
    let (x, y, z) = (wide(a), wide(b), wide(c));
    let product = x * y;
    let half = |value: i128| if has("hi") { value >> bits } else { value };
    // Sums are of bit patterns where a carry is asked for.
    let carried = i128::from(carry);
    let unsigned = |value: u64| i128::from(value);
    let low = |value: i128| i128::from(truncate(value as u64, bits));
    let shift = |value: u64| value.min(u64::from(bits)) as u32;
    let value: i128 = match opcode {
        "add" => unsigned(a) + unsigned(b),
        "addc" => unsigned(a) + unsigned(b) + carried,
        "sub" => unsigned(a) - unsigned(b),
        "subc" => unsigned(a) - unsigned(b) - carried,
        "mul" if has("wide") => return Ok((truncate(product as u64, 2 * bits), false)),
        "mul" => half(product),
        "mad" if has("wide") => return Ok((truncate((product as u64).wrapping_add(c), 2 * bits), false)),
        "mad" => low(half(product)) + unsigned(c),
        "madc" => low(half(product)) + unsigned(c) + carried,
        "div" if y != 0 => x / y,
        "rem" if y != 0 => x % y,
        "div" | "rem" => return Err("a division by zero".to_owned()),
        "min" => x.min(y),
        "max" => x.max(y),
        "neg" => -x,
        "abs" => x.abs(),
        "and" => unsigned(a & b),
        "or" => unsigned(a | b),
        "xor" => unsigned(a ^ b),
        "not" if kind == "pred" => unsigned(a ^ 1),
        "not" => unsigned(!a),
        "shl" => unsigned(a.checked_shl(b.min(64) as u32).unwrap_or(0)),
        "shr" => x >> shift(b),
        "selp" => unsigned(if c != 0 { a } else { b }),
        "popc" => a.count_ones().into(),
        "clz" => (truncate(a, bits).leading_zeros() - (64 - bits)).into(),
        "brev" => unsigned(a.reverse_bits() >> (64 - bits)),
        "lop3" | "prmt" | "bfe" | "bfi" => return Err(format!("{opcode} is not known here")),
        _ => return Err(format!("{opcode} for {kind} is not known here, {z}")),
    };
    Ok((truncate(value as u64, bits), value < 0 || value >> bits != 0))
}
