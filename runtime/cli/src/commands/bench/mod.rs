//! `dxgrt bench`: what one operation costs in the live runtime.

use crate::commands::{Outcome, Verdict};
use crate::output::OutputOptions;

/// Arguments of `dxgrt bench`.
#[derive(clap::Args, Debug)]
pub struct Arguments {
    #[command(flatten)]
    output: OutputOptions,
}

impl Arguments {
    /// Runs the subcommand.
    pub fn run(&self) -> Outcome<Verdict> {
        self.output.print(&serde_json::json!({ "figures": [] }), || "no figures yet".into())?;
        Ok(Verdict::Holds)
    }
}
