//! The functions that ours stand before: those of the next library, which is the C library or another that is preloaded.
//!
//! Each is looked up when it is first needed, which may be before any constructor has run. Looking up allocates, and an
//! allocator may open files: a thread that comes back here meanwhile finds nothing, and its caller makes the system call
//! itself.

use std::ffi::CStr;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use libc::c_void;

use crate::raw;

/// The thread that looks something up.
static LOOKING: AtomicU32 = AtomicU32::new(0);

/// A function of the next library, of type `F`. Its address comes first: `syscall` jumps there by itself.
#[repr(C)]
pub struct Next<F> {
    at: AtomicPtr<c_void>,
    name: &'static CStr,
    kind: PhantomData<F>,
}

// SAFETY: needed because of the marker; all state is one atomic pointer to code.
unsafe impl<F> Sync for Next<F> {}

impl<F: Copy> Next<F> {
    /// The function with this name.
    ///
    /// # Safety
    /// `F` is the type of a C function pointer, and what the next library calls by this name is such a function.
    pub const unsafe fn named(name: &'static CStr) -> Next<F> {
        assert!(size_of::<F>() == size_of::<*mut c_void>());
        Next { name, at: AtomicPtr::new(std::ptr::null_mut()), kind: PhantomData }
    }

    /// The function; `None` if there is none, or while this thread is looking one up.
    #[inline]
    pub fn get(&self) -> Option<F> {
        let at = self.at.load(Ordering::Relaxed);
        if at.is_null() { self.look_up() } else { Some(Self::typed(at)) }
    }

    fn typed(at: *mut c_void) -> F {
        // SAFETY: `named` promises that this is the type of the function, and its size was compared there.
        unsafe { std::mem::transmute_copy(&at) }
    }

    #[cold]
    fn look_up(&self) -> Option<F> {
        let me = raw::thread();
        if LOOKING.load(Ordering::Relaxed) == me {
            return None;
        }
        // Two threads may look at the same time; the mark is for the one that comes back, and only delays the other's.
        let others = LOOKING.swap(me, Ordering::Relaxed);
        // SAFETY: the name is a C string.
        let at = unsafe { libc::dlsym(libc::RTLD_NEXT, self.name.as_ptr()) };
        LOOKING.store(others, Ordering::Relaxed);
        self.at.store(at, Ordering::Relaxed);
        (!at.is_null()).then(|| Self::typed(at))
    }
}

/// The name of a C function as a C string.
macro_rules! named {
    ($name:ident) => {
        match ::std::ffi::CStr::from_bytes_with_nul(concat!(stringify!($name), "\0").as_bytes()) {
            Ok(name) => name,
            Err(_) => panic!("a name ends with its only zero"),
        }
    };
}
pub(crate) use named;
