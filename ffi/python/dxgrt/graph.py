"""Graphs: commands with dependencies, enqueued again and again as one entry."""

from __future__ import annotations

import ctypes
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Sequence

from . import _library as c
from .commands import Command, CopyOut, Dims, Place, dims, encode, pack, place
from .errors import InvalidError
from .fence import Fence
from .stream import Stream, keep_until

if TYPE_CHECKING:
    from .context import Context

ARGS, DST, SRC, GRID, BLOCK, SIZE, DATA = range(7)


@dataclass
class Patch:
    """A change to one node for one launch of its graph. Made by the functions below."""

    node: int
    field: int
    data: bytes
    offset: int = 0

    @staticmethod
    def args(node: int, args: Any, offset: int = 0) -> Patch:
        """Arguments of a launch, from ``offset`` bytes on; given as in a launch."""
        return Patch(node, ARGS, pack(args)[0], offset)

    @staticmethod
    def dst(node: int, where: Place) -> Patch:
        """Where a copy or fill goes to, on the device."""
        return Patch(node, DST, place(where).to_bytes(8, "little"))

    @staticmethod
    def src(node: int, where: Place) -> Patch:
        """Where a copy comes from."""
        return Patch(node, SRC, place(where).to_bytes(8, "little"))

    @staticmethod
    def grid(node: int, size: Dims) -> Patch:
        """Blocks of a launch."""
        return Patch(node, GRID, bytes((ctypes.c_uint32 * 3)(*dims(size, "grid"))))

    @staticmethod
    def block(node: int, size: Dims) -> Patch:
        """Threads of a block of a launch."""
        return Patch(node, BLOCK, bytes((ctypes.c_uint32 * 3)(*dims(size, "block"))))

    @staticmethod
    def size(node: int, size: int) -> Patch:
        """Bytes of a copy on the device, of a copy to the host (no more than before), or of a fill."""
        return Patch(node, SIZE, size.to_bytes(8, "little"))

    @staticmethod
    def copied(node: int, data: Any) -> Patch:
        """The data of a copy from the host; as many bytes as before."""
        return Patch(node, DATA, bytes(data))


class Graph:
    """``commands`` as nodes; ``after[i]`` names the earlier nodes that node ``i`` comes after, and without it nodes run in order.

    Destinations on the host are written by every launch, and kept as long as the graph and its launches; data from the host is
    taken now.
    """

    def __init__(self, context: Context, commands: Sequence[Command], after: Sequence[Sequence[int]] | None = None) -> None:
        array, _keep, self._outputs = encode(commands)
        # What a patch could make the library write beyond.
        self._room = {node: array[node].u.d2h.size for node, cmd in enumerate(commands) if isinstance(cmd, CopyOut)}
        self._adopt(context, array, len(commands), after)

    def _adopt(self, context: Context, array: Any, count: int, after: Sequence[Sequence[int]] | None) -> None:
        offsets = flat = None
        if after is not None:
            if len(after) != count:
                raise InvalidError(f"{len(after)} lists of dependencies for {count} nodes; give one for each")
            offsets, flat = (ctypes.c_uint32 * (count + 1))(), (ctypes.c_uint32 * sum(map(len, after)))()
            at = 0
            for node, before in enumerate(after):
                flat[at : at + len(before)] = list(before)
                at += len(before)
                offsets[node + 1] = at
        out = ctypes.c_void_p()
        c.lib.graph_create(context.handle, array, count, offsets, flat, ctypes.byref(out))
        self.context, self.handle = context, out.value
        self._free = weakref.finalize(self, c.release, c.lib.graph_destroy, self.handle)
        self._free.atexit = False

    def launch(self, stream: Stream, patches: Sequence[Patch] = ()) -> Fence:
        """Enqueues the graph with patches that hold for this launch only; a wrong one enqueues nothing."""
        array, keep = (c.Patch * len(patches))(), [patch.data for patch in patches]
        for patch in patches:
            self._check(patch)
        for raw, patch, data in zip(array, patches, keep):
            raw.struct_size, raw.node, raw.field, raw.offset = ctypes.sizeof(c.Patch), patch.node, patch.field, patch.offset
            raw.data, raw.size = ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p), len(data)
        done = c.Fence()
        c.lib.graph_launch(self.handle, stream.handle, array, len(patches), done)
        keep_until(self.context, done, self._outputs)
        return Fence(self.context, done)

    def _check(self, patch: Patch) -> None:
        room = self._room.get(patch.node)
        if room is None:
            return
        if patch.field == DST:
            raise InvalidError(f"node {patch.node} copies to memory of this process, which stays the one it was made with")
        if patch.field == SIZE and int.from_bytes(patch.data, "little") > room:
            raise InvalidError(f"node {patch.node} copies to {room} bytes; a patch may make it fewer, not more")

    def destroy(self) -> None:
        """Frees the graph; launches in flight still complete."""
        self._free()
