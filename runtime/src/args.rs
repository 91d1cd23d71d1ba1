//! The arguments of a launch, packed as the kernel sees them, with what the runtime must know of them.
//!
//! Arguments lie in declared order, scalars at their natural alignment, buffers as their 8-byte device address: the same
//! bytes as CUDA's. Beside them stand the ranges that buffer arguments refer to and whether they are read or written; from
//! those the scheduler proves that launches are independent, and the engine gives a typed kernel its slices. Everything is
//! inline for a handful of arguments: packing does not touch the heap.

use std::sync::Arc;

use dxg_io::software::kernel::Parameter;
use dxg_scheduler::{Access, AccessList};
use smallvec::SmallVec;

use crate::buffer::{Buffer, BufferSlice};
use crate::device::DeviceTag;
use crate::error::{Error, Result};
use crate::memory::PoolBlock;
use crate::op::{ArgAccess, ArgBytes, ArgTag, Blocks};
use crate::pod::{Pod, bytes_of};

/// Packs the arguments of a launch.
///
/// Each argument is a plain value ([`Pod`]), a buffer or slice with its access ([`Buffer::read`], [`Buffer::write`],
/// [`Buffer::read_write`]), or a reference to one (which counts as read and written). Write the type of numbers:
/// `2.0f32`, not `2.0`, which is an `f64`.
///
/// ```
/// use dxg_runtime::args;
/// let packed = args![1u8, 2.0f32, 3u64];
/// assert_eq!(packed.bytes().len(), 16); // 1 byte, 3 of padding, 4, 8
/// ```
#[macro_export]
macro_rules! args {
    ($($argument:expr),* $(,)?) => {{
        #[allow(unused_mut, reason = "without arguments nothing is added")]
        let mut packed = $crate::Args::new();
        $( packed.push($argument); )*
        packed
    }};
}

/// The packed arguments of one launch; made by [`args!`](crate::args!), or from bytes by [`Args::from_raw`].
#[derive(Clone, Default)]
pub struct Args {
    pub(crate) bytes: ArgBytes,
    /// Of buffers, each with its [`ArgTag`].
    pub(crate) accesses: AccessList,
    pub(crate) blocks: Blocks,
    pub(crate) slots: SmallVec<[Slot; 6]>,
    pub(crate) device: Option<DeviceTag>,
    /// A device other than `device` that an argument belongs to.
    pub(crate) foreign: Option<DeviceTag>,
    /// Some 8-byte value may be an address that no access tells of.
    pub(crate) maybe_addresses: bool,
    /// Made from bytes: `slots` says nothing.
    pub(crate) raw: bool,
}

/// One packed argument, in 8 bytes: its offset in bits 0..16, its size above, then of a buffer the size of an element, how it is
/// used, and that it is one. In the width of arguments that a launch takes: what does not fit is cut, and the launch refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot(u64);

impl Slot {
    const SIZE: u32 = 16;
    const ELEMENT: u32 = 32;
    const FLAGS: u32 = 48;
    const BUFFER: u64 = 1 << 56;

    /// A value of `size` bytes.
    #[inline]
    pub(crate) fn scalar(offset: usize, size: usize) -> Self {
        Slot(cut(offset) | cut(size) << Self::SIZE)
    }

    /// A buffer.
    #[inline]
    pub(crate) fn buffer(offset: usize, element: u32, flags: u32) -> Self {
        let kind = cut(element as usize) << Self::ELEMENT | u64::from(flags & 3) << Self::FLAGS | Self::BUFFER;
        Slot(cut(offset) | 8 << Self::SIZE | kind)
    }

    pub(crate) fn offset(self) -> usize {
        usize::from(self.0 as u16)
    }

    pub(crate) fn size(self) -> usize {
        usize::from((self.0 >> Self::SIZE) as u16)
    }

    /// Element size and use, of a buffer.
    fn element_and_flags(self) -> Option<(u16, u32)> {
        let flags = (self.0 >> Self::FLAGS) as u32 & 3;
        (self.0 & Self::BUFFER != 0).then_some(((self.0 >> Self::ELEMENT) as u16, flags))
    }

    /// The same argument in another place.
    fn at(self, offset: usize) -> Self {
        Slot(self.0 & !u64::from(u16::MAX) | cut(offset))
    }
}

/// What a slot must be to fit a parameter: some of its bits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    mask: u64,
    bits: u64,
}

impl Wanted {
    /// What fits the parameter.
    pub(crate) fn by(parameter: &Parameter) -> Self {
        let bytes = parameter.element.bytes();
        let Slot(bits) = match parameter.kind.is_buffer() {
            true => Slot::buffer(0, bytes as u32, needed_flag(parameter)),
            false => Slot::scalar(0, bytes),
        };
        let all = u64::from(u16::MAX);
        let mask = match parameter.kind.is_buffer() {
            // A buffer that is declared for more than it is needed for fits too.
            true => Slot::BUFFER | all << Slot::ELEMENT | u64::from(needed_flag(parameter)) << Slot::FLAGS,
            false => Slot::BUFFER | all << Slot::SIZE,
        };
        Wanted { mask, bits: bits & mask }
    }

    /// Whether the slot fits.
    #[inline]
    pub(crate) fn fits(self, slot: Slot) -> bool {
        slot.0 & self.mask == self.bits
    }
}

/// How a parameter's buffer must be declared at least.
pub(crate) fn needed_flag(parameter: &Parameter) -> u32 {
    if parameter.kind.writes() { ArgAccess::WRITE } else { ArgAccess::READ }
}

#[inline]
fn cut(wide: usize) -> u64 {
    wide.min(usize::from(u16::MAX)) as u64
}

/// Something that can be an argument of a launch.
pub trait Argument {
    /// Adds it to the packed arguments.
    fn append(self, args: &mut Args);
}

impl Args {
    /// No arguments.
    #[inline]
    pub fn new() -> Self {
        Args::default()
    }

    /// Adds one argument.
    #[inline]
    pub fn push(&mut self, argument: impl Argument) {
        argument.append(self);
    }

    /// Arguments that are packed already, for callers that work with raw addresses.
    ///
    /// `accesses` tells which of the bytes are addresses of buffers and what happens to them; pass what is known. A kernel
    /// whose accesses are not all told runs after everything before it on its stream.
    ///
    /// ```
    /// use dxg_runtime::{Args, Device};
    /// let device = Device::open("software")?;
    /// let x = device.alloc::<f32>(16)?;
    /// let mut bytes = Vec::new();
    /// bytes.extend(x.address().to_ne_bytes());
    /// bytes.extend(2.0f32.to_ne_bytes());
    /// let args = Args::from_raw(&bytes).with_access(0, x.read_write())?;
    /// assert_eq!(args.bytes(), bytes);
    /// # Ok::<(), dxg_runtime::Error>(())
    /// ```
    pub fn from_raw(bytes: &[u8]) -> Self {
        Args { bytes: ArgBytes::from_slice(bytes), raw: true, maybe_addresses: true, ..Args::default() }
    }

    /// Tells that the 8 bytes at `offset` are an address in `buffer`'s range, and how the range is used.
    pub fn with_access(mut self, offset: u32, buffer: BufferArg) -> Result<Self> {
        let end = u64::from(offset) + 8;
        if end > self.bytes.len() as u64 {
            return Err(Error::OutOfRange {
                what: "argument bytes",
                start: offset.into(),
                end,
                len: self.bytes.len() as u64,
            });
        }
        self.note_device(buffer.tag);
        self.accesses.push(buffer.access(offset));
        self.blocks.push(buffer.block);
        Ok(self)
    }

    /// Promises that the accesses told so far are all that the kernel makes, so that the launch may run beside others.
    ///
    /// A promise that does not hold makes results depend on timing. Typed kernels need no promise.
    pub fn accesses_are_complete(mut self) -> Self {
        self.maybe_addresses = false;
        self
    }

    /// The packed bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Number of arguments; 0 for those made from bytes.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    #[inline]
    pub(crate) fn note_device(&mut self, tag: DeviceTag) {
        match self.device {
            None => self.device = Some(tag),
            Some(first) if first.id != tag.id => self.foreign = Some(tag),
            Some(_) => {}
        }
    }

    #[inline]
    fn push_buffer(&mut self, buffer: BufferArg) {
        self.note_device(buffer.tag);
        let offset = self.bytes.place(&buffer.address.to_ne_bytes(), 8);
        self.slots.push(Slot::buffer(offset, buffer.element, buffer.flags));
        self.accesses.push(buffer.access(offset as u32));
        self.blocks.push(buffer.block);
    }

    /// Replaces argument `index` by the single argument of `with`; the sizes must agree (for a graph's patches).
    pub(crate) fn replace(&mut self, index: usize, with: &Args) -> Result<(), String> {
        let ([new], false) = (with.slots.as_slice(), with.raw) else {
            return Err(format!("a patch replaces one argument, and this one has {}", with.slots.len()));
        };
        let Some(old) = self.slots.get_mut(index) else {
            return Err(format!("there is no argument {index}; the launch has {}", self.slots.len()));
        };
        let same_kind = old.element_and_flags().is_some() == new.element_and_flags().is_some();
        if old.size() != new.size() || !same_kind {
            return Err(format!("argument {index} is {old}, and the patch is {new}"));
        }
        let (start, offset) = (old.offset(), old.offset() as u32);
        match self.bytes.get_mut(start..start + new.size()) {
            Some(place) if place.len() == with.bytes.len() => place.copy_from_slice(&with.bytes),
            _ => return Err(format!("argument {index} is larger than a launch takes")),
        }
        *old = new.at(start);
        if let Some(access) = with.accesses.first().copied().and_then(ArgTag::unpack) {
            let access = ArgTag::pack(ArgAccess { arg_offset: offset, ..access });
            for known in &mut *self.accesses {
                if ArgTag::unpack(*known).is_some_and(|known| known.arg_offset == offset) {
                    *known = access;
                }
            }
        }
        // What the old argument kept alive stays alive for the launch: harmless, and simpler than finding it.
        self.blocks.extend(with.blocks.iter().cloned());
        if let Some(tag) = with.device {
            self.note_device(tag);
        }
        Ok(())
    }

    /// Overwrites packed bytes (for a graph's patches of raw arguments).
    pub(crate) fn overwrite(&mut self, offset: u32, bytes: &[u8]) -> Result<(), String> {
        let start = offset as usize;
        let len = self.bytes.len();
        match self.bytes.get_mut(start..start.saturating_add(bytes.len())) {
            Some(place) => place.copy_from_slice(bytes),
            None => return Err(format!("bytes {start}..{} of {len} argument bytes", start + bytes.len())),
        }
        let end = u64::from(offset) + bytes.len() as u64;
        let packed = &self.bytes;
        for known in &mut *self.accesses {
            let Some(access) = ArgTag::unpack(*known) else { continue };
            let at = access.arg_offset as usize;
            if u64::from(access.arg_offset) < end && access.arg_offset + 8 > offset {
                // The range moves with the address that stands in the bytes.
                if let Some(Ok(address)) = packed.get(at..at + 8).map(<[u8; 8]>::try_from) {
                    *known = ArgTag::pack(ArgAccess { va: u64::from_ne_bytes(address), ..access });
                }
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for Args {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Args")
            .field("bytes", &self.bytes.len())
            .field("slots", &self.slots)
            .field("accesses", &self.accesses)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Display for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.element_and_flags() {
            None => write!(f, "a value of {} bytes", self.size()),
            Some((element, flags)) => write!(f, "a buffer of {element}-byte elements, {}", access_words(flags)),
        }
    }
}

/// What flags say, in words.
pub(crate) fn access_words(flags: u32) -> &'static str {
    match flags {
        ArgAccess::READ => "read",
        ArgAccess::WRITE => "written",
        _ => "read and written",
    }
}

impl<T: Pod> Argument for T {
    #[inline]
    fn append(self, args: &mut Args) {
        let offset = args.bytes.place(bytes_of(&[self]), align_of::<T>());
        // Only a value with room for an address can hide one.
        args.maybe_addresses |= size_of::<T>() >= 8;
        args.slots.push(Slot::scalar(offset, size_of::<T>()));
    }
}

/// A buffer as an argument, with its access; made by [`Buffer::read`] and its siblings.
#[derive(Clone)]
pub struct BufferArg {
    pub(crate) address: u64,
    pub(crate) len: u64,
    pub(crate) element: u32,
    pub(crate) flags: u32,
    pub(crate) block: Arc<PoolBlock>,
    pub(crate) tag: DeviceTag,
}

impl BufferArg {
    #[inline]
    fn access(&self, arg_offset: u32) -> Access {
        ArgTag::pack(ArgAccess { arg_offset, flags: self.flags, va: self.address, len: self.len })
    }
}

impl Argument for BufferArg {
    #[inline]
    fn append(self, args: &mut Args) {
        args.push_buffer(self);
    }
}

impl<T: Pod> Argument for &Buffer<T> {
    #[inline]
    fn append(self, args: &mut Args) {
        args.push_buffer(self.read_write());
    }
}

impl<T: Pod> Argument for &BufferSlice<T> {
    #[inline]
    fn append(self, args: &mut Args) {
        args.push_buffer(self.read_write());
    }
}

#[cfg(test)]
mod tests {
    use dxg_io::software::kernel::RustKernel;

    use super::*;

    #[test]
    fn scalars_are_packed_at_their_natural_alignment() {
        let packed = args![1u8, 2u16, 3u8, 4u32, 5u8, 6u64];
        let offsets: Vec<usize> = packed.slots.iter().map(|slot| slot.offset()).collect();
        assert_eq!(offsets, [0, 2, 4, 8, 12, 16]);
        assert_eq!(packed.bytes().len(), 24);
        assert_eq!(packed.bytes()[16..], 6u64.to_ne_bytes());
        assert_eq!(packed.bytes()[1], 0, "padding is zero");
    }

    #[test]
    fn six_arguments_stay_off_the_heap() {
        let packed = args![1u64, 2u64, 3u64, 4u64, 5u64, 6u64];
        assert!(!packed.bytes.spilled() && !packed.slots.spilled());
        assert!(packed.maybe_addresses);
        assert!(!args![1u32, 2.0f32].maybe_addresses);
    }

    #[test]
    fn arrays_are_packed_as_their_elements() {
        let packed = args![1u8, [2.0f32, 3.0]];
        assert_eq!(packed.slots[1], Slot::scalar(4, 8));
    }

    #[test]
    fn a_slot_fits_what_the_kernel_takes_and_nothing_else() {
        let signature = RustKernel::new("k").scalar::<f32>().read::<f32>().write::<u64>().body(|_| Ok(()));
        let [scalar, read, write] = [0, 1, 2].map(|i| Wanted::by(&signature.signature().parameters()[i]));
        let (reads, writes) = (ArgAccess::READ, ArgAccess::WRITE);
        assert!(scalar.fits(Slot::scalar(0, 4)) && scalar.fits(Slot::scalar(12, 4)));
        assert!(!scalar.fits(Slot::scalar(0, 8)) && !scalar.fits(Slot::buffer(0, 4, reads)));
        assert!(read.fits(Slot::buffer(8, 4, reads)) && read.fits(Slot::buffer(8, 4, reads | writes)));
        assert!(!read.fits(Slot::buffer(8, 4, writes)) && !read.fits(Slot::buffer(8, 8, reads)));
        assert!(!read.fits(Slot::scalar(8, 8)));
        assert!(write.fits(Slot::buffer(16, 8, writes)) && !write.fits(Slot::buffer(16, 8, reads)));
        // What is too large for a slot fits nothing.
        assert!(!scalar.fits(Slot::scalar(0, (1 << 16) + 4)) && !read.fits(Slot::buffer(8, (1 << 16) + 4, reads)));
    }

    #[test]
    fn a_patch_must_fit_the_argument() {
        let mut packed = args![1u32, 2u32];
        packed.replace(1, &args![7u32]).unwrap();
        assert_eq!(packed.bytes()[4..], 7u32.to_ne_bytes());
        for (index, with, says) in [(2, args![7u32], "no argument 2"), (0, args![7u64], "8 bytes"), (0, args![], "one")]
        {
            let error = packed.replace(index, &with).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn raw_bytes_are_overwritten_inside_their_range_only() {
        let mut packed = Args::from_raw(&[0; 8]);
        packed.overwrite(4, &[9; 4]).unwrap();
        assert_eq!(packed.bytes(), [0, 0, 0, 0, 9, 9, 9, 9]);
        assert!(packed.overwrite(5, &[9; 4]).is_err());
        assert!(packed.overwrite(u32::MAX, &[9; 4]).is_err());
    }
}
