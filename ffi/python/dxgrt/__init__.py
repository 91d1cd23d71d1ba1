"""dxgrt: many small GPU launches and copies, handed over as few batched submissions.

>>> import dxgrt
>>> with dxgrt.open("software") as gpu:
...     buffer = gpu.alloc(16)
...     buffer.write(b"0123456789abcdef")
...     bytes(buffer.read(4))
b'0123'

Everything is asynchronous and in order per stream; what waits says so. A failure is an exception of the class that belongs to its
status (:mod:`dxgrt.errors`). The C library's rules (``RULES.md``) hold here too.
"""

from __future__ import annotations

from . import _library
from ._logging import log_to
from .commands import Command, Copy, CopyIn, CopyOut, Fill, Launch, Read, ReadWrite, Write
from .context import Context, DeviceInfo, MemoryUsage, Stats, devices, open
from .errors import (
    BadImageError,
    DependencyFailedError,
    DeviceLostError,
    DriverError,
    Error,
    ForkedError,
    FullError,
    InvalidError,
    LaunchFailedError,
    NoMemoryError,
    NotFoundError,
    NotReadyError,
    PanicError,
    ShutdownError,
    UnsupportedError,
    WaitTimeoutError,
)
from .event import Event
from .fence import Fence, wait_all, wait_any
from .graph import Graph, Patch
from .memory import Buffer, HostBuffer
from .module import Kernel, Module
from .stream import Stream

_version = _library.lib.version()
__version__ = f"{_version >> 16}.{_version >> 8 & 255}.{_version & 255}"

__all__ = [
    "BadImageError", "Buffer", "Command", "Context", "Copy", "CopyIn", "CopyOut", "DependencyFailedError", "DeviceInfo",
    "DeviceLostError", "DriverError", "Error", "Event", "Fence", "Fill", "ForkedError", "FullError", "Graph", "HostBuffer",
    "InvalidError", "Kernel", "Launch", "LaunchFailedError", "MemoryUsage", "Module", "NoMemoryError", "NotFoundError",
    "NotReadyError", "PanicError", "Patch", "Read", "ReadWrite", "ShutdownError", "Stats", "Stream", "UnsupportedError",
    "WaitTimeoutError", "Write", "devices", "log_to", "open", "wait_all", "wait_any",
]  # fmt: skip
