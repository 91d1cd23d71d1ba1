//! Which descriptor numbers are the node's: two levels of atomic pointers, so that looking one up takes two loads.
//!
//! | | by |
//! |---|---|
//! | reading an entry | any thread, at any time |
//! | setting one | the thread that has just got the number from the kernel |
//! | clearing one | the thread that closes the number, before it does; whoever finds it stale |
//!
//! An entry may be stale: the number was closed without us. Whoever uses one compares identities first.

use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use libc::c_int;

use crate::open_file::OpenFile;

const CHUNK: usize = 1024;
const CHUNKS: usize = 1024;

type Chunk = [AtomicPtr<OpenFile>; CHUNK];

static TABLE: [AtomicPtr<Chunk>; CHUNKS] = [const { AtomicPtr::new(ptr::null_mut()) }; CHUNKS];

#[inline]
fn entry(fd: c_int) -> Option<&'static AtomicPtr<OpenFile>> {
    let index = usize::try_from(fd).ok()?;
    let chunk = TABLE.get(index / CHUNK)?.load(Ordering::Acquire);
    // SAFETY: chunks are made once and never freed.
    unsafe { chunk.as_ref() }.map(|chunk| &chunk[index % CHUNK])
}

/// What a number stands for, unless it is nothing of ours. Open files are never freed.
#[inline]
pub fn get(fd: c_int) -> Option<&'static OpenFile> {
    let file = entry(fd)?.load(Ordering::Acquire);
    // SAFETY: only `set` enters pointers, and those are to open files, which are never freed.
    unsafe { file.as_ref() }
}

/// Enters a number; what stood there before is stale. `false` if the number is beyond the table.
pub fn set(fd: c_int, file: &'static OpenFile) -> bool {
    let Some(place) = usize::try_from(fd).ok().and_then(|index| TABLE.get(index / CHUNK)) else { return false };
    if place.load(Ordering::Acquire).is_null() {
        let fresh = Box::into_raw(Box::new([const { AtomicPtr::new(ptr::null_mut()) }; CHUNK]));
        if place.compare_exchange(ptr::null_mut(), fresh, Ordering::AcqRel, Ordering::Acquire).is_err() {
            // SAFETY: made just now and given to nobody.
            drop(unsafe { Box::from_raw(fresh) });
        }
    }
    let Some(entry) = entry(fd) else { return false };
    release(entry.swap(ptr::from_ref(file).cast_mut(), Ordering::AcqRel));
    true
}

/// Clears a number, if it still stands for this file; the file has one reference less.
pub fn clear(fd: c_int, file: &'static OpenFile) {
    if let Some(entry) = entry(fd) {
        let old = ptr::from_ref(file).cast_mut();
        if entry.compare_exchange(old, ptr::null_mut(), Ordering::AcqRel, Ordering::Relaxed).is_ok() {
            file.release();
        }
    }
}

/// The numbers from `first` to `last` that are entered.
pub fn entered(first: u32, last: u32) -> impl Iterator<Item = (c_int, &'static OpenFile)> {
    let (first, last) = (first as usize, (last as usize).min(CHUNK * CHUNKS - 1));
    let chunks = first / CHUNK..=last / CHUNK;
    let present =
        chunks.filter(|&chunk| TABLE.get(chunk).is_some_and(|place| !place.load(Ordering::Acquire).is_null()));
    present
        .flat_map(|chunk| chunk * CHUNK..(chunk + 1) * CHUNK)
        .filter(move |index| (first..=last).contains(index))
        .filter_map(|index| Some((index as c_int, get(index as c_int)?)))
}

fn release(file: *mut OpenFile) {
    // SAFETY: as in `get`.
    if let Some(file) = unsafe { file.as_ref() } {
        file.release();
    }
}
