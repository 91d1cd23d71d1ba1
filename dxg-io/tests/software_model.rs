//! The software adapter against a small model of what it should be: random calls at the ioctl boundary, with handles that
//! are right, of the wrong kind, and of objects long gone. After each call the answer, the value of every fence and the
//! count of every event must be the model's, with posted messages and without.

mod model;
mod raw;

use dxg_io::boundary::RawOutcome;
use dxg_io::software::{Parameters, Usage};
use dxg_io::sys::{self, d3dkmthandle};
use model::{Answer, Id, Kind, Model};
use proptest::prelude::*;
use raw::{Client, Event, Fence, adapter};

const EVENTS: usize = 3;

/// One call. Numbers pick among the objects made so far, or among those of a kind.
#[derive(Clone, Debug)]
enum Call {
    CreateDevice,
    CreateContext(Pick),
    CreateHwQueue(Pick),
    CreatePagingQueue(Pick),
    CreateFence(Pick, u64),
    Allocate(Pick),
    Destroy(Pick),
    MarkAsError(Pick),
    State(Pick),
    SignalCpu(Pick, Pick, u64),
    WaitCpu { device: Pick, fences: Vec<(Pick, u64)>, any: bool, event: usize },
    WaitGpu { queue: Pick, fence: Pick, value: u64, hardware: bool },
    SignalGpu { queue: Pick, fence: Pick, value: u64, hardware: bool },
    EventGpu(Pick, usize),
    Submit(Pick, u64),
}

/// An object: mostly one of the kind that fits and lives, sometimes any.
#[derive(Clone, Copy, Debug)]
struct Pick {
    number: prop::sample::Index,
    any: bool,
}

fn pick() -> impl Strategy<Value = Pick> {
    (any::<prop::sample::Index>(), prop::bool::weighted(0.08)).prop_map(|(number, any)| Pick { number, any })
}

fn call() -> impl Strategy<Value = Call> {
    let value = 0u64..12;
    let fences = prop::collection::vec((pick(), value.clone()), 1..4);
    prop_oneof![
        2 => Just(Call::CreateDevice),
        3 => pick().prop_map(Call::CreateContext),
        3 => pick().prop_map(Call::CreateHwQueue),
        1 => pick().prop_map(Call::CreatePagingQueue),
        4 => (pick(), 0u64..6).prop_map(|(device, value)| Call::CreateFence(device, value)),
        1 => pick().prop_map(Call::Allocate),
        3 => pick().prop_map(Call::Destroy),
        1 => pick().prop_map(Call::MarkAsError),
        1 => pick().prop_map(Call::State),
        6 => (pick(), pick(), value.clone()).prop_map(|(device, fence, value)| Call::SignalCpu(device, fence, value)),
        5 => (pick(), fences, any::<bool>(), 0..EVENTS)
            .prop_map(|(device, fences, any, event)| Call::WaitCpu { device, fences, any, event }),
        6 => (pick(), pick(), value.clone(), any::<bool>())
            .prop_map(|(queue, fence, value, hardware)| Call::WaitGpu { queue, fence, value, hardware }),
        6 => (pick(), pick(), value.clone(), any::<bool>())
            .prop_map(|(queue, fence, value, hardware)| Call::SignalGpu { queue, fence, value, hardware }),
        4 => (pick(), 0..EVENTS).prop_map(|(context, event)| Call::EventGpu(context, event)),
        4 => (pick(), value).prop_map(|(queue, value)| Call::Submit(queue, value)),
    ]
}

/// The adapter and the model side by side.
struct Pair {
    client: Client,
    adapter: d3dkmthandle,
    model: Model,
    handles: Vec<d3dkmthandle>,
    /// Where the client sees the values of fences.
    pages: Vec<Option<Fence>>,
    events: Vec<Event>,
    counts: Vec<u64>,
}

impl Pair {
    fn new(client: Client, posted: bool) -> Pair {
        let adapter = client.enumerate();
        let events = (0..EVENTS).map(|_| Event::new()).collect();
        let (handles, pages, counts) = (Vec::new(), Vec::new(), vec![0; EVENTS]);
        Pair { client, adapter, model: Model::new(posted, EVENTS), handles, pages, events, counts }
    }

    /// Which object is meant: alive and of one of these kinds, if there is one and the pick is not for any.
    fn id(&self, pick: Pick, kinds: &[Kind]) -> Id {
        let fits = |id: &Id| kinds.iter().any(|kind| self.model.is(*id, *kind));
        let fitting: Vec<Id> = (0..self.handles.len()).filter(fits).collect();
        if pick.any || fitting.is_empty() {
            // The last one is no object at all.
            return pick.number.index(self.handles.len() + 1);
        }
        fitting[pick.number.index(fitting.len())]
    }

    fn handle(&self, id: Id) -> d3dkmthandle {
        self.handles.get(id).copied().unwrap_or(d3dkmthandle { v: 0x7fff_ffc0 })
    }

    fn enter(&mut self, kind: Kind, parent: Option<Id>, value: u64, handle: d3dkmthandle, page: Option<Fence>) -> Id {
        let id = self.model.add(kind, parent, value);
        self.handles.push(handle);
        self.pages.push(page);
        id
    }

    /// A queue and its fence.
    fn enter_queue(&mut self, kind: Kind, parent: Id, handle: d3dkmthandle, fence: Fence) {
        let queue = self.enter(kind, Some(parent), 0, handle, None);
        let fence = self.enter(Kind::QueueFence, Some(parent), 0, fence.handle, Some(fence));
        self.model.objects[queue].fence = Some(fence);
        // It goes with its queue, not with what the queue goes with.
        self.model.objects[fence].parent = Some(queue);
    }

    fn make(&mut self, call: &Call) -> (RawOutcome, Answer) {
        let client = &self.client;
        match call {
            Call::CreateDevice => {
                let mut args = sys::d3dkmt_createdevice { adapter: self.adapter, ..Default::default() };
                let outcome = client.call(sys::LX_DXCREATEDEVICE, &mut args);
                self.enter(Kind::Device, None, 0, args.device, None);
                (outcome, Answer::Done)
            }
            Call::CreateContext(device) => {
                let device = self.id(*device, &[Kind::Device]);
                let mut args = sys::d3dkmt_createcontextvirtual { device: self.handle(device), ..Default::default() };
                args.flags.set_hw_queue_supported(true);
                let outcome = client.call(sys::LX_DXCREATECONTEXTVIRTUAL, &mut args);
                self.made(outcome, device, Kind::Device, |pair| {
                    pair.enter(Kind::Context, Some(device), 0, args.context, None);
                })
            }
            Call::CreateHwQueue(context) => {
                let context = self.id(*context, &[Kind::Context]);
                let mut args = sys::d3dkmt_createhwqueue { context: self.handle(context), ..Default::default() };
                let outcome = client.call(sys::LX_DXCREATEHWQUEUE, &mut args);
                let (handle, cpu) = (args.queue_progress_fence, args.queue_progress_fence_cpu_va);
                let fence = Fence { handle, cpu, gpu: args.queue_progress_fence_gpu_va };
                self.made(outcome, context, Kind::Context, |pair| {
                    pair.enter_queue(Kind::HwQueue, context, args.queue, fence);
                })
            }
            Call::CreatePagingQueue(device) => {
                let device = self.id(*device, &[Kind::Device]);
                let mut args = sys::d3dkmt_createpagingqueue { device: self.handle(device), ..Default::default() };
                let outcome = client.call(sys::LX_DXCREATEPAGINGQUEUE, &mut args);
                let fence = Fence { handle: args.sync_object, cpu: args.fence_cpu_virtual_address, gpu: 0 };
                self.made(outcome, device, Kind::Device, |pair| {
                    pair.enter_queue(Kind::PagingQueue, device, args.paging_queue, fence);
                })
            }
            Call::CreateFence(device, value) => {
                let device = self.id(*device, &[Kind::Device]);
                let mut args = Client::fence_args(self.handle(device), *value);
                let outcome = client.call(sys::LX_DXCREATESYNCHRONIZATIONOBJECT, &mut args);
                let info = args.info.u.monitored_fence();
                let handle = args.sync_object;
                let fence = Fence { handle, cpu: info.fence_cpu_virtual_address, gpu: info.fence_gpu_virtual_address };
                self.made(outcome, device, Kind::Device, |pair| {
                    pair.enter(Kind::Fence, Some(device), *value, handle, Some(fence));
                })
            }
            Call::Allocate(device) => {
                let device = self.id(*device, &[Kind::Device]);
                let mut info = sys::d3dddi_allocationinfo2::default();
                let mut args = sys::d3dkmt_createallocation {
                    device: self.handle(device),
                    alloc_count: 1,
                    allocation_info: (&raw mut info) as u64,
                    ..Default::default()
                };
                let outcome = client.call(sys::LX_DXCREATEALLOCATION, &mut args);
                self.made(outcome, device, Kind::Device, |pair| {
                    pair.enter(Kind::Allocation, Some(device), 0, info.allocation, None);
                })
            }
            Call::Destroy(object) => self.destroy(*object),
            Call::MarkAsError(device) => {
                let device = self.id(*device, &[Kind::Device]);
                let mut args = sys::d3dkmt_markdeviceaserror { device: self.handle(device), ..Default::default() };
                (client.call(sys::LX_DXMARKDEVICEASERROR, &mut args), self.model.mark_as_error(device))
            }
            Call::State(device) => {
                let device = self.id(*device, &[Kind::Device]);
                let mut args = sys::d3dkmt_getdevicestate {
                    device: self.handle(device),
                    state_type: sys::_D3DKMT_DEVICESTATE_EXECUTION,
                    ..Default::default()
                };
                let outcome = client.call(sys::LX_DXGETDEVICESTATE, &mut args);
                let known = self.model.is(device, Kind::Device);
                if known {
                    let active = args.u.execution_state() == sys::_D3DKMT_DEVICEEXECUTION_ACTIVE;
                    assert_eq!(active, !self.model.objects[device].lost, "the state of device {device}");
                }
                (outcome, if known { Answer::Done } else { Answer::Invalid })
            }
            Call::SignalCpu(device, fence, value) => {
                let (device, fence) = (self.id(*device, &[Kind::Device]), self.fence(*fence));
                let outcome = client.signal_cpu(self.handle(device), self.handle(fence), *value);
                (outcome, self.model.signal_cpu(device, fence, *value))
            }
            Call::WaitCpu { device, fences, any, event } => {
                let device = self.id(*device, &[Kind::Device]);
                let ids: Vec<(Id, u64)> = fences.iter().map(|(fence, value)| (self.fence(*fence), *value)).collect();
                let objects: Vec<d3dkmthandle> = ids.iter().map(|(id, _)| self.handle(*id)).collect();
                let values: Vec<u64> = ids.iter().map(|(_, value)| *value).collect();
                let mut args = sys::d3dkmt_waitforsynchronizationobjectfromcpu {
                    device: self.handle(device),
                    object_count: objects.len() as u32,
                    objects: objects.as_ptr() as u64,
                    fence_values: values.as_ptr() as u64,
                    async_event: self.events[*event].number(),
                    ..Default::default()
                };
                args.flags.set_wait_any(*any);
                let outcome = client.call(sys::LX_DXWAITFORSYNCHRONIZATIONOBJECTFROMCPU, &mut args);
                (outcome, self.model.wait_cpu(device, &ids, *any, *event))
            }
            Call::WaitGpu { queue, fence, value, hardware } => {
                let kind = if *hardware { Kind::HwQueue } else { Kind::Context };
                let (queue, fence) = (self.id(*queue, &[kind]), self.fence(*fence));
                let outcome = match hardware {
                    false => client.wait_gpu(self.handle(queue), self.handle(fence), *value),
                    true => self.wait_hw_queue(queue, fence, *value),
                };
                (outcome, self.model.wait_gpu(queue, kind, fence, *value))
            }
            Call::SignalGpu { queue, fence, value, hardware } => {
                let kind = if *hardware { Kind::HwQueue } else { Kind::Context };
                let (queue, fence) = (self.id(*queue, &[kind]), self.fence(*fence));
                let outcome = self.signal_queue(queue, fence, *value, *hardware);
                (outcome, self.model.signal_gpu(queue, kind, fence, *value))
            }
            Call::EventGpu(context, event) => {
                let context = self.id(*context, &[Kind::Context]);
                let outcome = client.event_from_gpu(self.handle(context), &self.events[*event]);
                (outcome, self.model.event_gpu(context, *event))
            }
            Call::Submit(queue, value) => {
                let queue = self.id(*queue, &[Kind::HwQueue]);
                let outcome = client.submit_to_hw_queue(self.handle(queue), 0, 0, *value);
                (outcome, self.model.submit(queue, *value))
            }
        }
    }

    fn fence(&self, pick: Pick) -> Id {
        self.id(pick, &[Kind::Fence, Kind::QueueFence])
    }

    /// A creation succeeds where its parent lives.
    fn made(
        &mut self,
        outcome: RawOutcome,
        parent: Id,
        kind: Kind,
        enter: impl FnOnce(&mut Pair),
    ) -> (RawOutcome, Answer) {
        if !self.model.is(parent, kind) {
            return (outcome, Answer::Invalid);
        }
        if outcome.ret >= 0 {
            enter(self);
        }
        (outcome, Answer::Done)
    }

    /// Destroys an object by the call for its kind; a fence of a queue and a stale handle are refused.
    fn destroy(&mut self, pick: Pick) -> (RawOutcome, Answer) {
        let kinds = [Kind::Device, Kind::Context, Kind::HwQueue, Kind::PagingQueue, Kind::Allocation, Kind::Fence];
        let id = self.id(pick, &kinds);
        let (client, handle) = (&self.client, self.handle(id));
        let Some(object) = self.model.objects.get(id) else {
            let mut args = sys::d3dkmt_destroydevice { device: handle };
            return (client.call(sys::LX_DXDESTROYDEVICE, &mut args), Answer::Invalid);
        };
        let outcome = match object.kind {
            Kind::Device => client.call(sys::LX_DXDESTROYDEVICE, &mut sys::d3dkmt_destroydevice { device: handle }),
            Kind::Context => client.call(sys::LX_DXDESTROYCONTEXT, &mut sys::d3dkmt_destroycontext { context: handle }),
            Kind::HwQueue => client.call(sys::LX_DXDESTROYHWQUEUE, &mut sys::d3dkmt_destroyhwqueue { queue: handle }),
            Kind::PagingQueue => {
                let mut args = sys::d3dddi_destroypagingqueue { paging_queue: handle };
                client.call(sys::LX_DXDESTROYPAGINGQUEUE, &mut args)
            }
            Kind::Allocation => {
                let mut args = sys::d3dkmt_destroyallocation2 {
                    device: self.handle(object.device),
                    alloc_count: 1,
                    allocations: (&raw const handle) as u64,
                    ..Default::default()
                };
                client.call(sys::LX_DXDESTROYALLOCATION2, &mut args)
            }
            Kind::Fence | Kind::QueueFence => {
                let mut args = sys::d3dkmt_destroysynchronizationobject { sync_object: handle };
                client.call(sys::LX_DXDESTROYSYNCHRONIZATIONOBJECT, &mut args)
            }
        };
        if !object.alive || object.kind == Kind::QueueFence {
            return (outcome, Answer::Invalid);
        }
        self.model.destroy(id);
        (outcome, Answer::Done)
    }

    fn wait_hw_queue(&self, queue: Id, fence: Id, value: u64) -> RawOutcome {
        let object = self.handle(fence);
        let mut args = sys::d3dkmt_submitwaitforsyncobjectstohwqueue {
            hwqueue: self.handle(queue),
            object_count: 1,
            objects: (&raw const object) as u64,
            fence_values: (&raw const value) as u64,
        };
        self.client.call(sys::LX_DXSUBMITWAITFORSYNCOBJECTSTOHWQUEUE, &mut args)
    }

    fn signal_queue(&self, queue: Id, fence: Id, value: u64, hardware: bool) -> RawOutcome {
        let (queue, object) = (self.handle(queue), self.handle(fence));
        if hardware {
            let mut args = sys::d3dkmt_submitsignalsyncobjectstohwqueue {
                hwqueue_count: 1,
                hwqueues: (&raw const queue) as u64,
                object_count: 1,
                objects: (&raw const object) as u64,
                fence_values: (&raw const value) as u64,
                ..Default::default()
            };
            return self.client.call(sys::LX_DXSUBMITSIGNALSYNCOBJECTSTOHWQUEUE, &mut args);
        }
        let mut args = sys::d3dkmt_signalsynchronizationobjectfromgpu {
            context: queue,
            object_count: 1,
            objects: (&raw const object) as u64,
            ..Default::default()
        };
        args.u.set_monitored_fence_values((&raw const value) as u64);
        self.client.call(sys::LX_DXSIGNALSYNCHRONIZATIONOBJECTFROMGPU, &mut args)
    }

    /// Compares all that a client can see.
    fn compare(&mut self, call: &Call, outcome: RawOutcome, answer: Answer) {
        let found = match (outcome.ret, outcome.errno) {
            (ret, _) if ret >= 0 => Some(Answer::Done),
            (-1, libc::EINVAL) => Some(Answer::Invalid),
            _ => None,
        };
        assert_eq!(found, Some(answer), "{call:?} answered {outcome:?}");
        for (id, page) in self.pages.iter().enumerate() {
            let object = &self.model.objects[id];
            if let Some(page) = page.filter(|_| object.alive) {
                assert_eq!(page.value(), object.value, "fence {id} after {call:?}");
            }
        }
        for (index, event) in self.events.iter().enumerate() {
            self.counts[index] += event.take().unwrap_or(0);
            assert_eq!(self.counts[index], self.model.events[index], "event {index} after {call:?}");
        }
    }
}

fn check(parameters: Parameters, calls: &[Call]) {
    let posted = parameters.async_messages;
    let adapter = adapter(parameters);
    {
        let mut pair = Pair::new(Client::new(&adapter), posted);
        for call in calls {
            let (outcome, answer) = pair.make(call);
            pair.compare(call, outcome, answer);
        }
        let alive = pair.model.objects.iter().filter(|object| object.alive).count();
        assert_eq!(adapter.usage().handles, alive + 1, "the driver's handles, the adapter's among them");
        assert_eq!(adapter.usage().host_objects, alive, "the host's objects");
    }
    let usage = adapter.usage();
    // An event that was asked for behind work that never came stays with the driver, as with the real one.
    assert_eq!(Usage { events: 0, ..usage }, Usage::default(), "after the last descriptor was closed");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn with_posted_messages_it_is_the_model(calls in prop::collection::vec(call(), 1..90)) {
        check(Parameters::zero(), &calls);
    }

    #[test]
    fn with_round_trips_it_is_the_model(calls in prop::collection::vec(call(), 1..90)) {
        let old = Parameters { async_messages: false, vmbus_version: 27, ..Parameters::zero() };
        check(old, &calls);
    }
}
