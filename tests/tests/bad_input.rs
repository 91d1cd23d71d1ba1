//! Every bad input is a typed error with a sentence that helps, and does no harm to what comes after it.

use std::process::Command;

use dxg_runtime::{Device, Error, Grid, ModuleSource, Result, args};
use dxg_tests::{Kernels, block_on, device, stir};

/// The error, after a check that its sentence says these things.
#[track_caller]
fn error_saying<T: std::fmt::Debug>(result: Result<T>, words: &[&str]) -> Error {
    let error = result.expect_err("bad input is an error");
    let sentence = error.to_string();
    for word in words {
        assert!(sentence.contains(word), "`{sentence}` does not say `{word}`");
    }
    error
}

/// The device still works.
async fn assert_usable(device: &Device) -> Result<()> {
    let (stream, x, kernels) = (device.stream()?, device.alloc::<u32>(8)?, Kernels::load(device)?);
    stream.fill(&x, 1u32).await?;
    stream.launch(&kernels.stir, 2, args![x.read_write(), 3u32]).await?;
    let expected: Vec<u32> = (0..8).map(|i| stir(1, 3, i)).collect();
    assert_eq!(stream.copy_out(&x).await?.await?, expected);
    Ok(())
}

#[test]
fn a_missing_device() {
    for selector in ["software:9999", "dxg:77", "cuda:77"] {
        let error = error_saying(Device::open(selector), &[selector]);
        assert!(matches!(error, Error::NoDevice { .. } | Error::Unsupported { .. }), "{error:?}");
    }
    for selector in ["", "gpu", "software:", "software:x", "software:-1"] {
        let error = error_saying(Device::open(selector), &["software", "dxg", "cuda"]);
        assert!(matches!(error, Error::BadSelector { .. }), "{selector}: {error:?}");
    }
}

#[test]
fn a_bad_native_object() {
    let device = device();
    // SAFETY: needed because loading foreign code is unsafe; these bytes are no code and must not be loaded.
    let load = |bytes: &[u8]| device.load(&unsafe { ModuleSource::new().native_unchecked(bytes.to_vec()) });
    let real = std::fs::read(std::env::current_exe().expect("this test is a file")).expect("and can be read");
    let mut other_machine = real[..4096].to_vec();
    // e_machine: 0xF3 is RISC-V.
    other_machine[18] = 0xF3;
    for (bytes, what) in [
        (&b""[..], "empty"),
        (b"not an ELF object at all, but long enough to hold an ELF header of 64 bytes", "no ELF"),
        (&real[..40], "cut short"),
        (&other_machine, "another machine"),
    ] {
        let error = load(bytes).expect_err(what);
        assert!(matches!(error, Error::BadImage { .. }), "{what}: {error:?}");
        assert!(error.to_string().len() > 40, "{what}: {error}");
    }
    error_saying(device.load(&ModuleSource::new()), &["no image"]);
    block_on(assert_usable(&device)).unwrap();
}

#[test]
fn an_unknown_kernel() {
    let device = device();
    let module = device
        .load(&ModuleSource::new().rust(vec![dxg_runtime::RustKernel::new("present").write::<u32>().body(|_| Ok(()))]));
    let error = error_saying(module.unwrap().kernel("absent"), &["absent", "present"]);
    assert!(matches!(error, Error::KernelNotFound { .. }));
}

#[test]
fn an_unknown_kernel_of_a_native_object() {
    let folder = tempfile::tempdir().unwrap();
    let (source, object) = (folder.path().join("k.c"), folder.path().join("k.so"));
    std::fs::write(
        &source,
        "struct dxgrt_wg; void present(const void *a, const struct dxgrt_wg *w) { (void)a; (void)w; }",
    )
    .unwrap();
    let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&object).arg(&source).status().unwrap();
    assert!(built.success(), "cc is one of the two things that the tests need");
    let device = device();
    let bytes = std::fs::read(&object).unwrap();
    // SAFETY: needed because loading foreign code is unsafe; the object's only function does nothing.
    let module = device.load(&unsafe { ModuleSource::new().native_unchecked(bytes) }).unwrap();
    module.kernel("present").unwrap();
    let error = error_saying(module.kernel("absent"), &["absent"]);
    assert!(matches!(error, Error::KernelNotFound { .. }), "{error:?}");
}

#[test]
fn wrong_arguments() {
    let device = device();
    block_on(async {
        let (stream, kernels) = (device.stream()?, Kernels::load(&device)?);
        let (x, y) = (device.alloc::<u32>(8)?, device.alloc::<u32>(8)?);
        let floats = device.alloc::<f64>(8)?;
        for (arguments, what) in [
            (args![], "none"),
            (args![x.read(), y.read_write()], "too few"),
            (args![x.read(), y.read_write(), 1u32, 1u32], "too many"),
            (args![x.read(), y.read_write(), 1u64], "a scalar of another size"),
            (args![x.read(), 7u32, 1u32], "a scalar in place of a buffer"),
            (args![floats.read(), y.read_write(), 1u32], "a buffer of another element size"),
        ] {
            let error = stream.launch(&kernels.affine, 1, arguments).await.expect_err(what);
            assert!(matches!(error, Error::Arguments { .. }), "{what}: {error:?}");
            assert!(error.to_string().contains("affine"), "{what}: {error}");
        }
        assert_usable(&device).await
    })
    .unwrap();
}

#[test]
fn ranges_outside_a_buffer() {
    let device = device();
    block_on(async {
        let (stream, x, y) = (device.stream()?, device.alloc::<u32>(8)?, device.alloc::<u32>(9)?);
        for range in [0..9, 8..9, 3..usize::MAX] {
            let error = error_saying(x.slice(range), &["8"]);
            assert!(matches!(error, Error::OutOfRange { .. }), "{error:?}");
        }
        #[allow(clippy::reversed_empty_ranges, reason = "a caller's mistake is what is tested")]
        let reversed = 5..3;
        assert!(x.slice(reversed).is_err());
        let mismatched = [
            stream.copy(&x, &y).await.map(drop),
            stream.copy_in(&x, vec![0u32; 9]).await.map(drop),
            stream.copy_in(&x, [0u32; 7]).await.map(drop),
        ];
        for result in mismatched {
            let error = error_saying(result, &["8"]);
            assert!(matches!(error, Error::LengthMismatch { .. } | Error::OutOfRange { .. }), "{error:?}");
        }
        assert_usable(&device).await
    })
    .unwrap();
}

#[test]
fn zero_sized_everything() {
    let device = device();
    block_on(async {
        let (stream, kernels) = (device.stream()?, Kernels::load(&device)?);
        let (x, empty) = (device.alloc::<u32>(4)?, device.alloc::<u32>(0)?);
        assert!(empty.is_empty());
        stream.fill(&x, 9u32).await?;
        stream.fill(&empty, 1u32).await?.await?;
        stream.copy_in(&empty, Vec::<u32>::new()).await?.await?;
        stream.copy(&empty, &empty).await?.await?;
        stream.copy(&x.slice(4..4)?, &empty).await?.await?;
        assert_eq!(stream.copy_out(&empty).await?.await?, Vec::<u32>::new());
        for grid in [Grid::new(0, 1), Grid::new(1, 0), Grid::new([1, 0, 1], 1)] {
            stream.launch(&kernels.stir, grid, args![x.read_write(), 1u32]).await?.await?;
        }
        // Blocks without elements.
        stream.launch(&kernels.stir, 4, args![empty.read_write(), 1u32]).await?.await?;
        stream.submit(&[]).await?.await?;
        assert_eq!(stream.copy_out(&x).await?.await?, [9; 4]);
        Ok::<_, Error>(())
    })
    .unwrap();
}

#[test]
fn a_huge_grid() {
    let device = device();
    block_on(async {
        let (stream, kernels, x) = (device.stream()?, Kernels::load(&device)?, device.alloc::<u32>(4)?);
        for grid in [Grid::new([u32::MAX; 3], 1), Grid::new(1, [u32::MAX; 3])] {
            let error = error_saying(
                stream.launch(&kernels.stir, grid, args![x.read_write(), 1u32]).await.map(drop),
                &["stir", "grid"],
            );
            assert!(matches!(error, Error::GridTooLarge { .. }), "{error:?}");
        }
        assert_usable(&device).await
    })
    .unwrap();
}

#[test]
fn more_memory_than_there_is() {
    let device = device();
    let error = error_saying(device.alloc::<u64>(1 << 44), &["memory"]);
    assert!(matches!(error, Error::OutOfMemory { .. }), "{error:?}");
    // A number of bytes that no integer holds.
    assert!(device.alloc::<u64>(usize::MAX).is_err());
    block_on(assert_usable(&device)).unwrap();
}

#[test]
fn objects_of_another_device() {
    let (here, there) = (device(), device());
    block_on(async {
        let stream = here.stream()?;
        let (kernels, foreign_kernels) = (Kernels::load(&here)?, Kernels::load(&there)?);
        let (x, foreign) = (here.alloc::<u32>(4)?, there.alloc::<u32>(4)?);
        let refused = [
            stream.launch(&kernels.stir, 1, args![foreign.read_write(), 1u32]).await.map(drop),
            stream.launch(&foreign_kernels.stir, 1, args![x.read_write(), 1u32]).await.map(drop),
            stream.copy(&foreign, &x).await.map(drop),
            stream.copy(&x, &foreign).await.map(drop),
            stream.copy_in(&foreign, [0u32; 4]).await.map(drop),
            stream.copy_out(&foreign).await.map(drop),
            stream.fill(&foreign, 0u32).await.map(drop),
        ];
        for result in refused {
            let error = error_saying(result, &["belongs to"]);
            assert!(matches!(error, Error::WrongDevice { .. }), "{error:?}");
        }
        assert_usable(&here).await?;
        assert_usable(&there).await
    })
    .unwrap();
}

#[test]
fn a_panic_in_a_kernel_fails_its_stream_until_reset() {
    let device = device();
    block_on(async {
        let (stream, other, kernels) = (device.stream()?, device.stream()?, Kernels::load(&device)?);
        let (x, y) = (device.alloc::<u32>(4)?, device.alloc::<u32>(4)?);
        stream.fill(&x, 5u32).await?;
        let before = stream.last();
        let failed = stream.launch(&kernels.broken, 1, args![x.read_write()]).await?;
        let after = stream.launch(&kernels.stir, 1, args![x.read_write(), 1u32]).await;
        let error = error_saying(failed.await, &["broken", "on purpose"]);
        assert!(matches!(error, Error::LaunchFailed { .. }), "{error:?}");
        // It was accepted before the failure was known, or refused after: either way it says why.
        let error = match after {
            Ok(completion) => error_saying(completion.await, &["broken", "reset"]),
            Err(error) => error,
        };
        assert!(matches!(error, Error::DependencyFailed { .. }), "{error:?}");
        before.await?;

        other.fill(&y, 6u32).await?;
        assert_eq!(other.copy_out(&y).await?.await?, [6; 4], "another stream goes on");
        stream.reset()?;
        assert_eq!(stream.copy_out(&x).await?.await?, [5; 4], "nothing behind the failure ran");
        assert_usable(&device).await
    })
    .unwrap();
}

#[test]
fn an_address_that_is_not_mapped_loses_the_device_and_another_can_be_opened() {
    let lost = device();
    block_on(async {
        let (stream, kernels) = (lost.stream()?, Kernels::load(&lost)?);
        let x = lost.alloc::<u32>(4)?;
        // 4 KiB is below anything that is ever mapped.
        let failed = stream.launch(&kernels.affine, 1, args![4096u64, x.read_write(), 1u32]).await;
        let error = match failed {
            Ok(completion) => completion.await.expect_err("nothing is mapped there"),
            Err(error) => error,
        };
        assert!(error.to_string().len() > 30, "{error}");
        assert_usable(&device()).await
    })
    .unwrap();
}
