//! What the doctor says: one finding for each thing it looked at.

use anstyle::{AnsiColor, Style};
use serde::Serialize;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// As it should be.
    Ok,
    /// Good to know; nothing needs to be done.
    Note,
    /// It works, and could be faster or may fail some day.
    Warning,
    /// A GPU is not usable because of this.
    Problem,
}

impl Level {
    /// How it is shown: as wide as all others.
    pub fn label(self) -> (&'static str, Style) {
        match self {
            Level::Ok => ("ok     ", AnsiColor::Green.on_default()),
            Level::Note => ("note   ", AnsiColor::Cyan.on_default()),
            Level::Warning => ("warning", AnsiColor::Yellow.on_default()),
            Level::Problem => ("problem", AnsiColor::Red.on_default().bold()),
        }
    }
}

/// What is done where nothing has to be.
pub const NOTHING: &str = "nothing to do";

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// What kind of finding: a word that stays the same.
    pub id: &'static str,
    /// Which file, device or call was looked at.
    pub looked_at: String,
    /// What was there.
    pub found: String,
    /// What follows from it.
    pub meaning: String,
    /// What to do.
    pub action: String,
    /// How much it matters.
    pub level: Level,
}

impl Finding {
    /// A finding that asks for nothing.
    pub fn fine(
        id: &'static str,
        looked_at: impl Into<String>,
        found: impl Into<String>,
        meaning: impl Into<String>,
    ) -> Self {
        Finding {
            id,
            looked_at: looked_at.into(),
            found: found.into(),
            meaning: meaning.into(),
            action: NOTHING.into(),
            level: Level::Ok,
        }
    }

    /// The same at another level, with what to do.
    pub fn but(self, level: Level, action: impl Into<String>) -> Self {
        Finding { level, action: action.into(), ..self }
    }

    /// The same as a note, which asks for nothing.
    pub fn note(self) -> Self {
        Finding { level: Level::Note, ..self }
    }
}
