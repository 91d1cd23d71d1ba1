//! Merged launches without a GPU: every kernel of the kit that the interpreter covers, singly and merged, equal bit for bit.

mod alu;
mod machine;
mod parse;

use dxg_tests::ptx::{Case, Grids, all, compare};

use machine::Interpreter;

/// Kernels that consist of instructions which the interpreter leaves out, and which; they run on a GPU.
const LEFT_OUT: [(&str, &str); 5] = [
    ("halves", "half precision"),
    ("tiles", "matrices"),
    ("staged", "asynchronous copies"),
    ("r_32_2_2_2_4_4_4_2", "matrices"),
    ("r_32_2_2_2_4_4_8", "matrices"),
];

fn left_out(case: &Case) -> bool {
    LEFT_OUT.iter().any(|(entry, _)| *entry == case.entry)
}

/// Fewer launches of kernels that compute much: the interpreter takes 50 ns an instruction.
fn items(case: &Case, most: usize) -> usize {
    if matches!(case.entry, "E_125_4_2" | "E_25_32_4" | "r_7_7_4_2_2_3_3_3" | "mm" | "rowsoftmax" | "median") {
        3
    } else {
        most
    }
}

fn run(grids: Grids, most: usize, seed: u64) {
    let mut compared = 0;
    for case in all().iter().filter(|case| !left_out(case)) {
        let mut machine = Interpreter::default();
        let result = compare(&mut machine, case, grids, items(case, most), seed);
        let done = result.unwrap_or_else(|error| panic!("{error}"));
        assert!(done.items >= 3 && (done.changed > 0 || case.entry == "nothing"), "{}: {done:?}", case.entry);
        compared += 1;
    }
    assert!(compared >= 55, "only {compared} cases");
}

#[test]
fn mixed_grids_compute_what_single_launches_do() {
    run(Grids::Mixed, 6, 1);
}

#[test]
fn equal_grids_compute_what_single_launches_do() {
    run(Grids::Equal, 3, 2);
}

/// What the interpreter cannot run is what the list says, so that nothing is left out without a reason.
#[test]
fn what_is_left_out_cannot_be_run() {
    for case in all().iter().filter(|case| left_out(case)) {
        let error = compare(&mut Interpreter::default(), case, Grids::Mixed, 2, 3).expect_err(case.entry);
        assert!(error.contains("not known here") || error.contains("no "), "{error}");
    }
}
