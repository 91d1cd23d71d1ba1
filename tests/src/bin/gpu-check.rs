//! Runs every check of the cuda backend on a real GPU: `gpu-check [cuda:n] [part of a name]`.
//!
//! Without a GPU it says why it skips, and ends with status 0; with `--must` it fails.

use std::process::{Command, ExitCode};
use std::time::Instant;

use dxg_runtime::{Device, args};
use dxg_tests::cuda::{self, Outcome, Target, Verdict};

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let must = arguments.iter().position(|argument| argument == "--must").map(|at| arguments.remove(at)).is_some();
    let selector = match arguments.first() {
        Some(first) if first.starts_with("cuda") => arguments.remove(0),
        _ => "cuda:0".to_owned(),
    };
    let target = Target { selector, library: None, small: false, sharded: false };
    if arguments.first().is_some_and(|argument| argument == "--fault") {
        return fault(&target, arguments.get(1).map_or("", String::as_str));
    }
    let part = arguments.first().cloned().unwrap_or_default();
    match target.open() {
        Ok(device) => println!("on {} ({})", device.info().name, device.info().architecture),
        Err(error) if must => {
            println!("FAILED: {error}");
            return ExitCode::FAILURE;
        }
        Err(error) => {
            println!("SKIPPED, all checks: {error}");
            return ExitCode::SUCCESS;
        }
    }
    let (mut failed, mut skipped) = (0, 0);
    for sharded in [false, true] {
        let target = Target { sharded, ..target.clone() };
        println!("{}", if sharded { "in four shards:" } else { "in one shard:" });
        for check in cuda::checks().iter().filter(|check| check.name.contains(&part)) {
            let begun = Instant::now();
            let outcome = check.run(&target);
            failed += u32::from(outcome.is_err());
            skipped += u32::from(matches!(outcome, Ok(Verdict::Skipped(_))));
            report(check.name, &outcome, begun);
        }
    }
    let name = "a fault loses the device, and a new process is asked for";
    if name.contains(&part) {
        let begun = Instant::now();
        let outcome = faults(&target).map(|()| Verdict::Holds(Vec::new()));
        failed += u32::from(outcome.is_err());
        report(name, &outcome, begun);
    }
    if failed > 0 {
        println!("{failed} FAILED");
        return ExitCode::FAILURE;
    }
    match skipped {
        0 => println!("all well"),
        skipped => println!("all well, but for {skipped} SKIPPED"),
    }
    ExitCode::SUCCESS
}

fn report(name: &str, outcome: &Outcome<Verdict>, begun: Instant) {
    let millis = begun.elapsed().as_millis();
    match outcome {
        Ok(Verdict::Holds(lines)) => {
            println!("ok      {name} ({millis} ms)");
            lines.iter().for_each(|line| println!("        {line}"));
        }
        Ok(Verdict::Skipped(reason)) => println!("SKIPPED {name}: {reason}"),
        Err(error) => println!("FAILED  {name} ({millis} ms): {error}"),
    }
}

/// Each in a process of its own, whose context is gone after it.
fn faults(target: &Target) -> Outcome {
    for kind in ["merged", "single", "copy"] {
        let child =
            Command::new(std::env::current_exe()?).args([target.selector.as_str(), "--fault", kind]).output()?;
        let said = String::from_utf8_lossy(&child.stdout);
        if !child.status.success() {
            return Err(format!("{kind}: {} {said}", child.status).into());
        }
    }
    Ok(())
}

fn fault(target: &Target, kind: &str) -> ExitCode {
    match provoke(target, kind) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Uses an address that is none, and looks at what becomes of everybody.
fn provoke(target: &Target, kind: &str) -> Outcome {
    let device: Device = target.open()?;
    let kernel = cuda::load(&device, "axpy")?;
    let kernel = if kind == "single" { kernel.unmerged() } else { kernel };
    let (stream, other, x) = (device.stream()?, device.stream()?, device.alloc::<f32>(256)?);
    let good = other.try_fill(&x, 1.0f32)?;
    good.wait()?;
    let bad_address = if kind == "copy" { 0x10 } else { 0x6666_0000_0000u64 };
    let mut waits = Vec::new();
    for _ in 0..20 {
        let arguments = args![1.0f32, bad_address, x.read_write(), 256u32];
        waits.push(stream.try_launch(&kernel, (1, 256), arguments)?);
    }
    waits.push(other.try_fill(&x, 2.0f32)?);
    let begun = Instant::now();
    let mut lost = 0;
    for wait in &waits {
        match wait.wait_timeout(std::time::Duration::from_secs(20)) {
            None => return Err("a wait on a lost device hangs".into()),
            Some(Err(error)) if error.is_device_lost() => lost += 1,
            Some(Err(error)) => return Err(format!("not lost, but: {error}").into()),
            Some(Ok(())) => {}
        }
    }
    let after = other.try_fill(&x, 3.0f32).err().ok_or("a lost device takes work")?.to_string();
    println!("{lost} lost after {:?}: {after}", begun.elapsed());
    good.wait()?;
    if lost == 0 || !after.contains("new process") {
        return Err(format!("{lost} lost; {after}").into());
    }
    drop((waits, stream, other, x, kernel, device));
    let again = target.open().err().ok_or("the device opens again in a process whose context is gone")?.to_string();
    println!("opening again: {again}");
    if again.contains("new process") { Ok(()) } else { Err(again.into()) }
}
