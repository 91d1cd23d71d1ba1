//! The backend over dxg-io: batches become command packets, one submission each.

mod command_ring;
mod control;
mod host_pages;
mod lower;
mod module;
