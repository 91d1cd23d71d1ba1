"""Streams: commands that run one after another. Nothing here waits for the device, but where its text says so."""

from __future__ import annotations

import ctypes
import weakref
from typing import TYPE_CHECKING, Any, Literal, Sequence

from . import _library as c
from ._bytes import Exported
from .commands import Command, Dims, Launch, Place, encode, launch_params, pattern_bytes, place
from .errors import InvalidError
from .fence import Fence, when_done
from .module import Kernel

if TYPE_CHECKING:
    from .context import Context

Priority = Literal["normal", "high", "low"]
_PRIORITIES = {"normal": 0, "high": 1, "low": 2}


def keep_until(context: Context, raw: c.Fence, outputs: list[Any]) -> None:
    """Holds the host memory that commands in flight write, whatever becomes of the caller."""
    if outputs:
        when_done(context, raw, lambda _status, _held=outputs: None)  # type: ignore[misc]


def _cuda(stream: int) -> int | None:
    # 1 and 2 are other names of the default streams, in DLPack as in CUDA itself.
    return None if stream in (0, 1) else stream


class Stream:
    """A stream. Calls from several threads are taken in the order in which they arrive."""

    def __init__(self, context: Context, priority: Priority | None = "normal") -> None:
        out = ctypes.c_void_p()
        self.context = context
        if priority is None:
            c.lib.stream_default(context.handle, ctypes.byref(out))
            self.handle = out.value
            return
        if priority not in _PRIORITIES:
            raise InvalidError(f"no priority is called {priority!r}; use one of {', '.join(_PRIORITIES)}")
        options = c.StreamOptions(priority=_PRIORITIES[priority])
        c.lib.stream_create(context.handle, ctypes.byref(options), ctypes.byref(out))
        self.handle = out.value
        weakref.finalize(self, c.release, c.lib.stream_destroy, self.handle).atexit = False

    def _fence(self, raw: c.Fence) -> Fence:
        return Fence(self.context, raw)

    def launch(
        self, kernel: Kernel, grid: Dims, args: Any = b"", *, block: Dims = 1, shared_bytes: int = 0
    ) -> Fence:
        """Launches a kernel. How arguments are given: :mod:`dxgrt.commands`."""
        keep: list[Any] = []
        params, done = launch_params(Launch(kernel, grid, args, block, shared_bytes), keep), c.Fence()
        c.lib.launch(self.handle, kernel.handle, params, done)
        return self._fence(done)

    def copy_in(self, dst: Place, data: Any) -> Fence:
        """Copies the bytes of ``data`` to the device. They are taken during the call."""
        source, done = Exported(data), c.Fence()
        c.lib.copy_h2d(self.handle, place(dst), source.address, source.size, 0, None, done)
        return self._fence(done)

    def copy_out(self, dst: Any, src: Place) -> Fence:
        """Copies from the device to all of ``dst``: writable memory, which is kept, and written, until the fence is done."""
        into, done = Exported(dst, writable=True), c.Fence()
        c.lib.copy_d2h(self.handle, into.address, place(src), into.size, done)
        keep_until(self.context, done, [into])
        return self._fence(done)

    def copy(self, dst: Place, src: Place, size: int) -> Fence:
        """Copies on the device. The ranges must not overlap."""
        done = c.Fence()
        c.lib.copy_d2d(self.handle, place(dst), place(src), size, done)
        return self._fence(done)

    def copy_from(self, source: Stream, dst: Place, src: Place, size: int) -> Fence:
        """Copies from ``src``, after all that ``source`` has accepted, to ``dst``, in this stream.

        Streams of different contexts are waited for: devices cannot wait for each other.
        """
        done = c.Fence()
        c.lib.copy_peer(self.handle, place(dst), source.handle, place(src), size, done)
        return self._fence(done)

    def fill(self, dst: Place, size: int, pattern: bytes = b"\0") -> Fence:
        """Fills ``size`` bytes with a pattern of 1, 2, 4 or 8 bytes, of which a whole number must fit."""
        done = c.Fence()
        c.lib.fill(self.handle, place(dst), size, pattern_bytes(pattern), len(pattern), done)
        return self._fence(done)

    def submit(self, commands: Sequence[Command]) -> Fence:
        """Enqueues all commands as one entry, or none. They go out in one batch unless a cap splits it."""
        array, _keep, outputs = encode(commands)
        done = c.Fence()
        c.lib.submit(self.handle, array, len(commands), done)
        keep_until(self.context, done, outputs)
        return self._fence(done)

    def wait(self, fence: Fence) -> None:
        """Lets everything enqueued from now on wait, on the device, for the fence."""
        c.lib.stream_wait(self.handle, fence.raw)

    def after_cuda(self, stream: int = 0) -> None:
        """Lets everything enqueued from now on wait, on the device, for what a CUDA stream of the same context holds now.

        ``stream`` is its ``CUstream`` as a number (``torch.cuda.current_stream().cuda_stream``); 0 is CUDA's default stream.
        """
        c.lib.stream_wait_cuda(self.handle, _cuda(stream), None)

    def before_cuda(self, stream: int = 0) -> None:
        """Lets everything put into a CUDA stream from now on wait, on the device, for everything enqueued here so far."""
        c.lib.cuda_wait_stream(_cuda(stream), self.handle)

    @property
    def fence(self) -> Fence:
        """The fence of everything enqueued so far. Hands nothing over."""
        raw = c.Fence()
        c.lib.stream_fence(self.handle, raw)
        return self._fence(raw)

    def flush(self) -> Fence:
        """Hands over what the stream has gathered; the fence of everything enqueued so far."""
        raw = c.Fence()
        c.lib.stream_flush(self.handle, raw)
        return self._fence(raw)

    def sync(self, timeout: float | None = None) -> None:
        """Waits until everything enqueued so far is done, for ``timeout`` seconds at most; raises the failure if one failed."""
        status = c.lib.stream_sync(self.handle, c.nanoseconds(timeout))
        if status != c.OK:
            raise c.positive(status)

    def reset(self) -> None:
        """Makes a failed stream usable again; waits until nothing of it is in flight. A lost device cannot be reset."""
        c.lib.stream_reset(self.handle)
