//! Why a text cannot be read, and why an entry has no twin.

use std::fmt;

use thiserror::Error;

/// A text that cannot be understood as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PtxError {
    /// Not PTX text, or cut off.
    #[error("line {line}: {character:?} stands where {expected} should be")]
    Stray {
        /// Its line, from 1.
        line: u32,
        /// The character.
        character: char,
        /// What should be there.
        expected: &'static str,
    },
    /// The structure of the module is not one that is known.
    #[error("line {line}: {found:?} stands where {expected} should be")]
    Structure {
        /// Its line, from 1.
        line: u32,
        /// The token.
        found: String,
        /// What should be there.
        expected: &'static str,
    },
    /// The text ends too early.
    #[error("the text ends where {expected} should be")]
    Ends {
        /// What should be there.
        expected: &'static str,
    },
    /// Two functions or entries of one name.
    #[error("line {line}: {name} is defined a second time")]
    Twice {
        /// The line of the second, from 1.
        line: u32,
        /// Their name.
        name: String,
    },
    /// Longer than is looked at.
    #[error("a text of {bytes} bytes is longer than the 1 GiB that are looked at")]
    TooLong {
        /// Its bytes.
        bytes: usize,
    },
}

/// Why launches of an entry are not merged: what stands in its way, where, and why that matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoMerge {
    /// What kind of obstacle it is.
    pub cause: Cause,
    /// Its line in the text, from 1.
    pub line: u32,
    /// The instruction or directive, shortened.
    pub text: String,
}

/// Kinds of obstacles.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// The address of a parameter is taken, or a parameter is used by something other than a plain load.
    ParameterAddress,
    /// A load reaches over the end or the start of its parameter.
    ParameterRange,
    /// A load of a parameter in a form that has no counterpart for the table.
    ParameterLoad,
    /// A parameter of a kind that cannot lie in a table, such as a texture.
    ParameterKind,
    /// A name is declared again inside the body.
    Shadowed,
    /// Thread block clusters.
    Cluster,
    /// The grid as a whole is synchronised or asked for its identity.
    GridSync,
    /// The launch depends on another by programmatic dependent launch.
    DependentLaunch,
    /// Textures, surfaces or samplers.
    Texture,
    /// `%ctaid` or `%nctaid` in a form that has no counterpart.
    GridRegister,
    /// A special register that is not known to be harmless.
    SpecialRegister,
    /// An instruction that is not known.
    Instruction,
    /// A directive that is not known, or not in this place.
    Directive,
    /// A statement that cannot be taken apart.
    Syntax,
    /// A call to a function that is known only when the kernel runs.
    IndirectCall,
    /// A call to a function whose body is elsewhere.
    ExternalCall,
    /// A call to a function that asks for something of this list.
    Callee {
        /// The function that does.
        function: String,
        /// What it does.
        because: Box<NoMerge>,
    },
    /// A variable of the module is written: launches that ran one after another would share it at once.
    ModuleVariable,
    /// Compiled for debugging.
    Debug,
    /// 32-bit addresses.
    AddressSize,
    /// A PTX version or target without the instructions that a twin is made of.
    TooOld,
}

impl fmt::Display for NoMerge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: `{}` ", self.line, self.text)?;
        f.write_str(match &self.cause {
            Cause::ParameterAddress => {
                "uses a parameter by its address, and a merged launch keeps parameters elsewhere"
            }
            Cause::ParameterRange => "reads outside of the parameter",
            Cause::ParameterLoad => "loads a parameter in a form that cannot be taken from a table",
            Cause::ParameterKind => "is a parameter of a kind that cannot be kept in a table",
            Cause::Shadowed => "declares a name anew that has another meaning outside of it",
            Cause::Cluster => "uses thread block clusters, whose blocks must be launched together",
            Cause::GridSync => "synchronises or identifies the grid, and a merged grid holds several launches",
            Cause::DependentLaunch => "ties the launch to the one before it",
            Cause::Texture => "uses a texture, surface or sampler",
            Cause::GridRegister => "reads the grid in a form that has no counterpart in a merged launch",
            Cause::SpecialRegister => "reads a special register that is not known to be the same in a merged launch",
            Cause::Instruction => "is an instruction that is not known to be safe in a merged launch",
            Cause::Directive => "is a directive that is not known to be safe in a merged launch",
            Cause::Syntax => "is not understood",
            Cause::IndirectCall => {
                "calls a function that is not known before the kernel runs, and which may read the grid"
            }
            Cause::ExternalCall => "calls a function from outside of the module, which may read the grid",
            Cause::Callee { function, because } => {
                return write!(f, "calls {function}, which cannot take part in a merged launch: {because}");
            }
            Cause::ModuleVariable => "changes a variable of the module, which launches that run at once would share",
            Cause::Debug => "asks for code to debug, which is left as it is",
            Cause::AddressSize => "has 32-bit addresses; only 64-bit ones are supported",
            Cause::TooOld => "is older than PTX 3.1 and sm_32, which a merged launch needs",
        })
    }
}

impl std::error::Error for NoMerge {}

/// The longest excerpt of a text in a reason.
const EXCERPT_BYTES: usize = 96;

/// A stretch of a text on one line, shortened.
pub(super) fn excerpt(text: &str) -> String {
    let mut words = String::new();
    for word in text.split_whitespace() {
        if !words.is_empty() {
            words.push(' ');
        }
        words.push_str(word);
        if words.len() > EXCERPT_BYTES {
            let end = (0..=EXCERPT_BYTES).rev().find(|end| words.is_char_boundary(*end)).unwrap_or(0);
            words.truncate(end);
            words.push('…');
            break;
        }
    }
    words
}
