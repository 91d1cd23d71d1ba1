//! Plain values: what may be copied between host and device byte for byte.

/// A type whose values are plain bytes.
///
/// # Safety
///
/// Every pattern of `size_of::<Self>()` bytes is a value of the type (no `bool`, no enum, no reference), it has no
/// padding (each byte of a value is initialised), and it has no interior mutability. The device writes such values, and
/// the runtime reads them back without looking at them.
pub unsafe trait Pod: Copy + Send + Sync + 'static {}

macro_rules! plain {
    ($($type:ty),*) => {
        $(
            // SAFETY: needed because the trait is unsafe to implement; a number has neither padding nor invalid patterns.
            unsafe impl Pod for $type {}
        )*
    };
}

plain!(u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize, f32, f64);

// SAFETY: needed because the trait is unsafe to implement; an array has its elements in a row and nothing between them.
unsafe impl<T: Pod, const N: usize> Pod for [T; N] {}

/// The bytes of plain values.
pub(crate) fn bytes_of<T: Pod>(values: &[T]) -> &[u8] {
    // SAFETY: needed to view values as bytes; `Pod` has no padding and no interior mutability, u8 has no alignment, and
    // the result borrows `values`.
    unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values)) }
}

/// The bytes of plain values, to be overwritten with any pattern.
pub(crate) fn bytes_of_mut<T: Pod>(values: &mut [T]) -> &mut [u8] {
    // SAFETY: needed to overwrite values as bytes; every pattern is a value of a `Pod`, u8 has no alignment, and the
    // result borrows `values` alone.
    unsafe { std::slice::from_raw_parts_mut(values.as_mut_ptr().cast(), size_of_val(values)) }
}

/// `len` values with all bytes 0.
pub(crate) fn zeroed<T: Pod>(len: usize) -> Vec<T> {
    // SAFETY: needed to make a value of a generic type; the pattern of zeros is a value of every `Pod`.
    vec![unsafe { std::mem::zeroed::<T>() }; len]
}
