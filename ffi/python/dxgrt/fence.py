"""Fences: points in a stream that can be asked for, waited for, and awaited.

``await fence`` registers an eventfd with the running loop; no thread waits. Callbacks come on a thread of the library, which
holds no lock of it; Python's own lock is taken for the length of the call.
"""

from __future__ import annotations

import asyncio
import ctypes
import itertools
import os
from typing import TYPE_CHECKING, Any, Callable, Generator, Iterable

from . import _library as c
from .errors import Error, InvalidError, for_status

if TYPE_CHECKING:
    from .context import Context

_waiting: dict[int, Callable[[int], None]] = {}
_numbers = itertools.count(1)


def _on_done(number: int, status: int) -> None:
    _waiting.pop(number)(status)


_ON_DONE = c.FENCE_CALLBACK(_on_done)


def when_done(context: Context, raw: c.Fence, call: Callable[[int], None]) -> None:
    """Has ``call`` called once with the fence's status. Where this raises, it is not called."""
    number = next(_numbers)
    _waiting[number] = call
    try:
        c.lib.fence_on_done(context.handle, raw, _ON_DONE, number)
    except Error:
        _waiting.pop(number, None)
        raise


class Fence:
    """Done when everything up to it is. A plain value: nothing to free, valid as long as its context is open."""

    __slots__ = ("context", "raw")

    def __init__(self, context: Context, raw: c.Fence) -> None:
        self.context, self.raw = context, raw

    def done(self) -> bool:
        """Whether it is done; raises the failure of its command. Never waits, and hands over what was held back."""
        return bool(c.lib.fence_poll(self.context.handle, self.raw) == c.OK)

    def wait(self, timeout: float | None = None) -> None:
        """Waits, for ``timeout`` seconds at most; raises the failure of its command, or :class:`WaitTimeoutError`."""
        status = c.lib.fence_wait_all(self.context.handle, ctypes.byref(self.raw), 1, c.nanoseconds(timeout))
        if status != c.OK:
            raise c.positive(status)

    def add_done_callback(self, call: Callable[[Error | None], Any]) -> None:
        """Has ``call`` called once when it is done: with ``None``, or the failure.

        It is called on a thread of the library, and must not wait for the device.
        """

        def translate(status: int) -> None:
            call(None if status == c.OK else _explained(status))

        when_done(self.context, self.raw, translate)

    def signal_eventfd(self, descriptor: int) -> None:
        """Adds 1 to the eventfd when it is done, failed or not. The descriptor may be closed at any time."""
        c.lib.fence_eventfd(self.context.handle, self.raw, descriptor)

    def __await__(self) -> Generator[Any, None, None]:
        if not self.done():
            loop = asyncio.get_running_loop()
            descriptor = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
            try:
                waiter = loop.create_future()
                loop.add_reader(descriptor, _wake, waiter)
                try:
                    self.signal_eventfd(descriptor)
                    yield from waiter
                finally:
                    loop.remove_reader(descriptor)
            finally:
                os.close(descriptor)
            # The failure of the command, if it has one, is raised here.
            self.done()

    def __repr__(self) -> str:
        return f"<dxgrt.Fence {self.raw.value} of timeline {self.raw.timeline}>"


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _explained(status: int) -> Error:
    name: str = c.lib.status_name(status).decode()
    return for_status(status, f"{name}; wait for the fence to learn why")


def _array(fences: Iterable[Fence]) -> tuple[Context, Any, int]:
    listed = list(fences)
    if not listed:
        raise InvalidError("no fences to wait for; name at least one")
    context = listed[0].context
    if any(fence.context is not context for fence in listed):
        raise InvalidError("the fences belong to different contexts; wait for those of one at a time")
    return context, (c.Fence * len(listed))(*(fence.raw for fence in listed)), len(listed)


def wait_all(fences: Iterable[Fence], timeout: float | None = None) -> None:
    """Waits until all are done; raises the failure of the first that failed, in their order."""
    context, array, count = _array(fences)
    status = c.lib.fence_wait_all(context.handle, array, count, c.nanoseconds(timeout))
    if status != c.OK:
        raise c.positive(status)


def wait_any(fences: Iterable[Fence], timeout: float | None = None) -> int:
    """Waits until one is done, and answers which (its place in ``fences``); raises its failure."""
    context, array, count = _array(fences)
    index = ctypes.c_uint32()
    status = c.lib.fence_wait_any(context.handle, array, count, c.nanoseconds(timeout), ctypes.byref(index))
    if status != c.OK:
        raise c.positive(status)
    return index.value
