"""Contexts: open devices, what they are, and what they have done."""

from __future__ import annotations

import ctypes
import functools
import weakref
from dataclasses import dataclass, make_dataclass
from typing import Any, Literal, Sequence

from . import _library as c
from .commands import Command
from .errors import InvalidError
from .event import Event
from .graph import Graph
from .memory import Buffer, HostBuffer, allocate, import_cuda
from .module import Format, Module
from .stream import Priority, Stream

_KINDS = {1: "software", 2: "dxg", 3: "cuda"}
_CHOICES: dict[str, dict[str, int]] = {
    "backpressure": {"block": 0, "error": 1},
    "policy": {"default": 0, "adaptive": 1, "one-by-one": 2},
    "latency": {"modelled": 0, "zero": 1},
}


@dataclass(frozen=True)
class DeviceInfo:
    """What a device is and can do. Sizes are in bytes."""

    kind: str
    selector: str
    name: str
    architecture: str
    image_formats: tuple[str, ...]
    can_launch: bool
    async_messages: bool
    memory_bytes: int
    memory_alignment: int
    max_args_size: int
    max_grid: tuple[int, int, int]
    max_block: tuple[int, int, int]
    max_block_count: int
    max_threads_per_block: int
    max_shared_bytes: int
    block_slots: int
    hardware_queues: int


def _info(raw: c.DeviceInfo) -> DeviceInfo:
    same = {name: getattr(raw, name) for name, *_ in raw._fields_ if name in DeviceInfo.__dataclass_fields__}
    same.update(
        kind=_KINDS.get(raw.kind, f"kind {raw.kind}"),
        selector=raw.selector.decode(),
        name=raw.name.decode(),
        architecture=raw.architecture.decode(),
        image_formats=tuple(name for bit, name in ((1, "elf"), (2, "ptx"), (3, "cubin")) if raw.image_formats & 1 << bit),
        max_grid=tuple(raw.max_grid),
        max_block=tuple(raw.max_block),
    )
    return DeviceInfo(can_launch=bool(raw.features & 1), async_messages=bool(raw.features & 2), **same)


class _Difference:
    def __sub__(self, earlier: Any) -> Any:
        """What has happened since ``earlier``."""
        names = self.__dataclass_fields__  # type: ignore[attr-defined]
        return type(self)(**{name: getattr(self, name) - getattr(earlier, name) for name in names})


Stats: Any = make_dataclass("Stats", [(name, int) for name in c.STATS], bases=(_Difference,), frozen=True)
Stats.__module__ = __name__
Stats.__doc__ = """What a context has done since it was opened; fields as in ``dxgrt_stats``. Two can be subtracted."""
MemoryUsage: Any = make_dataclass("MemoryUsage", [(name, int) for name in c.MEMORY_STATS], frozen=True)
MemoryUsage.__module__ = __name__
MemoryUsage.__doc__ = """What memory a context holds, in bytes; fields as in ``dxgrt_mem_stats``."""


def devices() -> list[DeviceInfo]:
    """Every device of this machine; those that can be opened but not launched on are among them."""
    count = ctypes.c_uint32()
    c.lib.device_count(count)
    found = []
    for index in range(count.value):
        raw = c.DeviceInfo()
        c.lib.device_info_get(index, raw)
        found.append(_info(raw))
    return found


def _choice(option: str, value: str) -> int:
    if value not in _CHOICES[option]:
        raise InvalidError(f"no {option} is called {value!r}; use one of {', '.join(_CHOICES[option])}")
    return _CHOICES[option][value]


class Context:
    """An open device. Use :func:`dxgrt.open`; closed at the end of a ``with``, or with its last reference."""

    def __init__(self, selector: str | None, options: c.OpenOptions) -> None:
        out = ctypes.c_void_p()
        c.lib.open(None if selector is None else selector.encode(), ctypes.byref(options), ctypes.byref(out))
        self.handle: int = out.value or 0
        # At exit too: what was accepted completes before Python takes its objects apart.
        self._close = weakref.finalize(self, c.release, c.lib.close, self.handle)

    def close(self) -> None:
        """Accepts nothing more, completes what was accepted, and ends the context's threads. Waits; not for callbacks."""
        if self._close.alive:
            c.lib.close(self.handle)
            self._close.detach()

    def __enter__(self) -> Context:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @functools.cached_property
    def info(self) -> DeviceInfo:
        """What the device is and can do."""
        raw = c.DeviceInfo()
        c.lib.info(self.handle, raw)
        return _info(raw)

    @functools.cached_property
    def stream(self) -> Stream:
        """The context's own stream."""
        return Stream(self, None)

    def create_stream(self, priority: Priority = "normal") -> Stream:
        """Another stream. Streams are ordered by :meth:`Stream.wait` and fences alone."""
        return Stream(self, priority)

    def alloc(self, size: int, *, zero: bool = False, alignment: int = 0) -> Buffer:
        """Memory of the device. May wait for memory that work in flight gives back, and, with ``zero``, for the fill."""
        return allocate(self, size, False, zero, alignment)

    def alloc_host(self, size: int) -> HostBuffer:
        """Host memory that the device reaches, all zero."""
        return allocate(self, size, True, False, 0)  # type: ignore[return-value]

    def import_cuda(self, tensor: Any) -> Buffer:
        """The memory of a CUDA tensor of another library (PyTorch, CuPy, JAX), by DLPack or ``__cuda_array_interface__``.

        It is neither copied nor freed here; the tensor stays alive until nothing uses the buffer. What the tensor's own library
        has enqueued so far comes before what is enqueued here from now on; :meth:`Stream.before_cuda` says the converse.
        """
        return import_cuda(self, tensor)

    def load(self, image: Any, format: Format = "auto") -> Module:
        """Loads an image of kernels: its bytes, or the path of a file (``str`` or ``PathLike``)."""
        return Module(self, image, format)

    def create_event(self, timing: bool = False) -> Event:
        """A mark for streams; with ``timing`` it keeps the device's time."""
        return Event(self, timing)

    def graph(self, commands: Sequence[Command], after: Sequence[Sequence[int]] | None = None) -> Graph:
        """Commands to be enqueued again and again as one entry."""
        return Graph(self, commands, after)

    def flush(self) -> None:
        """Hands over everything enqueued so far, on all streams."""
        c.lib.flush(self.handle)

    def sync(self, timeout: float | None = None) -> None:
        """Waits until everything enqueued so far is done, on all streams; raises the first failure it finds."""
        status = c.lib.sync(self.handle, c.nanoseconds(timeout))
        if status != c.OK:
            raise c.positive(status)

    def stats(self) -> Any:
        """What the context has done so far (:class:`Stats`)."""
        raw = c.Stats()
        c.lib.stats_get(self.handle, raw)
        return Stats(**{name: getattr(raw, name) for name in c.STATS})

    def memory_usage(self) -> Any:
        """What memory the context holds (:class:`MemoryUsage`)."""
        raw = c.MemoryStats()
        c.lib.mem_usage(self.handle, raw)
        return MemoryUsage(**{name: getattr(raw, name) for name in c.MEMORY_STATS})

    def find(self, address: int) -> tuple[int, int]:
        """The handle of the allocation that an address lies in, and the address's offset in it."""
        handle, offset = ctypes.c_void_p(), ctypes.c_uint64()
        c.lib.mem_find(self.handle, address, ctypes.byref(handle), ctypes.byref(offset))
        return handle.value or 0, offset.value


def open(
    selector: str | None = None,
    *,
    backpressure: Literal["block", "error"] = "block",
    policy: Literal["default", "adaptive", "one-by-one"] = "default",
    latency: Literal["modelled", "zero"] = "modelled",
    **limits: int,
) -> Context:
    """Opens a device: ``software[:n]``, ``dxg[:n]`` or ``cuda[:n]``.

    Without a selector: the GPU of a ``cuda_context``, else what the variable ``DXGRT_DEVICE`` says, else cuda if it is usable, else
    software. ``limits`` are the numbers of ``dxgrt_open_options``: ``batch_commands``, ``batch_bytes``, ``gather_ns``,
    ``stream_commands``, ``device_commands``, ``staging_bytes``, ``pinned_bytes``, and ``cuda_context``, a ``CUcontext`` of this process.
    """
    known = [name for name, *_ in c.OpenOptions._fields_[4:]]
    if unknown := [name for name in limits if name not in known]:
        raise InvalidError(f"no limit is called {unknown[0]!r}; there are {', '.join(known)}")
    choices = {"backpressure": backpressure, "policy": policy, "latency": latency}
    options = c.OpenOptions(**{name: _choice(name, value) for name, value in choices.items()}, **limits)
    return Context(selector, options)
