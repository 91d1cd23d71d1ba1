//! Sharing: NT handles and sync files, which are file descriptors of this process.
//!
//! A descriptor given to the client is recognised by its inode. A monitored fence's is the memory of its page: a process
//! that gets it by fork or over a socket opens the same fence in an adapter of its own. Any other is one end of a socket
//! pair, of which we keep the other: when the client's end is gone ours sees the hang-up. A sync file is such a socket; it
//! becomes readable when its fence is reached. What other processes make of these sockets is in [`super::across`].

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use smallvec::SmallVec;

use super::across;
use super::call::{Call, EFAULT, EINVAL, Errno, Outcome, put};
use super::objects::{Object, Resource, Sync};
use super::queue::{address_of, map_page};
use super::wait::send_cpu_wait;
use crate::software::bus::events::Sink;
use crate::software::bus::message::{FenceList, Reply, Request, Work};
use crate::software::bus::outcome;
use crate::software::descriptor::PrivateFd;
use crate::software::gpu::SHARED_FENCE;
use crate::software::gpu::memory::{GuestMapping, PAGE_BYTES, Pages, sealed_length};
use crate::software::host::Parts;
use crate::sys;

/// A fence that may be opened elsewhere.
#[derive(Clone)]
pub(super) struct SharedFence {
    /// Its number; 0 if it is another process's.
    number: u32,
    /// The memory it can be opened by where nobody knows the number.
    pages: Option<Arc<Pages>>,
}

/// What a descriptor stands for.
#[derive(Clone)]
pub(super) enum Shared {
    /// A fence.
    Fence(SharedFence),
    /// A resource.
    Resource(Arc<SealedResource>),
    /// A sync file: a fence (if it may be opened elsewhere) and the value.
    SyncFile(Option<SharedFence>, u64),
}

/// What a shared resource was at the moment of sharing.
pub(super) struct SealedResource {
    /// Runtime data.
    pub runtime_data: Vec<u8>,
    /// Private data of the whole.
    pub private_data: Vec<u8>,
    /// Private data of each allocation.
    pub allocations: Vec<Vec<u8>>,
    /// What the host opens it by.
    pub parts: Arc<Parts>,
}

struct Share {
    inode: u64,
    end: PrivateFd,
    what: Shared,
}

/// A fence whose memory is a descriptor somewhere.
struct FencePage {
    inode: u64,
    number: u32,
    page: Weak<Pages>,
}

/// All descriptors given out.
#[derive(Default)]
pub(super) struct Shares {
    list: Mutex<Vec<Share>>,
    fences: Mutex<Vec<FencePage>>,
    /// Resources of other processes that are open here, by the inode of their descriptor.
    resources: Mutex<Vec<(u64, Weak<SealedResource>)>>,
}

fn socket_pair() -> Result<(OwnedFd, OwnedFd), Errno> {
    let mut ends = [0; 2];
    let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC;
    // SAFETY: `ends` has room for the two descriptors.
    if unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, ends.as_mut_ptr()) } != 0 {
        return Err(Errno(std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EMFILE)));
    }
    // SAFETY: both descriptors were just made for us.
    Ok(unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) })
}

fn stat_of(number: i32) -> Option<libc::stat> {
    let mut stat = std::mem::MaybeUninit::<libc::stat>::uninit();
    // SAFETY: fstat takes any number and fills the struct if it succeeds.
    unsafe { (libc::fstat(number, stat.as_mut_ptr()) == 0).then(|| stat.assume_init()) }
}

/// Inode of a descriptor.
pub(super) fn number_of_inode(number: i32) -> Option<u64> {
    stat_of(number).map(|stat| stat.st_ino)
}

/// Inode of a descriptor that is a socket, or (`true`) the memory of a shared fence.
fn inode_of(number: i32) -> Option<(u64, bool)> {
    let stat = stat_of(number)?;
    match stat.st_mode & libc::S_IFMT {
        libc::S_IFSOCK => Some((stat.st_ino, false)),
        libc::S_IFREG if stat.st_size == PAGE_BYTES as i64 && is_fence_page(number) => Some((stat.st_ino, true)),
        _ => None,
    }
}

/// Whether a descriptor is memory that an adapter, ours or another process's, made for a shared fence. The name alone
/// anybody can give; nobody can take memory away that is sealed.
pub(super) fn is_fence_page(number: i32) -> bool {
    let link = std::fs::read_link(format!("/proc/self/fd/{number}"));
    let name = SHARED_FENCE.to_bytes();
    let named = link.is_ok_and(|link| {
        let text = link.as_os_str().as_encoded_bytes();
        text.strip_prefix(b"/memfd:").and_then(|rest| rest.strip_prefix(name)).is_some_and(|rest| rest == b" (deleted)")
    });
    // SAFETY: the number is that of an open descriptor, whose name was just read; it is used for the call alone.
    named && sealed_length(unsafe { BorrowedFd::borrow_raw(number) }) == Some(PAGE_BYTES)
}

fn is_abandoned(end: &PrivateFd) -> bool {
    let mut poll = libc::pollfd { fd: end.as_raw_fd(), events: 0, revents: 0 };
    // SAFETY: one live pollfd.
    unsafe { libc::poll(&mut poll, 1, 0) == 1 && poll.revents & libc::POLLHUP != 0 }
}

impl Shares {
    fn list(&self) -> MutexGuard<'_, Vec<Share>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fences(&self) -> MutexGuard<'_, Vec<FencePage>> {
        self.fences.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new descriptor: the client's end, and a copy of ours that raises it.
    fn export(&self, what: Shared) -> Result<(OwnedFd, PrivateFd), Errno> {
        let (theirs, ours) = socket_pair()?;
        let (inode, _) = inode_of(theirs.as_raw_fd()).ok_or(EINVAL)?;
        let ours = PrivateFd::new(ours);
        match &what {
            Shared::Resource(sealed) if !across::send_resource(&ours, sealed) => {
                tracing::debug!("this resource can be opened by this process alone");
            }
            Shared::SyncFile(fence, value) => {
                let page = fence.as_ref().and_then(|fence| fence.pages.as_ref()?.file());
                across::name_sync_file(&ours, page, *value);
            }
            _ => {}
        }
        let raise = PrivateFd::copy_of(ours.as_raw_fd()).ok_or(Errno(libc::EMFILE))?;
        self.prune();
        self.list().push(Share { inode, end: ours, what });
        Ok((theirs, raise))
    }

    /// Forgets descriptors that are closed everywhere. What only they kept (the memory of a resource) goes.
    pub(super) fn prune(&self) {
        let mut list = self.list();
        let (kept, gone): (Vec<Share>, Vec<Share>) =
            std::mem::take(&mut *list).into_iter().partition(|share| !is_abandoned(&share.end));
        *list = kept;
        drop(list);
        drop(gone);
    }

    /// A new descriptor of a shared fence.
    fn export_fence(&self, fence: &SharedFence) -> Result<OwnedFd, Errno> {
        let Some(pages) = &fence.pages else {
            return self.export(Shared::Fence(fence.clone())).map(|(theirs, _)| theirs);
        };
        let file = pages.file().ok_or(EINVAL)?;
        let theirs = file.try_clone_to_owned().map_err(|_| Errno(libc::EMFILE))?;
        self.remember(&theirs, fence.number, pages)?;
        Ok(theirs)
    }

    /// Notes which fence the memory behind a descriptor is.
    fn remember(&self, file: &impl AsRawFd, number: u32, pages: &Arc<Pages>) -> Result<(), Errno> {
        let (inode, _) = inode_of(file.as_raw_fd()).ok_or(EINVAL)?;
        let mut fences = self.fences();
        fences.retain(|fence| fence.page.strong_count() > 0 && fence.inode != inode);
        fences.push(FencePage { inode, number, page: Arc::downgrade(pages) });
        Ok(())
    }

    /// What a descriptor of the client stands for; for the memory of a fence, also a copy of the descriptor.
    pub(super) fn find(&self, number: u64) -> Result<(Shared, Option<PrivateFd>), Errno> {
        let fd = i32::try_from(number).map_err(|_| EINVAL)?;
        match inode_of(fd).ok_or(EINVAL)? {
            (inode, true) => {
                let fence = SharedFence { number: self.number_of_fence(inode), pages: None };
                Ok((Shared::Fence(fence), Some(PrivateFd::copy_of(fd).ok_or(Errno(libc::EMFILE))?)))
            }
            (inode, false) => {
                let ours = self.list().iter().find(|share| share.inode == inode).map(|share| share.what.clone());
                if let Some(ours) = ours {
                    return Ok((ours, None));
                }
                if let Some(resource) = self.foreign_resource(fd, inode) {
                    return Ok((Shared::Resource(resource), None));
                }
                let (page, value) = across::receive_sync_file(fd).ok_or(EINVAL)?;
                let fence = page.as_ref().and_then(|page| number_of_inode(page.as_raw_fd()));
                let fence = fence.map(|inode| SharedFence { number: self.number_of_fence(inode), pages: None });
                Ok((Shared::SyncFile(fence, value), page))
            }
        }
    }

    /// The number by which this process's adapter knows the fence of a page; 0 if it does not.
    fn number_of_fence(&self, inode: u64) -> u32 {
        let fences = self.fences();
        let known = fences.iter().find(|fence| fence.inode == inode && fence.page.strong_count() > 0);
        known.map_or(0, |fence| fence.number)
    }

    /// Another process's resource, mapped once however often it is opened.
    fn foreign_resource(&self, fd: i32, inode: u64) -> Option<Arc<SealedResource>> {
        let mut resources = self.resources.lock().unwrap_or_else(PoisonError::into_inner);
        resources.retain(|(_, resource)| resource.strong_count() > 0);
        let known = resources.iter().find(|(known, _)| *known == inode).and_then(|(_, resource)| resource.upgrade());
        known.or_else(|| {
            let resource = Arc::new(across::receive_resource(fd)?);
            resources.push((inode, Arc::downgrade(&resource)));
            Some(resource)
        })
    }
}

/// Hands a descriptor over; it is closed again if the client cannot be told.
fn hand_over(call: &Call<'_>, address: u64, end: OwnedFd) -> Outcome {
    let number = end.as_raw_fd() as u64;
    call.write(address, &number)?;
    let _ = end.into_raw_fd();
    Ok(0)
}

pub(super) fn share_objects(call: &mut Call<'_>) -> Outcome {
    let args: sys::d3dkmt_shareobjects = call.args()?;
    if args.object_count != 1 {
        return Err(EINVAL);
    }
    let handle: sys::d3dkmthandle = call.read(args.objects)?;
    let object = call.process.objects().get(handle.v).cloned();
    let what = match object {
        Some(Object::Sync(sync)) => Shared::Fence(share_sync(call, handle.v, &sync)?),
        Some(Object::Resource(resource)) => share_resource(call, &resource)?,
        _ => return Err(EINVAL),
    };
    let theirs = match &what {
        Shared::Fence(fence) => call.driver.shares.export_fence(fence)?,
        _ => call.driver.shares.export(what)?.0,
    };
    hand_over(call, args.shared_handle, theirs)
}

fn share_sync(call: &mut Call<'_>, handle: u32, sync: &Sync) -> Result<SharedFence, Errno> {
    let number = sync.shared.ok_or(EINVAL)?;
    if !sync.exported.load(Ordering::Acquire) {
        let reply = call.global("CREATENTSHAREDOBJECT", 32, Request::ShareNt { object: handle })?;
        if reply.handle == 0 {
            return Err(Errno(libc::ENOTRECOVERABLE));
        }
        sync.exported.store(true, Ordering::Release);
    }
    let pages = sync.mapping.as_ref().map(GuestMapping::pages).filter(|pages| pages.file().is_some());
    Ok(SharedFence { number, pages: pages.cloned() })
}

fn share_resource(call: &mut Call<'_>, resource: &Arc<Resource>) -> Result<Shared, Errno> {
    if !resource.shared {
        return Err(EINVAL);
    }
    let known = resource.state().sealed.clone();
    if let Some(sealed) = known {
        return Ok(Shared::Resource(sealed));
    }
    // From here on nothing may be added: who opens it must find what was counted.
    let members = {
        let mut state = resource.state();
        state.closed = true;
        state.allocations.clone()
    };
    let reply = call.global("CREATENTSHAREDOBJECT", 32, Request::ShareNt { object: resource.handle })?;
    if reply.handle == 0 {
        return Err(Errno(libc::ENOTRECOVERABLE));
    }
    let mut allocations = Vec::with_capacity(members.len());
    for member in members {
        allocations.push(call.process.allocation(sys::d3dkmthandle { v: member })?.private_data.clone());
    }
    let runtime_data = resource.runtime_data.clone();
    let private_data = resource.private_data.clone();
    let parts = reply.parts.unwrap_or_default();
    let sealed = Arc::new(SealedResource { runtime_data, private_data, allocations, parts });
    let mut state = resource.state();
    Ok(Shared::Resource(state.sealed.get_or_insert(sealed).clone()))
}

/// Opens a shared fence for this process: entered and mapped, not yet told to the caller.
fn open_fence(
    call: &mut Call<'_>,
    device: &sys::d3dkmthandle,
    fence: &SharedFence,
    file: Option<PrivateFd>,
) -> Result<(Reply, u64), Errno> {
    let file = file.or_else(|| PrivateFd::copy_of(fence.pages.as_ref()?.file()?.as_raw_fd()));
    let again = file.as_ref().and_then(|file| PrivateFd::copy_of(file.as_raw_fd()));
    let handle = device.v;
    let device = call.process.device(*device)?;
    let request = Request::OpenSync { device: handle, shared: fence.number, file };
    let reply = call.global("OPENSYNCOBJECT", 40, request)?;
    outcome(reply.status)?;
    if let (Some(file), Some(pages)) = (&again, &reply.memory) {
        call.driver.shares.remember(file, reply.second, pages)?;
    }
    let number = reply.second;
    let enter = || {
        let mapping: GuestMapping = map_page(&reply)?;
        let address = address_of(&mapping);
        let sync = Sync {
            device: Some(device.clone()),
            monitored: true,
            shared: Some(number),
            event: None,
            exported: true.into(),
            mapping: Some(mapping),
        };
        call.process.objects_mut().assign(reply.handle, Object::Sync(Arc::new(sync)))?;
        Ok(address)
    };
    match enter() {
        Ok(address) => Ok((reply, address)),
        Err(errno) => {
            call.global("DESTROYSYNCOBJECT", 32, Request::DestroySync { object: reply.handle })?;
            Err(errno)
        }
    }
}

fn close_fence(call: &mut Call<'_>, handle: u32) -> Result<(), Errno> {
    call.process.objects_mut().remove(handle);
    call.global("DESTROYSYNCOBJECT", 32, Request::DestroySync { object: handle }).map(drop)
}

pub(super) fn open_sync_object(call: &mut Call<'_>) -> Outcome {
    type Args = sys::d3dkmt_opensyncobjectfromnthandle2;
    let mut args: Args = call.args()?;
    call.process.device(args.device)?;
    call.alive()?;
    let (Shared::Fence(fence), file) = call.driver.shares.find(args.nt_handle)? else { return Err(EINVAL) };
    let (reply, address) = open_fence(call, &args.device, &fence, file)?;
    args.sync_object.v = reply.handle;
    let mut fence = args.u.monitored_fence();
    fence.fence_value_cpu_va = address;
    fence.fence_value_gpu_va = reply.other;
    args.u.set_monitored_fence(fence);
    if let Err(errno) = call.write(call.arg, &args) {
        close_fence(call, reply.handle)?;
        return Err(errno);
    }
    Ok(0)
}

pub(super) fn share_with_host(call: &mut Call<'_>) -> Outcome {
    type Args = sys::d3dkmt_shareobjectwithhost;
    let args: Args = call.args()?;
    let reply = call.global("SHAREOBJECTWITHHOST", 40, Request::ShareWithHost { object: args.object_handle.v })?;
    let ret = outcome(reply.status)?;
    put!(call, Args, object_vail_nt_handle = &reply.value)?;
    Ok(ret)
}

pub(super) fn create_sync_file(call: &mut Call<'_>) -> Outcome {
    type Args = sys::d3dkmt_createsyncfile;
    let args: Args = call.args()?;
    call.process.device(args.device)?;
    call.alive()?;
    let sync = call.process.sync(args.monitored_fence)?;
    let what = match sync.shared {
        Some(_) => Shared::SyncFile(Some(share_sync(call, args.monitored_fence.v, &sync)?), args.fence_value),
        None => Shared::SyncFile(None, args.fence_value),
    };
    let page = match &what {
        Shared::SyncFile(Some(fence), _) => fence.pages.clone(),
        _ => None,
    };
    let (theirs, raise) = call.driver.shares.export(what)?;
    let event = call.driver.link().dispatcher().events.register(
        Sink::SyncFile(raise, page),
        true,
        Some((call.process.key, args.device.v)),
    );
    let objects = |_: &Call<'_>| {
        let fences: FenceList = SmallVec::from_iter([(args.monitored_fence.v, args.fence_value)]);
        Ok(fences)
    };
    send_cpu_wait(call, args.device, objects, false, event)?;
    let address = call.arg + std::mem::offset_of!(Args, sync_file_handle) as u64;
    hand_over(call, address, theirs)
}

pub(super) fn wait_sync_file(call: &mut Call<'_>) -> Outcome {
    let args: sys::d3dkmt_waitsyncfile = call.args()?;
    let (Shared::SyncFile(fence, value), page) = call.driver.shares.find(args.sync_file_handle)? else {
        return Err(EINVAL);
    };
    let context = call.process.context(args.context)?;
    call.alive()?;
    // A fence that was never shared cannot be opened: the call succeeds and nothing waits.
    let Some(fence) = fence else { return Ok(0) };
    let device = sys::d3dkmthandle { v: context.device.handle };
    let (reply, _) = open_fence(call, &device, &fence, page)?;
    let objects: FenceList = SmallVec::from_iter([(reply.handle, value)]);
    let work = Work::Wait { queue: args.context.v, objects };
    let waited = call.work("WAITFORSYNCOBJECTFROMGPU", 40 + 12, work);
    close_fence(call, reply.handle)?;
    waited
}

pub(super) fn open_from_sync_file(call: &mut Call<'_>) -> Outcome {
    type Args = sys::d3dkmt_opensyncobjectfromsyncfile;
    let mut args: Args = call.args()?;
    let (Shared::SyncFile(fence, value), page) = call.driver.shares.find(args.sync_file_handle)? else {
        return Err(EINVAL);
    };
    call.process.device(args.device)?;
    call.alive()?;
    let Some(fence) = fence else { return Ok(0) };
    let (reply, address) = open_fence(call, &args.device, &fence, page)?;
    args.syncobj.v = reply.handle;
    args.fence_value = value;
    args.fence_value_cpu_va = address;
    args.fence_value_gpu_va = reply.other;
    if call.write(call.arg, &args).is_err() {
        close_fence(call, reply.handle)?;
        return Err(EFAULT);
    }
    Ok(0)
}
