//! Writes the folders of six machines down, a healthy WSL and five that people ask for help with, to try `dxgrt doctor --root` on.
//!
//!     cargo run -p dxg-cli --example prepared-machines -- target/machines

#[path = "../tests/machines/mod.rs"]
mod machines;

use std::path::Path;
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1) else {
        eprintln!("prepared-machines: name a folder to write to");
        return ExitCode::from(2);
    };
    for (name, machine) in machines::Machine::prepared() {
        let at = Path::new(&folder).join(name);
        let copied = std::fs::create_dir_all(&at).and_then(|()| {
            // With permissions and links as they are.
            Command::new("cp").arg("-a").arg(machine.root().join(".")).arg(&at).status()
        });
        match copied {
            Ok(status) if status.success() => println!("cargo dxgrt doctor --root {}", at.display()),
            Ok(status) => {
                eprintln!("prepared-machines: {}: cp ends with {status}", at.display());
                return ExitCode::FAILURE;
            }
            Err(error) => {
                eprintln!("prepared-machines: {}: {error}", at.display());
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}
