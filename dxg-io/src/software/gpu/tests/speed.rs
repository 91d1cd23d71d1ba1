//! What a merged item costs beyond its arithmetic.

use super::*;

/// Not a benchmark: guards against a lock, an allocation or a system call for each item.
#[test]
fn a_merged_item_costs_little_more_than_its_arithmetic() {
    const ITEMS: u64 = 1024;
    let bench = Bench::new();
    let kernel = bench.kernels.register(saxpy());
    let (x, y) = (bench.alloc(256), bench.alloc(256));
    let bytes = bench.encode(bench.header(), |writer| {
        let mut dispatch = writer.dispatch(kernel.0).expect("room");
        for item in 0..ITEMS {
            let args = Args::default().scalar(0.5f32).range(x.va + item * 1024, 1024, Access::READ).range(
                y.va + item * 1024,
                1024,
                Access::WRITE,
            );
            dispatch.item(&args.item(item as u32 % 512, item + 1, 1)).expect("room");
        }
    });
    let mut best = u128::MAX;
    for _ in 0..20 {
        let value = bench.enqueue_bytes(&bytes);
        let begin = Instant::now();
        bench.gpu.run(bench.now());
        bench.wait(bench.progress, value);
        best = best.min(begin.elapsed().as_nanos());
    }
    let each = best / u128::from(ITEMS);
    println!("{each} ns for each merged item");
    // The aim in a release build is 100 ns beyond the arithmetic; tests are barely optimised and share the machine.
    assert!(each < 20_000, "{each} ns");
}
