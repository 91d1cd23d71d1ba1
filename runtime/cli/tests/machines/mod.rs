//! Machines as folders: what a WSL, a container, a plain Linux have of the files that `dxgrt doctor` looks at. The doctor's tests
//! spoil them; the example `prepared-machines` writes six of them down, to try the command on.
#![allow(dead_code, reason = "the example and the tests use a part each")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// A folder that is `/` of some machine.
pub struct Machine {
    folder: tempfile::TempDir,
}

/// A kernel that has nothing amiss.
pub const CURRENT: &str = "6.6.87.2-microsoft-standard-WSL2";
/// Where NVIDIA's driver lies in the store.
pub const PACKAGE: &str = "/usr/lib/wsl/drivers/nv_dispi.inf_amd64_1a2b3c";

impl Machine {
    /// With a kernel of this name, and what every Linux has.
    pub fn new(kernel: &str) -> Self {
        let machine = Machine { folder: tempfile::tempdir().expect("a folder") };
        machine.write("/proc/sys/kernel/osrelease", format!("{kernel}\n"));
        machine.write("/proc/meminfo", "MemTotal:       16301504 kB\nMemFree:         9000000 kB\n");
        machine.limit("unlimited");
        machine.write("/proc/1/cgroup", "0::/init.scope\n");
        machine
    }

    pub fn wsl(kernel: &str) -> Self {
        let machine = Machine::new(kernel);
        machine.write("/dev/dxg", "");
        machine.chmod("/dev/dxg", 0o666);
        for library in ["libdxcore.so", "libd3d12.so", "libd3d12core.so", "libcuda.so.1.1", "libnvidia-ml.so.1"] {
            machine.object(&format!("/usr/lib/wsl/lib/{library}"));
        }
        machine.link("/usr/lib/wsl/lib/libcuda.so.1", "libcuda.so.1.1");
        machine.driver_package();
        machine.write("/etc/ld.so.conf.d/ld.wsl.conf", "# written by WSL\n/usr/lib/wsl/lib\n");
        machine.write("/etc/wsl.conf", "[boot]\nsystemd=true\n");
        for guid in ["6e382d18-3336-4f4b-acc4-2b7703d4df4a", "dde9cbc0-5060-4436-9448-ea1254a5d177"] {
            machine.write(&format!("/sys/bus/vmbus/drivers/dxgkrnl/{guid}"), "");
        }
        machine.write("/sys/module/dxgkrnl/version", "2.0.3\n");
        machine
    }

    pub fn driver_package(&self) {
        for file in [
            "libcuda.so.1.1",
            "libcuda_loader.so",
            "libnvidia-ml.so.1",
            "libnvidia-ml_loader.so",
            "libnvidia-ptxjitcompiler.so.1",
            "libnvdxgdmal.so.1",
            "nvcubins.bin",
        ] {
            self.object(&format!("{PACKAGE}/{file}"));
        }
    }

    /// A container on WSL, with nothing of the GPU.
    pub fn container() -> Self {
        let machine = Machine::new(CURRENT);
        machine.write("/.dockerenv", "");
        machine.write("/proc/1/cgroup", "0::/\n");
        machine
    }

    pub fn native_nvidia() -> Self {
        let machine = Machine::new("6.8.0-60-generic");
        machine.write(
            "/proc/driver/nvidia/version",
            "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.148.08  Release Build\n",
        );
        for node in ["nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"] {
            machine.write(&format!("/dev/{node}"), "");
        }
        let folder = format!("/usr/lib/{}-linux-gnu", std::env::consts::ARCH);
        machine.object(&format!("{folder}/libcuda.so.1"));
        machine.object(&format!("{folder}/libnvidia-ml.so.1"));
        machine
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    /// A container on WSL that has the driver store and the libraries, and no node.
    pub fn container_without_device() -> Self {
        let machine = Machine::container();
        machine.driver_package();
        for library in ["libdxcore.so", "libd3d12.so", "libd3d12core.so"] {
            machine.object(&format!("/usr/lib/wsl/lib/{library}"));
        }
        machine
    }

    /// A container on WSL that has the node, and no driver store.
    pub fn container_without_driver_store() -> Self {
        let machine = Machine::container();
        machine.write("/dev/dxg", "");
        machine.chmod("/dev/dxg", 0o666);
        machine.object("/usr/lib/wsl/lib/libdxcore.so");
        machine
    }

    /// Six machines, each as one that people have.
    pub fn prepared() -> [(&'static str, Self); 6] {
        [
            ("healthy-wsl", Machine::wsl(CURRENT)),
            ("old-kernel", Machine::wsl("5.4.72-microsoft-standard-WSL2")),
            ("container-without-device", Machine::container_without_device()),
            ("container-without-driver-store", Machine::container_without_driver_store()),
            ("plain-linux", Machine::new("6.1.0-28-amd64")),
            ("native-nvidia", Machine::native_nvidia()),
        ]
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.root().join(path.trim_start_matches('/'))
    }

    pub fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, text).expect("written");
    }

    /// The head of a shared object for this processor.
    pub fn object(&self, path: &str) {
        let mut head = [0u8; 64];
        head[..5].copy_from_slice(b"\x7fELF\x02");
        head[18] = if cfg!(target_arch = "aarch64") { 183 } else { 62 };
        self.write(path, head);
    }

    pub fn link(&self, path: &str, target: &str) {
        symlink(target, self.path(path)).expect("linked");
    }

    pub fn chmod(&self, path: &str, mode: u32) {
        fs::set_permissions(self.path(path), fs::Permissions::from_mode(mode)).expect("set");
    }

    pub fn remove(&self, path: &str) {
        let path = self.path(path);
        if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.expect("removed");
    }

    pub fn limit(&self, locked: &str) {
        let text = format!(
            "Limit                     Soft Limit   Hard Limit   Units\nMax locked memory         {locked}   {locked}   bytes\n"
        );
        self.write("/proc/self/limits", text);
    }
}
