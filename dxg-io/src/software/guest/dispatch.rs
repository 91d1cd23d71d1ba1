//! From request number to handler. A number, size and direction that do not match exactly are ENOTTY, as is a caller
//! whose process did not open the descriptor.

use std::sync::Arc;

use super::call::{Call, Outcome};
use super::objects::Process;
use super::{Driver, adapter, allocation, device, lock, paging, queue, resource, share, signal, sync, wait};
use crate::boundary::{RawOutcome, Traffic};
use crate::memory::UserMemory;
use crate::sys;

type Handler = fn(&mut Call<'_>) -> Outcome;

/// The handler of a request: the number alone is not enough, all 32 bits must agree.
fn handler(request: u32) -> Option<Handler> {
    Some(match request {
        sys::LX_DXOPENADAPTERFROMLUID => adapter::open_from_luid,
        sys::LX_DXCREATEDEVICE => device::create,
        sys::LX_DXCREATECONTEXTVIRTUAL => queue::create_context,
        sys::LX_DXDESTROYCONTEXT => queue::destroy_context,
        sys::LX_DXCREATEALLOCATION => allocation::create,
        sys::LX_DXCREATEPAGINGQUEUE => queue::create_paging_queue,
        sys::LX_DXRESERVEGPUVIRTUALADDRESS => paging::reserve_va,
        sys::LX_DXQUERYADAPTERINFO => adapter::query_info,
        sys::LX_DXQUERYVIDEOMEMORYINFO => adapter::query_video_memory,
        sys::LX_DXMAKERESIDENT => paging::make_resident,
        sys::LX_DXMAPGPUVIRTUALADDRESS => paging::map_va,
        sys::LX_DXESCAPE => adapter::escape,
        sys::LX_DXGETDEVICESTATE => device::get_state,
        sys::LX_DXSUBMITCOMMAND => queue::submit_command,
        sys::LX_DXCREATESYNCHRONIZATIONOBJECT => sync::create,
        sys::LX_DXSIGNALSYNCHRONIZATIONOBJECT => signal::signal2,
        sys::LX_DXWAITFORSYNCHRONIZATIONOBJECT => wait::wait2,
        sys::LX_DXDESTROYALLOCATION2 => allocation::destroy,
        sys::LX_DXENUMADAPTERS2 => adapter::enumerate2,
        sys::LX_DXCLOSEADAPTER => adapter::close,
        sys::LX_DXCHANGEVIDEOMEMORYRESERVATION => adapter::change_reservation,
        sys::LX_DXCREATEHWQUEUE => queue::create_hw_queue,
        sys::LX_DXDESTROYDEVICE => device::destroy,
        sys::LX_DXDESTROYHWQUEUE => queue::destroy_hw_queue,
        sys::LX_DXDESTROYPAGINGQUEUE => queue::destroy_paging_queue,
        sys::LX_DXDESTROYSYNCHRONIZATIONOBJECT => sync::destroy,
        sys::LX_DXEVICT => paging::evict,
        sys::LX_DXFLUSHHEAPTRANSITIONS => adapter::flush_heap_transitions,
        sys::LX_DXFREEGPUVIRTUALADDRESS => paging::free_va,
        sys::LX_DXGETCONTEXTINPROCESSSCHEDULINGPRIORITY => queue::get_in_process_priority,
        sys::LX_DXGETCONTEXTSCHEDULINGPRIORITY => queue::get_priority,
        sys::LX_DXLOCK2 => lock::lock,
        sys::LX_DXMARKDEVICEASERROR => device::mark_as_error,
        sys::LX_DXOFFERALLOCATIONS => paging::offer,
        sys::LX_DXQUERYALLOCATIONRESIDENCY => paging::query_residency,
        sys::LX_DXRECLAIMALLOCATIONS2 => paging::reclaim,
        sys::LX_DXSETALLOCATIONPRIORITY => paging::set_priority,
        sys::LX_DXSETCONTEXTINPROCESSSCHEDULINGPRIORITY => queue::set_in_process_priority,
        sys::LX_DXSETCONTEXTSCHEDULINGPRIORITY => queue::set_priority,
        sys::LX_DXSIGNALSYNCHRONIZATIONOBJECTFROMCPU => signal::from_cpu,
        sys::LX_DXSIGNALSYNCHRONIZATIONOBJECTFROMGPU => signal::from_gpu,
        sys::LX_DXSIGNALSYNCHRONIZATIONOBJECTFROMGPU2 => signal::from_gpu2,
        sys::LX_DXSUBMITCOMMANDTOHWQUEUE => queue::submit_to_hw_queue,
        sys::LX_DXSUBMITSIGNALSYNCOBJECTSTOHWQUEUE => signal::to_hw_queue,
        sys::LX_DXSUBMITWAITFORSYNCOBJECTSTOHWQUEUE => wait::to_hw_queue,
        sys::LX_DXUNLOCK2 => lock::unlock,
        sys::LX_DXUPDATEALLOCPROPERTY => paging::update_property,
        sys::LX_DXUPDATEGPUVIRTUALADDRESS => paging::update_va,
        sys::LX_DXWAITFORSYNCHRONIZATIONOBJECTFROMCPU => wait::from_cpu,
        sys::LX_DXWAITFORSYNCHRONIZATIONOBJECTFROMGPU => wait::from_gpu,
        sys::LX_DXGETALLOCATIONPRIORITY => paging::get_priority,
        sys::LX_DXQUERYCLOCKCALIBRATION => adapter::query_clock,
        sys::LX_DXENUMADAPTERS3 => adapter::enumerate3,
        sys::LX_DXSHAREOBJECTS => share::share_objects,
        sys::LX_DXOPENSYNCOBJECTFROMNTHANDLE2 => share::open_sync_object,
        sys::LX_DXQUERYRESOURCEINFOFROMNTHANDLE => resource::query_info,
        sys::LX_DXOPENRESOURCEFROMNTHANDLE => resource::open,
        sys::LX_DXQUERYSTATISTICS => adapter::query_statistics,
        sys::LX_DXSHAREOBJECTWITHHOST => share::share_with_host,
        sys::LX_DXCREATESYNCFILE => share::create_sync_file,
        sys::LX_DXWAITSYNCFILE => share::wait_sync_file,
        sys::LX_DXOPENSYNCOBJECTFROMSYNCFILE => share::open_from_sync_file,
        _ => return None,
    })
}

/// Carries one ioctl out.
pub fn ioctl(driver: &Driver, process: &Arc<Process>, memory: &dyn UserMemory, request: u32, arg: u64) -> RawOutcome {
    let Some(handler) = handler(request) else { return RawOutcome::failed(libc::ENOTTY) };
    let mut call = Call { driver, process, memory, arg, traffic: Traffic::NONE };
    let outcome = match handler(&mut call) {
        Ok(ret) => RawOutcome::returned(ret),
        Err(errno) => RawOutcome::failed(errno.0),
    };
    outcome.with_traffic(call.traffic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ioctl_of_the_driver_has_a_handler_and_nothing_else_has() {
        for info in sys::IOCTLS.iter() {
            assert!(handler(info.request).is_some(), "{}", info.name);
            assert!(handler(info.request ^ (1 << 16)).is_none(), "{} with another size", info.name);
            assert!(handler(info.request ^ (1 << 8)).is_none(), "{} with another letter", info.name);
        }
        assert_eq!(sys::IOCTLS.len(), 62);
    }
}
