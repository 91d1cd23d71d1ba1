//! A body as a sequence of statements, and the names that it declares.

use std::collections::{HashMap, HashSet};

use super::lexer::Kind;
use super::module::{Body, Module, skip_loc};
use super::params::whole_number;
use super::reason::{Cause, NoMerge};

/// A statement as positions among the tokens.
#[derive(Clone, Copy, Debug)]
pub(super) enum Statement {
    /// A brace of a block inside the body.
    Brace,
    /// A label; the position is that of its name.
    Label(usize),
    /// A directive from its first token to behind its last.
    Directive { first: usize, end: usize },
    /// An instruction: its guard begins at `first`, its operands are `operands..end - 1`, the last is the semicolon.
    Instruction { first: usize, opcode: usize, operands: usize, end: usize },
}

/// Walks through the statements of a body.
pub(super) struct Statements<'m, 't> {
    module: &'m Module<'t>,
    at: usize,
    close: usize,
}

impl<'m, 't> Statements<'m, 't> {
    pub fn new(module: &'m Module<'t>, body: Body) -> Self {
        Statements { module, at: body.open + 1, close: body.close }
    }

    fn kind(&self, at: usize) -> Option<Kind> {
        (at < self.close).then(|| self.module.tokens[at].kind)
    }

    fn broken(&mut self) -> Result<Statement, NoMerge> {
        let first = self.at;
        self.at = self.close;
        Err(self.module.reason(Cause::Syntax, first, self.close.min(first + 8)))
    }

    /// Behind the semicolon that ends the statement at `from`.
    fn semicolon(&self, from: usize) -> Option<usize> {
        (from..self.close).find(|at| self.module.tokens[*at].is(b';')).map(|at| at + 1)
    }

    fn directive(&mut self) -> Result<Statement, NoMerge> {
        let first = self.at;
        if self.module.word(first) == ".loc" {
            self.at = skip_loc(self.module.text, self.module.tokens, first + 1).min(self.close);
        } else {
            let Some(end) = self.semicolon(first) else { return self.broken() };
            self.at = end;
        }
        Ok(Statement::Directive { first, end: self.at })
    }

    fn instruction(&mut self) -> Result<Statement, NoMerge> {
        let first = self.at;
        let mut opcode = first;
        if self.kind(opcode) == Some(Kind::Mark(b'@')) {
            opcode += 1;
            if self.kind(opcode) == Some(Kind::Mark(b'!')) {
                opcode += 1;
            }
            if self.kind(opcode) != Some(Kind::Word) {
                return self.broken();
            }
            opcode += 1;
        }
        if self.kind(opcode) != Some(Kind::Word) {
            return self.broken();
        }
        let mut operands = opcode + 1;
        while self.kind(operands) == Some(Kind::Dot) {
            operands += 1;
        }
        let Some(end) = self.semicolon(operands) else { return self.broken() };
        self.at = end;
        Ok(Statement::Instruction { first, opcode, operands, end })
    }
}

impl Iterator for Statements<'_, '_> {
    type Item = Result<Statement, NoMerge>;

    fn next(&mut self) -> Option<Self::Item> {
        let kind = self.kind(self.at)?;
        Some(match kind {
            Kind::Mark(b'{' | b'}') => {
                self.at += 1;
                Ok(Statement::Brace)
            }
            Kind::Dot => self.directive(),
            Kind::Word if self.kind(self.at + 1) == Some(Kind::Mark(b':')) => {
                self.at += 2;
                Ok(Statement::Label(self.at - 2))
            }
            Kind::Word | Kind::Mark(b'@') => self.instruction(),
            // An empty statement.
            Kind::Mark(b';') => {
                self.at += 1;
                return self.next_after_empty();
            }
            _ => self.broken(),
        })
    }
}

impl Statements<'_, '_> {
    /// A loop in place of recursion: a text may hold any number of semicolons.
    fn next_after_empty(&mut self) -> Option<Result<Statement, NoMerge>> {
        while self.kind(self.at) == Some(Kind::Mark(b';')) {
            self.at += 1;
        }
        self.next()
    }
}

/// Everything that a body declares, whatever the block.
#[derive(Default)]
pub(super) struct Names<'t> {
    pub labels: HashSet<&'t str>,
    /// Registers, local and shared variables, parameters of calls.
    declared: HashSet<&'t str>,
    /// Parameters of calls.
    call_params: HashSet<&'t str>,
    /// `%r<30>` is 30 under `%r`.
    ranges: HashMap<&'t str, u64>,
}

impl<'t> Names<'t> {
    /// Collects the names of a body, and refuses directives that are not known.
    pub fn collect(module: &Module<'t>, body: Body) -> Result<Names<'t>, NoMerge> {
        let mut names = Names::default();
        for statement in Statements::new(module, body) {
            match statement? {
                Statement::Label(at) => drop(names.labels.insert(module.word(at))),
                Statement::Directive { first, end } => names.directive(module, first, end)?,
                Statement::Brace | Statement::Instruction { .. } => {}
            }
        }
        Ok(names)
    }

    fn directive(&mut self, module: &Module<'t>, first: usize, end: usize) -> Result<(), NoMerge> {
        match module.word(first) {
            ".reg" | ".local" | ".shared" | ".param" => {}
            ".loc" | ".pragma" | ".branchtargets" | ".calltargets" | ".callprototype" => return Ok(()),
            // Each copy of the body would have its own.
            ".global" | ".const" => return Err(module.reason(Cause::ModuleVariable, first, end)),
            _ => return Err(module.reason(Cause::Directive, first, end)),
        }
        for at in first + 1..end {
            if module.tokens[at].kind != Kind::Word {
                continue;
            }
            let name = module.word(at);
            if at + 2 < end && module.tokens[at + 1].is(b'<') {
                let Some(count) = whole_number(module.word(at + 2)) else {
                    return Err(module.reason(Cause::Syntax, first, end));
                };
                let known = self.ranges.entry(name).or_insert(count);
                *known = count.max(*known);
            } else {
                self.declared.insert(name);
                if module.word(first) == ".param" {
                    self.call_params.insert(name);
                }
            }
        }
        Ok(())
    }

    /// Whether the body declares this name as a parameter of a call.
    pub fn is_call_param(&self, name: &str) -> bool {
        self.call_params.contains(name)
    }

    /// Whether the body declares this name other than as a label.
    pub fn declares(&self, name: &str) -> bool {
        if self.declared.contains(name) {
            return true;
        }
        let prefix = name.trim_end_matches(|character: char| character.is_ascii_digit());
        // `%r<2>` declares `%r0` and `%r1`; `%r1<2>` declares `%r10` and `%r11`. No count has more than 20 digits.
        (prefix.len().max(name.len().saturating_sub(20))..name.len()).any(|split| {
            let number = name[split..].parse::<u64>();
            self.ranges.get(&name[..split]).is_some_and(|count| number.is_ok_and(|number| number < *count))
        })
    }
}
