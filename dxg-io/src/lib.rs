//! The `/dev/dxg` boundary: everything between a Rust program and the guest driver of GPU paravirtualization.
//!
//! ```text
//! object      owning objects: adapter, device, queues, fences, memory
//!   ↓
//! call        one typed method per ioctl; errors that name call, object and status
//!   ↓
//! sys         request codes and argument structs, generated from facts and held to them
//!   ↓
//! boundary    the trait: one ioctl with its struct        ← middleware: tracer, recorder, fault injector
//!   ↓
//! dev         the device node      or      software       driver, bus, host and GPU in this process
//! ```
//!
//! ```
//! use dxg_io::call::Dxg;
//! use dxg_io::object::{Adapter, Device, FenceOptions};
//! use dxg_io::software::{Parameters, SoftwareAdapter};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let dxg = Dxg::new(SoftwareAdapter::new(Parameters::zero())?.open()?);
//! let adapter = Adapter::open_nth(&dxg, 0)?;
//! let device = Device::create(&adapter)?;
//! let fence = device.create_fence(FenceOptions::default())?;
//! fence.signal(1)?;
//! device.wait_from_cpu(&[(fence.handle(), 1)], false, None)?;
//! assert_eq!(fence.value(), 1);
//! # Ok(())
//! # }
//! ```
#![deny(missing_docs)]

pub mod boundary;
pub mod call;
pub mod dev;
pub mod error;
pub mod memory;
pub mod middleware;
pub mod object;
pub mod software;
pub mod status;
pub mod sys;
