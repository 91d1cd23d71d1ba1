//! A boundary that answers from a script: creations succeed with fresh handles and a fence page, everything else with 0,
//! unless an answer was set. It notes every call in order.

// Every test file uses its own part of this.
#![allow(dead_code)]

use std::collections::HashMap;
use std::ffi::c_void;
use std::sync::{Arc, Mutex};

use dxg_io::boundary::{Boundary, RawOutcome, Traffic};
use dxg_io::sys::*;

/// What a call was about: its name without the prefix, and the handle or count that tells it apart.
pub type Call = (&'static str, u64);

/// The script and the notes, shared with the test.
#[derive(Default)]
pub struct Script {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    calls: Vec<Call>,
    answers: HashMap<u32, Vec<RawOutcome>>,
    silent: Vec<u32>,
    next: u32,
    paging_fence: u64,
    execution: u32,
    closed: bool,
    pages: HashMap<u32, Box<u64>>,
    adapters: u32,
}

impl Script {
    pub fn new() -> Arc<Self> {
        let script = Self::default();
        script.with(|s| (s.execution, s.adapters) = (_D3DKMT_DEVICEEXECUTION_ACTIVE, 2));
        Arc::new(script)
    }

    fn with<R>(&self, f: impl FnOnce(&mut State) -> R) -> R {
        f(&mut self.state.lock().expect("no test panics while it holds the script"))
    }

    /// The next call of this request is answered so, before those answers that were set earlier.
    pub fn answer(&self, request: u32, outcome: RawOutcome) {
        self.with(|s| s.answers.entry(request).or_default().push(outcome));
    }

    /// Calls of this request succeed without writing any output.
    pub fn keep_silent(&self, request: u32) {
        self.with(|s| s.silent.push(request));
    }

    pub fn set_paging_fence(&self, value: u64) {
        self.with(|s| s.paging_fence = value);
    }

    pub fn set_execution(&self, state: u32) {
        self.with(|s| s.execution = state);
    }

    /// Writes a fence, as the GPU would.
    pub fn set_fence(&self, handle: d3dkmthandle, value: u64) {
        self.with(|s| {
            let page = s.pages.get_mut(&handle.v).expect("the fence exists");
            // The owning objects read this atomically and concurrently.
            let page: *mut u64 = &mut **page;
            // SAFETY: the box is alive in the map, and 8-aligned.
            unsafe {
                (*page.cast::<std::sync::atomic::AtomicU64>()).store(value, std::sync::atomic::Ordering::Release)
            };
        });
    }

    /// The calls so far; they are forgotten.
    pub fn take(&self) -> Vec<Call> {
        self.with(|s| std::mem::take(&mut s.calls))
    }

    pub fn is_closed(&self) -> bool {
        self.with(|s| s.closed)
    }

    /// The boundary that follows this script.
    pub fn boundary(self: &Arc<Self>) -> Fake {
        Fake { script: self.clone() }
    }
}

/// The boundary.
pub struct Fake {
    script: Arc<Script>,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.script.with(|s| s.closed = true);
    }
}

impl State {
    fn handle(&mut self) -> d3dkmthandle {
        self.next += 1;
        d3dkmthandle { v: 0x4000_0000 + self.next * 64 }
    }

    fn fence(&mut self, initial: u64) -> (d3dkmthandle, u64) {
        let handle = self.handle();
        let page = Box::new(initial);
        let address = &raw const *page as u64;
        self.pages.insert(handle.v, page);
        (handle, address)
    }

    /// Writes the outputs of a successful call; returns what tells it apart.
    ///
    /// # Safety
    /// `arg` points to the argument struct of `request`, lists in it are as long as it says.
    unsafe fn fill(&mut self, request: u32, arg: *mut c_void, silent: bool) -> u64 {
        macro_rules! args {
            ($t:ident) => {
                // SAFETY: the caller promises that `arg` points to the struct of this request.
                unsafe { &mut *arg.cast::<$t>() }
            };
        }
        match request {
            LX_DXENUMADAPTERS2 => {
                let a = args!(d3dkmt_enumadapters2);
                a.num_adapters = self.adapters;
                for i in 0..self.adapters {
                    let adapter_luid = winluid { a: i + 1, b: 0 };
                    let info = d3dkmt_adapterinfo { adapter_handle: self.handle(), adapter_luid, ..Default::default() };
                    // SAFETY: the list has room for 64 entries, the script has fewer adapters.
                    unsafe { (a.adapters as *mut d3dkmt_adapterinfo).add(i as usize).write(info) };
                }
                u64::from(self.adapters)
            }
            LX_DXOPENADAPTERFROMLUID => {
                let a = args!(d3dkmt_openadapterfromluid);
                if !silent {
                    a.adapter_handle = self.handle();
                }
                u64::from(a.adapter_luid.a)
            }
            LX_DXCLOSEADAPTER => args!(d3dkmt_closeadapter).adapter_handle.v.into(),
            LX_DXCREATEDEVICE => {
                if !silent {
                    args!(d3dkmt_createdevice).device = self.handle();
                }
                0
            }
            LX_DXDESTROYDEVICE => args!(d3dkmt_destroydevice).device.v.into(),
            LX_DXCREATECONTEXTVIRTUAL => {
                let a = args!(d3dkmt_createcontextvirtual);
                a.context = self.handle();
                a.flags.value.into()
            }
            LX_DXDESTROYCONTEXT => args!(d3dkmt_destroycontext).context.v.into(),
            LX_DXCREATEHWQUEUE => {
                let a = args!(d3dkmt_createhwqueue);
                a.queue = self.handle();
                if !silent {
                    (a.queue_progress_fence, a.queue_progress_fence_cpu_va) = self.fence(0);
                }
                a.context.v.into()
            }
            LX_DXDESTROYHWQUEUE => args!(d3dkmt_destroyhwqueue).queue.v.into(),
            LX_DXCREATEPAGINGQUEUE => {
                let a = args!(d3dkmt_createpagingqueue);
                a.paging_queue = self.handle();
                (a.sync_object, a.fence_cpu_virtual_address) = self.fence(0);
                0
            }
            LX_DXDESTROYPAGINGQUEUE => args!(d3dddi_destroypagingqueue).paging_queue.v.into(),
            LX_DXCREATESYNCHRONIZATIONOBJECT => {
                let a = args!(d3dkmt_createsynchronizationobject2);
                if a.info.r#type == _D3DDDI_MONITORED_FENCE {
                    let mut fence = a.info.u.monitored_fence();
                    (a.sync_object, fence.fence_cpu_virtual_address) = self.fence(fence.initial_fence_value);
                    a.info.u.set_monitored_fence(fence);
                } else {
                    a.sync_object = self.handle();
                    let event = d3dddi_synchronizationobjectinfo2_cpu_notification { event: 0xdead_beef };
                    a.info.u.set_cpu_notification(event);
                }
                a.info.r#type.into()
            }
            LX_DXDESTROYSYNCHRONIZATIONOBJECT => args!(d3dkmt_destroysynchronizationobject).sync_object.v.into(),
            LX_DXCREATEALLOCATION => {
                let a = args!(d3dkmt_createallocation);
                for i in 0..a.alloc_count as usize {
                    // SAFETY: the list has as many entries as it says.
                    unsafe { (*(a.allocation_info as *mut d3dddi_allocationinfo2).add(i)).allocation = self.handle() };
                }
                a.alloc_count.into()
            }
            LX_DXDESTROYALLOCATION2 => args!(d3dkmt_destroyallocation2).alloc_count.into(),
            LX_DXMAKERESIDENT => {
                let a = args!(d3dddi_makeresident);
                a.paging_fence_value = self.paging_fence;
                a.alloc_count.into()
            }
            LX_DXMAPGPUVIRTUALADDRESS => {
                let a = args!(d3dddi_mapgpuvirtualaddress);
                if !silent {
                    (a.virtual_address, a.paging_fence_value) = (0x10_0000, self.paging_fence);
                }
                a.size_in_pages
            }
            LX_DXRESERVEGPUVIRTUALADDRESS => {
                let a = args!(d3dddi_reservegpuvirtualaddress);
                if !silent {
                    a.virtual_address = 0x20_0000;
                }
                a.size
            }
            LX_DXFREEGPUVIRTUALADDRESS => args!(d3dkmt_freegpuvirtualaddress).base_address,
            LX_DXGETDEVICESTATE => {
                let a = args!(d3dkmt_getdevicestate);
                a.u.set_execution_state(self.execution);
                a.state_type.into()
            }
            LX_DXSUBMITCOMMANDTOHWQUEUE => args!(d3dkmt_submitcommandtohwqueue).hwqueue_progress_fence_id,
            LX_DXWAITFORSYNCHRONIZATIONOBJECTFROMGPU => {
                args!(d3dkmt_waitforsynchronizationobjectfromgpu).object_count.into()
            }
            LX_DXSIGNALSYNCHRONIZATIONOBJECTFROMGPU2 => {
                u64::from(args!(d3dkmt_signalsynchronizationobjectfromgpu2).flags.enqueue_cpu_event())
            }
            LX_DXWAITFORSYNCHRONIZATIONOBJECTFROMCPU => {
                args!(d3dkmt_waitforsynchronizationobjectfromcpu).object_count.into()
            }
            _ => 0,
        }
    }
}

impl Boundary for Fake {
    unsafe fn ioctl(&self, request: u32, arg: *mut c_void) -> RawOutcome {
        let Some(info) = IoctlInfo::of(request) else { return RawOutcome::failed(libc::ENOTTY) };
        self.script.with(|s| {
            let answer = s.answers.get_mut(&request).and_then(Vec::pop);
            let outcome = answer.unwrap_or(RawOutcome::success());
            let silent = s.silent.contains(&request);
            let what = match outcome.ret {
                // SAFETY: the caller's promise is that of the boundary.
                0.. => unsafe { s.fill(request, arg, silent) },
                _ => 0,
            };
            s.calls.push((info.name.trim_start_matches("LX_DX"), what));
            match outcome.traffic {
                Traffic::NONE => outcome.with_traffic(Traffic::round_trip(32)),
                _ => outcome,
            }
        })
    }

    fn name(&self) -> &str {
        "fake"
    }
}
