//! Merged launches by rewriting PTX: text in, text out, no GPU needed.
//!
//! ```text
//! text ─► lexer ─► module (headers, bodies) ─► analysis (what a body asks of its grid) ─► twin ─► text with twins
//!                                                                  └► NoMerge: why not, with its line
//! items (grid, arguments) ─► MergeTable ─► bytes of the table, grid and arguments of the twin's launch
//! ```
//!
//! [`rewrite`] gives every entry that can bear it a *twin*: the same body behind a prologue that finds the block's item in
//! a table and takes from there what the body reads of `%ctaid`, `%nctaid` and its parameters. One launch of the twin
//! does what many launches of the entry did. Original entries stay as they were, byte for byte. An entry whose body asks
//! for something that a twin cannot give is left alone, with the reason ([`NoMerge`]).
//!
//! [`MergeTable`] lays out the table and says with which grid and which arguments the twin is launched. Block size and
//! dynamic shared memory are those of the items, which must have them in common.
//!
//! # The twin's parameters
//!
//! | offset | type | what |
//! |---|---|---|
//! | 0 | u64 | device address of the table, a multiple of 16 |
//! | 8 | u32 | bytes from there to the index, 0 for equal grids |
//! | 12 | u32 | the shift of the index; for equal grids 2³¹ + their depth |
//!
//! *Equal grids* (x, y, z): launched as (x, y, z · items). The item is `%ctaid.z / z`; the table is only the items'
//! arguments, one after another, each padded to 16 bytes. Where z is 1 a block finds its item without a load or a division.
//!
//! *Mixed grids*: launched as (blocks of all items, 1, 1). The table is one record an item (its first block, its grid, its
//! arguments), then the index: for every 2^shift blocks the item that the first of them belongs to, and the last item at
//! the end. A block looks into the index and searches between its entry and the next; the shift is such that there are
//! about as many entries as items, so that the search is short whatever the sizes are, and no block runs for nothing.
//!
//! # What a twin needs
//!
//! `ld.global.nc` and `cvta.to`, so PTX 3.1 and sm_32, far below what today's drivers take. The table must not change while
//! the launch runs.

mod analysis;
mod body;
mod instructions;
mod lexer;
mod module;
mod params;
mod reason;
mod table;
mod twin;
mod variables;

pub use params::Param;
pub use reason::{Cause, NoMerge, PtxError};
pub use table::{MergeError, MergeItem, MergeTable, TABLE_ALIGN, TWIN_ARGS_SIZE};

use analysis::Functions;
use lexer::Lines;
use module::Module;

/// A text with twins, and what became of each entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewritten {
    /// The original text with a twin behind every entry that has one; the original itself if none has.
    pub text: String,
    /// The entries in their order.
    pub entries: Vec<Entry>,
}

/// An entry of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Its parameters in order, as `CU_LAUNCH_PARAM_BUFFER_POINTER` takes them.
    pub params: Vec<Param>,
    /// Bytes of all parameters, without padding behind the last.
    pub args_size: u32,
    /// Its twin, or why it has none.
    pub twin: Result<Twin, NoMerge>,
}

/// The entry that does the work of many launches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Twin {
    /// The name to look up in the loaded module.
    pub name: String,
    /// Bytes of arguments in each item of its table: those of the original entry.
    pub args_size: u32,
}

/// Adds twins to a module of PTX.
///
/// Fails only where the text cannot be understood as a whole; it may still be loaded as it is, every entry then runs singly.
/// The text ends at its first NUL, if it has one, as it does for the driver.
pub fn rewrite(text: &str) -> Result<Rewritten, PtxError> {
    let text = text.split('\0').next().unwrap_or_default();
    let lines = Lines::new(text);
    let tokens = lexer::tokens(text, &lines)?;
    let module = Module::parse(text, &tokens, &lines)?;
    let functions = Functions::analyse(&module);
    let names = twin::Names::new(&module);
    let mut out = twin::Output::new(text);
    let mut entries = Vec::new();
    for (index, entry) in module.entries.iter().enumerate() {
        let (params, args_size) = entry.layout.clone().unwrap_or_default();
        let twin = match analysis::entry(&module, entry, &functions) {
            Ok(plan) => Ok(out.add(&module, entry, &plan, &names, index)),
            Err(reason) => Err(reason),
        };
        let params: Vec<Param> = params.into_iter().map(|named| named.param).collect();
        let name = entry.name.to_owned();
        entries.push(Entry { name, params, args_size, twin });
    }
    Ok(Rewritten { text: out.finish(), entries })
}

/// What a fuzzer calls: any bytes, no panic, and what must hold of every answer.
pub fn fuzz(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Ok(rewritten) = rewrite(&text) else { return };
    if rewritten.entries.iter().all(|entry| entry.twin.is_err()) {
        assert_eq!(Some(rewritten.text.as_str()), text.split('\0').next(), "no twin, and yet the text changed");
        return;
    }
    for entry in &rewritten.entries {
        assert!(entry.params.iter().all(|param| param.offset % param.align == 0 && param.size > 0));
    }
    // A rewritten text is PTX again, and its twins are entries of it.
    let again = rewrite(&rewritten.text);
    assert!(again.is_ok(), "a rewritten text cannot be read: {:?}", again.err());
    let Ok(again) = again else { return };
    for twin in rewritten.entries.iter().filter_map(|entry| entry.twin.as_ref().ok()) {
        let found = again.entries.iter().filter(|entry| entry.name == twin.name).count();
        assert_eq!(found, 1, "{} is there {found} times", twin.name);
    }
}

#[cfg(test)]
mod data_tests;
#[cfg(test)]
mod tests;
