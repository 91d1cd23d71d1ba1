//! What the example programs share: choosing and opening a device, the digits, random numbers, tables and progress bars.
//!
//! Every program does its work once for each [`Mode`], takes the device's figures around it ([`Figures`]), and prints
//! either one JSON document on stdout or tables for people; everything else goes to stderr.
#![deny(missing_docs)]

pub mod classifier;
mod digits;
mod figures;
mod kernels;
mod options;
mod output;
mod percentiles;
mod random;

pub use digits::{CLASSES, Dataset, Digits, PIXELS};
pub use figures::Figures;
pub use kernels::{Shape, both};
pub use options::{DeviceOptions, Latency, Mode, ModeChoice};
pub use output::{Table, progress_bar, ratio, wall_time_ratio};
pub use percentiles::Percentiles;
pub use random::Random;

/// Any error that ends an example: its sentence is printed and the exit code is not 0.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Result of an example's steps.
pub type Outcome<T> = Result<T, Failure>;

/// Runs an example's future on two worker threads.
pub fn block_on<T>(work: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(work)
}

/// Turns the result of an example into its exit code; an error is one sentence on stderr.
pub fn finish(result: Outcome<()>) -> std::process::ExitCode {
    match result {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}
