//! Where this is: WSL 2, WSL 1 or another Linux, and inside of which container.

use super::finding::{Finding, Level};
use super::root::Root;

/// What runs the programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum System {
    /// A virtual machine of WSL 2.
    Wsl2,
    /// WSL 1, which has no kernel of its own.
    Wsl1,
    /// Any other Linux.
    Linux,
}

/// Where this is.
#[derive(Clone, Debug)]
pub struct Place {
    pub system: System,
    pub kernel: String,
    /// What made the container, if this is one.
    pub container: Option<&'static str>,
    /// Why it is taken for one.
    container_sign: String,
}

/// The first kernel that Microsoft says has GPU compute in WSL 2 ("Enable NVIDIA CUDA on WSL 2").
const FIRST_KERNEL: [u32; 4] = [5, 10, 43, 3];
/// The first whose guest driver tries again when the ring is full, in place of failing.
const PATIENT_KERNEL: [u32; 4] = [6, 6, 0, 0];

impl Place {
    /// Looks.
    pub fn of(root: &Root) -> Place {
        let read = |path: &str| root.read(path).map(|text| text.trim().to_owned());
        let kernel = read("/proc/sys/kernel/osrelease")
            .or_else(|| read("/proc/version")?.split_whitespace().nth(2).map(str::to_owned))
            .unwrap_or_else(|| "unknown".into());
        let lower = kernel.to_ascii_lowercase();
        let system = match () {
            // 4.4.0-19041-Microsoft: written like this by WSL 1 only.
            () if kernel.ends_with("-Microsoft") => System::Wsl1,
            () if lower.contains("microsoft") || root.has("/usr/lib/wsl/lib/libdxcore.so") => System::Wsl2,
            // Kernels that people build themselves may have any name.
            () if root.has("/proc/sys/fs/binfmt_misc/WSLInterop") || root.has("/run/WSL") => System::Wsl2,
            () => System::Linux,
        };
        let (container, container_sign) = match container(root) {
            Some((what, sign)) => (Some(what), sign),
            None => (None, "/.dockerenv, /run/.containerenv, /proc/1/cgroup".into()),
        };
        Place { system, kernel, container, container_sign }
    }

    /// Whether a GPU would come through /dev/dxg.
    pub fn is_wsl2(&self) -> bool {
        self.system == System::Wsl2
    }

    /// What is found about the place itself.
    pub fn findings(&self) -> Vec<Finding> {
        let mut findings = vec![self.system_finding()];
        if self.is_wsl2() {
            findings.push(self.kernel_finding());
        }
        findings.push(self.container_finding());
        findings
    }

    fn system_finding(&self) -> Finding {
        let looked_at = "/proc/sys/kernel/osrelease";
        let say = |what: &str, meaning: &str| Finding::fine("system", looked_at, what, meaning);
        match self.system {
            System::Wsl2 => say("WSL 2", "a GPU comes through /dev/dxg, paravirtualized by the Windows host"),
            System::Wsl1 => say("WSL 1", "WSL 1 has no Linux kernel and no GPU")
                .but(Level::Problem, "in Windows, run `wsl.exe --set-version <distribution> 2`, then start it again"),
            System::Linux => {
                say("Linux, not WSL", "GPUs are reached through their own drivers here, not through /dev/dxg").note()
            }
        }
    }

    fn kernel_finding(&self) -> Finding {
        const UPDATE: &str = "in Windows, run `wsl.exe --update`, then `wsl.exe --shutdown`; `wsl.exe --version` names the \
                              kernel; a `kernel=` line in %UserProfile%\\.wslconfig keeps an old one";
        let say = |meaning: &str| {
            Finding::fine("wsl-kernel", "/proc/sys/kernel/osrelease", format!("kernel {}", self.kernel), meaning)
        };
        match version(&self.kernel) {
            None => say("the version cannot be read from its name, so nothing can be said about its GPU driver").note(),
            Some(version) if version < FIRST_KERNEL => {
                say("older than 5.10.43.3, the first kernel with GPU compute in WSL 2").but(Level::Problem, UPDATE)
            }
            Some(version) if version < PATIENT_KERNEL => say(
                "its GPU driver fails calls (EAGAIN) when the message ring is full; that of kernel 6.6 and later waits and \
                 tries again",
            )
            .but(Level::Warning, UPDATE),
            Some(_) => say("current enough: its GPU driver tries again when the message ring is full"),
        }
    }

    fn container_finding(&self) -> Finding {
        match self.container {
            None => {
                Finding::fine("container", &self.container_sign, "not in a container", "nothing has to be passed in")
            }
            Some(what) => Finding::fine(
                "container",
                &self.container_sign,
                format!("inside {what}"),
                "devices and libraries of the GPU are here only if the container was started with them",
            )
            .note(),
        }
    }
}

fn container(root: &Root) -> Option<(&'static str, String)> {
    if root.has("/.dockerenv") {
        return Some(("Docker", "/.dockerenv".into()));
    }
    if root.has("/run/.containerenv") {
        return Some(("Podman", "/run/.containerenv".into()));
    }
    for file in ["/proc/1/cgroup", "/proc/self/cgroup"] {
        let text = root.read(file).unwrap_or_default();
        for (sign, what) in [
            ("kubepods", "a Kubernetes pod"),
            ("docker", "Docker"),
            ("libpod", "Podman"),
            ("containerd", "containerd"),
            ("lxc", "LXC"),
        ] {
            if text.contains(sign) {
                return Some((what, file.into()));
            }
        }
    }
    None
}

/// The four numbers of a kernel's version, missing ones being 0: `5.15.167.4-microsoft-standard-WSL2`.
fn version(kernel: &str) -> Option<[u32; 4]> {
    let numbers = kernel.split(|letter: char| letter != '.' && !letter.is_ascii_digit()).next()?;
    let mut parts = [0; 4];
    for (part, number) in parts.iter_mut().zip(numbers.split('.').filter(|number| !number.is_empty())) {
        *part = number.parse().ok()?;
    }
    (parts[0] > 0).then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_compared_as_numbers() {
        assert_eq!(version("5.15.167.4-microsoft-standard-WSL2"), Some([5, 15, 167, 4]));
        assert_eq!(version("6.6.87-custom"), Some([6, 6, 87, 0]));
        assert!(version("5.4.72-microsoft-standard-WSL2").unwrap() < FIRST_KERNEL);
        assert!(version("5.10.102.1-x").unwrap() > FIRST_KERNEL);
        assert_eq!(version("unknown"), None);
        assert_eq!(version("99999999999.1"), None);
    }
}
