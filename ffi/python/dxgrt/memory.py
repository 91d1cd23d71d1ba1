"""Memory: of the device (:class:`Buffer`), or of the host and reached by the device (:class:`HostBuffer`).

A ``HostBuffer`` has the buffer protocol, so that ``memoryview``, NumPy and file objects use its bytes in place, and DLPack on
the CPU device. Whoever uses the bytes keeps the memory alive, also past the buffer's own name.
"""

from __future__ import annotations

import ctypes
import functools
import itertools
import math
import weakref
from typing import TYPE_CHECKING, Any

from . import _dlpack
from . import _library as c
from .errors import InvalidError, UnsupportedError

if TYPE_CHECKING:
    import numpy
    import numpy.typing

    from .context import Context
    from .stream import Stream

_HOST, _ZERO = 1, 2


class Buffer:
    """An allocation. ``address`` may be computed with: each address inside of it is legal in copies and arguments."""

    context: Context
    address: int
    size: int

    def _adopt(self, context: Context, handle: int, size: int) -> None:
        self.context, self.handle, self.size = context, handle, size
        self.address = c.lib.mem_addr(handle)
        self._free = weakref.finalize(self, c.release, c.lib.mem_free, handle, None)
        self._free.atexit = False

    def free(self) -> None:
        """Gives the memory back when all streams are through with what they have accepted so far. Never waits."""
        self._free()

    @property
    def is_host(self) -> bool:
        """Whether this process sees the bytes."""
        return isinstance(self, HostBuffer)

    def write(self, data: Any, offset: int = 0, stream: Stream | None = None) -> None:
        """Copies the bytes of ``data`` to ``offset``, in the order of ``stream`` (the context's own). Does not wait."""
        (stream or self.context.stream).copy_in(self.address + offset, data)

    def read(self, size: int | None = None, offset: int = 0, stream: Stream | None = None) -> bytearray:
        """Waits for ``size`` bytes from ``offset`` on (all of them), as they are after what ``stream`` has accepted."""
        into = bytearray(self.size - offset if size is None else size)
        (stream or self.context.stream).copy_out(into, self.address + offset).wait()
        return into

    def used_by(self, stream: Stream) -> None:
        """Tells that a stream uses the memory, for :meth:`free_after` of another one."""
        c.lib.mem_use(self.handle, stream.handle)

    def free_after(self, stream: Stream) -> None:
        """Gives the memory back when ``stream``, and those of :meth:`used_by`, are through with it. Never waits."""
        if self._free.detach() is not None:
            c.release(c.lib.mem_free, self.handle, stream.handle)

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        if self.context.info.kind != "cuda" or self.is_host:
            raise AttributeError(
                f"__cuda_array_interface__ is for memory of CUDA devices, and this is {'host ' if self.is_host else ''}"
                f"memory of {self.context.info.selector}"
            )
        shape, data = (self.size,), (self.address, False)
        # Stream 1 would be CUDA's default stream: the library's order is its own, so a consumer gets finished work.
        self.context.sync()
        return {"shape": shape, "typestr": "|u1", "data": data, "version": 3, "strides": None, "stream": None}

    def _gpu(self) -> int:
        if self.context.info.kind != "cuda" or self.is_host:
            raise UnsupportedError("memory of CUDA devices and of the host is exported; read the bytes of others")
        return int(self.context.info.selector.partition(":")[2] or 0)

    def __dlpack_device__(self) -> tuple[int, int]:
        return _dlpack.CUDA, self._gpu()

    def __dlpack__(
        self,
        *,
        stream: Any = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        """A tensor of bytes; ``stream``, the consumer's, waits for what the context's own stream has accepted so far."""
        device = (_dlpack.CUDA, self._gpu())
        if dl_device not in (None, device):
            raise UnsupportedError(f"this memory is exported for device {device}, not for {dl_device}")
        if copy:
            raise UnsupportedError("an export that copies is not offered; copy what from_dlpack answers")
        if stream != -1:
            self.context.stream.before_cuda(0 if stream is None else stream)
        return _dlpack.capsule(self, self.address, self.size, max_version is not None, device)

    def __repr__(self) -> str:
        return f"<dxgrt.{'HostBuffer' if self.is_host else 'Buffer'} of {self.size} bytes at {self.address:#x}>"


class HostBuffer(Buffer):
    """Host memory that the device reaches: copies from and to it need no staging.

    Its bytes are this process's own: what the device writes is there when the fence of the writing command is done.
    ``free`` lets go of the name alone; the memory goes with its last user.
    """

    def free(self) -> None:
        """Does nothing at once: the memory is given back when nothing refers to it, a view or an array included."""

    def free_after(self, stream: Stream) -> None:
        """As :meth:`free`; copies in flight keep host memory by themselves."""

    def view(self) -> memoryview:
        """The bytes, writable."""
        return memoryview(self).cast("B")  # type: ignore[arg-type]

    def numpy(
        self, dtype: numpy.typing.DTypeLike = "uint8", shape: tuple[int, ...] | None = None
    ) -> numpy.typing.NDArray[Any]:
        """The bytes as an array that shares them."""
        import numpy

        array = numpy.frombuffer(self.view(), dtype=dtype)
        return array if shape is None else array.reshape(shape)

    def __dlpack_device__(self) -> tuple[int, int]:
        return _dlpack.CPU

    def __dlpack__(
        self,
        *,
        stream: Any = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        if stream is not None:
            raise InvalidError("the stream of a CPU tensor is None")
        if dl_device not in (None, _dlpack.CPU):
            raise UnsupportedError(f"host memory is exported for the CPU, not for device {dl_device}")
        if copy:
            raise UnsupportedError("an export that copies is not offered; copy what from_dlpack answers")
        return _dlpack.capsule(self, c.lib.mem_host_ptr(self.handle), self.size, max_version is not None)


# What is imported, until the library says that nothing uses it any more.
_imported: dict[int, tuple[Any, ...]] = {}
_numbers = itertools.count(1)


def _release(number: int | None) -> None:
    _imported.pop(number or 0, None)


_RELEASE = c.RELEASE_CALLBACK(_release)


def import_cuda(context: Context, tensor: Any) -> Buffer:
    """The memory of a CUDA tensor of another library, which stays alive as long as it is used here."""
    # Stream 1 is CUDA's default stream: the producer lets it wait for whatever writes the tensor, and we wait for it.
    if hasattr(tensor, "__dlpack__"):
        held = tensor.__dlpack__(stream=1)
        address, size, gpu = _dlpack.extent(held)
        if context.info.selector != f"cuda:{gpu}":
            raise InvalidError(f"the tensor is on cuda:{gpu}, and the context is of {context.info.selector}")
    elif hasattr(tensor, "__cuda_array_interface__"):
        held, told = tensor, tensor.__cuda_array_interface__
        if told.get("strides") is not None:
            raise InvalidError("the tensor has gaps or another order than C's; pass a contiguous one")
        address, size = told["data"][0], math.prod(told["shape"]) * int(told["typestr"][2:])
    else:
        raise InvalidError(f"{type(tensor).__name__} has neither __dlpack__ nor __cuda_array_interface__")
    context.stream.after_cuda(0)
    number, out = next(_numbers), ctypes.c_void_p()
    _imported[number] = (tensor, held)
    try:
        c.lib.mem_import(context.handle, address, size, _RELEASE, number, ctypes.byref(out))
    except BaseException:
        _imported.pop(number, None)
        raise
    assert out.value is not None  # The library writes outputs on success.
    buffer = Buffer()
    buffer._adopt(context, out.value, size)
    return buffer


# The buffer protocol for classes written in Python comes with Python 3.12; until then ctypes arrays have it.
@functools.lru_cache(maxsize=256)
def _host_class(size: int) -> Any:
    return type("HostBuffer", (HostBuffer, ctypes.c_ubyte * size), {"__module__": __name__})


def allocate(context: Context, size: int, host: bool, zero: bool, alignment: int) -> Buffer:
    """An allocation of ``size`` bytes."""
    out = ctypes.c_void_p()
    flags = (_HOST if host else 0) | (_ZERO if zero else 0)
    if not 0 <= size < 1 << 63:
        raise InvalidError(f"no memory has {size} bytes; ask for 0 or more")
    c.lib.mem_alloc(context.handle, size, alignment, flags, ctypes.byref(out))
    assert out.value is not None  # The library writes outputs on success.
    buffer: Buffer
    if host:
        try:
            kind = _host_class(size)
            buffer = kind.from_address(c.lib.mem_host_ptr(out.value) or ctypes.addressof(_NOTHING))
        except BaseException:
            c.release(c.lib.mem_free, out.value, None)
            raise
    else:
        buffer = Buffer()
    buffer._adopt(context, out.value, size)
    return buffer


_NOTHING = (ctypes.c_ubyte * 1)()
