//! What the generated files stand on: plain data, bit fields and overlapping members, each without `unsafe` at the use.
//!
//! The generator spells out every padding byte, so that each type is nothing but its bytes: all of them initialised, any
//! pattern valid. [`Plain`] states that; `tests/abi.rs` checks it for every type.

use core::mem::size_of;

use super::d3dkmthandle;

/// Data that is nothing but its bytes.
///
/// # Safety
/// Every bit pattern of the type's size is a valid value, all zero included, and no byte of it is padding, so that its
/// bytes are always initialised.
pub unsafe trait Plain: Copy + Send + Sync + 'static {
    /// The value with every byte 0.
    fn zeroed() -> Self {
        // SAFETY: implementing this trait promises that all-zero bytes are a valid value.
        unsafe { core::mem::zeroed() }
    }

    /// The value with exactly these bytes; `None` if there are more or fewer than the type has.
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != size_of::<Self>() {
            return None;
        }
        // SAFETY: the length was compared above, the read asks for no alignment, and any bytes are a valid value.
        Some(unsafe { bytes.as_ptr().cast::<Self>().read_unaligned() })
    }

    /// The bytes of the value.
    fn as_bytes(&self) -> &[u8] {
        // SAFETY: the trait promises that no byte is padding; the slice covers `self` and borrows it.
        unsafe { core::slice::from_raw_parts((self as *const Self).cast::<u8>(), size_of::<Self>()) }
    }

    /// The bytes of the value, to be written.
    fn as_bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: no byte is padding and any pattern is valid, so writing bytes leaves a valid value; the slice covers
        // `self` and borrows it exclusively.
        unsafe { core::slice::from_raw_parts_mut((self as *mut Self).cast::<u8>(), size_of::<Self>()) }
    }
}

macro_rules! plain_numbers {
    ($($t:ty),*) => {$(
        // SAFETY: integers have neither padding nor invalid patterns.
        unsafe impl Plain for $t {}
    )*};
}
// SAFETY: an array is its elements one after another, without padding between them.
unsafe impl<T: Plain, const N: usize> Plain for [T; N] {}

plain_numbers!(u8, u16, u32, u64, i8, i16, i32, i64);

/// Declares a generated type plain, and holds it to the size and alignment of the C type.
macro_rules! plain {
    ($t:ident, $size:literal, $align:literal) => {
        // SAFETY: all members are plain and padding is spelled out as members; tests/abi.rs adds their sizes up.
        unsafe impl $crate::sys::Plain for $t {}

        impl Default for $t {
            fn default() -> Self {
                $crate::sys::Plain::zeroed()
            }
        }

        const _: () = assert!(size_of::<$t>() == $size && align_of::<$t>() == $align);
    };
}
pub(crate) use plain;

/// Accessors of the bit fields in one word of a struct.
macro_rules! bits {
    ($t:ident . $word:ident : $int:ty {
        $(flag $flag:ident $set_flag:ident $flag_bit:literal;)*
        $(range $range:ident $set_range:ident $bit:literal $width:literal;)*
    }) => {
        impl $t {
            $(
                #[doc = concat!("Bit ", $flag_bit, " of `", stringify!($word), "`.")]
                pub const fn $flag(&self) -> bool {
                    (self.$word as $int) >> $flag_bit & 1 != 0
                }

                #[doc = concat!("Sets bit ", $flag_bit, " of `", stringify!($word), "`.")]
                pub const fn $set_flag(&mut self, on: bool) {
                    self.$word = ((self.$word as $int) & !(1 << $flag_bit) | (on as $int) << $flag_bit) as _;
                }
            )*
            $(
                #[doc = concat!($width, " bits from bit ", $bit, " of `", stringify!($word), "`.")]
                pub const fn $range(&self) -> $int {
                    (self.$word as $int) >> $bit & <$int>::MAX >> (<$int>::BITS - $width)
                }

                #[doc = concat!("Sets the ", $width, " bits from bit ", $bit, " of `", stringify!($word),
                    "`; higher bits of `value` are dropped.")]
                pub const fn $set_range(&mut self, value: $int) {
                    let mask = <$int>::MAX >> (<$int>::BITS - $width);
                    self.$word = ((self.$word as $int) & !(mask << $bit) | (value & mask) << $bit) as _;
                }
            )*
        }
    };
}
pub(crate) use bits;

/// A union of plain members. They are reached through methods, which keep all its bytes initialised and so make
/// reading any member safe.
macro_rules! overlap {
    ($(#[$doc:meta])* union $t:ident, $size:literal, $align:literal {
        $($(#[$member_doc:meta])* $member:ident $set:ident: $ty:ty;)*
    }) => {
        $(#[$doc])*
        #[repr(C)]
        #[derive(Clone, Copy)]
        pub union $t {
            $($member: $ty,)*
        }

        impl $t {
            $(
                $(#[$member_doc])*
                pub const fn $member(&self) -> $ty {
                    // SAFETY: the union is plain: all its bytes are initialised (it begins zeroed and its setters
                    // overwrite members, never shorten them), and any pattern is a valid member.
                    unsafe { self.$member }
                }

                #[doc = concat!("Sets `", stringify!($member), "`; bytes beyond it keep their values.")]
                pub const fn $set(&mut self, value: $ty) {
                    self.$member = value;
                }
            )*
        }

        impl PartialEq for $t {
            fn eq(&self, other: &Self) -> bool {
                $crate::sys::Plain::as_bytes(self) == $crate::sys::Plain::as_bytes(other)
            }
        }

        impl Eq for $t {}

        impl core::fmt::Debug for $t {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.debug_tuple(stringify!($t)).field(&$crate::sys::Plain::as_bytes(self)).finish()
            }
        }

        $crate::sys::plain!($t, $size, $align);
    };
}
pub(crate) use overlap;

/// One ioctl of the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IoctlInfo {
    /// The C name of the request, `LX_DX…`.
    pub name: &'static str,
    /// The number within the driver's ioctl type.
    pub nr: u8,
    /// The whole request code.
    pub request: u32,
    /// Bytes of the argument struct.
    pub size: u32,
    /// Whether older drivers answer it with `ENOTTY`.
    pub optional: bool,
}

/// A struct that is the argument of one ioctl.
pub trait Argument: Plain {
    /// That ioctl.
    const IOCTL: &'static IoctlInfo;
}

/// Says which ioctl each argument struct belongs to; the sizes must agree.
macro_rules! argument {
    ($($t:ident: $table:ident[$i:literal];)*) => {$(
        impl Argument for $t {
            const IOCTL: &'static IoctlInfo = {
                assert!($table[$i].size as usize == size_of::<$t>());
                &$table[$i]
            };
        }
    )*};
}
pub(crate) use argument;

impl IoctlInfo {
    /// The ioctl with exactly this request code.
    pub const fn of(request: u32) -> Option<&'static Self> {
        let mut i = 0;
        while i < super::IOCTLS.len() {
            if super::IOCTLS[i].request == request {
                return Some(&super::IOCTLS[i]);
            }
            i += 1;
        }
        let mut i = 0;
        while i < super::OPTIONAL_IOCTLS.len() {
            if super::OPTIONAL_IOCTLS[i].request == request {
                return Some(&super::OPTIONAL_IOCTLS[i]);
            }
            i += 1;
        }
        None
    }
}

impl d3dkmthandle {
    /// The handle that names nothing.
    pub const NULL: Self = Self { v: 0 };

    /// Whether this names nothing.
    pub const fn is_null(self) -> bool {
        self.v == 0
    }
}

impl core::fmt::Display for d3dkmthandle {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:#010x}", self.v)
    }
}
