"""Events: reusable marks in streams, with the device's time where asked for."""

from __future__ import annotations

import ctypes
import weakref
from typing import TYPE_CHECKING

from . import _library as c
from .errors import NotReadyError
from .fence import Fence

if TYPE_CHECKING:
    from .context import Context
    from .stream import Stream


class Event:
    """A mark that is recorded in streams, again and again; the latest record counts."""

    def __init__(self, context: Context, timing: bool = False) -> None:
        out = ctypes.c_void_p()
        c.lib.event_create(context.handle, 1 if timing else 0, ctypes.byref(out))
        self.context, self.handle = context, out.value
        self._free = weakref.finalize(self, c.release, c.lib.event_destroy, self.handle)
        self._free.atexit = False

    def record(self, stream: Stream) -> None:
        """Done when everything that ``stream`` has accepted so far is."""
        c.lib.event_record(self.handle, stream.handle)

    @property
    def fence(self) -> Fence:
        """The fence of the latest record; one that is done where there is none."""
        raw = c.Fence()
        c.lib.event_fence(self.handle, ctypes.byref(raw))
        return Fence(self.context, raw)

    def elapsed(self, later: Event) -> float:
        """Seconds of the device's time from this record to that of ``later``; both keep time and are done."""
        ns = ctypes.c_uint64()
        if c.lib.event_elapsed_ns(self.handle, later.handle, ctypes.byref(ns)) != c.OK:
            raise NotReadyError("one of the events is not done, or was never recorded; wait for its fence first")
        return ns.value / 1e9

    def free(self) -> None:
        """Gives the event back; what waits for it still does."""
        self._free()
