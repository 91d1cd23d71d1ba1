//! Gravity between bodies, four small launches a time step that depend on one another; prints how well energy was kept
//! and what the launches cost. Positions and velocities must agree bit for bit in all modes.
//!
//!     cargo run --release --example nbody
//!     cargo run --release --example nbody -- --bodies 128 --steps 1000 --mode batched --json

mod physics;

use std::process::ExitCode;

use clap::Parser;
use dxg_examples::{
    DeviceOptions, Figures, Latency, Mode, ModeChoice, Outcome, Shape, Table, block_on, both, finish, progress_bar,
    wall_time_ratio,
};
use dxg_runtime::{Args, Device, Kernel, RustKernel, args};
use indicatif::ProgressBar;
use serde::Serialize;

/// Length of a time step.
const STEP: f32 = 1.0 / 1024.0;

/// Simulate gravity between bodies on the device
#[derive(Parser)]
#[command(name = "nbody", version)]
struct Arguments {
    #[command(flatten)]
    device: DeviceOptions,
    /// Which modes to run
    #[arg(long, value_enum, default_value = "all")]
    mode: ModeChoice,
    /// Number of bodies
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(2..=4096))]
    bodies: u32,
    /// Time steps
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..))]
    steps: u32,
    /// Seed of the positions
    #[arg(long, default_value_t = 3)]
    seed: u64,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Report {
    mode: Mode,
    bodies: u32,
    steps: u32,
    energy_drift: f64,
    us_per_step: f64,
    #[serde(flatten)]
    figures: Figures,
}

/// Where the bodies ended: equal in all modes, bit for bit.
#[derive(Clone, Debug, PartialEq)]
struct State {
    bodies: Vec<f32>,
    velocities: Vec<f32>,
}

fn main() -> ExitCode {
    finish(Arguments::parse().run())
}

impl Arguments {
    fn run(&self) -> Outcome<()> {
        let mut first: Option<State> = None;
        let work = |mode: Mode, latency: &Latency| {
            let bar = progress_bar(&format!("{}, {}", mode.name(), latency.name()), self.steps.into());
            let (state, report) = block_on(self.simulate(mode, latency, &bar))?;
            bar.finish_and_clear();
            let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            let expected = first.get_or_insert_with(|| state.clone());
            if bits(&expected.bodies) != bits(&state.bodies) || bits(&expected.velocities) != bits(&state.velocities) {
                return Err(format!("{}: the bodies ended elsewhere than in the first run", mode.name()).into());
            }
            Ok(report)
        };
        self.device.compare(self.mode, work, table)?;
        self.device.say("Positions and velocities were equal bit for bit in every run above.");
        Ok(())
    }

    async fn simulate(&self, mode: Mode, latency: &Latency, bar: &ProgressBar) -> Outcome<(State, Report)> {
        let device = self.device.open(mode, latency)?;
        let kernels = Kernels::load(&device)?;
        let stream = device.stream()?;
        let values = self.bodies as usize * physics::WIDTH;
        let (bodies, velocities) = (device.alloc::<f32>(values)?, device.alloc::<f32>(values)?);
        let accelerations = device.alloc::<f32>(values)?;
        let (start, start_velocities) = physics::initial(self.bodies as usize, self.seed);
        // A thread for each body, and for each value.
        let shape = Shape::of(&device);
        let pull = shape.grid(physics::blocks(self.bodies), self.bodies as usize);
        let (add, sized) = (shape.grid(1, values), |arguments: Args| shape.arguments(arguments, &[values]));
        let attract = || sized(args![bodies.read(), accelerations.write()]);

        let reading = Figures::begin(&device);
        stream.copy_in(&bodies, start.clone()).await?;
        stream.copy_in(&velocities, start_velocities.clone()).await?;
        stream.launch(&kernels.attract, pull, attract()).await?;
        for step in 0..self.steps {
            let kick = || sized(args![accelerations.read(), velocities.read_write(), STEP * 0.5]);
            let drift = sized(args![velocities.read(), bodies.read_write(), STEP]);
            stream.launch(&kernels.add_scaled, add, kick()).await?;
            stream.launch(&kernels.add_scaled, add, drift).await?;
            stream.launch(&kernels.attract, pull, attract()).await?;
            stream.launch(&kernels.add_scaled, add, kick()).await?;
            if step % 64 == 0 {
                bar.set_position(step.into());
            }
        }
        let (end, end_velocities) = (stream.copy_out(&bodies).await?, stream.copy_out(&velocities).await?);
        let state = State { bodies: end.await?, velocities: end_velocities.await? };
        let figures = reading.end(&device);
        device.shutdown().await;

        let before = physics::energy(&start, &start_velocities);
        let after = physics::energy(&state.bodies, &state.velocities);
        let energy_drift = ((after - before) / before).abs();
        if energy_drift > physics::ALLOWED_DRIFT {
            return Err(format!("{}: energy went from {before} to {after}", mode.name()).into());
        }
        let us_per_step = figures.wall_ms * 1e3 / f64::from(self.steps);
        Ok((state, Report { mode, bodies: self.bodies, steps: self.steps, energy_drift, us_per_step, figures }))
    }
}

struct Kernels {
    attract: Kernel,
    add_scaled: Kernel,
}

impl Kernels {
    fn load(device: &Device) -> Outcome<Kernels> {
        let rust = vec![
            RustKernel::new("attract").read::<f32>().write::<f32>().body(|cx| {
                let start = cx.chunk_start(1)?;
                physics::attract(cx.write::<f32>(1)?, start, cx.read::<f32>(0)?);
                Ok(())
            }),
            // y += factor · x
            RustKernel::new("add_scaled").read::<f32>().write::<f32>().scalar::<f32>().body(|cx| {
                let (start, factor) = (cx.chunk_start(1)?, cx.scalar::<f32>(2)?);
                for (y, x) in cx.write::<f32>(1)?.iter_mut().zip(&cx.read::<f32>(0)?[start..]) {
                    *y += factor * x;
                }
                Ok(())
            }),
        ];
        let module = device.load(&both(rust, include_str!("kernels.ptx")))?;
        Ok(Kernels { attract: module.kernel("attract")?, add_scaled: module.kernel("add_scaled")? })
    }
}

fn table(latency: &Latency, reports: &[Report]) -> String {
    let mut text = reports.first().map_or_else(String::new, |report| {
        format!("{} bodies, {} steps, {}:\n", report.bodies, report.steps, latency.name())
    });
    let mut table =
        Table::new(&["mode", "energy drift", "operations", "submissions", "round trips", "wall ms", "µs a step"]);
    for r in reports {
        table.row(vec![
            r.mode.name().into(),
            format!("{:.1e}", r.energy_drift),
            r.figures.operations.to_string(),
            r.figures.submissions.to_string(),
            r.figures.round_trips.to_string(),
            format!("{:.1}", r.figures.wall_ms),
            format!("{:.1}", r.us_per_step),
        ]);
    }
    text += &format!("{table}\n");
    if let [first, .., last] = reports {
        text += &wall_time_ratio((first.mode, &first.figures), (last.mode, &last.figures));
    }
    text
}

#[test]
fn the_device_moves_bodies_as_plain_calls_do() {
    let device = DeviceOptions { device: "software".into(), latency: Latency::Zero, json: true };
    let arguments = Arguments { device, mode: ModeChoice::All, bodies: 12, steps: 20, seed: 2 };
    let (bodies, velocities) = physics::simulate(12, 2, 20, STEP);
    for &mode in arguments.mode.modes() {
        let (state, _) = block_on(arguments.simulate(mode, &Latency::Zero, &progress_bar("test", 20))).unwrap();
        assert_eq!(state, State { bodies: bodies.clone(), velocities: velocities.clone() }, "{mode:?}");
    }
}
