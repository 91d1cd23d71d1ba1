//! What is known of PTX's instructions, special registers and directives: which are the same in a merged launch.
//!
//! Lists of what is harmless, not of what is not: an instruction of a later PTX version is refused until somebody has looked
//! at it here.

use super::reason::Cause;

/// Instructions that know nothing of the grid and address memory by registers alone, in the order of the PTX ISA.
const HARMLESS: &[&str] = &[
    // Arithmetic
    "abs",
    "add",
    "addc",
    "bfe",
    "bfi",
    "bfind",
    "bmsk",
    "brev",
    "clz",
    "copysign",
    "cos",
    "div",
    "dp2a",
    "dp4a",
    "ex2",
    "fma",
    "fns",
    "lg2",
    "mad",
    "mad24",
    "madc",
    "max",
    "min",
    "mul",
    "mul24",
    "neg",
    "popc",
    "rcp",
    "rem",
    "rsqrt",
    "sad",
    "sin",
    "sqrt",
    "sub",
    "subc",
    "szext",
    "tanh",
    "testp",
    // Comparison, selection, logic, shifts
    "and",
    "cnot",
    "lop3",
    "not",
    "or",
    "selp",
    "set",
    "setp",
    "shf",
    "shl",
    "shr",
    "slct",
    "xor",
    // Data movement and conversion
    "applypriority",
    "atom",
    "createpolicy",
    "cvt",
    "cvta",
    "cp",
    "discard",
    "isspacep",
    "ld",
    "ldu",
    "mov",
    "movmatrix",
    "multimem",
    "prefetch",
    "prefetchu",
    "prmt",
    "red",
    "shfl",
    "st",
    // Control flow
    "bra",
    "brx",
    "call",
    "exit",
    "ret",
    // Synchronisation within a block
    "activemask",
    "bar",
    "barrier",
    "elect",
    "fence",
    "match",
    "mbarrier",
    "membar",
    "redux",
    "vote",
    // Matrices
    "ldmatrix",
    "mma",
    "setmaxnreg",
    "stmatrix",
    "tcgen05",
    "tensormap",
    "wgmma",
    "wmma",
    // The stack, video instructions, the rest
    "alloca",
    "brkpt",
    "nanosleep",
    "pmevent",
    "stackrestore",
    "stacksave",
    "trap",
    "vabsdiff",
    "vabsdiff2",
    "vabsdiff4",
    "vadd",
    "vadd2",
    "vadd4",
    "vavrg2",
    "vavrg4",
    "vmad",
    "vmax",
    "vmax2",
    "vmax4",
    "vmin",
    "vmin2",
    "vmin4",
    "vset",
    "vset2",
    "vset4",
    "vshl",
    "vshr",
    "vsub",
    "vsub2",
    "vsub4",
];

/// What stands in the way of an instruction, by its opcode and modifiers.
pub(super) fn obstacle<'t>(opcode: &str, mut modifiers: impl Iterator<Item = &'t str>) -> Option<Cause> {
    match opcode {
        "griddepcontrol" => return Some(Cause::DependentLaunch),
        "mapa" | "getctarank" | "clusterlaunchcontrol" => return Some(Cause::Cluster),
        "tex" | "tld4" | "txq" | "suld" | "sust" | "sured" | "suq" | "istypep" => return Some(Cause::Texture),
        _ if HARMLESS.contains(&opcode) => {}
        _ => return Some(Cause::Instruction),
    }
    modifiers.find_map(|modifier| match (opcode, modifier) {
        // Among several blocks of a cluster; `.shared::cluster` alone is also how a block calls its own memory.
        (_, ".multicast::cluster" | ".cta_group::2") | ("barrier", ".cluster") | ("st" | "red", ".async") => {
            Some(Cause::Cluster)
        }
        ("prefetch" | "prefetchu" | "isspacep" | "cvta", ".param") => Some(Cause::ParameterAddress),
        _ => None,
    })
}

/// A special register's part in a merged launch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Special {
    /// `%ctaid`
    Block,
    /// `%nctaid`
    Grid,
    /// The same in a merged launch.
    Same,
    /// Not to be had in a merged launch.
    Refused(Cause),
}

/// What a name with a percent sign stands for, if it is that of a special register.
pub(super) fn special_register(name: &str) -> Option<Special> {
    Some(match name {
        "%ctaid" => Special::Block,
        "%nctaid" => Special::Grid,
        "%tid" | "%ntid" | "%laneid" | "%warpid" | "%nwarpid" | "%smid" | "%nsmid" | "%lanemask_eq"
        | "%lanemask_le" | "%lanemask_lt" | "%lanemask_ge" | "%lanemask_gt" | "%clock" | "%clock_hi" | "%clock64"
        | "%globaltimer" | "%globaltimer_lo" | "%globaltimer_hi" | "%total_smem_size" | "%aggr_smem_size"
        | "%dynamic_smem_size" => Special::Same,
        "%gridid" | "%current_graph_exec" => Special::Refused(Cause::GridSync),
        "%is_explicit_cluster"
        | "%clusterid"
        | "%nclusterid"
        | "%cluster_ctaid"
        | "%cluster_nctaid"
        | "%cluster_ctarank"
        | "%cluster_nctarank" => Special::Refused(Cause::Cluster),
        // Cooperative groups find the state of their grid barrier through these.
        _ if name.strip_prefix("%envreg").is_some_and(is_number) => Special::Refused(Cause::GridSync),
        _ if name.strip_prefix("%pm").is_some_and(|rest| is_number(rest.trim_end_matches("_64"))) => Special::Same,
        _ if name.starts_with("%reserved_smem_offset_") => Special::Same,
        _ => return None,
    })
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Directives between an entry's parameters and its body.
pub(super) fn header_obstacle(directive: &str) -> Option<Cause> {
    match directive {
        ".maxntid"
        | ".reqntid"
        | ".minnctapersm"
        | ".maxnctapersm"
        | ".maxnreg"
        | ".noreturn"
        | ".pragma"
        | ".abi_preserve"
        | ".abi_preserve_control" => None,
        ".explicitcluster" | ".reqnctapercluster" | ".maxclusterrank" | ".blocksareclusters" => Some(Cause::Cluster),
        _ => Some(Cause::Directive),
    }
}

/// Functions that the driver brings along, and which do not look at the grid. `__assertfail` does: it prints the block.
pub(super) fn is_system_function(name: &str) -> bool {
    matches!(name, "vprintf" | "malloc" | "free")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_harmless_and_is_not() {
        assert_eq!(obstacle("barrier", [".sync"].into_iter()), None);
        assert_eq!(obstacle("barrier", [".cluster", ".arrive"].into_iter()), Some(Cause::Cluster));
        assert_eq!(obstacle("st", [".async", ".weak"].into_iter()), Some(Cause::Cluster));
        assert_eq!(obstacle("cp", [".async", ".ca"].into_iter()), None);
        assert_eq!(obstacle("frobnicate", [].into_iter()), Some(Cause::Instruction));
        assert_eq!(special_register("%envreg2"), Some(Special::Refused(Cause::GridSync)));
        assert_eq!(special_register("%envreg"), None);
        assert_eq!(special_register("%pm3_64"), Some(Special::Same));
        assert_eq!(special_register("%r1"), None);
    }
}
