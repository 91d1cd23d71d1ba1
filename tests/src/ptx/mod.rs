//! The test kit of merged launches: kernels, and random launches of them, run singly and merged; memory must be equal.
//!
//! ```text
//! Case ─► random items ─► one arena ─┬─► every item launched by itself ──────────► bytes ─┐
//!                                    └─► twin of the rewritten text, one launch ─► bytes ─┴─► equal?
//! ```
//!
//! It knows no CUDA: whoever can run PTX implements [`Machine`] — a test's interpreter, or a binary with libcuda. The whole
//! arena is compared, so that a write to the wrong place shows too, and a case that writes nothing fails.

mod cases;
mod random;

use std::ops::Range;

use dxg_runtime::ptx::{self, MergeItem, MergeTable};

pub use cases::{all, refused};
pub use random::Random;

/// Something that runs PTX.
pub trait Machine {
    /// Compiles and loads a text, and returns its number.
    fn load(&mut self, text: &str) -> Result<usize, String>;
    /// Memory that is zero, at an address that is a multiple of 256. The memory of earlier calls is given up.
    fn alloc(&mut self, bytes: usize) -> Result<u64, String>;
    /// Writes memory.
    fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), String>;
    /// Reads memory, after everything launched before.
    fn read(&mut self, address: u64, bytes: &mut [u8]) -> Result<(), String>;
    /// Launches an entry of a loaded text.
    fn launch(&mut self, module: usize, launch: &Launch<'_>) -> Result<(), String>;
}

/// A launch, as `cuLaunchKernel` takes it.
#[derive(Clone, Copy, Debug)]
pub struct Launch<'a> {
    /// The entry.
    pub entry: &'a str,
    /// Blocks.
    pub grid: [u32; 3],
    /// Threads of a block.
    pub block: [u32; 3],
    /// Bytes of dynamic shared memory.
    pub shared: u32,
    /// Packed arguments.
    pub args: &'a [u8],
}

/// A kernel with launches to draw.
pub struct Case {
    /// The file that its text is from.
    pub file: &'static str,
    /// Its text.
    pub text: &'static str,
    /// The entry.
    pub entry: &'static str,
    /// Threads of a block: what merged launches have in common.
    pub block: [u32; 3],
    /// Bytes of dynamic shared memory.
    pub shared: u32,
    /// Draws a grid.
    pub grid: fn(&mut Random) -> [u32; 3],
    /// Draws arguments for a grid.
    pub args: fn(&mut Random, [u32; 3]) -> Vec<Arg>,
}

/// An argument, or a buffer whose address is the argument.
#[derive(Clone, Debug)]
pub enum Arg {
    /// A value's bytes.
    Value(Vec<u8>),
    /// What lies in the buffer before the launch.
    Buffer(Vec<u8>),
}

/// Which way through the twin's prologue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grids {
    /// All items have one grid.
    Equal,
    /// Each item has its own.
    Mixed,
}

/// What was compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compared {
    /// Launches that were merged.
    pub items: usize,
    /// Blocks of all of them.
    pub blocks: u64,
    /// Bytes of memory that were equal.
    pub bytes: usize,
    /// Bytes that the launches changed.
    pub changed: usize,
}

/// Launches of a case, drawn.
pub struct Drawn {
    /// Bytes of the memory that their buffers lie in.
    pub bytes: usize,
    entry: ptx::Entry,
    launches: Vec<([u32; 3], Vec<Arg>)>,
}

/// One of them, packed for the place that its buffers have.
pub struct Item {
    /// Blocks.
    pub grid: [u32; 3],
    /// Packed arguments.
    pub args: Vec<u8>,
    /// The arguments that are addresses, by their place in `args`, and what of the memory they stand for.
    pub buffers: Vec<(u32, Range<usize>)>,
}

/// Draws launches of a case.
pub fn draw(case: &Case, grids: Grids, items: usize, seed: u64) -> Result<Drawn, String> {
    let rewritten = ptx::rewrite(case.text).map_err(|error| error.to_string())?;
    let entry = rewritten.entries.into_iter().find(|entry| entry.name == case.entry).ok_or("there is no such entry")?;
    Ok(draw_launches(case, entry, grids, items, seed))
}

fn draw_launches(case: &Case, entry: ptx::Entry, grids: Grids, items: usize, seed: u64) -> Drawn {
    let mut random = Random::new(seed);
    let common = (case.grid)(&mut random);
    let mut launches = Vec::new();
    for _ in 0..items {
        let grid = if grids == Grids::Equal { common } else { (case.grid)(&mut random) };
        launches.push((grid, (case.args)(&mut random, grid)));
    }
    let bytes = launches.iter().flat_map(|(_, args)| args).map(slot_bytes).sum();
    Drawn { bytes, entry, launches }
}

impl Drawn {
    /// What lies in the memory at first, and the launches, where the memory is at `address`.
    pub fn packed(&self, address: u64) -> Result<(Vec<u8>, Vec<Item>), String> {
        let (mut memory, mut at) = (vec![0; self.bytes], 0);
        let items =
            self.launches.iter().map(|(grid, args)| pack(&self.entry, *grid, args, address, &mut at, &mut memory));
        let items = items.collect::<Result<_, _>>()?;
        Ok((memory, items))
    }

    /// Whether the launches have no memory to change.
    pub fn is_without_buffers(&self) -> bool {
        self.bytes == 0
    }
}

/// Runs launches of a case singly and merged, and compares memory.
pub fn compare(
    machine: &mut dyn Machine,
    case: &Case,
    grids: Grids,
    items: usize,
    seed: u64,
) -> Result<Compared, String> {
    let say = |error: String| format!("{} of {}, {grids:?}, seed {seed}: {error}", case.entry, case.file);
    run(machine, case, grids, items, seed).map_err(say)
}

fn run(machine: &mut dyn Machine, case: &Case, grids: Grids, items: usize, seed: u64) -> Result<Compared, String> {
    let rewritten = ptx::rewrite(case.text).map_err(|error| error.to_string())?;
    let entry = rewritten.entries.iter().find(|entry| entry.name == case.entry).ok_or("there is no such entry")?;
    let twin = entry.twin.as_ref().map_err(|reason| reason.to_string())?;
    let module = machine.load(&rewritten.text)?;

    let drawn = draw_launches(case, entry.clone(), grids, items, seed);
    let arena_bytes = drawn.bytes;
    let table = MergeTable::plan(twin.args_size, drawn.launches.iter().map(|(grid, _)| *grid))
        .map_err(|error| error.to_string())?;
    let table_at = arena_bytes.next_multiple_of(256);
    let arena = machine.alloc(table_at + table.bytes().max(16))?;
    let (memory, packed) = drawn.packed(arena)?;
    let launch = |entry, grid, args| Launch { entry, grid, block: case.block, shared: case.shared, args };

    machine.write(arena, &memory)?;
    for item in packed.iter().filter(|item| !item.grid.contains(&0)) {
        machine.launch(module, &launch(case.entry, item.grid, &item.args))?;
    }
    let mut singly = vec![0; arena_bytes];
    machine.read(arena, &mut singly)?;

    machine.write(arena, &memory)?;
    let mut bytes = vec![0; table.bytes()];
    let merge_items = packed.iter().map(|item| MergeItem { grid: item.grid, args: &item.args });
    table.write(merge_items, &mut bytes).map_err(|error| error.to_string())?;
    let table_address = arena + table_at as u64;
    machine.write(table_address, &bytes)?;
    machine.launch(module, &launch(&twin.name, table.grid(), &table.args(table_address)))?;
    let mut merged = vec![0; arena_bytes];
    machine.read(arena, &mut merged)?;

    if let Some(at) = singly.iter().zip(&merged).position(|(single, merged)| single != merged) {
        return Err(format!("byte {at} of {arena_bytes} is {:#x} singly and {:#x} merged", singly[at], merged[at]));
    }
    let changed = singly.iter().zip(&memory).filter(|(after, before)| after != before).count();
    if changed == 0 && !entry.params.is_empty() {
        return Err("the launches changed nothing: the case shows nothing".to_owned());
    }
    Ok(Compared { items, blocks: table.blocks().into(), bytes: arena_bytes, changed })
}

/// Bytes of a buffer in the arena, with room behind it that nobody may touch.
fn slot_bytes(arg: &Arg) -> usize {
    match arg {
        Arg::Value(_) => 0,
        Arg::Buffer(bytes) => bytes.len().next_multiple_of(256) + 256,
    }
}

fn pack(
    entry: &ptx::Entry,
    grid: [u32; 3],
    args: &[Arg],
    arena: u64,
    at: &mut usize,
    memory: &mut [u8],
) -> Result<Item, String> {
    if args.len() != entry.params.len() {
        return Err(format!("{} arguments for {} parameters", args.len(), entry.params.len()));
    }
    let (mut packed, mut buffers) = (vec![0; entry.args_size as usize], Vec::new());
    for (arg, param) in args.iter().zip(&entry.params) {
        let address;
        let value = match arg {
            Arg::Value(value) => value.as_slice(),
            Arg::Buffer(bytes) => {
                memory[*at..*at + bytes.len()].copy_from_slice(bytes);
                address = (arena + *at as u64).to_le_bytes();
                buffers.push((param.offset, *at..*at + slot_bytes(arg)));
                *at += slot_bytes(arg);
                &address
            }
        };
        if value.len() != param.size as usize {
            return Err(format!("an argument of {} bytes for a parameter of {}", value.len(), param.size));
        }
        packed[param.offset as usize..][..value.len()].copy_from_slice(value);
    }
    Ok(Item { grid, args: packed, buffers })
}
