"""Compiles dxgrt's CUDA C kernels to the PTX that is kept beside them, and says where the two differ; --write stores it.

Called by .ci/ptx, which installs NVRTC 12.9: the last that compiles for sm_70. The compiler's PTX version is lowered, since
nothing in these kernels needs a newer driver.
"""

import ctypes
import difflib
import sys
from pathlib import Path

VERSION = "6.4"
KERNELS = {
    "examples/src/classifier/kernels": ["-fmad=false"],
    "examples/matmul/kernels": ["-fmad=false"],
    "examples/nbody/kernels": ["-fmad=false"],
    "examples/requests/kernels": ["-fmad=false"],
}


def load() -> ctypes.CDLL:
    import nvidia.cuda_nvrtc

    folder = Path(next(iter(nvidia.cuda_nvrtc.__path__))) / "lib"
    ctypes.CDLL(str(folder / "libnvrtc-builtins.so.12.9"), mode=ctypes.RTLD_GLOBAL)
    return ctypes.CDLL(str(folder / "libnvrtc.so.12"))


def compile_text(nvrtc: ctypes.CDLL, source: Path, options: list[str]) -> str:
    program, size = ctypes.c_void_p(), ctypes.c_size_t()
    name = source.name.encode()
    status = nvrtc.nvrtcCreateProgram(ctypes.byref(program), source.read_bytes(), name, 0, None, None)
    if status != 0:
        raise SystemExit(f"{source}: NVRTC makes no program: {status}")
    options = ["--gpu-architecture=compute_70", *options]
    status = nvrtc.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*(o.encode() for o in options)))
    if status != 0:
        nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
        log = ctypes.create_string_buffer(size.value)
        nvrtc.nvrtcGetProgramLog(program, log)
        raise SystemExit(f"{source}: {log.value.decode()}")
    nvrtc.nvrtcGetPTXSize(program, ctypes.byref(size))
    text = ctypes.create_string_buffer(size.value)
    nvrtc.nvrtcGetPTX(program, text)
    return text.value.decode()


def kept(source: Path, options: list[str], text: str) -> str:
    told = "".join(f"{option}, " for option in options)
    head = f"// Compiled from {source.name}, which says how: NVRTC 12.9, --gpu-architecture=compute_70, {told}.version lowered by hand.\n\n"
    _, _, behind = text.partition("\n.version ")
    return head + ".version " + VERSION + behind[behind.index("\n") :]


def main() -> int:
    nvrtc, differing = load(), 0
    for stem, options in KERNELS.items():
        source, target = Path(stem + ".cu"), Path(stem + ".ptx")
        text = kept(source, options, compile_text(nvrtc, source, options))
        if "--write" in sys.argv:
            target.write_text(text)
        elif text != target.read_text():
            differing += 1
            print(f"{target} is not what {source} compiles to; `.ci/ptx --write` stores that", file=sys.stderr)
            sys.stderr.writelines(difflib.unified_diff(target.read_text().splitlines(True), text.splitlines(True), n=1))
    return differing


if __name__ == "__main__":
    sys.exit(main())
