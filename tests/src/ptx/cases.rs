//! The kernels of `runtime/tests/data/ptx` and of the examples, each with launches that stay inside of its buffers.

use super::random::{Random, f32, out, u32, value};
use super::{Arg, Case};

/// Texts by compiler.
macro_rules! data {
    ($name:literal) => {
        ($name, include_str!(concat!("../../../runtime/tests/data/ptx/", $name)))
    };
}

macro_rules! example {
    ($name:literal) => {
        (concat!("examples/", $name), include_str!(concat!("../../../examples/", $name)))
    };
}

/// The name of a file, and what is in it.
pub type Text = (&'static str, &'static str);
type Grid = fn(&mut Random) -> [u32; 3];
type Args = fn(&mut Random, [u32; 3]) -> Vec<Arg>;

fn case(text: Text, entry: &'static str, block: [u32; 3], grid: Grid, args: Args) -> Case {
    Case { file: text.0, text: text.1, entry, block, shared: 0, grid, args }
}

/// Blocks in one dimension, few or many.
fn line(random: &mut Random) -> [u32; 3] {
    let most = [1, 3, 20][random.between(0, 2) as usize];
    [random.between(1, most), 1, 1]
}

fn plane(random: &mut Random) -> [u32; 3] {
    [random.between(1, 5), random.between(1, 4), 1]
}

fn space(random: &mut Random) -> [u32; 3] {
    [random.between(1, 4), random.between(1, 3), random.between(1, 3)]
}

/// What a kernel of one shape has: any grid up to its own.
fn up_to<const X: u32, const Y: u32>(random: &mut Random) -> [u32; 3] {
    [random.between(1, X), random.between(1, Y), 1]
}

/// A size that the grid covers, with some of the last block left over.
fn covered(random: &mut Random, grid: [u32; 3], threads: u32) -> u32 {
    grid[0] * threads - random.between(0, threads - 1)
}

/// Every case.
pub fn all() -> Vec<Case> {
    let mut cases = nvcc();
    cases.push(forms());
    cases.extend(own());
    cases.extend(triton());
    for text in [data!("nvrtc-varied-sm_75.ptx"), data!("nvrtc-varied-sm_90.ptx")] {
        cases.extend(varied(text));
    }
    cases.extend(tensor());
    cases.extend(tinygrad());
    cases.extend(rustc());
    cases.extend(small_examples());
    cases.extend(digits(example!("src/classifier/kernels.ptx")));
    cases
}

/// Texts with kernels that must not be merged.
pub fn refused() -> [Text; 2] {
    [data!("nvcc-coop-sm_90.ptx"), data!("nvrtc-refused-sm_90.ptx")]
}

fn nvcc() -> Vec<Case> {
    let mut cases = Vec::new();
    for text in [data!("nvcc-flat-sm_75.ptx"), data!("nvcc-flat-sm_90.ptx")] {
        cases.push(case(text, "axpy", [128, 1, 1], line, |r, grid| {
            let n = covered(r, grid, 128);
            vec![f32(r.signed()), r.f32s(n), r.f32s(n), u32(n)]
        }));
        cases.push(case(text, "gelu_bias", [32, 1, 1], plane, |r, grid| {
            let (columns, rows) = (covered(r, grid, 32), grid[1]);
            vec![out(rows * columns * 4), r.f32s(rows * columns), r.f32s(columns), u32(rows), u32(columns)]
        }));
    }
    cases.push(case(data!("nvcc-softmax-sm_90.ptx"), "rowsoftmax", [128, 1, 1], plane, |r, grid| {
        let (rows, columns) = (grid[0] * grid[1], r.between(1, 300));
        vec![r.f32s(rows * columns), out(rows * columns * 4), u32(columns)]
    }));
    cases.push(case(data!("nvcc-matmul-sm_90.ptx"), "mm", [16, 16, 1], up_to::<3, 3>, |r, grid| {
        let (m, n, k) = (grid[1] * 16 - r.between(0, 15), grid[0] * 16 - r.between(0, 15), r.between(1, 40));
        let mut sizes = Vec::new();
        for bytes in [m.to_le_bytes(), n.to_le_bytes(), k.to_le_bytes(), r.signed().to_le_bytes()] {
            sizes.extend(bytes);
        }
        vec![Arg::Value(sizes), r.f32s(m * k), r.f32s(k * n), out(m * n * 4)]
    }));
    cases
}

/// Written by hand: vectors of special registers, predicated loads of parameters, shadowed names, a jump table.
fn forms() -> Case {
    case(data!("hand-forms-sm_75.ptx"), "forms", [64, 1, 1], space, |r, grid| {
        let s = (0..32).map(|_| r.bits() as u8).collect();
        let (short, flag) = (r.bits() as i16, r.between(0, 1) as u8);
        let d = f64::from(r.between(0, 1000)) + 0.25;
        let blocks = grid.iter().product::<u32>();
        vec![Arg::Value(s), out(blocks * 256), value(short.to_le_bytes()), value([flag]), value(d.to_le_bytes())]
    })
}

/// The kernels of the checks on GPUs.
fn own() -> Vec<Case> {
    let text = ("tests/cuda/kernels.ptx", include_str!("../../cuda/kernels.ptx"));
    vec![
        case(text, "axpy", [64, 1, 1], line, |r, grid| {
            let n = covered(r, grid, 64);
            vec![f32(r.signed()), r.f32s(n), r.f32s(n), u32(n)]
        }),
        case(text, "where", [32, 1, 1], space, |_, grid| vec![out(grid.iter().product::<u32>() * 4)]),
        case(text, "nothing", [32, 1, 1], space, |_, _| Vec::new()),
    ]
}

fn triton() -> Vec<Case> {
    let mut softmax = case(data!("triton-softmax-sm_90.ptx"), "t_softmax", [128, 1, 1], line, |r, grid| {
        let columns = r.between(1, 128);
        let (x, y) = (r.f32s(grid[0] * columns), out(grid[0] * columns * 4));
        vec![x, y, u32(columns), u32(columns), out(8), out(8)]
    });
    softmax.shared = 16;
    let add = case(data!("triton-add-sm_90.ptx"), "t_add", [128, 1, 1], line, |r, grid| {
        let n = covered(r, grid, 256);
        vec![r.f32s(n), r.f32s(n), out(n * 4), u32(n), out(8), out(8)]
    });
    vec![add, softmax]
}

fn varied(text: Text) -> Vec<Case> {
    let mut reduce = case(text, "reduce", [96, 1, 1], line, |r, grid| {
        let n = r.between(0, 2000);
        vec![r.f32s(n), out(grid[0] * 4), u32(n)]
    });
    reduce.shared = 12;
    vec![
        reduce,
        case(text, "stencil", [4, 4, 2], space, |r, grid| {
            let [x, y, z] =
                [grid[0] * 4 - r.between(0, 3), grid[1] * 4 - r.between(0, 3), grid[2] * 2 - r.between(0, 1)];
            vec![r.f32s(x * y * z), out(x * y * z * 4), u32(x), u32(y), u32(z)]
        }),
        case(text, "shape", [7, 1, 1], space, |r, grid| {
            let n = grid[0] * grid[1] * grid[2] * 7;
            let (byte, short, flag) = (r.bits() as u8, r.bits() as i16, r.between(0, 1) as u8);
            vec![
                out(n * 4),
                value([byte]),
                value(short.to_le_bytes()),
                value([flag]),
                value(r.bits().to_le_bytes()),
                u32(n),
            ]
        }),
        case(text, "transform", [64, 1, 1], line, |r, grid| {
            let n = covered(r, grid, 64);
            let mut affine: Vec<u8> = (0..12).flat_map(|_| r.signed().to_le_bytes()).collect();
            affine.extend([r.between(0, 9).to_le_bytes(), n.to_le_bytes()].concat());
            affine.resize(64, 0);
            let odd = (0..6).map(|_| r.bits() as u8).collect();
            vec![Arg::Value(affine), r.f32s(n * 4), out(n * 16), Arg::Value(odd)]
        }),
        case(text, "waves", [32, 1, 1], line, |r, grid| {
            let n = covered(r, grid, 32);
            vec![r.f64s(n), out(n * 8), u32(n)]
        }),
        case(text, "calls", [48, 1, 1], line, |r, grid| {
            let n = covered(r, grid, 48);
            vec![r.f32s(n), out(n * 4), u32(r.between(0, 9)), u32(n)]
        }),
        case(text, "dispatch", [64, 1, 1], line, |r, grid| {
            let n = covered(r, grid, 64);
            vec![r.u32s(n, 1000), out(n * 4), u32(n)]
        }),
        case(text, "halves", [64, 1, 1], line, |r, grid| {
            let n = covered(r, grid, 64);
            let (factor, shift) = (0x3c00 | r.between(0, 0x3ff) as u16, 0x3f80 | r.between(0, 0x7f) as u16);
            vec![r.halves(n * 2), out(n * 4), value(factor.to_le_bytes()), value(shift.to_le_bytes()), u32(n)]
        }),
        case(text, "median", [128, 1, 1], up_to::<3, 1>, |r, grid| {
            let n = covered(r, grid, 200);
            vec![r.u32s(n, 5000), out(n * 4), u32(r.between(1, 12)), u32(n)]
        }),
        case(text, "histogram", [64, 1, 1], line, |r, grid| {
            let n = covered(r, grid, 100);
            vec![r.bytes(n), r.u32s(256, 3), u32(n)]
        }),
        case(text, "nothing", [32, 1, 1], space, |_, _| Vec::new()),
        case(text, "_Z4manyIxLi64EEvPT_", [64, 1, 1], line, |_, grid| vec![out(grid[0] * 64 * 8)]),
    ]
}

fn tensor() -> Vec<Case> {
    let text = data!("nvrtc-tensor-sm_80.ptx");
    vec![
        case(text, "tiles", [32, 1, 1], up_to::<3, 3>, |r, grid| {
            let (m, n, k) = (grid[1] * 16, grid[0] * 16, r.between(1, 3) * 16);
            vec![r.halves(m * k), r.halves(k * n), out(m * n * 4), u32(k), u32(n)]
        }),
        case(text, "staged", [128, 1, 1], line, |r, grid| {
            let n = grid[0] * 128;
            vec![r.f32s(n * 4), out(n * 16), f32(r.signed())]
        }),
    ]
}

/// Their shapes are part of them; a smaller grid computes part of the output.
fn tinygrad() -> Vec<Case> {
    let rand: Args = |r, _| vec![out(4000), r.u32s(2, 1 << 30), r.u32s(1, 1 << 30)];
    vec![
        case(data!("tinygrad-E_125_4_2-sm_90.ptx"), "E_125_4_2", [4, 1, 1], up_to::<125, 1>, rand),
        case(data!("tinygrad-E_25_32_4-sm_90.ptx"), "E_25_32_4", [32, 1, 1], up_to::<25, 1>, |r, _| {
            vec![out(12_800), r.f32s(3200), r.f32s(32), r.f32s(32)]
        }),
        case(data!("tinygrad-E_8_7-sm_90.ptx"), "E_8_7", [8, 1, 1], up_to::<1, 1>, |r, _| {
            vec![out(7 * 8 * 4), r.u32s(7, 50), r.f32s(400)]
        }),
        case(data!("tinygrad-r_16_256-sm_90.ptx"), "r_16_256", [16, 1, 1], up_to::<1, 1>, |r, _| {
            vec![out(4), r.f32s(4096)]
        }),
        case(data!("tinygrad-r_32_25_4-sm_90.ptx"), "r_32_25_4", [32, 1, 1], up_to::<1, 1>, |r, _| {
            vec![out(128), r.f32s(3200)]
        }),
        case(
            data!("tinygrad-r_32_2_2_2_4_4_4_2-sm_90.ptx"),
            "r_32_2_2_2_4_4_4_2",
            [32, 2, 1],
            up_to::<1, 1>,
            |r, _| vec![out(64 * 64 * 2), r.f32s(64 * 64), r.f32s(64 * 64)],
        ),
        case(data!("tinygrad-r_32_2_2_2_4_4_8-sm_90.ptx"), "r_32_2_2_2_4_4_8", [32, 2, 1], up_to::<1, 1>, |r, _| {
            vec![out(64 * 64 * 4), r.f32s(64 * 64), r.f32s(64 * 64)]
        }),
        case(data!("tinygrad-r_4_4_n-sm_90.ptx"), "r_4_4_n", [4, 1, 1], up_to::<1, 1>, |r, _| {
            vec![out(64), r.f32s(64 * 16), u32(r.between(1, 64))]
        }),
        case(data!("tinygrad-r_7_7_4_2_2_3_3_3-sm_90.ptx"), "r_7_7_4_2_2_3_3_3", [4, 2, 2], up_to::<7, 7>, |r, _| {
            vec![out(4 * 14 * 14 * 4), r.f32s(3 * 16 * 16), r.f32s(4 * 27)]
        }),
    ]
}

fn rustc() -> Vec<Case> {
    let text = data!("rustc-kernels-sm_80.ptx");
    vec![
        case(text, "axpy", [64, 1, 1], line, |r, _| {
            let n = r.between(1, 3000);
            vec![f32(r.signed()), r.f32s(n), r.f32s(n), u32(n)]
        }),
        case(text, "line", [64, 1, 1], line, |r, grid| {
            let n = covered(r, grid, 64);
            let mut line = Vec::new();
            for bytes in [r.signed().to_le_bytes(), r.signed().to_le_bytes(), 0u32.to_le_bytes()] {
                line.extend(bytes);
            }
            vec![Arg::Value(line), out(n * 4), u32(n)]
        }),
    ]
}

fn small_examples() -> Vec<Case> {
    let map: Args = |r, _| {
        let n = r.between(1, 700);
        vec![r.f32s(n), out(n * 4), f32(r.signed()), u32(n)]
    };
    let requests = example!("requests/kernels.ptx");
    let mut cases: Vec<Case> =
        ["scale", "shift", "clamp"].map(|entry| case(requests, entry, [64, 1, 1], line, map)).into();
    cases.push(case(example!("nbody/kernels.ptx"), "attract", [32, 1, 1], up_to::<3, 1>, |r, _| {
        let n = r.between(1, 40) * 4;
        vec![r.f32s(n), out(n * 4), u32(n)]
    }));
    cases.push(case(example!("nbody/kernels.ptx"), "add_scaled", [64, 1, 1], line, |r, _| {
        let n = r.between(1, 700);
        vec![r.f32s(n), r.f32s(n), f32(r.signed()), u32(n)]
    }));
    cases.push(case(example!("matmul/kernels.ptx"), "matmul_panel", [64, 1, 1], line, |r, _| {
        let (rows, columns) = (r.between(1, 16), r.between(1, 40));
        vec![
            r.f32s(rows * columns),
            r.f32s(columns * columns),
            out(rows * columns * 4),
            u32(columns),
            u32(rows * columns),
        ]
    }));
    cases
}

fn digits(text: Text) -> Vec<Case> {
    let make = |entry, args: Args| case(text, entry, [64, 1, 1], line, args);
    let update: Args = |r, _| {
        let n = r.between(1, 700);
        vec![r.f32s(n), r.f32s(n), f32(r.signed()), u32(n)]
    };
    // Rows and columns; input, output and columns.
    let reduction: Args = |r, _| {
        let (rows, columns) = (r.between(1, 40), r.between(1, 20));
        vec![r.f32s(rows * columns), out(rows * 4), u32(columns), u32(rows)]
    };
    let row_wise: Args = |r, _| {
        let (rows, columns) = (r.between(1, 40), r.between(1, 20));
        vec![r.f32s(rows * columns), r.f32s(rows), out(rows * columns * 4), u32(columns), u32(rows * columns)]
    };
    let product: Args = |r, _| {
        let (rows, inner, columns) = (r.between(1, 20), r.between(1, 20), r.between(1, 20));
        let (a, b, n) = (r.f32s(rows * inner), r.f32s(inner * columns), rows * columns);
        vec![a, b, out(n * 4), u32(inner), u32(columns), u32(n)]
    };
    vec![
        make("gather_rows", |r, _| {
            let (rows, columns, begin) = (r.between(1, 30), r.between(1, 20), r.between(0, 9));
            let (table, order) = (r.f32s(50 * columns), r.u32s(begin + rows, 50));
            vec![table, order, out(rows * columns * 4), u32(begin), u32(columns), u32(rows * columns)]
        }),
        make("gather_labels", |r, _| {
            let (rows, begin) = (r.between(1, 300), r.between(0, 9));
            vec![r.u32s(50, 10), r.u32s(begin + rows, 50), out(rows * 4), u32(begin), u32(rows)]
        }),
        make("matmul", product),
        make("matmul_transposed_a", |r, _| {
            let (rows, inner, columns) = (r.between(1, 20), r.between(1, 20), r.between(1, 20));
            let (a, b, n) = (r.f32s(rows * inner), r.f32s(inner * columns), rows * columns);
            vec![a, b, out(n * 4), u32(rows), u32(columns), u32(n), u32(inner)]
        }),
        make("matmul_transposed_b", product),
        make("add_bias", |r, _| {
            let (rows, columns) = (r.between(1, 30), r.between(1, 20));
            vec![r.f32s(columns), r.f32s(rows * columns), u32(rows * columns), u32(columns)]
        }),
        make("relu", |r, _| {
            let n = r.between(1, 700);
            vec![r.f32s(n), out(n * 4), u32(n)]
        }),
        make("relu_backward", |r, _| {
            let n = r.between(1, 700);
            vec![r.f32s(n), r.f32s(n), out(n * 4), u32(n)]
        }),
        make("row_max", reduction),
        make("row_sum", reduction),
        make("column_sum", |r, _| {
            let (rows, columns) = (r.between(1, 40), r.between(1, 20));
            vec![r.f32s(rows * columns), out(columns * 4), u32(columns), u32(columns), u32(rows)]
        }),
        make("exp_shifted", row_wise),
        make("divide_rows", row_wise),
        make("row_loss", |r, _| {
            let (rows, columns) = (r.between(1, 40), r.between(1, 20));
            vec![r.f32s(rows * columns), r.u32s(rows, columns), out(rows * 4), u32(columns), u32(rows)]
        }),
        make("accumulate", |r, _| {
            let n = r.between(1, 100);
            vec![r.f32s(n), r.f32s(1), f32(r.signed()), u32(n)]
        }),
        make("softmax_backward", |r, _| {
            let (rows, columns) = (r.between(1, 40), r.between(1, 20));
            let n = rows * columns;
            vec![r.f32s(n), r.u32s(rows, columns), out(n * 4), f32(r.signed()), u32(columns), u32(n)]
        }),
        make("momentum", update),
        make("step", update),
        make("argmax", |r, _| {
            let n = r.between(1, 30);
            vec![r.f32s(n), out(4), u32(n)]
        }),
    ]
}
