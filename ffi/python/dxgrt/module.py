"""Modules: loaded images of kernels."""

from __future__ import annotations

import ctypes
import os
import weakref
from typing import TYPE_CHECKING, Any, Literal

from . import _library as c
from ._bytes import Exported
from .errors import InvalidError

if TYPE_CHECKING:
    from .context import Context

Format = Literal["auto", "elf", "ptx", "cubin"]
_FORMATS = {"auto": 0, "elf": 1, "ptx": 2, "cubin": 3}


class Kernel:
    """A kernel; belongs to its module, which it keeps alive."""

    __slots__ = ("module", "handle", "name")

    def __init__(self, module: Module, name: str) -> None:
        out = ctypes.c_void_p()
        c.lib.kernel_get(module.handle, name.encode(), ctypes.byref(out))
        self.module, self.name = module, name
        self.handle: int = out.value or 0

    def __repr__(self) -> str:
        return f"<dxgrt.Kernel {self.name}>"


class Module:
    """An image: an ELF shared object for the software adapter, PTX text for CUDA. Its code is trusted.

    A kernel of the software adapter is ``void name(const void *args, const struct dxgrt_wg *wg)``, called once for each block.
    """

    def __init__(self, context: Context, image: Any, format: Format = "auto") -> None:
        if format not in _FORMATS:
            raise InvalidError(f"no image format is called {format!r}; use one of {', '.join(_FORMATS)}")
        out = ctypes.c_void_p()
        if isinstance(image, (str, os.PathLike)):
            c.lib.module_load_file(context.handle, os.fsencode(image), _FORMATS[format], ctypes.byref(out))
        else:
            data = Exported(image)
            c.lib.module_load(context.handle, data.address, data.size, _FORMATS[format], ctypes.byref(out))
        self.context = context
        self.handle: int = out.value or 0
        self._free = weakref.finalize(self, c.release, c.lib.module_unload, self.handle)
        self._free.atexit = False

    def kernel(self, name: str) -> Kernel:
        """The kernel of that name."""
        return Kernel(self, name)

    def unload(self) -> None:
        """Frees the module and its kernels; launches in flight still complete."""
        self._free()
