//! Random sequences of C API calls: handles that live, handles long gone, handles of another kind, numbers at limits,
//! structures of every size. What C cannot check stays in order: a pointer leads to as many bytes as the call is told.

use std::cell::UnsafeCell;
use std::ffi::c_void;
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicU64, Ordering};

use dxgrt::*;

use super::Source;

/// Bytes that host pointers lead to. Calls are never told more.
const ROOM: usize = 16 << 10;
/// A structure with room behind it: `struct_size` says any number up to this.
const STRUCT: usize = 1024;

/// Host memory that copies read and write, also after the call that started them: it goes after the contexts.
struct Room(Box<UnsafeCell<[u64; ROOM / 8]>>);

impl Room {
    fn at(&self, offset: usize) -> *mut c_void {
        // SAFETY: needed for the pointer arithmetic; inside the array.
        unsafe { self.0.get().cast::<u8>().add(offset.min(ROOM)).cast() }
    }
}

/// A structure of the interface, at the start of more bytes than it needs.
#[repr(C, align(16))]
union Sized<T: Copy> {
    bytes: [u8; STRUCT],
    value: T,
}

impl<T: Copy> Sized<T> {
    /// All zero but for its size: the right one mostly.
    fn new(source: &mut Source<'_>) -> Sized<T> {
        let mut made = Sized { bytes: [0; STRUCT] };
        let size = match source.u8() % 8 {
            0 => source.below(STRUCT) as u32,
            _ => size_of::<T>() as u32,
        };
        // SAFETY: every structure begins with its size, a u32; any bytes are a value of the array.
        unsafe { made.bytes[..4].copy_from_slice(&size.to_ne_bytes()) };
        made
    }

    fn get(&mut self) -> &mut T {
        // SAFETY: the structures are plain C data, for which zero bytes and what is written over them are values.
        unsafe { &mut self.value }
    }

    fn pointer(&mut self) -> *mut T {
        (&raw mut *self).cast()
    }
}

/// Handles made so far, alive or not.
#[derive(Default)]
struct Handles {
    contexts: Vec<*mut dxgrt_ctx>,
    streams: Vec<*mut dxgrt_stream>,
    memory: Vec<*mut dxgrt_mem>,
    events: Vec<*mut dxgrt_event>,
    graphs: Vec<*mut dxgrt_graph>,
    fences: Vec<dxgrt_fence>,
    addresses: Vec<u64>,
}

impl Handles {
    /// Frees what is left, some of it for the second time: a closed context stays as long as a handle of it does.
    fn free(self) {
        // SAFETY: needed because it is a C interface; any handle is allowed, and none is used after this.
        unsafe {
            for graph in self.graphs {
                dxgrt_graph_destroy(graph);
            }
            for event in self.events {
                dxgrt_event_destroy(event);
            }
            for memory in self.memory {
                dxgrt_mem_free(memory, null_mut());
            }
            for stream in self.streams {
                dxgrt_stream_destroy(stream);
            }
        }
    }
}

/// One of the handles; sometimes none, sometimes one of another kind, sometimes any number.
fn pick<T>(source: &mut Source<'_>, handles: &[*mut T], others: &[*mut dxgrt_stream]) -> *mut T {
    match source.u8() {
        0..4 => null_mut(),
        4..8 => others.last().copied().unwrap_or(null_mut()).cast(),
        8..10 => std::ptr::without_provenance_mut(source.u64() as usize),
        // Mostly the latest: earlier ones may be gone.
        10..120 => handles.last().copied().unwrap_or(null_mut()),
        _ => handles.get(source.below(handles.len())).copied().unwrap_or(null_mut()),
    }
}

static CALLBACKS: AtomicU64 = AtomicU64::new(0);

extern "C" fn on_done(_user: *mut c_void, _status: dxgrt_status) {
    CALLBACKS.fetch_add(1, Ordering::Relaxed);
}

/// Runs the bytes as calls; answers with how many those were.
pub fn capi(data: &[u8]) -> u64 {
    let mut source = Source::new(data);
    let room = Room(Box::new(UnsafeCell::new([0; ROOM / 8])));
    let mut handles = Handles::default();
    open(&mut source, &mut handles, true);
    let mut calls = 1;
    while !source.is_empty() {
        let status = call(&mut source, &room, &mut handles);
        assert_ne!(status, dxgrt_status::DXGRT_PANIC, "call {calls} panicked: {}", last_error());
        calls += 1;
    }
    for context in &handles.contexts {
        // SAFETY: needed because it is a C interface; any handle is allowed.
        unsafe { dxgrt_close(*context) };
    }
    handles.free();
    calls
}

fn last_error() -> String {
    let mut text = [0u8; 512];
    // SAFETY: needed because it is a C interface; the buffer has the bytes given.
    unsafe { dxgrt_last_error(text.as_mut_ptr().cast(), text.len()) };
    String::from_utf8_lossy(&text).trim_end_matches('\0').to_owned()
}

fn open(source: &mut Source<'_>, handles: &mut Handles, plain: bool) -> dxgrt_status {
    let mut options = Sized::<dxgrt_open_options>::new(source);
    options.get().latency = DXGRT_LATENCY_ZERO;
    options.get().staging_bytes = 1 << 20;
    options.get().backpressure = DXGRT_BACKPRESSURE_ERROR;
    if plain {
        options.get().struct_size = size_of::<dxgrt_open_options>() as u32;
    } else {
        options.get().policy = u32::from(source.u8() % 4);
        options.get().stream_commands = u32::from(source.u8());
        options.get().device_commands = u32::from(source.u8());
        options.get().batch_commands = u32::from(source.u8());
    }
    let mut context = null_mut();
    // SAFETY: needed because it is a C interface; the selector is a C string, the others are ours.
    let status = unsafe { dxgrt_open(c"software".as_ptr(), options.pointer(), &mut context) };
    if status == dxgrt_status::DXGRT_OK {
        handles.contexts.push(context);
        let mut stream = null_mut();
        // SAFETY: as above.
        if unsafe { dxgrt_stream_default(context, &mut stream) } == dxgrt_status::DXGRT_OK {
            handles.streams.push(stream);
        }
    }
    status
}

/// An address: in some memory mostly.
fn address(source: &mut Source<'_>, handles: &Handles) -> u64 {
    let base = handles.addresses.get(source.below(handles.addresses.len().max(1))).copied().unwrap_or(0);
    match source.u8() % 8 {
        0 => source.number(),
        1 => base.wrapping_sub(u64::from(source.u8())),
        _ => base.wrapping_add(4 * u64::from(source.u8())),
    }
}

fn fence(source: &mut Source<'_>, handles: &Handles) -> dxgrt_fence {
    match source.u8() % 8 {
        0 => dxgrt_fence { timeline: source.number(), value: source.number() },
        _ => handles.fences.get(source.below(handles.fences.len())).copied().unwrap_or_default(),
    }
}

/// A command whose host pointers lead to the room.
fn command(source: &mut Source<'_>, room: &Room, handles: &Handles) -> Sized<dxgrt_cmd> {
    let mut command = Sized::<dxgrt_cmd>::new(source);
    command.get().kind = u32::from(source.u8() % 8);
    let (to, from) = (address(source, handles), address(source, handles));
    let offset = source.below(ROOM);
    let size = (source.below(2048)).min(ROOM - offset) as u64;
    command.get().u = match command.get().kind {
        DXGRT_CMD_LAUNCH => {
            // SAFETY: plain C data, for which zero bytes are a value.
            let mut launch: dxgrt_cmd_launch = unsafe { std::mem::zeroed() };
            launch.params.struct_size = size_of::<dxgrt_launch_params>() as u32;
            launch.params.args = room.at(0);
            launch.params.args_size = source.below(64) as u32;
            launch.kernel = pick(source, &[], &handles.streams);
            dxgrt_cmd_union { launch }
        }
        DXGRT_CMD_COPY_H2D => dxgrt_cmd_union { h2d: dxgrt_cmd_h2d { dst: to, src: room.at(offset), size } },
        DXGRT_CMD_COPY_D2H => dxgrt_cmd_union { d2h: dxgrt_cmd_d2h { dst: room.at(offset), src: from, size } },
        DXGRT_CMD_COPY_D2D => dxgrt_cmd_union { d2d: dxgrt_cmd_d2d { dst: to, src: from, size: source.number() } },
        _ => {
            let size = source.number();
            let pattern_size = u32::from(source.u8() % 10);
            let fill = dxgrt_cmd_fill { dst: to, size, pattern: source.array(), pattern_size, reserved: 0 };
            dxgrt_cmd_union { fill }
        }
    };
    command
}

/// One call.
fn call(source: &mut Source<'_>, room: &Room, handles: &mut Handles) -> dxgrt_status {
    let context = pick(source, &handles.contexts, &handles.streams);
    let stream = pick(source, &handles.streams, &[]);
    let mut done = dxgrt_fence::default();
    let offset = source.below(ROOM);
    let size = source.below(4096).min(ROOM - offset) as u64;
    let short = 1_000 * u64::from(source.u8());
    // SAFETY: needed because it is a C interface. Handles may be anything. Every pointer leads to as many bytes as the call is
    // told: outputs and structures are locals with room behind them, host memory is the room, which outlives the contexts.
    let status = unsafe {
        match source.u8() % 40 {
            0 if handles.contexts.len() < 3 => open(source, handles, false),
            1 => dxgrt_close(context),
            2 => dxgrt_flush(context),
            3 => dxgrt_sync(context, short),
            4 => dxgrt_stats_get(context, Sized::new(source).pointer()),
            5 => dxgrt_info(context, Sized::new(source).pointer()),
            6 | 7 => {
                let mut made = null_mut();
                let status = dxgrt_stream_create(context, Sized::new(source).pointer(), &mut made);
                if status == dxgrt_status::DXGRT_OK {
                    handles.streams.push(made);
                }
                status
            }
            8 => dxgrt_stream_destroy(stream),
            9 => dxgrt_stream_reset(stream),
            10 => dxgrt_stream_flush(stream, &mut done),
            11 => dxgrt_stream_fence(stream, &mut done),
            12 => dxgrt_stream_wait(stream, fence(source, handles)),
            13 => dxgrt_stream_sync(stream, short),
            14..17 => {
                let mut made = null_mut();
                let (bytes, alignment) = (source.number() % (1 << 22), source.number() % 8192);
                let status = dxgrt_mem_alloc(context, bytes, alignment, u32::from(source.u8() % 4), &mut made);
                if status == dxgrt_status::DXGRT_OK {
                    handles.memory.push(made);
                    handles.addresses.push(dxgrt_mem_addr(made));
                    let _size = dxgrt_mem_size(made);
                }
                status
            }
            17 => dxgrt_mem_free(pick(source, &handles.memory, &handles.streams), stream),
            18 => dxgrt_mem_use(pick(source, &handles.memory, &handles.streams), stream),
            19 => {
                let (mut found, mut at) = (null_mut(), 0);
                dxgrt_mem_find(context, address(source, handles), &mut found, &mut at)
            }
            20 => dxgrt_mem_usage(context, Sized::new(source).pointer()),
            21..24 => {
                let to = address(source, handles);
                let mode = u32::from(source.u8() % 3);
                dxgrt_copy_h2d(stream, to, room.at(offset), size, mode, null_mut(), &mut done)
            }
            24 | 25 => dxgrt_copy_d2h(stream, room.at(offset), address(source, handles), size, &mut done),
            26 => {
                let (to, from) = (address(source, handles), address(source, handles));
                dxgrt_copy_d2d(stream, to, from, source.number(), &mut done)
            }
            27 | 28 => {
                let (to, bytes) = (address(source, handles), source.number());
                dxgrt_fill(stream, to, bytes, room.at(0), u32::from(source.u8() % 10), &mut done)
            }
            29 => dxgrt_launch(stream, pick(source, &[], &handles.streams), Sized::new(source).pointer(), &mut done),
            30 | 31 => {
                let mut one = command(source, room, handles);
                dxgrt_submit(stream, one.pointer(), u32::from(source.u8() % 2), &mut done)
            }
            32 => {
                let mut made = null_mut();
                let status = dxgrt_event_create(context, u32::from(source.u8() % 3), &mut made);
                if status == dxgrt_status::DXGRT_OK {
                    handles.events.push(made);
                }
                status
            }
            33 => dxgrt_event_record(pick(source, &handles.events, &handles.streams), stream),
            34 => match source.u8() % 3 {
                0 => dxgrt_event_fence(pick(source, &handles.events, &handles.streams), &mut done),
                1 => dxgrt_event_destroy(pick(source, &handles.events, &handles.streams)),
                _ => {
                    let (from, to) =
                        (pick(source, &handles.events, &[]), pick(source, &handles.events, &handles.streams));
                    dxgrt_event_elapsed_ns(from, to, &mut 0)
                }
            },
            35 => dxgrt_fence_poll(context, fence(source, handles)),
            36 => {
                let fences = [fence(source, handles), fence(source, handles)];
                match source.u8() % 2 {
                    0 => dxgrt_fence_wait_all(context, fences.as_ptr(), 2, short),
                    _ => dxgrt_fence_wait_any(context, fences.as_ptr(), u32::from(source.u8() % 3), short, &mut 0),
                }
            }
            37 => dxgrt_fence_on_done(context, fence(source, handles), Some(on_done), null_mut()),
            38 => {
                let mut made = null_mut();
                let mut node = command(source, room, handles);
                let nodes = u32::from(source.u8() % 2);
                let status = dxgrt_graph_create(context, node.pointer(), nodes, null(), null(), &mut made);
                if status == dxgrt_status::DXGRT_OK {
                    handles.graphs.push(made);
                }
                status
            }
            39 => {
                let graph = pick(source, &handles.graphs, &handles.streams);
                match source.u8() % 4 {
                    0 => dxgrt_graph_destroy(graph),
                    _ => {
                        let mut patch = Sized::<dxgrt_patch>::new(source);
                        patch.get().field = u32::from(source.u8() % 8);
                        patch.get().node = u32::from(source.u8() % 3);
                        patch.get().data = room.at(offset);
                        patch.get().size = size;
                        dxgrt_graph_launch(graph, stream, patch.pointer(), u32::from(source.u8() % 2), &mut done)
                    }
                }
            }
            _ => {
                let mut image = source.array::<64>();
                // Bytes that could pass for an object would be loaded, and run: that is for trusted code.
                image[0] = 0;
                let mut module = null_mut();
                let format = u32::from(source.u8() % 4);
                dxgrt_module_load(context, image.as_ptr().cast(), source.below(65), format, &mut module)
            }
        }
    };
    if done != dxgrt_fence::default() {
        handles.fences.push(done);
    }
    status
}
