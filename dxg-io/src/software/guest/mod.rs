//! The guest driver: what stands directly behind `ioctl` on `/dev/dxg`.
//!
//! A call comes in as request number and argument address ([`dispatch`]), is checked in the driver's order (copy the
//! arguments, limits, the one anchor handle, adapter alive), becomes messages to the host, and its answers go back to
//! the caller's memory. Everything the driver does not check reaches the host as it is.
//!
//! | shared state | read by | changed by |
//! |---|---|---|
//! | `Process::objects` | every call, shortly | calls that create or destroy |
//! | `Process::adapters` | calls that name an adapter | open, enumerate, close |
//! | `Driver::processes` | - | first open and last close of a process |
//! | `Driver::active` | every call | adapter removal |
//!
//! No lock is held while a message is under way.

pub(in crate::software) mod across;
mod adapter;
mod allocation;
mod call;
mod device;
pub mod dispatch;
pub mod handles;
mod lock;
pub mod objects;
mod paging;
mod queue;
mod resource;
mod share;
mod signal;
mod sync;
mod teardown;
mod wait;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::objects::Process;
use self::share::Shares;
use super::bus::Link;
use super::bus::message::{Envelope, Request, Target};
use crate::boundary::Traffic;
pub(crate) use crate::status::Errno;
use crate::sys;

/// The adapter's LUID as the guest shows it.
pub const ADAPTER_LUID: sys::winluid = sys::winluid { a: 0xc0de, b: 1 };
/// The handle by which the host knows the adapter; two calls leak it to their callers.
const HOST_ADAPTER_HANDLE: u32 = 0x4000_0000;

/// The driver of one virtual machine.
pub struct Driver {
    link: Arc<Link>,
    /// Whether the host maps guest pages one by one, or takes them by GPADL.
    map_guest_pages: bool,
    /// The adapter is there.
    active: AtomicBool,
    processes: Mutex<HashMap<u32, (Arc<Process>, usize)>>,
    shares: Shares,
}

impl Driver {
    /// A driver with its adapter started and no process.
    pub fn new(link: Arc<Link>, map_guest_pages: bool) -> Driver {
        Driver {
            link,
            map_guest_pages,
            active: AtomicBool::new(true),
            processes: Mutex::default(),
            shares: Shares::default(),
        }
    }

    /// The bus.
    pub fn link(&self) -> &Arc<Link> {
        &self.link
    }

    fn processes(&self) -> MutexGuard<'_, HashMap<u32, (Arc<Process>, usize)>> {
        self.processes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the device node for a process; the first open makes its host object.
    pub fn open(&self, tgid: u32, traffic: &mut Traffic) -> Result<Arc<Process>, Errno> {
        let mut processes = self.processes();
        if let Some((process, opens)) = processes.get_mut(&tgid) {
            *opens += 1;
            return Ok(process.clone());
        }
        let envelope = Envelope { command: "CREATEPROCESS", target: Target::Global, payload: 568 };
        let reply = self.link.round_trip(0, envelope, Request::CreateProcess, traffic)?;
        if reply.handle == 0 {
            return Err(Errno(libc::EBADF));
        }
        let process = Arc::new(Process::new(reply.handle));
        processes.insert(tgid, (process.clone(), 1));
        Ok(process)
    }

    /// Closes a descriptor; the last one of a process takes everything with it.
    pub fn close(&self, tgid: u32) -> Traffic {
        let mut traffic = Traffic::default();
        let last = {
            let mut processes = self.processes();
            match processes.get_mut(&tgid) {
                Some((_, opens)) if *opens > 1 => {
                    *opens -= 1;
                    None
                }
                _ => processes.remove(&tgid),
            }
        };
        if let Some((process, _)) = last {
            self.tear_down_process(&process, &mut traffic);
        }
        traffic
    }

    /// Processes, and the handles of them all.
    pub fn usage(&self) -> (usize, usize) {
        let processes = self.processes();
        let handles = processes.values().map(|(process, _)| {
            let adapters = process.adapters().iter().count();
            adapters + process.objects().iter().count()
        });
        (processes.len(), handles.sum())
    }

    /// Whether the adapter is there.
    pub fn is_active(&self) -> bool {
        self.active.load(Ordering::Acquire)
    }

    /// The adapter is taken away: calls that need it say ENODEV from now on.
    pub fn remove_adapter(&self) {
        self.active.store(false, Ordering::Release);
    }
}
