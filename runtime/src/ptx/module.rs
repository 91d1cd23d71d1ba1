//! The structure of a module: its header, its functions and entries with their bodies as ranges of tokens, its variables.

use std::collections::{HashMap, HashSet};

use super::lexer::{Kind, Lines, Token};
use super::params::{self, Layout};
use super::reason::{Cause, NoMerge, PtxError, excerpt};

/// A module's text with what is where in it.
pub(super) struct Module<'t> {
    pub text: &'t str,
    pub tokens: &'t [Token],
    pub lines: &'t Lines,
    /// Something in the header that no entry can be merged with.
    pub refused: Option<NoMerge>,
    pub entries: Vec<Entry<'t>>,
    pub functions: Vec<Function>,
    /// Which of `functions` has a name. Functions without a body are not among them.
    pub function_named: HashMap<&'t str, usize>,
    /// Variables in global memory.
    pub variables: HashSet<&'t str>,
    entry_names: HashSet<&'t str>,
}

/// An entry with a body.
pub(super) struct Entry<'t> {
    pub name: &'t str,
    pub layout: Result<Layout<'t>, NoMerge>,
    pub header: Header,
    pub body: Body,
}

/// A device function with a body.
pub(super) struct Function {
    pub header: Header,
    pub body: Body,
}

/// Tokens between the parameters and the body: `.maxntid 256, 1, 1` and the like.
#[derive(Clone, Copy)]
pub(super) struct Header {
    pub first: usize,
    pub end: usize,
}

/// Positions of a body's braces among the tokens.
#[derive(Clone, Copy)]
pub(super) struct Body {
    pub open: usize,
    pub close: usize,
}

impl<'t> Module<'t> {
    pub fn parse(text: &'t str, tokens: &'t [Token], lines: &'t Lines) -> Result<Module<'t>, PtxError> {
        let mut parser = Parser { text, tokens, lines, at: 0 };
        let mut module = Module {
            text,
            tokens,
            lines,
            refused: None,
            entries: Vec::new(),
            functions: Vec::new(),
            function_named: HashMap::new(),
            variables: HashSet::new(),
            entry_names: HashSet::new(),
        };
        let mut head = Head::default();
        while parser.at < tokens.len() {
            parser.item(&mut module, &mut head)?;
        }
        module.refused = head.judge(&module)?;
        Ok(module)
    }

    pub fn word(&self, at: usize) -> &'t str {
        self.tokens[at].text(self.text)
    }

    /// A reason that shows the tokens of a range.
    pub fn reason(&self, cause: Cause, first: usize, end: usize) -> NoMerge {
        reason(self.text, self.tokens, self.lines, cause, first, end)
    }
}

fn reason(text: &str, tokens: &[Token], lines: &Lines, cause: Cause, first: usize, end: usize) -> NoMerge {
    let last = tokens[end.clamp(first + 1, tokens.len()) - 1].end;
    let start = tokens[first].start;
    NoMerge { cause, line: lines.of(start), text: excerpt(&text[start as usize..last as usize]) }
}

/// What stands in front of everything: token ranges of the three directives.
#[derive(Default)]
struct Head {
    version: Option<(usize, usize)>,
    target: Option<(usize, usize)>,
    address_size: Option<(usize, usize)>,
}

impl Head {
    fn judge(&self, module: &Module<'_>) -> Result<Option<NoMerge>, PtxError> {
        let version = self.version.ok_or(PtxError::Ends { expected: ".version" })?;
        let target = self.target.ok_or(PtxError::Ends { expected: ".target" })?;
        let refuse = |cause, range: (usize, usize)| Ok(Some(module.reason(cause, range.0, range.1)));
        let mut numbers = module.word(version.0 + 1).split('.').map(|part| part.parse::<u32>().ok());
        match (numbers.next().flatten(), numbers.next().flatten()) {
            (Some(major), Some(minor)) if (major, minor) >= (3, 1) => {}
            (Some(_), Some(_)) => return refuse(Cause::TooOld, version),
            _ => return refuse(Cause::Syntax, version),
        }
        for at in target.0 + 1..target.1 {
            let word = module.word(at);
            if word == "debug" {
                return refuse(Cause::Debug, target);
            }
            let Some(number) = word.strip_prefix("sm_") else { continue };
            match number.trim_end_matches(['a', 'f']).parse::<u32>() {
                Ok(number) if number >= 32 => {}
                Ok(_) => return refuse(Cause::TooOld, target),
                Err(_) => return refuse(Cause::Syntax, target),
            }
        }
        if !(target.0 + 1..target.1).any(|at| module.word(at).starts_with("sm_")) {
            return refuse(Cause::Syntax, target);
        }
        match self.address_size {
            Some(range) if module.word(range.0 + 1) == "64" => Ok(None),
            // 32 is what a text without the directive has.
            range => refuse(Cause::AddressSize, range.unwrap_or(target)),
        }
    }
}

struct Parser<'t> {
    text: &'t str,
    tokens: &'t [Token],
    lines: &'t Lines,
    at: usize,
}

const ITEM: &str = "a directive of a module";

impl<'t> Parser<'t> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn peek_text(&self) -> &'t str {
        self.peek().map_or("", |token| token.text(self.text))
    }

    fn is(&self, mark: u8) -> bool {
        self.peek().is_some_and(|token| token.is(mark))
    }

    fn wrong<T>(&self, expected: &'static str) -> Result<T, PtxError> {
        let Some(token) = self.peek() else { return Err(PtxError::Ends { expected }) };
        let found = excerpt(token.text(self.text));
        Err(PtxError::Structure { line: self.lines.of(token.start), found, expected })
    }

    fn kind(&mut self, kind: Kind, expected: &'static str) -> Result<&'t str, PtxError> {
        if self.peek().is_none_or(|token| token.kind != kind) {
            return self.wrong(expected);
        }
        self.at += 1;
        Ok(self.tokens[self.at - 1].text(self.text))
    }

    /// Skips one token if it is this mark.
    fn skip(&mut self, mark: u8) -> bool {
        let is = self.is(mark);
        self.at += usize::from(is);
        is
    }

    /// Skips what an opening mark encloses, and says where it closes.
    fn balanced(&mut self, open: u8, close: u8, expected: &'static str) -> Result<usize, PtxError> {
        let mut depth = 0usize;
        while let Some(token) = self.peek() {
            if token.is(open) {
                depth += 1;
            } else if token.is(close) {
                // Callers stand on an opening mark.
                depth -= 1;
            }
            self.at += 1;
            if depth == 0 {
                return Ok(self.at - 1);
            }
        }
        Err(PtxError::Ends { expected })
    }

    fn item(&mut self, module: &mut Module<'t>, head: &mut Head) -> Result<(), PtxError> {
        let first = self.at;
        match self.kind(Kind::Dot, ITEM)? {
            ".version" => {
                self.kind(Kind::Number, "a PTX version")?;
                head.version.get_or_insert((first, self.at));
            }
            ".target" => {
                self.kind(Kind::Word, "a target such as sm_90")?;
                while self.skip(b',') {
                    self.kind(Kind::Word, "an option of the target")?;
                }
                // A list over two directives would hide the second from the judgement of the header.
                if head.target.replace((first, self.at)).is_some() {
                    self.at = first;
                    return self.wrong("the only .target");
                }
            }
            ".address_size" => {
                self.kind(Kind::Number, "32 or 64")?;
                head.address_size.get_or_insert((first, self.at));
            }
            ".file" => self.file()?,
            ".loc" => self.at = skip_loc(self.text, self.tokens, self.at),
            ".section" => {
                self.kind(Kind::Dot, "the name of a section")?;
                if !self.is(b'{') {
                    return self.wrong("a section's contents in braces");
                }
                self.balanced(b'{', b'}', "the end of a section")?;
            }
            ".pragma" | ".alias" => self.statement()?,
            ".extern" | ".visible" | ".weak" | ".common" => {
                // The item that follows is linked so.
                if self.peek().is_none_or(|token| token.kind != Kind::Dot) {
                    return self.wrong(".entry, .func or a variable");
                }
            }
            ".entry" => self.entry(module)?,
            ".func" => self.function(module)?,
            ".global" | ".const" | ".shared" | ".local" | ".tex" => self.variables(module, first)?,
            _ => {
                self.at = first;
                return self.wrong(ITEM);
            }
        }
        Ok(())
    }

    /// `.file 1 "name", time, size`
    fn file(&mut self) -> Result<(), PtxError> {
        self.kind(Kind::Number, "a file's number")?;
        self.kind(Kind::Text, "a file's name")?;
        while self.skip(b',') {
            self.kind(Kind::Number, "a number")?;
        }
        Ok(())
    }

    /// Anything up to a semicolon, initial values in braces included.
    fn statement(&mut self) -> Result<(), PtxError> {
        loop {
            if self.is(b'{') {
                self.balanced(b'{', b'}', "the end of initial values")?;
            } else if self.skip(b';') {
                return Ok(());
            } else if self.is(b'}') || self.peek().is_none() {
                return self.wrong("a semicolon");
            } else {
                self.at += 1;
            }
        }
    }

    fn variables(&mut self, module: &mut Module<'t>, first: usize) -> Result<(), PtxError> {
        self.statement()?;
        if self.tokens[first].text(self.text) != ".global" {
            return Ok(());
        }
        let mut depth = 0i64;
        for (before, token) in self.tokens[first..self.at].iter().zip(&self.tokens[first + 1..self.at]) {
            match before.kind {
                Kind::Mark(b'{' | b'(' | b'[') => depth += 1,
                Kind::Mark(b'}' | b')' | b']') => depth -= 1,
                _ => {}
            }
            // A declared name follows a type, an alignment or a comma; in initial values depth is not 0.
            if depth == 0
                && token.kind == Kind::Word
                && matches!(before.kind, Kind::Dot | Kind::Number | Kind::Mark(b','))
            {
                module.variables.insert(token.text(self.text));
            }
        }
        Ok(())
    }

    fn entry(&mut self, module: &mut Module<'t>) -> Result<(), PtxError> {
        let at = self.at;
        let name = self.kind(Kind::Word, "the name of an entry")?;
        let mut list = (self.at, self.at);
        if self.is(b'(') {
            list.0 = self.at + 1;
            list.1 = self.balanced(b'(', b')', "the end of a parameter list")?;
        }
        let Some((header, body)) = self.header_and_body()? else { return Ok(()) };
        let (text, tokens, lines) = (self.text, self.tokens, self.lines);
        let layout = params::layout(text, &tokens[list.0..list.1]).map_err(|(cause, token)| {
            let first = tokens.partition_point(|other| other.start < token.start);
            let end = (first..list.1).find(|end| tokens[*end].is(b',')).unwrap_or(list.1);
            reason(text, tokens, lines, cause, first, end)
        });
        if !module.entry_names.insert(name) {
            return Err(PtxError::Twice { line: lines.of(tokens[at].start), name: name.to_owned() });
        }
        module.entries.push(Entry { name, layout, header, body });
        Ok(())
    }

    fn function(&mut self, module: &mut Module<'t>) -> Result<(), PtxError> {
        while self.peek_text() == ".attribute" {
            self.at += 1;
            self.parenthesised()?;
        }
        if self.is(b'(') {
            self.balanced(b'(', b')', "the end of a list of results")?;
        }
        let at = self.at;
        let name = self.kind(Kind::Word, "the name of a function")?;
        if self.is(b'(') {
            self.balanced(b'(', b')', "the end of a parameter list")?;
        }
        let Some((header, body)) = self.header_and_body()? else { return Ok(()) };
        if module.function_named.insert(name, module.functions.len()).is_some() {
            return Err(PtxError::Twice { line: self.lines.of(self.tokens[at].start), name: name.to_owned() });
        }
        module.functions.push(Function { header, body });
        Ok(())
    }

    fn parenthesised(&mut self) -> Result<usize, PtxError> {
        if !self.is(b'(') {
            return self.wrong("an opening parenthesis");
        }
        self.balanced(b'(', b')', "a closing parenthesis")
    }

    /// What follows a parameter list, up to the end of the body, or of the declaration.
    fn header_and_body(&mut self) -> Result<Option<(Header, Body)>, PtxError> {
        let first = self.at;
        while !self.is(b'{') {
            if self.skip(b';') {
                return Ok(None);
            } else if self.peek_text() == ".pragma" {
                // It has a semicolon of its own.
                self.statement()?;
            } else if self.is(b'(') {
                self.balanced(b'(', b')', "a closing parenthesis")?;
            } else if self.is(b'}') || self.peek().is_none() {
                return self.wrong("a body in braces, or a semicolon");
            } else {
                self.at += 1;
            }
        }
        let header = Header { first, end: self.at };
        let open = self.at;
        let close = self.balanced(b'{', b'}', "the end of a body")?;
        Ok(Some((header, Body { open, close })))
    }
}

/// The end of a `.loc` directive whose first operand is at `at`: it has no semicolon.
pub(super) fn skip_loc(text: &str, tokens: &[Token], mut at: usize) -> usize {
    let is_number = |at: usize| tokens.get(at).is_some_and(|token| token.kind == Kind::Number);
    let word = |at: usize| tokens.get(at).map_or("", |token| token.text(text));
    while is_number(at) {
        at += 1;
    }
    loop {
        match (word(at), word(at + 1)) {
            (",", "function_name") => {
                at += 3;
                if word(at) == "+" && is_number(at + 1) {
                    at += 2;
                }
            }
            (",", "inlined_at") => {
                at += 2;
                while is_number(at) {
                    at += 1;
                }
            }
            _ => return at.min(tokens.len()),
        }
    }
}
