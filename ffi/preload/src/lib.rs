//! `libdxg_preload.so`: gives a program that knows nothing of it a `/dev/dxg`, which is the software adapter.
//!
//! Loaded before the C library (`LD_PRELOAD`, which `dxgrt run` sets), it stands in for the calls by which a program reaches
//! the node. What is about anything else goes on to the next library unchanged:
//!
//! ```text
//! program ─▶ interpose ─┬─▶ next   (the C library, or whatever is loaded behind us; raw system calls until it is known)
//!                       └─▶ table ─▶ open_file ─▶ machine (the adapter of this process) ─▶ dxg-io
//!                                                  └─▶ record (ledger, trace)
//! ```
//!
//! - A descriptor that the program gets is a real one ([`node`]), so that its number is unique, and closing, duplicating and
//!   passing it on work also where nobody tells us.
//! - Nothing is made before the first open of the node: neither memory nor a thread nor a descriptor.
//! - After a fork the child has nothing of the adapter: what it inherited answers `ENOTTY`, as the driver does, until it opens
//!   the node itself.
//! - Nothing that several threads need is guarded by a lock that a fork could leave taken: tables are atomics.

#![cfg_attr(
    test,
    allow(unused, reason = "without the C functions, which would stand before the tests' own, much has no caller")
)]

mod errno;
#[cfg(not(test))]
mod interpose;
mod machine;
mod next;
mod node;
mod open_file;
mod path;
mod raw;
mod record;
mod table;
