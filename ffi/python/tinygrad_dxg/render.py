"""Kernels for the software adapter: tinygrad's C renderer with an entry of ours, compiled to an ELF shared object. For CUDA
tinygrad's own PTX renderer, whose text the library loads.

A program becomes a static function, as for tinygrad's own CPU device, and ``dxg_<name>(args, wg)``, which takes the packed
arguments apart: pointers first, then scalars, each at its natural alignment, in the order of ``TinyELF.signature``. A program that
tinygrad splits over threads has a variable ``core_id``: here the threads are blocks, and it is the block's number.

Everything in this module can be pickled: tinygrad compiles in processes of its own.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import platform
import shutil
import struct
import subprocess
import tempfile
from pathlib import Path

from tinygrad.device import CompileError, Compiler
from tinygrad.dtype import AddrSpace, DType, dtypes, float_to_bf16
from tinygrad.helpers import Target, getenv, round_up
from tinygrad.renderer import Renderer
from tinygrad.renderer.cstyle import ClangRenderer, CStyleLanguage
from tinygrad.renderer.ptx import PTXRenderer
from tinygrad.uop.ops import PatternMatcher, UOp, UPat

ENTRY = "dxg_"
_WORK_GROUP = "struct dxgrt_wg { unsigned int group[3], groups[3], local[3]; };"
# Small functions of the C library may be left for the loader; no start-up code, and no waiting for lazy binding.
_FLAGS = ["-shared", "-fPIC", "-x", "c", "-O2", "-fno-math-errno", "-fno-ident", "-march=native", "-nostartfiles", "-w"]


@functools.cache
def _processor() -> str:
    """Which processor ``-march=native`` means: tinygrad keeps images on disk, and a disk may meet another machine."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    wanted = ("model name", "flags", "Features", "CPU part")
    told = sorted({line for line in lines if line.startswith(wanted)})
    return hashlib.sha256("\n".join([platform.machine(), *told]).encode()).hexdigest()[:16]


class ElfCompiler(Compiler):
    """C to an ELF shared object, with a compiler driver called ``command``."""

    def __init__(self, command: str) -> None:
        self.command = shutil.which(command)
        if self.command is None:
            raise RuntimeError(f"{command} is not installed")
        version = subprocess.run([self.command, "--version"], check=True, capture_output=True, text=True).stdout
        told = hashlib.sha256("\n".join([version, *_FLAGS]).encode()).hexdigest()[:16]
        super().__init__(f"compile_dxg_{Path(command).name}_{told}_{_processor()}")

    def compile(self, src: str) -> bytes:
        with tempfile.NamedTemporaryFile(suffix=".so") as out:
            done = subprocess.run([str(self.command), *_FLAGS, "-", "-o", out.name, "-lm"], input=src.encode(),
                                  capture_output=True)  # fmt: skip
            if done.returncode != 0:
                raise CompileError(f"{self.command} refused a kernel:\n{done.stderr.decode(errors='replace')}\n{src}")
            return Path(out.name).read_bytes()


def _bf16(value: float) -> int:
    return int(struct.unpack("I", struct.pack("f", float_to_bf16(value)))[0] >> 16)


class _DXGRenderer(ClangRenderer):
    kernel_typedef = "static void"
    # bfloat16 lives as its bits; tinygrad computes with it as float32.
    type_map = {**ClangRenderer.type_map, dtypes.bfloat16: "unsigned short"}
    string_rewrite = (
        PatternMatcher([(UPat.cvar("c").cast(dtypes.bfloat16), lambda ctx, c: f"{_bf16(c.val)}u")])
        + ClangRenderer.string_rewrite
    )
    command = "clang"

    def __init__(self, target: Target) -> None:
        # Past ClangRenderer's own, which wants a compiler for relocatable objects.
        super(ClangRenderer, self).__init__(target)
        self.compiler = ElfCompiler(self.command)

    def supported_dtypes(self) -> set[DType]:
        return {dtype for dtype in CStyleLanguage.supported_dtypes(self) if dtype not in dtypes.fp8s}

    def _render_entry(self, function_name: str, bufs: list[tuple[str, tuple[UOp, bool]]]) -> str:
        pointers = sorted((u for _, (u, _) in bufs if u.addrspace is not AddrSpace.ALU), key=lambda u: u.arg.slot)
        scalars = sorted((u for _, (u, _) in bufs if u.addrspace is AddrSpace.ALU), key=lambda u: u.arg.slot)
        value = {u: f"*(void *const *)(args + {8 * at})" for at, u in enumerate(pointers)}
        at = 8 * len(pointers)
        for u in scalars:
            at = round_up(at, u.dtype.itemsize)
            value[u] = "wg->group[0]" if u.expr == "core_id" else f"*(const {self.render_dtype(u.dtype)} *)(args + {at})"
            at += u.dtype.itemsize
        call = ", ".join(value[u] for _, (u, _) in bufs)
        return f"{_WORK_GROUP}\nvoid {ENTRY}{function_name}(const char *args, const struct dxgrt_wg *wg) {{ {function_name}({call}); }}"


class DXGClangRenderer(_DXGRenderer):
    """Through clang, with vectors: the same C as tinygrad's own CPU device compiles."""


class DXGGccRenderer(_DXGRenderer):
    """Through the machine's C compiler, where there is no clang."""

    command = getenv("CC", "cc")
    # gcc has no ext_vector_type, and another name for half precision.
    supports_float4 = False
    type_map = {**_DXGRenderer.type_map, dtypes.half: "_Float16"}

    def render_kernel(self, function_name, kernel, bufs, uops, prefix=None):  # type: ignore[no-untyped-def]
        bit_cast = (
            "#define __builtin_bit_cast(type, value) "
            "({ __typeof__(value) from = (value); type to; __builtin_memcpy(&to, &from, sizeof to); to; })"
        )
        return f"{bit_cast}\n{super().render_kernel(function_name, kernel, bufs, uops, prefix)}"


class DXGPTXRenderer(PTXRenderer):
    """PTX as text, for CUDA devices: no toolkit, and nothing is compiled before it is loaded."""

    def __init__(self, target: Target) -> None:
        # For other devices than CUDA tinygrad's own wants nvJitLink.
        super().__init__(dataclasses.replace(target, device="CUDA"))
        self.target = target
