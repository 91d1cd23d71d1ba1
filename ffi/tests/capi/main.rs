//! Tests of libdxgrt from outside: C programs, the interface, an installation. They need `cc`, and build the library themselves.

mod clients;
mod cuda;
mod install;
mod interface;
#[path = "../support/mod.rs"]
mod support;
