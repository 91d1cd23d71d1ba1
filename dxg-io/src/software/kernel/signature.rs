//! The parameters of a kernel and how their arguments are packed.

use std::fmt;

use crate::software::packet::Access;

/// The type of a scalar or of the elements of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is the Rust type of the same name")]
pub enum ElementType {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F32,
    F64,
}

impl ElementType {
    /// Bytes; also the alignment.
    pub const fn bytes(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }
}

impl fmt::Display for ElementType {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::U8 => "u8",
            Self::I8 => "i8",
            Self::U16 => "u16",
            Self::I16 => "i16",
            Self::U32 => "u32",
            Self::I32 => "i32",
            Self::U64 => "u64",
            Self::I64 => "i64",
            Self::F32 => "f32",
            Self::F64 => "f64",
        })
    }
}

/// A number that device memory can hold.
///
/// # Safety
/// Implementors have no padding, are valid for every bit pattern, and have the size and alignment of
/// [`Element::TYPE`]: device memory is handed to kernels as slices of them, whatever it holds.
pub unsafe trait Element: Copy + PartialEq + fmt::Debug + Default + Send + Sync + 'static {
    /// Which one it is.
    const TYPE: ElementType;
    /// Reads one from its little-endian bytes; `None` if there are too few.
    fn from_bytes(bytes: &[u8]) -> Option<Self>;
    /// Appends its little-endian bytes to `out`, through `out`'s own `extend`.
    fn extend_bytes(self, out: &mut impl Extend<u8>);
}

macro_rules! elements {
    ($($type:ident $variant:ident),*) => {$(
        // SAFETY: a primitive number: no padding, every bit pattern is valid, size and alignment as ElementType says
        // (checked below).
        unsafe impl Element for $type {
            const TYPE: ElementType = ElementType::$variant;
            #[inline]
            fn from_bytes(bytes: &[u8]) -> Option<Self> {
                bytes.first_chunk().map(|bytes| Self::from_le_bytes(*bytes))
            }
            #[inline]
            fn extend_bytes(self, out: &mut impl Extend<u8>) {
                out.extend(self.to_le_bytes());
            }
        }
        const _: () = assert!(size_of::<$type>() == ElementType::$variant.bytes());
        const _: () = assert!(align_of::<$type>() == ElementType::$variant.bytes());
    )*};
}

elements!(u8 U8, i8 I8, u16 U16, i16 I16, u32 U32, i32 I32, u64 U64, i64 I64, f32 F32, f64 F64);

/// How a kernel uses one of its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ParameterKind {
    /// A number, by value.
    Scalar,
    /// A buffer that is only read: every block sees all of it.
    Read,
    /// A buffer that is written (and may be read): each block has its own chunk.
    Write,
    /// A buffer that is written (and may be read): every block sees all of it, blocks run one after another.
    WriteWhole,
}

impl ParameterKind {
    /// Whether the argument is an address.
    pub const fn is_buffer(self) -> bool {
        !matches!(self, Self::Scalar)
    }

    /// Whether the memory behind the argument is written.
    pub const fn writes(self) -> bool {
        matches!(self, Self::Write | Self::WriteWhole)
    }
}

/// One parameter of a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Parameter {
    /// How it is used.
    pub kind: ParameterKind,
    /// The type of the scalar or of the buffer's elements.
    pub element: ElementType,
    /// Where in the packed arguments it stands.
    pub offset: u32,
}

impl Parameter {
    /// Bytes that it takes in the packed arguments.
    pub const fn arg_bytes(&self) -> usize {
        if self.kind.is_buffer() { 8 } else { self.element.bytes() }
    }
}

/// The parameters of a kernel, in the order of its arguments.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Signature {
    parameters: Vec<Parameter>,
    arg_bytes: usize,
    buffers: Vec<BufferParameter>,
}

/// A buffer among the parameters, in the form in which launches are bound: no division, no table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct BufferParameter {
    /// Its place among all parameters.
    pub(crate) index: u32,
    /// Where its address stands in the arguments.
    pub(crate) offset: u32,
    /// What its range must be declared for: an access flag.
    pub(crate) flag: u32,
    /// An element has 1 << shift bytes.
    pub(crate) shift: u8,
    pub(crate) writes: bool,
    /// Each block has its own chunk.
    pub(crate) is_cut: bool,
}

impl Signature {
    /// Adds a parameter behind the others, naturally aligned.
    pub fn push(&mut self, kind: ParameterKind, element: ElementType) {
        let bytes = if kind.is_buffer() { 8 } else { element.bytes() };
        let offset = self.arg_bytes.next_multiple_of(bytes);
        let index = self.parameters.len() as u32;
        self.parameters.push(Parameter { kind, element, offset: offset as u32 });
        if kind.is_buffer() {
            let writes = kind.writes();
            self.buffers.push(BufferParameter {
                index,
                offset: offset as u32,
                flag: if writes { Access::WRITE } else { Access::READ },
                shift: element.bytes().trailing_zeros() as u8,
                writes,
                is_cut: kind == ParameterKind::Write,
            });
        }
        self.arg_bytes = offset + bytes;
    }

    /// The parameters.
    #[inline]
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// The buffers among the parameters, in their order.
    #[inline]
    pub(crate) fn buffers(&self) -> &[BufferParameter] {
        &self.buffers
    }

    /// Bytes of the packed arguments.
    #[inline]
    pub fn arg_bytes(&self) -> usize {
        self.arg_bytes
    }

    /// Whether the blocks of a launch run one after another on one thread.
    pub fn is_sequential(&self) -> bool {
        self.parameters.iter().any(|parameter| parameter.kind == ParameterKind::WriteWhole)
    }
}
