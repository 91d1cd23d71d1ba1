//! Prints how the simulator's goals stand, for whoever works on the policy; exit code 1 if one does not hold.
//!
//! ```text
//! cargo run --release -p dxg-tests --bin replay-goals [-- [--copies 1|64] [--trace PART] [--async on|off] [--think F] [--held] [--markdown]]
//! ```
//!
//! `--held` measures by the limits that the tests insist on instead of the goals. `--markdown` prints the table of the README.

use std::process::ExitCode;

use dxg_tests::goals::{Failure, HELD, RowLimits, Setting, Synthetic, measure, traces};

fn main() -> ExitCode {
    match run(std::env::args().skip(1)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(mut arguments: impl Iterator<Item = String>) -> Result<bool, Failure> {
    let mut traces = traces()?;
    let mut settings: Vec<Setting> = [1, 64].into_iter().flat_map(Setting::all).collect();
    let mut rules = true;
    let (mut markdown, mut by_held) = (false, false);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--markdown" => {
                markdown = true;
                continue;
            }
            "--held" => {
                by_held = true;
                continue;
            }
            _ => {}
        }
        let value = arguments.next().ok_or_else(|| format!("{argument} needs a value"))?;
        rules = false;
        match argument.as_str() {
            "--copies" => {
                let copies = value.parse()?;
                settings.iter_mut().for_each(|setting| setting.copies = copies);
                settings.truncate(settings.len() / 2);
            }
            "--trace" => traces.retain(|(name, _)| name.contains(&value)),
            "--async" => settings.retain(|setting| setting.posted == (value == "on")),
            "--think" => {
                let think: f64 = value.parse()?;
                settings.retain(|setting| setting.think == think);
            }
            _ => return Err(format!("unknown option {argument}").into()),
        }
    }
    let mut complaints = Vec::new();
    for row in measure(&traces, &settings)? {
        if markdown {
            print!("{}", row.markdown());
            continue;
        }
        print!("{}", row.table());
        let held = HELD.into_iter().find(|held| by_held && held.setting == row.setting);
        complaints.extend(row.complaints(held.map_or(RowLimits::goal(row.setting.copies), |held| held.limits)));
    }
    if markdown {
        return Ok(true);
    }
    if rules {
        for posted in [true, false] {
            let mode = if posted { "on" } else { "off" };
            println!("async {mode}: {:?}", Synthetic::measure(posted, 1_000_000)?);
        }
    }
    println!("\n{} limits do not hold", complaints.len());
    complaints.iter().for_each(|complaint| println!("  {complaint}"));
    Ok(complaints.is_empty())
}
