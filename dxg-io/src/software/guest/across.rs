//! What of a share another process can read, where the descriptor is all that it gets.
//!
//! - The descriptor of a **resource** is a socket in whose queue a message waits: files of memory, the first with what the
//!   driver kept of the resource (written once, then sealed), the others with the memory of its allocations. Whoever has the
//!   descriptor looks at the message and leaves it there (`MSG_PEEK` copies the descriptors in it).
//! - A **sync file** must not be readable before its time, so nothing can wait in it. Its other end has a name, which tells
//!   who made it and which descriptor of that process is the page of its fence: it is found as long as that process lives.
//!   When the fence is reached, the page itself comes as the message that makes the sync file readable.
//!
//! All of it comes from a descriptor that the client gives, so nothing is believed: files must be sealed against shrinking,
//! lengths and places must lie inside of them.

use std::fs::OpenOptions;
use std::mem::{MaybeUninit, offset_of, size_of};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::share::{SealedResource, is_fence_page, number_of_inode};
use crate::software::descriptor::PrivateFd;
use crate::software::gpu::PageArena;
use crate::software::gpu::memory::sealed_length;
use crate::software::host::{Parts, Storage};

/// What the message of a resource begins and ends with.
const RESOURCE: &[u8; 8] = b"dxg-res1";
/// What the message of a sync file is.
const SIGNALLED: &[u8; 1] = b"s";
/// Stands in a name for the page of a fence that cannot be opened elsewhere.
const NO_PAGE: RawFd = -1;
/// How the name of a sync file's other end begins.
const SYNC_FILE: &str = "dxg-sync-file";
/// Descriptors that one message takes (the kernel's limit is 253).
const MOST_FILES: usize = 250;
/// Longer records are another's invention.
const LONGEST_RECORD: u64 = 256 << 20;

/// Room for the descriptors of a message, aligned as the kernel wants it.
type Control = [u64; 160];

/// Sends bytes with descriptors; whether they went.
fn send(socket: RawFd, bytes: &[u8], files: &[RawFd]) -> bool {
    let length = size_of_val(files) as u32;
    let mut data = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    let mut control: Control = [0; 160];
    // SAFETY: arithmetic on a length.
    let space = unsafe { libc::CMSG_SPACE(length) } as usize;
    if space > size_of::<Control>() {
        return false;
    }
    // SAFETY: needed to pass descriptors. The struct is plain data; the control buffer is aligned and holds `space` bytes, so
    // that the first header and the descriptors behind it lie inside; the kernel only reads.
    unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        (message.msg_iov, message.msg_iovlen) = (&raw mut data, 1);
        if !files.is_empty() {
            message.msg_control = control.as_mut_ptr().cast();
            message.msg_controllen = space as _;
            let header = libc::CMSG_FIRSTHDR(&message);
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
            (*header).cmsg_len = libc::CMSG_LEN(length) as _;
            std::ptr::copy_nonoverlapping(files.as_ptr().cast::<u8>(), libc::CMSG_DATA(header), length as usize);
        }
        libc::sendmsg(socket, &message, libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT) == bytes.len() as isize
    }
}

/// Looks at the message that waits in a socket: whether it is `expected`, and the descriptors with it.
fn peek(socket: RawFd, expected: &[u8]) -> Option<Vec<PrivateFd>> {
    let mut bytes = [0u8; 8];
    let mut control: Control = [0; 160];
    let mut look = |control_length: usize| {
        let mut data = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: expected.len().min(8) };
        // SAFETY: plain data.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        (message.msg_iov, message.msg_iovlen) = (&raw mut data, 1);
        (message.msg_control, message.msg_controllen) = (control.as_mut_ptr().cast(), control_length as _);
        let flags = libc::MSG_PEEK | libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC;
        // SAFETY: both buffers are live and as long as said; a socket of any kind may be named.
        let read = unsafe { libc::recvmsg(socket, &mut message, flags) };
        (read == expected.len() as isize && bytes[..expected.len()] == *expected).then_some(message)
    };
    // First without room for descriptors: those of a stranger's message are none of our business.
    look(0)?;
    let message = look(size_of::<Control>())?;
    let mut files = Vec::new();
    // SAFETY: the kernel has filled the control buffer, and says how far; headers and their data lie inside of that. The
    // descriptors were made for us by this call.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(&message);
        while let Some(found) = header.as_ref() {
            if (found.cmsg_level, found.cmsg_type) == (libc::SOL_SOCKET, libc::SCM_RIGHTS) {
                let count = (found.cmsg_len - libc::CMSG_LEN(0) as usize) / size_of::<RawFd>();
                let first = libc::CMSG_DATA(header).cast::<RawFd>();
                for index in 0..count {
                    files.push(PrivateFd::new(OwnedFd::from_raw_fd(first.add(index).read_unaligned())));
                }
            }
            header = libc::CMSG_NXTHDR(&message, header);
        }
    }
    Some(files)
}

/// Numbers and bytes, one after the other.
#[derive(Default)]
struct Record(Vec<u8>);

impl Record {
    fn number(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }
}

/// Reads what a [`Record`] holds.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn number(&mut self) -> Option<u64> {
        let (number, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*number))
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }
}

/// Puts a resource into the socket that stands for it. `false`, and nothing is put there, if it is none that another process
/// could use: memory that the client brought itself stays the client's.
pub(super) fn send_resource(from: &PrivateFd, sealed: &SealedResource) -> bool {
    let mut files: Vec<BorrowedFd<'_>> = Vec::new();
    let mut record = Record::default();
    record.bytes(&sealed.runtime_data);
    record.bytes(&sealed.private_data);
    record.number(sealed.parts.len() as u64);
    for ((size, storage), private_data) in sealed.parts.iter().zip(&sealed.allocations) {
        let Storage::Pages(pages) = storage else { return false };
        let Some(file) = pages.file() else { return false };
        let known = files.iter().position(|known| known.as_raw_fd() == file.as_raw_fd());
        let index = known.unwrap_or_else(|| {
            files.push(file);
            files.len() - 1
        });
        [*size, index as u64, pages.offset(), pages.len() as u64].into_iter().for_each(|number| record.number(number));
        record.bytes(private_data);
    }
    let Some(record) = sealed_file(&record.0).filter(|_| files.len() < MOST_FILES) else { return false };
    let numbers: Vec<RawFd> = std::iter::once(record.as_raw_fd()).chain(files.iter().map(AsRawFd::as_raw_fd)).collect();
    send(from.as_raw_fd(), RESOURCE, &numbers)
}

/// A file that holds these bytes and can never be changed.
fn sealed_file(bytes: &[u8]) -> Option<OwnedFd> {
    // SAFETY: a C string and flags; the descriptor is new and ours.
    let file = unsafe {
        let fd = libc::memfd_create(c"dxg-shared-record".as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING);
        (fd >= 0).then(|| std::fs::File::from(OwnedFd::from_raw_fd(fd)))
    }?;
    file.write_all_at(bytes, 0).ok()?;
    let seals = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_WRITE | libc::F_SEAL_SEAL;
    // SAFETY: a system call on our own descriptor.
    (unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) } == 0).then(|| file.into())
}

/// The resource that another process has put into a socket.
pub(super) fn receive_resource(socket: RawFd) -> Option<SealedResource> {
    let files = peek(socket, RESOURCE)?;
    let (record, files) = files.split_first()?;
    let length = sealed_length(record.as_fd()).filter(|&length| length <= LONGEST_RECORD)?;
    let mut bytes = vec![0; length as usize];
    std::fs::File::from(record.as_fd().try_clone_to_owned().ok()?).read_exact_at(&mut bytes, 0).ok()?;
    let mut reader = Reader(&bytes);
    let (runtime_data, private_data) = (reader.bytes()?.to_vec(), reader.bytes()?.to_vec());
    let count = reader.number()?;
    let arenas = files.iter().map(|file| PageArena::import(PrivateFd::copy_of(file.as_raw_fd())?).ok());
    let arenas: Vec<PageArena> = arenas.collect::<Option<_>>()?;
    let mut parts: Parts = Vec::new();
    let mut allocations = Vec::new();
    for _ in 0..count {
        let [size, index, offset, length] = [reader.number()?, reader.number()?, reader.number()?, reader.number()?];
        let pages = arenas.get(usize::try_from(index).ok()?)?.part(offset, length)?;
        if size > length {
            return None;
        }
        parts.push((size, Storage::Pages(pages)));
        allocations.push(reader.bytes()?.to_vec());
    }
    Some(SealedResource { runtime_data, private_data, allocations, parts: Arc::new(parts) })
}

/// Gives our end of a sync file its name. Without a page it is about a fence that cannot be opened elsewhere.
pub(super) fn name_sync_file(ours: &PrivateFd, page: Option<BorrowedFd<'_>>, value: u64) {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let page = page.map_or(NO_PAGE, |page| page.as_raw_fd());
    let inode = number_of_inode(page).unwrap_or(0);
    let process = std::process::id();
    // A process of another container may have the same number, and names are the machine's.
    for _ in 0..16 {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{SYNC_FILE} {process} {page} {inode} {value} {count}");
        // SAFETY: plain data.
        let mut address: libc::sockaddr_un = unsafe { std::mem::zeroed() };
        address.sun_family = libc::AF_UNIX as libc::sa_family_t;
        // Behind a zero: it has no place among files.
        let Some(room) = address.sun_path.get_mut(1..=name.len()) else { return };
        room.iter_mut().zip(name.bytes()).for_each(|(to, from)| *to = from as libc::c_char);
        let length = offset_of!(libc::sockaddr_un, sun_path) + 1 + name.len();
        // SAFETY: an address of this length, on our own socket.
        if unsafe { libc::bind(ours.as_raw_fd(), (&raw const address).cast(), length as libc::socklen_t) } == 0 {
            return;
        }
    }
}

/// The sync file of another process that a socket is: the page of its fence, if that can be opened here, and the value.
pub(super) fn receive_sync_file(socket: RawFd) -> Option<(Option<PrivateFd>, u64)> {
    let mut address = MaybeUninit::<libc::sockaddr_un>::zeroed();
    let mut length = size_of::<libc::sockaddr_un>() as libc::socklen_t;
    // SAFETY: fills at most as many bytes as the struct has; zeroes are valid where it does not. Any descriptor may be named.
    let address = unsafe {
        let named = libc::getpeername(socket, address.as_mut_ptr().cast(), &mut length) == 0;
        named.then(|| address.assume_init())
    }?;
    let length = (length as usize).checked_sub(offset_of!(libc::sockaddr_un, sun_path))?;
    let name: Vec<u8> = address.sun_path.get(1..length)?.iter().map(|&byte| byte as u8).collect();
    let name = std::str::from_utf8(&name).ok()?.strip_prefix(SYNC_FILE)?;
    let words: Vec<&str> = name.split_whitespace().collect();
    let [process, page, inode, value, _] = words[..] else { return None };
    let (process, page): (u32, RawFd) = (process.parse().ok()?, page.parse().ok()?);
    let (inode, value): (u64, u64) = (inode.parse().ok()?, value.parse().ok()?);
    if page == NO_PAGE {
        return Some((None, value));
    }
    let is_it = |file: &PrivateFd| {
        let number = file.as_raw_fd();
        number_of_inode(number) == Some(inode) && is_fence_page(number)
    };
    if let Some(file) = peek(socket, SIGNALLED).and_then(|files| files.into_iter().find(is_it)) {
        return Some((Some(file), value));
    }
    let file = OpenOptions::new().read(true).write(true).open(format!("/proc/{process}/fd/{page}")).ok()?;
    let file = Some(PrivateFd::new(file.into())).filter(is_it)?;
    Some((Some(file), value))
}

/// Makes a sync file readable for good, and tells whoever has it the page of its fence.
pub fn raise_sync_file(ours: BorrowedFd<'_>, page: Option<BorrowedFd<'_>>) {
    let page = page.map(|page| page.as_raw_fd());
    // A failure means that the sync file is closed: nobody waits. With too many descriptors under way it goes without.
    let _ = send(ours.as_raw_fd(), SIGNALLED, page.as_slice()) || send(ours.as_raw_fd(), SIGNALLED, &[]);
}
