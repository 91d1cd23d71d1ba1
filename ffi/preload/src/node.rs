//! What stands behind a descriptor of the node: a real one, with the node's manners.
//!
//! The real node knows ioctl alone: reading is `EINVAL`, it is always ready for poll, cannot be mapped or sought in. A file
//! of a namespace (`/proc/self/ns/uts`) is just like that, and its answer to a foreign ioctl is `ENOTTY`; so also what goes
//! past this library (raw system calls, a descriptor inherited through exec) is answered as a driver would. Without `/proc` it is
//! an empty memory file.

use std::sync::atomic::{AtomicU8, Ordering};

use libc::c_int;

use crate::raw;

const STAND_IN: &std::ffi::CStr = c"/proc/self/ns/uts";
const PATH: &std::ffi::CStr = c"/dev/dxg";

/// What a descriptor is, whatever its number: device and inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    /// Of an open descriptor.
    pub fn of(fd: c_int) -> Option<Identity> {
        let mut stat = std::mem::MaybeUninit::<libc::stat>::zeroed();
        // SAFETY: fstat takes any number and fills the struct if it succeeds.
        let stat = unsafe {
            let result = raw::call(libc::SYS_fstat, [fd as usize, stat.as_mut_ptr() as usize, 0, 0, 0, 0]);
            (result == 0).then(|| stat.assume_init())
        }?;
        Some(Identity { device: stat.st_dev, inode: stat.st_ino })
    }

    /// Of every descriptor that stands in for the node, if they have one in common.
    pub fn common() -> Option<Identity> {
        let fd = stand_in(libc::O_CLOEXEC);
        let identity = Identity::of(fd);
        if fd >= 0 {
            raw::close(fd);
        }
        identity
    }
}

fn stand_in(flags: c_int) -> c_int {
    let arguments = [libc::AT_FDCWD as usize, STAND_IN.as_ptr() as usize, flags as usize, 0, 0, 0];
    // SAFETY: a C string and flags.
    unsafe { raw::call(libc::SYS_openat, arguments) as c_int }
}

/// A new descriptor with the lowest free number, for an open with these flags; a failure is a negative error number.
pub fn descriptor(flags: c_int) -> c_int {
    let kept = flags & (libc::O_CLOEXEC | libc::O_NONBLOCK | libc::O_PATH);
    let fd = stand_in(kept);
    if fd >= 0 || fd == -libc::EMFILE || fd == -libc::ENFILE {
        return fd;
    }
    let cloexec = if flags & libc::O_CLOEXEC != 0 { libc::MFD_CLOEXEC } else { 0 };
    let arguments = [c"dxg".as_ptr() as usize, cloexec as usize, 0, 0, 0, 0];
    // SAFETY: a C string and flags.
    unsafe { raw::call(libc::SYS_memfd_create, arguments) as c_int }
}

/// Writes on a descriptor who opened it. It is the field for signals that a file's owner gets; this kind of file sends none.
pub fn set_opener(fd: c_int, process: u32) {
    // SAFETY: takes any number.
    unsafe { raw::call(libc::SYS_fcntl, [fd as usize, libc::F_SETOWN as usize, process as usize, 0, 0, 0]) };
}

/// Who opened a descriptor: known to all its duplicates, in whatever process and program.
pub fn opener(fd: c_int) -> Option<u32> {
    // SAFETY: takes any number.
    let owner = unsafe { raw::call(libc::SYS_fcntl, [fd as usize, libc::F_GETOWN as usize, 0, 0, 0, 0]) };
    u32::try_from(owner).ok().filter(|&owner| owner > 0)
}

/// Whether this machine has a real node. Asked once: ours must be found before it is opened.
pub fn is_real() -> bool {
    const UNKNOWN: u8 = 0;
    const ABSENT: u8 = 1;
    const PRESENT: u8 = 2;
    static REAL: AtomicU8 = AtomicU8::new(UNKNOWN);
    match REAL.load(Ordering::Relaxed) {
        UNKNOWN => {
            let arguments = [libc::AT_FDCWD as usize, PATH.as_ptr() as usize, libc::F_OK as usize, 0, 0, 0];
            // SAFETY: a C string and a mode.
            let present = unsafe { raw::call(libc::SYS_faccessat, arguments) } == 0;
            REAL.store(if present { PRESENT } else { ABSENT }, Ordering::Relaxed);
            present
        }
        known => known == PRESENT,
    }
}

/// What stat says of the node: a character device that everybody may read and write.
pub fn stat() -> libc::stat {
    // SAFETY: a struct of integers, for which zero is a value.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    stat.st_mode = libc::S_IFCHR | 0o666;
    stat.st_nlink = 1;
    stat.st_dev = libc::makedev(0, 5);
    stat.st_ino = 0x647867;
    stat.st_rdev = libc::makedev(MISC_MAJOR, MISC_MINOR);
    stat.st_blksize = 4096;
    stat
}

/// Device number of miscellaneous devices, and one of those that are given out as they come.
const MISC_MAJOR: u32 = 10;
const MISC_MINOR: u32 = 125;

/// As [`stat`], for statx.
pub fn statx() -> libc::statx {
    // SAFETY: a struct of integers, for which zero is a value.
    let mut statx: libc::statx = unsafe { std::mem::zeroed() };
    statx.stx_mask = libc::STATX_BASIC_STATS;
    statx.stx_mode = (libc::S_IFCHR | 0o666) as u16;
    statx.stx_nlink = 1;
    statx.stx_dev_minor = 5;
    statx.stx_ino = 0x647867;
    statx.stx_rdev_major = MISC_MAJOR;
    statx.stx_rdev_minor = MISC_MINOR;
    statx.stx_blksize = 4096;
    statx
}
