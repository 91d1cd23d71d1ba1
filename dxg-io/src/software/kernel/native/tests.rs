use std::process::Command;

use super::*;

/// Compiles a shared object; `cc` is part of what the tests need.
pub(crate) fn compile(source: &str) -> Vec<u8> {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    let base = std::env::temp_dir().join(format!("dxgrt-test-{}-{number}", std::process::id()));
    let (input, output) = (base.with_extension("c"), base.with_extension("so"));
    fs::write(&input, source).expect("the temporary folder is writable");
    let status = Command::new("cc")
        .args(["-shared", "-fPIC", "-O2", "-o"])
        .args([&output, &input])
        .status()
        .expect("a C compiler called cc");
    assert!(status.success(), "cc compiles the kernel");
    let image = fs::read(&output).expect("cc wrote the object");
    for file in [input, output] {
        fs::remove_file(file).expect("the file was there");
    }
    image
}

fn source(body: &str) -> String {
    format!(
        "struct dxgrt_wg {{ unsigned group[3], groups[3], local[3]; }};\n\
         void kernel(const void *args, const struct dxgrt_wg *wg) {{ {body} }}"
    )
}

/// Loads an image that the test compiled itself.
fn load(registry: &KernelRegistry, image: &[u8]) -> Result<NativeModule, KernelError> {
    // SAFETY: the images are compiled from the sources above, or refused before any of their code runs.
    unsafe { registry.load_native(image) }
}

fn run(registry: &KernelRegistry, id: KernelId, grid: [u32; 3]) -> Vec<u32> {
    let mut memory = vec![0u32; 8];
    #[repr(align(16))]
    struct Args([u64; 2]);
    let args = Args([memory.as_mut_ptr().expose_provenance() as u64, 0]);
    let entry = registry.entry(id.0).expect("the kernel is registered");
    let Code::Native(native) = &entry.code else { panic!("a native kernel") };
    let blocks = u64::from(grid[0] * grid[1] * grid[2]);
    // SAFETY: the test kernels write up to eight u32 at the address in their first argument.
    unsafe { native.run(args.0.as_ptr().cast(), grid, [1; 3], 0, blocks) };
    memory
}

#[test]
fn two_modules_with_kernels_of_one_name_are_both_right() {
    let registry = KernelRegistry::new();
    let body = |value: u32| source(&format!("(*(unsigned *const *)args)[wg->group[0]] = {value} + wg->group[0];"));
    let first = load(&registry, &compile(&body(10))).expect("it loads");
    let second = load(&registry, &compile(&body(20))).expect("it loads");
    let (one, two) = (first.kernel("kernel").expect("it is there"), second.kernel("kernel").expect("it is there"));
    assert_ne!(one, two);
    assert_eq!(first.kernel("kernel"), Ok(one));
    assert_eq!(run(&registry, one, [3, 1, 1])[..4], [10, 11, 12, 0]);
    assert_eq!(run(&registry, two, [3, 1, 1])[..4], [20, 21, 22, 0]);
    // An unloaded one leaves nothing behind that the next could be mistaken for.
    first.unregister_all();
    drop(first);
    let third = load(&registry, &compile(&body(30))).expect("it loads");
    let three = third.kernel("kernel").expect("it is there");
    assert_eq!(run(&registry, three, [1, 1, 1])[0], 30);
    assert_eq!(third.kernel("missing"), Err(KernelError::NotFound("missing".to_owned())));
}

#[test]
fn blocks_are_counted_x_fastest() {
    let registry = KernelRegistry::new();
    let text = source(
        "unsigned *o = *(unsigned *const *)args; o[7]++; o[wg->group[0] + wg->groups[0] * wg->group[1]] = wg->group[1] * 10 + wg->group[0];",
    );
    let module = load(&registry, &compile(&text)).expect("it loads");
    let id = module.kernel("kernel").expect("it is there");
    assert_eq!(run(&registry, id, [2, 3, 1]), [0, 1, 10, 11, 20, 21, 0, 6]);
}

#[test]
fn images_that_cannot_be_loaded_say_why() {
    let registry = KernelRegistry::new();
    let good = compile(&source(""));
    let refuse = |image: &[u8]| match load(&registry, image) {
        Err(KernelError::BadImage(why)) => why,
        other => panic!("{other:?} for a bad image"),
    };
    let with = |at: usize, value: u8| {
        let mut image = good.clone();
        image[at] = value;
        refuse(&image)
    };
    assert!(refuse(b"").contains("magic"));
    assert!(refuse(b"not an object").contains("magic"));
    assert!(refuse(&good[..40]).contains("cut"));
    assert!(refuse(&good[..200]).contains("cut"));
    assert!(refuse(&good[..good.len() / 4]).contains("cut"));
    assert!(with(4, 1).contains("32-bit"));
    assert!(with(5, 2).contains("big-endian"));
    assert!(with(16, 1).contains("relocatable"));
    assert!(with(16, 2).contains("executable"));
    assert!(with(18, 190).contains("cubin"));
    assert!(with(56, 0).contains("program headers"));
}
