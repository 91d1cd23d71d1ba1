"""Builds a wheel with the library inside: cargo makes libdxgrt.so, which is put beside the Python sources.

The wheel also holds ``tinygrad_dxg.pth`` at its root, which makes the device known to tinygrad without an import, and the
digits, which the demonstration trains on. Everything that is written on the way lies in cargo's target folder.
"""

import json
import os
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()


def version() -> str:
    """The workspace's."""
    found = re.search(r'^version = "(.+)"$', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)
    if found is None:
        raise SystemExit("Cargo.toml of the workspace names no version")
    return found[1]


def library() -> Path:
    """libdxgrt.so, built now. cargo says where it is."""
    command = ["cargo", "build", "--release", "--locked", "--package", "dxg-ffi", "--lib"]
    done = subprocess.run(
        [*command, "--message-format=json-render-diagnostics"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    if done.returncode != 0:
        raise SystemExit(f"`{' '.join(command)}` failed; its messages are above")
    for message in map(json.loads, done.stdout.splitlines()):
        for name in message.get("filenames", ()):
            if Path(name).name == "libdxgrt.so":
                return Path(name)
    raise SystemExit("cargo has built no libdxgrt.so")


class BuildWithLibrary(build_py):
    """The Python sources, and what belongs beside them."""

    def run(self) -> None:
        super().run()
        lib = Path(self.build_lib)
        into = lib / "dxgrt/libdxgrt.so"
        shutil.copy2(library(), into)
        if shutil.which("strip"):
            subprocess.run(["strip", "--strip-debug", into], check=True)
        shutil.copy2(ROOT / "examples/data/digits.csv.gz", lib / "tinygrad_dxg")
        (lib / "tinygrad_dxg.pth").write_text("import tinygrad_dxg\n")


class PlatformWheel(bdist_wheel):
    """One wheel for every Python 3: the library is native, the Python sources use it through ctypes."""

    def get_tag(self) -> tuple[str, str, str]:
        return "py3", "none", sysconfig.get_platform().replace("-", "_").replace(".", "_")


class NoSources(sdist):
    """The Rust sources lie outside of this folder, so an archive of it could not be built."""

    def run(self) -> None:
        raise SystemExit("build a wheel from a checkout instead: pip wheel --no-deps ./ffi/python")


class WithLibrary(Distribution):
    """What is installed belongs to one kind of machine."""

    def has_ext_modules(self) -> bool:
        return True


scratch = TARGET / "python"
scratch.mkdir(parents=True, exist_ok=True)
# It names its files by their whole paths, which those of a checkout that was moved no longer are.
shutil.rmtree(scratch / "dxgrt.egg-info", ignore_errors=True)
setup(
    version=version(),
    distclass=WithLibrary,
    cmdclass={"build_py": BuildWithLibrary, "bdist_wheel": PlatformWheel, "sdist": NoSources},
    options={"build": {"build_base": str(scratch / "build")}, "egg_info": {"egg_base": str(scratch)}},
)
