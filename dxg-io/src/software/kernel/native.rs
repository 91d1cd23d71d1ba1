//! Native kernel objects: ELF shared objects loaded from memory.
//!
//! The bytes are checked as far as the loader would misbehave on bad ones (class, byte order, type, machine, segments
//! inside the image), written to a file with a name that was never used before, loaded with `RTLD_NOW | RTLD_LOCAL` and
//! unlinked. The fresh name matters: the loader takes an object of a path it knows for the same object, and answers with
//! the old one. Symbols are looked up per object, so two objects may have kernels of one name.

use std::{
    collections::HashMap,
    ffi::c_void,
    fmt, fs,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};

use super::{KernelError, KernelId, KernelRegistry, Workgroup, registry::Code};

type EntryPoint = unsafe extern "C" fn(*const c_void, *const Workgroup);

/// A loaded native object.
#[derive(Debug)]
pub(crate) struct NativeObject {
    library: Library,
}

impl NativeObject {
    /// # Safety
    /// As `KernelRegistry::load_native`.
    pub(super) unsafe fn load(image: &[u8]) -> Result<Self, KernelError> {
        check(image).map_err(KernelError::BadImage)?;
        let mut reasons = String::new();
        for folder in [std::env::temp_dir(), PathBuf::from("/dev/shm"), PathBuf::from("/var/tmp")] {
            let path = match write_fresh(&folder, image) {
                Ok(path) => path,
                Err(error) => {
                    reasons.push_str(&format!("; {}: {error}", folder.display()));
                    continue;
                }
            };
            // SAFETY: the caller vouches for what loading runs.
            let opened = unsafe { Library::open(Some(&path), RTLD_NOW | RTLD_LOCAL) };
            // Whatever the outcome the name is not needed any more; that it stays behind would harm nobody.
            let _ = fs::remove_file(&path);
            match opened {
                Ok(library) => return Ok(Self { library }),
                Err(error) => reasons.push_str(&format!("; {error}")),
            }
        }
        Err(KernelError::BadImage(format!("the loader refuses it{reasons}")))
    }
}

/// One entry of a native object; keeps the object loaded.
#[derive(Clone)]
pub(crate) struct NativeEntry {
    name: Arc<str>,
    entry: EntryPoint,
    _object: Arc<NativeObject>,
}

impl NativeEntry {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// # Safety
    /// As `NativeEntry::run`.
    #[inline]
    pub(super) unsafe fn call(&self, args: *const u8, workgroup: &Workgroup) {
        // SAFETY: passed on to the caller; the object stays loaded while this entry lives.
        unsafe { (self.entry)(args.cast(), workgroup) }
    }
}

impl fmt::Debug for NativeEntry {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("NativeEntry").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A loaded native object of a [`KernelRegistry`]. It stays loaded while the module, one of its registered kernels or a
/// running launch of one is left.
#[derive(Debug)]
pub struct NativeModule {
    registry: KernelRegistry,
    object: Arc<NativeObject>,
    known: Mutex<HashMap<String, KernelId>>,
}

impl NativeModule {
    pub(super) fn new(registry: KernelRegistry, object: NativeObject) -> Self {
        Self { registry, object: Arc::new(object), known: Mutex::default() }
    }

    /// Looks at an image as far as that is possible without running any of its code: what loading looks at first. An image
    /// that passes may still be refused by the system's loader, and is trusted code all the same.
    ///
    /// # Errors
    /// [`KernelError::BadImage`].
    pub fn check(image: &[u8]) -> Result<(), KernelError> {
        check(image).map_err(KernelError::BadImage)
    }

    /// The kernel of this name, registered; asking again gives the same number.
    ///
    /// # Errors
    /// [`KernelError::NotFound`].
    pub fn kernel(&self, name: &str) -> Result<KernelId, KernelError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = known.get(name) {
            return Ok(*id);
        }
        let not_found = || KernelError::NotFound(name.to_owned());
        // SAFETY: needed to name the type of a symbol; that kernels have this type is part of `load_native`'s contract.
        let symbol = unsafe { self.object.library.get::<Option<EntryPoint>>(name.as_bytes()) };
        let entry = symbol.ok().and_then(|symbol| *symbol).ok_or_else(not_found)?;
        let entry = NativeEntry { name: name.into(), entry, _object: self.object.clone() };
        let id = self.registry.add(Code::Native(entry));
        known.insert(name.to_owned(), id);
        Ok(id)
    }

    /// Unregisters every kernel that [`NativeModule::kernel`] gave out.
    pub fn unregister_all(&self) {
        for (_, id) in self.known.lock().unwrap_or_else(PoisonError::into_inner).drain() {
            self.registry.unregister(id);
        }
    }
}

/// Writes the image to a file whose name no earlier call in this process used.
fn write_fresh(folder: &Path, image: &[u8]) -> std::io::Result<PathBuf> {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    let path = folder.join(format!("dxgrt-{}-{number}-{time:x}.so", std::process::id()));
    // create_new refuses a name, or link, that somebody else has put there.
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o700).open(&path)?;
    if let Err(error) = file.write_all(image) {
        let _ = fs::remove_file(&path);
        return Err(error);
    }
    Ok(path)
}

/// ELF machine numbers of the machines this can run on.
const MACHINE: (u16, &str) = if cfg!(target_arch = "x86_64") {
    (62, "x86-64")
} else if cfg!(target_arch = "aarch64") {
    (183, "AArch64")
} else if cfg!(target_arch = "riscv64") {
    (243, "RISC-V")
} else {
    (0, "this machine")
};

fn machine_name(number: u16) -> String {
    match number {
        3 => "x86 (32 bit)".to_owned(),
        40 => "ARM (32 bit)".to_owned(),
        62 => "x86-64".to_owned(),
        183 => "AArch64".to_owned(),
        190 => "CUDA (a cubin)".to_owned(),
        243 => "RISC-V".to_owned(),
        _ => format!("machine {number}"),
    }
}

/// The ELF header and program headers, as far as the loader relies on them.
fn check(image: &[u8]) -> Result<(), String> {
    const HEADER: usize = 64;
    const PROGRAM_HEADER: usize = 56;
    if image.get(..4) != Some(b"\x7fELF") {
        return Err("it does not begin with the ELF magic number; build it with `cc -shared -fPIC`".to_owned());
    }
    let header = image.first_chunk::<HEADER>().ok_or("it is shorter than an ELF header: it was cut")?;
    let u16_at = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
    let u64_in = |bytes: &[u8], at: usize| {
        bytes.get(at..).and_then(|bytes| bytes.first_chunk()).map_or(u64::MAX, |bytes| u64::from_le_bytes(*bytes))
    };
    if header[4] != 2 {
        return Err("it is a 32-bit object; a 64-bit one is needed".to_owned());
    }
    if header[5] != 1 {
        return Err("it is big-endian; a little-endian one is needed".to_owned());
    }
    if u16_at(18) != MACHINE.0 {
        return Err(format!("it is for {}, this machine is {}", machine_name(u16_at(18)), MACHINE.1));
    }
    match u16_at(16) {
        3 => {}
        1 => return Err("it is a relocatable object (.o); link it with `cc -shared`".to_owned()),
        2 => return Err("it is an executable; build a shared object with `cc -shared -fPIC`".to_owned()),
        other => return Err(format!("its ELF type is {other}; a shared object has 3")),
    }
    let cut = || "it is cut: a segment lies behind its end".to_owned();
    let (table, size, count) = (u64_in(header, 32), usize::from(u16_at(54)), usize::from(u16_at(56)));
    if size != PROGRAM_HEADER || count == 0 {
        return Err("it has no usable program headers".to_owned());
    }
    let table = usize::try_from(table).map_err(|_| cut())?;
    let end = table.checked_add(size * count).ok_or_else(cut)?;
    let table = image.get(table..end).ok_or_else(cut)?;
    for segment in table.chunks_exact(PROGRAM_HEADER) {
        let (offset, bytes) = (u64_in(segment, 8), u64_in(segment, 32));
        if offset.checked_add(bytes).is_none_or(|end| end > image.len() as u64) {
            return Err(cut());
        }
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests;
