//! Guest events: what the host raises by id, and who is told.
//!
//! An event ends in a file descriptor of ours: a duplicate of the caller's eventfd, the private eventfd of a blocking
//! wait, or our end of a sync file. Ids are handed out once and never again. Delivery happens from whichever thread
//! drives the host, one event at a time, and may come before the ioctl that made the event returns.
//!
//! | | takes the lock |
//! |---|---|
//! | ioctls: register, withdraw | shortly |
//! | delivery | for the lookup and one non-blocking write |

use std::collections::HashMap;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::{Arc, Mutex, PoisonError};

use crate::software::descriptor::PrivateFd;
use crate::software::gpu::Pages;
use crate::software::guest::across::raise_sync_file;

/// Where an event ends.
#[derive(Debug)]
pub enum Sink {
    /// Adds one to an eventfd.
    EventFd(PrivateFd),
    /// Makes a socket readable for good: the other end is a sync file. With the page of its fence, if others can open that.
    SyncFile(PrivateFd, Option<Arc<Pages>>),
}

/// Who asked for an event: a process's number and a device's handle. It does not fire after the device is gone.
pub type Owner = (u32, u32);

#[derive(Debug)]
struct Entry {
    sink: Sink,
    owner: Option<Owner>,
    /// Goes away when it is raised.
    one_shot: bool,
}

#[derive(Debug, Default)]
struct Table {
    entries: HashMap<u64, Entry>,
    last: u64,
}

/// All guest events of one virtual machine.
#[derive(Debug, Default)]
pub struct Events {
    table: Mutex<Table>,
}

impl Events {
    /// A new event; the answer is its id.
    pub fn register(&self, sink: Sink, one_shot: bool, owner: Option<Owner>) -> u64 {
        let mut table = self.lock();
        table.last += 1;
        let id = table.last;
        table.entries.insert(id, Entry { sink, owner, one_shot });
        id
    }

    /// Takes an event back that was not raised.
    pub fn withdraw(&self, id: u64) {
        let withdrawn = self.lock().entries.remove(&id);
        drop(withdrawn);
    }

    /// Takes all events of a device back: it is going, and what waits for its fences is not told.
    pub fn withdraw_of(&self, owner: Owner) {
        self.lock().entries.retain(|_, entry| entry.owner != Some(owner));
    }

    /// Events that may still be raised.
    pub fn count(&self) -> usize {
        self.lock().entries.len()
    }

    /// The host has raised an event. Unknown ids are those already raised or withdrawn.
    pub fn deliver(&self, id: u64) {
        let mut table = self.lock();
        let Some(entry) = table.entries.get(&id) else { return };
        raise(&entry.sink);
        let spent = if entry.one_shot { table.entries.remove(&id) } else { None };
        drop(table);
        drop(spent);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Table> {
        // Every critical section leaves the table whole, so a panic elsewhere does not make it unusable.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn raise(sink: &Sink) {
    match sink {
        Sink::EventFd(fd) => {
            let one = 1u64.to_ne_bytes();
            // SAFETY: writes 8 bytes of a live array to a descriptor we own. A failure means that the counter is at its
            // maximum, where it stays readable.
            let _ = unsafe { libc::write(fd.as_raw_fd(), one.as_ptr().cast(), one.len()) };
        }
        Sink::SyncFile(fd, page) => raise_sync_file(fd.as_fd(), page.as_ref().and_then(|page| page.file())),
    }
}

/// Our own reference to the caller's eventfd, or `None` if the number is not one: number 0 included, which the driver
/// cannot tell from "none".
pub fn take_eventfd(number: u64) -> Option<PrivateFd> {
    let number = i32::try_from(number).ok().filter(|&number| number > 0)?;
    PrivateFd::copy_of(number).filter(is_eventfd)
}

fn is_eventfd(fd: &PrivateFd) -> bool {
    let mut path = [0u8; 32];
    let mut name = [0u8; 32];
    let Some(path) = format_path(&mut path, fd.as_raw_fd()) else { return false };
    // SAFETY: `path` is NUL-terminated, `name` has the length given.
    let length = unsafe { libc::readlink(path.as_ptr().cast(), name.as_mut_ptr().cast(), name.len()) };
    length > 0 && name.starts_with(b"anon_inode:[eventfd]")
}

/// "/proc/self/fd/N" with its NUL, without allocating: arming an event is part of the hot path.
fn format_path(into: &mut [u8; 32], fd: i32) -> Option<&[u8]> {
    use std::io::Write;
    let mut rest = &mut into[..];
    write!(rest, "/proc/self/fd/{fd}\0").ok()?;
    let left = rest.len();
    Some(&into[..32 - left])
}

/// A private eventfd for a blocking wait, and a copy of it for the event.
pub fn private_eventfd() -> std::io::Result<(PrivateFd, PrivateFd)> {
    use std::os::fd::FromRawFd;
    // SAFETY: eventfd has no preconditions.
    let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) };
    if fd < 0 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: eventfd has just made this descriptor for us.
    let fd = PrivateFd::new(unsafe { std::os::fd::OwnedFd::from_raw_fd(fd) });
    let copy = PrivateFd::copy_of(fd.as_raw_fd()).ok_or_else(std::io::Error::last_os_error)?;
    Ok((fd, copy))
}

/// Sleeps until a private eventfd is raised, or a Unix signal without SA_RESTART comes (an error of kind Interrupted).
pub fn sleep_on(fd: BorrowedFd<'_>) -> std::io::Result<()> {
    let mut count = [0u8; 8];
    // SAFETY: reads 8 bytes into a live array.
    let read = unsafe { libc::read(fd.as_raw_fd(), count.as_mut_ptr().cast(), count.len()) };
    if read < 0 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counter(fd: &PrivateFd) -> Option<u64> {
        let mut poll = libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one live pollfd.
        if unsafe { libc::poll(&mut poll, 1, 0) } != 1 {
            return None;
        }
        let mut count = [0u8; 8];
        // SAFETY: reads 8 bytes into a live array.
        let read = unsafe { libc::read(fd.as_raw_fd(), count.as_mut_ptr().cast(), 8) };
        (read == 8).then(|| u64::from_ne_bytes(count))
    }

    #[test]
    fn one_shot_events_fire_once_and_persistent_ones_each_time() {
        let events = Events::default();
        let (fd, _) = private_eventfd().unwrap();
        let once = events.register(Sink::EventFd(take_eventfd(fd.as_raw_fd() as u64).unwrap()), true, None);
        let always = events.register(Sink::EventFd(take_eventfd(fd.as_raw_fd() as u64).unwrap()), false, None);
        assert_ne!(once, always);
        events.deliver(once);
        events.deliver(once);
        assert_eq!(counter(&fd), Some(1));
        events.deliver(always);
        events.deliver(always);
        assert_eq!(counter(&fd), Some(2));
        events.withdraw(always);
        events.deliver(always);
        assert_eq!(counter(&fd), None);
        events.deliver(12345);
    }

    #[test]
    fn the_callers_descriptor_may_be_closed_after_it_was_taken() {
        let events = Events::default();
        let (fd, copy) = private_eventfd().unwrap();
        let seen = copy;
        let id = events.register(Sink::EventFd(take_eventfd(fd.as_raw_fd() as u64).unwrap()), true, None);
        drop(fd);
        events.deliver(id);
        assert_eq!(counter(&seen), Some(1));
        events.deliver(id);
    }

    #[test]
    fn only_eventfds_are_taken() {
        assert!(take_eventfd(0).is_none());
        assert!(take_eventfd(99_999).is_none());
        assert!(take_eventfd(u64::MAX).is_none());
        let file = std::fs::File::open("/dev/null").unwrap();
        assert!(take_eventfd(file.as_raw_fd() as u64).is_none());
    }

    #[test]
    fn events_of_a_device_go_with_it() {
        let events = Events::default();
        let (fd, copy) = private_eventfd().unwrap();
        let another = PrivateFd::copy_of(fd.as_raw_fd()).unwrap();
        let owned = events.register(Sink::EventFd(copy), true, Some((1, 2)));
        let other = events.register(Sink::EventFd(another), true, Some((1, 3)));
        events.withdraw_of((1, 2));
        events.deliver(owned);
        assert_eq!(counter(&fd), None);
        events.deliver(other);
        assert_eq!(counter(&fd), Some(1));
    }

    #[test]
    fn a_sleeper_wakes() {
        let events = std::sync::Arc::new(Events::default());
        let (fd, copy) = private_eventfd().unwrap();
        let id = events.register(Sink::EventFd(copy), true, None);
        let other = events.clone();
        let waker = std::thread::spawn(move || other.deliver(id));
        sleep_on(fd.as_fd()).unwrap();
        waker.join().unwrap();
    }
}
