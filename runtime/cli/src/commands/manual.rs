//! `dxgrt completions` and `dxgrt man`: what a shell and man(1) need to know, from the same definition as `--help`.

use std::path::{Path, PathBuf};

use clap::CommandFactory;
use clap_complete::Shell;

use crate::commands::{Outcome, Verdict};
use crate::output::print_text;

/// Arguments of `dxgrt completions`.
#[derive(clap::Args, Debug)]
pub struct CompletionArguments {
    /// The shell whose script is printed
    shell: Shell,
}

impl CompletionArguments {
    /// Runs the subcommand.
    pub fn run(&self) -> Outcome<Verdict> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut crate::Arguments::command(), "dxgrt", &mut script);
        print_text(&script)?;
        Ok(Verdict::Holds)
    }
}

/// Arguments of `dxgrt man`.
#[derive(clap::Args, Debug)]
pub struct ManArguments {
    /// Write dxgrt.1 and a page for each subcommand into this folder, in place of printing dxgrt.1
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl ManArguments {
    /// Runs the subcommand.
    pub fn run(&self) -> Outcome<Verdict> {
        let command = crate::Arguments::command().disable_help_subcommand(true);
        match &self.dir {
            None => {
                let mut page = Vec::new();
                clap_mangen::Man::new(command).render(&mut page)?;
                print_text(&page)?;
            }
            Some(folder) => write(command, folder).map_err(|error| format!("{}: {error}", folder.display()))?,
        }
        Ok(Verdict::Holds)
    }
}

fn write(command: clap::Command, folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    clap_mangen::generate_to(command, folder)
}
