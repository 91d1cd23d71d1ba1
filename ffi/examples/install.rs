//! Installs the library: `cargo run --release -p dxg-ffi --example install -- --prefix DIR`. With `--try`, it then compiles and
//! runs a program against what it has installed.
//!
//! Shared library with its two links, static library, both headers, and a pkg-config file:
//!
//! ```text
//! DIR/lib/libdxgrt.so -> libdxgrt.so.0 -> libdxgrt.so.0.1.0
//! DIR/lib/libdxgrt.a
//! DIR/lib/pkgconfig/dxgrt.pc
//! DIR/include/dxgrt.h, DIR/include/dxgrt.hpp
//! ```
//!
//! For packages: `--libdir lib/x86_64-linux-gnu` is another place for libraries, and with `DESTDIR` in the environment everything
//! is written below that folder, while the pkg-config file names DIR.

use std::io::{Error, Result};
use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, ExitCode};

const VERSION: &str = env!("CARGO_PKG_VERSION");
const ABI: u32 = dxgrt::DXGRT_ABI_VERSION;
const USAGE: &str = "usage: install --prefix DIR [--libdir NAME] [--built FOLDER] [--try]\n\n  \
    --prefix DIR    where to: DIR/lib and DIR/include\n  \
    --libdir NAME   libraries go to DIR/NAME (default: lib)\n  \
    --built FOLDER  take the libraries from there in place of building them\n  \
    --try           compile examples/c/first.c against what was installed, and run it\n\n\
    DESTDIR in the environment: everything is written below that folder; DIR, an absolute path, is where it will be";

/// Where things go.
struct Place {
    /// What users will call it.
    prefix: PathBuf,
    /// The folder of libraries, below the prefix.
    libdir: PathBuf,
    /// Below which folder it is written now; nothing: where it belongs.
    staged: Option<PathBuf>,
}

impl Place {
    /// A folder below the prefix, as it is written now.
    fn written(&self, below: impl AsRef<Path>) -> PathBuf {
        match &self.staged {
            // Joined to an absolute path, another absolute path replaces it.
            Some(staged) => staged.join(self.prefix.strip_prefix("/").unwrap_or(&self.prefix)).join(below),
            None => self.prefix.join(below),
        }
    }
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (mut prefix, mut libdir, mut built, mut trial) = (None, Some(PathBuf::from("lib")), None, false);
    while let Some(argument) = arguments.next() {
        let value = match argument.as_str() {
            "--prefix" => &mut prefix,
            "--libdir" => &mut libdir,
            "--built" => &mut built,
            "--try" => {
                trial = true;
                continue;
            }
            _ => return usage(),
        };
        *value = arguments.next().map(PathBuf::from);
        if value.is_none() {
            return usage();
        }
    }
    let (Some(prefix), Some(libdir)) = (prefix, libdir) else {
        return usage();
    };
    let staged = std::env::var_os("DESTDIR").filter(|staged| !staged.is_empty()).map(PathBuf::from);
    let named = prefix.display().to_string();
    let installed = place(prefix, libdir, staged).and_then(|place| {
        install(&built.map_or_else(build, Ok)?, &place)?;
        if trial { try_it(&place) } else { Ok(()) }
    });
    match installed {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cannot install to {named}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::from(2)
}

/// Checks where things are to go.
fn place(prefix: PathBuf, libdir: PathBuf, staged: Option<PathBuf>) -> Result<Place> {
    if libdir.is_absolute() || libdir.components().any(|part| !matches!(part, Component::Normal(_))) {
        return Err(Error::other("--libdir is a folder below the prefix, such as lib64"));
    }
    let place = match staged {
        Some(_) if !prefix.is_absolute() => return Err(Error::other("with DESTDIR, the prefix is an absolute path")),
        Some(staged) => {
            std::fs::create_dir_all(&staged)?;
            Place { prefix, libdir, staged: Some(staged.canonicalize()?) }
        }
        None => {
            std::fs::create_dir_all(&prefix)?;
            Place { prefix: prefix.canonicalize()?, libdir, staged: None }
        }
    };
    // It stands in a file of lines, in which `$` cannot be quoted.
    if place.prefix.to_str().is_none_or(|prefix| prefix.contains(|letter: char| letter.is_control() || letter == '$')) {
        return Err(Error::other(
            "a pkg-config file cannot name this folder; use one of printable characters, without `$`",
        ));
    }
    Ok(place)
}

/// Builds the libraries as this program was built, and says where they are.
fn build() -> Result<PathBuf> {
    // Beside the `examples` folder that this program lies in.
    let program = std::env::current_exe()?;
    let profile = program.parent().and_then(Path::parent).ok_or_else(|| Error::other("this program lies nowhere"))?;
    let target = profile.parent().ok_or_else(|| Error::other("this program lies nowhere"))?;
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    cargo.args(["build", "--locked", "--package", "dxg-ffi", "--lib", "--target-dir"]).arg(target);
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    let status = cargo.status()?;
    if !status.success() {
        return Err(Error::other(format!("cargo build: {status}")));
    }
    Ok(profile.to_owned())
}

/// Writes everything to its place.
fn install(built: &Path, place: &Place) -> Result<()> {
    let (lib, include) = (place.written(&place.libdir), place.written("include"));
    std::fs::create_dir_all(lib.join("pkgconfig"))?;
    std::fs::create_dir_all(&include)?;
    let (real, soname) = (format!("libdxgrt.so.{VERSION}"), format!("libdxgrt.so.{ABI}"));
    copy(&built.join("libdxgrt.so"), &lib.join(&real))?;
    copy(&built.join("libdxgrt.a"), &lib.join("libdxgrt.a"))?;
    link(&real, &lib.join(&soname))?;
    link(&soname, &lib.join("libdxgrt.so"))?;
    let headers = Path::new(env!("CARGO_MANIFEST_DIR")).join("include");
    for header in ["dxgrt.h", "dxgrt.hpp"] {
        copy(&headers.join(header), &include.join(header))?;
    }
    let pc = lib.join("pkgconfig/dxgrt.pc");
    std::fs::write(&pc, pkg_config(place))?;
    println!("installed {}", pc.display());
    Ok(())
}

/// Compiles the first program and its kernel against what is installed, and runs it.
fn try_it(place: &Place) -> Result<()> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/c");
    let folder = place.written("share/dxgrt");
    std::fs::create_dir_all(&folder)?;
    let (include, lib) = (place.written("include"), place.written(&place.libdir));
    let compile = |flags: &[&str], source: &str, to: &str, last: &[String]| {
        let mut cc = Command::new("cc");
        cc.args(flags).arg("-I").arg(&include).arg(sources.join(source)).arg("-o").arg(folder.join(to)).args(last);
        run(&mut cc)
    };
    compile(&["-O2", "-shared", "-fPIC"], "add_one.c", "add_one.so", &[])?;
    let found = [format!("-L{}", lib.display()), format!("-Wl,-rpath,{}", lib.display()), "-ldxgrt".into()];
    compile(&["-std=c11"], "first.c", "first", &found)?;
    run(Command::new(folder.join("first")).current_dir(&folder))
}

fn run(command: &mut Command) -> Result<()> {
    println!("{command:?}");
    let status = command.status()?;
    if status.success() { Ok(()) } else { Err(Error::other(format!("{command:?}: {status}"))) }
}

/// Copies by way of a new file, so that programs that run with an old one keep it.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let named = |error: Error| Error::other(format!("{} to {}: {error}", from.display(), to.display()));
    let fresh = to.with_extension("new");
    std::fs::copy(from, &fresh).map_err(named)?;
    std::fs::rename(&fresh, to).map_err(named)
}

fn link(target: &str, at: &Path) -> Result<()> {
    if at.symlink_metadata().is_ok() {
        std::fs::remove_file(at)?;
    }
    symlink(target, at)
}

fn pkg_config(place: &Place) -> String {
    // Blanks would end a word, quotes begin one, and `#` a comment.
    let quoted = |path: &Path| {
        let mut text = String::new();
        for letter in path.display().to_string().chars() {
            match letter {
                ' ' | '"' | '\'' | '\\' | '#' => text.extend(['\\', letter]),
                _ => text.push(letter),
            }
        }
        text
    };
    let (prefix, libdir) = (quoted(&place.prefix), quoted(&place.libdir));
    // `Libs.private` is what `rustc --print native-static-libs` says of the static library.
    format!(
        "prefix={prefix}\n\
         libdir=${{prefix}}/{libdir}\n\
         includedir=${{prefix}}/include\n\n\
         Name: dxgrt\n\
         Description: Many small GPU launches, handed over as few batched submissions\n\
         Version: {VERSION}\n\
         Libs: -L${{libdir}} -ldxgrt\n\
         Libs.private: -lgcc_s -lutil -lrt -lpthread -lm -ldl -lc\n\
         Cflags: -I${{includedir}}\n"
    )
}
