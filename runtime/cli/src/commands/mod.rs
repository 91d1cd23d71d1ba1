//! The subcommands, one module each: its arguments, what it does, what it prints.

pub mod bench;

/// Why a subcommand ended early: its sentence is printed, and the exit code is 1.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Result of a subcommand's steps.
pub type Outcome<T> = Result<T, Failure>;

/// What a subcommand found that ran to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// What it checked holds: exit code 0.
    Holds,
    /// A promise does not hold, and it has said which: exit code 1.
    Broken,
}
