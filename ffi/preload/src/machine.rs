//! The adapter of this process, made when the node is first opened, and never ended: like the driver it outlives every
//! descriptor.
//!
//! The child of a fork makes one of its own. Where two threads make the first at the same time, one of the two is kept.

use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, Ordering};

use dxg_io::memory::CheckedMemory;
use dxg_io::software::{Home, Parameters, SoftwareAdapter, SoftwareError, descriptor};
use libc::c_int;

use crate::raw;
use crate::record::Record;

/// The parameters: a TOML document, or nothing for the default ones.
pub const PARAMETERS: &str = "DXGRT_PRELOAD_PARAMETERS";
/// From here on lie descriptors of our own, where the limit on open files allows it.
const FLOOR: u64 = 512;

/// See the module.
pub struct Machine {
    home: Home,
    /// The process.
    pub process: u32,
    /// The adapter.
    pub adapter: Arc<SoftwareAdapter>,
    /// How the program's memory is reached.
    pub memory: Arc<CheckedMemory>,
    /// What is written down.
    pub record: Record,
}

static CURRENT: AtomicPtr<Machine> = AtomicPtr::new(ptr::null_mut());

fn current() -> Option<&'static Machine> {
    // SAFETY: machines are leaked when they are made.
    unsafe { CURRENT.load(Ordering::Acquire).as_ref() }
}

impl Machine {
    /// That of this process, if it has one.
    pub fn here() -> Option<&'static Machine> {
        current().filter(|machine| machine.is_here())
    }

    /// That of this process, made if need be; a failure is an error number.
    pub fn get() -> Result<&'static Machine, c_int> {
        let before = current();
        if let Some(machine) = before.filter(|machine| machine.is_here()) {
            return Ok(machine);
        }
        if before.is_some() {
            descriptor::close_inherited();
        }
        let made = Box::into_raw(Box::new(Machine::new()?));
        let before = before.map_or(ptr::null_mut(), |machine| ptr::from_ref(machine).cast_mut());
        match CURRENT.compare_exchange(before, made, Ordering::AcqRel, Ordering::Acquire) {
            // SAFETY: leaked from here on.
            Ok(_) => Ok(unsafe { &*made }),
            Err(other) => {
                // SAFETY: made above and given to nobody; the other is leaked.
                unsafe {
                    drop(Box::from_raw(made));
                    Ok(&*other)
                }
            }
        }
    }

    fn new() -> Result<Machine, c_int> {
        descriptor::set_floor(floor());
        let parameters = match std::env::var(PARAMETERS) {
            Ok(text) => Parameters::from_toml(&text).map_err(|error| {
                complain(&format!("{PARAMETERS}: {error}"));
                libc::EINVAL
            })?,
            Err(_) => Parameters { complete_foreign_commands: true, ..Parameters::default() },
        };
        let memory = CheckedMemory::new().map_err(|error| {
            complain(&error.to_string());
            libc::EPERM
        })?;
        let adapter = SoftwareAdapter::new(parameters).map_err(|error| {
            complain(&error.to_string());
            number_of(&error)
        })?;
        let home = Home::new().map_err(|error| error.raw_os_error().unwrap_or(libc::ENOMEM))?;
        let memory = Arc::new(memory);
        Ok(Machine { home, process: raw::process(), adapter, memory, record: Record::new() })
    }

    /// Whether this is the process it was made in; the child of a vfork is taken for it.
    #[inline]
    pub fn is_here(&self) -> bool {
        self.home.is_here()
    }
}

/// The error number of a failure.
pub fn number_of(error: &SoftwareError) -> c_int {
    match error {
        SoftwareError::System(error) => error.raw_os_error().unwrap_or(libc::ENOMEM),
        SoftwareError::Open(errno) => errno.0,
        SoftwareError::Parameters(_) => libc::EINVAL,
    }
}

fn floor() -> c_int {
    // SAFETY: a struct of integers, filled by the call.
    let limit = unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        limit.rlim_cur
    };
    FLOOR.min(limit / 2) as c_int
}

/// A sentence on stderr: why the node cannot be opened.
pub fn complain(why: &str) {
    use std::io::Write;
    // Where nobody listens to errors there is nobody to tell that to.
    let _unheard = writeln!(std::io::stderr(), "libdxg_preload: {why}");
}
