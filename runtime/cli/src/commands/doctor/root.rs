//! The files of a machine: this one's, or those of a prepared folder (`--root`), with links followed inside of it.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

/// Links followed in one path, as many as Linux does.
const MOST_LINKS: u32 = 40;
/// Files of /proc and /sys are short; of any other no more is needed.
const MOST_BYTES: u64 = 1 << 20;

/// Where `/` is.
#[derive(Clone, Debug)]
pub struct Root {
    folder: PathBuf,
    /// Whether it is this machine, so that its devices and libraries can be tried too.
    pub live: bool,
}

impl Root {
    /// This machine.
    pub fn live() -> Self {
        Root { folder: PathBuf::from("/"), live: true }
    }

    /// A folder that holds files of some machine.
    pub fn at(folder: &Path) -> Self {
        Root { folder: folder.to_owned(), live: false }
    }

    /// Where a path of the machine really is, all links followed; none where it leads nowhere.
    pub fn find(&self, path: &str) -> Option<PathBuf> {
        let mut left: VecDeque<OsString> = names(Path::new(path)).collect();
        let mut at: Vec<OsString> = Vec::new();
        let mut links = 0;
        while let Some(name) = left.pop_front() {
            if name == ".." {
                at.pop();
                continue;
            }
            let here = self.real(&at).join(&name);
            let kind = fs::symlink_metadata(&here).ok()?.file_type();
            if !kind.is_symlink() {
                at.push(name);
                continue;
            }
            links += 1;
            if links > MOST_LINKS {
                return None;
            }
            let target = fs::read_link(&here).ok()?;
            if target.is_absolute() {
                at.clear();
            }
            for name in names(&target).collect::<Vec<_>>().into_iter().rev() {
                left.push_front(name);
            }
        }
        Some(self.real(&at))
    }

    fn real(&self, names: &[OsString]) -> PathBuf {
        names.iter().fold(self.folder.clone(), |path, name| path.join(name))
    }

    /// Whether a path leads to something.
    pub fn has(&self, path: &str) -> bool {
        self.find(path).is_some()
    }

    /// Whether there is a link that leads nowhere.
    pub fn dangles(&self, path: &str) -> bool {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let link = self.find(folder).map(|folder| folder.join(name));
        !self.has(path) && link.is_some_and(|link| fs::symlink_metadata(link).is_ok())
    }

    /// A file's text, up to a length that every file asked for keeps.
    pub fn read(&self, path: &str) -> Option<String> {
        let mut bytes = Vec::new();
        fs::File::open(self.find(path)?).ok()?.take(MOST_BYTES).read_to_end(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// A file's first bytes.
    pub fn head(&self, path: &str, len: usize) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        fs::File::open(self.find(path)?).ok()?.take(len as u64).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }

    /// Names in a folder, sorted; none where there is no such folder.
    pub fn list(&self, path: &str) -> Option<Vec<String>> {
        let entries = fs::read_dir(self.find(path)?).ok()?;
        let mut names: Vec<String> =
            entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        Some(names)
    }

    /// Permission bits.
    pub fn mode(&self, path: &str) -> Option<u32> {
        Some(fs::metadata(self.find(path)?).ok()?.permissions().mode() & 0o7777)
    }
}

/// The parts of a path but for `/` and `.`.
fn names(path: &Path) -> impl Iterator<Item = OsString> + '_ {
    path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsStr::new("..").to_owned()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_stay_inside_of_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir_all(path("usr/lib/wsl/lib")).unwrap();
        fs::write(path("usr/lib/wsl/lib/libcuda.so.1.1"), "object").unwrap();
        symlink("/usr/lib/wsl/lib/libcuda.so.1.1", path("usr/lib/wsl/lib/libcuda.so.1")).unwrap();
        symlink("../../../../../usr/lib/wsl", path("usr/lib/elsewhere")).unwrap();
        symlink("loop", path("loop")).unwrap();
        symlink("/etc/hostname", path("outside")).unwrap();
        let root = Root::at(folder.path());
        assert_eq!(root.read("/usr/lib/elsewhere/lib/libcuda.so.1").as_deref(), Some("object"));
        assert_eq!(root.find("/loop"), None);
        assert!(!root.has("/outside") && root.dangles("/outside"), "the machine has no /etc/hostname");
        assert!(!root.dangles("/nothing") && !root.dangles("/no/folder"));
        assert_eq!(root.list("/usr/lib/wsl/lib").unwrap().len(), 2);
    }
}
