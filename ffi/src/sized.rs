//! Structures with their size in front: how old and new callers get along.
//!
//! A caller that knows fewer fields gives a smaller size; what it does not know has its default, all zero. A caller that knows
//! more gives a larger one; what this library does not know must be zero, for it cannot do what it would mean.

use std::mem::MaybeUninit;

use crate::guard::{Failure, Outcome};
use crate::types::*;

/// No structure is this large: a size beyond it was never set.
const LARGEST: u32 = 1 << 16;

/// A C structure that begins with its size.
///
/// # Safety
///
/// `repr(C)`, plain data for which all zero is a value, its first field the `u32` `struct_size`.
pub(crate) unsafe trait Sized32: Copy {
    /// Size of its first version: the least that a caller may give.
    const FIRST: u32;
    /// How messages call it.
    const NAME: &'static str;
}

macro_rules! sized {
    ($($name:ident: $first:literal),* $(,)?) => {
        $(
            // SAFETY: needed because the trait is unsafe to implement; these are the plain structures of `types`, of numbers,
            // arrays of numbers, unions of such and raw pointers, with `struct_size` in front.
            unsafe impl Sized32 for $name {
                const FIRST: u32 = $first;
                const NAME: &'static str = stringify!($name);
            }
            const _: () = assert!(size_of::<$name>() >= $first && std::mem::offset_of!($name, struct_size) == 0);
        )*
    };
}

// The sizes of ABI 0's first release. They never change; the structures may grow.
sized! {
    dxgrt_device_info: 272, dxgrt_open_options: 48, dxgrt_mem_stats: 80, dxgrt_stream_options: 8, dxgrt_launch_params: 64,
    dxgrt_cmd: 80, dxgrt_patch: 32, dxgrt_stats: 240,
}

fn bad_size<T: Sized32>(given: u32, what: &str) -> Failure {
    let (name, first, now) = (T::NAME, T::FIRST, size_of::<T>());
    Failure::invalid(format!(
        "struct_size of {name} is {given}, {what}; set it to sizeof({name}), which is {now} here and was {first} at first"
    ))
}

/// Reads a structure of the caller. `at` is not NULL.
///
/// # Safety
///
/// `at` points to as many readable bytes as its first four say, or the pointer is one that C would not allow either.
#[inline]
pub(crate) unsafe fn read<T: Sized32>(at: *const T) -> Outcome<T> {
    // SAFETY: needed to read the caller's memory; the first four bytes are there, whatever the alignment.
    let given = unsafe { at.cast::<u32>().read_unaligned() };
    if given as usize == size_of::<T>() {
        // SAFETY: needed to read the caller's memory, of which there are `given` bytes.
        return Ok(unsafe { at.read_unaligned() });
    }
    // SAFETY: passed on.
    unsafe { read_other(at, given) }
}

/// # Safety
///
/// As [`read`].
#[cold]
unsafe fn read_other<T: Sized32>(at: *const T, given: u32) -> Outcome<T> {
    if given < T::FIRST {
        return Err(bad_size::<T>(given, "which is too small"));
    }
    if given > LARGEST {
        return Err(bad_size::<T>(given, "which was never set"));
    }
    let mut value = MaybeUninit::<T>::zeroed();
    let known = (given as usize).min(size_of::<T>());
    // SAFETY: needed to read the caller's memory, of which there are `given` bytes, into a value that has `known`.
    unsafe { std::ptr::copy_nonoverlapping(at.cast::<u8>(), value.as_mut_ptr().cast::<u8>(), known) };
    for offset in known..given as usize {
        // SAFETY: needed to read the caller's memory; the offset lies below `given`.
        if unsafe { at.cast::<u8>().add(offset).read() } != 0 {
            return Err(bad_size::<T>(given, "and what this library does not know in it is not zero"));
        }
    }
    // SAFETY: needed because of the uninitialised start; all bytes are zero or the caller's, and both are values of T.
    Ok(unsafe { value.assume_init() })
}

/// Fills a structure of the caller with what it has room for; what this library does not know becomes zero. `at` is not NULL.
///
/// # Safety
///
/// As [`read`], for writing.
pub(crate) unsafe fn write<T: Sized32>(at: *mut T, value: &T) -> Outcome {
    // SAFETY: needed to read the caller's memory; the first four bytes are there.
    let given = unsafe { at.cast::<u32>().read_unaligned() };
    if given < T::FIRST {
        return Err(bad_size::<T>(given, "which is too small"));
    }
    if given > LARGEST {
        return Err(bad_size::<T>(given, "which was never set"));
    }
    let known = (given as usize).min(size_of::<T>());
    // SAFETY: needed to write the caller's memory, of which there are `given` bytes; the size itself stays.
    unsafe {
        let (from, to) = (std::ptr::from_ref(value).cast::<u8>(), at.cast::<u8>());
        std::ptr::copy_nonoverlapping(from.add(4), to.add(4), known - 4);
        std::ptr::write_bytes(to.add(known), 0, given as usize - known);
    }
    Ok(())
}

/// All zero, but for its size.
pub(crate) fn zeroed<T: Sized32>() -> T {
    // SAFETY: needed to make a plain value; all zero is one, says the trait.
    unsafe { std::mem::zeroed() }
}

/// The elements of an array of structures: all of the same size, which is the distance between them.
///
/// # Safety
///
/// As [`read`], for `n` structures.
#[inline]
pub(crate) unsafe fn each<T: Sized32>(first: *const T, n: u32) -> Outcome<impl ExactSizeIterator<Item = Outcome<T>>> {
    let distance = if n == 0 {
        0
    } else if first.is_null() {
        return Err(Failure::invalid(format!("{n} of {} are said to be at NULL", T::NAME)));
    } else {
        // SAFETY: needed to read the caller's memory; there is at least one element.
        unsafe { first.cast::<u32>().read_unaligned() }
    };
    Ok((0..n as usize).map(move |index| {
        let at = first.wrapping_byte_add(index * distance as usize);
        // SAFETY: needed to read the caller's memory; the caller has `n` structures of this size.
        let value = unsafe { read(at) }?;
        // SAFETY: as above.
        if unsafe { at.cast::<u32>().read_unaligned() } == distance {
            return Ok(value);
        }
        Err(Failure::invalid(format!("the {} of an array have different struct_size; make them equal", T::NAME)))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[repr(C)]
    struct Larger {
        known: dxgrt_stream_options,
        more: [u32; 4],
    }

    fn larger(more: u32) -> Larger {
        let known = dxgrt_stream_options { struct_size: size_of::<Larger>() as u32, priority: 2 };
        Larger { known, more: [0, 0, 0, more] }
    }

    #[test]
    fn larger_structures_are_read_if_the_rest_is_zero() {
        let (zero, one) = (larger(0), larger(1));
        // SAFETY: needed because reading by size is unsafe; the sizes are those of the values.
        unsafe {
            assert_eq!(read((&raw const zero).cast::<dxgrt_stream_options>()).unwrap().priority, 2);
            assert!(read((&raw const one).cast::<dxgrt_stream_options>()).is_err());
        }
    }

    #[test]
    fn sizes_that_cannot_be_are_refused() {
        for size in [0, 4, 7, u32::MAX] {
            let options = dxgrt_stream_options { struct_size: size, priority: 1 };
            // SAFETY: needed because reading by size is unsafe; these sizes are refused before anything is read.
            assert!(unsafe { read(&options) }.is_err(), "{size}");
        }
    }

    #[test]
    fn smaller_and_larger_structures_are_filled_as_far_as_they_go() {
        let mut stats: dxgrt_stats = zeroed();
        stats.flush_other = 5;
        stats.commands = 3;
        let mut room = [0xffu8; 512];
        room[..4].copy_from_slice(&240u32.to_ne_bytes());
        // SAFETY: needed because writing by size is unsafe; there are more bytes than any of the sizes.
        unsafe { write(room.as_mut_ptr().cast::<dxgrt_stats>(), &stats) }.unwrap();
        assert_eq!((room[8], room[239], room[240]), (3, 0, 0xff));
        room[..4].copy_from_slice(&400u32.to_ne_bytes());
        // SAFETY: as above.
        unsafe { write(room.as_mut_ptr().cast::<dxgrt_stats>(), &stats) }.unwrap();
        assert_eq!((room[399], room[400]), (0, 0xff));
        assert_eq!(u32::from_ne_bytes([room[0], room[1], room[2], room[3]]), 400, "the caller's size stays");
    }
}
