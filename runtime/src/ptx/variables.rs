//! Whether a body changes variables of its module.
//!
//! Launches that the runtime merges are independent by what their arguments say; a counter in the module is shared by all of
//! them behind its back. Reading is harmless (tables of constants lie there too), so addresses are followed from the variable
//! through registers, in whatever order instructions stand, to a store. A linear search: the graph is built once, and only for
//! bodies that name a variable at all.

use std::collections::{HashMap, HashSet};

use super::body::{Names, Statement, Statements};
use super::instructions::is_system_function;
use super::lexer::Kind;
use super::module::{Body, Module};
use super::reason::{Cause, NoMerge};

/// An instruction that may pass an address on or write to one.
struct Step<'t> {
    first: usize,
    end: usize,
    kind: StepKind,
    /// Names in its first operand and in the others.
    targets: Vec<&'t str>,
    sources: Vec<&'t str>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum StepKind {
    /// Its first operand is computed from the others.
    Computes,
    /// Its first operand is the address that it writes to; a value that is an address gets out of sight too.
    Writes,
    /// The same, and the rest is read only.
    CopiesTo,
    /// Reads and writes what any operand says.
    Changes,
    /// Hands a value to a function that is called.
    Passes,
}

/// Refuses bodies that may change a variable of the module, or let its address get out of sight.
pub(super) fn unchanged<'t>(
    module: &Module<'t>,
    names: &Names<'t>,
    body: Body,
    calls: &[(&'t str, (usize, usize))],
) -> Result<(), NoMerge> {
    let is_variable = |word: &str| module.variables.contains(word) && !names.declares(word);
    let words = (body.open..body.close).filter(|at| module.tokens[*at].kind == Kind::Word);
    if module.variables.is_empty() || !words.map(|at| module.word(at)).any(is_variable) {
        return Ok(());
    }
    let steps = steps(module, body)?;
    let mut feeds: HashMap<&str, Vec<usize>> = HashMap::new();
    let (mut reached, mut waiting) = (HashSet::new(), Vec::new());
    for (index, step) in steps.iter().enumerate() {
        for &word in step.targets.iter().chain(&step.sources) {
            feeds.entry(word).or_default().push(index);
            if is_variable(word) && reached.insert(word) {
                waiting.push(word);
            }
        }
    }
    let only_system_calls = calls.iter().all(|(name, _)| is_system_function(name));
    while let Some(word) = waiting.pop() {
        for &index in feeds.get(word).into_iter().flatten() {
            let step = &steps[index];
            let writes = match step.kind {
                StepKind::Writes | StepKind::Changes => true,
                StepKind::CopiesTo => step.targets.contains(&word),
                StepKind::Passes => !only_system_calls,
                StepKind::Computes => false,
            };
            if writes {
                return Err(module.reason(Cause::ModuleVariable, step.first, step.end));
            }
            if step.kind == StepKind::Computes && step.sources.contains(&word) {
                waiting.extend(step.targets.iter().filter(|target| reached.insert(**target)));
            }
        }
    }
    Ok(())
}

fn steps<'t>(module: &Module<'t>, body: Body) -> Result<Vec<Step<'t>>, NoMerge> {
    let mut steps = Vec::new();
    for statement in Statements::new(module, body) {
        let Statement::Instruction { first, opcode, operands, end } = statement? else { continue };
        let has = |modifier| (opcode + 1..operands).any(|at| module.word(at) == modifier);
        let kind = match module.word(opcode) {
            "ld" | "ldu" | "ldmatrix" | "prefetch" | "prefetchu" | "isspacep" | "bra" | "brx" | "call" => continue,
            "wmma" if has(".load") => continue,
            "atom" | "red" | "multimem" => StepKind::Changes,
            "st" if has(".param") || has(".param::func") => StepKind::Passes,
            "cp" => StepKind::CopiesTo,
            _ if module.tokens[operands].is(b'[') => StepKind::Writes,
            _ => StepKind::Computes,
        };
        let (mut depth, mut behind) = (0i64, false);
        let (mut targets, mut sources) = (Vec::new(), Vec::new());
        for at in operands..end {
            match module.tokens[at].kind {
                Kind::Mark(b'{' | b'(' | b'[') => depth += 1,
                Kind::Mark(b'}' | b')' | b']') => depth -= 1,
                Kind::Mark(b',') if depth == 0 => behind = true,
                Kind::Word if behind => sources.push(module.word(at)),
                Kind::Word => targets.push(module.word(at)),
                _ => {}
            }
        }
        steps.push(Step { first, end, kind, targets, sources });
    }
    Ok(steps)
}
