//! Locking an allocation for the CPU.

use super::call::{Call, EINVAL, Errno, Outcome, put};
use super::objects::CpuView;
use super::queue::{address_of, map_page};
use crate::software::bus::message::Request;
use crate::software::bus::outcome;
use crate::sys;

pub(super) fn lock(call: &mut Call<'_>) -> Outcome {
    type Args = sys::d3dkmt_lock2;
    let args: Args = call.args()?;
    let allocation = call.process.allocation(args.allocation)?;
    let known = match &mut *allocation.view() {
        CpuView::None => None,
        CpuView::Existing(address) => Some(*address),
        CpuView::Locked(mapping, count) => {
            *count += 1;
            Some(address_of(mapping))
        }
    };
    if let Some(address) = known {
        return put!(call, Args, data = &address).map(|()| 0);
    }
    call.process.device(args.device)?;
    call.alive()?;
    let reply = call.gpu("LOCK2", 64, Request::Lock { allocation: args.allocation.v })?;
    let ret = outcome(reply.status)?;
    // Of an opened allocation the driver does not know the number of pages: an empty mapping fails.
    if allocation.opened {
        return Err(Errno(libc::ENOMEM));
    }
    let mut view = allocation.view();
    let address = match &mut *view {
        CpuView::Locked(mapping, count) => {
            *count += 1;
            address_of(mapping)
        }
        CpuView::Existing(address) => *address,
        CpuView::None => {
            let mapping = map_page(&reply)?;
            let address = address_of(&mapping);
            *view = CpuView::Locked(mapping, 1);
            address
        }
    };
    drop(view);
    put!(call, Args, data = &address)?;
    Ok(ret)
}

pub(super) fn unlock(call: &mut Call<'_>) -> Outcome {
    let args: sys::d3dkmt_unlock2 = call.args()?;
    let allocation = call.process.allocation(args.allocation)?;
    {
        let mut view = allocation.view();
        match &mut *view {
            CpuView::None => return Err(EINVAL),
            CpuView::Locked(_, count) if *count > 1 => {
                *count -= 1;
                return Ok(0);
            }
            CpuView::Locked(..) => *view = CpuView::None,
            CpuView::Existing(_) => {}
        }
    }
    call.process.device(args.device)?;
    call.alive()?;
    call.gpu_status("UNLOCK2", 40, Request::Unlock { allocation: args.allocation.v })
}
