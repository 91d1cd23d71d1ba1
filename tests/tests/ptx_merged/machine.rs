//! A machine for the test kit that interprets PTX: blocks one after another, threads of a block in turns between barriers.
//!
//! It covers what the kit's scalar kernels consist of. Approximate instructions (`ex2.approx`, `rcp.approx`) and odd roundings
//! are computed as Rust does: what matters here is that single and merged launches compute the same.

use std::collections::HashMap;

use dxg_tests::ptx::{Launch, Machine};

use crate::alu;
use crate::parse::{Function, Operand, Program, parse, type_bits};

/// Where memory of each kind begins; shared and local memory are windows of generic addresses.
const GLOBAL: u64 = 1 << 32;
const LOCAL: u64 = 1 << 25;
const SHARED: u64 = 1 << 24;
/// Instructions of one thread; more means that it does not end.
const STEPS_MAX: u64 = 1 << 24;

#[derive(Default)]
pub struct Interpreter {
    memory: Vec<u8>,
    arena: usize,
    programs: Vec<Program>,
}

type Outcome<T> = Result<T, String>;

impl Machine for Interpreter {
    fn load(&mut self, text: &str) -> Outcome<usize> {
        self.memory.truncate(self.arena);
        self.programs.push(parse(text, &mut self.memory, GLOBAL));
        self.arena = self.memory.len();
        Ok(self.programs.len() - 1)
    }

    fn alloc(&mut self, bytes: usize) -> Outcome<u64> {
        let start = self.arena.next_multiple_of(256);
        self.memory.truncate(self.arena);
        self.memory.resize(start + bytes, 0);
        Ok(GLOBAL + start as u64)
    }

    fn write(&mut self, address: u64, bytes: &[u8]) -> Outcome<()> {
        self.memory[(address - GLOBAL) as usize..][..bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn read(&mut self, address: u64, bytes: &mut [u8]) -> Outcome<()> {
        bytes.copy_from_slice(&self.memory[(address - GLOBAL) as usize..][..bytes.len()]);
        Ok(())
    }

    fn launch(&mut self, module: usize, launch: &Launch<'_>) -> Outcome<()> {
        let program = &self.programs[module];
        let entry = program.functions.get(launch.entry).ok_or_else(|| format!("no entry {}", launch.entry))?;
        let [x, y, z] = launch.grid;
        for block in (0..z).flat_map(|z| (0..y).flat_map(move |y| (0..x).map(move |x| [x, y, z]))) {
            let shared = vec![0; entry.shared_bytes + launch.shared as usize];
            let mut run = Block { program, memory: &mut self.memory, shared, launch, block, threads: Vec::new() };
            run.run(entry).map_err(|error| format!("block {block:?} of {}: {error}", launch.entry))?;
        }
        Ok(())
    }
}

/// Why a thread does not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ready,
    Barrier,
    Shuffle,
    Done,
}

struct Frame<'p> {
    function: &'p Function,
    at: usize,
    registers: Vec<u64>,
    slots: Vec<Vec<u8>>,
    /// Where the caller wants the result.
    result: Option<usize>,
}

struct Thread<'p> {
    frames: Vec<Frame<'p>>,
    local: Vec<u8>,
    state: State,
    carry: bool,
    steps: u64,
}

struct Block<'p, 'm> {
    program: &'p Program,
    memory: &'m mut Vec<u8>,
    shared: Vec<u8>,
    launch: &'m Launch<'m>,
    block: [u32; 3],
    threads: Vec<Thread<'p>>,
}

impl<'p> Block<'p, '_> {
    fn run(&mut self, entry: &'p Function) -> Outcome<()> {
        let mut slots = vec![Vec::new(); entry.slots];
        let mut at = 0;
        for (&slot, &(size, align)) in entry.params.iter().zip(&entry.param_sizes) {
            at = usize::next_multiple_of(at, align);
            slots[slot] = self.launch.args[at..at + size].to_vec();
            at += size;
        }
        for _ in 0..self.launch.block.iter().product::<u32>() {
            let frame = Frame {
                function: entry,
                at: 0,
                registers: vec![0; entry.registers],
                slots: slots.clone(),
                result: None,
            };
            let local = vec![0; entry.local_bytes];
            self.threads.push(Thread { frames: vec![frame], local, state: State::Ready, carry: false, steps: 0 });
        }
        loop {
            for thread in 0..self.threads.len() {
                while self.threads[thread].state == State::Ready {
                    self.step(thread)?;
                }
            }
            let waiting = self.threads.iter().filter(|thread| thread.state != State::Done).count();
            if waiting == 0 {
                return Ok(());
            }
            if self.threads.iter().filter(|thread| thread.state == State::Barrier).count() == waiting {
                self.threads
                    .iter_mut()
                    .filter(|thread| thread.state == State::Barrier)
                    .for_each(|t| t.state = State::Ready);
            } else if !self.shuffle()? {
                return Err("its threads wait for one another".to_owned());
            }
        }
    }

    /// Exchanges values in every warp all of whose threads want to.
    fn shuffle(&mut self) -> Outcome<bool> {
        let mut any = false;
        for warp in 0..self.threads.len().div_ceil(32) {
            let lanes: Vec<usize> = (warp * 32..(warp * 32 + 32).min(self.threads.len())).collect();
            let active = |block: &Self, lane: usize| block.threads[lane].state != State::Done;
            if !lanes.iter().all(|&lane| !active(self, lane) || self.threads[lane].state == State::Shuffle) {
                continue;
            }
            let mut moved = Vec::new();
            for &lane in lanes.iter().filter(|&&lane| active(self, lane)) {
                let frame = self.threads[lane].frames.last().unwrap();
                let instruction = &frame.function.code[frame.at];
                let mask = self.value(lane, &instruction.operands[2], 32)? as usize;
                let from = match instruction.modifiers[1].as_str() {
                    "bfly" => lane ^ mask,
                    "down" => lane + mask,
                    other => return Err(format!("shfl.{other} is not known here")),
                };
                let from = if lanes.contains(&from) { from } else { lane };
                let Operand::Register(target) = instruction.operands[0] else {
                    return Err("shfl to no register".into());
                };
                let source = &self.threads[from].frames.last().unwrap().function.code[frame.at].operands[1];
                moved.push((lane, target, self.value(from, source, 32)?));
            }
            for (lane, target, value) in moved {
                let thread = &mut self.threads[lane];
                let frame = thread.frames.last_mut().unwrap();
                frame.registers[target] = value;
                frame.at += 1;
                thread.state = State::Ready;
                any = true;
            }
        }
        Ok(any)
    }

    fn step(&mut self, number: usize) -> Outcome<()> {
        let thread = &mut self.threads[number];
        thread.steps += 1;
        if thread.steps > STEPS_MAX {
            return Err("a thread does not end".to_owned());
        }
        let Some(frame) = thread.frames.last_mut() else { return Err("a thread without a frame".to_owned()) };
        let Some(instruction) = frame.function.code.get(frame.at) else {
            return self.leave(number);
        };
        if let Some((register, not)) = instruction.guard
            && (frame.registers[register] != 0) == not
        {
            frame.at += 1;
            return Ok(());
        }
        let operands = &instruction.operands;
        match instruction.opcode.as_str() {
            "bra" => {
                let Operand::Label(label) = operands[0] else { return Err("a jump to no label".to_owned()) };
                frame.at = label;
                return Ok(());
            }
            "brx" => {
                let (Operand::Register(index), Operand::Labels(labels)) = (&operands[0], &operands[1]) else {
                    return Err("a jump without targets".to_owned());
                };
                frame.at = labels[frame.registers[*index] as usize];
                return Ok(());
            }
            "ret" | "exit" => return self.leave(number),
            "bar" | "barrier" => {
                frame.at += 1;
                thread.state = State::Barrier;
                return Ok(());
            }
            "shfl" => {
                thread.state = State::Shuffle;
                return Ok(());
            }
            "call" => return self.call(number, operands),
            _ => {}
        }
        let function = frame.function;
        let at = frame.at;
        self.execute(number, &function.code[at]).map_err(|error| {
            let i = &function.code[at];
            format!("{} {:?} {:?}: {error}", i.opcode, i.modifiers, i.operands)
        })?;
        if let Some(frame) = self.threads[number].frames.last_mut() {
            frame.at += 1;
        }
        Ok(())
    }

    fn call(&mut self, number: usize, operands: &[Operand]) -> Outcome<()> {
        let mut operands = operands.iter().peekable();
        let result = operands.next_if(|operand| matches!(operand, Operand::Group(_)));
        let Some(Operand::Name(name)) = operands.next() else { return Err("a call of no function".to_owned()) };
        let callee = self.program.functions.get(name).ok_or_else(|| format!("no function {name}"))?;
        let frame = self.threads[number].frames.last().unwrap();
        let mut slots = vec![Vec::new(); callee.slots];
        if let Some(Operand::Group(args)) = operands.next() {
            for (arg, slot) in args.iter().zip(&callee.params) {
                let Operand::Slot(from) = arg else { return Err("an argument that is no parameter".to_owned()) };
                slots[*slot] = frame.slots[*from].clone();
            }
        }
        let result = match result {
            Some(Operand::Group(group)) => group.first().and_then(|operand| match operand {
                Operand::Slot(slot) => Some(*slot),
                _ => None,
            }),
            _ => None,
        };
        if callee.local_bytes > 0 {
            return Err("local memory of a function that is called is not known here".to_owned());
        }
        let frame = Frame { function: callee, at: 0, registers: vec![0; callee.registers], slots, result };
        self.threads[number].frames.push(frame);
        Ok(())
    }

    fn leave(&mut self, number: usize) -> Outcome<()> {
        let thread = &mut self.threads[number];
        let left = thread.frames.pop();
        let (Some(left), Some(caller)) = (left, thread.frames.last_mut()) else {
            thread.state = State::Done;
            return Ok(());
        };
        if let (Some(from), Some(to)) = (left.function.result, left.result) {
            caller.slots[to].clone_from(&left.slots[from]);
        }
        caller.at += 1;
        Ok(())
    }

    /// An operand's value, of so many bits.
    fn value(&self, number: usize, operand: &Operand, bits: u32) -> Outcome<u64> {
        let frame = self.threads[number].frames.last().unwrap();
        let value = match operand {
            Operand::Register(register) => frame.registers[*register],
            Operand::Not(register) => u64::from(frame.registers[*register] == 0),
            Operand::Bits(value) => *value,
            Operand::Name(name) => *self.program.variables.get(name).ok_or_else(|| format!("no variable {name}"))?,
            Operand::Special(name, axis) => {
                let thread = number as u32;
                let [x, y, _] = self.launch.block;
                let position = [thread % x, thread / x % y, thread / x / y];
                let axes: &[u32] = match name.as_str() {
                    "%tid" => &position,
                    "%ntid" => &self.launch.block,
                    "%ctaid" => &self.block,
                    "%nctaid" => &self.launch.grid,
                    "%laneid" => &[thread % 32],
                    other => return Err(format!("{other} is not known here")),
                };
                u64::from(axes.get(*axis).copied().unwrap_or(0))
            }
            other => return Err(format!("{other:?} is no value")),
        };
        Ok(alu::truncate(value, bits))
    }

    fn set(&mut self, number: usize, operand: &Operand, value: u64) -> Outcome<()> {
        let frame = self.threads[number].frames.last_mut().unwrap();
        match operand {
            Operand::Register(register) => frame.registers[*register] = value,
            Operand::Sink => {}
            other => return Err(format!("{other:?} cannot be written")),
        }
        Ok(())
    }

    /// The bytes that an address means.
    fn place(&mut self, number: usize, space: &str, operand: &Operand, bytes: usize) -> Outcome<&mut [u8]> {
        let Operand::Memory(base, offset) = operand else { return Err("an address without brackets".to_owned()) };
        if let Operand::Slot(slot) = **base {
            let slot = &mut self.threads[number].frames.last_mut().unwrap().slots[slot];
            let at = *offset as usize;
            if slot.len() < at + bytes {
                slot.resize(at + bytes, 0);
            }
            return Ok(&mut slot[at..at + bytes]);
        }
        let address = self.value(number, base, 64)?.wrapping_add(*offset as u64);
        let (memory, start) = match (space, address) {
            ("shared", _) => (&mut self.shared, 0),
            ("local", _) => (&mut self.threads[number].local, 0),
            (_, GLOBAL..) => (&mut *self.memory, GLOBAL),
            (_, LOCAL..) => (&mut self.threads[number].local, LOCAL),
            (_, SHARED..) => (&mut self.shared, SHARED),
            _ => return Err(format!("{address:#x} is no address")),
        };
        if !address.is_multiple_of(bytes.min(16) as u64) {
            return Err(format!("{address:#x} is not aligned for {bytes} bytes"));
        }
        let at = (address - start) as usize;
        memory.get_mut(at..at + bytes).ok_or_else(|| format!("{address:#x} is outside of memory"))
    }

    fn execute(&mut self, number: usize, i: &crate::parse::Instruction) -> Outcome<()> {
        let kind = i.modifiers.last().map_or("b32", String::as_str);
        let bits = type_bits(kind).unwrap_or(32);
        let has = |modifier: &str| i.modifiers.iter().any(|other| other == modifier);
        let spaces = ["param", "global", "shared", "local", "const"];
        let space = spaces.into_iter().find(|space| has(space)).unwrap_or("");
        match i.opcode.as_str() {
            "ld" | "st" => {
                let (memory, values) = if i.opcode == "ld" { (1, 0) } else { (0, 1) };
                let lanes: &[Operand] = match &i.operands[values] {
                    Operand::Group(lanes) => lanes,
                    one => std::slice::from_ref(one),
                };
                let each = bits as usize / 8;
                let whole = self.place(number, space, &i.operands[memory], each * lanes.len())?.to_vec();
                let mut stored = Vec::new();
                for (lane, bytes) in lanes.iter().zip(whole.chunks(each)) {
                    if i.opcode == "ld" {
                        let mut wide = [0; 8];
                        wide[..each].copy_from_slice(bytes);
                        let value = u64::from_le_bytes(wide);
                        let value = if kind.starts_with('s') { alu::signed(value, bits) as u64 } else { value };
                        self.set(number, lane, value)?;
                    } else {
                        stored.extend_from_slice(&self.value(number, lane, bits)?.to_le_bytes()[..each]);
                    }
                }
                if i.opcode == "st" {
                    self.place(number, space, &i.operands[0], stored.len())?.copy_from_slice(&stored);
                }
                Ok(())
            }
            "atom" if has("add") && bits == 32 => {
                let added = self.value(number, &i.operands[2], 32)? as u32;
                let place = self.place(number, space, &i.operands[1], 4)?;
                let before = u32::from_le_bytes(place.try_into().unwrap());
                place.copy_from_slice(&before.wrapping_add(added).to_le_bytes());
                self.set(number, &i.operands[0], before.into())
            }
            "cvta" => {
                let value = self.value(number, &i.operands[1], 64)?;
                let window = HashMap::from([("shared", SHARED), ("local", LOCAL)]).get(space).copied().unwrap_or(0);
                let moved = if has("to") { value.wrapping_sub(window) } else { value.wrapping_add(window) };
                self.set(number, &i.operands[0], moved)
            }
            "mov" => self.copy(number, &i.operands, bits),
            "trap" | "brkpt" => Err("the kernel gave up".to_owned()),
            "setp" => {
                let a = self.value(number, &i.operands[i.operands.len() - 2], bits)?;
                let b = self.value(number, &i.operands[i.operands.len() - 1], bits)?;
                // `setp.eq.or.u32 p, a, b, q` has its operands one further to the front.
                if let Some(join) = i.modifiers.get(1).filter(|word| matches!(word.as_str(), "or" | "and")) {
                    let a = self.value(number, &i.operands[1], bits)?;
                    let b = self.value(number, &i.operands[2], bits)?;
                    let other = self.value(number, &i.operands[3], 1)? != 0;
                    let holds = alu::compare(&i.modifiers[0], kind, a, b)?;
                    let both = if join == "or" { holds || other } else { holds && other };
                    return self.set(number, &i.operands[0], both.into());
                }
                let holds = alu::compare(&i.modifiers[0], kind, a, b)?;
                self.set(number, &i.operands[0], holds.into())
            }
            "cvt" => {
                let types: Vec<&str> =
                    i.modifiers.iter().map(String::as_str).filter(|word| type_bits(word).is_some()).collect();
                let value = self.value(number, &i.operands[1], type_bits(types[1]).unwrap())?;
                let converted = alu::convert(types[0], types[1], value, &i.modifiers)?;
                self.set(number, &i.operands[0], converted)
            }
            _ => {
                let mut inputs = [0; 4];
                let wide = has("wide");
                for (at, operand) in i.operands[1..].iter().enumerate().take(4) {
                    let predicate = matches!(i.opcode.as_str(), "selp") && at == 2;
                    let sum = wide && i.opcode == "mad" && at == 2;
                    inputs[at] = self.value(
                        number,
                        operand,
                        if predicate {
                            1
                        } else if sum {
                            2 * bits
                        } else {
                            bits
                        },
                    )?;
                }
                let carry = self.threads[number].carry;
                let (value, carry) = alu::compute(&i.opcode, &i.modifiers, kind, bits, inputs, carry)?;
                if has("cc") {
                    self.threads[number].carry = carry;
                }
                self.set(number, &i.operands[0], value)
            }
        }
    }

    /// `mov`, also between halves and wholes.
    fn copy(&mut self, number: usize, operands: &[Operand], bits: u32) -> Outcome<()> {
        match (&operands[0], &operands[1]) {
            (Operand::Group(to), from) => {
                let value = self.value(number, from, bits)?;
                let each = bits / to.len() as u32;
                for (at, lane) in to.iter().enumerate() {
                    self.set(number, lane, alu::truncate(value >> (each * at as u32), each))?;
                }
                Ok(())
            }
            (to, Operand::Group(from)) => {
                let each = bits / from.len() as u32;
                let mut value = 0;
                for (at, lane) in from.iter().enumerate() {
                    value |= self.value(number, lane, each)? << (each * at as u32);
                }
                self.set(number, to, value)
            }
            (to, from) => {
                let value = self.value(number, from, bits)?;
                self.set(number, to, value)
            }
        }
    }
}
