//! Feeds hostile bytes to everything that must stand them, without a fuzzer:
//! `cargo run --release -p dxg-tests --bin hostile -- --calls 10000000` makes so many calls at the ioctl boundary, and for each
//! thousand of them some at the packet decoder, the native-object checks, the trace reader and the C API.
//!
//! With `--node yes` the calls go to `/dev/dxg` alone, as the process has it: to be run with libdxg_preload.so.
//!
//! The last line is one JSON object with the calls made. A broken promise is a panic, after which the input lies in the file
//! that it names. `--write-corpus DIR` writes the corpus of `fuzz/` anew.

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use dxg_tests::hostile::{Bytes, TARGETS, Target, corpus, node, write_corpus};

const USAGE: &str = "usage: hostile [--calls N] [--seed S] [--node yes] | --write-corpus DIR
  --calls N            calls at the ioctl boundary, 1 or more (1000000)
  --seed S             the beginning of the random bytes (1)
  --node yes           calls at the /dev/dxg of this process, and nothing else
  --write-corpus DIR   writes the inputs that fuzzing begins with";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("hostile: {why}\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<(), String> {
    let (mut calls, mut seed, mut targets) = (1_000_000u64, 1u64, &TARGETS[..]);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
        let number = || value.parse::<u64>().map_err(|_| format!("{word} {value}: a number is needed"));
        match word.as_str() {
            "--calls" => calls = number()?.max(1),
            "--seed" => seed = number()?,
            "--node" if value == "yes" => targets = &[("boundary", node)],
            "--write-corpus" => {
                let written = write_corpus(Path::new(&value)).map_err(|error| format!("{value}: {error}"))?;
                println!("{written} inputs in {value}");
                return Ok(());
            }
            _ => return Err(format!("{word} is not understood")),
        }
    }
    hammer(targets, calls, seed);
    Ok(())
}

/// Feeds every target until the boundary has seen so many calls.
fn hammer(targets: &[(&str, Target)], calls: u64, seed: u64) {
    let begun = Instant::now();
    let mut random = Bytes::new(seed);
    let mut made = vec![0u64; targets.len()];
    let mut inputs: Vec<Vec<Vec<u8>>> = targets.iter().map(|(name, _)| corpus(name)).collect();
    // First the stored ones as they are.
    for ((made, (_, target)), inputs) in made.iter_mut().zip(targets).zip(&inputs) {
        *made += inputs.iter().map(|input| target(input)).sum::<u64>();
    }
    let (mut rounds, mut told) = (0u64, 0);
    while made[0] < calls {
        rounds += 1;
        for (index, (name, target)) in targets.iter().enumerate() {
            // The C library starts threads for each of its contexts: a tenth of the inputs is enough.
            if *name == "capi" && !rounds.is_multiple_of(10) {
                continue;
            }
            let mut input = match random.below(3) {
                0 => vec![0; random.below(if index == 0 { 16 << 10 } else { 512 }) as usize],
                _ => {
                    let list = &inputs[index];
                    list.get(random.below(list.len() as u64) as usize).cloned().unwrap_or_default()
                }
            };
            if input.iter().all(|byte| *byte == 0) {
                random.fill(&mut input);
            }
            random.mutate(&mut input);
            let saved = Saved::new(name, &input);
            made[index] += target(&input);
            saved.passed();
            // Inputs of long ago change further.
            let place = random.below(64) as usize;
            match inputs[index].get_mut(place) {
                Some(old) => *old = input,
                None => inputs[index].push(input),
            }
        }
        if made[0] * 10 / calls > told {
            told = made[0] * 10 / calls;
            eprintln!("{} % after {:.0} s", told * 10, begun.elapsed().as_secs_f64());
        }
    }
    let counts: serde_json::Map<String, serde_json::Value> =
        targets.iter().zip(made).map(|((name, _), calls)| (format!("{name}_calls"), calls.into())).collect();
    let mut document = serde_json::Value::Object(counts);
    document["seed"] = seed.into();
    document["seconds"] = begun.elapsed().as_secs_f64().round().into();
    println!("{document}");
}

/// Writes the input to a file when its target panics.
struct Saved<'a> {
    name: &'a str,
    input: &'a [u8],
}

impl<'a> Saved<'a> {
    fn new(name: &'a str, input: &'a [u8]) -> Saved<'a> {
        Saved { name, input }
    }

    fn passed(self) {
        std::mem::forget(self);
    }
}

impl Drop for Saved<'_> {
    fn drop(&mut self) {
        let path = std::env::temp_dir().join(format!("dxgrt-hostile-{}-{}", self.name, std::process::id()));
        match std::fs::write(&path, self.input) {
            Ok(()) => eprintln!("the input lies in {}", path.display()),
            Err(error) => eprintln!("the input could not be written to {}: {error}", path.display()),
        }
    }
}
