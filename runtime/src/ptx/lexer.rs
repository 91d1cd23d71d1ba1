//! PTX text to tokens: words, directives and modifiers, numbers, strings, marks. Comments and white space fall away.

use super::reason::PtxError;

/// The longest text: positions are 32-bit numbers.
pub(super) const TEXT_MAX: usize = 1 << 30;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An identifier or an opcode: `ld`, `%r1`, `$L__BB0_2`, `_`.
    Word,
    /// A directive or a modifier, with its dot and what `::` adds: `.param`, `.shared::cluster`.
    Dot,
    /// A number in any notation.
    Number,
    /// A string with its quotes.
    Text,
    /// Any other character that PTX knows.
    Mark(u8),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub kind: Kind,
    pub start: u32,
    pub end: u32,
}

impl Token {
    pub fn text<'t>(&self, text: &'t str) -> &'t str {
        &text[self.start as usize..self.end as usize]
    }

    pub fn is(&self, mark: u8) -> bool {
        self.kind == Kind::Mark(mark)
    }
}

/// Where lines begin, to name them in reasons.
pub(super) struct Lines(Vec<u32>);

impl Lines {
    pub fn new(text: &str) -> Lines {
        let text = &text.as_bytes()[..text.len().min(TEXT_MAX)];
        let breaks = text.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        Lines(breaks.map(|(at, _)| u32::try_from(at).unwrap_or(u32::MAX)).collect())
    }

    /// The number of a position's line, from 1.
    pub fn of(&self, position: u32) -> u32 {
        u32::try_from(self.0.partition_point(|line_end| *line_end < position)).unwrap_or(u32::MAX) + 1
    }
}

/// All tokens of a text.
pub(super) fn tokens(text: &str, lines: &Lines) -> Result<Vec<Token>, PtxError> {
    if text.len() > TEXT_MAX {
        return Err(PtxError::TooLong { bytes: text.len() });
    }
    let mut lexer = Lexer { bytes: text.as_bytes(), at: 0 };
    let mut tokens = Vec::with_capacity(text.len() / 4);
    loop {
        match lexer.next() {
            Ok(Some((kind, start))) => tokens.push(Token { kind, start: position(start), end: position(lexer.at) }),
            Ok(None) => return Ok(tokens),
            Err(Stray { at, expected }) => {
                let character =
                    text.get(at..).and_then(|rest| rest.chars().next()).unwrap_or(char::REPLACEMENT_CHARACTER);
                return Err(PtxError::Stray { line: lines.of(position(at)), character, expected });
            }
        }
    }
}

/// No text is longer than [`TEXT_MAX`].
fn position(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

struct Lexer<'t> {
    bytes: &'t [u8],
    at: usize,
}

struct Stray {
    at: usize,
    expected: &'static str,
}

/// A character of which names consist, behind the first.
fn follows(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$'
}

impl Lexer<'_> {
    fn peek(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn skip(&mut self, while_true: impl Fn(u8) -> bool) {
        while self.bytes.get(self.at).is_some_and(|byte| while_true(*byte)) {
            self.at += 1;
        }
    }

    fn next(&mut self) -> Result<Option<(Kind, usize)>, Stray> {
        self.skip_blank()?;
        let start = self.at;
        let Some(&first) = self.bytes.get(start) else { return Ok(None) };
        let kind = match first {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'$' => self.word(),
            b'%' if follows(self.peek(1)) => self.word(),
            b'.' if follows(self.peek(1)) => self.dot(),
            b'0'..=b'9' => self.number(),
            b'"' => self.string()?,
            b'{' | b'}' | b'(' | b')' | b'[' | b']' | b'<' | b'>' | b',' | b';' | b':' | b'@' | b'!' | b'+' | b'-'
            | b'=' | b'|' | b'&' | b'^' | b'~' | b'*' | b'/' | b'?' | b'%' => {
                self.at += 1;
                Kind::Mark(first)
            }
            _ => return Err(Stray { at: start, expected: "a word, a number or punctuation of PTX" }),
        };
        Ok(Some((kind, start)))
    }

    fn skip_blank(&mut self) -> Result<(), Stray> {
        loop {
            self.skip(|byte| byte.is_ascii_whitespace() || byte == 0x0b);
            match (self.peek(0), self.peek(1)) {
                (b'/', b'/') => self.skip(|byte| byte != b'\n'),
                (b'/', b'*') => {
                    let begin = self.at;
                    self.at += 2;
                    while (self.peek(0), self.peek(1)) != (b'*', b'/') {
                        if self.at >= self.bytes.len() {
                            return Err(Stray { at: begin, expected: "an end of this comment" });
                        }
                        self.at += 1;
                    }
                    self.at += 2;
                }
                _ => return Ok(()),
            }
        }
    }

    fn word(&mut self) -> Kind {
        self.at += 1;
        self.skip(follows);
        Kind::Word
    }

    fn dot(&mut self) -> Kind {
        self.at += 1;
        self.skip(follows);
        while self.peek(0) == b':' && self.peek(1) == b':' && follows(self.peek(2)) {
            self.at += 2;
            self.skip(follows);
        }
        Kind::Dot
    }

    fn number(&mut self) -> Kind {
        let coded = self.peek(0) == b'0' && matches!(self.peek(1), b'x' | b'X' | b'f' | b'F' | b'd' | b'D');
        self.at += 1;
        loop {
            self.skip(|byte| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'_');
            let exponent = !coded && matches!(self.bytes[self.at - 1], b'e' | b'E');
            if !(exponent && matches!(self.peek(0), b'+' | b'-') && self.peek(1).is_ascii_digit()) {
                return Kind::Number;
            }
            self.at += 1;
        }
    }

    fn string(&mut self) -> Result<Kind, Stray> {
        let begin = self.at;
        self.at += 1;
        loop {
            match self.peek(0) {
                b'"' => break,
                b'\\' => self.at += 1,
                b'\n' => return Err(Stray { at: begin, expected: "an end of this string on its line" }),
                _ => {}
            }
            if self.at >= self.bytes.len() {
                return Err(Stray { at: begin, expected: "an end of this string" });
            }
            self.at += 1;
        }
        self.at += 1;
        Ok(Kind::Text)
    }
}
