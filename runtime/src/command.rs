//! Operations as values: for lists that go in as one entry, and for graphs.

use std::sync::Arc;

use bytes::Bytes;
use dxg_scheduler::CopyKind;

use crate::args::Args;
use crate::buffer::BufferSlice;
use crate::copy::{HostSource, HostView, snapshot};
use crate::device::{DeviceShared, DeviceTag};
use crate::error::{Error, Result};
use crate::event::Event;
use crate::grid::Grid;
use crate::host_buffer::HostBuffer;
use crate::kernel::Kernel;
use crate::pod::{Pod, bytes_of};
use crate::request::{After, Ready, Request, check_lengths};

/// One operation, made ahead and enqueued as often as wanted with [`Stream::submit`](crate::Stream::submit) or as a node of a
/// [`Graph`](crate::Graph).
#[derive(Clone, Debug)]
pub struct Command {
    pub(crate) kind: CommandKind,
}

#[derive(Clone, Debug)]
pub(crate) enum CommandKind {
    Launch(Box<Launch>),
    Copy { source: BufferSlice<u8>, destination: BufferSlice<u8> },
    CopyIn { data: Bytes, destination: BufferSlice<u8> },
    CopyFrom { source: HostBuffer<u8>, destination: BufferSlice<u8> },
    CopyOut { source: BufferSlice<u8>, destination: HostBuffer<u8> },
    Fill { destination: BufferSlice<u8>, pattern: Pattern },
    Record(Event),
    Wait(Event),
    Marker,
}

/// A launch before it is checked.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    pub(crate) kernel: Kernel,
    pub(crate) grid: Grid,
    pub(crate) args: Args,
}

/// What a fill repeats.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pattern {
    bytes: [u8; 8],
    len: u8,
}

impl Pattern {
    fn new(bytes: &[u8]) -> Result<Self> {
        if !matches!(bytes.len(), 1 | 2 | 4 | 8) {
            return Err(Error::invalid(format!(
                "a fill pattern has 1, 2, 4 or 8 bytes, and this one has {}; use a kernel for longer ones",
                bytes.len()
            )));
        }
        let mut pattern = Pattern { bytes: [0; 8], len: bytes.len() as u8 };
        pattern.bytes[..bytes.len()].copy_from_slice(bytes);
        Ok(pattern)
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl Command {
    fn new(kind: CommandKind) -> Self {
        Command { kind }
    }

    /// A kernel launch; checked when it is enqueued, or when its graph is built.
    pub fn launch(kernel: &Kernel, grid: impl Into<Grid>, args: Args) -> Self {
        Command::new(CommandKind::Launch(Box::new(Launch {
            kernel: kernel.with_same_count(),
            grid: grid.into(),
            args,
        })))
    }

    /// A copy between two ranges of device memory with as many elements.
    pub fn copy<T: Pod>(source: impl Into<BufferSlice<T>>, destination: impl Into<BufferSlice<T>>) -> Result<Self> {
        let (source, destination) = (source.into(), destination.into());
        check_lengths(source.len(), destination.len())?;
        Ok(Command::new(CommandKind::Copy { source: source.bytes(), destination: destination.bytes() }))
    }

    /// A copy of host data into a buffer. The data is taken now, except from a [`HostBuffer`], which the device reads each
    /// time.
    pub fn copy_in<T: Pod>(destination: impl Into<BufferSlice<T>>, source: impl HostSource<T>) -> Result<Self> {
        let destination = destination.into();
        let data = match source.view() {
            HostView::Slice(values) => {
                check_lengths(values.len(), destination.len())?;
                Bytes::copy_from_slice(bytes_of(values))
            }
            HostView::Bytes(bytes) => {
                let (source_len, destination_len) = (bytes.len() as u64, destination.byte_len());
                if source_len != destination_len {
                    return Err(Error::LengthMismatch { unit: "bytes", source_len, destination_len });
                }
                Bytes::copy_from_slice(bytes)
            }
            HostView::Registered(buffer) => {
                check_lengths(buffer.len(), destination.len())?;
                let kind = CommandKind::CopyFrom { source: buffer.bytes(), destination: destination.bytes() };
                return Ok(Command::new(kind));
            }
        };
        Ok(Command::new(CommandKind::CopyIn { data, destination: destination.bytes() }))
    }

    /// A copy of a buffer into host memory with as many elements.
    pub fn copy_out<T: Pod>(source: impl Into<BufferSlice<T>>, destination: &HostBuffer<T>) -> Result<Self> {
        let source = source.into();
        check_lengths(source.len(), destination.len())?;
        Ok(Command::new(CommandKind::CopyOut { source: source.bytes(), destination: destination.bytes() }))
    }

    /// A fill with a value of 1, 2, 4 or 8 bytes.
    pub fn fill<T: Pod>(destination: impl Into<BufferSlice<T>>, value: T) -> Result<Self> {
        let pattern = Pattern::new(bytes_of(&[value]))?;
        Ok(Command::new(CommandKind::Fill { destination: destination.into().bytes(), pattern }))
    }

    /// A fill of bytes with a pattern of 1, 2, 4 or 8 bytes, of which a whole number must fit.
    pub fn fill_bytes(destination: impl Into<BufferSlice<u8>>, pattern: &[u8]) -> Result<Self> {
        let (destination, pattern) = (destination.into(), Pattern::new(pattern)?);
        Ok(Command::new(CommandKind::Fill { destination, pattern }))
    }

    /// The record of an event.
    pub fn record(event: &Event) -> Self {
        Command::new(CommandKind::Record(event.clone()))
    }

    /// A wait for the latest record of an event.
    pub fn wait(event: &Event) -> Self {
        Command::new(CommandKind::Wait(event.clone()))
    }

    /// Nothing but a place in the order: complete when everything before it is.
    pub fn marker() -> Self {
        Command::new(CommandKind::Marker)
    }

    /// Checks the command for a device and makes it ready; `None` where there is no staging memory for its data now.
    pub(crate) fn ready(&self, device: &Arc<DeviceShared>) -> Result<Option<Ready>> {
        let tag = device.tag;
        Ok(Some(match &self.kind {
            CommandKind::Launch(launch) => {
                let Launch { kernel, grid, args } = &**launch;
                Request::launch(device.info(), tag, kernel, *grid, args.clone())?.into()
            }
            CommandKind::Copy { source, destination } => Request::copy_between(tag, source, destination)?.into(),
            CommandKind::CopyIn { data, destination } => {
                check_both(tag, destination, None)?;
                check_lengths(data.len(), destination.len())?;
                if data.is_empty() {
                    return Ok(Some(Request::marker().into()));
                }
                return Ok(snapshot(&device.host, data, destination)?.map(Ready::from));
            }
            CommandKind::CopyFrom { source, destination } => {
                check_both(tag, destination, Some(source))?;
                check_lengths(source.len(), destination.len())?;
                let (to, len) = (destination.device_address(), destination.byte_len());
                let keep = [source.keep(), destination.keep()];
                let request = Request::copy(CopyKind::HostToDevice, source.address(), to, len, keep);
                Ready { request, after: After::Host(source.reserve(false)?) }
            }
            CommandKind::CopyOut { source, destination } => {
                check_both(tag, source, Some(destination))?;
                check_lengths(source.len(), destination.len())?;
                let (from, len) = (source.device_address(), source.byte_len());
                let keep = [source.keep(), destination.keep()];
                let request = Request::copy(CopyKind::DeviceToHost, from, destination.address(), len, keep);
                Ready { request, after: After::Host(destination.reserve(true)?) }
            }
            CommandKind::Fill { destination, pattern } => {
                check_both(tag, destination, None)?;
                Request::fill_pattern(destination, pattern.bytes())?.into()
            }
            CommandKind::Record(event) => event.ready_record(tag)?,
            CommandKind::Wait(event) => event.ready_wait(tag)?,
            CommandKind::Marker => Request::marker().into(),
        }))
    }

    /// Whether the command may stand beside others of its graph; records, waits and markers keep their place.
    pub(crate) fn is_movable(&self) -> bool {
        !matches!(self.kind, CommandKind::Record(_) | CommandKind::Wait(_) | CommandKind::Marker)
    }
}

fn check_both(tag: DeviceTag, memory: &BufferSlice<u8>, host: Option<&HostBuffer<u8>>) -> Result<()> {
    tag.check("buffer", memory.tag())?;
    match host {
        Some(host) => tag.check("host buffer", host.tag()),
        None => Ok(()),
    }
}
