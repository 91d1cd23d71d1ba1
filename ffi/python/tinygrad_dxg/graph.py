"""A captured function (TinyJit) as one dxgrt graph: one entry, one batch, the dependencies that tinygrad knows.

What changes from call to call (addresses of inputs, symbolic variables and the launch sizes that follow from them) is patched.
Patch records are made once, and point to numbers of ours: a call writes those and hands over one array. The library copies it
during the call, so that an earlier launch keeps its own values.
"""

from __future__ import annotations

import ctypes
from typing import Any

import dxgrt
from dxgrt import _library as c
from dxgrt.graph import ARGS, BLOCK, DST, GRID, SRC
from tinygrad.device import Compiled, MultiBuffer
from tinygrad.engine.jit import GraphRunner
from tinygrad.engine.realize import get_call_arg_uops
from tinygrad.uop.ops import Ops, UOp

from .device import dims, pointer

_READ, _WRITE = 1, 2


class _Patches:
    """The patches of a graph: an array for the library, and the numbers that it points to."""

    def __init__(self) -> None:
        self.records: list[c.Patch] = []
        self.array: Any = None

    def add(self, node: int, field: int, storage: Any, offset: int = 0) -> Any:
        """A patch whose bytes are ``storage``, a ctypes object that the caller writes."""
        self.records.append(
            c.Patch(struct_size=ctypes.sizeof(c.Patch), node=node, field=field, offset=offset,
                    data=ctypes.addressof(storage), size=ctypes.sizeof(storage))  # fmt: skip
        )
        return storage

    def finish(self) -> None:
        """Makes the array."""
        self.array = (c.Patch * len(self.records))(*self.records)


class DXGGraph(GraphRunner):
    """Programs and copies of one device as a graph."""

    def __init__(self, linear: UOp, input_uops: tuple[UOp, ...] = ()) -> None:
        super().__init__(linear, input_uops)
        self.dev = self.runtime_device()
        count = len(self.calls)
        nodes, keep, after = (c.Cmd * count)(), [], []
        for number, ((_, ast, bufs, _), cmd) in enumerate(zip(self.calls, nodes)):
            cmd.struct_size = ctypes.sizeof(c.Cmd)
            writes = list(ast.arg.outs) if ast.op is Ops.PROGRAM else [0]
            after.append(sorted(set(self._access_resources(bufs, writes, number)) - {number}))
            if ast.op is Ops.PROGRAM:
                self._launch(cmd, number, keep)
            else:
                cmd.kind = 4
                dest, src = bufs[0]._buf, bufs[1]._buf
                cmd.u.d2d.dst, cmd.u.d2d.src, cmd.u.d2d.size = dest.address, src.address, bufs[0].nbytes
        self._patch()
        self.graph = dxgrt.Graph.__new__(dxgrt.Graph)
        self.graph._outputs, self.graph._room = [], {}
        self.graph._adopt(self.dev.context, nodes, count, after)

    def runtime_device(self) -> Any:
        """The device that all nodes run on."""
        from tinygrad.device import Device

        return Device[self.calls[0][2][0].device]

    def _launch(self, cmd: c.Cmd, number: int, keep: list[Any]) -> None:
        _, ast, bufs, device_vars = self.calls[number]
        program, info = self.runtimes[number], ast.arg
        # Sizes and values that depend on variables come with each call.
        sizes = info.launch_dims({name: 1 for name in self.vars} | device_vars)
        values = [None if v.expr in info.runtimevars else device_vars.get(v.expr, 0) for v in info.vars]
        args = program.pack([bufs[at]._buf.address for at in info.globals], values)
        accesses = (c.Access * len(info.globals))()
        for place, at in enumerate(info.globals):
            flags = _READ | _WRITE if at in info.outs else _READ
            accesses[place] = c.Access(bufs[at]._buf.address, bufs[at].nbytes, flags, 8 * place)
        keep += [args, accesses]
        cmd.kind = 1
        cmd.u.launch.kernel = program.kernel.handle
        cmd.u.launch.params = c.LaunchParams(grid=dims(sizes[0]), block=dims(sizes[1]), args_size=len(args),
                                             args=pointer(args), accesses=accesses, access_count=len(accesses))  # fmt: skip

    def _patch(self) -> None:
        self.patches = _Patches()
        self.inputs: list[tuple[Any, int, int]] = []
        for number, replaced in enumerate(self.uop_replace):
            device_index, ast, _, _ = self.calls[number]
            for position, slot in replaced:
                if ast.op is Ops.COPY:
                    field, offset = (DST if position == 0 else SRC), 0
                elif position in ast.arg.globals:
                    field, offset = ARGS, 8 * ast.arg.globals.index(position)
                else:
                    continue
                storage = self.patches.add(number, field, ctypes.c_uint64(), offset)
                self.inputs.append((storage, slot, device_index))
        self.values: dict[tuple[int, int], Any] = {}
        for number, replaced in self.var_vals_replace.items():
            _, ast, _, _ = self.calls[number]
            scalars = self.runtimes[number].layout(len(ast.arg.globals))[len(ast.arg.globals) :]
            for at, _ in replaced:
                offset, dtype = scalars[at]
                storage = self.patches.add(number, ARGS, (ctypes.c_char * dtype.itemsize)(), offset)
                self.values[number, at] = (storage, dtype)
        self.sizes: dict[int, tuple[Any, Any]] = {
            number: (self.patches.add(number, GRID, (ctypes.c_uint32 * 3)()),
                     self.patches.add(number, BLOCK, (ctypes.c_uint32 * 3)()))
            for number in self.launch_dims_replace
        }  # fmt: skip
        self.patches.finish()

    def __call__(self, input_uops: tuple[UOp, ...], var_vals: dict[str, int], wait: bool = False) -> float | None:
        for storage, slot, device_index in self.inputs:
            buffer = input_uops[slot].buffer
            if isinstance(buffer, MultiBuffer):
                buffer = buffer.bufs[device_index]
            storage.value = buffer.ensure_allocated()._buf.address
        for number, at, value in self.updated_vars(var_vals):
            storage, dtype = self.values[number, at]
            storage.raw = int(value).to_bytes(dtype.itemsize, "little", signed=value < 0)
        for number, grid, block in self.updated_launch_dims(var_vals):
            self.sizes[number][0][:], self.sizes[number][1][:] = dims(grid), dims(block)

        def launch() -> None:
            stream = self.dev.stream.handle
            c.lib.graph_launch(self.graph.handle, stream, self.patches.array, len(self.patches.records), None)

        if wait:
            return float(self.dev.timed(launch))
        launch()
        return None

    @staticmethod
    def supports_uop(batch_devs: list[Compiled], new_call: UOp) -> bool:
        """Programs and copies on one device; copies between contexts go beside graphs."""
        if new_call.src[0].op not in (Ops.PROGRAM, Ops.COPY) or not get_call_arg_uops(new_call):
            return False
        return len(GraphRunner._all_devs(batch_devs, new_call)) == 1
