//! Multiplies two square matrices, one launch for each panel of 16 rows: independent launches of one kernel, which the
//! runtime merges. The product is checked entry by entry up to a size of 512, by Freivalds' test above.
//!
//!     cargo run --release --example matmul -- 512
//!     cargo run --release --example matmul -- 1024 --mode batched --json

mod check;

use std::process::ExitCode;

use clap::Parser;
use dxg_examples::{
    DeviceOptions, Figures, Latency, Mode, ModeChoice, Outcome, Random, Shape, Table, block_on, both, finish,
    progress_bar, wall_time_ratio,
};
use dxg_runtime::{RustKernel, args};
use indicatif::ProgressBar;
use serde::Serialize;

use check::Check;

/// Rows that one launch computes.
const PANEL: usize = 16;

/// Multiply two square matrices on the device and check the product
#[derive(Parser)]
#[command(name = "matmul", version)]
struct Arguments {
    /// Rows and columns of the matrices
    #[arg(default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=4096))]
    size: u32,
    #[command(flatten)]
    device: DeviceOptions,
    /// Which modes to run
    #[arg(long, value_enum, default_value = "all")]
    mode: ModeChoice,
    /// Seed of the matrices
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Report {
    mode: Mode,
    size: usize,
    check: Check,
    launches: usize,
    gflops: f64,
    #[serde(flatten)]
    figures: Figures,
}

/// The matrices. Entries are small whole numbers, so that every sum is exact in `f32` and the checks need no tolerance.
struct Matrices {
    size: usize,
    a: Vec<f32>,
    b: Vec<f32>,
}

impl Matrices {
    fn new(size: usize, seed: u64) -> Matrices {
        let mut random = Random::new(seed);
        let mut draw = || (0..size * size).map(|_| (random.bits() % 9) as f32 - 4.0).collect();
        Matrices { size, a: draw(), b: draw() }
    }
}

fn main() -> ExitCode {
    finish(Arguments::parse().run())
}

impl Arguments {
    fn run(&self) -> Outcome<()> {
        let matrices = Matrices::new(self.size as usize, self.seed);
        let work = |mode: Mode, latency: &Latency| {
            let panels = matrices.size.div_ceil(PANEL) as u64;
            let bar = progress_bar(&format!("{}, {}", mode.name(), latency.name()), panels);
            let report = block_on(self.multiply(mode, latency, &matrices, &bar))?;
            bar.finish_and_clear();
            Ok(report)
        };
        self.device.compare(self.mode, work, table)
    }

    async fn multiply(&self, mode: Mode, latency: &Latency, m: &Matrices, bar: &ProgressBar) -> Outcome<Report> {
        let device = self.device.open(mode, latency)?;
        let module = device.load(&both(vec![panel_kernel()], include_str!("kernels.ptx")))?;
        let kernel = module.kernel("matmul_panel")?;
        let (stream, shape) = (device.stream()?, Shape::of(&device));
        let n = m.size;
        let (a, b, c) = (device.alloc::<f32>(n * n)?, device.alloc::<f32>(n * n)?, device.alloc::<f32>(n * n)?);

        let reading = Figures::begin(&device);
        stream.copy_in(&a, m.a.clone()).await?;
        stream.copy_in(&b, m.b.clone()).await?;
        let mut launches = 0;
        for first in (0..n).step_by(PANEL) {
            let rows = first * n..(first + PANEL).min(n) * n;
            let values = rows.len();
            let arguments = args![a.slice(rows.clone())?.read(), b.read(), c.slice(rows)?.write(), n as u32];
            stream.launch(&kernel, shape.grid(1, values), shape.arguments(arguments, &[values])).await?;
            launches += 1;
            bar.inc(1);
        }
        let product = stream.copy_out(&c).await?.await?;
        let figures = reading.end(&device);
        device.shutdown().await;

        let check = check::verify(n, &m.a, &m.b, &product)?;
        let gflops = 2.0 * (n as f64).powi(3) / figures.wall_ms / 1e6;
        Ok(Report { mode, size: n, check, launches, gflops, figures })
    }
}

/// Some rows of `c = a · b`: rows of a, all of b, rows of c, columns.
fn panel_kernel() -> RustKernel {
    RustKernel::new("matmul_panel").read::<f32>().read::<f32>().write::<f32>().scalar::<u32>().body(|cx| {
        let columns = cx.scalar::<u32>(3)? as usize;
        let (a, b, c) = (cx.read::<f32>(0)?, cx.read::<f32>(1)?, cx.write::<f32>(2)?);
        for (a_row, c_row) in a.chunks_exact(columns).zip(c.chunks_exact_mut(columns)) {
            c_row.fill(0.0);
            for (factor, b_row) in a_row.iter().zip(b.chunks_exact(columns)) {
                for (sum, value) in c_row.iter_mut().zip(b_row) {
                    *sum += factor * value;
                }
            }
        }
        Ok(())
    })
}

fn table(latency: &Latency, reports: &[Report]) -> String {
    let mut text = reports.first().map_or_else(String::new, |report| {
        format!("matmul {0} × {0}, {1}, {2}:\n", report.size, report.check, latency.name())
    });
    let mut table =
        Table::new(&["mode", "launches", "submissions", "posted", "round trips", "ring bytes", "wall ms", "GFLOP/s"]);
    for r in reports {
        table.row(vec![
            r.mode.name().into(),
            r.launches.to_string(),
            r.figures.submissions.to_string(),
            r.figures.posted_messages.to_string(),
            r.figures.round_trips.to_string(),
            r.figures.ring_bytes.to_string(),
            format!("{:.1}", r.figures.wall_ms),
            format!("{:.2}", r.gflops),
        ]);
    }
    text += &format!("{table}\n");
    if let [first, .., last] = reports {
        text += &wall_time_ratio((first.mode, &first.figures), (last.mode, &last.figures));
    }
    text
}

#[test]
fn sizes_that_fill_no_panel_are_right_in_every_mode() {
    for size in [1, 15, 33] {
        let device = DeviceOptions { device: "software".into(), latency: Latency::Zero, json: true };
        let arguments = Arguments { size, device, mode: ModeChoice::All, seed: 5 };
        let matrices = Matrices::new(size as usize, 5);
        for &mode in arguments.mode.modes() {
            let bar = progress_bar("test", 1);
            let report = block_on(arguments.multiply(mode, &Latency::Zero, &matrices, &bar)).unwrap();
            assert_eq!(report.launches, (size as usize).div_ceil(PANEL), "{mode:?}");
        }
    }
}
