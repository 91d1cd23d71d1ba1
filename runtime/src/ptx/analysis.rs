//! What a body asks of its grid and its parameters, and what to put in place of it.
//!
//! A plan is a list of edits of the body's text, in order. Whatever has no edit and is not known to be harmless is a reason
//! to leave the entry alone.

use std::collections::HashMap;

use super::body::{Names, Statement, Statements};
use super::instructions::{self, Special};
use super::lexer::Kind;
use super::module::{Body, Entry, Header, Module};
use super::params::{Param, scalar_bytes, whole_number};
use super::reason::{Cause, NoMerge};
use super::variables;

/// What the body of a twin has in place of tokens of the original.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edit {
    /// A label's definition or use: in a twin it needs another name, since debug sections name the original's.
    Label { at: usize },
    /// `%ctaid.x` and the like: two tokens, of the block's position or the grid's size, x to z.
    Register { at: usize, special: GridPart, axis: u8 },
    /// `%ctaid` as a whole.
    Vector { at: usize, special: GridPart },
    /// `ld.param.u32 d, [p + 4]`: the modifiers from `first` to `end`, of which only vector and type stay.
    Load { first: usize, end: usize },
    /// The inside of that load's brackets.
    Address { first: usize, end: usize, offset: u32 },
}

impl Edit {
    /// The tokens that it replaces.
    pub fn tokens(self) -> (usize, usize) {
        match self {
            Edit::Label { at } | Edit::Vector { at, .. } => (at, at + 1),
            Edit::Register { at, .. } => (at, at + 2),
            Edit::Load { first, end } | Edit::Address { first, end, .. } => (first, end),
        }
    }
}

/// `%ctaid` or `%nctaid`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GridPart {
    Block,
    Grid,
}

/// How to make an entry's twin.
pub(super) struct Plan {
    pub edits: Vec<Edit>,
    pub args_size: u32,
}

/// What is known of the functions that entries may call.
pub(super) struct Functions {
    /// For each function what stands in the way of its callers.
    refused: Vec<Option<NoMerge>>,
}

impl Functions {
    /// Looks at every function once, then lets obstacles rise from callees to callers.
    pub fn analyse(module: &Module<'_>) -> Functions {
        let mut refused = Vec::new();
        let mut callers: Vec<Vec<usize>> = vec![Vec::new(); module.functions.len()];
        let mut rising = Vec::new();
        for (index, function) in module.functions.iter().enumerate() {
            let mut scan = Scan::new(module, None);
            let direct = scan.run(function.header, function.body).and_then(|names| {
                for &(callee, (first, end)) in &scan.calls {
                    match module.function_named.get(callee) {
                        Some(known) => callers[*known].push(index),
                        None if instructions::is_system_function(callee) => {}
                        None => return Err(module.reason(Cause::ExternalCall, first, end)),
                    }
                }
                variables::unchanged(module, &names, function.body, &scan.calls)
            });
            if direct.is_err() {
                rising.push(index);
            }
            refused.push(direct.err());
        }
        while let Some(index) = rising.pop() {
            for &caller in &callers[index] {
                if refused[caller].is_none() {
                    refused[caller] = refused[index].clone();
                    rising.push(caller);
                }
            }
        }
        Functions { refused }
    }
}

/// Whether and how an entry gets a twin.
pub(super) fn entry(module: &Module<'_>, entry: &Entry<'_>, functions: &Functions) -> Result<Plan, NoMerge> {
    if let Some(reason) = &module.refused {
        return Err(reason.clone());
    }
    let (params, args_size) = entry.layout.as_ref().map_err(Clone::clone)?;
    let params = params.iter().map(|named| (named.name, named.param)).collect();
    let mut scan = Scan::new(module, Some(params));
    let names = scan.run(entry.header, entry.body)?;
    for &(callee, (first, end)) in &scan.calls {
        let known = module.function_named.get(callee).and_then(|index| functions.refused.get(*index));
        let cause = match known {
            Some(None) => continue,
            Some(Some(reason)) => Cause::Callee { function: callee.to_owned(), because: Box::new(reason.clone()) },
            None if instructions::is_system_function(callee) => continue,
            None => Cause::ExternalCall,
        };
        return Err(module.reason(cause, first, end));
    }
    variables::unchanged(module, &names, entry.body, &scan.calls)?;
    Ok(Plan { edits: scan.edits, args_size: *args_size })
}

/// One pass over a body.
struct Scan<'m, 't> {
    module: &'m Module<'t>,
    /// An entry's parameters; a function has none that matter, and no grid to read.
    params: Option<HashMap<&'t str, Param>>,
    edits: Vec<Edit>,
    /// Functions called, each with the place.
    calls: Vec<(&'t str, (usize, usize))>,
}

/// An instruction's places among the tokens: guard, opcode, operands, and behind the semicolon.
#[derive(Clone, Copy)]
struct Instruction {
    first: usize,
    opcode: usize,
    operands: usize,
    end: usize,
}

/// A load of a parameter: the tokens inside of its brackets, and its offset among the arguments.
struct ParameterLoad {
    first: usize,
    end: usize,
    offset: u32,
}

impl<'m, 't> Scan<'m, 't> {
    fn new(module: &'m Module<'t>, params: Option<HashMap<&'t str, Param>>) -> Self {
        Scan { module, params, edits: Vec::new(), calls: Vec::new() }
    }

    fn run(&mut self, header: Header, body: Body) -> Result<Names<'t>, NoMerge> {
        let module = self.module;
        for at in header.first..header.end {
            if module.tokens[at].kind == Kind::Dot
                && let Some(cause) = instructions::header_obstacle(module.word(at))
            {
                return Err(module.reason(cause, at, at + 1));
            }
        }
        let names = Names::collect(module, body)?;
        for statement in Statements::new(module, body) {
            match statement? {
                Statement::Brace => {}
                Statement::Label(at) => {
                    self.shadows(&names, at, at + 1)?;
                    self.edits.push(Edit::Label { at });
                }
                Statement::Directive { first, end } => self.directive(&names, first, end)?,
                Statement::Instruction { first, opcode, operands, end } => {
                    self.instruction(&names, Instruction { first, opcode, operands, end })?;
                }
            }
        }
        Ok(names)
    }

    fn param(&self, name: &str) -> Option<Param> {
        self.params.as_ref().and_then(|params| params.get(name)).copied()
    }

    /// Refuses declarations of names that mean something else.
    fn shadows(&self, names: &Names<'t>, first: usize, end: usize) -> Result<(), NoMerge> {
        for at in first..end {
            let token = self.module.tokens[at];
            if token.kind != Kind::Word {
                continue;
            }
            let word = self.module.word(at);
            let twice = names.labels.contains(word) && names.declares(word);
            if twice || self.param(word).is_some() || instructions::special_register(word).is_some() {
                return Err(self.module.reason(Cause::Shadowed, first, end));
            }
        }
        Ok(())
    }

    fn directive(&mut self, names: &Names<'t>, first: usize, end: usize) -> Result<(), NoMerge> {
        match self.module.word(first) {
            ".branchtargets" => self.labels(names, first, end),
            ".reg" | ".local" | ".shared" | ".param" => self.shadows(names, first, end)?,
            _ => {}
        }
        Ok(())
    }

    fn labels(&mut self, names: &Names<'t>, first: usize, end: usize) {
        for at in first..end {
            if self.module.tokens[at].kind == Kind::Word && names.labels.contains(self.module.word(at)) {
                self.edits.push(Edit::Label { at });
            }
        }
    }

    fn instruction(&mut self, names: &Names<'t>, i: Instruction) -> Result<(), NoMerge> {
        let module = self.module;
        let opcode = module.word(i.opcode);
        let modifiers = || (i.opcode + 1..i.operands).map(|at| module.word(at));
        if let Some(cause) = instructions::obstacle(opcode, modifiers()) {
            return Err(module.reason(cause, i.first, i.end));
        }
        if opcode == "call" {
            self.call(names, i)?;
        }
        if let Some(load) = self.parameter_load(names, i)? {
            self.edits.push(Edit::Load { first: i.opcode + 1, end: i.operands });
            self.operands(names, i, i.operands, load.first)?;
            self.edits.push(Edit::Address { first: load.first, end: load.end, offset: load.offset });
            return self.operands(names, i, load.end, i.end);
        }
        self.operands(names, i, i.first, i.opcode)?;
        self.operands(names, i, i.operands, i.end)
    }

    /// Remembers whom a call calls.
    fn call(&mut self, names: &Names<'t>, i: Instruction) -> Result<(), NoMerge> {
        let tokens = self.module.tokens;
        let mut at = i.operands;
        if tokens[at].is(b'(') {
            let Some(close) = (at..i.end).find(|at| tokens[*at].is(b')')) else {
                return Err(self.module.reason(Cause::Syntax, i.first, i.end));
            };
            at = close + 1;
            if tokens[at].is(b',') {
                at += 1;
            }
        }
        let target = self.module.word(at);
        if tokens[at].kind != Kind::Word || names.declares(target) {
            return Err(self.module.reason(Cause::IndirectCall, i.first, i.end));
        }
        self.calls.push((target, (i.first, i.end)));
        Ok(())
    }

    /// What to put in place of this, if it loads from one of the entry's parameters.
    fn parameter_load(&self, names: &Names<'t>, i: Instruction) -> Result<Option<ParameterLoad>, NoMerge> {
        let module = self.module;
        if self.params.is_none() || module.word(i.opcode) != "ld" {
            return Ok(None);
        }
        let modifiers = || (i.opcode + 1..i.operands).map(|at| module.word(at));
        if !modifiers().any(|modifier| matches!(modifier, ".param" | ".param::entry" | ".param::func")) {
            return Ok(None);
        }
        let Some(open) = (i.operands..i.end).find(|at| module.tokens[*at].is(b'[')) else {
            return Err(module.reason(Cause::Syntax, i.first, i.end));
        };
        let close = (open..i.end).find(|at| module.tokens[*at].is(b']')).unwrap_or(open);
        let base = module.word(open + 1);
        if names.is_call_param(base) {
            return Ok(None);
        }
        let Some(param) = self.param(base) else {
            // By a register: it holds the address of a parameter.
            return Err(module.reason(Cause::ParameterAddress, i.first, i.end));
        };
        let Some(bytes) = load_bytes(modifiers()) else {
            return Err(module.reason(Cause::ParameterLoad, i.first, i.end));
        };
        let offset = match self.displacement(open + 2, close) {
            Some(displacement) => displacement,
            None => return Err(module.reason(Cause::ParameterLoad, i.first, i.end)),
        };
        let inside = u64::try_from(offset).is_ok_and(|offset| offset + bytes <= u64::from(param.size));
        let Some(offset) = u32::try_from(offset).ok().filter(|_| inside).map(|offset| offset + param.offset) else {
            return Err(module.reason(Cause::ParameterRange, i.first, i.end));
        };
        if !u64::from(offset).is_multiple_of(bytes) {
            return Err(module.reason(Cause::ParameterLoad, i.first, i.end));
        }
        Ok(Some(ParameterLoad { first: open + 1, end: close, offset }))
    }

    /// The number behind a name in brackets: nothing, `+4`, `-4`, `+-4`.
    fn displacement(&self, first: usize, end: usize) -> Option<i64> {
        let tokens = self.module.tokens.get(first..end)?;
        let (sign, number) = match tokens {
            [] => return Some(0),
            [plus, number] if plus.is(b'+') => (1, number),
            [minus, number] if minus.is(b'-') => (-1, number),
            [plus, minus, number] if plus.is(b'+') && minus.is(b'-') => (-1, number),
            _ => return None,
        };
        let number = (number.kind == Kind::Number).then(|| whole_number(number.text(self.module.text)))??;
        i64::try_from(number).ok().filter(|number| *number <= i64::from(i32::MAX)).map(|number| sign * number)
    }

    /// Words among operands: labels, grid registers, and what must not be there.
    fn operands(&mut self, names: &Names<'t>, i: Instruction, first: usize, end: usize) -> Result<(), NoMerge> {
        for at in first..end {
            if self.module.tokens[at].kind != Kind::Word {
                continue;
            }
            let word = self.module.word(at);
            if word.starts_with('%') {
                if !names.declares(word) {
                    self.special(word, i, at)?;
                }
            } else if names.labels.contains(word) {
                self.edits.push(Edit::Label { at });
            } else if self.param(word).is_some() {
                return Err(self.module.reason(Cause::ParameterAddress, i.first, i.end));
            }
        }
        Ok(())
    }

    fn special(&mut self, word: &str, i: Instruction, at: usize) -> Result<(), NoMerge> {
        let module = self.module;
        let special = match instructions::special_register(word) {
            Some(Special::Same) => return Ok(()),
            Some(Special::Block) => GridPart::Block,
            Some(Special::Grid) => GridPart::Grid,
            Some(Special::Refused(cause)) => return Err(module.reason(cause, i.first, i.end)),
            None => return Err(module.reason(Cause::SpecialRegister, i.first, i.end)),
        };
        let last_modifier = module.word(i.operands - 1);
        let vector = (i.opcode + 1..i.operands).any(|at| module.word(at) == ".v4");
        let axis = match module.tokens.get(at + 1).filter(|token| token.kind == Kind::Dot).map(|_| module.word(at + 1))
        {
            Some(".x") => Some(0),
            Some(".y") => Some(1),
            Some(".z") => Some(2),
            Some(_) => return Err(module.reason(Cause::GridRegister, i.first, i.end)),
            None => None,
        };
        let from_32_bits = matches!(last_modifier, ".u32" | ".s32" | ".b32");
        let known = self.params.is_some()
            && from_32_bits
            && matches!((module.word(i.opcode), vector, axis), ("mov", true, None) | ("mov" | "cvt", false, Some(_)));
        if !known {
            return Err(module.reason(Cause::GridRegister, i.first, i.end));
        }
        self.edits.push(match axis {
            Some(axis) => Edit::Register { at, special, axis },
            None => Edit::Vector { at, special },
        });
        Ok(())
    }
}

/// Bytes that a load with these modifiers loads, if it is of a kind that the table can serve.
fn load_bytes<'t>(modifiers: impl Iterator<Item = &'t str>) -> Option<u64> {
    let (mut lanes, mut element) = (1, None);
    for modifier in modifiers {
        match modifier {
            ".weak" | ".param" | ".param::entry" if element.is_none() => {}
            ".v2" if lanes == 1 => lanes = 2,
            ".v4" if lanes == 1 => lanes = 4,
            // Loads know no half-precision types: those are .b16.
            ".f16" | ".f16x2" | ".bf16" | ".bf16x2" => return None,
            _ if element.is_none() => element = Some(scalar_bytes(modifier)?),
            _ => return None,
        }
    }
    element.map(|bytes| bytes * lanes).filter(|bytes| *bytes <= 16)
}
