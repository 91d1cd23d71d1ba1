//! One ioctl on its way: the caller's memory, the messages it sends, what it counts.

use std::mem::size_of;
use std::sync::Arc;

use super::Driver;
pub(super) use super::Errno;
use super::objects::Process;
use crate::boundary::Traffic;
use crate::memory::{Fault, UserMemory};
use crate::software::bus::message::{Envelope, Reply, Request, Target, Work};
use crate::software::bus::outcome;
use crate::sys::Plain;

/// The return value of a handler: what ioctl returns, or an errno.
pub type Outcome = Result<i32, Errno>;

/// A bad argument.
pub const EINVAL: Errno = Errno(libc::EINVAL);
/// A bad pointer.
pub const EFAULT: Errno = Errno(libc::EFAULT);

impl From<Fault> for Errno {
    fn from(_: Fault) -> Errno {
        EFAULT
    }
}

/// See the module.
pub struct Call<'a> {
    /// The driver.
    pub driver: &'a Driver,
    /// Who calls.
    pub process: &'a Arc<Process>,
    /// How to reach the caller's memory.
    pub memory: &'a dyn UserMemory,
    /// Address of the argument struct.
    pub arg: u64,
    /// Messages so far.
    pub traffic: Traffic,
}

impl Call<'_> {
    /// The argument struct.
    pub fn args<T: Plain>(&self) -> Result<T, Errno> {
        self.read(self.arg)
    }

    /// A value in the caller's memory.
    pub fn read<T: Plain>(&self, address: u64) -> Result<T, Errno> {
        let mut value = T::zeroed();
        // SAFETY: the ioctl's caller gave this address as readable for a value of this type.
        unsafe { self.memory.read(address, value.as_bytes_mut()) }?;
        Ok(value)
    }

    /// An array in the caller's memory, element by element into `each`: long arrays need no copy of their own.
    pub fn read_each<T: Plain>(&self, address: u64, count: u32, mut each: impl FnMut(T)) -> Result<(), Errno> {
        const CHUNK: usize = 32;
        let mut chunk = [T::zeroed(); CHUNK];
        let mut done = 0;
        while done < count as usize {
            let now = (count as usize - done).min(CHUNK);
            let at = address.checked_add((done * size_of::<T>()) as u64).ok_or(EFAULT)?;
            // SAFETY: the chunk's elements are plain, so their bytes may be written one by one.
            let bytes =
                unsafe { std::slice::from_raw_parts_mut(chunk.as_mut_ptr().cast::<u8>(), now * size_of::<T>()) };
            // SAFETY: the ioctl's caller gave this array as readable.
            unsafe { self.memory.read(at, bytes) }?;
            chunk[..now].iter().for_each(|value| each(*value));
            done += now;
        }
        Ok(())
    }

    /// An array in the caller's memory.
    pub fn read_list<T: Plain>(&self, address: u64, count: u32) -> Result<Vec<T>, Errno> {
        let mut list = Vec::with_capacity(count as usize);
        self.read_each(address, count, |value| list.push(value))?;
        Ok(list)
    }

    /// Bytes in the caller's memory.
    pub fn read_bytes(&self, address: u64, count: u32) -> Result<Vec<u8>, Errno> {
        let mut bytes = vec![0; count as usize];
        // SAFETY: the ioctl's caller gave these bytes as readable.
        unsafe { self.memory.read(address, &mut bytes) }?;
        Ok(bytes)
    }

    /// Copies bytes in only to see that they can be read: the host has no use for them.
    pub fn touch(&self, address: u64, count: u64) -> Result<(), Errno> {
        let mut scratch = [0u8; 1024];
        let mut done = 0;
        while done < count {
            let now = (count - done).min(scratch.len() as u64);
            let at = address.checked_add(done).ok_or(EFAULT)?;
            // SAFETY: the ioctl's caller gave these bytes as readable.
            unsafe { self.memory.read(at, &mut scratch[..now as usize]) }?;
            done += now;
        }
        Ok(())
    }

    /// Writes a value to the caller.
    pub fn write<T: Plain>(&self, address: u64, value: &T) -> Result<(), Errno> {
        self.write_bytes(address, value.as_bytes())
    }

    /// Writes bytes to the caller.
    pub fn write_bytes(&self, address: u64, bytes: &[u8]) -> Result<(), Errno> {
        // SAFETY: the ioctl's caller gave this address as writable for what the call puts there.
        unsafe { self.memory.write(address, bytes) }?;
        Ok(())
    }

    /// Writes one field of the argument struct, by its offset.
    pub fn put<T: Plain>(&self, offset: usize, value: &T) -> Result<(), Errno> {
        self.write(self.arg + offset as u64, value)
    }

    /// The adapter must be there.
    pub fn alive(&self) -> Result<(), Errno> {
        if self.driver.is_active() { Ok(()) } else { Err(Errno(libc::ENODEV)) }
    }

    fn send(&mut self, target: Target, command: &'static str, payload: u64, request: Request) -> Result<Reply, Errno> {
        let payload = u32::try_from(payload).map_err(|_| EINVAL)?;
        let envelope = Envelope { command, target, payload };
        self.driver.link.round_trip(self.process.key, envelope, request, &mut self.traffic)
    }

    /// A round trip to the virtual GPU; `payload` without prefix. The status in the answer is not looked at.
    pub fn gpu(&mut self, command: &'static str, payload: u64, request: Request) -> Result<Reply, Errno> {
        self.send(Target::VirtualGpu, command, payload, request)
    }

    /// A round trip on the global channel; the status in the answer is not looked at.
    pub fn global(&mut self, command: &'static str, payload: u64, request: Request) -> Result<Reply, Errno> {
        self.send(Target::Global, command, payload, request)
    }

    /// A round trip to the virtual GPU whose answer is a status.
    pub fn gpu_status(&mut self, command: &'static str, payload: u64, request: Request) -> Outcome {
        outcome(self.gpu(command, payload, request)?.status)
    }

    /// Work: posted, or a round trip, as the host wants it.
    pub fn work(&mut self, command: &'static str, payload: u64, work: Work) -> Outcome {
        let payload = u32::try_from(payload).map_err(|_| EINVAL)?;
        let envelope = Envelope { command, target: Target::VirtualGpu, payload };
        self.driver.link.send_work(self.process.key, envelope, work, &mut self.traffic)
    }

    /// A message too long is refused before its data is copied in.
    pub fn fits(&self, payload: u64) -> Result<(), Errno> {
        if self.driver.link.payload_fits(payload) { Ok(()) } else { Err(EINVAL) }
    }
}

/// Writes one field of the argument struct: `put!(call, sys::some_struct, field = &value)`.
macro_rules! put {
    ($call:expr, $args:ty, $field:ident = $value:expr) => {
        $call.put(std::mem::offset_of!($args, $field), $value)
    };
}
pub(super) use put;
