//! The files of a machine: this one's, or those of a prepared folder (`--root`), with links followed inside of it.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
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
    /// What is there and could not be read, with the reason.
    unreadable: RefCell<BTreeMap<String, String>>,
}

/// Folders of a system: one that has none of them is no system's.
const FOLDERS: [&str; 4] = ["dev", "etc", "proc", "usr"];

impl Root {
    /// This machine.
    pub fn live() -> Self {
        Root { folder: PathBuf::from("/"), live: true, unreadable: RefCell::default() }
    }

    /// A folder that holds files of some machine.
    pub fn at(folder: &Path) -> Self {
        Root { folder: folder.to_owned(), live: false, unreadable: RefCell::default() }
    }

    /// Why a folder cannot be the root of anything, if that is so.
    pub fn fault(folder: &Path) -> Option<String> {
        match fs::metadata(folder) {
            Err(error) => return Some(error.to_string()),
            Ok(found) if !found.is_dir() => {
                return Some(
                    "this is a file; unpack an image, and name the folder that holds its /etc and /usr".to_owned(),
                );
            }
            Ok(_) => {}
        }
        if let Err(error) = fs::read_dir(folder) {
            return Some(error.to_string());
        }
        let none = FOLDERS.iter().all(|name| fs::symlink_metadata(folder.join(name)).is_err());
        none.then(|| {
            format!("it holds none of {}: name the folder that is `/` of a machine or an image", FOLDERS.join(", "))
                .replace(", usr", " and usr")
        })
    }

    /// What was there and could not be read so far, with the reasons.
    pub fn unreadable(&self) -> Vec<String> {
        self.unreadable.borrow().iter().map(|(path, why)| format!("{path}: {why}")).collect()
    }

    /// Keeps the reason why something that is there cannot be read; what is not there is no such thing.
    fn known<T>(&self, path: &str, result: io::Result<T>) -> Option<T> {
        result
            .map_err(|error| {
                if error.kind() != ErrorKind::NotFound {
                    self.unreadable.borrow_mut().insert(path.to_owned(), error.to_string());
                }
            })
            .ok()
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
            let found = fs::symlink_metadata(&here);
            if let Err(error) = &found
                && error.kind() == ErrorKind::PermissionDenied
            {
                // Of the folder that may not be looked into, not of all that may be in it.
                let folder = here.parent().and_then(|folder| folder.strip_prefix(&self.folder).ok());
                let folder = folder.unwrap_or(Path::new("")).display();
                self.unreadable.borrow_mut().insert(format!("/{folder}"), error.to_string());
            }
            let kind = found.ok()?.file_type();
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

    fn open(&self, path: &str) -> Option<fs::File> {
        let real = self.find(path)?;
        // A pipe that nobody writes into would be waited for without that flag.
        let opened = fs::OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(real);
        self.known(
            path,
            opened.and_then(|file| match file.metadata()?.is_file() {
                true => Ok(file),
                false => Err(io::Error::other("it is no file")),
            }),
        )
    }

    /// A file's text, up to a length that every file asked for keeps.
    pub fn read(&self, path: &str) -> Option<String> {
        Some(String::from_utf8_lossy(&self.head(path, MOST_BYTES)?).into_owned())
    }

    /// A file's first bytes.
    pub fn head(&self, path: &str, len: u64) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = self.open(path)?.take(len).read_to_end(&mut bytes);
        self.known(path, read).map(|_| bytes)
    }

    /// Names in a folder, sorted; none where there is no such folder.
    pub fn list(&self, path: &str) -> Option<Vec<String>> {
        let entries = self.known(path, fs::read_dir(self.find(path)?))?;
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
