//! One open of the node: what all duplicates of a descriptor have in common.
//!
//! An open file lives as long as a descriptor of it or a call on it: whoever lets the last go closes it, which is when the
//! driver tears down, too. The structs themselves are never freed but used again, so that a thread that has just read a
//! pointer to one from the table never reads freed memory.
//!
//! | `uses` | means | who may go on from there |
//! |---|---|---|
//! | 0 | free | who claims it: to BUSY |
//! | 1 .. | descriptors and calls | anybody: one more, one less; the last one less goes to BUSY |
//! | BUSY | being made, or torn down | its thread alone: to 1, to 0 |

use std::cell::UnsafeCell;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
use std::time::Instant;

use dxg_io::software::SoftwareFile;
use libc::c_int;

use crate::machine::Machine;
use crate::node::Identity;

const BUSY: u64 = u64::MAX;

/// See the module.
pub struct OpenFile {
    uses: AtomicU64,
    next: AtomicPtr<OpenFile>,
    content: UnsafeCell<Option<Content>>,
}

/// What an open file holds.
pub struct Content {
    /// The adapter's side.
    pub file: SoftwareFile,
    /// The adapter of the process that opened it.
    pub machine: &'static Machine,
    /// The flags it was opened with.
    pub flags: c_int,
    /// What its descriptors are.
    pub identity: Identity,
}

// SAFETY: needed because of the cell. It is written only by the thread that holds the struct BUSY, and read only through a
// `Use`, which keeps it from becoming BUSY.
unsafe impl Sync for OpenFile {}

/// All there ever were.
static FILES: AtomicPtr<OpenFile> = AtomicPtr::new(ptr::null_mut());

fn all() -> impl Iterator<Item = &'static OpenFile> {
    // SAFETY: open files are leaked when they are made.
    let at = |pointer: &AtomicPtr<OpenFile>| unsafe { pointer.load(Ordering::Acquire).as_ref() };
    std::iter::successors(at(&FILES), move |file| at(&file.next))
}

impl OpenFile {
    /// A new one with one reference.
    pub fn new(content: Content) -> &'static OpenFile {
        let free = all().find(|file| file.uses.compare_exchange(0, BUSY, Ordering::Acquire, Ordering::Relaxed).is_ok());
        let file = free.unwrap_or_else(|| {
            let file: &'static OpenFile = Box::leak(Box::new(OpenFile {
                uses: AtomicU64::new(BUSY),
                next: AtomicPtr::new(ptr::null_mut()),
                content: UnsafeCell::new(None),
            }));
            let mut first = FILES.load(Ordering::Acquire);
            loop {
                file.next.store(first, Ordering::Relaxed);
                let new = ptr::from_ref(file).cast_mut();
                match FILES.compare_exchange(first, new, Ordering::AcqRel, Ordering::Acquire) {
                    Ok(_) => break file,
                    Err(other) => first = other,
                }
            }
        });
        // SAFETY: this thread holds it BUSY.
        unsafe { *file.content.get() = Some(content) };
        file.uses.store(1, Ordering::Release);
        file
    }

    /// One reference more, unless the last is gone already.
    pub fn add(&self) -> bool {
        let more = |uses| (uses != 0 && uses != BUSY).then(|| uses + 1);
        self.uses.fetch_update(Ordering::Acquire, Ordering::Relaxed, more).is_ok()
    }

    /// Uses it for a call.
    pub fn enter(&'static self) -> Option<Use> {
        self.add().then_some(Use(self))
    }

    /// One reference less. The last one closes.
    pub fn release(&self) {
        let less = |uses| match uses {
            0 | BUSY => None,
            1 => Some(BUSY),
            uses => Some(uses - 1),
        };
        if self.uses.fetch_update(Ordering::AcqRel, Ordering::Acquire, less) != Ok(1) {
            return;
        }
        // SAFETY: this thread holds it BUSY.
        let content = unsafe { (*self.content.get()).take() };
        self.uses.store(0, Ordering::Release);
        let Some(content) = content else { return };
        let Content { file, machine, .. } = content;
        if machine.is_here() {
            let began = Instant::now();
            let traffic = file.close();
            machine.record.closed(traffic, began);
        } else {
            // In the child of a fork it is the parent's: its threads and locks are not here.
            std::mem::forget(file);
        }
    }
}

/// An open file in use by a call.
pub struct Use(&'static OpenFile);

impl std::ops::Deref for Use {
    type Target = Content;

    fn deref(&self) -> &Content {
        // SAFETY: this use was counted while the file was open, so nobody writes the content before it is let go; it was
        // written before the file was opened.
        match unsafe { &*self.0.content.get() } {
            Some(content) => content,
            None => unreachable!("an open file has its content"),
        }
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        self.0.release();
    }
}
