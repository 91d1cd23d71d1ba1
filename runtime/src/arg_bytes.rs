//! The packed bytes of a launch's arguments, inline up to [`INLINE`] of them.
//!
//! Not a `SmallVec`: the length takes one byte and not a word, and the byte that tells inline from heap has values to spare, in
//! which the enclosing [`OpKind`](crate::op::OpKind) keeps its own tag. Both together are 16 bytes of every pending operation.

/// Argument bytes without the heap: six addresses or wide scalars, or what else fits.
pub(crate) const INLINE: usize = 54;

/// Argument bytes.
#[derive(Clone)]
pub(crate) struct ArgBytes {
    repr: Repr,
}

#[derive(Clone)]
enum Repr {
    Inline { len: u8, bytes: [u8; INLINE] },
    Heap(Vec<u8>),
}

impl ArgBytes {
    /// No bytes.
    pub(crate) const fn new() -> Self {
        ArgBytes { repr: Repr::Inline { len: 0, bytes: [0; INLINE] } }
    }

    /// A copy of these bytes.
    pub(crate) fn from_slice(bytes: &[u8]) -> Self {
        let mut all = ArgBytes::new();
        all.place(bytes, 1);
        all
    }

    /// These bytes, once: what is left counts as empty, and is not to be added to.
    #[inline]
    pub(crate) fn take(&mut self) -> Self {
        match &mut self.repr {
            // Only the length is written back.
            Repr::Inline { len, bytes } => ArgBytes { repr: Repr::Inline { len: std::mem::take(len), bytes: *bytes } },
            Repr::Heap(all) => ArgBytes { repr: Repr::Heap(std::mem::take(all)) },
        }
    }

    /// Appends a value at the next multiple of `align`, with zeros between; returns where it stands.
    #[inline]
    pub(crate) fn place(&mut self, value: &[u8], align: usize) -> usize {
        if let Repr::Inline { len, bytes } = &mut self.repr {
            let offset = usize::from(*len).next_multiple_of(align);
            // Bytes behind `len` are zero: nothing is ever taken off.
            if let Some(place) = bytes.get_mut(offset..).and_then(|rest| rest.get_mut(..value.len())) {
                place.copy_from_slice(value);
                *len = (offset + value.len()) as u8;
                return offset;
            }
        }
        self.place_on_heap(value, align)
    }

    #[cold]
    fn place_on_heap(&mut self, value: &[u8], align: usize) -> usize {
        if let Repr::Inline { len, bytes } = &self.repr {
            let mut all = Vec::with_capacity(2 * INLINE + value.len());
            all.extend_from_slice(&bytes[..usize::from(*len).min(INLINE)]);
            self.repr = Repr::Heap(all);
        }
        let Repr::Heap(all) = &mut self.repr else { return 0 };
        let offset = all.len().next_multiple_of(align);
        all.resize(offset, 0);
        all.extend_from_slice(value);
        offset
    }

    /// Whether the bytes are on the heap.
    #[cfg(test)]
    pub(crate) fn spilled(&self) -> bool {
        matches!(self.repr, Repr::Heap(_))
    }
}

impl Default for ArgBytes {
    fn default() -> Self {
        ArgBytes::new()
    }
}

impl std::ops::Deref for ArgBytes {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match &self.repr {
            Repr::Inline { len, bytes } => bytes.get(..usize::from(*len)).unwrap_or(bytes),
            Repr::Heap(all) => all,
        }
    }
}

impl std::ops::DerefMut for ArgBytes {
    fn deref_mut(&mut self) -> &mut [u8] {
        match &mut self.repr {
            Repr::Inline { len, bytes } => {
                let len = usize::from(*len).min(INLINE);
                &mut bytes[..len]
            }
            Repr::Heap(all) => all,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_aligned_on_both_sides_of_the_heap() {
        let mut bytes = ArgBytes::new();
        let mut expected = Vec::new();
        for round in 0..12u64 {
            let wide = round.to_ne_bytes();
            for (value, align) in [(&wide[..1], 1), (&wide[..], 8)] {
                expected.resize(expected.len().next_multiple_of(align), 0);
                assert_eq!(bytes.place(value, align), expected.len());
                expected.extend_from_slice(value);
                assert_eq!(*bytes, *expected);
                assert_eq!(bytes.spilled(), expected.len() > INLINE);
            }
        }
    }
}
