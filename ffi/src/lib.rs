//! libdxgrt: the C library of dxgrt.
//!
//! A thin layer: every call goes through a guard ([`guard`]) that turns forked processes away, catches panics, and keeps the
//! sentence of a failure; handles are looked up in tables without a lock ([`handle`]); the work is the runtime's
//! (`dxg_runtime::raw`). What callers may rely on stands in RULES.md; what they see is `include/dxgrt.h`, which is generated
//! from these sources.
//!
//! | module | what |
//! |---|---|
//! | [`types`], [`status`], [`sized`] | what the header shows |
//! | [`guard`], [`handle`], [`context`] | what every call passes through |
//! | [`library`], [`device`], [`memory`], [`stream`], [`module`], [`enqueue`], [`graph`], [`fence`], [`event`] | the calls |
//! | [`command`] | commands, for the single calls, for submit and for graphs |
//! | [`log`] | the log callback |
#![deny(missing_docs)]
// The names are C's.
#![allow(non_camel_case_types, clippy::missing_safety_doc, private_interfaces)]

mod command;
mod context;
mod cuda;
mod device;
mod enqueue;
mod event;
mod fence;
mod graph;
mod guard;
mod handle;
mod library;
mod log;
mod memory;
mod module;
mod sized;
mod status;
mod stream;
mod types;

pub use device::*;
pub use enqueue::*;
pub use event::*;
pub use fence::*;
pub use graph::*;
pub use library::*;
pub use memory::*;
pub use module::*;
pub use status::*;
pub use stream::*;
pub use types::*;
