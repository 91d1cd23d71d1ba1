//! The subcommands, one module each: its arguments, what it does, what it prints.

pub mod bench;
pub mod demo;
pub mod doctor;
pub mod draw;
pub mod info;
pub mod manual;
pub mod replay;
pub mod run;
pub mod selftest;
pub mod sweep;
pub mod timeline;

/// Why a subcommand ended early: its sentence is printed, and the exit code is 1.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Result of a subcommand's steps.
pub type Outcome<T> = Result<T, Failure>;

/// Something that was asked for cannot be: its sentence is printed, and the exit code is 2.
#[derive(Debug)]
pub struct WrongCommandLine(String);

impl WrongCommandLine {
    /// With this sentence.
    pub fn new(sentence: impl Into<String>) -> Self {
        WrongCommandLine(sentence.into())
    }
}

impl std::fmt::Display for WrongCommandLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for WrongCommandLine {}

/// What a subcommand found that ran to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// What it checked holds: exit code 0.
    Holds,
    /// A promise does not hold, and it has said which: exit code 1.
    Broken,
    /// A program that it ran has ended: its exit code.
    Ended(u8),
}
