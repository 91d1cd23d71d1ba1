//! PTX text to functions of instructions, independent of the reader in the runtime: it reads only valid text, and panics
//! at what it does not know.

use std::collections::HashMap;

/// A loaded text.
pub struct Program {
    pub functions: HashMap<String, Function>,
    /// Addresses of variables in global and constant memory.
    pub variables: HashMap<String, u64>,
}

/// An entry or a device function.
#[derive(Default)]
pub struct Function {
    /// Slots of its parameters; then of its result.
    pub params: Vec<usize>,
    pub result: Option<usize>,
    /// Sizes by which an entry's parameters are laid out.
    pub param_sizes: Vec<(usize, usize)>,
    pub code: Vec<Instruction>,
    pub registers: usize,
    pub slots: usize,
    pub local_bytes: usize,
    pub shared_bytes: usize,
    labels: HashMap<String, usize>,
    targets: HashMap<String, Vec<String>>,
    register_named: HashMap<String, usize>,
    slot_named: HashMap<String, usize>,
    local_named: HashMap<String, u64>,
}

/// One instruction, its opcode taken apart.
pub struct Instruction {
    pub guard: Option<(usize, bool)>,
    pub opcode: String,
    pub modifiers: Vec<String>,
    pub operands: Vec<Operand>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    Register(usize),
    /// A predicate that is taken the other way round.
    Not(usize),
    Bits(u64),
    /// `%tid` and the like, with the axis.
    Special(String, usize),
    /// In brackets: a register or a fixed address.
    Memory(Box<Operand>, i64),
    Slot(usize),
    Group(Vec<Operand>),
    Label(usize),
    Labels(Vec<usize>),
    Name(String),
    Sink,
}

const SPECIAL: [&str; 9] = ["%tid", "%ntid", "%ctaid", "%nctaid", "%laneid", "%clock", "%clock64", "%smid", "%warpid"];

fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    let word = |c: char| c.is_ascii_alphanumeric() || "_$%.".contains(c);
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest = &rest[rest.find('\n').unwrap_or(rest.len())..];
            continue;
        } else if first.is_whitespace() {
            rest = rest.trim_start();
            continue;
        } else if first == '"' {
            rest[1..].find('"').expect("a closed string") + 2
        } else if word(first) {
            rest.find(|c| !word(c)).unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            // The rest of a modifier; no state space of it matters here.
            rest = rest[2..].trim_start_matches(|c: char| c.is_ascii_alphanumeric());
            continue;
        } else {
            first.len_utf8()
        };
        tokens.push(rest[..length].to_owned());
        rest = &rest[length..];
    }
    tokens
}

/// Bytes of a type by its name.
pub fn type_bits(name: &str) -> Option<u32> {
    Some(match name {
        "pred" => 1,
        "b8" | "u8" | "s8" => 8,
        "b16" | "u16" | "s16" | "f16" | "bf16" => 16,
        "b32" | "u32" | "s32" | "f32" | "f16x2" => 32,
        "b64" | "u64" | "s64" | "f64" => 64,
        _ => return None,
    })
}

pub fn number(text: &str) -> Option<u64> {
    let text = text.trim_end_matches('U');
    let digits = |prefix: &str| text.strip_prefix(prefix).map(|hex| u64::from_str_radix(hex, 16).expect(text));
    match text.as_bytes() {
        [b'0', b'f' | b'F', ..] => digits(&text[..2]),
        [b'0', b'd' | b'D', ..] => digits(&text[..2]),
        [b'0', b'x' | b'X', ..] => digits(&text[..2]),
        [first, ..] if first.is_ascii_digit() => Some(text.parse().expect(text)),
        _ => None,
    }
}

pub fn parse(text: &str, memory: &mut Vec<u8>, base: u64) -> Program {
    let tokens = tokens(text);
    let mut program = Program { functions: HashMap::new(), variables: HashMap::new() };
    let mut reader = Reader { tokens: &tokens, at: 0 };
    let mut shared = HashMap::new();
    while reader.at < tokens.len() {
        let first = reader.take();
        match first.as_str() {
            ".version" | ".target" | ".address_size" | ".visible" | ".weak" | ".extern" | ".common" => {}
            ".entry" | ".func" => reader.function(&mut program, first == ".entry", &shared),
            ".global" | ".const" | ".shared" => reader.variable(&first, &mut program, memory, base, &mut shared),
            ".section" => reader.skip_block(),
            _ => {}
        }
    }
    program
}

struct Reader<'t> {
    tokens: &'t [String],
    at: usize,
}

impl Reader<'_> {
    fn take(&mut self) -> String {
        self.at += 1;
        self.tokens[self.at - 1].clone()
    }

    fn peek(&self) -> &str {
        self.tokens.get(self.at).map_or("", String::as_str)
    }

    fn skip(&mut self, token: &str) -> bool {
        let is = self.peek() == token;
        self.at += usize::from(is);
        is
    }

    fn skip_block(&mut self) {
        while !self.skip("}") {
            self.at += 1;
        }
    }

    /// Words up to a name: the bytes of an element, the alignment, the name, how many elements.
    fn declaration(&mut self) -> (usize, usize, String, usize) {
        let (mut size, mut align) = (0, 1);
        while self.peek().starts_with('.') {
            let word = self.take();
            match word.as_str() {
                ".align" => align = number(&self.take()).unwrap() as usize,
                ".ptr" => {
                    while self.peek().starts_with('.') {
                        self.at += 1 + usize::from(self.peek() == ".align");
                    }
                }
                _ => size = type_bits(&word[1..]).map_or(size, |bits| bits as usize / 8),
            }
        }
        let name = self.take();
        let mut count = 1;
        if self.skip("[") {
            count = if self.peek() == "]" { 0 } else { number(&self.take()).unwrap() as usize };
            self.skip("]");
        }
        (size, align.max(size), name, count)
    }

    fn variable(
        &mut self,
        space: &str,
        program: &mut Program,
        memory: &mut Vec<u8>,
        base: u64,
        shared: &mut HashMap<String, usize>,
    ) {
        let (size, _, name, count) = self.declaration();
        if space == ".shared" {
            shared.insert(name, size * count);
        } else {
            memory.resize(memory.len().next_multiple_of(64), 0);
            let start = memory.len();
            program.variables.insert(name, base + start as u64);
            memory.resize(start + size * count.max(1), 0);
            if self.skip("=") {
                let mut at = start;
                while self.peek() != ";" {
                    if let Some(value) = number(&self.take()) {
                        memory[at..at + size].copy_from_slice(&value.to_le_bytes()[..size]);
                        at += size;
                    }
                }
            }
        }
        while !self.skip(";") {
            self.at += 1;
        }
    }

    fn function(&mut self, program: &mut Program, entry: bool, shared: &HashMap<String, usize>) {
        let mut function = Function::default();
        if !entry && self.skip("(") {
            let (.., name, _) = self.declaration();
            function.result = Some(function.slot(&name));
            self.skip(")");
        }
        let name = self.take();
        if self.skip("(") {
            while !self.skip(")") {
                let (size, align, name, count) = self.declaration();
                let slot = function.slot(&name);
                function.params.push(slot);
                function.param_sizes.push((size * count, align));
                self.skip(",");
            }
        }
        while self.peek() != "{" && self.peek() != ";" {
            self.at += 1;
        }
        if self.skip(";") {
            return;
        }
        // What the module has in shared memory lies in front of what the function has.
        for (name, bytes) in shared {
            function.shared_bytes = function.shared_bytes.next_multiple_of(16);
            function.local_named.insert(name.clone(), function.shared_bytes as u64);
            function.shared_bytes += bytes;
        }
        let end = self.body(&mut function);
        self.at = end;
        program.functions.insert(name, function);
    }

    /// Two passes: names and labels, then instructions. Returns where the body ends.
    fn body(&mut self, function: &mut Function) -> usize {
        let begin = self.at + 1;
        for naming in [true, false] {
            self.at = begin;
            let (mut depth, mut number_of) = (1, 0);
            while depth > 0 {
                match self.peek() {
                    "{" => (depth, self.at) = (depth + 1, self.at + 1),
                    "}" => (depth, self.at) = (depth - 1, self.at + 1),
                    ";" => self.at += 1,
                    ".loc" => {
                        self.at += 4;
                        while self.skip(",") {
                            let words = if self.take() == "inlined_at" { 3 } else { 1 };
                            self.at += words;
                            if self.skip("+") {
                                self.at += 1;
                            }
                        }
                    }
                    word if word.starts_with('.') => self.directive(function, naming),
                    _ if self.tokens[self.at + 1] == ":" => {
                        let label = self.take();
                        self.at += 1;
                        if self.peek() == ".branchtargets" {
                            let mut names = Vec::new();
                            while self.take() != ";" {
                                names.push(self.peek().to_owned());
                                self.at += 1;
                            }
                            function.targets.insert(label, names);
                        } else {
                            function.labels.insert(label, number_of);
                        }
                    }
                    _ => {
                        let statement = self.instruction();
                        number_of += 1;
                        if !naming {
                            let instruction = function.decode(&statement);
                            function.code.push(instruction);
                        }
                    }
                }
            }
        }
        self.at
    }

    fn directive(&mut self, function: &mut Function, naming: bool) {
        let kind = self.take();
        if naming && matches!(kind.as_str(), ".local" | ".shared" | ".param" | ".reg") {
            let vector = self.peek() == ".v4";
            loop {
                let (size, align, name, count) = self.declaration();
                let bytes = size * count;
                match kind.as_str() {
                    ".param" => drop(function.slot(&name)),
                    ".reg" if !vector && self.peek() != "<" => drop(function.register(&name)),
                    ".reg" => {}
                    _ => {
                        let end = if kind == ".local" { &mut function.local_bytes } else { &mut function.shared_bytes };
                        *end = end.next_multiple_of(align.max(16));
                        function.local_named.insert(name, *end as u64);
                        *end += bytes;
                    }
                }
                if !self.skip(",") {
                    break;
                }
            }
        }
        while !self.skip(";") {
            self.at += 1;
        }
    }

    fn instruction(&mut self) -> Vec<String> {
        let begin = self.at;
        while !self.skip(";") {
            self.at += 1;
        }
        self.tokens[begin..self.at - 1].to_vec()
    }
}

impl Function {
    fn slot(&mut self, name: &str) -> usize {
        let next = self.slots;
        let slot = *self.slot_named.entry(name.to_owned()).or_insert(next);
        self.slots = self.slots.max(slot + 1);
        slot
    }

    fn register(&mut self, name: &str) -> usize {
        let next = self.registers;
        let register = *self.register_named.entry(name.to_owned()).or_insert(next);
        self.registers = self.registers.max(register + 1);
        register
    }

    fn decode(&mut self, statement: &[String]) -> Instruction {
        let (mut at, mut guard) = (0, None);
        if statement[0] == "@" {
            let not = statement[1] == "!";
            at = 2 + usize::from(not);
            guard = Some((self.register(&statement[at - 1]), not));
        }
        let mut parts = statement[at].split('.').map(str::to_owned);
        let opcode = parts.next().unwrap();
        let mut tokens = statement[at + 1..].iter().map(String::as_str).peekable();
        let mut operands = Vec::new();
        while tokens.peek().is_some() {
            operands.push(self.operand(&mut tokens));
            // `%p1|%p2` is a pair of targets.
            while tokens.next_if(|token| matches!(*token, "," | "|")).is_some() {}
        }
        Instruction { guard, opcode, modifiers: parts.collect(), operands }
    }

    fn operand<'s>(&mut self, tokens: &mut std::iter::Peekable<impl Iterator<Item = &'s str>>) -> Operand {
        let token = tokens.next().expect("an operand");
        match token {
            "[" => {
                let base = self.operand(tokens);
                let mut offset = 0i64;
                loop {
                    match tokens.next().expect("a closing bracket") {
                        "]" => break,
                        "+" => {}
                        "-" => offset = -(number(tokens.next().unwrap()).unwrap() as i64),
                        digits => offset = number(digits).expect(digits) as i64,
                    }
                }
                Operand::Memory(Box::new(base), offset)
            }
            "{" | "(" => {
                let mut group = Vec::new();
                while tokens.next_if(|token| matches!(*token, "}" | ")")).is_none() {
                    group.push(self.operand(tokens));
                    tokens.next_if(|token| *token == ",");
                }
                Operand::Group(group)
            }
            "-" => {
                let text = tokens.next().unwrap();
                Operand::Bits(number(text).expect(text).wrapping_neg())
            }
            "!" => {
                let name = tokens.next().unwrap();
                Operand::Not(self.register(name))
            }
            "_" => Operand::Sink,
            "WARP_SZ" => Operand::Bits(32),
            _ => self.word(token),
        }
    }

    fn word(&mut self, token: &str) -> Operand {
        let (name, axis) = token.split_once('.').unwrap_or((token, ""));
        let axis = ["x", "y", "z", "w"].iter().position(|letter| *letter == axis);
        if SPECIAL.contains(&name) {
            return Operand::Special(name.to_owned(), axis.unwrap_or(0));
        }
        if let Some(value) = number(token) {
            return Operand::Bits(value);
        }
        if let Some(register) = self.register_named.get(token) {
            return Operand::Register(*register);
        }
        if let Some(slot) = self.slot_named.get(token) {
            return Operand::Slot(*slot);
        }
        if let Some(address) = self.local_named.get(token) {
            return Operand::Bits(*address);
        }
        if let Some(label) = self.labels.get(token) {
            return Operand::Label(*label);
        }
        if let Some(names) = self.targets.get(token) {
            return Operand::Labels(names.iter().map(|name| self.labels[name]).collect());
        }
        if token.starts_with('%') {
            return Operand::Register(self.register(token));
        }
        Operand::Name(token.to_owned())
    }
}
