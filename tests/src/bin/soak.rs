//! Runs everything at once for a given time: `cargo run --release -p dxg-tests --bin soak -- --seconds 60 --seed 1`.
//!
//! The last line is one JSON object. Exit code 0: nothing was lost and nothing wrong; 1: something was; 2: wrong command line.

use std::process::ExitCode;

const USAGE: &str = "usage: soak [--seconds N] [--seed S] [--tasks T]
  --seconds N   how long, 1 or more (60)
  --seed S      the beginning of all random choices (the time)
  --tasks T     tasks at the same time, 1 or more (240)";

struct Options {
    seconds: u64,
    seed: u64,
    tasks: usize,
}

fn options() -> Result<Options, String> {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let mut options = Options { seconds: 60, seed: since.as_nanos() as u64, tasks: 240 };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
        let number: u64 = value.parse().map_err(|_| format!("{word} {value}: a number is needed"))?;
        match word.as_str() {
            "--seconds" if number > 0 => options.seconds = number,
            "--seed" => options.seed = number,
            "--tasks" if number > 0 => options.tasks = number as usize,
            _ => return Err(format!("{word} {value} is not understood")),
        }
    }
    Ok(options)
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(why) => {
            eprintln!("soak: {why}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    eprintln!("soak: {} s, {} tasks, seed {}", options.seconds, options.tasks, options.seed);
    // Kernels that panic on purpose would fill the terminal.
    std::panic::set_hook(Box::new(|panic| {
        let text = panic.to_string();
        if !text.contains("on purpose") {
            eprintln!("{text}");
        }
    }));
    let (document, well) = dxg_tests::soak::soak(options.seconds, options.seed, options.tasks);
    println!("{document}");
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
