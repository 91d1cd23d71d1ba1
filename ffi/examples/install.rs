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

use std::io::{Error, Result};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const VERSION: &str = env!("CARGO_PKG_VERSION");
const ABI: u32 = dxgrt::DXGRT_ABI_VERSION;
const USAGE: &str = "usage: install --prefix DIR [--built FOLDER] [--try]\n\n  \
    --prefix DIR    where to: DIR/lib and DIR/include\n  \
    --built FOLDER  take the libraries from there in place of building them\n  \
    --try           compile examples/c/first.c against what was installed, and run it";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (mut prefix, mut built, mut trial) = (None, None, false);
    while let Some(argument) = arguments.next() {
        let value = match argument.as_str() {
            "--prefix" => &mut prefix,
            "--built" => &mut built,
            "--try" => {
                trial = true;
                continue;
            }
            _ => {
                eprintln!("{USAGE}");
                return ExitCode::from(2);
            }
        };
        *value = arguments.next().map(PathBuf::from);
    }
    let Some(prefix) = prefix else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let installed = built.map_or_else(build, Ok).and_then(|built| install(&built, &prefix));
    match installed.and_then(|prefix| if trial { try_it(&prefix) } else { Ok(()) }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cannot install to {}: {error}", prefix.display());
            ExitCode::FAILURE
        }
    }
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

/// Installs, and gives the prefix in full.
fn install(built: &Path, prefix: &Path) -> Result<PathBuf> {
    std::fs::create_dir_all(prefix)?;
    let prefix = prefix.canonicalize()?;
    let (lib, include) = (prefix.join("lib"), prefix.join("include"));
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
    std::fs::write(&pc, pkg_config(&prefix))?;
    println!("installed {}", pc.display());
    Ok(prefix)
}

/// Compiles the first program and its kernel against what is installed, and runs it.
fn try_it(prefix: &Path) -> Result<()> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/c");
    let folder = prefix.join("share/dxgrt");
    std::fs::create_dir_all(&folder)?;
    let (include, lib) = (prefix.join("include"), prefix.join("lib"));
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

fn pkg_config(prefix: &Path) -> String {
    let prefix = prefix.display();
    // `Libs.private` is what `rustc --print native-static-libs` says of the static library.
    format!(
        "prefix={prefix}\n\
         libdir=${{prefix}}/lib\n\
         includedir=${{prefix}}/include\n\n\
         Name: dxgrt\n\
         Description: Many small GPU launches, handed over as few batched submissions\n\
         Version: {VERSION}\n\
         Libs: -L${{libdir}} -ldxgrt\n\
         Libs.private: -lgcc_s -lutil -lrt -lpthread -lm -ldl -lc\n\
         Cflags: -I${{includedir}}\n"
    )
}
