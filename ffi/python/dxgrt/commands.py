"""Commands as values: what :meth:`dxgrt.Stream.submit` and :class:`dxgrt.Graph` take, and how arguments are packed.

Arguments of a launch are packed as the device reads them: addresses as 8 bytes, scalars at their natural alignment. In the list
an address is a buffer or an ``int``; a scalar is a ctypes or NumPy scalar, because Python's own numbers do not say how wide they
are; ``bytes`` instead of a list are taken as they are. Buffers wrapped in :class:`Read`, :class:`Write` or :class:`ReadWrite`
tell the device what the launch touches, so that it may run beside others: then all of them are wrapped.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any, Sequence, Union

from . import _library as c
from ._bytes import Exported
from .errors import InvalidError
from .memory import Buffer
from .module import Kernel

READ, WRITE = 1, 2
Dims = Union[int, Sequence[int]]
Place = Union[int, Buffer]


class Read:
    """A buffer that a kernel reads."""

    flags = READ

    def __init__(self, buffer: Buffer, offset: int = 0, size: int | None = None) -> None:
        self.address, self.size = buffer.address + offset, buffer.size - offset if size is None else size


class Write(Read):
    """A buffer that a kernel writes."""

    flags = WRITE


class ReadWrite(Read):
    """A buffer that a kernel reads and writes."""

    flags = READ | WRITE


def place(where: Place) -> int:
    """An address, or that of a buffer."""
    return where.address if isinstance(where, Buffer) else where


def dims(size: Dims, what: str) -> tuple[int, int, int]:
    """Up to three sizes; what is missing is 1."""
    sizes = (size,) if isinstance(size, int) else tuple(size)
    if not 1 <= len(sizes) <= 3 or not all(isinstance(each, int) and 0 <= each < 1 << 32 for each in sizes):
        raise InvalidError(f"a {what} of {size!r} cannot be; give one to three sizes below 2^32")
    return (*sizes, *(1,) * (3 - len(sizes)))  # type: ignore[return-value]


def _scalar(value: Any) -> tuple[bytes, int]:
    """The bytes of an argument and its alignment."""
    if isinstance(value, (Buffer, Read)):
        return value.address.to_bytes(8, "little"), 8
    if isinstance(value, int) and not isinstance(value, bool):
        if not 0 <= value < 1 << 64:
            raise InvalidError(f"{value} is no address; wrap a number in the ctypes or NumPy type that the kernel reads")
        return value.to_bytes(8, "little"), 8
    if isinstance(value, ctypes._SimpleCData):
        return bytes(value), ctypes.alignment(value)
    if hasattr(value, "dtype") and getattr(value, "ndim", None) == 0:
        return value.tobytes(), value.dtype.alignment
    raise InvalidError(
        f"{type(value).__name__} does not say how many bytes it is as an argument; "
        "give buffers, ctypes.c_float(…), numpy.int32(…), or packed bytes"
    )


def pack(args: Any) -> tuple[bytes, list[c.Access]]:
    """The packed arguments and what they tell about accesses."""
    if isinstance(args, (bytes, bytearray, memoryview)):
        return bytes(args), []
    packed, accesses, plain = bytearray(), [], 0
    for value in args:
        data, alignment = _scalar(value)
        packed.extend(bytes(-len(packed) % alignment))
        if isinstance(value, Read):
            accesses.append(c.Access(addr=value.address, size=value.size, flags=value.flags, arg_offset=len(packed)))
        plain += isinstance(value, Buffer)
        packed.extend(data)
    if accesses and plain:
        raise InvalidError(f"{plain} of the buffers are not wrapped in Read, Write or ReadWrite; wrap all or none of them")
    return bytes(packed), accesses


@dataclass
class Launch:
    """A launch: ``grid`` blocks of ``block`` threads each."""

    kernel: Kernel
    grid: Dims
    args: Any = b""
    block: Dims = 1
    shared_bytes: int = 0


@dataclass
class CopyIn:
    """A copy of the bytes of ``data``, which are taken when the command is handed in, to the device."""

    dst: Place
    data: Any


@dataclass
class CopyOut:
    """A copy from the device to all of ``dst``: writable memory, kept until the copy is done."""

    dst: Any
    src: Place


@dataclass
class Copy:
    """A copy on the device. The ranges must not overlap."""

    dst: Place
    src: Place
    size: int


@dataclass
class Fill:
    """A fill with a pattern of 1, 2, 4 or 8 bytes, of which a whole number must fit."""

    dst: Place
    size: int
    pattern: bytes = b"\0"


Command = Union[Launch, CopyIn, CopyOut, Copy, Fill]


def launch_params(command: Launch, keep: list[Any]) -> c.LaunchParams:
    """The C structure of a launch; what it points to is added to ``keep``."""
    args, accesses = pack(command.args)
    array = (c.Access * len(accesses))(*accesses) if accesses else None
    keep += [args, array]
    return c.LaunchParams(
        grid=dims(command.grid, "grid"),
        block=dims(command.block, "block"),
        shared_bytes=command.shared_bytes,
        args_size=len(args),
        args=ctypes.cast(ctypes.c_char_p(args), ctypes.c_void_p),
        accesses=array,
        access_count=len(accesses),
    )


def pattern_bytes(pattern: bytes) -> bytes:
    """A fill's pattern, which the library takes in four lengths."""
    if len(pattern) not in (1, 2, 4, 8):
        raise InvalidError(f"a pattern of {len(pattern)} bytes cannot be filled with; use 1, 2, 4 or 8")
    return bytes(pattern)


def encode(commands: Sequence[Command]) -> tuple[Any, list[Any], list[Any]]:
    """The commands as a C array, what it points to, and the destinations on the host."""
    array = (c.Cmd * len(commands))()
    keep: list[Any] = []
    outputs: list[Any] = []
    for cmd, command in zip(array, commands):
        cmd.struct_size = ctypes.sizeof(c.Cmd)
        if isinstance(command, Launch):
            cmd.kind = 1
            cmd.u.launch.kernel, cmd.u.launch.params = command.kernel.handle, launch_params(command, keep)
        elif isinstance(command, CopyIn):
            data = Exported(command.data)
            keep.append(data)
            cmd.kind = 2
            cmd.u.h2d.dst, cmd.u.h2d.src, cmd.u.h2d.size = place(command.dst), data.address, data.size
        elif isinstance(command, CopyOut):
            into = Exported(command.dst, writable=True)
            outputs.append(into)
            cmd.kind = 3
            cmd.u.d2h.dst, cmd.u.d2h.src, cmd.u.d2h.size = into.address, place(command.src), into.size
        elif isinstance(command, Copy):
            cmd.kind = 4
            cmd.u.d2d.dst, cmd.u.d2d.src, cmd.u.d2d.size = place(command.dst), place(command.src), command.size
        elif isinstance(command, Fill):
            pattern = pattern_bytes(command.pattern)
            cmd.kind = 5
            cmd.u.fill.dst, cmd.u.fill.size, cmd.u.fill.pattern_size = place(command.dst), command.size, len(pattern)
            cmd.u.fill.pattern[: len(pattern)] = list(pattern)
        else:
            raise InvalidError(f"{type(command).__name__} is no command; use Launch, CopyIn, CopyOut, Copy or Fill")
    return array, keep, outputs
