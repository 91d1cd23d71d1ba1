//! Descriptors that the adapter keeps for itself inside the program that uses it: copies of its eventfds, ends of shares.
//!
//! A kernel driver has no such numbers in its caller's table; this adapter does, and a program that closes everything it
//! does not know would close them, and then use the number for a file of its own. Two things keep apart what the kernel
//! keeps apart by itself: [`set_floor`] moves them out of the way of the low numbers that programs count on, and
//! [`is_private`] tells a library that stands between program and C library which numbers are not the program's.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};

/// Numbers that are kept track of; a higher one is used all the same, and not told apart.
const NUMBERS: usize = 1 << 20;

static MARKS: [AtomicU64; NUMBERS / 64] = [const { AtomicU64::new(0) }; NUMBERS / 64];
static FLOOR: AtomicI32 = AtomicI32::new(0);

/// From now on private descriptors get numbers from `floor` on, where the limit on open files allows it. 0: any.
pub fn set_floor(floor: RawFd) {
    FLOOR.store(floor, Ordering::Relaxed);
}

/// Whether the number is that of a private descriptor of an adapter in this process.
#[inline]
pub fn is_private(number: RawFd) -> bool {
    mark_of(number).is_some_and(|(word, bit)| word.load(Ordering::Relaxed) & bit != 0)
}

/// The numbers of private descriptors from `first` on, in order.
pub fn private_from(first: RawFd) -> impl Iterator<Item = RawFd> {
    let first = usize::try_from(first).unwrap_or(0);
    let words = MARKS.iter().enumerate().skip(first / 64).map(|(index, word)| (index, word.load(Ordering::Relaxed)));
    let numbers = words
        .filter(|(_, marks)| *marks != 0)
        .flat_map(|(index, marks)| (0..64).filter(move |bit| marks >> bit & 1 != 0).map(move |bit| index * 64 + bit));
    numbers.filter(move |&number| number >= first).map(|number| number as RawFd)
}

/// In the child of a fork: closes the private descriptors that were the parent's. Nothing of the parent's adapter may be
/// used any more.
pub fn close_inherited() {
    for (index, word) in MARKS.iter().enumerate() {
        let mut marks = word.swap(0, Ordering::Relaxed);
        while marks != 0 {
            let number = (index * 64) as i32 + marks.trailing_zeros() as i32;
            // SAFETY: a copy that the fork made of a descriptor of the parent's adapter; its owner is never dropped here.
            unsafe { libc::close(number) };
            marks &= marks - 1;
        }
    }
}

#[inline]
fn mark_of(number: RawFd) -> Option<(&'static AtomicU64, u64)> {
    let number = usize::try_from(number).ok()?;
    Some((MARKS.get(number / 64)?, 1 << (number % 64)))
}

/// A descriptor that is the adapter's own. Closed when dropped.
#[derive(Debug)]
pub struct PrivateFd(OwnedFd);

impl PrivateFd {
    /// Takes a descriptor, and moves it to a high number if that is wanted.
    pub fn new(fd: OwnedFd) -> PrivateFd {
        let floor = FLOOR.load(Ordering::Relaxed);
        let fd = if floor > fd.as_raw_fd() { moved(&fd, floor).unwrap_or(fd) } else { fd };
        if let Some((word, bit)) = mark_of(fd.as_raw_fd()) {
            word.fetch_or(bit, Ordering::Relaxed);
        }
        PrivateFd(fd)
    }

    /// A private copy of a descriptor that is the caller's; `None` if there is none with this number, or no room.
    pub fn copy_of(number: RawFd) -> Option<PrivateFd> {
        let floor = FLOOR.load(Ordering::Relaxed).max(3);
        duplicate(number, floor).or_else(|| duplicate(number, 3)).map(PrivateFd::new)
    }
}

fn moved(fd: &OwnedFd, floor: RawFd) -> Option<OwnedFd> {
    duplicate(fd.as_raw_fd(), floor)
}

fn duplicate(number: RawFd, floor: RawFd) -> Option<OwnedFd> {
    // SAFETY: F_DUPFD_CLOEXEC takes any number and says EBADF for one that is not open.
    let copy = unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, floor) };
    // SAFETY: fcntl has just made this descriptor for us.
    (copy >= 0).then(|| unsafe { OwnedFd::from_raw_fd(copy) })
}

impl Drop for PrivateFd {
    fn drop(&mut self) {
        // Unmarked before it is closed: from then on the number may be somebody else's.
        if let Some((word, bit)) = mark_of(self.0.as_raw_fd()) {
            word.fetch_and(!bit, Ordering::Relaxed);
        }
    }
}

impl AsRawFd for PrivateFd {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl AsFd for PrivateFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_descriptor_is_known_while_it_is_open() {
        let file = std::fs::File::open("/dev/null").unwrap();
        assert!(!is_private(file.as_raw_fd()) && !is_private(-1) && !is_private(RawFd::MAX));
        let copy = PrivateFd::copy_of(file.as_raw_fd()).unwrap();
        let number = copy.as_raw_fd();
        assert!(number >= 3 && is_private(number));
        assert!(private_from(number).any(|private| private == number));
        assert!(private_from(number + 1).all(|private| private > number));
        drop(copy);
        assert!(!is_private(number));
        assert!(PrivateFd::copy_of(99_999).is_none());
    }
}
