//! The kit of PTX kernels (`crate::ptx`) through the runtime: random launches of each, merged and singly, bit for bit.
//!
//! ```text
//! Case ─► random items ─► one buffer ─┬─► kernel.unmerged() ─► bytes ─┐
//!                                     └─► kernel, gathered ──► bytes ─┴─► equal?
//! ```

use dxg_runtime::{Args, Buffer, Command, Device, Grid, Kernel, MergeSupport, Module, ModuleSource, Policy, ptx};

use super::{Outcome, Target, Verdict};
use crate::ptx::{Case, Drawn, Grids, Item, all as cases, draw, refused};

/// Texts whose kernels the stand-in for the driver computes too.
const OF_THE_STAND_IN: [&str; 2] = ["examples/requests/kernels.ptx", "tests/cuda/kernels.ptx"];

/// Rounds of each kernel with equal grids, and with mixed ones.
const ROUNDS: u64 = 3;

/// Every kernel of the kit; what cannot run here, or not merged, is listed with the reason.
pub fn all(target: &Target) -> Outcome<Verdict> {
    let items = if target.small { 12 } else { 64 };
    // Launches gather until all of a round are there.
    let device = target.builder().policy(Policy::Fixed(items as u32)).open()?;
    let seed = crate::seed();
    let (mut lines, mut kernels, mut counts) = (Vec::new(), 0, Counts::default());
    // The cases of a text follow each other.
    let mut loaded: Option<(&str, Module)> = None;
    for case in cases().iter().filter(|case| !target.small || OF_THE_STAND_IN.contains(&case.file)) {
        let name = format!("{} of {}", case.entry, case.file);
        if let Err(reason) = runs_on(case.text, &device.info().architecture) {
            lines.push(format!("SKIPPED {name}: {reason}"));
            continue;
        }
        let mut compare = || -> Outcome<Counts> {
            let module = match loaded.take() {
                Some((file, module)) if file == case.file => module,
                _ => device.load(&source(case.text))?,
            };
            let kernel = module.kernel(case.entry)?;
            loaded = Some((case.file, module));
            if let MergeSupport::Single { reason } = kernel.merge_support() {
                return Err(format!("it is not merged: {reason}").into());
            }
            let mut counts = Counts::default();
            for round in 0..ROUNDS {
                for grids in [Grids::Equal, Grids::Mixed] {
                    counts.add(compare(&device, &kernel, case, draw(case, grids, items, seed.wrapping_add(round))?)?);
                }
            }
            Ok(counts)
        };
        counts.add(compare().map_err(|error| format!("{name}: {error} (DXGRT_TEST_SEED={seed} repeats it)"))?);
        kernels += 1;
    }
    lines.insert(
        0,
        format!(
            "{kernels} kernels, {} launches each way, merged into {}; {} bytes equal; DXGRT_TEST_SEED={seed}",
            counts.launches, counts.dispatches, counts.bytes
        ),
    );
    if !target.small {
        lines.extend(left_alone(&device)?);
    }
    Ok(Verdict::Holds(lines))
}

#[derive(Default)]
struct Counts {
    launches: u64,
    dispatches: u64,
    bytes: usize,
}

impl Counts {
    fn add(&mut self, other: Counts) {
        self.launches += other.launches;
        self.dispatches += other.dispatches;
        self.bytes += other.bytes;
    }
}

fn source(text: &'static str) -> ModuleSource {
    // SAFETY: needed because PTX is foreign code; these are kernels of our own, whose cases stay inside of their buffers.
    unsafe { ModuleSource::new().ptx_unchecked(text) }
}

/// The items of one round, in one call each time, so that they gather.
fn compare(device: &Device, kernel: &Kernel, case: &Case, drawn: Drawn) -> Outcome<Counts> {
    // Where kernels have no buffers there is still one to compare.
    let (stream, arena) = (device.stream()?, device.alloc::<u8>(drawn.bytes.max(256))?);
    let (mut memory, items) = drawn.packed(arena.address())?;
    memory.resize(arena.len(), 0);
    let run = |kernel: &Kernel| -> Outcome<(Vec<u8>, u64, u64)> {
        let launches = items.iter().map(|item| launch(kernel, case, &arena, item)).collect::<Outcome<Vec<_>>>()?;
        stream.try_copy_in(&arena, memory.clone())?.wait()?;
        let before = device.stats();
        stream.try_submit(&launches)?.wait()?;
        let done = device.stats().since(&before);
        Ok((stream.try_copy_out(&arena)?.wait()?, done.launches, done.dispatches))
    };
    let (singly, ..) = run(&kernel.unmerged())?;
    let (merged, launches, dispatches) = run(kernel)?;
    if let Some(at) = singly.iter().zip(&merged).position(|(single, merged)| single != merged) {
        return Err(
            format!("byte {at} of {} is {:#x} singly and {:#x} merged", drawn.bytes, singly[at], merged[at]).into()
        );
    }
    // Kernels without buffers have nothing to show, and nothing by which to tell that they may run side by side.
    if drawn.is_without_buffers() {
        return Ok(Counts { launches, dispatches, bytes: 0 });
    }
    if singly == memory {
        return Err("the launches changed nothing: nothing is shown".into());
    }
    if dispatches * 2 > launches {
        return Err(format!("{launches} launches were merged into {dispatches} only: nothing is shown").into());
    }
    Ok(Counts { launches, dispatches, bytes: merged.len() })
}

fn launch(kernel: &Kernel, case: &Case, arena: &Buffer<u8>, item: &Item) -> Outcome<Command> {
    let mut args = Args::from_raw(&item.args);
    for (offset, range) in &item.buffers {
        args = args.with_access(*offset, arena.slice(range.clone())?.read_write())?;
    }
    let grid = Grid::new(item.grid, case.block).shared_bytes(case.shared);
    Ok(Command::launch(kernel, grid, args.accesses_are_complete()))
}

/// Whether a GPU of this architecture runs the text; else why not.
fn runs_on(text: &str, architecture: &str) -> Result<(), String> {
    let target =
        text.split_once("\n.target").map_or("", |(_, rest)| rest).split([',', '\n']).next().unwrap_or("").trim();
    let parts = |name: &str| -> Option<(u32, String)> {
        let name = name.strip_prefix("sm_")?;
        let letters = name.trim_start_matches(|letter: char| letter.is_ascii_digit());
        Some((name[..name.len() - letters.len()].parse().ok()?, letters.to_owned()))
    };
    let (Some((wanted, letters)), Some((there, _))) = (parts(target), parts(architecture)) else {
        return Err(format!("it is for `{target}`, and this GPU is `{architecture}`"));
    };
    // Code for a named architecture alone runs on that one, code for a family on its own and later ones of it.
    let runs = match letters.as_str() {
        "a" => wanted == there,
        "f" => wanted <= there && wanted / 10 == there / 10,
        _ => wanted <= there,
    };
    if runs { Ok(()) } else { Err(format!("it is for {target}, and this GPU is {architecture}")) }
}

/// The kernels that must not be merged, each with what the device says of it.
fn left_alone(device: &Device) -> Outcome<Vec<String>> {
    let mut lines = Vec::new();
    for (file, text) in refused() {
        if let Err(reason) = runs_on(text, &device.info().architecture) {
            lines.push(format!("SKIPPED {file}: {reason}"));
            continue;
        }
        let module = device.load(&source(text)).map_err(|error| format!("{file}: {error}"))?;
        for entry in ptx::rewrite(text)?.entries.iter().filter(|entry| entry.twin.is_err()) {
            match module.kernel(&entry.name)?.merge_support() {
                MergeSupport::Single { reason } => {
                    lines.push(format!("left alone: {} of {file}: {reason}", entry.name))
                }
                other => return Err(format!("{} of {file} must not be merged, and is: {other}", entry.name).into()),
            }
        }
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::runs_on;

    #[test]
    fn a_text_runs_on_its_target_and_what_is_above() {
        for (target, architecture, runs) in [
            ("sm_75", "sm_90", true),
            ("sm_90", "sm_90", true),
            ("sm_90", "sm_89", false),
            ("sm_100", "sm_90", false),
            ("sm_90a", "sm_90", true),
            ("sm_90a", "sm_100", false),
            ("sm_100f", "sm_103", true),
            ("sm_100f", "sm_120", false),
            ("sm_80, texmode_independent", "sm_86", true),
            ("compute", "sm_90", false),
        ] {
            let text = format!("// as compiled\n.version 8.0\n.target {target}\n.address_size 64\n");
            let answer = runs_on(&text, architecture);
            assert_eq!(answer.is_ok(), runs, "{target} on {architecture}: {answer:?}");
            if let Err(reason) = answer {
                assert!(reason.contains("it is for") && reason.contains(architecture), "{reason}");
            }
        }
    }
}
