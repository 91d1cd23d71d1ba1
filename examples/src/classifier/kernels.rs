//! The classifier's kernels: the functions of [`math`], each with its typed parameters.
//!
//! Parameters are the inputs, the output (of which a block gets its chunk), then the scalars.

use dxg_runtime::{Args, Completion, Device, Kernel, Module, RustKernel, Stream};

use super::math;
use crate::{Outcome, Shape, both};

/// The loaded kernels. The module lives as long as they do.
pub struct Kernels {
    pub gather_rows: Kernel,
    pub gather_labels: Kernel,
    pub matmul: Kernel,
    pub matmul_transposed_a: Kernel,
    pub matmul_transposed_b: Kernel,
    pub add_bias: Kernel,
    pub relu: Kernel,
    pub relu_backward: Kernel,
    pub row_max: Kernel,
    pub row_sum: Kernel,
    pub column_sum: Kernel,
    pub exp_shifted: Kernel,
    pub divide_rows: Kernel,
    pub row_loss: Kernel,
    pub accumulate: Kernel,
    pub softmax_backward: Kernel,
    pub momentum: Kernel,
    pub step: Kernel,
    pub argmax: Kernel,
    shape: Shape,
}

impl Kernels {
    /// Loads them on a device.
    pub fn load(device: &Device) -> Outcome<Kernels> {
        let module: Module = device.load(&both(all(), include_str!("kernels.ptx")))?;
        Ok(Kernels {
            gather_rows: module.kernel("gather_rows")?,
            gather_labels: module.kernel("gather_labels")?,
            matmul: module.kernel("matmul")?,
            matmul_transposed_a: module.kernel("matmul_transposed_a")?,
            matmul_transposed_b: module.kernel("matmul_transposed_b")?,
            add_bias: module.kernel("add_bias")?,
            relu: module.kernel("relu")?,
            relu_backward: module.kernel("relu_backward")?,
            row_max: module.kernel("row_max")?,
            row_sum: module.kernel("row_sum")?,
            column_sum: module.kernel("column_sum")?,
            exp_shifted: module.kernel("exp_shifted")?,
            divide_rows: module.kernel("divide_rows")?,
            row_loss: module.kernel("row_loss")?,
            accumulate: module.kernel("accumulate")?,
            softmax_backward: module.kernel("softmax_backward")?,
            momentum: module.kernel("momentum")?,
            step: module.kernel("step")?,
            argmax: module.kernel("argmax")?,
            shape: Shape::of(device),
        })
    }

    /// Launches a kernel with `elements` of output, in so many blocks where it is one in Rust; CUDA is told `sizes`.
    pub async fn launch(
        &self,
        stream: &Stream,
        (kernel, blocks, elements): (&Kernel, u32, usize),
        arguments: Args,
        sizes: &[usize],
    ) -> Outcome<Completion> {
        let (grid, arguments) = (self.shape.grid(blocks, elements), self.shape.arguments(arguments, sizes));
        Ok(stream.launch(kernel, grid, arguments).await?)
    }
}

fn all() -> Vec<RustKernel> {
    let mut kernels = gathers();
    kernels.extend(products());
    kernels.extend(elementwise());
    kernels.extend(softmax_and_loss());
    kernels.extend(updates());
    kernels
}

/// Rows of the training set in the order of this epoch.
fn gathers() -> Vec<RustKernel> {
    vec![
        RustKernel::new("gather_rows").read::<f32>().read::<u32>().write::<f32>().scalar::<u32>().scalar::<u32>().body(
            |cx| {
                let (begin, columns) = (cx.scalar::<u32>(3)? as usize, cx.scalar::<u32>(4)? as usize);
                let start = cx.chunk_start(2)?;
                math::gather(cx.write::<f32>(2)?, start, cx.read::<f32>(0)?, cx.read::<u32>(1)?, begin, columns);
                Ok(())
            },
        ),
        RustKernel::new("gather_labels").read::<u32>().read::<u32>().write::<u32>().scalar::<u32>().body(|cx| {
            let begin = cx.scalar::<u32>(3)? as usize;
            let start = cx.chunk_start(2)?;
            math::gather(cx.write::<u32>(2)?, start, cx.read::<u32>(0)?, cx.read::<u32>(1)?, begin, 1);
            Ok(())
        }),
    ]
}

/// a, b, out, and two sizes.
fn products() -> Vec<RustKernel> {
    type Product = fn(&mut [f32], usize, &[f32], &[f32], usize, usize);
    let product = |name: &'static str, function: Product| {
        RustKernel::new(name).read::<f32>().read::<f32>().write::<f32>().scalar::<u32>().scalar::<u32>().body(
            move |cx| {
                let sizes = (cx.scalar::<u32>(3)? as usize, cx.scalar::<u32>(4)? as usize);
                let start = cx.chunk_start(2)?;
                function(cx.write::<f32>(2)?, start, cx.read::<f32>(0)?, cx.read::<f32>(1)?, sizes.0, sizes.1);
                Ok(())
            },
        )
    };
    vec![
        product("matmul", math::matmul),
        product("matmul_transposed_a", math::matmul_transposed_a),
        product("matmul_transposed_b", math::matmul_transposed_b),
    ]
}

fn elementwise() -> Vec<RustKernel> {
    vec![
        RustKernel::new("add_bias").read::<f32>().write::<f32>().body(|cx| {
            let start = cx.chunk_start(1)?;
            math::add_bias(cx.write::<f32>(1)?, start, cx.read::<f32>(0)?);
            Ok(())
        }),
        RustKernel::new("relu").read::<f32>().write::<f32>().body(|cx| {
            let start = cx.chunk_start(1)?;
            math::relu(cx.write::<f32>(1)?, start, cx.read::<f32>(0)?);
            Ok(())
        }),
        RustKernel::new("relu_backward").read::<f32>().read::<f32>().write::<f32>().body(|cx| {
            let start = cx.chunk_start(2)?;
            math::relu_backward(cx.write::<f32>(2)?, start, cx.read::<f32>(0)?, cx.read::<f32>(1)?);
            Ok(())
        }),
    ]
}

fn softmax_and_loss() -> Vec<RustKernel> {
    type Reduction = fn(&mut [f32], usize, &[f32], usize);
    let reduction = |name: &'static str, function: Reduction| {
        RustKernel::new(name).read::<f32>().write::<f32>().scalar::<u32>().body(move |cx| {
            let start = cx.chunk_start(1)?;
            function(cx.write::<f32>(1)?, start, cx.read::<f32>(0)?, cx.scalar::<u32>(2)? as usize);
            Ok(())
        })
    };
    type RowWise = fn(&mut [f32], usize, &[f32], &[f32], usize);
    let row_wise = |name: &'static str, function: RowWise| {
        RustKernel::new(name).read::<f32>().read::<f32>().write::<f32>().scalar::<u32>().body(move |cx| {
            let start = cx.chunk_start(2)?;
            let columns = cx.scalar::<u32>(3)? as usize;
            function(cx.write::<f32>(2)?, start, cx.read::<f32>(0)?, cx.read::<f32>(1)?, columns);
            Ok(())
        })
    };
    vec![
        reduction("row_max", math::row_max),
        reduction("row_sum", math::row_sum),
        reduction("column_sum", math::column_sum),
        row_wise("exp_shifted", math::exp_shifted),
        row_wise("divide_rows", math::divide_rows),
        RustKernel::new("row_loss").read::<f32>().read::<u32>().write::<f32>().scalar::<u32>().body(|cx| {
            let start = cx.chunk_start(2)?;
            let columns = cx.scalar::<u32>(3)? as usize;
            math::row_loss(cx.write::<f32>(2)?, start, cx.read::<f32>(0)?, cx.read::<u32>(1)?, columns);
            Ok(())
        }),
        RustKernel::new("accumulate").read::<f32>().write::<f32>().scalar::<f32>().body(|cx| {
            math::accumulate(cx.write::<f32>(1)?, cx.read::<f32>(0)?, cx.scalar::<f32>(2)?);
            Ok(())
        }),
        RustKernel::new("softmax_backward")
            .read::<f32>()
            .read::<u32>()
            .write::<f32>()
            .scalar::<f32>()
            .scalar::<u32>()
            .body(|cx| {
                let start = cx.chunk_start(2)?;
                let (scale, columns) = (cx.scalar::<f32>(3)?, cx.scalar::<u32>(4)? as usize);
                let (probabilities, labels) = (cx.read::<f32>(0)?, cx.read::<u32>(1)?);
                math::softmax_backward(cx.write::<f32>(2)?, start, probabilities, labels, scale, columns);
                Ok(())
            }),
        RustKernel::new("argmax").read::<f32>().write::<u32>().body(|cx| {
            let best = math::argmax(cx.read::<f32>(0)?) as u32;
            cx.write::<u32>(1)?.fill(best);
            Ok(())
        }),
    ]
}

fn updates() -> Vec<RustKernel> {
    type Update = fn(&mut [f32], usize, &[f32], f32);
    let update = |name: &'static str, function: Update| {
        RustKernel::new(name).read::<f32>().write::<f32>().scalar::<f32>().body(move |cx| {
            let start = cx.chunk_start(1)?;
            function(cx.write::<f32>(1)?, start, cx.read::<f32>(0)?, cx.scalar::<f32>(2)?);
            Ok(())
        })
    };
    vec![update("momentum", math::momentum), update("step", math::step)]
}
