//! The software adapter against the recorded answers of the real driver, call by call: return value, errno, and the
//! messages to the host with their kind and status.
//!
//! Each group makes its own adapter and the objects that its cases need (the recordings leave some set-up cases out), and
//! then makes the recorded calls in order. Every row of every file is checked, or listed below with a reason; a listed
//! row that comes out as recorded fails the test.

#[path = "../raw/mod.rs"]
mod raw;

mod book;
mod group_adapter;
mod group_allocation;
mod group_lifetime;
mod group_paging;
mod group_queues;
mod group_sharing;
mod group_status;
mod group_sync;

use std::sync::{Mutex, MutexGuard, PoisonError};

use book::{Book, Mode};

/// Rows that come out differently, with the reason. At most ten.
const DIFFERENT: &[(&str, &str, &str)] = &[];

/// Rows that need another process, or system calls on the descriptor itself: played through the preloaded library, by
/// `ffi/preload/tests/clients.rs`.
const WAITING: &[(&str, &str)] = &[
    ("ioctl-layer", "inherited_fd_in_forked_child"),
    ("ioctl-layer", "read_on_fd"),
    ("ioctl-layer", "poll_on_fd"),
    ("sharing", "other_process_signal"),
];

/// Rows that ask whether a page is still mapped need the process to themselves: another thread's new mapping may take the
/// place of one that was just unmapped.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    // A failed run leaves nothing behind that the next one could trip over.
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn run(mode: Mode) {
    let _alone = alone();
    let mut book = Book::open(mode);
    group_adapter::ioctl_layer(&mut book);
    group_adapter::adapter(&mut book);
    group_adapter::device(&mut book);
    group_queues::context(&mut book);
    group_queues::paging_queue(&mut book);
    group_sync::sync_object(&mut book);
    group_sync::signal_cpu(&mut book);
    group_sync::wait_cpu(&mut book);
    group_sync::destroy(&mut book);
    group_queues::gpu_queue(&mut book);
    group_queues::hw_queue(&mut book);
    group_allocation::allocation(&mut book);
    group_allocation::existing_memory(&mut book);
    group_allocation::lock(&mut book);
    group_paging::paging(&mut book);
    group_allocation::destroy(&mut book);
    group_sharing::sharing(&mut book);
    group_sharing::resource(&mut book);
    group_status::status_mapping(&mut book);
    group_lifetime::lifetime(&mut book);
    group_lifetime::adapter_removed(&mut book);
    book.close(DIFFERENT, WAITING);
}

#[test]
fn async_v40() {
    run(Mode::AsyncV40);
}

#[test]
fn sync_v40() {
    run(Mode::SyncV40);
}

#[test]
fn v27_gpadl() {
    run(Mode::V27Gpadl);
}

/// The rows of the stalled host, with shorter sleeps: the recorded 10.6 s are 5,000 of them.
#[test]
fn ring_full() {
    let _alone = alone();
    let mut book = Book::open(Mode::RingFull);
    group_sync::ring_full(&mut book);
    book.close(&[], &[]);
}
