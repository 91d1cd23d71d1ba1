//! `dxgrt bench --ffi`: what the C library adds to a call of the runtime.
//!
//! Loads libdxgrt.so as a program would that was not linked with it, and makes the same calls through it and through the
//! runtime: on devices of their own, in the same rounds, with the same native kernel. Only the enqueuing calls are inside of the
//! time; what they have enqueued is waited for outside. The kernel counts, and every launch is counted.

use std::ffi::c_char;
use std::path::{Path, PathBuf};
use std::process::Command as Process;
use std::ptr::null_mut;
use std::time::{Duration, Instant};

use dxg_runtime::{Args, Buffer, Command, Device, Kernel, ModuleSource, Parameters, Stream};
use dxgrt::*;
use libloading::{Library, Symbol};
use serde::Serialize;

use super::statistics::median;
use crate::commands::Outcome;
use crate::output::{Progress, Table};

/// Launches of a round, for each way.
const LAUNCHES: usize = 256;
/// Rounds before those that count.
const WARM_UP: usize = 50;
/// Rounds for each that the other measurements take.
const ROUNDS: usize = 50;
/// What dxgrt_launch may add to a call, and a command of dxgrt_submit to a command, in ns.
const LIMITS: [f64; 2] = [100.0, 40.0];

const KERNEL: &str =
    "struct dxgrt_wg; void count(unsigned long **args, const struct dxgrt_wg *wg) { (void)wg; ++**args; }";

/// The document.
#[derive(Debug, Serialize)]
pub struct Ffi {
    /// How this was measured.
    pub about: String,
    /// The library that was loaded.
    pub library: PathBuf,
    /// Rounds whose medians are told.
    pub rounds: usize,
    /// The calls.
    pub calls: Vec<Call>,
}

/// One way to launch.
#[derive(Debug, Serialize)]
pub struct Call {
    /// Its name in C.
    pub name: &'static str,
    /// Launches of one call.
    pub commands: usize,
    /// Time of the C call, in ns for a launch.
    pub c_ns: f64,
    /// Time of the Rust call, in ns for a launch.
    pub rust_ns: f64,
    /// What C adds, in ns for a launch: the median of the differences of the rounds.
    pub extra_ns: f64,
    /// What it may add.
    pub limit_ns: f64,
    /// Whether it does not add more.
    pub holds: bool,
}

impl Ffi {
    /// Whether all limits are kept.
    pub fn holds(&self) -> bool {
        self.calls.iter().all(|call| call.holds)
    }

    /// The table.
    pub fn text(&self) -> String {
        let mut table = Table::new(["call", "launches", "C ns", "Rust ns", "C adds", "at most", "holds"]);
        for call in &self.calls {
            let ns = |ns: f64| format!("{ns:.0}");
            let (commands, holds) = (call.commands.to_string(), if call.holds { "yes" } else { "no" });
            let figures = [ns(call.c_ns), ns(call.rust_ns), ns(call.extra_ns), ns(call.limit_ns)];
            let [c, rust, extra, limit] = figures;
            table.row([call.name.to_owned(), commands, c, rust, extra, limit, holds.to_owned()]);
        }
        format!("{}\n{}\n\n{table}", self.about, self.library.display())
    }
}

/// Measures, on the cores that this process has.
pub fn measure(library: Option<&Path>, rounds: usize) -> Outcome<Ffi> {
    let path = match library {
        Some(path) => path.to_owned(),
        None => find_library()?,
    };
    // SAFETY: needed because loading runs foreign code: that of our own library.
    let library = unsafe { Library::new(&path) }.map_err(|error| {
        format!("{} cannot be loaded: {error}; build it: cargo build --release -p dxg-ffi", path.display())
    })?;
    let object = compile()?;
    let mut rust = Rust::open(&object)?;
    let mut c = C::open(&library, &object)?;
    let rounds = rounds * ROUNDS;
    let mut times = [(); 4].map(|()| Vec::with_capacity(rounds));
    let progress = Progress::new("calls of C and Rust", rounds as u64);
    for round in 0..WARM_UP + rounds {
        let mut measured = [Duration::ZERO; 4];
        // Who goes first changes, so that neither always finds the machine as the other leaves it.
        for turn in 0..4 {
            let which = (turn + round) % 4;
            measured[which] = match which {
                0 => c.launch()?,
                1 => rust.launch()?,
                2 => c.submit()?,
                _ => rust.submit()?,
            };
        }
        if round >= WARM_UP {
            for (times, time) in times.iter_mut().zip(measured) {
                times.push(time.as_secs_f64() * 1e9 / LAUNCHES as f64);
            }
            progress.advance(1);
        }
    }
    let expected = ((WARM_UP + rounds) * LAUNCHES * 2) as u64;
    let counted = [c.count()?, rust.count()?];
    if counted != [expected; 2] {
        return Err(format!("C and Rust launched {expected} times, and the kernels counted {counted:?}").into());
    }
    let call = |name, commands, at: usize| {
        let (c, rust) = (&times[at], &times[at + 1]);
        let differences: Vec<f64> = c.iter().zip(rust).map(|(c, rust)| c - rust).collect();
        let (extra_ns, limit_ns) = (median(&differences), LIMITS[at / 2]);
        let (c_ns, rust_ns, holds) = (median(c), median(rust), extra_ns <= limit_ns);
        Call { name, commands, c_ns, rust_ns, extra_ns, limit_ns, holds }
    };
    Ok(Ffi {
        about: "Measured on one core: the time inside of the enqueuing calls, their work waited for outside. Medians over rounds \
                in which both ways took their turn. Every launch was counted by its kernel."
            .into(),
        library: path,
        rounds,
        calls: vec![call("dxgrt_launch", 1, 0), call("dxgrt_submit", LAUNCHES, 2)],
    })
}

/// Beside this program, where cargo puts both; else wherever the loader finds it.
fn find_library() -> Outcome<PathBuf> {
    let beside = std::env::current_exe()?.with_file_name("libdxgrt.so");
    Ok(if beside.exists() { beside } else { "libdxgrt.so.0".into() })
}

/// The kernel as a native object.
fn compile() -> Outcome<Vec<u8>> {
    let folder = std::env::temp_dir().join(format!("dxgrt-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let (source, object) = (folder.join("count.c"), folder.join("count.so"));
    let built = (|| {
        std::fs::write(&source, KERNEL)?;
        let status = Process::new("cc").args(["-O2", "-shared", "-fPIC", "-o"]).arg(&object).arg(&source).status()?;
        if status.success() { std::fs::read(&object) } else { Err(std::io::Error::other(format!("cc: {status}"))) }
    })();
    std::fs::remove_dir_all(&folder)?;
    built.map_err(|error| format!("the kernel cannot be compiled, for which `cc` is needed: {error}").into())
}

/// The runtime's own calls.
struct Rust {
    stream: Stream,
    kernel: Kernel,
    counter: Buffer<u64>,
    commands: Vec<Command>,
}

impl Rust {
    fn open(object: &[u8]) -> Outcome<Self> {
        let device = Device::builder().selector("software").parameters(Parameters::zero()).open()?;
        // SAFETY: needed because the object is foreign code; it counts where its only argument says, which is the buffer below.
        let source = unsafe { ModuleSource::new().native_unchecked(object.to_vec()) };
        let (kernel, stream) = (device.load(&source)?.kernel("count")?, device.stream()?);
        let counter = device.alloc::<u64>(1)?;
        stream.try_fill(&counter, 0u64)?.wait()?;
        let args = Args::from_raw(&counter.address().to_ne_bytes());
        let commands = (0..LAUNCHES).map(|_| Command::launch(&kernel, 1, args.clone())).collect();
        Ok(Rust { stream, kernel, counter, commands })
    }

    fn launch(&mut self) -> Outcome<Duration> {
        let address = self.counter.address().to_ne_bytes();
        let begun = Instant::now();
        for _ in 0..LAUNCHES {
            self.stream.try_launch(&self.kernel, 1, Args::from_raw(&address))?;
        }
        let passed = begun.elapsed();
        self.stream.last().wait()?;
        Ok(passed)
    }

    fn submit(&mut self) -> Outcome<Duration> {
        let begun = Instant::now();
        self.stream.try_submit(&self.commands)?;
        let passed = begun.elapsed();
        self.stream.last().wait()?;
        Ok(passed)
    }

    fn count(&mut self) -> Outcome<u64> {
        Ok(self.stream.try_copy_out(&self.counter)?.wait()?[0])
    }
}

/// The same through the C library.
struct C<'a> {
    library: &'a Library,
    context: *mut dxgrt_ctx,
    stream: *mut dxgrt_stream,
    kernel: *mut dxgrt_kernel,
    address: Box<u64>,
    params: dxgrt_launch_params,
    commands: Vec<dxgrt_cmd>,
}

impl<'a> C<'a> {
    fn open(library: &'a Library, object: &[u8]) -> Outcome<Self> {
        // SAFETY: needed because plain data is made of zeros, which is a value of all of these.
        let (mut options, mut params): (dxgrt_open_options, dxgrt_launch_params) = unsafe { std::mem::zeroed() };
        options.struct_size = size_of_val(&options) as u32;
        options.latency = DXGRT_LATENCY_ZERO;
        let (mut context, mut stream, mut module) = (null_mut(), null_mut(), null_mut());
        let (mut kernel, mut memory): (*mut dxgrt_kernel, *mut dxgrt_mem) = (null_mut(), null_mut());
        // SAFETY: needed because the calls are foreign; the types are those of the library's own sources, every pointer points
        // to what its call asks for, and the object is trusted as in `Rust::open`.
        let address = unsafe {
            let open: Symbol<
                '_,
                unsafe extern "C" fn(*const c_char, *const dxgrt_open_options, *mut *mut dxgrt_ctx) -> i32,
            > = library.get(c"dxgrt_open")?;
            check(library, open(c"software".as_ptr(), &options, &mut context))?;
            let default: Symbol<'_, unsafe extern "C" fn(*mut dxgrt_ctx, *mut *mut dxgrt_stream) -> i32> =
                library.get(c"dxgrt_stream_default")?;
            check(library, default(context, &mut stream))?;
            type Load = unsafe extern "C" fn(*mut dxgrt_ctx, *const u8, usize, u32, *mut *mut dxgrt_module) -> i32;
            let load: Symbol<'_, Load> = library.get(c"dxgrt_module_load")?;
            check(library, load(context, object.as_ptr(), object.len(), DXGRT_IMAGE_ELF, &mut module))?;
            type Get = unsafe extern "C" fn(*mut dxgrt_module, *const c_char, *mut *mut dxgrt_kernel) -> i32;
            let get: Symbol<'_, Get> = library.get(c"dxgrt_kernel_get")?;
            check(library, get(module, c"count".as_ptr(), &mut kernel))?;
            type Alloc = unsafe extern "C" fn(*mut dxgrt_ctx, u64, u64, u32, *mut *mut dxgrt_mem) -> i32;
            let alloc: Symbol<'_, Alloc> = library.get(c"dxgrt_mem_alloc")?;
            check(library, alloc(context, 8, 0, DXGRT_MEM_ZERO, &mut memory))?;
            let addr: Symbol<'_, unsafe extern "C" fn(*const dxgrt_mem) -> u64> = library.get(c"dxgrt_mem_addr")?;
            Box::new(addr(memory))
        };
        params.struct_size = size_of_val(&params) as u32;
        params.grid = [1; 3];
        params.block = [1; 3];
        params.args = (&raw const *address).cast();
        params.args_size = 8;
        let u = dxgrt_cmd_union { launch: dxgrt_cmd_launch { kernel, params } };
        let command = dxgrt_cmd { struct_size: size_of::<dxgrt_cmd>() as u32, kind: DXGRT_CMD_LAUNCH, u };
        Ok(C { library, context, stream, kernel, address, params, commands: vec![command; LAUNCHES] })
    }

    fn launch(&mut self) -> Outcome<Duration> {
        type Launch = unsafe extern "C" fn(
            *mut dxgrt_stream,
            *mut dxgrt_kernel,
            *const dxgrt_launch_params,
            *mut dxgrt_fence,
        ) -> i32;
        // SAFETY: needed because the call is foreign; its type is that of the library's own sources.
        let launch: Symbol<'_, Launch> = unsafe { self.library.get(c"dxgrt_launch")? };
        let (mut failed, mut done) = (0, dxgrt_fence::default());
        let begun = Instant::now();
        for _ in 0..LAUNCHES {
            // SAFETY: as above; the parameters and what they point to live in `self`.
            failed |= unsafe { launch(self.stream, self.kernel, &self.params, &mut done) };
        }
        let passed = begun.elapsed();
        check(self.library, failed)?;
        self.sync()?;
        Ok(passed)
    }

    fn submit(&mut self) -> Outcome<Duration> {
        type Submit = unsafe extern "C" fn(*mut dxgrt_stream, *const dxgrt_cmd, u32, *mut dxgrt_fence) -> i32;
        // SAFETY: as above.
        let submit: Symbol<'_, Submit> = unsafe { self.library.get(c"dxgrt_submit")? };
        let mut done = dxgrt_fence::default();
        let begun = Instant::now();
        // SAFETY: as above; there are as many commands.
        let status = unsafe { submit(self.stream, self.commands.as_ptr(), self.commands.len() as u32, &mut done) };
        let passed = begun.elapsed();
        check(self.library, status)?;
        self.sync()?;
        Ok(passed)
    }

    fn sync(&self) -> Outcome<()> {
        // SAFETY: as above.
        let status = unsafe {
            let sync: Symbol<'_, unsafe extern "C" fn(*mut dxgrt_stream, u64) -> i32> =
                self.library.get(c"dxgrt_stream_sync")?;
            sync(self.stream, DXGRT_FOREVER)
        };
        check(self.library, status)
    }

    fn count(&mut self) -> Outcome<u64> {
        let mut counted = 0u64;
        type Copy = unsafe extern "C" fn(*mut dxgrt_stream, *mut u64, u64, u64, *mut dxgrt_fence) -> i32;
        // SAFETY: as above; `counted` lives until the wait is over.
        let status = unsafe {
            let copy: Symbol<'_, Copy> = self.library.get(c"dxgrt_copy_d2h")?;
            copy(self.stream, &mut counted, *self.address, 8, null_mut())
        };
        check(self.library, status)?;
        self.sync()?;
        Ok(counted)
    }
}

impl Drop for C<'_> {
    fn drop(&mut self) {
        // SAFETY: as above. What the context holds ends with this process.
        if let Ok(close) = unsafe { self.library.get::<unsafe extern "C" fn(*mut dxgrt_ctx) -> i32>(c"dxgrt_close") } {
            // SAFETY: as above.
            let _status = unsafe { close(self.context) };
        }
    }
}

/// The library's sentence for a call that failed.
fn check(library: &Library, status: i32) -> Outcome<()> {
    if status >= 0 {
        return Ok(());
    }
    let mut text = [0u8; 512];
    // SAFETY: needed because the call is foreign; it writes no more than it is told.
    let len = unsafe {
        let last: Symbol<'_, unsafe extern "C" fn(*mut u8, usize) -> usize> = library.get(c"dxgrt_last_error")?;
        last(text.as_mut_ptr(), text.len())
    };
    Err(format!("libdxgrt: {}", String::from_utf8_lossy(&text[..len.min(text.len() - 1)])).into())
}
