//! A libcuda without a GPU, built from `tests/cuda/fake_cuda.c`: each test has one of its own.

use std::ffi::{CString, c_char, c_int, c_long};
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use dxg_runtime::Device;
use dxg_tests::cuda::Target;

/// A driver of its own: its settings, faults and counts are no other test's.
pub struct Fake {
    folder: tempfile::TempDir,
    pub library: libloading::Library,
}

impl Fake {
    pub fn new() -> Fake {
        static BUILT: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
        let (_, built) = BUILT.get_or_init(|| {
            let folder = tempfile::tempdir().unwrap();
            let object = folder.path().join("fake_cuda.so");
            let source = concat!(env!("CARGO_MANIFEST_DIR"), "/cuda/fake_cuda.c");
            let flags = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O1", "-g", "-shared", "-fPIC", "-pthread"];
            let compiled =
                Command::new("cc").args(flags).args(["-fvisibility=hidden", "-o"]).arg(&object).arg(source).status();
            assert!(compiled.unwrap().success(), "cc is one of the two things that the tests need");
            (folder, object)
        });
        let folder = tempfile::tempdir().unwrap();
        let copy = folder.path().join("libcuda.so.1");
        std::fs::copy(built, &copy).unwrap();
        // SAFETY: needed because loading a library runs its initialisers; this one has none.
        let library = unsafe { libloading::Library::new(&copy) }.unwrap();
        Fake { folder, library }
    }

    pub fn target(&self) -> Target {
        Target { library: Some(self.folder.path().join("libcuda.so.1")), ..Fake::nowhere() }
    }

    /// A target without a library.
    pub fn nowhere() -> Target {
        Target { selector: "cuda".into(), library: None, small: true, sharded: false }
    }

    pub fn open(&self) -> Device {
        self.target().open().unwrap()
    }

    pub fn set(&self, name: &str, value: i64) -> &Self {
        let name = CString::new(name).unwrap();
        // SAFETY: needed to call the library; the function has this type, see its source.
        unsafe {
            let set: libloading::Symbol<unsafe extern "C" fn(*const c_char, c_long)> =
                self.library.get(b"fake_set").unwrap();
            set(name.as_ptr(), value);
        }
        self
    }

    pub fn number(&self, function: &str, value: i32) {
        // SAFETY: as in `set`.
        unsafe {
            let call: libloading::Symbol<unsafe extern "C" fn(c_int)> = self.library.get(function.as_bytes()).unwrap();
            call(value);
        }
    }

    pub fn fail(&self, call: &str, code: i32, after: i32) {
        let call = CString::new(call).unwrap();
        // SAFETY: as in `set`.
        unsafe {
            let fail: libloading::Symbol<unsafe extern "C" fn(*const c_char, c_int, c_int)> =
                self.library.get(b"fake_fail").unwrap();
            fail(call.as_ptr(), code, after);
        }
    }

    pub fn calls(&self, name: &str) -> i64 {
        let name = CString::new(name).unwrap();
        // SAFETY: as in `set`.
        unsafe {
            let calls: libloading::Symbol<unsafe extern "C" fn(*const c_char) -> c_long> =
                self.library.get(b"fake_calls").unwrap();
            calls(name.as_ptr())
        }
    }

    /// How often the primary context of the first GPU is retained.
    pub fn retained(&self) -> i64 {
        // SAFETY: as in `set`.
        unsafe {
            let retained: libloading::Symbol<unsafe extern "C" fn(c_int) -> c_long> =
                self.library.get(b"fake_retained").unwrap();
            retained(0)
        }
    }
}
