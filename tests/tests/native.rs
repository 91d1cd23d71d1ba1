//! A native object from file to result through the public API: compiled by `cc`, loaded, launched, and kept loaded.

use std::process::Command as Process;

use dxg_runtime::{ModuleSource, args};
use dxg_tests::{block_on, device};

const SOURCE: &str = "
struct dxgrt_wg { unsigned group[3], groups[3], local[3]; };
struct args { const float *x; float *y; float a; unsigned n; };
void saxpy(const void *packed, const struct dxgrt_wg *wg) {
    const struct args *p = packed;
    unsigned begin = wg->group[0] * wg->local[0];
    for (unsigned i = begin; i < begin + wg->local[0] && i < p->n; i++) p->y[i] += p->a * p->x[i];
}";

#[test]
fn a_native_kernel_computes_over_all_its_blocks_and_outlives_its_module() {
    let folder = tempfile::tempdir().unwrap();
    let (source, object) = (folder.path().join("saxpy.c"), folder.path().join("saxpy.so"));
    std::fs::write(&source, SOURCE).unwrap();
    let built = Process::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&object).arg(&source).status().unwrap();
    assert!(built.success(), "cc is one of the two things that the tests need");

    let device = device();
    // SAFETY: needed because loading foreign code is unsafe; the source above stays inside the arrays of `n` floats that
    // it is given, keeps no state, and may run for several blocks at the same time.
    let module = unsafe { ModuleSource::new().native_unchecked(std::fs::read(&object).unwrap()) };
    let kernel = device.load(&module).unwrap().kernel("saxpy").unwrap();
    let (x, y) = (device.alloc::<f32>(1000).unwrap(), device.alloc::<f32>(1000).unwrap());
    let stream = device.stream().unwrap();
    let input: Vec<f32> = (0..1000).map(|i| i as f32).collect();
    let result = block_on(async {
        stream.copy_in(&x, input.clone()).await?;
        stream.fill(&y, 1.0f32).await?;
        for _ in 0..3 {
            let arguments = args![x.read(), y.read_write(), 2.0f32, 1000u32];
            stream.launch(&kernel, dxg_runtime::Grid::covering(1000, 64), arguments).await?;
        }
        drop(kernel);
        stream.copy_out(&y).await?.await
    });
    let expected: Vec<f32> = input.iter().map(|x| 1.0 + 6.0 * x).collect();
    assert_eq!(result.unwrap(), expected);
}
