//! Serves small requests from 64 concurrent tasks: copy 1 KiB in, three launches, copy 1 KiB out; prints latency
//! percentiles and what each request cost, with and without batching. Every answer is checked.
//!
//!     cargo run --release --example requests
//!     cargo run --release --example requests -- --requests 20000 --mode batched --json

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use dxg_examples::{
    DeviceOptions, Failure, Figures, Latency, Mode, ModeChoice, Outcome, Percentiles, Shape, Table, block_on, both,
    finish, progress_bar, ratio,
};
use dxg_runtime::{Args, Buffer, Device, Kernel, RustKernel, Stream, args};
use indicatif::ProgressBar;
use serde::Serialize;

/// Values of a request: 1 KiB.
const VALUES: usize = 256;

/// Serve small requests from many tasks and print their latencies
#[derive(Parser)]
#[command(name = "requests", version)]
struct Arguments {
    #[command(flatten)]
    device: DeviceOptions,
    /// Which modes to run
    #[arg(long, value_enum, default_value = "all")]
    mode: ModeChoice,
    /// Tasks that send requests at the same time
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=4096))]
    tasks: u32,
    /// Requests in all
    #[arg(long, default_value_t = 4000, value_parser = clap::value_parser!(u32).range(1..))]
    requests: u32,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Report {
    mode: Mode,
    tasks: u32,
    requests: u32,
    requests_per_s: f64,
    #[serde(flatten)]
    latency: Percentiles,
    #[serde(flatten)]
    figures: Figures,
}

fn main() -> ExitCode {
    finish(Arguments::parse().run())
}

impl Arguments {
    fn run(&self) -> Outcome<()> {
        let work = |mode: Mode, latency: &Latency| {
            let bar = progress_bar(&format!("{}, {}", mode.name(), latency.name()), self.requests.into());
            let report = block_on(self.serve(mode, latency, &bar))?;
            bar.finish_and_clear();
            Ok(report)
        };
        self.device.compare(self.mode, work, table)
    }

    async fn serve(&self, mode: Mode, latency: &Latency, bar: &ProgressBar) -> Outcome<Report> {
        let device = self.device.open(mode, latency)?;
        let kernels = Arc::new(Kernels::load(&device)?);
        let servers = (0..self.tasks).map(|_| Server::new(&device, &kernels)).collect::<Outcome<Vec<_>>>()?;
        let reading = Figures::begin(&device);
        let mut tasks = Vec::new();
        for (first, server) in (0..self.tasks).zip(servers) {
            let (requests, step, bar) = (first..self.requests, self.tasks as usize, bar.clone());
            tasks.push(tokio::spawn(async move {
                let mut latencies = Vec::new();
                for request in requests.step_by(step) {
                    latencies.push(server.answer(request).await?);
                    bar.inc(1);
                }
                Ok::<_, Failure>(latencies)
            }));
        }
        let mut latencies: Vec<Duration> = Vec::new();
        for task in tasks {
            latencies.extend(task.await??);
        }
        let figures = reading.end(&device);
        device.shutdown().await;
        Ok(Report {
            mode,
            tasks: self.tasks,
            requests: self.requests,
            requests_per_s: f64::from(self.requests) / figures.wall_ms * 1e3,
            latency: Percentiles::of(&mut latencies),
            figures,
        })
    }
}

/// The three steps of a request.
struct Kernels {
    scale: Kernel,
    shift: Kernel,
    clamp: Kernel,
    shape: Shape,
}

impl Kernels {
    fn load(device: &Device) -> Outcome<Kernels> {
        // y = f(x, parameter), element by element.
        let map = |name: &'static str, function: fn(f32, f32) -> f32| {
            RustKernel::new(name).read::<f32>().write::<f32>().scalar::<f32>().body(move |cx| {
                let (start, parameter) = (cx.chunk_start(1)?, cx.scalar::<f32>(2)?);
                for (y, x) in cx.write::<f32>(1)?.iter_mut().zip(&cx.read::<f32>(0)?[start..]) {
                    *y = function(*x, parameter);
                }
                Ok(())
            })
        };
        let module = device.load(&both(
            vec![
                map("scale", |x, factor| x * factor),
                map("shift", |x, offset| x + offset),
                map("clamp", |x, limit| x.min(limit)),
            ],
            include_str!("kernels.ptx"),
        ))?;
        Ok(Kernels {
            scale: module.kernel("scale")?,
            shift: module.kernel("shift")?,
            clamp: module.kernel("clamp")?,
            shape: Shape::of(device),
        })
    }
}

/// What one task needs to answer requests, one at a time.
struct Server {
    kernels: Arc<Kernels>,
    stream: Stream,
    input: Buffer<f32>,
    middle: Buffer<f32>,
    output: Buffer<f32>,
}

impl Server {
    fn new(device: &Device, kernels: &Arc<Kernels>) -> Outcome<Server> {
        Ok(Server {
            kernels: Arc::clone(kernels),
            stream: device.stream()?,
            input: device.alloc(VALUES)?,
            middle: device.alloc(VALUES)?,
            output: device.alloc(VALUES)?,
        })
    }

    /// Answers a request, checks the answer, and says how long it took.
    async fn answer(&self, request: u32) -> Outcome<Duration> {
        let values: Vec<f32> = (0..VALUES).map(|i| (request as usize * 31 + i) as f32 * 0.25).collect();
        let begin = Instant::now();
        let (stream, k) = (&self.stream, &self.kernels);
        stream.copy_in(&self.input, values.as_slice()).await?;
        let (grid, sized) = (k.shape.grid(1, VALUES), |arguments: Args| k.shape.arguments(arguments, &[VALUES]));
        stream.launch(&k.scale, grid, sized(args![self.input.read(), self.middle.write(), 3.0f32])).await?;
        stream.launch(&k.shift, grid, sized(args![self.middle.read(), self.output.write(), -1.5f32])).await?;
        stream.launch(&k.clamp, grid, sized(args![self.output.read(), self.input.write(), 30_000.0f32])).await?;
        let answer = stream.copy_out(&self.input).await?.await?;
        let took = begin.elapsed();
        for (i, (x, y)) in values.iter().zip(&answer).enumerate() {
            let expected = (x * 3.0 - 1.5).min(30_000.0);
            if expected.to_bits() != y.to_bits() {
                return Err(format!("request {request}: value {i} is {y}, not {expected}").into());
            }
        }
        Ok(took)
    }
}

fn table(latency: &Latency, reports: &[Report]) -> String {
    let mut text = reports.first().map_or_else(String::new, |report| {
        format!("{} requests from {} tasks, {}:\n", report.requests, report.tasks, latency.name())
    });
    let mut table = Table::new(&[
        "mode",
        "requests/s",
        "p50 µs",
        "p90 µs",
        "p99 µs",
        "max µs",
        "submissions",
        "round trips",
        "wall ms",
    ]);
    for r in reports {
        table.row(vec![
            r.mode.name().into(),
            format!("{:.0}", r.requests_per_s),
            format!("{:.0}", r.latency.p50_us),
            format!("{:.0}", r.latency.p90_us),
            format!("{:.0}", r.latency.p99_us),
            format!("{:.0}", r.latency.max_us),
            r.figures.submissions.to_string(),
            r.figures.round_trips.to_string(),
            format!("{:.1}", r.figures.wall_ms),
        ]);
    }
    text += &format!("{table}\n");
    if let [first, .., last] = reports {
        let times = ratio(last.requests_per_s, first.requests_per_s);
        text += &format!("  {} over {}: {times} the requests a second\n", last.mode.name(), first.mode.name());
    }
    text
}

#[test]
fn a_few_requests_are_answered_in_every_mode() {
    let device = DeviceOptions { device: "software".into(), latency: Latency::Zero, json: true };
    let arguments = Arguments { device, mode: ModeChoice::All, tasks: 8, requests: 40 };
    for &mode in arguments.mode.modes() {
        let report = block_on(arguments.serve(mode, &Latency::Zero, &progress_bar("test", 40))).unwrap();
        assert_eq!(report.figures.operations, 40 * 5, "{mode:?}");
    }
}
