"""libdxgrt.so through ctypes: where it is found, its structures, its functions, and how a status becomes an exception.

Structures and prototypes follow ``dxgrt.h`` line by line; ``tests/test_library.py`` compares them with what a C compiler says
of the header. Foreign calls give up the GIL, so that other threads run while one waits.
"""

from __future__ import annotations

import ctypes
import os
from ctypes import POINTER, Structure, Union, c_char, c_char_p, c_int32, c_size_t, c_uint8, c_uint32, c_uint64, c_void_p
from pathlib import Path
from typing import Any

from . import errors

ABI_VERSION = 0
FOREVER = (1 << 64) - 1

OK, NOT_READY, TIMEOUT = 0, 1, 2
INVALID, SHUTDOWN = -1, -9


class Sized(Structure):
    """A structure that begins with its own size."""

    def __init__(self, **fields: Any) -> None:
        super().__init__(struct_size=ctypes.sizeof(type(self)), **fields)


class DeviceInfo(Sized):
    _fields_ = [
        ("struct_size", c_uint32), ("kind", c_uint32), ("selector", c_char * 32), ("name", c_char * 128),
        ("architecture", c_char * 32), ("image_formats", c_uint32), ("features", c_uint32), ("memory_bytes", c_uint64),
        ("memory_alignment", c_uint32), ("max_args_size", c_uint32), ("max_grid", c_uint32 * 3),
        ("max_block", c_uint32 * 3), ("max_block_count", c_uint64), ("max_threads_per_block", c_uint32),
        ("max_shared_bytes", c_uint32), ("block_slots", c_uint32), ("hardware_queues", c_uint32),
    ]  # fmt: skip


class OpenOptions(Sized):
    _fields_ = [
        ("struct_size", c_uint32), ("backpressure", c_uint32), ("policy", c_uint32), ("latency", c_uint32),
        ("batch_commands", c_uint32), ("batch_bytes", c_uint32), ("gather_ns", c_uint64),
        ("stream_commands", c_uint32), ("device_commands", c_uint32), ("staging_bytes", c_uint64),
        ("cuda_context", c_void_p), ("pinned_bytes", c_uint64), ("cuda_release", c_void_p), ("cuda_user", c_void_p),
    ]  # fmt: skip


STATS = (
    "commands", "launches", "copies", "fills", "batches", "waves", "dispatches", "failures", "posted_messages",
    "round_trips", "doorbells", "message_bytes", "bytes_h2d", "bytes_d2h", "bytes_d2d", "waits", "wait_ns",
    "allocations", "frees", "graph_launches", "flush_waiter", "flush_idle", "flush_gathered", "flush_commands",
    "flush_bytes", "flush_device_time", "flush_deadline", "flush_requested", "flush_other",
)  # fmt: skip
MEMORY_STATS = ("total", "held", "used", "retiring", "peak_used", "allocations", "host", "staging_total", "staging_used")


class Stats(Sized):
    _fields_ = [("struct_size", c_uint32), ("reserved", c_uint32), *((name, c_uint64) for name in STATS)]


class MemoryStats(Sized):
    _fields_ = [("struct_size", c_uint32), ("reserved", c_uint32), *((name, c_uint64) for name in MEMORY_STATS)]


class StreamOptions(Sized):
    _fields_ = [("struct_size", c_uint32), ("priority", c_uint32)]


class Fence(Structure):
    _fields_ = [("timeline", c_uint64), ("value", c_uint64)]


class Access(Structure):
    _fields_ = [("addr", c_uint64), ("size", c_uint64), ("flags", c_uint32), ("arg_offset", c_uint32)]


class LaunchParams(Sized):
    _fields_ = [
        ("struct_size", c_uint32), ("flags", c_uint32), ("grid", c_uint32 * 3), ("block", c_uint32 * 3),
        ("shared_bytes", c_uint32), ("args_size", c_uint32), ("args", c_void_p), ("accesses", POINTER(Access)),
        ("access_count", c_uint32), ("reserved", c_uint32),
    ]  # fmt: skip


class CmdLaunch(Structure):
    _fields_ = [("kernel", c_void_p), ("params", LaunchParams)]


class CmdH2D(Structure):
    _fields_ = [("dst", c_uint64), ("src", c_void_p), ("size", c_uint64)]


class CmdD2H(Structure):
    _fields_ = [("dst", c_void_p), ("src", c_uint64), ("size", c_uint64)]


class CmdD2D(Structure):
    _fields_ = [("dst", c_uint64), ("src", c_uint64), ("size", c_uint64)]


class CmdFill(Structure):
    _fields_ = [("dst", c_uint64), ("size", c_uint64), ("pattern", c_uint8 * 8), ("pattern_size", c_uint32),
                ("reserved", c_uint32)]  # fmt: skip


class CmdUnion(Union):
    _fields_ = [("launch", CmdLaunch), ("h2d", CmdH2D), ("d2h", CmdD2H), ("d2d", CmdD2D), ("fill", CmdFill)]


class Cmd(Structure):
    _fields_ = [("struct_size", c_uint32), ("kind", c_uint32), ("u", CmdUnion)]


class Patch(Structure):
    _fields_ = [("struct_size", c_uint32), ("node", c_uint32), ("field", c_uint32), ("offset", c_uint32),
                ("data", c_void_p), ("size", c_uint64)]  # fmt: skip


FENCE_CALLBACK = ctypes.CFUNCTYPE(None, c_void_p, c_int32)
LOG_CALLBACK = ctypes.CFUNCTYPE(None, c_void_p, c_uint32, c_char_p, c_char_p)
RELEASE_CALLBACK = ctypes.CFUNCTYPE(None, c_void_p)

# Handles travel as integers: they are numbers that the library looks up, never pointers to follow.
_H, _OUT, _FENCE = c_void_p, POINTER(c_void_p), POINTER(Fence)
_PROTOTYPES: dict[str, tuple[Any, ...]] = {
    "device_count": (POINTER(c_uint32),),
    "device_info_get": (c_uint32, POINTER(DeviceInfo)),
    "info": (_H, POINTER(DeviceInfo)),
    "open": (c_char_p, POINTER(OpenOptions), _OUT),
    "close": (_H,),
    "flush": (_H,),
    "sync": (_H, c_uint64),
    "stats_get": (_H, POINTER(Stats)),
    "copy_h2d": (_H, c_uint64, c_void_p, c_uint64, c_uint32, _FENCE, _FENCE),
    "copy_d2h": (_H, c_void_p, c_uint64, c_uint64, _FENCE),
    "copy_d2d": (_H, c_uint64, c_uint64, c_uint64, _FENCE),
    "copy_peer": (_H, c_uint64, _H, c_uint64, c_uint64, _FENCE),
    "fill": (_H, c_uint64, c_uint64, c_void_p, c_uint32, _FENCE),
    "launch": (_H, _H, POINTER(LaunchParams), _FENCE),
    "submit": (_H, POINTER(Cmd), c_uint32, _FENCE),
    "event_create": (_H, c_uint32, _OUT),
    "event_record": (_H, _H),
    "event_fence": (_H, _FENCE),
    "event_elapsed_ns": (_H, _H, POINTER(c_uint64)),
    "event_destroy": (_H,),
    "fence_poll": (_H, Fence),
    "fence_wait_all": (_H, _FENCE, c_uint32, c_uint64),
    "fence_wait_any": (_H, _FENCE, c_uint32, c_uint64, POINTER(c_uint32)),
    "fence_on_done": (_H, Fence, FENCE_CALLBACK, c_void_p),
    "fence_eventfd": (_H, Fence, c_int32),
    "graph_create": (_H, POINTER(Cmd), c_uint32, POINTER(c_uint32), POINTER(c_uint32), _OUT),
    "graph_launch": (_H, _H, POINTER(Patch), c_uint32, _FENCE),
    "graph_destroy": (_H,),
    "set_log_callback": (c_uint32, LOG_CALLBACK, c_void_p),
    "cuda_context": (_H, _OUT),
    "cuda_wait_stream": (c_void_p, _H),
    "mem_import": (_H, c_uint64, c_uint64, RELEASE_CALLBACK, c_void_p, _OUT),
    "stream_wait_cuda": (_H, c_void_p, _FENCE),
    "stream_wait_cuda_event": (_H, c_void_p),
    "stream_record_cuda_event": (_H, c_void_p),
    "mem_alloc": (_H, c_uint64, c_uint64, c_uint32, _OUT),
    "mem_free": (_H, _H),
    "mem_use": (_H, _H),
    "mem_find": (_H, c_uint64, _OUT, POINTER(c_uint64)),
    "mem_usage": (_H, POINTER(MemoryStats)),
    "module_load": (_H, c_void_p, c_size_t, c_uint32, _OUT),
    "module_load_file": (_H, c_char_p, c_uint32, _OUT),
    "module_unload": (_H,),
    "kernel_get": (_H, c_char_p, _OUT),
    "stream_create": (_H, POINTER(StreamOptions), _OUT),
    "stream_default": (_H, _OUT),
    "stream_destroy": (_H,),
    "stream_reset": (_H,),
    "stream_flush": (_H, _FENCE),
    "stream_fence": (_H, _FENCE),
    "stream_wait": (_H, Fence),
    "stream_sync": (_H, c_uint64),
}
_VALUES: dict[str, tuple[Any, ...]] = {
    "abi_version": (c_uint32,),
    "version": (c_uint32,),
    "last_error": (c_size_t, c_char_p, c_size_t),
    "mem_addr": (c_uint64, _H),
    "mem_size": (c_uint64, _H),
    "mem_host_ptr": (c_void_p, _H),
    "status_name": (c_char_p, c_int32),
}


def _path() -> Path:
    """The library beside this file, or what ``DXGRT_LIBRARY`` names."""
    named = os.environ.get("DXGRT_LIBRARY")
    path = Path(named) if named else Path(__file__).with_name("libdxgrt.so")
    if not path.is_file():
        raise ImportError(
            f"there is no library at {path}; install the package with pip, or let DXGRT_LIBRARY name a libdxgrt.so"
        )
    return path


def _raise_for(status: int, _function: Any, _arguments: Any) -> int:
    if status < 0:
        raise failure(status)
    return status


class _Library:
    """The functions by their names without ``dxgrt_``; those that answer a status raise when it is a failure."""

    def __init__(self) -> None:
        self.path = _path()
        dll = ctypes.CDLL(str(self.path))
        for name, arguments in _PROTOTYPES.items():
            function = getattr(dll, f"dxgrt_{name}")
            function.restype, function.argtypes, function.errcheck = c_int32, arguments, _raise_for
            setattr(self, name, function)
        for name, (result, *values) in _VALUES.items():
            function = getattr(dll, f"dxgrt_{name}")
            function.restype, function.argtypes = result, values
            setattr(self, name, function)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"libdxgrt has no function dxgrt_{name}")


lib = _Library()
if lib.abi_version() != ABI_VERSION:
    raise ImportError(f"{lib.path} has ABI version {lib.abi_version()}, and this package needs {ABI_VERSION}")


def failure(status: int) -> errors.Error:
    """The exception for this thread's last failure."""
    length = lib.last_error(None, 0) + 1
    text = ctypes.create_string_buffer(length)
    lib.last_error(text, length)
    return errors.for_status(status, text.value.decode(errors="replace"))


def positive(status: int) -> errors.Error:
    """The exception for an answer that is no failure to the library but one to the caller."""
    sentences = {NOT_READY: "the answer is not known yet; ask again later",
                 TIMEOUT: "the time allowed for waiting is over; the work goes on"}  # fmt: skip
    return errors.for_status(status, sentences.get(status, f"unknown status {status}"))


def nanoseconds(timeout: float | None) -> int:
    """A timeout in seconds as the library wants it; ``None``: as long as it takes."""
    if timeout is None:
        return FOREVER
    if not timeout >= 0:
        raise errors.InvalidError(f"a timeout of {timeout} s is not to be had; use 0 or more, or None for ever")
    return min(int(timeout * 1e9), FOREVER - 1)


def release(function: Any, *arguments: Any) -> None:
    """Frees something; whether the context is closed already does not matter to one who lets go."""
    try:
        function(*arguments)
    except errors.Error:
        pass
