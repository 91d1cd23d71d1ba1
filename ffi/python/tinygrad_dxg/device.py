"""The device: allocator, programs and the device itself, over one dxgrt context and its stream.

tinygrad asks for work in order and reads back now and then. Everything is enqueued and nothing waits, but ``_copyout`` (the caller
wants the bytes), ``synchronize``, and a program that is timed. Memory that tinygrad frees while queued work uses it is safe: the
library gives it back when all that was accepted before is done.

``DXG`` is ``software:0`` or what ``DXGRT_DEVICE`` names, ``DXG:1`` another context on it; ``DXG_LATENCY=zero`` switches the
software adapter's model of time off.
"""

from __future__ import annotations

import ctypes
import importlib.metadata
import struct
import warnings
from dataclasses import dataclass
from typing import Any

import dxgrt
from dxgrt import _library as c
from dxgrt._bytes import Exported
from tinygrad.device import BufferSpec, Compiled, LRUAllocator, Program, TinyELF
from tinygrad.dtype import dtypes
from tinygrad.helpers import getenv

from . import TINYGRAD
from .render import ENTRY, DXGClangRenderer, DXGGccRenderer, DXGPTXRenderer


@dataclass(frozen=True)
class Memory:
    """A piece of an allocation, which it keeps alive."""

    buffer: dxgrt.Buffer
    address: int
    size: int


class DXGAllocator(LRUAllocator["DXGDevice"]):
    """Device memory; tinygrad keeps freed pieces and uses them again."""

    def __init__(self, dev: DXGDevice) -> None:
        super().__init__(dev, supports_copy_from_disk=False, supports_transfer=True)

    def _alloc(self, size: int, options: BufferSpec) -> Memory:
        if options.external_ptr is not None:
            raise RuntimeError("DXG cannot use memory that it did not allocate; copy it, or use the device CPU")
        context = self.dev.context
        buffer = context.alloc_host(size) if options.host else context.alloc(size, zero=options.zero)
        return Memory(buffer, buffer.address, size)

    def _free(self, opaque: Memory, options: BufferSpec) -> None:
        opaque.buffer.free()

    def _copyin(self, dest: Memory, src: memoryview) -> None:
        data = Exported(src)
        c.lib.copy_h2d(self.dev.stream.handle, dest.address, data.address, data.size, 0, None, None)

    def _copyout(self, dest: memoryview, src: Memory) -> None:
        into, done = Exported(dest, writable=True), c.Fence()
        c.lib.copy_d2h(self.dev.stream.handle, into.address, src.address, into.size, done)
        c.lib.fence_wait_all(self.dev.context.handle, done, 1, c.FOREVER)

    def _transfer(self, dest: Memory, src: Memory, sz: int, src_dev: DXGDevice, dest_dev: DXGDevice) -> None:
        if src_dev is dest_dev:
            c.lib.copy_d2d(dest_dev.stream.handle, dest.address, src.address, sz, None)
        else:
            c.lib.copy_peer(dest_dev.stream.handle, dest.address, src_dev.stream.handle, src.address, sz, None)

    def _offset(self, buf: Memory, size: int, offset: int) -> Memory:
        return Memory(buf.buffer, buf.address + offset, size)


class DXGProgram(Program["DXGDevice"]):
    """A kernel. Calling it launches it."""

    def __init__(self, dev: DXGDevice, obj: TinyELF) -> None:
        self.dev, self.name, self.signature = dev, obj.name, obj.signature
        self.kernel = dev.context.load(obj.lib).kernel(dev.entry(obj.name))
        self._packing: struct.Struct | None = None

    def layout(self, pointers: int) -> list[tuple[int, Any]]:
        """Where each argument is, and its type, as ``TinyELF`` says: so many addresses, then scalars."""
        whole = [(name, slot, dtypes.uint64, ()) for name, slot, *_ in self.signature[:pointers]]
        return list(TinyELF.iter_sig((*whole, *self.signature[pointers:])))

    def pack(self, addresses: Any, vals: Any) -> bytes:
        """The packed arguments: addresses, then scalars; ``None`` among them is ``core_id``, which the device fills in."""
        if self._packing is None:
            text, end = "<", 0
            for at, dtype in self.layout(len(addresses)):
                text += f"{at - end}x{dtype.fmt}"
                end = at + dtype.itemsize
            self._packing = struct.Struct(text)
        return self._packing.pack(*addresses, *(0 if value is None else value for value in vals))

    def __call__(self, *bufs: Memory, global_size: Any = (1, 1, 1), local_size: Any = (1, 1, 1), vals: Any = (),
                 wait: bool = False, **_: Any) -> float | None:  # fmt: skip
        args = self.pack([buf.address for buf in bufs], vals)
        params = c.LaunchParams(grid=dims(global_size), block=dims(local_size), args_size=len(args), args=pointer(args))
        launch = c.lib.launch
        if not wait:
            launch(self.dev.stream.handle, self.kernel.handle, params, None)
            return None
        return self.dev.timed(lambda: launch(self.dev.stream.handle, self.kernel.handle, params, None))


def pointer(data: bytes) -> ctypes.c_void_p:
    """The address of immutable bytes, valid as long as they are."""
    return ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p)


def dims(size: Any) -> tuple[int, int, int]:
    """Three sizes of a launch; missing ones are 1."""
    return (*(int(each) for each in size or ()), 1, 1, 1)[:3]  # type: ignore[return-value]


class DXGDevice(Compiled):
    """A tinygrad device over a dxgrt context."""

    def __init__(self, device: str) -> None:
        _check_release()
        self.context = dxgrt.open(None, latency=getenv("DXG_LATENCY", "modelled"))
        # tinygrad closes its devices at exit (`finalize`), after what else it does with them then: a profile is written from them.
        self.context._close.atexit = False
        self.stream = self.context.stream
        formats = self.context.info.image_formats
        if not {"elf", "ptx"} & set(formats):
            raise RuntimeError(f"tinygrad kernels run on `software` and `cuda`; {self.context.info.selector} is neither")
        self.ptx = "ptx" in formats
        from .graph import DXGGraph

        renderers = [DXGPTXRenderer] if self.ptx else [DXGClangRenderer, DXGGccRenderer]
        super().__init__(device, DXGAllocator(self), renderers, DXGProgram, DXGGraph, arch=self.context.info.architecture)

    def entry(self, name: str) -> str:
        """What the image calls a program."""
        return name if self.ptx else f"{ENTRY}{name}"

    def synchronize(self) -> None:
        """Waits for everything enqueued so far."""
        self.stream.sync()

    def timed(self, enqueue: Any) -> float:
        """Seconds of the device's time that the enqueued work took; waits for it."""
        first, last = self.context.create_event(timing=True), self.context.create_event(timing=True)
        first.record(self.stream)
        enqueue()
        last.record(self.stream)
        last.fence.wait()
        return first.elapsed(last)

    def finalize(self) -> None:
        """Completes what was accepted and closes the context; in the child of a fork, whose context it is not, nothing."""
        self.context._close()


def _check_release() -> None:
    try:
        release = importlib.metadata.version("tinygrad")
    except importlib.metadata.PackageNotFoundError:
        return
    if release != TINYGRAD:
        warnings.warn(f"tinygrad_dxg is written for tinygrad {TINYGRAD}, and this is {release}", stacklevel=3)
